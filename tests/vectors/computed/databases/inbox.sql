CREATE TABLE hit (
    hit_id TEXT PRIMARY KEY,
    site TEXT NOT NULL,
    box TEXT NOT NULL,
    camera TEXT NOT NULL,
    rule TEXT NOT NULL,
    counter INTEGER NOT NULL,
    human_check_required INTEGER NOT NULL,
    observed_at TEXT NOT NULL,
    stored_at TEXT NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX hit_by_observation ON hit (observed_at);
CREATE TABLE review (
    hit_id TEXT PRIMARY KEY REFERENCES hit (hit_id) ON DELETE CASCADE,
    rule TEXT NOT NULL,
    reason TEXT,
    reviewed_at TEXT NOT NULL
);
CREATE TABLE purged_review (rule TEXT NOT NULL, reason TEXT, count INTEGER NOT NULL);
CREATE TABLE purged_hit (
    hit_id TEXT PRIMARY KEY,
    stored_at TEXT NOT NULL,
    purged_at TEXT NOT NULL
);
CREATE TABLE aside (
    payload_sha256 TEXT PRIMARY KEY,
    topic TEXT NOT NULL,
    why TEXT NOT NULL,
    received_at TEXT NOT NULL,
    payload BLOB NOT NULL
);
PRAGMA application_id = 1095651393;
PRAGMA user_version = 1;
PRAGMA page_size = 4096;
PRAGMA journal_mode = wal;
PRAGMA encoding = UTF-8;
