"""P11: the audit log keeps the size of permit lists, so that lost counters lower no reference."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from edge.adapters.state.list_counters import COUNTERS_NAME
from edge.adapters.state.list_store import ListStore
from edge.privacy.audit_events import Entry, Event, ListChanged
from edge.privacy.safeguards import Safeguards
from tests.support import plate_lists
from tests.support.parties import Parties, make_parties
from tests.support.plate_lists import LIST
from tests.unit.adapters.state.test_p13_list_store import Box, permit_bundle, some, with_permits

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


class Logged(Box):
    """A box whose log is kept, as the signed one is, whatever happens to its files."""

    def __init__(self, folder: Path, parties: Parties) -> None:
        super().__init__(folder, parties)
        self.proven = Safeguards()
        self.events: list[Event] = []

    @property
    def store(self) -> ListStore:
        return ListStore(
            self.folder,
            self.parties.box,
            self.terms,
            self.clock,
            self.enter,
            lambda: self.proven,
        )

    def enter(self, event: Event) -> None:
        entry = Entry(1, self.now, event)
        assert Entry.parse(entry.canonical()) == entry
        self.proven = self.proven.after(entry)
        self.events.append(event)

    def give(self, number: int, counter: int, declared: int | None = None) -> bytes:
        """Install a permit list of so many plates, valid for 30 days from now on."""
        data = self.of(number, counter, declared)
        self.store.install(data)
        return data

    def of(self, number: int, counter: int, declared: int | None = None) -> bytes:
        entries = some(number, self.now, self.now + 30 * DAY)
        return permit_bundle(self, entries, counter, declared)

    def lose(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink()


COUNTERS, BUNDLE = COUNTERS_NAME, f"lists/{LIST}.bundle"


@pytest.fixture
def logged(tmp_path: Path, parties: Parties) -> Logged:
    box = Logged(tmp_path / "state", parties)
    with_permits(box)
    return box


@pytest.mark.parametrize("lost", [(COUNTERS,), (COUNTERS, BUNDLE)])
@pytest.mark.parametrize("again", [True, False])
def test_p11_lost_counters_are_made_again_from_the_log(
    logged: Logged, lost: tuple[str, ...], again: bool
) -> None:
    logged.give(40, 7)
    latest = logged.give(20, 8)
    logged.lose(*lost)
    if again:
        logged.store.install(latest)

    logged.refuses(logged.of(10, 9), "E_LIST_SHRUNK")
    logged.store.install(logged.of(25, 9))
    logged.refuses(logged.of(10, 10), "E_LIST_SHRUNK")
    logged.now += 31 * DAY
    logged.give(13, 10)


@pytest.mark.parametrize(("before", "least"), [(9, 5), (3, 5), (19, 10), (40, 25)])
def test_p11_of_a_lost_size_the_largest_that_the_log_allows_counts(
    logged: Logged, before: int, least: int
) -> None:
    logged.give(before, 7)
    logged.lose(COUNTERS, BUNDLE)

    logged.refuses(logged.of(least - 1, 8), "E_LIST_SHRUNK")
    logged.give(least, 8)


def test_p11_sizes_that_are_edited_out_of_the_counters_still_count(logged: Logged) -> None:
    logged.give(40, 7)
    logged.give(20, 8)
    held = json.loads((logged.folder / COUNTERS).read_text())
    held["lists"][LIST].update(valid=1, peaks=[])
    (logged.folder / COUNTERS).write_text(json.dumps(held, separators=(",", ":")))
    logged.lose(BUNDLE)

    logged.refuses(logged.of(10, 9), "E_LIST_SHRUNK")


def test_p11_with_whole_counters_the_exact_sizes_decide(logged: Logged) -> None:
    logged.give(2, 7)
    logged.give(1, 8)
    logged.give(19, 9)
    logged.give(10, 10)
    logged.refuses(logged.of(9, 11), "E_LIST_SHRUNK")
    assert len(json.loads((logged.folder / COUNTERS).read_text())["lists"][LIST]["peaks"]) == 1


def test_p11_an_issuer_that_said_so_starts_anew_in_the_log_too(logged: Logged) -> None:
    logged.give(40, 7)
    logged.give(12, 8, 40)
    logged.give(11, 9)
    logged.lose(COUNTERS, BUNDLE)

    logged.refuses(logged.of(9, 10), "E_LIST_SHRUNK")
    logged.give(10, 10)  # half of 19, the most that is rounded to the 12 of before


def test_p11_a_log_of_an_earlier_version_knows_no_sizes(logged: Logged) -> None:
    logged.enter(ListChanged("installed", LIST, 6, "0" * 64))

    logged.refuses(logged.of(10, 7), "E_LIST_SHRUNK")
    logged.give(10, 7, 10)
    logged.give(5, 8)


def test_p21_the_log_states_the_size_of_permit_lists_in_tens_and_of_no_other(
    logged: Logged,
) -> None:
    logged.give(9, 7)
    logged.give(29, 8)
    logged.give(3, 9, 29)
    logged.terms = {LIST: plate_lists.terms()}
    logged.give(4, 10)

    said = [(one.plates, one.shrinks) for one in logged.events if isinstance(one, ListChanged)]
    assert said == [("<10", None), (20, None), ("<10", True), (None, None)]
