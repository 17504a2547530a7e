"""Versions of the desk's tables, as Alembic runs them."""
