"""Values and rules of the product. Pure: no I/O, no clock, no randomness, no logging."""
