"""`--help` and `--version`: quick, wrapped, and with an example that really parses."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys

import pytest

from edge.adapters.host.system import product_version
from tests.support.product import environment, product
from tests.support.verbs import commands, options, verbs

HEAVY = (
    "numpy", "cv2", "av", "onnxruntime", "fast_plate_ocr", "cryptography", "paho",
    "prometheus_client", "segno", "iotcore", "yaml", "sqlite3", "asyncio", "sqlalchemy",
    "alembic", "argon2", "psycopg",
)  # fmt: skip
"""What no help needs. Pydantic is not among them: typer itself checks options with it."""

LOADED = f"""\
import contextlib, io, json, sys
from edge.cli import execute
heavy = {HEAVY!r}
found = {{}}
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()):
        assert execute(words) == 0, words
    new = [name for name in heavy if name in sys.modules and name not in sum(found.values(), [])]
    if new:
        found[" ".join(words)] = new
print(json.dumps(found))
"""

EXAMPLE = re.compile(r"^Example: edge-anpr (.+)$", re.MULTILINE)


def loaded_after(command_lines: list[list[str]]) -> dict[str, list[str]]:
    """The heavy modules that each command line loads in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(command_lines)],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_no_help_imports_a_heavy_module() -> None:
    assert loaded_after([[*words, "--help"] for words in commands()]) == {}


def test_the_version_imports_neither_a_heavy_module_nor_rich() -> None:
    done = product("--version")
    dump = "import sys, edge.cli; edge.cli.execute(['--version']); print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", dump], env=environment(), capture_output=True, text=True, check=True
    ).stdout.split()

    assert (done.status, done.out) == (0, f"edge-anpr {product_version()}\n")
    assert {*HEAVY, "pydantic", "rich"} & set(modules) == set()
    assert [name for name in modules if name.startswith("edge.cli.")] == [
        "edge.cli.lazy",
        "edge.cli.logs",
    ]


def test_the_import_check_detects_a_heavy_module() -> None:
    assert "cryptography" in loaded_after([["schema", "site"]])["schema site"]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_help_is_wrapped_by_the_terminal_alone(words: tuple[str, ...]) -> None:
    text = commands()[words].help

    assert text
    for paragraph in text.split("\n\n"):
        assert "\n" not in paragraph
    for one in commands()[words].params:
        assert one.help, one.name
        assert one.help.rstrip("]").endswith((".", "?")), one.name


def test_a_help_names_no_type_of_a_flag_and_only_the_program_completes() -> None:
    whole, one = product("--help").out, product("keys", "new", "--help").out

    assert "<" in product("status", "--help").out  # other options have a type
    assert "<bool>" not in whole + one + product("status", "--help").out
    assert "--install-completion" in whole
    assert [words for words in commands() if "--install-completion" in options(words)] == [()]
    assert "completion" not in one


@pytest.mark.parametrize("words", verbs(), ids=" ".join)
def test_each_verbs_help_has_an_example_with_existing_options(words: tuple[str, ...]) -> None:
    command = commands()[words]
    examples = EXAMPLE.findall(command.help)

    assert examples
    for example in examples:
        given = shlex.split(example)
        assert tuple(given[: len(words)]) == words
        rest = given[len(words) :]
        assert {word for word in rest if word.startswith("--")} <= options(words)
        with command.make_context("edge-anpr", list(rest)) as context:
            assert set(context.params) == {one.name for one in command.params if one.expose_value}


SHELL_AS_GIVEN = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
"""Typer otherwise takes the shell that it finds among the parent processes; there may be none."""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_can_complete_verbs_and_options(shell: str) -> None:
    script = product("--show-completion", shell, env=SHELL_AS_GIVEN)
    assert script.status == 0, script.err
    assert f"_EDGE_ANPR_COMPLETE=complete_{shell}" in script.out

    def completed(line: str) -> str:
        done = product(
            env={
                "_EDGE_ANPR_COMPLETE": f"complete_{shell}",
                "COMP_WORDS": line,
                "COMP_CWORD": str(len(line.split()) - 1),
                "_TYPER_COMPLETE_ARGS": line,
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            }
        )
        return done.out

    assert "evidence-pack" in completed("edge-anpr evid")
    assert "--box-keys" in completed("edge-anpr hits open --box")


def test_completion_can_be_installed(tmp_path: object) -> None:
    done = product("--install-completion", "bash", env={"HOME": str(tmp_path), **SHELL_AS_GIVEN})

    assert done.status == 0
    assert "completion installed" in done.out
