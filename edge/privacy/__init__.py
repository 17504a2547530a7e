"""Pseudonyms, redaction, sealing, keys, retention and the audit log."""
