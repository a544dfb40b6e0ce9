"""The exact solver of smooth losses: row steps, working sets and Newton's method."""
