"""Benchmarks of a box: speed, delivery, reaction and long runs."""
