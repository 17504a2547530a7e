"""The evidence pack: gathered on a box, verified elsewhere, hostile files refused (P21)."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import stat
import struct
import zipfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.adapters.models.weights import Manifest
from edge.adapters.state.archive import Archive
from edge.adapters.state.audit_log import open_box_audit
from edge.adapters.state.evidence_pack import (
    PackedAccuracy,
    PackManifest,
    make_pack,
    read_accuracy,
    verify_pack,
)
from edge.adapters.state.key_files import load_box_keys, signing_keys
from edge.adapters.state.key_making import new_box_keys
from edge.adapters.state.pack_zip import MAX_FILES, read_zip, write_zip
from edge.adapters.state.statistics import EpochStatistics, StatisticsFile
from edge.domain.counting import coarse
from edge.errors import AuditError, EdgeError, ExitCode
from edge.privacy.audit_events import EpochClosed, Started, Stopped
from edge.site.folder import load_site_folder
from tests.support.product import product
from tests.support.sites import BOX, SITE, MadeSite, make_site

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=timezone.utc)
REPORT = {
    "vehicles": 25, "exact": 1.0, "exact_count": 25, "exact_ci95": [0.867, 1.0], "missed": 0,
    "spurious": 0, "split": 0, "reports": 25, "unreadable": 0, "frames": 400, "wall_s": 9.5,
    "per_clip": [{"clip": "1ABC123.mp4", "reads": [{"text": "1ABC123"}]}],
}  # fmt: skip


def ran(made: MadeSite) -> MadeSite:
    """Leave the state of a box that ran for an epoch, made by the product's own code."""
    site = load_site_folder(made.folder)
    weights = Manifest.load().in_use("yolo-v9-t-416", "cct-xs-v2")
    with open_box_audit(site.box, load_box_keys(site.keys_folder)) as trail:
        archive = Archive(site.state_folder)
        signatures = made.folder / "policy.signatures.json"
        archive.keep_policy(site.policy, signatures.read_bytes() if signatures.exists() else None)
        archive.keep_weights(weights)
        trail.append(Started("0.2.0", site.policy_sha256, weights.sha256()))
        trail.append(EpochClosed(0, 60, "<10", "<10"))
        trail.append(Stopped("end"))
    counts = {"read": 57, "ambiguous": 0, "unreadable": 3}
    StatisticsFile(made.state).append(EpochStatistics.of(NOW, counts, {"stolen": 1}))
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeSite:
    return ran(make_site(tmp_path_factory.mktemp("site")))


@pytest.fixture(scope="module")
def pack(made: MadeSite) -> bytes:
    return pack_of(made)


def pack_of(made: MadeSite) -> bytes:
    site = load_site_folder(made.folder)
    return make_pack(site.box, load_box_keys(site.keys_folder))


def code_of(data: bytes, **options: Any) -> str:
    with pytest.raises(EdgeError) as refused:
        verify_pack(data, **options)
    assert "\n" not in refused.value.message
    return refused.value.code


# --- a whole one ------------------------------------------------------------------------------


def test_p21_a_pack_verifies_on_another_machine_from_the_file_alone(
    made: MadeSite, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps(REPORT))
    out = tmp_path / "pack.zip"
    done = product("evidence-pack", out, "--site", made.folder, "--accuracy", report)
    assert done.status == 0, done.err
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    alone = product("evidence-pack", "verify", out, "--json", cwd=elsewhere)
    known = product("evidence-pack", "verify", out, "--keys", made.box_keys, cwd=elsewhere)

    assert alone.status == 0, alone.err
    assert (alone.json["site"], alone.json["box"], alone.json["entries"]) == (SITE, BOX, 4)
    assert not alone.json["vouched"]
    (policy,) = alone.json["policies"]
    assert policy["sha256"] == load_site_folder(made.folder).policy_sha256
    assert (policy["signed"], policy["lacking"]) == (["chief", "mayor", "officer"], [])
    assert alone.json["accuracy"]["exact_count"] == 25
    assert alone.json["statistics"]["vehicles_at_least"]["read"] == 50
    assert "confirmed by --keys" in known.out
    assert "not confirmed by anyone" in product("evidence-pack", "verify", out, cwd=elsewhere).out
    assert list(elsewhere.iterdir()) == []


def test_p21_a_pack_contains_neither_clip_names_nor_reads(made: MadeSite, tmp_path: Path) -> None:
    report, out = tmp_path / "report.json", tmp_path / "pack.zip"
    report.write_text(json.dumps(REPORT))
    done = product("evidence-pack", out, "--site", made.folder, "--accuracy", report)

    assert done.status == 0, done.err
    assert b"1ABC123" not in out.read_bytes()


