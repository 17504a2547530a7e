"""Threads, hand-over slots and orderly shutdown."""
