"""Vectors of what lies on disk: key files, the state folder, databases, the evidence pack."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import sqlite3
from datetime import timedelta
from pathlib import Path

from tests.support.fakes import SetClock
from tests.unit.vectors.cast import (
    AUTHORITY,
    BOX,
    ISSUED,
    KEY_MADE,
    KEY_ROTATED,
    NOW,
    SITE,
    STORED,
    Keys,
    json_lines,
    modes,
    policy,
    signatures,
    stored_keys,
    unpacked,
)
from tests.unit.vectors.documents import Files
from tests.unit.vectors.product import (
    KNOWN_STATE,
    OUTBOX_VERSION,
    Archive,
    AuditTrail,
    BoxFolders,
    BoxPrivateFile,
    EpochClosed,
    EpochStatistics,
    HitStore,
    InForce,
    Keyring,
    ListStore,
    Outbox,
    PackedAccuracy,
    PolicyState,
    SigningKey,
    Started,
    StatisticsFile,
    SteadyClock,
    SuspensionStore,
    WeightsInUse,
    activate,
    box_log,
    install_public_keys,
    key_file_bytes,
    list_terms,
    make_pack,
    new_authority_keys,
    new_box_keys,
    new_order,
    new_signer_key,
    open_hit,
    parse_key_file,
    protected,
    read_zip,
    rotate_authority_keys,
    rotate_box_keys,
    signer_file,
    suspension_terms,
    under_secret,
    write_opened,
    write_zip,
)

WEIGHTS = WeightsInUse(
    detector="detector-a",
    detector_sha256="11" * 32,
    reader="reader-b",
    reader_sha256="22" * 32,
    plate_config_sha256="33" * 32,
)

_KEY_ID = re.compile(rb"\b[0-9a-f]{16}\b")
_KEY = re.compile(rb"[A-Za-z0-9+/]{43}=")


def _masked(content: bytes) -> bytes:
    """The text with words in place of random keys and of the ids that are made of them."""
    return _KEY_ID.sub(b"KEY-ID", _KEY.sub(b"KEY-OF-32-BYTES", content))


def key_files(folder: Path) -> Files:
    """Every kind of key file, fresh and rotated: names, modes and all but the random keys."""
    fresh = folder / "fresh"
    box, authority, signers = fresh / "box", fresh / "authority", fresh / "signers"
    files: Files = {}

    def take(when: str) -> None:
        # Sorted by what is left of them, since the names of private files are random.
        found = sorted(
            (_masked(file.relative_to(fresh).as_posix().encode()), _masked(file.read_bytes()))
            for file in fresh.rglob("*.json")
        )
        for number, (name, content) in enumerate(found, start=1):
            files[f"key-files/{when}/{number}-{name.decode().replace('/', '-')}"] = content
        files[f"key-files/{when}.modes.txt"] = _masked(modes(fresh).encode())

    new_box_keys(box, SITE, BOX, KEY_MADE, trial=True)
    new_authority_keys(authority, AUTHORITY, KEY_MADE)
    new_signer_key(signers, "editor", KEY_MADE)
    take("new")
    rotate_box_keys(box, KEY_ROTATED)
    rotate_authority_keys(authority, KEY_ROTATED)
    take("rotated")
    rotate_box_keys(box, KEY_ROTATED, disown=True)
    take("disowned")

    demo = new_signer_key(folder / "demo", "mayor", KEY_MADE, demo=True)
    files["key-files/mayor.signer.private.json"] = demo.read_bytes()
    plain = signer_file(SigningKey.demo_of("mayor"), KEY_MADE)
    under = protected(plain, "correct horse battery staple", lambda count: bytes(range(count)))
    files["key-files/mayor.protected.private.json"] = key_file_bytes(under)
    keys = stored_keys(folder)
    (private,) = keys.box_folder.glob("*.private.json")
    box_file = parse_key_file(private.read_bytes(), BoxPrivateFile, private)
    held = under_secret(box_file, bytes(range(32)), lambda count: bytes(range(count)))
    files["key-files/box.tpm.private.json"] = key_file_bytes(held)
    install_public_keys(keys.authority_file, folder / "installed.json")
    files["key-files/installed.public.json"] = (folder / "installed.json").read_bytes()
    return files


def retention(folder: Path) -> Files:
    """The keyring after a change to its key; its first records, since all others are zeros."""
    file = unpacked("keyring.bin.gz", folder / "ring" / "keyring.bin")
    clock = SetClock(NOW + timedelta(hours=1))
    with Keyring.open(file.parent, clock) as ring:
        listing = modes(file.parent)
        ring.shorten("quiet", NOW + timedelta(hours=7))
    data = file.read_bytes()
    assert not any(data[8 * 128 :])
    with Keyring.open(folder / "new-ring", SetClock(NOW)):
        empty = (folder / "new-ring" / "keyring.bin").read_bytes()
    assert not any(empty[128:])
    return {
        "retention/first-records.bin": data[: 8 * 128],
        "retention/new.txt": json_lines(
            {"bytes": len(empty), "begins": empty[:19].decode(), "after_id": empty[35:124].hex()}
        ),
        "retention/modes.txt": listing.encode(),
    }


def _schema(file: Path) -> bytes:
    """Tables as they were written, and what the header says."""
    with contextlib.closing(sqlite3.connect(file)) as database:
        tables = [
            f"{sql};\n"
            for (sql,) in database.execute("SELECT sql FROM sqlite_schema ORDER BY rowid")
            if sql is not None
        ]
        header = [
            f"PRAGMA {name} = {database.execute(f'PRAGMA {name}').fetchone()[0]};\n"
            for name in ("application_id", "user_version", "page_size", "journal_mode", "encoding")
        ]
    return "".join(tables + header).encode()


def databases(folder: Path) -> Files:
    """The schemas of the outbox and of the authority's store."""
    box = folder / "outbox"
    with (
        Keyring.open(folder / "ring", SetClock(NOW)) as ring,
        Outbox.open(box, ring, reserve_mib=0),
    ):
        listing = modes(box)
    with HitStore.open(folder / "inbox", create=True):
        pass
    listing += modes(folder / "inbox")
    return {
        "databases/outbox.sql": _schema(box / "outbox.sqlite3"),
        "databases/inbox.sql": _schema(folder / "inbox" / "inbox.sqlite3"),
        "databases/modes.txt": listing.encode(),
    }


