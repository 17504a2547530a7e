"""P13: a refusal leaves the list in force, and an earlier list is never accepted again.

Longer than 500 lines because each way to shrink a permit list has its cases here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.host.rate_limit import LOG_INTERVAL_S
from edge.adapters.state.list_counters import COUNTERS_NAME
from edge.adapters.state.list_store import ListStore
from edge.errors import EdgeError, OutboxError
from edge.formats.signing import SigningKey
from edge.policy.bundle_format import ListBundleError
from edge.policy.bundles import ListTerms, build_bundle, open_bundle, parse_bundle
from edge.privacy.audit_events import Event, ListChanged
from tests.support import plate_lists
from tests.support.canary import needles, sweep_tree
from tests.support.parties import Parties, make_parties
from tests.support.plate_lists import ISSUED, LIST, entries_of

KEY = bytearray(32)

NOW = ISSUED + timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


class Box:
    """A store that is opened again for each step, as after a restart."""

    def __init__(self, folder: Path, parties: Parties) -> None:
        self.folder = folder
        self.parties = parties
        self.terms: dict[str, ListTerms] = {LIST: plate_lists.terms()}
        self.now = NOW

    def clock(self) -> datetime:
        return self.now

    @property
    def store(self) -> ListStore:
        return ListStore(self.folder, self.parties.box, self.terms, self.clock)

    def made(self, *plates: str, counter: int = 7, **changed: Any) -> bytes:
        entries = [plate_lists.entry(number, plate) for number, plate in enumerate(plates, 1)]
        return plate_lists.bundle(self.parties.box_public, *entries, counter=counter, **changed)

    def install(self, *plates: str, counter: int = 7, **changed: Any) -> bytes:
        data = self.made(*plates, counter=counter, **changed)
        self.store.install(data)
        return data

    @property
    def plates(self) -> list[str]:
        return [entry.plate.reveal() for entry in entries_of(self.store)]

    @property
    def file(self) -> Path:
        return self.folder / "lists" / f"{LIST}.bundle"

    def refuses(self, data: bytes, code: str) -> None:
        """Assert that the bundle is refused and nothing changes."""
        before = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        with pytest.raises(EdgeError) as caught:
            self.store.install(data)
        assert caught.value.code == code, caught.value
        assert {
            path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()
        } == before


@pytest.fixture
def box(tmp_path: Path, parties: Parties) -> Box:
    return Box(tmp_path / "state", parties)


def test_p13_a_list_is_in_force_once_it_is_installed_and_after_a_restart(box: Box) -> None:
    facts = box.store.install(box.made("1QQQ777", "1QQQ778"))

    assert (facts.list_id, facts.entries, facts.counter) == (LIST, 2, 7)
    assert facts.last_end == ISSUED + timedelta(days=30)
    assert box.plates == ["1QQQ777", "1QQQ778"]
    assert box.store.facts(LIST) == facts


def test_p13_on_disk_a_list_is_sealed_and_private(box: Box) -> None:
    data = box.install("1QQQ777")

    assert box.file.read_bytes() == data
    assert stat.S_IMODE(box.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(box.file.parent.stat().st_mode) == 0o700
    assert sweep_tree([box.folder], needles("1QQQ777")) == []
    planted = box.folder / "planted"
    planted.write_bytes(b"1QQQ777")
    assert sweep_tree([box.folder], needles("1QQQ777")) != []


def test_p13_the_list_in_force_stays_after_any_refusal(box: Box) -> None:
    box.install("1QQQ777")
    good = box.made("1QQQ778", counter=8)

    box.refuses(good[:-1], "E_LIST_BUNDLE")
    box.refuses(b"", "E_LIST_BUNDLE")
    box.refuses(box.made("1QQQ778", counter=8, purpose="parking"), "E_LIST_BUNDLE")
    box.refuses(
        plate_lists.bundle(
            box.parties.box_public,
            counter=8,
            key=SigningKey.generate(plate_lists.ISSUER),
        ),
        "E_SIGNATURE",
    )
    box.refuses(box.made("1QQQ778", counter=6), "E_LIST_REPLAY")
    box.refuses(box.made("1QQQ778", counter=7), "E_LIST_REPLAY")
    assert box.plates == ["1QQQ777"]

    box.store.install(good)
    assert box.plates == ["1QQQ778"]


def test_p13_only_a_list_of_the_policy_on_its_own_topic_is_installed(box: Box) -> None:
    data = box.made("1QQQ777")
    with pytest.raises(EdgeError, match="does not belong to the list permits"):
        box.store.install(data, list_id="permits")
    box.terms = {}
    box.refuses(data, "E_LIST_BUNDLE")
    with pytest.raises(EdgeError, match="lists of the policy are: none"):
        box.store.install(data)


def test_p13_the_same_bundle_can_be_installed_again(box: Box) -> None:
    """A retained message is delivered again at each connection."""
    data = box.install("1QQQ777")
    inode = box.file.stat().st_ino
    box.store.install(data)
    assert box.file.stat().st_ino == inode


# --- rollback -----------------------------------------------------------------------------------


def test_p13_deleting_the_bundle_does_not_allow_an_earlier_one(box: Box) -> None:
    earlier = box.install("1QQQ777", counter=7)
    later = box.install("1QQQ778", counter=8)
    shutil.rmtree(box.file.parent)

    with pytest.raises(EdgeError, match="not installed on this box") as caught:
        entries_of(box.store)
    assert caught.value.code == "E_LIST_MISSING"
    box.refuses(earlier, "E_LIST_REPLAY")
    box.store.install(later)
    assert box.plates == ["1QQQ778"]


def test_p13_an_earlier_bundle_in_place_of_the_later_one_is_refused(box: Box) -> None:
    earlier = box.install("1QQQ777", counter=7)
    box.install("1QQQ778", counter=8)
    box.file.write_bytes(earlier)

    with pytest.raises(EdgeError) as caught:
        entries_of(box.store)
    assert caught.value.code == "E_LIST_REPLAY"


def test_p13_another_bundle_with_the_same_counter_is_refused(box: Box) -> None:
    box.install("1QQQ777", counter=7)
    box.file.write_bytes(box.made("1QQQ778", counter=7))

    with pytest.raises(EdgeError) as caught:
        entries_of(box.store)
    assert caught.value.code == "E_LIST_REPLAY"


def test_p13_a_kill_between_writing_bundle_and_counter_leaves_the_new_list(box: Box) -> None:
    earlier = box.install("1QQQ777", counter=7)
    counters = (box.folder / COUNTERS_NAME).read_bytes()
    later = box.install("1QQQ778", counter=8)
    (box.folder / COUNTERS_NAME).write_bytes(counters)  # the state in between

    assert box.plates == ["1QQQ778"]
    box.refuses(earlier, "E_LIST_REPLAY")
    box.store.install(later)
    assert (box.folder / COUNTERS_NAME).read_bytes() != counters


def test_p13_without_the_counter_file_the_list_in_force_sets_the_counter(box: Box) -> None:
    earlier = box.install("1QQQ777", counter=7)
    box.install("1QQQ778", counter=8)
    (box.folder / COUNTERS_NAME).unlink()

    assert box.plates == ["1QQQ778"]
    box.refuses(earlier, "E_LIST_REPLAY")


def test_p13_without_counters_and_bundle_an_earlier_list_is_accepted_until_it_expires(
    box: Box,
) -> None:
    """A limit of the design, stated in docs/lists.md."""
    earlier = box.install("1QQQ777", counter=7)
    box.install("1QQQ778", counter=8)
    shutil.rmtree(box.folder)
    box.store.install(earlier)
    assert [entry.end for entry in entries_of(box.store)] == [ISSUED + timedelta(days=30)]


@pytest.mark.parametrize("content", [b"", b"{}", b"{}x", b'{"lists":{"stolen":{"counter":0}}}'])
def test_p13_with_damaged_counters_no_list_is_installed_or_read(box: Box, content: bytes) -> None:
    box.install("1QQQ777")
    (box.folder / COUNTERS_NAME).write_bytes(content)

    box.refuses(box.made("1QQQ778", counter=8), "E_LIST_COUNTERS")
    with pytest.raises(OutboxError, match="damaged"):
        entries_of(box.store)


def test_p13_a_damaged_bundle_is_refused_and_can_be_installed_again(box: Box) -> None:
    data = box.install("1QQQ777")
    box.file.write_bytes(data[: len(data) // 2])
    with pytest.raises(EdgeError):
        entries_of(box.store)
    box.store.install(data)
    assert box.plates == ["1QQQ777"]


# --- the policy changes ---------------------------------------------------------------------------


def test_p13_a_list_must_fit_the_policy_at_each_reading(box: Box) -> None:
    """A narrower policy applies to lists that were installed before."""
    box.install("1QQQ777", "1QQQ778")
    box.terms = {LIST: plate_lists.terms(max_entries=1)}
    with pytest.raises(EdgeError, match="the policy allows 1"):
        entries_of(box.store)


def test_p13_lists_that_the_policy_no_longer_names_are_deleted(box: Box) -> None:
    box.install("1QQQ777")
    assert box.store.forget_others() == ()
    box.terms = {}
    assert box.store.forget_others() == (LIST,)
    assert not box.file.exists()
    assert box.store.forget_others() == ()


def test_p13_a_lost_key_is_reported_with_the_remedy(box: Box, tmp_path: Path) -> None:
    box.install("1QQQ777")
    box.parties = make_parties(tmp_path / "anew")
    with pytest.raises(EdgeError, match="current public file") as caught:
        entries_of(box.store)
    assert caught.value.code == "E_NO_KEY"


def test_an_unwritable_state_folder_is_reported(box: Box) -> None:
    box.folder.mkdir()
    (box.folder / "lists").write_text("")
    with pytest.raises(OutboxError):
        box.install("1QQQ777")


def test_p21_the_result_of_each_bundle_is_returned_for_the_audit_log(box: Box) -> None:
    events: list[Event] = []
    store = ListStore(box.folder, box.parties.box, box.terms, box.clock, events.append)
    good, stale = box.made("1QQQ777", counter=7), box.made("1QQQ778", counter=6)
    store.install(good)
    store.install(good)  # delivered again at each connection
    for _ in range(3):
        with pytest.raises(EdgeError):
            store.install(stale)
    box.now += timedelta(seconds=LOG_INTERVAL_S)
    with pytest.raises(EdgeError):
        store.install(stale)
    box.terms.clear()
    store.forget_others()

    digests = [hashlib.sha256(data).hexdigest() for data in (good, stale)]
    assert events == [
        ListChanged("installed", LIST, 7, digests[0]),
        ListChanged("refused", LIST, 6, digests[1]),
        ListChanged("refused", LIST, 6, digests[1]),
        ListChanged("removed", LIST, 7, digests[0]),
    ]


# --- permit lists that lose their entries -----------------------------------------------------


@pytest.fixture
def permits(box: Box) -> Box:
    """A box whose list lets vehicles through."""
    return with_permits(box)


def with_permits(box: Box) -> Box:
    box.terms = {LIST: plate_lists.terms(exempt=True)}
    box.folder.mkdir(mode=0o700)
    (box.folder / f"{COUNTERS_NAME}.lock").touch(mode=0o600)
    return box


def some(number: int, start: datetime = ISSUED, end: datetime = ISSUED + 30 * DAY) -> list[Any]:
    return [plate_lists.entry(n, f"1QQQ{n:03}", start=start, end=end) for n in range(number)]


def permit_bundle(box: Box, entries: list[Any], counter: int, declared: int | None) -> bytes:
    content = replace(
        plate_lists.content(), entries=tuple(entries), counter=counter, shrinks_from=declared
    )
    return build_bundle(content, plate_lists.ISSUER_KEY, box.parties.box_public)


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [(8, 8, False), (8, 20, False), (8, 4, False), (8, 3, True), (8, 0, True), (1, 1, False),
     (1, 0, True), (9, 5, False), (9, 4, True), (0, 0, True), (0, 1, False)],
)  # fmt: skip
def test_p11_a_permit_list_that_loses_more_than_half_is_refused_unless_it_says_so(
    permits: Box, before: int, after: int, refused: bool
) -> None:
    if before:
        permits.store.install(permit_bundle(permits, some(before), 7, None))
    shrunk = permit_bundle(permits, some(after), 8, None)

    if not refused:
        permits.store.examine(shrunk)
        permits.store.install(shrunk)
        assert len(permits.plates) == after
        return
    permits.refuses(shrunk, "E_LIST_SHRUNK")
    with pytest.raises(ListBundleError, match=f"--shrinks-from {before}") as caught:
        permits.store.examine(shrunk)
    assert "1QQQ" not in str(caught.value)
    if before and after:
        assert f"valid entries for {after} plates, fewer than half of" in str(caught.value)
    if before:
        permits.refuses(permit_bundle(permits, some(after), 8, before - 1), "E_LIST_SHRUNK")
    permits.store.install(permit_bundle(permits, some(after), 8, before))
    assert len(permits.plates) == after
    assert permits.store.fault(LIST) is None


@pytest.mark.parametrize(
    ("start", "end"),
    [(ISSUED - 3 * DAY, NOW), (NOW + 10 * DAY, NOW + 40 * DAY)],
    ids=["ended", "not begun"],
)
def test_p11_only_entries_that_are_valid_now_count(
    permits: Box, start: datetime, end: datetime
) -> None:
    permits.store.install(permit_bundle(permits, some(8), 7, None))

    permits.refuses(permit_bundle(permits, some(8, start, end), 8, None), "E_LIST_SHRUNK")
    mixed = [*some(3), *(replace(one, entry_id=f"o-{one.entry_id}") for one in some(8, start, end))]
    permits.refuses(permit_bundle(permits, mixed, 8, None), "E_LIST_SHRUNK")


@pytest.mark.parametrize(
    "end",
    [NOW + timedelta(minutes=3), NOW + DAY, NOW + 7 * DAY],
    ids=["minutes", "a day", "a week"],
)
def test_p11_entries_that_end_soon_do_not_stand_in_for_others_that_last(
    permits: Box, end: datetime
) -> None:
    permits.store.install(permit_bundle(permits, some(8), 7, None))
    soon = permit_bundle(permits, [*some(3), *some(8, end=end)[3:]], 8, None)

    permits.refuses(soon, "E_LIST_SHRUNK")
    with pytest.raises(ListBundleError, match=r"more than 7 days.*--shrinks-from 8"):
        permits.store.examine(soon)
    permits.store.install(permit_bundle(permits, [*some(4), *some(8, end=end)[4:]], 8, None))
    permits.store.install(permit_bundle(permits, some(8, end=end), 9, 8))


def test_p11_a_list_of_permits_for_a_day_is_replaced_each_day(permits: Box) -> None:
    for counter in range(7, 12):
        today = some(8, permits.now - DAY / 2, permits.now + DAY / 2)
        permits.store.install(permit_bundle(permits, today, counter, None))
        permits.now += DAY / 4


def test_p11_half_of_the_plates_of_a_permit_list_must_stay_valid(permits: Box) -> None:
    assert permits.store.permits_asked(LIST) == 0
    permits.store.install(permit_bundle(permits, some(9), 7, None))
    assert permits.store.permits_asked(LIST) == 5
    permits.store.install(permit_bundle(permits, some(5), 8, None))
    assert permits.store.permits_asked(LIST) == 5, "of the largest list of the last 30 days"
    permits.now += 40 * DAY
    assert permits.store.permits_asked(LIST) == 3, "of the list in force, however old"
    permits.store.install(permit_bundle(permits, some(2, end=permits.now + DAY), 9, 5))
    assert permits.store.permits_asked(LIST) == 1, "its issuer has signed that it shrinks"


def test_p11_no_number_is_asked_of_a_list_of_vehicles_looked_for(box: Box) -> None:
    box.store.install(permit_bundle(box, some(8), 7, None))
    assert box.store.permits_asked(LIST) == 0


def test_p11_when_the_entries_in_force_have_ended_any_list_may_follow(permits: Box) -> None:
    permits.store.install(permit_bundle(permits, some(8), 7, None))
    permits.now = ISSUED + 31 * DAY
    assert permits.store.fault(LIST) is None, "its rule makes no hits; the box goes on"

    fresh = permit_bundle(permits, some(1, permits.now, permits.now + DAY), 8, None)
    permits.store.install(fresh)
    assert len(permits.plates) == 1


def test_p11_an_empty_permit_list_on_disk_is_not_used(permits: Box) -> None:
    """Installed by a version that did not know the check, or copied there."""
    permits.file.parent.mkdir(parents=True)
    permits.file.write_bytes(permit_bundle(permits, [], 7, None))

    fault = permits.store.fault(LIST)

    assert fault is not None
    assert fault.code == "E_LIST_SHRUNK"
    for wrong in (lambda: permits.store.facts(LIST), lambda: permits.store.listed(LIST, KEY)):
        with pytest.raises(ListBundleError):
            wrong()


def test_p11_a_list_of_vehicles_looked_for_may_shrink(box: Box) -> None:
    box.store.install(permit_bundle(box, some(8), 7, None))
    box.store.install(permit_bundle(box, [], 8, None))
    assert box.plates == []


def test_p11_a_list_cannot_be_emptied_in_small_steps(permits: Box) -> None:
    permits.store.install(permit_bundle(permits, some(40), 7, None))
    permits.store.install(permit_bundle(permits, some(20), 8, None))
    permits.refuses(permit_bundle(permits, some(10), 9, None), "E_LIST_SHRUNK")
    permits.now += 29 * DAY
    permits.refuses(permit_bundle(permits, some(10), 9, None), "E_LIST_SHRUNK")
    permits.now += 2 * DAY
    later = permits.now, permits.now + 9 * DAY
    permits.store.install(permit_bundle(permits, some(10, *later), 9, None))
    assert len(permits.plates) == 10


def test_p11_an_issuer_that_said_so_once_need_not_say_it_each_time(permits: Box) -> None:
    permits.store.install(permit_bundle(permits, some(40), 7, None))
    permits.store.install(permit_bundle(permits, some(4), 8, 40))
    permits.store.install(permit_bundle(permits, some(3), 9, None))
    assert len(permits.plates) == 3


@pytest.mark.parametrize("same_day", [True, False])
def test_p11_a_deleted_list_still_counts(permits: Box, same_day: bool) -> None:
    permits.store.install(permit_bundle(permits, some(8), 7, None))
    permits.file.unlink()
    if not same_day:
        permits.now += 60 * DAY
    one = some(1, permits.now, permits.now + DAY)

    permits.refuses(permit_bundle(permits, one, 8, None), "E_LIST_SHRUNK")
    permits.store.install(permit_bundle(permits, one, 8, 8))


def test_p11_a_list_of_which_nobody_knows_the_size_still_counts(permits: Box) -> None:
    """The counters file of an earlier version, and a bundle that is lost."""
    data = permit_bundle(permits, some(8), 7, None)
    permits.store.install(data)
    last = {"counter": 7, "sha256": hashlib.sha256(data).hexdigest()}
    earlier = {"schema": "edge-anpr/list-counters/1", "lists": {LIST: last}}
    (permits.folder / COUNTERS_NAME).write_text(json.dumps(earlier, separators=(",", ":")))
    permits.refuses(permit_bundle(permits, some(1), 8, None), "E_LIST_SHRUNK")
    permits.file.unlink()

    permits.refuses(permit_bundle(permits, some(8), 8, None), "E_LIST_SHRUNK")
    permits.store.install(permit_bundle(permits, some(8), 8, 8))
    permits.refuses(permit_bundle(permits, some(3), 9, None), "E_LIST_SHRUNK")


def test_p11_a_list_sealed_to_an_earlier_key_still_counts(
    permits: Box, tmp_path_factory: pytest.TempPathFactory
) -> None:
    permits.store.install(permit_bundle(permits, some(8), 7, None))
    permits.parties = make_parties(tmp_path_factory.mktemp("rotated"))

    permits.refuses(permit_bundle(permits, some(1), 8, None), "E_LIST_SHRUNK")
    permits.store.install(permit_bundle(permits, some(8), 8, None))


def test_p11_a_list_past_lower_caps_still_counts(permits: Box) -> None:
    permits.store.install(permit_bundle(permits, some(8), 7, None))
    last = permits.folder / COUNTERS_NAME
    held = json.loads(last.read_text())
    for name in ("valid", "peaks"):
        del held["lists"][LIST][name]
    last.write_text(json.dumps(held, separators=(",", ":")))
    permits.terms = {LIST: plate_lists.terms(exempt=True, max_entries=1, max_entry_days=30)}

    with pytest.raises(ListBundleError, match="--shrinks-from 8"):
        permits.store.install(permit_bundle(permits, some(1), 8, None))


def test_p11_a_plate_counts_once(permits: Box) -> None:
    permits.store.install(permit_bundle(permits, some(8), 7, None))
    same = [replace(one, plate=some(1)[0].plate) for one in some(8)]
    bundle = permit_bundle(permits, same, 8, None)
    permits.refuses(bundle, "E_LIST_SHRUNK")
    with pytest.raises(ListBundleError, match="valid entries for 1 plate,"):
        permits.store.examine(bundle)


def test_p11_the_declaration_is_signed_and_absent_where_it_is_not_made(permits: Box) -> None:
    key = permits.parties.box
    for declared in (None, 12):
        data = parse_bundle(permit_bundle(permits, some(2), 7, declared))
        opened = open_bundle(data, key, permits.terms[LIST], now=NOW)
        assert opened.shrinks_from == declared
