"""State of older versions of this program."""

from __future__ import annotations

VERSION_1 = """
PRAGMA page_size = 4096;
CREATE TABLE hit (
    sequence INTEGER PRIMARY KEY,
    hit_id TEXT NOT NULL UNIQUE,
    camera TEXT NOT NULL,
    topic TEXT NOT NULL,
    receipt_required INTEGER NOT NULL,
    published INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE counter (value INTEGER NOT NULL);
INSERT INTO counter VALUES (17);
CREATE TABLE filler (bytes BLOB NOT NULL);
PRAGMA application_id = 0x414E5052;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""
