"""The signed policy: its model, checks, signatures and changes, lists and orders to suspend."""
