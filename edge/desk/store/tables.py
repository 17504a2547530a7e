"""The tables of the desk, the same on SQLite and on PostgreSQL.

No table has a column for a plate or for anything that was inside a seal. Of a hit, only what its
signed header says in clear is in columns of its own; the hit itself is kept sealed, byte for byte.

Moments are texts as `formats.timestamps.utc_text` writes them, days are ISO 8601. The versions in
`migrations/versions` make these tables; a test compares the two.

Longer than 500 lines because all tables of the desk stand in it, in the order of their references.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

VERSION_TABLE = "desk_version"
"""Where Alembic keeps the version of the tables."""

HEAD = "0016"
"""The newest version of the tables, which this program reads and writes."""

EARLIER = (
    "0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012",
    "0013", "0014", "0015",
)  # fmt: skip
"""The versions that a desk is brought up from when it is opened."""

METADATA = MetaData()

STATE = Table(
    "desk_state",
    METADATA,
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True),
    Column("authority", String(40), nullable=False),
    Column("moved", Boolean, nullable=False),
)
"""One row. After `moved` is set, nothing more is written here: the store is elsewhere."""

HIT = Table(
    "hit",
    METADATA,
    Column("hit_id", String(32), primary_key=True),
    Column("day", String(10), nullable=False),
    Column("site", String(40), nullable=False),
    Column("box", String(40), nullable=False),
    Column("camera", String(40), nullable=False),
    Column("rule", String(40), nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("human_check_required", Boolean, nullable=False),
    Column("observed_at", String(24), nullable=False),
    Column("stored_at", String(24), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("waits_for", String(14), server_default="officer"),
    Index("hit_by_day", "day", "hit_id"),
    Index("hit_by_site", "site", "day", "hit_id"),
    Index("hit_by_box", "site", "box", "observed_at"),
    Index(
        "hit_in_queue",
        "waits_for",
        "site",
        "rule",
        "observed_at",
        "hit_id",
        sqlite_where=text("waits_for IS NOT NULL"),
        postgresql_where=text("waits_for IS NOT NULL"),
    ),
)
"""Received hits. Retention counts from `day`: of the passage, or of storing if that was earlier.

`waits_for`: the role that gives the next finding; null once one has decided.

The transaction that stores a finding sets it, so that the queue reads waiting hits only.
"""

HIT_PAYLOAD = Table(
    "hit_payload",
    METADATA,
    Column("hit_id", String(32), ForeignKey("hit.hit_id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(80), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("bytes", Integer, nullable=False),
    Index("hit_payload_by_key", "key"),
)
"""Where the payload of a hit is that is beside the database, with its digest and size.

Such a hit has no bytes in `hit.payload`.
"""

PAYLOAD_DESK = Table(
    "payload_desk",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(16), nullable=False),
    CheckConstraint("id = 1", name="one_desk"),
)
"""The random name with which the keys of this desk's payloads begin."""

RECEIPT = Table(
    "receipt",
    METADATA,
    Column("hit_id", String(32), ForeignKey("hit.hit_id", ondelete="CASCADE"), primary_key=True),
    Column("signed_at", String(24), nullable=False),
    Column("payload", LargeBinary, nullable=False),
)

ASIDE = Table(
    "aside",
    METADATA,
    Column("payload_sha256", String(64), primary_key=True),
    Column("topic", String, nullable=False),
    Column("why", String, nullable=False),
    Column("received_at", String(24), nullable=False),
    Column("payload", LargeBinary, nullable=False),
)

PERSON = Table(
    "person",
    METADATA,
    Column("person", String(40), primary_key=True),
    Column("full_name", String(80), nullable=False),
    Column("added_by", String(40), nullable=False),
    Column("added_at", String(24), nullable=False),
)

PASSWORD = Table(
    "password",
    METADATA,
    Column("person", String(40), ForeignKey("person.person", ondelete="CASCADE"), primary_key=True),
    Column("argon2", String(200), nullable=False),
    Column("set_at", String(24), nullable=False),
)

