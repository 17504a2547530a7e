"""Lists are opened in a process of their own: the same answers, no plate in the box's memory."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from edge.adapters.state.list_process import COMMAND, OpenedApart, OpenedHere
from edge.domain.appearance import Colour, Description, VehicleKind
from edge.errors import EdgeError, OutboxError
from edge.site.folder import TrialList
from tests.support import plate_lists
from tests.support.brokers import wait_until
from tests.support.memory import is_in_memory
from tests.support.parties import Parties, make_parties
from tests.support.plate_lists import ISSUED
from tests.support.product import environment
from tests.support.sites import list_csv

NOW = ISSUED + timedelta(hours=1)
KEY = bytearray(range(32))
ENTRIES = [
    plate_lists.entry(1, "1QQQ777"),
    plate_lists.entry(2, "1QQQ777", end=ISSUED + timedelta(days=1, microseconds=1000)),
    plate_lists.entry(3, "WXYZ1", stated=Description(VehicleKind.VAN, Colour.RED)),
]


def outcome(ask: Callable[[], object]) -> object:
    """The answer, or the kind, code and text of the error."""
    try:
        return ask()
    except EdgeError as error:
        return type(error), error.code, error.message


@pytest.fixture
def parties(tmp_path: Path) -> Parties:
    return make_parties(tmp_path)


def test_p8_a_list_opened_apart_gives_the_same_tokens_and_facts(parties: Parties) -> None:
    data, terms = plate_lists.bundle(parties.box_public, *ENTRIES), plate_lists.terms()
    here, apart, box = OpenedHere(), OpenedApart(), parties.box

    assert apart.facts(data, box, terms, NOW) == here.facts(data, box, terms, NOW)
    listed = apart.listed(data, box, terms, NOW, KEY)

    assert listed == here.listed(data, box, terms, NOW, KEY)
    assert sorted(len(periods) for periods in listed.values()) == [1, 2]
    assert {one.entry_id: one.stated for periods in listed.values() for one in periods} == {
        entry.entry_id: entry.stated for entry in ENTRIES
    }
    assert apart.listed(data, box, terms, NOW, bytearray(32)) != listed


@pytest.mark.parametrize("what", ["no bundle", "altered", "too long", "issuer", "key", "future"])
def test_p13_a_list_opened_apart_is_refused_for_the_same_reason(
    parties: Parties, what: str, tmp_path: Path
) -> None:
    data, terms, box, now = (
        plate_lists.bundle(parties.box_public, *ENTRIES), plate_lists.terms(), parties.box, NOW,
    )  # fmt: skip
    if what == "no bundle":
        data = b"none"
    elif what == "altered":
        data = data.replace(b'"counter":7', b'"counter":8')
    elif what == "too long":
        terms = replace(terms, max_entries=2)
    elif what == "issuer":
        terms = replace(terms, issuers={"other": plate_lists.ISSUER_KEY.public})
    elif what == "key":
        box = make_parties(tmp_path / "others").box
    else:
        now = ISSUED - timedelta(days=3)

    def both(ask: Callable[[OpenedHere | OpenedApart], object]) -> list[object]:
        return [outcome(lambda: ask(OpenedHere())), outcome(lambda: ask(OpenedApart()))]

    for here, apart in (
        both(lambda opener: opener.facts(data, box, terms, now)),
        both(lambda opener: opener.listed(data, box, terms, now, KEY)),
    ):
        assert isinstance(here, tuple), here
        assert apart == here


def test_p8_a_list_in_clear_is_checked_and_read_apart(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(list_csv(["1QQQ777", "WXYZ1"]))
    trial = TrialList(file, "Europe/Brussels", 50, 400)

    OpenedApart().check_trial(trial)
    assert OpenedApart().listed_trial(trial, KEY) == OpenedHere().listed_trial(trial, KEY)

    file.write_text(list_csv(["1QQQ777"], "9999-12-31") + "x\n")
    told = outcome(lambda: OpenedApart().check_trial(trial))
    assert told == outcome(lambda: OpenedHere().check_trial(trial))
    assert "list.csv:2: end" in str(told)
    assert "list.csv:3: " in str(told)
    assert "1QQQ777" not in str(told)


def test_p8_each_list_is_opened_in_a_process_that_ends(parties: Parties) -> None:
    """The process that forks them stays, and answers each thread what it has asked."""
    data = plate_lists.bundle(parties.box_public, *ENTRIES)
    terms, box = plate_lists.terms(), parties.box
    made = [OpenedApart()]
    (apart,) = made
    answers: list[object] = []

    def ask() -> None:
        for _ in range(5):
            answers.append(made[0].listed(data, box, terms, NOW, KEY))
            answers.append(outcome(lambda: made[0].facts(b"none", box, terms, NOW)))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    expected = OpenedHere().listed(data, box, terms, NOW, KEY)
    refusal = outcome(lambda: OpenedHere().facts(b"none", box, terms, NOW))
    assert [answers.count(expected), answers.count(refusal)] == [15, 15]
    assert apart._process is not None
    own = Path(f"/proc/{apart._process.pid}/task/{apart._process.pid}/children")
    assert wait_until(lambda: own.read_text() == "")
    pid = apart._process.pid
    apart._process.kill()  # a crash: the next request starts another one
    apart._process.wait()
    assert apart.listed(data, box, terms, NOW, KEY) == expected
    assert apart._process.pid != pid
    last = apart._process.pid
    made.clear()
    del apart
    assert not Path(f"/proc/{last}").exists()


@pytest.mark.parametrize("command", ["/bin/false", "/nowhere", "/bin/cat", "/bin/echo"])
def test_p8_a_process_that_gives_no_answer_opens_nothing(parties: Parties, command: str) -> None:
    data, terms, box = plate_lists.bundle(parties.box_public), plate_lists.terms(), parties.box
    broken = OpenedApart([command], longest_s=1)
    trial = TrialList(Path("list.csv"), "Europe/Brussels", 50, 400)

    for ask in (
        lambda: broken.facts(data, box, terms, NOW),
        lambda: broken.listed(data, box, terms, NOW, KEY),
        lambda: broken.check_trial(trial),
        lambda: broken.listed_trial(trial, KEY),
    ):
        with pytest.raises(OutboxError) as refused:
            ask()
        assert refused.value.code == "E_LIST_PROCESS"


def test_p8_the_answer_of_the_other_process_holds_no_plate(
    parties: Parties, tmp_path: Path
) -> None:
    data = plate_lists.bundle(parties.box_public, *ENTRIES)
    kept = tmp_path / "answer"
    kept_too = OpenedApart(["sh", "-c", f'"$@" | tee -a {kept}', "sh", *COMMAND])

    assert len(kept_too.listed(data, parties.box, plate_lists.terms(), NOW, KEY)) == 2

    ended = time.monotonic() + 20
    while b"signal-1" not in kept.read_bytes() and time.monotonic() < ended:
        time.sleep(0.05)  # `tee` writes the file after its output
    answer = kept.read_bytes()
    assert b"signal-1" in answer
    for entry in ENTRIES:
        assert entry.plate.reveal().encode() not in answer
        assert entry.reason.encode() not in answer


MARKED = """\
import ctypes, resource
from edge.adapters.state import list_process

