"""Input and output of all kinds, each behind a port."""
