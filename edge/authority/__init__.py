"""The receiving side: what a competent authority runs to receive, open and review hits."""
