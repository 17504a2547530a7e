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
CREATE TABLE filler (bytes BLOB NOT NULL);
CREATE TABLE item_key (
    hit_id TEXT PRIMARY KEY,
    retention_key TEXT NOT NULL,
    wrapped BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE keyring (id TEXT NOT NULL);
PRAGMA application_id = 1095651410;
PRAGMA user_version = 2;
PRAGMA page_size = 4096;
PRAGMA journal_mode = wal;
PRAGMA encoding = UTF-8;
