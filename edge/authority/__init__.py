"""The other side: what the competent authority runs to receive, open and review hits."""
