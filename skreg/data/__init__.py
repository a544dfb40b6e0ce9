"""Storage: what enters, matrices with their rows and columns, and the order of visits."""
