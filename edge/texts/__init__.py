"""Every sentence that a person may read in four languages: one TOML file for each language.

A text is found by its full key, such as `checklist.why.P1`. All four files hold the same keys with
the same `{…}` placeholders; tests compare them with each other and with the keys used in the code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Formatter
from types import MappingProxyType
from typing import Literal

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Language = Literal["nl", "fr", "de", "en"]
LANGUAGES: tuple[Language, ...] = ("nl", "fr", "de", "en")
"""In the order in which a page shows them."""

WORDS_VARIABLE = "EDGE_ANPR_TEXTS"
"""Environment variable with a folder of newer texts, such as an update has installed."""


@cache
def catalogue(language: Language) -> Mapping[str, str]:
    """The texts of one language, by their full key.

    They come from the folder of `EDGE_ANPR_TEXTS` if it has all texts of this program in every
    language, and else from the program.

    Raises:
        ValueError: a value in the file is not a text, or is empty.
    """
    newer = os.environ.get(WORDS_VARIABLE, "")
    if newer and words_problem(Path(newer)) is None:
        return _texts_of((Path(newer) / f"{language}.toml").read_text("utf-8"), language)
    return _own(language)


def words_problem(folder: Path) -> str | None:
    """Why the texts in a folder cannot replace this program's, or None.

    Each language must have the same keys as the program, with the same `{…}` placeholders.
    """
    for language in LANGUAGES:
        own = _own(language)
        try:
            found = _texts_of((folder / f"{language}.toml").read_text("utf-8"), language)
            different = {key for key in found if _places(found[key]) != _places(own.get(key, ""))}
        except (OSError, ValueError) as error:
            return f"{language}.toml cannot be read ({type(error).__name__})"
        if wrong := sorted((found.keys() ^ own.keys()) | different):
            return f"{language}.toml: {wrong[0]} is missing, unknown, or has other placeholders"
    return None


@cache
def _own(language: Language) -> Mapping[str, str]:
    content = (files(__package__) / f"{language}.toml").read_text(encoding="utf-8")
    return _texts_of(content, language)


def _texts_of(content: str, language: Language) -> Mapping[str, str]:
    return MappingProxyType(dict(_flat(tomllib.loads(content), f"{language}.toml")))


def _places(text: str) -> frozenset[str]:
    """The placeholders of a text."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def text(language: Language, key: str, **values: str | int) -> str:
    """A text with its placeholders filled in.

    Raises:
        KeyError: there is no such text, or a value that it needs is not given.
    """
    return catalogue(language)[key].format_map(values)


def colon(language: Language) -> str:
    """A colon between two words; French has a space before it."""
    return " : " if language == "fr" else ": "


def in_every_language(key: str, **values: str | int) -> Mapping[Language, str]:
    """A text in all four languages, with its placeholders filled in."""
    return {language: text(language, key, **values) for language in LANGUAGES}


def _flat(table: Mapping[str, object], file: str, above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        key = f"{above}{name}"
        if isinstance(value, dict):
            yield from _flat(value, file, f"{key}.")
        elif isinstance(value, str) and value.strip():
            yield key, value
        else:
            raise ValueError(f"{file}: {key}: must be a text")
