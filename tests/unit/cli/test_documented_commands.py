"""Every `edge-anpr` command in the documents, in the texts and in messages of the code parses."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.product import REPOSITORY
from tests.support.verbs import commands

DOCUMENTS = sorted(
    file
    for pattern in ("*.md", "docs/**/*.md", "config/*.md", "models/*.md", "scripts/**/*.md")
    for file in REPOSITORY.glob(pattern)
)
SOURCES = sorted(
    file for kind in ("py", "toml") for file in (REPOSITORY / "edge").rglob(f"*.{kind}")
)

BLOCK = re.compile(r"^ *```\w*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
LINE = re.compile(r"^ *(?:\S*/|runuser .*-- \S*|ExecStart=\S*/)?edge-anpr (.+)$", re.MULTILINE)
JOINED = re.compile(r'(?<=[^"]) *"\s*\n\s*f?"(?=[^"])')
"""Where Python joins two strings, each on a line of its own."""
INLINE = re.compile(r"`edge-anpr ([^`]+)`")
SHELL = re.compile(r"\s(?:#|&|\d?[<>|]).*")
"""What the shell takes for itself: a comment, another program, a file."""


def whole(text: str) -> Iterator[str]:
    """The command lines in blocks of code."""
    for block in BLOCK.findall(text):
        yield from LINE.findall(re.sub(r"\\\n\s*", " ", block))


def mentioned(text: str) -> Iterator[str]:
    """The commands within sentences, which may leave out arguments."""
    for one in INLINE.findall(BLOCK.sub("", JOINED.sub(" ", text))):
        yield re.sub(r"\{[^}]*\}", "…", " ".join(one.split()))


def fault(line: str, *, complete: bool) -> str | None:
    """What is wrong with a command line; None if nothing is.

    Args:
        line: without the name of the program.
        complete: whether it must have each required argument and option.
    """
    words = shlex.split(SHELL.sub("", line))
    if "--help" in words or "--version" in words:
        return None
    name: tuple[str, ...] = ()
    while words and (*name, words[0]) in commands():
        name = (*name, words.pop(0))
    command = commands()[name]
    if hasattr(command, "commands"):
        usual = next((one for one in ("make", "run") if (*name, one) in commands()), None)
        if not complete and (not words or words[0] == "…"):
            return None
        if usual is None or not name:
            return f"{' '.join(name)} has no verb {' '.join(words[:1])}"
        name = (*name, usual)
        command = commands()[name]
    return _misfit(command, words, complete=complete)


def _misfit(command: Any, words: list[str], *, complete: bool) -> str | None:
    named = {text: one for one in command.params for text in (*one.opts, *one.secondary_opts)}
    required = {one.name for one in command.params if one.required}
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    given, values = set(), 0
    rest = iter(words)
    for word in rest:
        if word in {"…", "..."}:
            complete = False
        elif word.startswith("--"):
            option = named.get(word.partition("=")[0])
            if option is None:
                return f"no option {word}"
            given.add(option.name)
            if not option.is_flag and "=" not in word and next(rest, None) is None and complete:
                return f"{word} lacks its value"
        else:
            values += 1
    if values > len(arguments) and all(one.nargs != -1 for one in arguments):
        return f"{values} arguments where {len(arguments)} belong"
    given.update(one.name for one in arguments[:values])
    return f"lacks {sorted(required - given)}" if complete and required - given else None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: str(one.relative_to(REPOSITORY)))
def test_each_command_in_a_document_parses(document: Path) -> None:
    text = document.read_text("utf-8")
    wrong = {line: fault(line, complete=True) for line in whole(text)}
    wrong |= {line: fault(line, complete=False) for line in mentioned(text)}

    assert {line: why for line, why in wrong.items() if why is not None} == {}


def test_each_command_that_the_product_names_parses() -> None:
    texts = {one: one.read_text("utf-8") for one in SOURCES}
    wrong = {
        f"{file.name}: {line}": fault(line, complete=False)
        for file, text in texts.items()
        for line in mentioned(text)
    }

    assert len(wrong) > 50
    assert {line: why for line, why in wrong.items() if why is not None} == {}


@pytest.mark.parametrize(
    "line",
    [
        "run test-street --source cam-1=drive.mp4",
        "run --source drive.mp4",
        "keys passphrase key.json",
        "desk people key --out keys --desk desk --who els",
        "lists install --site street --box",
    ],
)
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    assert fault(line, complete=True) is not None
