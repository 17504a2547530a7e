"""`audit`, `erase`, `stats`, and what other commands record in the audit log (P9, P10, P21)."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.adapters.state.audit_log import FILE_NAME, open_box_audit, read_log
from edge.adapters.state.key_files import load_box_keys, signing_keys
from edge.adapters.state.keyring import FILE_NAME as KEYRING
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.outbox import Outbox
from edge.adapters.state.statistics import EpochStatistics, StatisticsFile
from edge.authority.store import HitStore
from edge.errors import ExitCode
from edge.privacy.audit_events import Deleted, EpochClosed, Event, KeyInUse, PolicyChanged, Unsealed
from edge.privacy.checkpoints import parse_checkpoints
from edge.site.folder import load_site_folder, read_box_folders
from tests.support.fakes import SetClock
from tests.support.parties import evidence, make_parties
from tests.support.product import Finished, product
from tests.support.sites import MadeSite, make_site, outbox_of

NOW = datetime.now(timezone.utc)


@pytest.fixture
def made(tmp_path: Path) -> MadeSite:
    return make_site(tmp_path)


def record(made: MadeSite, *events: Event) -> None:
    box = read_box_folders(made.folder)
    with open_box_audit(box, load_box_keys(box.keys)) as trail:
        for event in events:
            trail.append(event)


def recorded(made: MadeSite) -> list[Event]:
    return [entry.event for entry in read_log(made.state).entries]


def put(outbox: Outbox, hit_id: str, purpose: str = "wanted-vehicles") -> None:
    outbox.put(
        hit_id,
        "cam-1",
        "anpr/test-street/box-1/cam-1/hit",
        b"sealed",
        purpose=purpose,
        receipt_required=True,
        expires_at=NOW + timedelta(hours=24),
    )


def refused(done: Finished, status: ExitCode, code: str) -> str:
    assert done.status == status, done.out + done.err
    assert "Traceback" not in done.err
    (line,) = done.error_lines
    assert line.startswith(f"error: {code}: ")
    return line


# --- audit verify, audit show -----------------------------------------------------------------


def test_p21_a_log_is_verified_against_the_box_and_a_witness(
    made: MadeSite, tmp_path: Path
) -> None:
    record(made, EpochClosed(0, "<10", "<10", "<10"))
    witness = tmp_path / "witness.txt"
    shown = product("audit", "show", "--site", made.folder, "--checkpoint")
    witness.write_text(shown.out)
    record(made, EpochClosed(1, 30, "<10", "<10"))

    done = product("audit", "verify", "--site", made.folder, "--witness", witness, "--json")

    assert done.status == 0, done.err
    assert (done.json["origin"], done.json["entries"]) == ("edge-anpr/test-street/box-1", 3)
    assert (done.json["vouched"], done.json["witnessed"]) == (True, 2)
    assert parse_checkpoints(done.json["checkpoint"].encode()) == (read_log(made.state).last,)
    unwitnessed = product("audit", "verify", "--site", made.folder).out
    assert "confirmed by the public file" in unwitnessed
    assert "witness:    none given, so a cut-off end would not be found; " in unwitnessed
    assert "compared" not in unwitnessed


def test_p21_a_copy_verifies_elsewhere_and_the_output_says_which_proof_is_missing(
    made: MadeSite, tmp_path: Path
) -> None:
    record(made)
    copied = Path(shutil.copy(made.state / FILE_NAME, tmp_path / "copy.log"))
    alone = product("audit", "verify", copied)
    known = product("audit", "verify", copied, "--keys", made.box_keys, "--json")

    assert alone.status == 0
    assert "not confirmed by anyone" in alone.out
    assert known.json["vouched"]
    stranger = make_site(tmp_path / "other")
    line = refused(
        product("audit", "verify", copied, "--keys", stranger.box_keys),
        ExitCode.STORAGE,
        "E_AUDIT_KEYS",
    )
    assert str(copied) in line
    assert str(stranger.box_keys) in line
    assert "away" not in line


def test_p21_verify_detects_an_edit_a_truncation_and_a_fork(made: MadeSite, tmp_path: Path) -> None:
    record(made, EpochClosed(0, "<10", "<10", "<10"), EpochClosed(1, 50, 20, "<10"))
    log = made.state / FILE_NAME
    whole, checkpoint = log.read_bytes(), (made.state / "audit.checkpoint").read_bytes()
    witness = tmp_path / "witness"
    witness.write_bytes(checkpoint)

    log.write_bytes(whole.replace(b'"vehicles":50', b'"vehicles":10'))
    line = refused(
        product("audit", "verify", "--site", made.folder), ExitCode.STORAGE, "E_AUDIT_EDITED"
    )
    assert "line 3" in line
    lines = whole.splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:2]))
    (made.state / "audit.checkpoint").unlink()
    assert (
        product("audit", "verify", "--site", made.folder).status == 0
    )  # it is consistent in itself
    refused(
        product("audit", "verify", "--site", made.folder, "--witness", witness),
        ExitCode.STORAGE,
        "E_AUDIT_TRUNCATED",
    )
    record(made, EpochClosed(1, "<10", "<10", "<10"))
    refused(
        product("audit", "verify", "--site", made.folder, "--witness", witness),
        ExitCode.STORAGE,
        "E_AUDIT_FORK",
    )


def test_the_log_is_shown_one_line_for_each_entry(made: MadeSite) -> None:
    record(made, EpochClosed(4, 120, "<10", "<10"))
    shown = product("audit", "show", "--site", made.folder)
    as_json = product("audit", "show", made.state, "--json")

    assert "epoch=4  vehicles=120  hits=<10" in shown.out.splitlines()[1]
    assert as_json.json["log"][1]["vehicles"] == 120


def test_a_usage_error_is_explained(made: MadeSite, tmp_path: Path) -> None:
    refused(product("audit", "verify", tmp_path), ExitCode.STORAGE, "E_NO_AUDIT")
    record(made)
    nothing = tmp_path / "nothing"
    nothing.write_text("hello\n")
    refused(
        product("audit", "verify", made.state, "--witness", nothing),
        ExitCode.STORAGE,
        "E_AUDIT_WITNESS",
    )
    refused(product("audit", "verify", nothing), ExitCode.STORAGE, "E_AUDIT_EDITED")
    assert product("audit", "verify").status == ExitCode.USAGE
    assert product("audit", "verify", made.state, "--site", made.folder).status == ExitCode.USAGE


@pytest.mark.parametrize("option", [(), ("--stolen",)])
def test_p21_a_key_rotation_is_recorded_and_the_log_continues(
    option: tuple[str, ...], made: MadeSite
) -> None:
    record(made)
    done = product("keys", "rotate", "box", "--site", made.folder, *option)

    assert done.status == 0, done.err
    first, second = recorded(made)
    assert isinstance(first, KeyInUse)
    assert isinstance(second, KeyInUse)
    assert second.key == signing_keys(made.box_keys)[-1].text != first.key
    record(made, EpochClosed(0, "<10", "<10", "<10"))
    assert product("audit", "verify", "--site", made.folder).status == 0


def test_p21_an_activation_and_its_renewal_are_recorded_before_they_take_effect(
    made: MadeSite, tmp_path: Path
) -> None:
    digest = load_site_folder(made.folder).policy_sha256
    product("keys", "new", "signer", "mayor", "--out", tmp_path / "mayor", "--demo")
    key = tmp_path / "mayor" / "mayor.signer.private.json"
    for verb in ("activate", "renew"):
        done = product("policy", verb, made.folder, "--key", key)
        assert done.status == 0, done.err
    assert recorded(made)[1:] == [
        PolicyChanged("activated", digest, True),
        PolicyChanged("renewed", digest, False),
    ]

    log = made.state / FILE_NAME
    log.write_bytes(log.read_bytes()[:-1] + b"~\n")
    before = (made.state / "activation.json").read_bytes()
    refused(
        product("policy", "renew", made.folder, "--key", key), ExitCode.STORAGE, "E_AUDIT_EDITED"
    )
    assert (made.state / "activation.json").read_bytes() == before


# --- unseals ------------------------------------------------------------------------------------


def test_p21_each_opening_is_recorded_in_the_authoritys_log_before_anything_is_shown(
    tmp_path: Path,
) -> None:
    parties = make_parties(tmp_path)
    hit = parties.hit(evidence())
    store = tmp_path / "store"
    with HitStore.open(store, create=True) as inbox:
        inbox.put(hit, hit.to_payload(), NOW)
    arguments = (
        "hits", "open", "--all", "--store", store, "--box-keys", parties.box_file,
        "--keys", parties.authority_folder, "--out", tmp_path / "opened",
    )  # fmt: skip
    done = product(*arguments)

    assert done.status == 0, done.err
    log = read_log(store, keys=signing_keys(parties.authority_file))
    assert log.origin == "edge-anpr/authority/police-zone"
    assert [entry.event for entry in log.entries[1:]] == [Unsealed(hit.hit_id)]
    assert b"1ABC123" not in (store / FILE_NAME).read_bytes()
    verified = product("audit", "verify", store, "--keys", parties.authority_file)
    assert verified.status == 0, verified.err

    # A hit is not opened if the opening cannot be recorded.
    shutil.rmtree(tmp_path / "opened")
    (store / FILE_NAME).write_bytes(b"damaged\n")
    refused(product(*arguments), ExitCode.STORAGE, "E_AUDIT_EDITED")
    assert not (tmp_path / "opened").exists()


# --- erase --------------------------------------------------------------------------------------


def test_p10_one_purpose_is_erased_and_recorded(made: MadeSite) -> None:
    with outbox_of(made) as outbox:
        put(outbox, "a")
        put(outbox, "b", "quiet")
    done = product("erase", "--site", made.folder, "--purpose", "quiet", "--yes", "--json")

    assert done.status == 0, done.err
    assert done.json == {"schema": "edge-anpr/erase/2", "erased": "<10", "purpose": "quiet"}
    with outbox_of(made) as outbox:
        assert outbox.hit_ids() == ("a",)
    assert recorded(made)[1:] == [Deleted("erased", "quiet", "<10")]


def test_p10_all_purposes_are_erased_even_if_the_policy_is_refused_and_no_copy_opens(
    made: MadeSite,
) -> None:
    with outbox_of(made) as outbox:
        put(outbox, "a")
    copied = made.state.parent / "copy"
    shutil.copytree(made.state, copied)
    (made.folder / "policy.yaml").write_text("nonsense")
    done = product("erase", "--site", made.folder, "--all", "--yes")

    assert done.status == 0, done.err
    assert done.out == "<10 hits erased\n"
    shutil.rmtree(made.state)
    shutil.copytree(copied, made.state)
    with outbox_of(made) as outbox:
        assert (outbox.depth(), outbox.unreadable) == (0, 1)


def test_p10_erase_all_deletes_hits_whose_keyring_is_lost(made: MadeSite) -> None:
    with outbox_of(made) as outbox:
        put(outbox, "a")
    shutil.rmtree(made.keyring)

    refused(
        product("erase", "--site", made.folder, "--purpose", "quiet", "--yes"),
        ExitCode.KEYS,
        "E_KEYRING",
    )
    assert product("erase", "--site", made.folder, "--all", "--yes").out == "<10 hits erased\n"
    with outbox_of(made) as outbox:
        assert outbox.depth() == 0


def test_nothing_is_erased_without_yes_or_on_a_running_box(made: MadeSite) -> None:
    with outbox_of(made) as outbox:
        put(outbox, "a")
        refused(
            product("erase", "--site", made.folder, "--all", "--yes"),
            ExitCode.STORAGE,
            "E_STATE_LOCKED",
        )
    for arguments in (
        ("--all",), ("--yes",), ("--all", "--purpose", "p", "--yes"), ("--purpose", "A B", "--yes"),
    ):  # fmt: skip
        assert product("erase", "--site", made.folder, *arguments).status == ExitCode.USAGE
    with outbox_of(made) as outbox:
        assert outbox.depth() == 1


# --- expiry before anything else ------------------------------------------------------------------


def test_p10_run_destroys_expired_keys_even_if_it_then_refuses_the_policy(made: MadeSite) -> None:
    clock = SetClock(NOW - timedelta(days=2))
    with (
        Keyring.open(made.keyring, clock) as keyring,
        Outbox.open(made.state, keyring, reserve_mib=8) as outbox,
    ):
        outbox.put(
            "a", "cam-1", "t", b"sealed", purpose="quiet", receipt_required=True,
            expires_at=NOW - timedelta(days=1),
        )  # fmt: skip
    ring = made.keyring / KEYRING
    assert ring.read_bytes()[3 * 128 :].strip(b"\0")
    (made.folder / "policy.yaml").write_text("nonsense")
    done = product("run", "--site", made.folder, "--source", made.folder / "site.yaml")

    assert done.status == ExitCode.CONFIG
    assert ring.read_bytes()[3 * 128 :].strip(b"\0") == b""


# --- stats --------------------------------------------------------------------------------------


def test_p9_statistics_contain_only_counts_and_sums_are_lower_bounds(made: MadeSite) -> None:
    assert product("stats", "--site", made.folder).out == "no epoch has closed yet\n"
    made.state.mkdir(mode=0o700, exist_ok=True)
    file = StatisticsFile(made.state)
    for vehicles, hits in ((57, 12), (9, 1), (0, 0)):
        counts = {"read": vehicles, "ambiguous": 0, "unreadable": 3}
        file.append(EpochStatistics.of(NOW, counts, {"stolen": hits}))
    done = product("stats", "--site", made.folder, "--json")

    assert done.json["epochs"] == 3
    assert done.json["vehicles_at_least"] == {"read": 50, "ambiguous": 0, "unreadable": 0}
    assert done.json["hits_at_least"] == {"stolen": 10}
    assert "vehicles read: 50 or more" in product("stats", "--site", made.folder).out
    for line in (made.state / "statistics.jsonl").read_text().splitlines():
        epoch = json.loads(line)
        assert set(epoch) == {"schema", "closed_at", "vehicles", "hits"}
        for count in (*epoch["vehicles"].values(), *epoch["hits"].values()):
            assert count == "<10" or (count >= 10 and count % 10 == 0)


def test_p9_statistics_expire_after_their_retention_and_a_damaged_line_is_skipped(
    tmp_path: Path,
) -> None:
    file = StatisticsFile(tmp_path)
    for days in (401, 399, 1):
        file.append(EpochStatistics.of(NOW - timedelta(days=days), {}, {}))
    with (tmp_path / "statistics.jsonl").open("ab") as raw:
        raw.write(b'{"schema":"edge-anpr/statistics/1","closed_at":"2026-')
    assert len(file.read()) == 3
    file.prune(NOW)
    assert len(file.read()) == 2
    assert len((tmp_path / "statistics.jsonl").read_bytes().splitlines()) == 2
