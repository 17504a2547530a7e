"""Pseudonyms, redaction and sealing: what makes this product different."""