def test_only_the_owner_can_read_the_files_of_a_pack(made: MadeSite) -> None:
    archive = made.state / "archive"
    kept = [archive, *archive.rglob("*")]
    assert len(kept) == 6
    assert [path for path in kept if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_the_same_evidence_gives_the_same_bytes(made: MadeSite, pack: bytes) -> None:
    assert pack_of(made) == pack
    assert write_zip(read_zip(pack)) == pack
    contents = {"audit.log": b"line\n", "manifest.json": b"{}"}
    # A constant written by hand: every version of Python must give it.
    assert hashlib.sha256(write_zip(contents)).hexdigest() == KNOWN_ZIP


KNOWN_ZIP = "ef59be07129cdc787d1664c136efd28f8c77d04db4534b636e5206ddea53e495"


def test_p21_a_pack_of_another_box_or_older_than_the_witness_is_refused(
    made: MadeSite, pack: bytes, tmp_path: Path
) -> None:
    stranger = signing_keys(new_box_keys(tmp_path / "stranger", SITE, BOX, NOW))
    assert code_of(pack, keys=stranger) == "E_AUDIT_FORK"

    own = make_site(tmp_path / "own")
    ran(own)
    early = pack_of(own)
    site = load_site_folder(own.folder)
    with open_box_audit(site.box, load_box_keys(site.keys_folder)) as trail:
        trail.append(Stopped("end"))
        witness = [trail.checkpoint]
    assert code_of(early, witness=witness) == "E_AUDIT_TRUNCATED"
    assert verify_pack(pack_of(own), witness=witness).log.witnessed == 1


def test_p21_a_box_whose_log_was_changed_gets_no_pack(tmp_path: Path) -> None:
    own = ran(make_site(tmp_path))
    log = own.state / "audit.log"
    log.write_bytes(log.read_bytes().replace(b'"epoch":0', b'"epoch":1'))

    done = product("evidence-pack", tmp_path / "pack.zip", "--site", own.folder)

    assert done.status == ExitCode.STORAGE
    assert "E_AUDIT_EDITED" in done.error_lines[0]
    assert not (tmp_path / "pack.zip").exists()


def test_a_missing_input_or_an_existing_output_is_reported_in_one_line(
    made: MadeSite, tmp_path: Path
) -> None:
    fresh = make_site(tmp_path)
    there = tmp_path / "there.zip"
    there.write_bytes(b"mine")
    html = tmp_path / "report.html"
    html.write_text("<html>")
    for arguments, code in (
        ((tmp_path / "p.zip", "--site", fresh.folder), "E_NO_AUDIT"),
        ((there, "--site", made.folder), "E_STORAGE"),
        ((tmp_path / "no" / "p.zip", "--site", made.folder), "E_STORAGE"),
        ((tmp_path / "p.zip", "--site", made.folder, "--accuracy", html), "E_PACK"),
        (("verify", html), "E_PACK"),
        (("verify", tmp_path / "missing.zip"), "E_PACK"),
    ):
        done = product("evidence-pack", *arguments)
        assert done.status == ExitCode.STORAGE, done.out
        (line,) = done.error_lines
        assert line.startswith(f"error: {code}: "), line
    assert there.read_bytes() == b"mine"


# --- changed ------------------------------------------------------------------------------------


def changed(pack: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """The pack with changed contents and corrected digests, as a forger would make it."""
    contents = read_zip(pack)
    change(contents)
    manifest = json.loads(contents["manifest.json"])
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in contents.items()
        if not name.startswith("manifest.")
    }
    contents["manifest.json"] = PackManifest.model_validate(manifest).canonical()
    return write_zip(contents)


def test_p21_no_file_of_a_pack_can_be_changed_left_out_or_added(pack: bytes) -> None:
    names = sorted(read_zip(pack))
    assert len(names) == 8
    for name in names:
        contents = read_zip(pack)
        contents[name] = contents[name][:-2] + b"~" + contents[name][-1:]
        assert code_of(write_zip(contents)) in {"E_PACK", "E_SIGNATURE"}, name
        del contents[name]
        assert code_of(write_zip(contents)) == "E_PACK", name
    contents = read_zip(pack)
    contents["weights/" + "0" * 64 + ".json"] = b"{}"
    assert code_of(write_zip(contents)) == "E_PACK"


def test_p21_a_forger_can_correct_the_digests_but_not_the_signature(pack: bytes) -> None:
    def fewer_vehicles(contents: dict[str, bytes]) -> None:
        contents["statistics.jsonl"] = contents["statistics.jsonl"].replace(b":50", b":10")

    assert code_of(changed(pack, fewer_vehicles)) == "E_SIGNATURE"


def test_p21_a_pack_signed_with_another_key_is_refused_given_the_boxs_key(
    made: MadeSite, pack: bytes, tmp_path: Path
) -> None:
    public = new_box_keys(tmp_path / "forger", SITE, BOX, NOW)
    forger = load_box_keys(tmp_path / "forger")

    contents = read_zip(pack)
    contents["box.public.json"] = public.read_bytes()
    manifest = json.loads(contents["manifest.json"])
    manifest["key"] = forger.public.text
    manifest["files"]["box.public.json"] = {
        "sha256": hashlib.sha256(public.read_bytes()).hexdigest(),
        "bytes": len(public.read_bytes()),
    }
    forged = PackManifest.model_validate(manifest)
    contents["manifest.json"] = forged.canonical()
    contents["manifest.signature"] = base64.b64encode(forger.sign(forged.signed()))

    # The log is still the box's.
    assert code_of(write_zip(contents)) == "E_AUDIT_FORK"
    assert code_of(write_zip(contents), keys=signing_keys(made.box_keys)) == "E_AUDIT_FORK"


def test_p21_a_pack_without_a_policy_that_was_in_force_is_refused(tmp_path: Path) -> None:
    own = ran(make_site(tmp_path))
    for file in (own.state / "archive" / "policies").iterdir():
        file.unlink()
    with pytest.raises(AuditError, match="policy or the weights of entry 1 are missing"):
        pack_of(own)


def counted(made: MadeSite, *vehicles: int, hits: int = 0) -> None:
    """Closed epochs with these numbers of vehicles, as the product records them."""
    site = load_site_folder(made.folder)
    with open_box_audit(site.box, load_box_keys(site.keys_folder)) as trail:
        for number, count in enumerate(vehicles):
            trail.append(EpochClosed(number, coarse(count), coarse(hits), "<10"))
            counts = {"read": count - count // 3, "ambiguous": 0, "unreadable": count // 3}
            StatisticsFile(made.state).append(EpochStatistics.of(NOW, counts, {"stolen": hits}))


COUNTED = [0, 57, 9, 130, 28, 30, 12]


def test_p21_the_counts_of_a_box_are_confirmed_by_its_log(tmp_path: Path) -> None:
    own = ran(make_site(tmp_path))
    counted(own, *COUNTED)
    counted(own, *COUNTED, hits=23)
    file = own.state / "statistics.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)

    assert verify_pack(pack_of(own)).unrecorded is None
    # Old lines end, and one may be missing after a crash.
    file.write_bytes(b"".join([*lines[2:5], *lines[6:]]))
    assert verify_pack(pack_of(own)).unrecorded is None


TAMPERED: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "fewer vehicles": lambda of: [one.replace(b'"read":80', b'"read":"<10"') for one in of],
    "more vehicles": lambda of: [one.replace(b'"read":80', b'"read":300') for one in of],
    "fewer hits": lambda of: [one.replace(b'"stolen":20', b'"stolen":"<10"') for one in of],
    "more hits": lambda of: [one.replace(b'"stolen":"<10"', b'"stolen":10') for one in of],
    "a busy epoch twice": lambda of: [*of, of[4]],
    "a made up epoch": lambda of: [of[0], of[4], *of],
    "another order": lambda of: of[::-1],
}


@pytest.mark.parametrize("how", TAMPERED)
def test_p21_counts_that_were_changed_on_the_box_are_not_confirmed(
    tmp_path: Path, how: str
) -> None:
    """Whoever can write to the state folder needs no key for this, and the box signs the pack."""
    own = ran(make_site(tmp_path))
    counted(own, *COUNTED)
    counted(own, *COUNTED, hits=23)
    file = own.state / "statistics.jsonl"
    before = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(TAMPERED[how](before)))
    assert file.read_bytes() != b"".join(before)
    (tmp_path / "pack.zip").write_bytes(pack_of(own))
    said = product("evidence-pack", "verify", tmp_path / "pack.zip")
    document = product("evidence-pack", "verify", tmp_path / "pack.zip", "--json").json

    assert "NOT confirmed" in said.out
    assert document["statistics_confirmed"] is False


