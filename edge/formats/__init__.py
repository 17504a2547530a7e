"""Formats that files and messages share: strict models, timestamps, signed documents."""
