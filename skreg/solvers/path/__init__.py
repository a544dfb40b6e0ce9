"""One problem under one penalty after the other."""
