"""A change of version: it is kept if it is healthy, and taken back with its state if not."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import struct
import tempfile
from functools import partial
from pathlib import Path

import pytest

from edge.adapters.state.last_update import read_last_update
from edge.adapters.state.suspension_store import SuspensionStore
from edge.errors import EdgeError
from edge.updates.journal import HealthHeard, Journal, VersionChange, load_journal, save_journal
from edge.updates.problems import UpdateError, UpdateStateError
from edge.updates.state_copy import COPY, NEWER, copy_state
from edge.updates.switching import MOST_TRIES
from tests.support.disks import small_tmpfs
from tests.support.update_box import NEW, OLD, UpdatedBox, kill_in_trial, killed_at
from tests.unit.adapters.state.test_p17_suspension_store import SUSPEND
from tests.unit.policy.test_p17_suspension import TERMS

SHARED = Path("/dev/shm")  # noqa: S108 - folders of its own
DEAD = HealthHeard(state="safe", reason="E_MODEL_DIGEST", version=NEW)


@pytest.fixture
def box(tmp_path: Path) -> UpdatedBox:
    return UpdatedBox(tmp_path)


def test_a_healthy_version_stays_and_the_updater_runs_from_it(box: UpdatedBox) -> None:
    ended = box.changer().change("release", NEW)
    assert (ended.outcome, ended.target) == ("installed", f"release/{NEW}")
    assert box.current == box.service.version == NEW
    assert (box.program / "proven").readlink().name == NEW
    assert load_journal(box.work).change is None
    assert not (box.work / COPY).exists()
    told = read_last_update(box.state)
    assert told is not None
    assert (told.outcome, told.target) == ("installed", f"release-{NEW}")


@pytest.mark.parametrize("health", [DEAD, None], ids=["safe", "silent"])
def test_a_version_that_is_not_healthy_goes_back_and_is_not_tried_again(
    box: UpdatedBox, health: HealthHeard | None
) -> None:
    box.healthy[NEW] = health
    ended = box.changer().change("release", NEW)
    assert ended.outcome == "rolled-back"
    assert "not healthy within 30 s" in ended.why
    assert box.current == box.service.version == OLD
    assert f"release/{NEW}" in load_journal(box.work).failed


def test_p17_a_box_that_somebody_has_stopped_is_not_started_by_an_update(box: UpdatedBox) -> None:
    box.service.stop()
    with pytest.raises(UpdateError, match="somebody has stopped the service"):
        box.changer().change("release", NEW)
    assert (box.current, box.service.version) == (OLD, None)
    assert load_journal(box.work).change is None
    box.service.start()
    assert box.changer().change("release", NEW).outcome == "installed"


def test_p17_a_box_that_somebody_has_stopped_is_not_started_by_going_back(box: UpdatedBox) -> None:
    box.changer().change("release", NEW)
    box.service.stop()
    assert box.changer().go_back("release", OLD).outcome == "rolled-back"
    assert (box.current, box.service.version) == (OLD, None)


def test_p17_a_box_that_somebody_stops_during_a_trial_is_not_started_again(
    box: UpdatedBox,
) -> None:
    heard: list[object] = []

    def stopped_later(health: HealthHeard | None) -> HealthHeard | None:
        heard.append(health)
        if len(heard) == 3:  # the first is from before the trial
            box.service.stop()
        return health

    ended = box.changer(stopped_later).change("release", NEW)
    assert ended.outcome == "rolled-back"
    assert "somebody has stopped the service" in ended.why
    assert (box.current, box.service.version) == (OLD, None)
    assert not load_journal(box.work).failed, "the version itself is not known to be wrong"
    box.service.start()
    assert box.changer().change("release", NEW).outcome == "installed"


def test_p17_a_box_that_somebody_stops_after_its_updater_was_killed_is_not_started_again(
    box: UpdatedBox,
) -> None:
    kill_in_trial(box)
    assert (box.current, box.service.version) == (NEW, NEW)
    box.service.stop()
    ended = box.changer().resume()
    assert ended is not None
    assert "somebody has stopped the service" in ended.why
    assert (box.current, box.service.version) == (OLD, None)
    assert not load_journal(box.work).failed, "the version itself is not known to be wrong"
    box.service.start()
    assert box.changer().change("release", NEW).outcome == "installed"


def test_after_a_power_cut_during_a_trial_the_trial_goes_on(box: UpdatedBox) -> None:
    """The service does not run then, but nobody has stopped it."""
    kill_in_trial(box)
    box.service.stop()
    journal = load_journal(box.work)
    assert journal.change is not None
    other_boot = journal.change.model_copy(update={"started_in": "another boot"})
    save_journal(box.work, journal.model_copy(update={"change": other_boot}))

    ended = box.changer().resume()

    assert ended is not None
    assert ended.outcome == "installed"
    assert (box.current, box.service.version) == (NEW, NEW)


def test_p17_a_box_that_somebody_stops_while_it_cannot_go_back_is_not_started_again(
    box: UpdatedBox,
) -> None:
    box.healthy[NEW] = DEAD
    obstacle = box.program / ".current.new"
    box.service.starts[NEW] = partial(obstacle.mkdir, exist_ok=True)
    with pytest.raises(UpdateStateError):
        box.changer().change("release", NEW)
    obstacle.rmdir()
    box.service.stop()
    ended = box.changer().resume()
    assert ended is not None
    assert "not healthy within 30 s" in ended.why
    assert (box.current, box.service.version) == (OLD, None)


def test_p17_a_box_that_was_stopped_stays_so_if_going_back_is_killed(tmp_path: Path) -> None:
    step = 1
    while True:
        box = UpdatedBox(tmp_path / str(step))
        box.changer().change("release", NEW)
        box.service.stop()
        if not killed_at(step, partial(box.changer().go_back, "release", OLD), box.base):
            break
        box.changer().resume()
        assert box.service.version is None
        step += 1
    assert step > 5


def test_a_version_that_never_answers_for_itself_goes_back(box: UpdatedBox) -> None:
    box.healthy[NEW] = HealthHeard(state="online", reason="online", version=OLD)
    assert f"version {OLD} answers" in box.changer().change("release", NEW).why


def test_a_box_that_was_safe_before_may_be_safe_for_the_same_reason_only(box: UpdatedBox) -> None:
    box.healthy[OLD] = HealthHeard(state="safe", reason="E_LEASE", version=OLD)
    box.healthy[NEW] = HealthHeard(state="safe", reason="E_LEASE")
    assert box.changer().change("release", NEW).outcome == "installed"


def test_a_box_that_is_safe_for_another_reason_goes_back(box: UpdatedBox) -> None:
    box.healthy[OLD] = HealthHeard(state="safe", reason="E_LEASE", version=OLD)
    box.healthy[NEW] = DEAD
    ended = box.changer().change("release", NEW)
    assert "safe because of E_MODEL_DIGEST, and before safe because of E_LEASE" in ended.why


def test_p17_the_state_stays_where_the_older_version_can_read_it(box: UpdatedBox) -> None:
    box.healthy[NEW] = DEAD
    box.service.starts[NEW] = lambda: box.write_hits(8)
    box.changer().change("release", NEW)
    assert box.hits() == (8, 2)  # a hit of the newer version is not lost
    assert not (box.work / NEWER).exists()


def test_an_outbox_that_the_older_version_cannot_read_comes_back_and_the_newer_is_kept(
    box: UpdatedBox,
) -> None:
    box.healthy[NEW] = DEAD
    box.service.starts[NEW] = lambda: box.write_hits(9, schema=3)
    ended = box.changer().change("release", NEW)
    assert box.hits() == (7, 2)
    assert box.hits(box.work / NEWER / NEW / box.outbox.name) == (9, 3)
    assert "stays shut" not in ended.why


def test_statistics_of_a_newer_form_come_back(box: UpdatedBox) -> None:
    file = box.state / "statistics.jsonl"
    old, new = '{"schema":"edge-anpr/statistics/1"}\n', '{"schema":"edge-anpr/statistics/2"}\n'
    file.write_text(old)
    box.healthy[NEW] = DEAD
    box.service.starts[NEW] = lambda: (file.write_text(new), None)[1]
    box.changer().change("release", NEW)
    assert file.read_text() == old
    assert (box.work / NEWER / NEW / file.name).read_text() == new


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("suspension.json", "suspension-state"),
        ("list-counters.json", "list-counters"),
        ("clock.json", "clock"),
        ("activation.json", "in-force"),
    ],
)
def test_p17_legal_state_of_a_newer_form_never_goes_back_and_the_box_stays_shut(
    box: UpdatedBox, name: str, schema: str
) -> None:
    (box.state / name).write_text(f'{{"schema":"edge-anpr/{schema}/1"}}')
    newer = f'{{"schema":"edge-anpr/{schema}/9"}}'
    box.healthy[NEW] = DEAD
    box.service.starts[NEW] = lambda: ((box.state / name).write_text(newer), None)[1]
    ended = box.changer().change("release", NEW)
    assert (box.state / name).read_text() == newer
    assert "the box stays shut: E_STATE_VERSION" in ended.why
    assert name in ended.why
    assert box.current == OLD  # which itself refuses to open a camera


def test_p17_an_order_to_suspend_during_the_trial_stays_in_force_when_the_box_goes_back(
    box: UpdatedBox,
) -> None:
    box.healthy[NEW] = DEAD

    def start() -> None:
        SuspensionStore(box.state).take(SUSPEND, TERMS)
        box.write_hits(9, schema=3)

    box.service.starts[NEW] = start
    assert box.changer().change("release", NEW).outcome == "rolled-back"
    assert box.hits() == (7, 2)
    assert SuspensionStore(box.state).load().suspended


def test_an_order_to_suspend_during_the_trial_is_no_fault_of_the_new_version(
    box: UpdatedBox,
) -> None:
    box.healthy[NEW] = HealthHeard(state="safe", reason="E_SUSPENDED", version=NEW)
    assert box.changer().change("release", NEW).outcome == "installed"


def test_p17_only_outbox_and_statistics_are_ever_copied(box: UpdatedBox) -> None:
    for name in ("suspension.json", "list-counters.json", "clock.json", "audit.jsonl"):
        (box.state / name).write_text("{}")
    seen: list[set[str]] = []
    box.service.starts[NEW] = lambda: seen.append({one.name for one in (box.work / COPY).iterdir()})
    box.changer().change("release", NEW)
    (copied,) = seen
    assert box.outbox.name in copied
    assert copied <= {"outbox.sqlite3", "outbox.sqlite3-wal", "statistics.jsonl"}


def test_a_person_can_go_back_and_the_state_stays(box: UpdatedBox) -> None:
    box.changer().change("release", NEW)
    box.write_hits(8)
    ended = box.changer().go_back("release", OLD)
    assert (ended.outcome, ended.target) == ("rolled-back", f"release/{NEW}")
    assert box.current == box.service.version == OLD
    assert box.hits() == (8, 2)


def test_an_archive_that_is_not_usable_is_not_tried_again(box: UpdatedBox) -> None:
    box.changer().refuse(f"release/{NEW}", "no pip")
    journal = load_journal(box.work)
    assert journal.failed == {f"release/{NEW}": "no pip"}
    assert journal.last is not None
    assert journal.last.outcome == "failed"


def test_without_room_for_its_state_a_box_is_not_even_stopped(box: UpdatedBox) -> None:
    with (box.state / "statistics.jsonl").open("w") as file:
        file.truncate(shutil.disk_usage(box.work).free)  # takes no room itself
    began = box.service.running.stat().st_mtime_ns
    with pytest.raises(UpdateStateError, match="MiB of free disk space") as refused:
        box.changer().change("release", NEW)
    assert refused.value.code == "E_DISK_FULL"
    assert (box.current, box.service.version) == (OLD, OLD)
    assert box.service.running.stat().st_mtime_ns == began
    journal = load_journal(box.work)
    assert (journal.change, journal.failed) == (None, {}), "it is tried again"


@pytest.mark.parametrize("good", [True, False], ids=["forwards", "back"])
def test_a_box_whose_link_cannot_be_replaced_is_started_again(
    box: UpdatedBox, *, good: bool
) -> None:
    obstacle = box.program / ".current.new"
    if good:
        obstacle.mkdir()
    else:  # in the way of going back only
        box.healthy[NEW] = DEAD
        box.service.starts[NEW] = partial(obstacle.mkdir, exist_ok=True)
    runs = OLD if good else NEW
    with pytest.raises(UpdateStateError):
        box.changer().change("release", NEW)
    assert box.current == box.service.version == runs
    obstacle.rmdir()
    box.service.starts.clear()
    ended = box.changer().change("release", NEW) if good else box.changer().resume()
    assert ended is not None
    assert ended.outcome == ("installed" if good else "rolled-back")
    assert box.service.version == (NEW if good else OLD)


def test_a_disk_that_fills_after_the_stop_leaves_no_box_stopped(
    box: UpdatedBox, tmp_path: Path
) -> None:
    with small_tmpfs(tmp_path / "disk", "24m") as disk:
        box.work.rmdir()
        box.work.symlink_to(disk)
        (disk / "words").mkdir()

        def fill() -> None:
            with contextlib.suppress(OSError), (disk / "filler").open("wb", 0) as file:
                while file.write(bytes(65536)):
                    pass

        box.service.stopped = fill
        with pytest.raises(EdgeError) as failed:
            box.changer().change("words", NEW)
        assert failed.value.code == "E_DISK_FULL"
        assert box.service.version == OLD
        (disk / "filler").unlink()
        box.service.stopped = lambda: None
        ended = box.changer().resume()
        assert ended is not None
        assert (ended.outcome, box.service.version) == ("installed", OLD)
        assert (disk / "words" / "current").readlink().name == NEW
        box.work.unlink()


def test_a_link_in_the_state_folder_is_not_followed(box: UpdatedBox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of another user")
    (box.state / "statistics.jsonl").symlink_to(secret)
    with pytest.raises(UpdateStateError):
        box.changer().change("release", NEW)
    assert box.current == box.service.version == OLD
    assert load_journal(box.work).change is None
    assert not list(box.work.rglob("statistics.jsonl"))


def test_no_journal_in_the_state_folder_has_root_delete_a_file(
    box: UpdatedBox, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("of root")
    header = bytes.fromhex("d9d505f920a163d7") + struct.pack(">5I", 0, 0, 1, 512, 4096)
    name = str(victim).encode()
    told = struct.pack(">I", 0x40000000 // 4096 + 1) + name
    ends = struct.pack(">II", len(name), sum(name)) + header[:8]
    journal = box.outbox.with_name(f"{box.outbox.name}-journal")
    box.healthy[NEW] = DEAD

    def evil() -> None:
        journal.write_bytes(header.ljust(512, b"\0") + told + ends)

    box.service.starts[NEW] = evil

    assert box.changer().change("release", NEW).outcome == "rolled-back"
    assert victim.read_text() == "of root"
    assert not journal.exists()
    assert box.hits()[0] == 7


def test_root_gives_away_no_file_by_its_name(
    box: UpdatedBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []

    def give(descriptor: int, _user: int, _group: int) -> None:
        given.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fchown", give)
    monkeypatch.delattr(os, "chown")
    assert box.changer().change("release", NEW).outcome == "installed"
    assert given
    assert all(name.startswith(".update.json.") for name in given)


def test_a_program_without_the_link_is_not_changed(box: UpdatedBox) -> None:
    (box.program / "current").unlink()
    with pytest.raises(UpdateStateError, match="no way back"):
        box.changer().change("release", NEW)
    assert box.service.version == OLD
    assert not (box.program / "current").is_symlink()


def test_a_damaged_journal_is_said_and_nothing_is_changed(box: UpdatedBox) -> None:
    (box.work / "journal.json").write_text("{")
    with pytest.raises(UpdateError, match=r"journal\.json: damaged"):
        box.changer().resume()
    assert box.current == box.service.version == OLD


def test_a_trial_that_stops_the_machine_again_and_again_ends(box: UpdatedBox) -> None:
    changer = box.changer()
    killed = 0
    while killed_at_start(box):
        killed += 1
        assert killed <= MOST_TRIES + 1
    assert changer.resume() is None or box.current == OLD
    assert killed == MOST_TRIES
    assert box.current == box.service.version == OLD


def test_hits_of_the_old_version_after_a_power_cut_before_the_switch_are_not_lost(
    box: UpdatedBox,
) -> None:
    copy_state(box.state, box.work)
    trial = VersionChange(
        kind="release", before=OLD, after=NEW, health=None, phase="trial", tries=1
    )
    save_journal(box.work, Journal(change=trial))
    box.write_hits(8)  # the machine has started again, and with it the old version
    box.service.stop()
    box.healthy[NEW] = DEAD
    box.service.starts[NEW] = lambda: box.write_hits(9, schema=3)
    ended = box.changer().resume()
    assert ended is not None
    assert ended.outcome == "rolled-back"
    assert box.hits() == (8, 2)


def killed_at_start(box: UpdatedBox) -> bool:
    """Whether the machine stops while the new version starts."""
    box.service.starts[NEW] = lambda: os.kill(os.getpid(), signal.SIGKILL)

    def act() -> None:
        if box.changer().resume() is None:
            box.changer().change("release", NEW)

    return killed_at(10**9, act, box.base)


# --- kill -9 at every step -----------------------------------------------------------------


@pytest.mark.parametrize("good", [True, False], ids=["healthy", "failing"])
def test_p17_killed_at_every_step_one_of_the_two_versions_runs_after_the_next_start(
    tmp_path: Path, *, good: bool
) -> None:
    # A disk in memory, if there is one: the test is about the order of the steps.
    place = SHARED if SHARED.is_dir() else tmp_path
    step = 1
    while True:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            if not one_of_the_two_runs(UpdatedBox(Path(folder)), step, good=good):
                break
        step += 1
    assert step > 20


def one_of_the_two_runs(box: UpdatedBox, step: int, *, good: bool) -> bool:
    """Kill an update at one step and look what is left; returns whether it got so far."""
    suspended = '{"schema":"edge-anpr/suspension-state/1"}'

    def start() -> None:
        (box.state / "suspension.json").write_text(suspended)
        if box.hits()[1] < 3:
            box.write_hits(9, schema=3)

    box.service.starts[NEW] = start
    if not good:
        box.healthy[NEW] = DEAD
    if not killed_at(step, partial(box.changer().change, "release", NEW), box.base):
        return False
    assert box.current in {OLD, NEW}
    box.changer().resume()
    assert box.service.version == box.current
    journal = load_journal(box.work)
    assert journal.change is None
    if box.current == OLD:
        assert box.hits() == (7, 2)
        assert not good or journal.last is None
    else:
        assert good
        assert box.hits() == (9, 3)
    if (box.state / "suspension.json").exists():  # what the newer version wrote stays
        assert (box.state / "suspension.json").read_text() == suspended
    return True