@pytest.mark.parametrize(
    "changed",
    [
        {"exact_count": 26}, {"exact_ci95": [0.99, 1.0]}, {"exact_ci95": [0.867, 0.9]},
        {"exact_ci95": [1.0, 0.867]}, {"exact_count": 20}, {"vehicles": 2500},
    ],
    ids=str,
)  # fmt: skip
def test_p12_figures_that_say_more_than_was_measured_are_refused(
    made: MadeSite, tmp_path: Path, changed: dict[str, Any]
) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps({**REPORT, **changed}))

    with pytest.raises(AuditError) as refused:
        read_accuracy(report)
    assert refused.value.code == "E_PACK"
    stated = {name: {**REPORT, **changed}[name] for name in PackedAccuracy.model_fields}
    forged = json.dumps(stated).encode()
    with pytest.raises(AuditError, match="not accuracy figures"):
        verify_pack(signed_with(made, {"accuracy.json": forged}))


def signed_with(made: MadeSite, more: dict[str, bytes]) -> bytes:
    """A pack with more files that the box has signed."""
    keys = load_box_keys(load_site_folder(made.folder).keys_folder)
    contents = read_zip(pack_of(made)) | more
    files = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in contents.items()
        if not name.startswith("manifest.")
    }
    stated = json.loads(contents["manifest.json"]) | {"files": files}
    manifest = PackManifest.model_validate(stated)
    signature = base64.b64encode(keys.sign(manifest.signed()))
    return write_zip(
        contents | {"manifest.json": manifest.canonical(), "manifest.signature": signature}
    )


