"""Every sentence that a person may read in four languages: one TOML file for each language.

A text is found by its full key, such as `checklist.why.P1`. All four files hold the same keys with
the same `{…}` placeholders; tests compare them with each other and with the keys used in the code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Language = Literal["nl", "fr", "de", "en"]
LANGUAGES: tuple[Language, ...] = ("nl", "fr", "de", "en")
"""In the order in which a page shows them."""


@cache
def catalogue(language: Language) -> Mapping[str, str]:
    """The texts of one language, by their full key.

    Raises:
        ValueError: a value in the file is not a text, or is empty.
    """
    content = (files(__package__) / f"{language}.toml").read_text(encoding="utf-8")
    return MappingProxyType(dict(_flat(tomllib.loads(content), f"{language}.toml")))


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
