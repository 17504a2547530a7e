"""SIGHUP: which files a box goes on with, and when it looks for changed ones."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.box import Recording, Reload
from edge.box.interruptions import signals_noted
from edge.cli.run_files import Hangups, RunFiles
from edge.errors import ConfigError, EdgeError, OutboxError
from edge.site.folder import SiteFolder, load_site_folder
from tests.support.product import CLIPS
from tests.support.sites import CAMERA, make_site, sign_site, write_yaml

FAULT = OutboxError("only a start shows this")
OTHER_FAULT = OutboxError("this is found later")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_site(tmp_path).folder


def change(file: Path, **values: Any) -> None:
    write_yaml(file, {**yaml.safe_load(file.read_text()), **values})


def files_of(folder: Path) -> RunFiles:
    def read() -> tuple[SiteFolder, tuple[Recording, ...]]:
        return load_site_folder(folder), (Recording(CAMERA, CLIPS / "street_day.mp4", None),)

    return RunFiles(read, read)


def raise_again(error: EdgeError, go_on: Callable[[EdgeError], None]) -> None:
    """As in a program: the error is handled where it was caught."""
    try:
        raise error
    except EdgeError as caught:
        go_on(caught)


def test_a_failed_start_brings_the_previous_files_back(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = files_of(folder)
    running = files.current
    change(folder / "site.yaml", telemetry={"listen": "127.0.0.1:9109"})
    files.renew()
    assert files.current[0].settings.telemetry is not None

    raise_again(FAULT, files.fall_back)

    assert files.current is running
    assert "stay in force: E_STORAGE: only a start shows this" in caplog.text


def test_p1_a_failed_start_brings_no_replaced_policy_back(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = files_of(folder)
    policy = yaml.safe_load((folder / "policy.yaml").read_text())
    narrower = [{**rule, "min_posterior": 0.97} for rule in policy["rules"]]
    change(folder / "policy.yaml", version=2, rules=narrower)
    sign_site(folder)
    files.renew()

    with pytest.raises(OutboxError) as refused:
        raise_again(FAULT, files.fall_back)

    assert refused.value is FAULT
    assert files.current[0].policy.version == 2
    assert "stay in force" not in caplog.text


@pytest.mark.parametrize("changed", [{"folders": {"state": "moved"}}, {"box": "box-2"}])
def test_p1_a_failed_start_brings_no_other_state_folder_back(
    changed: dict[str, Any], folder: Path
) -> None:
    """An order to suspend the box may have arrived in the new one."""
    files = files_of(folder)
    change(folder / "site.yaml", **changed)
    files.renew()

    with pytest.raises(OutboxError) as refused:
        raise_again(FAULT, files.fall_back)

    assert refused.value is FAULT


def test_an_error_at_the_end_of_a_run_brings_no_earlier_files_back(folder: Path) -> None:
    files = files_of(folder)
    files.renew()
    with files.analysing():
        pass

    with pytest.raises(OutboxError) as ended:
        raise_again(FAULT, files.fall_back)

    assert ended.value is FAULT


def test_if_the_previous_files_fail_too_the_error_is_that_of_the_changed_ones(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = files_of(folder)
    files.renew()
    raise_again(FAULT, files.fall_back)

    with pytest.raises(OutboxError) as refused:
        raise_again(OTHER_FAULT, files.fall_back)

    assert refused.value is FAULT
    assert "either: E_STORAGE: this is found later" in caplog.text


def test_files_that_are_refused_between_two_runs_are_named_if_the_previous_fail(
    folder: Path,
) -> None:
    files = files_of(folder)
    running = files.current
    shutil.move(folder / "site.yaml", folder / "away.yaml")
    files.renew()
    assert files.current is running

    with pytest.raises(ConfigError, match=r"site\.yaml"):
        raise_again(OTHER_FAULT, files.fall_back)


def hang_up() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


@pytest.fixture
def away_from_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with Path(os.devnull).open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield


@pytest.mark.usefixtures("away_from_terminal")
def test_a_sighup_during_a_start_waits_for_its_end() -> None:
    asked: list[str] = []
    hangups = Hangups(lambda: asked.append("reload"))
    with hangups.installed():
        hang_up()
        hang_up()
        assert asked == []
        with hangups.answered():
            assert asked == ["reload"], "two that came at once are one"
            hang_up()
            assert len(asked) == 2
        hang_up()
        assert len(asked) == 2, "the box stops: it is not started again"


@pytest.mark.usefixtures("away_from_terminal")
def test_a_sighup_while_files_are_read_lets_them_be_read_once_more() -> None:
    rounds: list[int] = []

    def refused() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            hang_up()
            hang_up()
            assert len(rounds) == 1, "not one inside the other"

    hangups = Hangups(refused)
    with hangups.installed(), hangups.answered():
        hang_up()
    assert rounds == [0, 1]


@pytest.mark.usefixtures("away_from_terminal")
def test_a_sighup_while_the_box_stops_for_new_files_ends_nothing() -> None:
    def reload() -> None:
        raise Reload

    hangups = Hangups(reload)
    with hangups.installed():
        with pytest.raises(Reload), hangups.answered():
            hang_up()
        hang_up()  # stopping; the files are read after this
        hangups.forget()
        with hangups.answered():
            pass


def test_requests_to_stop_are_noted_where_they_must_not_interrupt() -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    with signals_noted() as noted:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            os.kill(os.getpid(), number)

    assert noted == [signal.SIGTERM, signal.SIGINT]
    after = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert after == before
