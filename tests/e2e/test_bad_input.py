"""Bad input gives one clear line and an exit status, and no traceback."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.errors import ExitCode
from tests.support.product import Finished, product
from tests.support.sites import (
    CAMERA,
    MadeSite,
    hotlist_rule,
    list_csv,
    make_site,
    policy,
    site,
    write_yaml,
)

Break = Callable[[MadeSite, Path], list[str | Path]]


def refused(done: Finished, status: ExitCode, *words: str) -> None:
    """Assert that the process printed one error with `words` and ended with this status."""
    assert "Traceback" not in done.err
    assert (done.status, len(done.error_lines)) == (status, 1), done.err
    for word in words:
        assert word in done.err


@pytest.fixture
def made(tmp_path: Path) -> MadeSite:
    return make_site(tmp_path, stolen=["1ABC123"])


def run(made: MadeSite, *arguments: str | Path) -> Finished:
    return product("run", "--site", made.folder, "--drain", "0", *arguments)


# --- the site folder ------------------------------------------------------------------------


def break_policy(change: Callable[[dict[str, object]], None]) -> Break:
    def apply(made: MadeSite, _tmp: Path) -> list[str | Path]:
        content = policy()
        change(content)
        write_yaml(made.folder / "policy.yaml", content)
        return []

    return apply


def break_site(**changed: Any) -> Break:
    def apply(made: MadeSite, _tmp: Path) -> list[str | Path]:
        write_yaml(made.folder / "site.yaml", site(**changed))
        return []

    return apply


def write_list(text: str) -> Break:
    def apply(made: MadeSite, _tmp: Path) -> list[str | Path]:
        (made.folder / "lists" / "stolen.csv").write_text(text)
        return []

    return apply


SITE_FOLDERS: dict[str, tuple[Break, str]] = {
    "an unknown key": (break_policy(lambda p: p.update(revenue=1)), "policy.yaml"),
    "a misspelt key gets a suggestion": (
        break_policy(lambda p: p.update(purpose=p.pop("purposes"))),
        "purposes",
    ),
    "a wrong type": (break_policy(lambda p: p.update(epoch_minutes="often")), "epoch_minutes"),
    "a rule that names no list": (
        break_policy(lambda p: p.update(rules=[hotlist_rule(list="stollen")])),
        "stolen",
    ),
    "a rule that names no purpose": (
        break_policy(lambda p: p.update(rules=[hotlist_rule(purpose="profit")])),
        "purpose",
    ),
    "an empty rule set": (break_policy(lambda p: p.update(rules=[])), "rules"),
    "an unknown key in site.yaml": (break_site(camera={}), "site.yaml"),
    "a password in site.yaml": (
        break_site(broker={"host": "127.0.0.1", "username": "box", "password": "hunter2"}),
        "password",
    ),
    "a list entry without an end": (
        write_list(list_csv(["1ABC123"], end="")),
        "stolen.csv:2",
    ),
    "a permanent list entry": (
        write_list(list_csv(["1ABC123"], end="9999-12-31")),
        "stolen.csv:2",
    ),
    "a list without a header": (write_list("1ABC123\n"), "stolen.csv:1"),
}


@pytest.mark.parametrize("mistake", SITE_FOLDERS)
def test_a_site_folder_with_a_mistake_is_refused(
    mistake: str, made: MadeSite, tmp_path: Path
) -> None:
    breaking, word = SITE_FOLDERS[mistake]
    breaking(made, tmp_path)
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"never opened")
    done = run(made, "--source", clip)
    refused(done, ExitCode.CONFIG, word)
    assert "1ABC123" not in done.err + done.out
    assert "hunter2" not in done.err + done.out
    assert not made.state.exists()


def test_the_error_names_a_missing_site_folder(tmp_path: Path) -> None:
    done = product("run", "--site", tmp_path / "nowhere")
    refused(done, ExitCode.CONFIG, "nowhere", "policy.yaml")


# --- sources --------------------------------------------------------------------------------


def test_the_error_names_a_missing_source(made: MadeSite, tmp_path: Path) -> None:
    refused(run(made, "--source", tmp_path / "gone.mp4"), ExitCode.SOURCE, "gone.mp4")


def test_p1_with_demo_keys_no_live_source_is_read(made: MadeSite, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for source in ("/dev/zero", pipe, tmp_path / "socket"):
            done = run(made, "--source", source)
            refused(done, ExitCode.CONFIG, "E_DEMO_KEYS", str(source))
    done = run(made, "--source", "rtsp://viewer:hunter2@127.0.0.1/cam")
    refused(done, ExitCode.CONFIG, "E_DEMO_KEYS")
    assert "hunter2" not in done.err


CONTENTS = {
    "empty": b"",
    "no video": b"a shopping list\n" * 100,
    "random bytes": os.urandom(100_000),
}


@pytest.mark.parametrize("content", CONTENTS)
def test_the_error_names_a_source_that_is_not_a_video(
    content: str, made: MadeSite, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(CONTENTS[content])
    refused(run(made, "--source", clip), ExitCode.SOURCE, "clip.mp4")


def test_an_unreadable_recording_prints_an_error_and_no_summary_table(
    made: MadeSite, tmp_path: Path
) -> None:
    clip, counts = tmp_path / "clip.mp4", tmp_path / "counts.json"
    clip.write_bytes(CONTENTS["no video"])
    done = product("run", "--site", made.folder, "--source", clip, "--summary", counts)
    refused(done, ExitCode.SOURCE, "clip.mp4")
    assert done.out == ""
    assert json.loads(counts.read_text())["frames_decoded"] == 0


def test_the_error_names_an_empty_folder(made: MadeSite, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    refused(run(made, "--source", tmp_path / "clips"), ExitCode.SOURCE, "clips")


def test_an_unknown_camera_is_a_usage_error(made: MadeSite, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"never opened")
    done = run(made, "--source", clip, "--camera", "cam-9")
    assert done.status == ExitCode.USAGE
    assert CAMERA in done.err


def test_an_invalid_recording_time_is_refused(made: MadeSite, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"never opened")
    done = run(made, "--source", clip, "--recorded-at", "yesterday")
    refused(done, ExitCode.USAGE, "--recorded-at")


# --- keys, weights, storage -----------------------------------------------------------------


def delete_keys(made: MadeSite) -> None:
    shutil.rmtree(made.folder / "keys")


def open_key(made: MadeSite) -> None:
    for key in (made.folder / "keys").glob("*.private.json"):
        key.chmod(0o644)


def damaged_key(made: MadeSite) -> None:
    for key in (made.folder / "keys").glob("*.private.json"):
        key.write_text("{}")


def foreign_authority(made: MadeSite) -> None:
    file = made.folder / "keys" / "police-zone.public.json"
    file.write_text(file.read_text().replace("police-zone", "someone-else"))


@pytest.mark.parametrize("breaking", [delete_keys, open_key, damaged_key, foreign_authority])
def test_the_error_names_an_unusable_key(
    breaking: Callable[[MadeSite], None], made: MadeSite, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"never opened")
    breaking(made)
    refused(run(made, "--source", clip), ExitCode.KEYS, "keys")


def test_the_error_names_unknown_weights(made: MadeSite, tmp_path: Path) -> None:
    write_yaml(
        made.folder / "site.yaml",
        site(models={"detector": "no-such-detector", "reader": "cct-xs-v2"}),
    )
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"never opened")
    refused(run(made, "--source", clip), ExitCode.MODEL, "no-such-detector")


def test_the_error_names_a_state_folder_that_is_a_file(made: MadeSite, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"never opened")
    made.state.write_text("in the way")
    refused(run(made, "--source", clip), ExitCode.STORAGE, "state")


def test_an_unwritable_summary_path_is_refused_before_the_run(
    made: MadeSite, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"never opened")
    done = run(made, "--source", clip, "--summary", tmp_path / "none" / "summary.json")
    refused(done, ExitCode.STORAGE, "summary.json")
    assert not made.state.exists()


def test_the_state_folder_is_private(made: MadeSite, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"not a video, but the box has started by then")
    run(made, "--source", clip)
    assert stat.S_IMODE(made.state.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in made.state.iterdir())
