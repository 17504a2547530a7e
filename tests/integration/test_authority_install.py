"""The base installation receives and verifies without any package of an extra.

A child process refuses to import these packages, as if they were not installed. It works on
artefacts that a box made with all of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.errors import EXTRA_OF
from tests.support.command_server import CommandServer
from tests.support.parties import PLATE, Parties, evidence, make_parties, topic_of
from tests.support.product import REPOSITORY, Finished, environment, product
from tests.support.sites import MadeSite, make_site
from tests.support.verbs import commands

MISSING = sorted(EXTRA_OF)

BASE = f"""\
import sys
from tests.support.command_server import refuse_to_import
refuse_to_import({MISSING!r})
"""
MAIN = "from edge.cli import main\nmain(sys.argv[1:])\n"


@pytest.fixture(scope="module")
def base_server() -> Iterator[CommandServer]:
    server = CommandServer(environment(), MISSING)
    yield server
    server.close()


@pytest.fixture
def base_install(base_server: CommandServer) -> Callable[..., Finished]:
    """Runs a command of the base installation in a process of its own."""

    def run(*arguments: str | Path) -> Finished:
        words = [str(one) for one in arguments]
        return Finished(*base_server.run(words, environment(), None, 120))

    return run


def base_program(program: str, *arguments: str | Path) -> Finished:
    """Runs a program in a new interpreter of the base installation."""
    done = subprocess.run(
        [sys.executable, "-c", BASE + program, *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Artefacts:
    """What a box made with the complete installation, and an authority's keys."""

    box: MadeSite
    pack: Path
    parties: Parties


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Artefacts:
    base = tmp_path_factory.mktemp("made")
    with EmbeddedBroker() as broker:
        box = make_site(base, stolen=["1ABC123"], port=broker.port)
        still = base / "still"
        still.mkdir()
        _picture(still / "road.png")
        done = product(
            "run", "--site", box.folder, "--source", still, "--drain", "0",
            "--recorded-at", "2026-03-10T08:25:00+01:00",
        )  # fmt: skip
    assert done.status == 0, done.err
    pack = base / "pack.zip"
    assert product("evidence-pack", pack, "--site", box.folder).status == 0
    (base / "parties").mkdir()
    return Artefacts(box, pack, make_parties(base / "parties"))


def _picture(path: Path) -> None:
    import cv2
    import numpy as np

    cv2.imwrite(str(path), np.full((360, 640, 3), 90, np.uint8))


def test_the_child_process_lacks_every_package_of_the_extras() -> None:
    program = (
        "for name in sys.argv[1:]:\n"
        "    try:\n        __import__(name)\n"
        "    except ModuleNotFoundError as error:\n        print(error)\n"
    )

    done = base_program(program, *MISSING)

    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == [f"No module named '{name}'" for name in MISSING]


def test_an_authority_receives_opens_and_reviews_a_hit(
    made: Artefacts, base_install: Callable[..., Finished], tmp_path: Path
) -> None:
    hit = made.parties.hit(evidence())
    store = ("--store", tmp_path / "store")
    both = ("--box-keys", made.parties.box_file, "--keys", made.parties.authority_folder)
    with EmbeddedBroker() as broker:
        tail = ("hits", "tail", "--broker", f"127.0.0.1:{broker.port}", *store, *both, "--json")
        assert base_install(*tail, "--idle", "0.5").status == 0
        with BrokerLink.open(BrokerOptions("127.0.0.1", broker.port, "a-box")) as link:
            link.publish(topic_of(hit), hit.to_payload())
        received = base_install(*tail, "--once", "1")
    opened = base_install("hits", "open", "--all", *store, *both, "--out", tmp_path / "o", "--json")
    reviewed = base_install("hits", "review", hit.hit_id, "--confirm", *store)

    assert received.json["hits"] == [hit.hit_id]
    assert [row["plate"] for row in opened.json["opened"]] == [PLATE]
    assert "confirmed" in reviewed.out
    for verb in ("list", "stats"):
        assert base_install("hits", verb, *store).status == 0
    assert base_install("audit", "verify", tmp_path / "store").status == 0


