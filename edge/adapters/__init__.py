"""Everything impure, each behind a port."""
