"""The methods, and the driver that runs them."""