list_process.main()  # until the end of the requests
PR_GET_DUMPABLE = 3
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(PR_GET_DUMPABLE))
"""


def test_p8_a_crash_of_the_other_process_leaves_no_core_dump() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MARKED],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "(0, 0) 0"


# --- the memory of a process that has had lists ---------------------------------------------------

PROGRAM = """\
import json, secrets, sys, time
from datetime import datetime
from pathlib import Path
from edge.adapters.state.key_files import load_box_keys
from edge.adapters.state.list_process import OpenedApart, OpenedHere
from edge.adapters.state.list_store import ListStore, list_reader
from edge.domain.reveal import RevealLevel
from edge.domain.rules import Rule, RuleKind
from edge.formats.signing import PublicKey
from edge.pipeline.rule_book import RuleBook
from edge.policy.bundles import ListTerms
from edge.privacy.pseudonyms import SaltChain
from edge.site.folder import TrialList

made = json.load(sys.stdin)
opener = OpenedApart() if made["apart"] else OpenedHere()
keys = load_box_keys(Path(made["keys"]))
issuers = {made["issuer"]: PublicKey.parse(made["key"])}
terms = ListTerms(made["list"], issuers, frozenset({made["purpose"]}), 100_000, 90)
now = datetime.fromisoformat(made["now"])
store = ListStore(Path(made["state"]), keys, {made["list"]: terms}, lambda: now, opener=opener)
store.install(Path(made["bundle"]).read_bytes())
trial = TrialList(Path(made["csv"]), "Europe/Brussels", 100_000, 1830)
opener.check_trial(trial)
sealed = list_reader(store, lambda _list: None, ended_too=False)


