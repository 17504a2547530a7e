"""Formats of files and messages: strict models, identifiers, canonical JSON, signatures, YAML."""