def box_state(folder: Path) -> Files:
    """A state folder: what each part of the box writes into it, with names and modes."""
    keys, state = stored_keys(folder), folder / "box-state"
    fill(state, keys)
    names = {path for path in state.rglob("*") if path.is_file() and path.suffix != ".lock"}
    files = {
        f"box-state/{path.relative_to(state).as_posix()}": path.read_bytes()
        for path in sorted(names)
    }
    versions = {**KNOWN_STATE, "outbox": OUTBOX_VERSION}
    files["box-state.versions.json"] = json_lines(versions)
    files["box-state.modes.txt"] = modes(state).encode()
    return files


def fill(state: Path, keys: Keys) -> None:
    """Let each part of a box write into a state folder, at fixed times."""
    mayor, vtc = SigningKey.demo_of("mayor"), SigningKey.demo_of("vtc")
    activation = activate(policy(), BOX, mayor, NOW)
    in_force = InForce(activation=activation, policy=policy(), signatures=signatures())
    PolicyState(state).put_in_force(in_force)
    SteadyClock(SetClock(NOW), state)
    tick = iter(NOW + timedelta(seconds=second) for second in range(100))
    log = box_log(SITE, BOX)
    with AuditTrail.open(state, log, keys.box, lambda: next(tick)) as trail:
        trail.append(Started("0.1.0", policy().sha256(), WEIGHTS.sha256()))
        terms = list_terms(policy())
        bundle = (STORED / "stolen.bundle").read_bytes()
        ListStore(state, keys.box, terms, lambda: NOW, trail.append).install(bundle)
        order = new_order(SITE, "suspend", "complaint", ISSUED).signed_by(vtc).to_bytes()
        SuspensionStore(state, trail.append).take(order, suspension_terms(policy(), BOX))
        trail.append(EpochClosed(0, 60, "<10", "<10"))
    statistics = StatisticsFile(state)
    counts = {"read": 57, "ambiguous": 0, "unreadable": 3}
    hits = {"zone": 12, "looked-for": 1, "one-way": 0}
    statistics.append(EpochStatistics.of(NOW, counts, hits))
    nobody = dict.fromkeys(counts, 0)
    statistics.append(EpochStatistics.of(NOW, nobody, dict.fromkeys(hits, 0)))
    archive = Archive(state)
    archive.keep_policy(policy(), signatures().text().encode())
    archive.keep_weights(WEIGHTS)


def fresh_pack(folder: Path) -> bytes:
    keys = stored_keys(folder)
    state = folder / "box-state"
    fill(state, keys)
    box = BoxFolders(SITE, BOX, keys.box_folder, state, folder / "ring", 1)
    accuracy = PackedAccuracy(
        vehicles=25, exact_count=24, exact_ci95=(0.805, 0.993), missed=1, spurious=0, split=0,
        frames=400,
    )  # fmt: skip
    return make_pack(box, keys.box, accuracy)


def evidence_pack(folder: Path) -> Files:
    """The evidence pack, as made by version 0: its manifest names the version that made it."""
    contents = read_zip(fresh_pack(folder))
    manifest = json.loads(contents["manifest.json"])
    manifest["version"] = "0"
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert len(base64.b64decode(contents["manifest.signature"], validate=True)) == 64
    contents |= {"manifest.json": text.encode(), "manifest.signature": base64.b64encode(bytes(64))}
    return {
        "pack/pack.zip": write_zip(contents),
        "pack/manifest.json": text.encode(),
        "pack/accuracy.json": contents["accuracy.json"],
        "pack/names.txt": "".join(f"{name}\n" for name in sorted(contents)).encode(),
    }


def opened_hits(folder: Path) -> Files:
    """What `edge-anpr hits open` writes for a stored hit."""
    keys, out = stored_keys(folder), folder / "opened"
    for name in ("hit-0", "hit-1", "hit-2.evidence-2"):
        payload = (STORED / f"{name}.json").read_bytes()
        opened = open_hit(payload, {(SITE, BOX): keys.box_public}, keys.authority)
        write_opened(opened, out)
    files = {
        f"opened/{path.relative_to(out).as_posix()}": path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }
    return {**files, "opened.modes.txt": modes(out).encode()}