def listed(list_id, key):
    if list_id == made["list"]:
        return sealed(list_id, key)
    return opener.listed_trial(trial, key)


rules = [
    Rule(list_id, RuleKind.HOTLIST, "p", "a", RevealLevel.PLATE, 0.9, 0.5, list_id=list_id)
    for list_id in (made["list"], "in-clear")
]
book = RuleBook(rules, SaltChain("s", "b", secrets.token_bytes), listed, 900, {})
for epoch in range(2):
    book.advance(epoch * 900.0)
    assert store.fault(made["list"]) is None
    store.facts(made["list"])
assert {len(tokens) for tokens in book._listed.values()} == {made["entries"]}
print("rotated", flush=True)
time.sleep(600)
"""


def listed_in_memory(base: Path, entries: int, *, apart: bool) -> bool:
    """Whether a listed plate is in the memory of a process that has rotated its lists."""
    parties = make_parties(base / "parties")
    # All begin alike, so that one search finds each of them.
    start = "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(7))
    plates = [f"{start}{number:05}" for number in range(entries)]
    bundle, csv = base / "bundle", base / "list.csv"
    every = (plate_lists.entry(number, plate) for number, plate in enumerate(plates))
    bundle.write_bytes(plate_lists.bundle(parties.box_public, *every))
    csv.write_text(list_csv(f"{plate[:7]}-{plate[7:]}" for plate in plates))
    made = {
        "apart": apart,
        "keys": str(parties.box_folder),
        "state": str(base / "state"),
        "bundle": str(bundle),
        "csv": str(csv),
        "list": plate_lists.LIST,
        "purpose": plate_lists.PURPOSE,
        "issuer": plate_lists.ISSUER,
        "key": plate_lists.ISSUER_KEY.public.text,
        "now": NOW.isoformat(),
        "entries": entries,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            process.stdin.write(json.dumps(made))
            process.stdin.close()
            assert process.stdout.readline() == "rotated\n"
            return is_in_memory(process.pid, start)
        finally:
            process.kill()


@pytest.mark.parametrize("entries", [1, 3000])
def test_p8_no_listed_plate_is_in_memory_after_rotation(tmp_path: Path, entries: int) -> None:
    assert not listed_in_memory(tmp_path, entries, apart=True)


def test_p8_the_search_finds_the_plates_of_lists_that_are_opened_in_the_process(
    tmp_path: Path,
) -> None:
    assert listed_in_memory(tmp_path, 40, apart=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the memory of that process")
def test_p8_the_memory_of_the_process_that_forks_holds_no_plate(parties: Parties) -> None:
    start = "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(7))
    entries = [plate_lists.entry(number, f"{start}{number:05}") for number in range(40)]
    data = plate_lists.bundle(parties.box_public, *entries)
    apart = OpenedApart()
    for _ in range(3):
        assert len(apart.listed(data, parties.box, plate_lists.terms(), NOW, KEY)) == 40

    assert apart._process is not None
    assert not is_in_memory(apart._process.pid, start)
