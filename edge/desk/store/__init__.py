"""The desk's database, SQLite or PostgreSQL: its tables and their versions, and its hits."""
