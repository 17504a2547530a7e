"""The signed policy: its model, checklist, signatures, comparison, lists and gate."""