ATTEMPT = Table(
    "attempt",
    METADATA,
    Column("name_hmac", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", String(24), nullable=False),
)
"""Failed proofs of a name, whether or not a person has it: what was typed may be a passphrase.

So its digest is keyed with a secret of the desk's folder.
"""

ENTITLEMENT = Table(
    "entitlement",
    METADATA,
    Column("right_id", String(16), primary_key=True),
    Column("person", String(40), ForeignKey("person.person"), nullable=False),
    Column("role", String(24), nullable=False),
    Column("authority", String(40), nullable=False),
    Column("site", String(40)),
    Column("rule", String(40)),
    Column("first_day", String(10), nullable=False),
    Column("last_day", String(10), nullable=False),
    Column("mandate", String(60), nullable=False),
    Column("proposed_by", String(40), ForeignKey("person.person"), nullable=False),
    Column("proposed_at", String(24), nullable=False),
    Column("approved_by", String(40), ForeignKey("person.person")),
    Column("approved_at", String(24)),
    Column("revoked_by", String(40), ForeignKey("person.person")),
    Column("revoked_at", String(24)),
    Column("alone", Boolean, nullable=False),
    CheckConstraint("alone OR approved_by IS NULL OR approved_by <> proposed_by", name="four_eyes"),
    CheckConstraint("NOT alone OR role = 'supervisor'", name="alone_supervisor"),
    CheckConstraint("first_day <= last_day", name="days"),
    Index("entitlement_of_person", "person"),
)
"""A right of a person. It is in force between its days once it is approved and until it is revoked.

`alone`: the exception of the first account, whose right nobody else could approve.
"""

SESSION = Table(
    "session",
    METADATA,
    Column("token_sha256", String(64), primary_key=True),
    Column("person", String(40), ForeignKey("person.person", ondelete="CASCADE"), nullable=False),
    Column("begun_at", String(24), nullable=False),
    Column("seen_at", String(24), nullable=False),
    Column("way", String(16), nullable=False, server_default="own"),
)
"""A person who is logged in on the web. The token itself is only in her browser's cookie.

`way`: how she logged in, `edge.desk.sign_in.LoginWay`.
"""

ACCOUNT_LINK = Table(
    "account_link",
    METADATA,
    Column("link_id", String(16), primary_key=True),
    Column("person", String(40), ForeignKey("person.person"), nullable=False),
    Column("issuer", String(255), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("proposed_by", String(40), ForeignKey("person.person"), nullable=False),
    Column("proposed_at", String(24), nullable=False),
    Column("approved_by", String(40), ForeignKey("person.person")),
    Column("approved_at", String(24)),
    Index("account_link_of_subject", "issuer", "subject", unique=True),
    Index("account_link_of_person", "person", "issuer", unique=True),
)
"""Which account at a provider of logins is which person. One that is removed is deleted."""

PERSONAL_KEY = Table(
    "personal_key",
    METADATA,
    Column("key_id", String(16), primary_key=True),
    Column("person", String(40), ForeignKey("person.person"), nullable=False),
    Column("public", String(52), nullable=False),
    Column("added_at", String(24), nullable=False),
    Column("revoked_at", String(24)),
    Column("revoked_by", String(40)),
    Index("personal_key_of_person", "person"),
)
"""The public keys under which a person signs findings."""

SEALED_KEY = Table(
    "sealed_key",
    METADATA,
    Column("key_id", String(16), ForeignKey("personal_key.key_id"), primary_key=True),
    Column("person", String(40), ForeignKey("person.person"), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("sealed_key_of_person", "person", unique=True),
)
"""The private key with which a person signs in a browser, encrypted under her passphrase.

`content` is a private key file of a signer (`edge.privacy.protected_keys`). One for each person.
"""

PASSKEY = Table(
    "passkey",
    METADATA,
    Column("key_id", String(16), primary_key=True),
    Column("credential", String(1400), nullable=False),
    Column("person", String(40), ForeignKey("person.person"), nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("user_handle", LargeBinary, nullable=False),
    Column("rp_id", String(253), nullable=False),
    Column("origin", String(200), nullable=False),
    Column("name", String(40), nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("added_at", String(24), nullable=False),
    Column("removed_at", String(24)),
    Column("removed_by", String(40)),
    Index("passkey_of_person", "person"),
    Index("passkey_of_credential", "credential", unique=True),
)
"""Public keys of passkeys. A removed one stays, because findings that it signed must verify."""

ENROLMENT = Table(
    "enrolment",
    METADATA,
    Column("person", String(40), ForeignKey("person.person", ondelete="CASCADE"), primary_key=True),
    Column("code_sha256", String(64), nullable=False),
    Column("ends_at", String(24), nullable=False),
)
"""A person may add her first passkey with the code of this digest. The code itself is not here."""

SECOND_FACTOR = Table(
    "second_factor",
    METADATA,
    Column("person", String(40), ForeignKey("person.person", ondelete="CASCADE"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("last_step", BigInteger, nullable=False),
)
"""The secret of a person's one-time codes, sealed under a key that is not in the database.

`last_step` is the number of the 30 seconds of the last code that was accepted, which is never
accepted again.
"""

RECOVERY_CODE = Table(
    "recovery_code",
    METADATA,
    Column("code_sha256", String(64), primary_key=True),
    Column("person", String(40), ForeignKey("person.person", ondelete="CASCADE"), nullable=False),
    Index("recovery_code_of_person", "person"),
)
"""Codes that stand in once for a lost authenticator. Only their digests are here."""

REVIEW_CASE = Table(
    "review_case",
    METADATA,
    Column("hit_id", String(32), ForeignKey("hit.hit_id"), primary_key=True),
    Column("typing_key", LargeBinary, nullable=False),
    Column("claimed_by", String(40), ForeignKey("person.person")),
    Column("claimed_until", String(24)),
    Column("opened_at", String(24)),
    Column("signed", LargeBinary),
)
"""The case of a hit: who holds it and until when, and since when she has seen the pictures.

`signed` is the finding that its holder has signed, until it is in the log and in `finding`.

`typing_key` is random. The digests of typed plates are made under it and a secret of the folder:
the database alone tests no plate, and once the row is deleted nobody does. Rows of 32 bytes were
made before there was the secret; later ones begin with the byte 1.
"""

JUDGEMENT = Table(
    "judgement",
    METADATA,
    Column("judgement_id", String(32), primary_key=True),
    Column(
        "hit_id",
        String(32),
        ForeignKey("review_case.hit_id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("number", Integer, nullable=False),
    Column("person", String(40), ForeignKey("person.person"), nullable=False),
    Column("judgement", String(12), nullable=False),
    Column("reason", String(20)),
    Column("typed", String(64)),
    Column("judged_at", String(24), nullable=False),
    Index("judgement_once", "hit_id", "number", "person", unique=True),
)
"""What a person judged before the box's reading was given to her; `typed` is a keyed digest.

One row for each person and number of a finding, never replaced: who has seen the reading cannot
type again. `judgement` is `seen` for who saw the reading of a decided case.
"""

FINDING = Table(
    "finding",
    METADATA,
    Column("finding_sha256", String(64), primary_key=True),
    Column("hit_id", String(32), ForeignKey("hit.hit_id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("person", String(40), ForeignKey("person.person"), nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("decided_at", String(24), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index("finding_once", "hit_id", "number", unique=True),
)
"""Signed findings. Triggers of the database refuse every change of a row.

They allow a deletion only together with that of the hit, for which `deletion` has a row.
"""

RETENTION_TERM = Table(
    "retention_term",
    METADATA,
    Column("term_id", String(16), primary_key=True),
    Column("site", String(40)),
    Column("waiting_days", Integer, nullable=False),
    Column("kept_days", Integer, nullable=False),
    Column("basis", String(60), nullable=False),
    Column("proposed_by", String(40), ForeignKey("person.person"), nullable=False),
    Column("proposed_at", String(24), nullable=False),
    Column("approved_by", String(40), ForeignKey("person.person")),
    Column("approved_at", String(24)),
    CheckConstraint("waiting_days BETWEEN 1 AND 30", name="wait"),
    CheckConstraint("kept_days BETWEEN 1 AND 1826", name="kept"),
    CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="term_four_eyes"),
)
"""How long the desk keeps hits of a site, or of all; of two, the one approved last holds.

`waiting_days` is for hits that no finding has confirmed, `kept_days` for those that are confirmed.
"""

HOLD = Table(
    "hold",
    METADATA,
    Column("hold_id", String(16), primary_key=True),
    Column("hit_id", String(32), ForeignKey("hit.hit_id", ondelete="CASCADE"), nullable=False),
    Column("reason", String(12), nullable=False),
    Column("reference", String(60), nullable=False),
    Column("last_day", String(10), nullable=False),
    Column("set_by", String(40), ForeignKey("person.person"), nullable=False),
    Column("set_at", String(24), nullable=False),
    Column("ended_by", String(40), ForeignKey("person.person")),
    Column("ended_at", String(24)),
    Index("hold_of_hit", "hit_id"),
)
"""Why a hit stays longer than its term: an appeal or a court, until a last day."""

DELETION = Table(
    "deletion",
    METADATA,
    Column("hit_id", String(32), primary_key=True),
    Column("hit_day", String(10), nullable=False),
    Column("due_day", String(10), nullable=False),
    Column("on_day", String(10), nullable=False),
    Column("stored_at", String(24), nullable=False),
    CheckConstraint("hit_day < due_day AND due_day <= on_day", name="ended"),
    Index("deletion_by_day", "on_day"),
)
"""Hits that were deleted. A box that sends one again is known by its random id; kept a month.

Triggers of the database refuse to delete a hit or finding without a row here, and a hold before
its last day has passed.
"""

RETENTION_STATEMENT = Table(
    "retention_statement",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("day", String(10), nullable=False),
    Column("payload", LargeBinary, nullable=False),
)
"""Signed statements of what was deleted; counts rounded down to tens, nothing of a single hit."""

RETENTION_TIME = Table(
    "retention_time",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("latest_at", String(24), nullable=False),
    CheckConstraint("id = 1", name="one_time"),
)
"""The latest time at which a retention run trusted this machine's clock."""

PERSON_REQUEST = Table(
    "person_request",
    METADATA,
    Column("request_id", String(16), primary_key=True),
    Column("asks", String(16), nullable=False),
    Column("reference", String(40), nullable=False),
    Column("proof", String(24), nullable=False),
    Column("site", String(40), nullable=False),
    Column("first_day", String(10), nullable=False),
    Column("last_day", String(10), nullable=False),
    Column("opened_by", String(40), ForeignKey("person.person"), nullable=False),
    Column("opened_at", String(24), nullable=False),
    Column("four_eyes", Boolean, nullable=False),
    Column("approved_by", String(40), ForeignKey("person.person")),
    Column("approved_at", String(24)),
    Column("answered_at", String(24)),
    Column("plate_hmac", String(64)),
    CheckConstraint("approved_by IS NULL OR approved_by <> opened_by", name="request_four_eyes"),
    CheckConstraint("NOT four_eyes OR answered_at IS NULL OR approved_at IS NOT NULL", name="two"),
    Index("person_request_by_clerk", "opened_by", "opened_at"),
)
"""Requests of people about themselves. `plate_hmac` is under a key that is kept nowhere here."""

REQUEST_CASE = Table(
    "request_case",
    METADATA,
    Column("link_id", String(16), primary_key=True),
    Column(
        "request_id",
        String(16),
        ForeignKey("person_request.request_id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("hit_id", String(32), ForeignKey("hit.hit_id", ondelete="CASCADE"), nullable=False),
    Column("linked_at", String(24), nullable=False),
    Index("request_case_of_hit", "hit_id"),
)
"""Cases that a person asks to rectify or erase, or objects to; a second officer decides."""

FINE_EXPORT = Table(
    "fine_export",
    METADATA,
    Column("row_id", String(32), primary_key=True),
    Column("export_id", String(16), nullable=False),
    Column("hit_id", String(32), ForeignKey("hit.hit_id", ondelete="CASCADE"), nullable=False),
    Column("finding_sha256", String(64), nullable=False),
    Column("person", String(40), ForeignKey("person.person"), nullable=False),
    Column("exported_at", String(24), nullable=False),
    Column("file_sha256", String(64), nullable=False),
    Index("fine_export_once", "hit_id", "export_id", unique=True),
)
"""Which confirmed cases a person exported for a fines system, so that none is exported twice."""

FINE_WITHDRAWAL = Table(
    "fine_withdrawal",
    METADATA,
    Column("case_id", String(32), primary_key=True),
    Column("site", String(40), nullable=False),
    Column("rule", String(40), nullable=False),
    Column("finding_sha256", String(64), nullable=False),
    Column("named_at", String(24)),
)
"""Exported cases that an appeal overturned, and when a person was told to withdraw the fine.

A case that nobody was told of has a row once its hit is deleted, with the digest of the exported
finding, the site and the rule, which a right must cover, and nothing else. `case_id` is no
`hit_id`: retention deletes these rows by their own rule.
"""

DECISION = Table(
    "decision",
    METADATA,
    Column("hit_id", String(32), primary_key=True),
    Column("month", String(7), nullable=False),
    Column("site", String(40), nullable=False),
    Column("camera", String(40), nullable=False),
    Column("rule", String(40), nullable=False),
    Column("light", String(5), nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("reading", String(8), nullable=False),
    Index(
        "decision_figures",
        "month", "site", "camera", "rule", "light", "outcome", "reading", "hit_id",
    ),
)  # fmt: skip
"""What the newest finding on a hit decided, for figures; no time but a month, and nobody's name.

It stays when the hit is deleted. `light` is `day` or `night`; `reading` says whether a person read
the same plate as the box: `exact`, `misread`, or `untested` where nobody typed one.
"""

BOX_STATE = Table(
    "box_state",
    METADATA,
    Column("box_id", String(81), primary_key=True),
    Column("site", String(40), nullable=False),
    Column("box", String(40), nullable=False),
    Column("log_size", BigInteger),
    Column("root_sha256", String(64)),
    Column("proved_at", String(24)),
    Column("state", String(8)),
    Column("reason", String(60)),
    Column("said_at", String(24)),
    Column("lease_ends", String(24)),
    Column("lease_sha256", String(64)),
    Column("status_counter", BigInteger),
    Column("status_sha256", String(64)),
    Column("status_said_at", String(24)),
    Column("status_came_at", String(24)),
    Column("twin_at", String(24)),
    Column("status_state", String(8)),
    Column("status_reason", String(60)),
    Column("version", String(60)),
    Column("weights_sha256", String(64)),
    Column("policy_sha256", String(64)),
    Column("policy_version", BigInteger),
    Column("status_lease", String(24)),
    Column("lists", Text),
    Column("synchronised", Boolean),
    Column("clock_steps", String(8)),
    Column("temperature", Integer),
    Column("disk", Integer),
    Column("update_target", String(60)),
    Column("update_outcome", String(12)),
    Column("status_key", String(16)),
    Column("status_seen", Text),
)
"""The newest state of each box: `site/box`.

Size and root of its audit log, of the newest checkpoint that the box has signed, and when it came;
what the box says of itself, which is not signed; the end of its lease, which a controller signed.
From `status_counter` on: the newest statement that the box has signed (`edge.privacy.box_status`),
in `status_key` the key that signed it (none: kept by version 0014), in `twin_at` when a statement
last came that only a second box with the same keys can have made, and in `status_seen` the
beginnings of the digests of the last statements.
"""

DECOY_KEY = Table(
    "decoy_key",
    METADATA,
    Column("key_id", String(16), primary_key=True),
    Column("site", String(40), nullable=False),
    Column("box", String(40), nullable=False),
    Column("public", String(52), nullable=False),
)
"""The public keys under which decoys were signed. The private ones were destroyed."""

DECOY = Table(
    "decoy",
    METADATA,
    Column("hit_id", String(32), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("material_sha256", String(64), nullable=False),
    Column("added_by", String(40), nullable=False),
    Column("added_at", String(24), nullable=False),
    Index("decoy_material", "material_sha256", unique=True),
)
"""Which hits are decoys. Only figures and exports read it, never what an officer uses."""

CONTENT = (
    HIT,
    HIT_PAYLOAD,
    PAYLOAD_DESK,
    RECEIPT,
    ASIDE,
    PERSON,
    PASSWORD,
    ENTITLEMENT,
    PERSONAL_KEY,
    SEALED_KEY,
    PASSKEY,
    SECOND_FACTOR,
    RECOVERY_CODE,
    ACCOUNT_LINK,
    REVIEW_CASE,
    JUDGEMENT,
    FINDING,
    FINE_EXPORT,
    FINE_WITHDRAWAL,
    RETENTION_TERM,
    HOLD,
    DELETION,
    RETENTION_STATEMENT,
    RETENTION_TIME,
    PERSON_REQUEST,
    REQUEST_CASE,
    DECISION,
    BOX_STATE,
    DECOY_KEY,
    DECOY,
)
"""The tables that a move takes along, in an order in which their references hold.

Failed attempts, sessions and codes for enrolment stay behind: all end within a day.
"""
