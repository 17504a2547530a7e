"""The first look at a desk: the demo's, filled with its own hits, and a new one at a terminal."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from select import select
from typing import Any

import httpx2
import pytest

from edge.desk.findings import verify_finding
from edge.desk.folder import open_folder
from edge.desk.outcomes import FindingOutcome
from edge.desk.personal_keys import personal_keys
from edge.desk.reviewing import finding_payloads
from edge.desk.rights import DeskRole
from tests.support.product import REPOSITORY, command, environment

OFFICERS = {DeskRole.OFFICER.value, DeskRole.SECOND_OFFICER.value}
PATIENCE_S = 60.0
SETUP = """\
python="{python}"
set_up() {{ echo "$1" >>"{log}"; }}
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """`scripts/demo --desk`, running; the packages that it asks for are those of the tests."""
    base = tmp_path_factory.mktemp("demo-desk")
    (base / "scripts" / "lib").mkdir(parents=True)
    program = shutil.copy(REPOSITORY / "scripts" / "demo", base / "scripts" / "demo")
    log = base / "packages"
    setup = SETUP.format(python=sys.executable, log=log)
    (base / "scripts" / "lib" / "setup.sh").write_text(setup, encoding="utf-8")
    process = subprocess.Popen(
        [program, "--desk", "--json", "--no-open", "--out", base / "out"],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if line == "}\n":
            break
    yield json.loads(told), log.read_text("utf-8").split()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


def test_the_demo_fills_a_desk_with_its_own_hits_still_sealed(
    demo: tuple[dict[str, Any], list[str]],
) -> None:
    told, packages = demo
    folder = Path(told["desk"])
    plates = {b"GA417TZ", b"R617DB", b"1XBV517"}  # those of its offenders

    assert (told["schema"], told["hits"], told["non_hits"]) == ("edge-anpr/demo-desk/1", 3, 7)
    assert packages == ["runtime-cpu.txt", "desk.txt"]
    assert not (folder.parent / "authority" / "opened").exists()
    files = [one.read_bytes() for one in folder.iterdir()]
    assert not [plate for plate in plates for content in files if plate in content]


def test_each_demo_person_logs_in_and_the_officers_see_the_queue(
    demo: tuple[dict[str, Any], list[str]],
) -> None:
    told, _ = demo
    roles = {}
    for account in told["accounts"]:
        with httpx2.Client(base_url=told["address"], follow_redirects=True) as client:
            log_in(client, account)
            page = client.get("/queue" if account["role"] in OFFICERS else "/people")
            roles[account["role"]] = (page.status_code, page.url.path, page.text.count("<tr>"))

    assert roles["officer"] == roles["second-officer"] == (200, "/queue", 1 + told["hits"])
    assert {roles["supervisor"][:2], roles["data-protection-officer"][:2]} == {(200, "/people")}


def test_an_officer_of_the_demo_reviews_a_hit_and_signs_without_further_steps(
    demo: tuple[dict[str, Any], list[str]],
) -> None:
    told, _ = demo
    (account,) = [one for one in told["accounts"] if one["role"] == DeskRole.OFFICER.value]
    with httpx2.Client(base_url=told["address"], follow_redirects=True) as client:
        log_in(client, account)
        queue = client.get("/queue").text
        hit = re.findall(r'name="hit" value="(\w+)"', queue)[0]
        page = client.post("/case/claim", data={"token": token_of(queue), "hit": hit})
        judged = {"judgement": "cannot-tell", "typed": "", "reason": ""}
        page = client.post(f"/case/{hit}/judge", data={"token": token_of(page.text), **judged})
        decided = {"outcome": "referred", "passphrase": account["passphrase"]}
        client.post(f"/case/{hit}/decide", data={"token": token_of(page.text), **decided})

    with open_folder(Path(told["desk"])).open_database() as database:
        (payload,) = finding_payloads(database, hit)
        (key,) = personal_keys(database)[account["name"]]
    assert verify_finding(payload, key).outcome is FindingOutcome.REFERRED


def token_of(page: str) -> str:
    """The token of the forms of a page."""
    found = re.search(r'name="token" value="(\w+)"', page)
    assert found is not None
    return found[1]


def log_in(client: httpx2.Client, account: dict[str, str]) -> None:
    sent = {"name": account["name"], "passphrase": account["passphrase"]}
    page = client.post("/login", data={"token": token_of(client.get("/login").text), **sent})
    assert (page.status_code, "/logout" in page.text) == (200, True)


def test_one_command_makes_a_first_desk_at_a_terminal_and_serves_it(tmp_path: Path) -> None:
    master, slave = os.openpty()
    # A shell lets the commands in its background ignore Ctrl-C, and the tests may be among them.
    heard = ["env", "--default-signal=INT", "setsid", "--ctty"]
    process = subprocess.Popen(
        [*heard, *command("desk", "serve", "--port", "0")],
        cwd=tmp_path,
        env=environment({"TERM": "dumb"}),
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    said = ""

    def answer(asked: str, *typed: str) -> None:
        nonlocal said
        while asked not in said:
            assert select([master], [], [], PATIENCE_S)[0], f"{asked!r} is not in {said!r}"
            said += os.read(master, 4096).decode()
        said = said.split(asked, 1)[1]
        for each in typed:
            os.write(master, f"{each}\n".encode())

    try:
        answer("authority, as in its keys", "police-zone")
        answer("as on an identity card", "An Peeters")
        answer("name of your account", "an-peeters")
        answer("reference of the decision", "GR-2026/114")
        answer("new passphrase of an-peeters: ", "a long passphrase")
        answer("the same again: ", "a long passphrase")
        answer("the desk is at http://localhost:")
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        os.close(master)

    assert open_folder(tmp_path / "desk").config.authority == "police-zone"


def test_without_a_terminal_no_desk_is_made(tmp_path: Path) -> None:
    done = subprocess.run(
        command("desk", "serve"),
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "E_NO_DESK" in done.stderr
    assert "edge-anpr desk init" in done.stderr
    assert list(tmp_path.iterdir()) == []
