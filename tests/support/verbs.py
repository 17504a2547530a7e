"""Every command of the command line, found by walking the application."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from typer.main import get_command

from edge.cli import app


@cache
def commands() -> dict[tuple[str, ...], Any]:
    """Each command and group by its words: `("keys", "new", "box")`; the root has none."""
    return dict(_walk((), get_command(app)))


def verbs() -> list[tuple[str, ...]]:
    """The words of each command, without groups."""
    return [words for words, command in commands().items() if not hasattr(command, "commands")]


def json_verbs() -> list[tuple[str, ...]]:
    """The words of each command that has `--json`."""
    return [words for words in verbs() if "--json" in options(words)]


def options(words: tuple[str, ...]) -> set[str]:
    """The names of a command's options, such as `--site`."""
    return {name for one in commands()[words].params for name in one.opts + one.secondary_opts}


def _walk(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _walk((*words, name), inner)
