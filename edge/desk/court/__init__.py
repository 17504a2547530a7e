"""Decided cases for a court, a data subject or a fines system: export and offline proof."""
