"""The authority's store: each hit exactly once, on disk, deleted on request."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.authority import store as store_module
from edge.authority.opening import open_hit, write_opened
from edge.authority.store import HitStore, Outcome, Reason
from edge.authority.store_file import FILE_NAME
from edge.domain.reveal import MaskMethod
from edge.errors import ExitCode, OutboxError, UsageError
from edge.privacy.hit import Hit, HitError
from edge.privacy.keys import RETIRED_KEY_GRACE
from edge.privacy.retention_clock import ClockState
from edge.privacy.sealing import Picture, SealError
from tests.support.parties import MORNING, PLATE, Parties, evidence, make_parties
from tests.support.product import run_program

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path) -> Iterator[HitStore]:
    with HitStore.open(folder, create=True) as opened:
        yield opened


def put(store: HitStore, hit: Hit, now: datetime = NOW) -> Outcome:
    return store.put(hit, hit.to_payload(), now)[0]


# --- exactly once -------------------------------------------------------------------------------


def test_a_hit_is_stored_byte_for_byte(store: HitStore, parties: Parties) -> None:
    hit = parties.hit()

    assert put(store, hit) is Outcome.NEW
    assert store.payload(hit.hit_id) == hit.to_payload()
    (kept,) = store.hits()
    assert (kept.hit_id, kept.rule, kept.observed_at) == (hit.hit_id, "stolen", MORNING)
    assert not kept.reviewed


def test_a_second_delivery_changes_nothing_and_returns_the_time_of_the_first(
    store: HitStore, parties: Parties
) -> None:
    hit = parties.hit()
    put(store, hit)

    outcome, stored_at = store.put(hit, hit.to_payload(), NOW + timedelta(hours=1))

    assert (outcome, stored_at) == (Outcome.KNOWN, NOW)
    assert len(store.hits()) == 1


def test_another_hit_with_a_known_id_does_not_replace_it(store: HitStore, parties: Parties) -> None:
    hit = parties.hit()
    put(store, hit)
    other = parties.hit(hit_id=hit.hit_id)

    assert put(store, other) is Outcome.CONFLICT
    assert store.payload(hit.hit_id) == hit.to_payload()


def test_many_writers_store_each_hit_once(folder: Path, parties: Parties) -> None:
    hits = [parties.hit() for _ in range(5)]
    outcomes: list[Outcome] = []

    def write() -> None:
        with HitStore.open(folder, create=True) as own:
            outcomes.extend(put(own, hit) for hit in hits)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes.count(Outcome.NEW) == 5
    assert outcomes.count(Outcome.KNOWN) == 15


PUT_AND_DIE = """
import os, sys
from datetime import datetime, timezone
from pathlib import Path
from edge.authority.store import HitStore
from edge.privacy.hit import parse_hit
payload = sys.stdin.buffer.read()
store = HitStore.open(Path(sys.argv[1]), create=True)
store.put(parse_hit(payload), payload, datetime.now(timezone.utc))
os.kill(os.getpid(), 9)
"""


def test_a_stored_hit_survives_an_immediate_kill(folder: Path, parties: Parties) -> None:
    hit = parties.hit()
    assert run_program(PUT_AND_DIE, folder, given=hit.to_payload()).status == -9

    with HitStore.open(folder) as store:
        assert store.payload(hit.hit_id) == hit.to_payload()


# --- the file -----------------------------------------------------------------------------------


def test_only_the_owner_can_read_the_store(store: HitStore, parties: Parties, folder: Path) -> None:
    put(store, parties.hit())

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_store_holds_no_plate(store: HitStore, parties: Parties, folder: Path) -> None:
    put(store, parties.hit())

    for file in folder.iterdir():
        assert PLATE.encode() not in file.read_bytes()


def refused(folder: Path) -> OutboxError:
    with pytest.raises(OutboxError) as caught:
        HitStore.open(folder, create=True)
    assert caught.value.exit_code is ExitCode.STORAGE
    assert "\n" not in str(caught.value)
    return caught.value


def make(folder: Path, content: bytes) -> None:
    folder.mkdir(mode=0o700)
    (folder / FILE_NAME).write_bytes(content)
    (folder / FILE_NAME).chmod(0o600)


def another_database(folder: Path) -> None:
    make(folder, b"")
    with sqlite3.connect(folder / FILE_NAME) as database:
        database.execute("PRAGMA application_id = 1")
    database.close()


def a_later_version(folder: Path) -> None:
    HitStore.open(folder, create=True).close()
    with sqlite3.connect(folder / FILE_NAME) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


def readable_by_others(folder: Path) -> None:
    HitStore.open(folder, create=True).close()
    (folder / FILE_NAME).chmod(0o644)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: make(folder, b"this is no database at all" * 100), "damaged"),
        (another_database, "not a store of hits"),
        (a_later_version, "version 99"),
        (readable_by_others, "chmod 600"),
        (lambda folder: folder.write_text("a file"), "folder"),
    ],
    ids=["junk", "another database", "later version", "readable by others", "a file"],
)
def test_a_store_that_cannot_be_used_is_refused(
    folder: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(folder)

    assert said in str(refused(folder))


def test_opening_a_missing_store_for_reading_does_not_create_it(folder: Path) -> None:
    with pytest.raises(OutboxError) as caught:
        HitStore.open(folder)

    assert caught.value.code == "E_NO_STORE"
    assert not folder.exists()


# --- finding ------------------------------------------------------------------------------------


def test_a_unique_prefix_of_an_id_is_enough(store: HitStore, parties: Parties) -> None:
    for hit_id in ("ab" + "0" * 30, "ac" + "0" * 30):
        put(store, parties.hit(hit_id=hit_id))

    assert store.find("ab").hit_id == "ab" + "0" * 30
    with pytest.raises(OutboxError, match="the ids of 2 hits begin like this"):
        store.find("a")


@pytest.mark.parametrize("hit_id", ["", "ff", "%", "_", "' OR 1=1 --", "AB", "é"])
def test_an_unknown_id_is_refused(store: HitStore, parties: Parties, hit_id: str) -> None:
    put(store, parties.hit(hit_id="ab" + "0" * 30))

    with pytest.raises(OutboxError) as caught:
        store.find(hit_id)

    assert caught.value.code == "E_NO_HIT"


# --- set aside ----------------------------------------------------------------------------------


def test_a_quarantined_message_can_be_read_again_and_deleted(store: HitStore) -> None:
    assert store.set_aside("topic", b"payload", "unknown box", NOW)
    assert store.set_aside("topic", b"payload", "unknown key", NOW)

    (waiting,) = store.aside()
    assert (waiting.topic, waiting.payload, waiting.why) == ("topic", b"payload", "unknown key")
    store.drop_aside(b"payload")
    assert store.aside() == ()


def test_the_quarantine_is_bounded(store: HitStore) -> None:
    chunk = 8 * 1024 * 1024
    fitting = store_module.MAX_ASIDE_BYTES // chunk
    for number in range(fitting):
        assert store.set_aside("topic", os.urandom(8) + bytes(chunk - 8), str(number), NOW)

    assert not store.set_aside("topic", b"one more", "too many", NOW)
    assert len(store.aside()) == fitting


# --- reviews ------------------------------------------------------------------------------------


def test_reviews_give_error_statistics(store: HitStore, parties: Parties) -> None:
    hits = [parties.hit() for _ in range(12)]
    for hit in hits:
        put(store, hit)
    for hit in hits[:8]:
        store.review(hit.hit_id, None, NOW)
    store.review(hits[8].hit_id, Reason.MISREAD, NOW)
    store.review(hits[9].hit_id, Reason.EXEMPT, NOW)

    (rule,) = store.statistics()

    assert (rule.rule, rule.waiting, rule.confirmed, rule.reviewed) == ("stolen", 2, 8, 10)
    assert rule.rejected == {Reason.MISREAD: 1, Reason.EXEMPT: 1}
    assert rule.error_rate is not None
    assert rule.error_rate.share == 0.2
    # Wilson's interval for 2 of 10, as published in tables: 5.67 % to 50.98 %.
    assert rule.error_rate.low == pytest.approx(0.0567, abs=5e-5)
    assert rule.error_rate.high == pytest.approx(0.5098, abs=5e-5)


def test_without_a_review_there_is_no_error_rate(store: HitStore, parties: Parties) -> None:
    assert store.statistics() == ()
    put(store, parties.hit())

    (rule,) = store.statistics()
    assert (rule.waiting, rule.error_rate) == (1, None)


def test_a_later_review_replaces_the_earlier_one(store: HitStore, parties: Parties) -> None:
    hit = parties.hit()
    put(store, hit)

    store.review(hit.hit_id, Reason.MISREAD, NOW)
    with pytest.raises(UsageError, match=r"was rejected as misread at 20\d\d-.*; .*--again"):
        store.review(hit.hit_id, None, NOW)
    assert store.find(hit.hit_id).reason is Reason.MISREAD
    store.review(hit.hit_id, None, NOW, again=True)

    (rule,) = store.statistics()
    assert (rule.confirmed, rule.rejected) == (1, {})


def test_error_rates_are_per_rule(store: HitStore, parties: Parties) -> None:
    for rule in ("wrong-way", "stolen"):
        hit = parties.hit(rule=rule)
        put(store, hit)
        store.review(hit.hit_id, Reason.MISREAD if rule == "stolen" else None, NOW)

    rates = {rule.rule: rule.error_rate for rule in store.statistics()}
    assert [rates[rule].share for rule in ("stolen", "wrong-way")] == [1.0, 0.0]  # type: ignore[union-attr]


# --- forgetting ---------------------------------------------------------------------------------


def test_purge_deletes_hits_by_time_of_observation(store: HitStore, parties: Parties) -> None:
    old = parties.hit(observed_at=NOW - timedelta(days=7, seconds=1))
    young = parties.hit(observed_at=NOW - timedelta(days=7) + timedelta(seconds=1))
    for hit in (old, young):
        put(store, hit)

    assert store.purge(timedelta(days=7), NOW).hits == 1
    assert [hit.hit_id for hit in store.hits()] == [young.hit_id]


def test_a_purged_hit_leaves_no_bytes_in_the_files(
    store: HitStore, parties: Parties, folder: Path
) -> None:
    hit = parties.hit()
    put(store, hit)
    store.set_aside("topic", b"set aside for ever" * 10, "unknown", NOW - timedelta(days=30))
    piece = hit.to_payload()[-200:]
    assert any(piece in file.read_bytes() for file in folder.iterdir())

    store.purge(timedelta(0), NOW)

    for file in folder.iterdir():
        assert piece not in file.read_bytes()
        assert b"set aside for ever" not in file.read_bytes()
    assert store.aside() == ()


def test_reviews_outlive_their_hits_as_counts_only(
    store: HitStore, parties: Parties, folder: Path
) -> None:
    hits = [parties.hit() for _ in range(3)]
    for hit in hits:
        put(store, hit)
    store.review(hits[0].hit_id, Reason.MISREAD, NOW)
    store.review(hits[1].hit_id, None, NOW)
    before = store.statistics()[0].error_rate

    store.purge(timedelta(0), NOW)

    (rule,) = store.statistics()
    assert (rule.confirmed, rule.rejected, rule.waiting) == (1, {Reason.MISREAD: 1}, 0)
    assert rule.error_rate == before


def test_a_purged_hit_that_is_sent_again_is_not_stored_again(
    store: HitStore, parties: Parties
) -> None:
    hit = parties.hit()
    put(store, hit)
    store.purge(timedelta(0), NOW)

    assert store.put(hit, hit.to_payload(), NOW + timedelta(days=1)) == (Outcome.KNOWN, NOW)
    assert store.hits() == ()


def test_p10_a_purged_hit_is_not_stored_again_when_its_id_is_deleted_too(
    store: HitStore, parties: Parties, folder: Path
) -> None:
    hit = parties.hit()
    put(store, hit)
    store.purge(timedelta(0), NOW)

    later = NOW + RETIRED_KEY_GRACE + timedelta(days=2)
    store.purge(timedelta(0), later, confirmed=True)

    assert hit.hit_id.encode() not in (folder / FILE_NAME).read_bytes()
    assert put(store, hit, later) is Outcome.FORGOTTEN
    assert put(store, parties.hit(observed_at=later), later) is Outcome.NEW
    assert len(store.hits()) == 1


@pytest.mark.parametrize(
    ("ahead_days", "states", "left"),
    [
        (400, ["trusted", "ahead", "confirmed"], [2, 2, 0]),
        (7, ["trusted", "trusted", "confirmed"], [2, 1, 1]),
        (-400, ["trusted", "behind", "confirmed"], [2, 2, 2]),
    ],
)
def test_p10_a_purge_with_a_wrong_clock_deletes_nothing_early(
    store: HitStore, parties: Parties, ahead_days: int, states: list[str], left: list[int]
) -> None:
    for days in (29, 20):
        put(store, parties.hit(observed_at=NOW - timedelta(days=days)))
    store.purge(timedelta(days=31), NOW, confirmed=True)
    wrong = NOW + timedelta(days=ahead_days)
    found = []
    for at, confirmed in ((NOW, False), (wrong, False), (wrong, True)):
        done = store.purge(timedelta(days=31), at, confirmed=confirmed)
        found.append((done.time.state.value, len(store.hits())))

    assert found == list(zip(states, left, strict=True))


def test_p10_a_first_purge_after_weeks_without_a_hit_asks_for_the_clock(
    store: HitStore, parties: Parties
) -> None:
    put(store, parties.hit(observed_at=NOW - timedelta(days=31)))

    assert store.purge(timedelta(days=30), NOW).time.state is ClockState.AHEAD
    assert store.purge(timedelta(days=30), NOW, confirmed=True).hits == 1
    later = NOW + timedelta(days=1)
    assert store.purge(timedelta(days=30), later).time.state is ClockState.TRUSTED


# --- opening ------------------------------------------------------------------------------------


def test_an_opened_hit_is_json_and_pictures_that_only_the_owner_can_read(
    parties: Parties, tmp_path: Path
) -> None:
    hit = parties.hit(
        evidence(
            Picture("vehicle", b"jpeg of a vehicle", MaskMethod.MEANING),
            Picture("plate", b"p", MaskMethod.GEOMETRY),
        )
    )
    boxes = {(hit.site, hit.box): parties.box_public}
    out = tmp_path / "opened"

    files = write_opened(open_hit(hit.to_payload(), boxes, parties.authority), out)

    assert PLATE in files.document.read_text()
    assert "entry-17" in files.document.read_text()
    assert [picture.read_bytes() for picture in files.pictures] == [b"jpeg of a vehicle", b"p"]
    for path in out.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
        assert PLATE not in path.name
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    # Opening again writes the same files.
    assert write_opened(open_hit(hit.to_payload(), boxes, parties.authority), out) == files


def test_a_folder_that_others_can_read_is_refused(parties: Parties, tmp_path: Path) -> None:
    hit = parties.hit()
    opened = open_hit(
        hit.to_payload(), {(hit.site, hit.box): parties.box_public}, parties.authority
    )
    tmp_path.chmod(0o755)

    with pytest.raises(OutboxError, match="chmod 700"):
        write_opened(opened, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_the_repr_of_an_opened_hit_hides_the_plate(parties: Parties) -> None:
    hit = parties.hit()
    opened = open_hit(
        hit.to_payload(), {(hit.site, hit.box): parties.box_public}, parties.authority
    )

    assert PLATE not in repr(opened)


def test_a_hit_of_an_unknown_box_or_for_another_authority_is_not_opened(
    parties: Parties, tmp_path: Path
) -> None:
    hit = parties.hit()
    stranger = make_parties(tmp_path)

    with pytest.raises(HitError, match="unknown"):
        open_hit(hit.to_payload(), {}, parties.authority)
    with pytest.raises(HitError, match="has not signed"):
        open_hit(hit.to_payload(), {(hit.site, hit.box): stranger.box_public}, parties.authority)
    with pytest.raises(SealError):
        open_hit(hit.to_payload(), {(hit.site, hit.box): parties.box_public}, stranger.authority)