def test_p21_an_unsigned_policy_is_shown_as_unsigned(tmp_path: Path) -> None:
    own = make_site(tmp_path)
    (own.folder / "policy.signatures.json").unlink()
    ran(own)
    (policy,) = verify_pack(pack_of(own)).policies

    assert policy.signed == frozenset()
    assert policy.lacking == ("controller", "police", "dpo")


# --- hostile zip files --------------------------------------------------------------------------


def zipped(*entries: tuple[str, bytes], compress: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compress) as file:
        for name, content in entries:
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, compress)
    return buffer.getvalue()


def bomb() -> bytes:
    """Ten entries that all point at the same megabyte."""
    one = zipped(("audit.log", bytes(2**20)))
    at = one.rindex(b"PK\1\2")
    entry, end = one[at:-22], bytearray(one[-22:])
    struct.pack_into("<HHL", end, 8, 10, 10, 10 * len(entry))
    return one[:at] + entry * 10 + bytes(end)


HOSTILE = {
    "empty": b"",
    "no zip": b"PK\3\4 and nothing more",
    "empty zip": zipped(),
    "path traversal": zipped(("../../etc/passwd", b"x")),
    "absolute path": zipped(("/manifest.json", b"x")),
    "a folder": zipped(("policies/", b"")),
    "foreign file": zipped(("readme.txt", b"x")),
    "compressed": zipped(("audit.log", bytes(10**7)), compress=zipfile.ZIP_DEFLATED),
    "same megabyte ten times": bomb(),
    "too many": zipped(*((f"weights/{n:064x}.json", b"") for n in range(MAX_FILES + 1))),
    "huge directory": b"PK\5\6" + bytes(8) + b"\xff\xff\xff\x7f" + bytes(6),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_p21_a_hostile_zip_file_is_refused_before_extraction(kind: str) -> None:
    assert code_of(HOSTILE[kind]) == "E_PACK"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_p21_a_duplicate_name_is_refused(pack: bytes) -> None:
    contents = list(read_zip(pack).items())
    with pytest.raises(AuditError, match="two files of the same name"):
        read_zip(zipped(*contents, ("audit.log", b"another")))


@pytest.mark.parametrize("where", ["before", "between", "after", "comment"])
def test_p21_a_pack_with_hidden_bytes_is_refused(where: str, pack: bytes) -> None:
    hidden = b"1-ABC-123"
    directory = pack.index(b"PK\1\2")
    end = bytearray(pack[-22:])
    if where == "before":
        data = hidden + pack
    elif where == "after":
        data = pack + hidden
    elif where == "comment":
        struct.pack_into("<H", end, 20, len(hidden))
        data = pack[:-22] + bytes(end) + hidden
    else:
        struct.pack_into("<L", end, 16, directory + len(hidden))
        data = pack[:directory] + hidden + pack[directory:-22] + bytes(end)
    if where in {"before", "between"}:
        assert (
            zipfile.ZipFile(io.BytesIO(data)).testzip() is None
        )  # other zip readers would accept it
    assert code_of(data) == "E_PACK"


@given(st.binary(max_size=300))
def test_p21_random_bytes_are_refused_without_a_crash(data: bytes) -> None:
    with pytest.raises(AuditError):
        read_zip(data)
    with pytest.raises(AuditError):
        read_zip(b"PK\3\4" + data + HOSTILE["empty zip"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(at=st.integers(0), change=st.integers(1, 255))
def test_p21_no_byte_of_a_pack_can_be_changed(at: int, change: int, pack: bytes) -> None:
    edited = bytearray(pack)
    edited[at % len(pack)] ^= change
    with pytest.raises(EdgeError):
        verify_pack(bytes(edited))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    name=st.sampled_from(["manifest.json", "manifest.signature", "audit.log", "box.public.json"]),
    content=st.binary(max_size=200) | st.sampled_from([b"{}", b"[]", b"[" * 5000, b'{"a":' * 900]),
)
def test_p21_a_file_of_any_other_content_is_refused(name: str, content: bytes, pack: bytes) -> None:
    contents = read_zip(pack)
    contents[name] = content
    with pytest.raises(EdgeError):
        verify_pack(write_zip(contents))