CHECKS: dict[str, Callable[[Artefacts, Path], list[str | Path]]] = {
    "audit": lambda made, _: ["audit", "verify", made.box.state, "--keys", made.box.box_keys],
    "pack": lambda made, _: ["evidence-pack", "verify", made.pack, "--keys", made.box.box_keys],
    "check": lambda made, _: ["check", REPOSITORY / "config/school-street", "--on", "2026-03-10"],
    "policy diff": lambda made, _: [
        "policy", "diff", made.box.folder, REPOSITORY / "config" / "school-street",
    ],
    "policy new": lambda made, tmp: ["policy", "new", tmp / "site", "--defaults"],
    "notice": lambda made, tmp: ["notice", made.box.folder, "--draft", "--out", tmp / "public"],
    "keys new": lambda made, tmp: ["keys", "new", "authority", "police", "--out", tmp / "keys"],
    "keys show": lambda made, _: ["keys", "show", made.box.box_keys],
    "stats": lambda made, _: ["stats", "--site", made.box.folder],
    "suspend": lambda made, tmp: [
        "suspend", "new", "school-street", "--reason", "test", "--out", tmp / "order.json",
    ],
    "schema": lambda made, _: ["schema", "hit"],
    "schema summary": lambda made, _: ["schema", "summary"],
    "models list": lambda made, _: ["models", "list"],
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_the_base_installation_can_run(
    name: str, made: Artefacts, base_install: Callable[..., Finished], tmp_path: Path
) -> None:
    done = base_install(*CHECKS[name](made, tmp_path))

    assert (done.status, done.err) == (0, "")


def test_every_help_works_without_the_extra() -> None:
    program = (
        "import json\nfrom edge.cli import execute\n"
        "assert all(execute([*words, '--help']) == 0 for words in json.loads(sys.argv[1]))\n"
    )

    assert base_program(program, json.dumps([*commands()])).status == 0


NEEDS_EXTRA: dict[str, Callable[[Artefacts, Path], list[str | Path]]] = {
    "run": lambda made, _: ["run", "--site", made.box.folder, "--source", made.pack],
    "doctor": lambda made, _: ["doctor", "--site", made.box.folder],
    "read": lambda made, _: ["read", made.pack],
    "redact": lambda made, tmp: ["redact", made.pack, tmp / "out.mp4"],
    "status": lambda made, _: ["status", "--once"],
    "models verify": lambda made, _: ["models", "verify"],
    "models bench": lambda made, _: ["models", "bench"],
    "demo": lambda made, tmp: ["demo", "--out", tmp / "demo"],
    "desk status": lambda made, tmp: ["desk", "status", "--desk", tmp],
    "desk init": lambda made, tmp: [
        "desk",
        "init",
        tmp / "desk",
        "--authority",
        "city",
        "--person",
        "an",
        "--full-name",
        "An",
        "--mandate",
        "GR-1",
    ],
    "evaluate clips": lambda made, tmp: ["evaluate", "clips", "--labels", tmp, "--root", tmp],
}


@pytest.mark.parametrize("name", NEEDS_EXTRA)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_command_of_an_extra_names_it(
    name: str,
    as_json: bool,
    made: Artefacts,
    base_install: Callable[..., Finished],
    tmp_path: Path,
) -> None:
    arguments = NEEDS_EXTRA[name](made, tmp_path)
    done = base_install(*arguments, *(["--json"] if as_json else []))

    assert done.status == 3
    (line,) = done.error_lines
    assert line.startswith("error: E_EXTRA: this needs the Python module ")
    extra = "desk" if name.startswith("desk") else "cpu"
    assert f"pip install 'edge-anpr[{extra}" in line
    assert "Traceback" not in done.err


def test_the_python_interface_names_the_extra_too() -> None:
    program = (
        "import edge, pathlib\n"
        "try:\n    edge.read_plates(pathlib.Path('x.jpg'))\n"
        "except edge.EdgeError as error:\n    print(error.code, error.message)\n"
    )
    done = base_program(program)

    assert done.out.startswith("E_EXTRA this needs the Python module ")
