"""Problems in documents that people write: file, line, column, field and cure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import ConfigError

MAX_PROBLEMS = 20

Location = tuple[int | str, ...]
"""Where a field is: keys and indices from the top."""

_SHOWN_IN_PATH = re.compile(r"[a-z0-9_-]{1,40}|\*")


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem with one field of one file; line and column count from 1.

    `code` is the error code; `wanted` is the full location of a field that is missing in
    the file. `text` is the key of the message in `edge/texts`, empty if it is in English only, and
    `values` are what it is filled in with.
    """

    file: Path
    line: int
    column: int
    location: Location
    message: str
    code: str = "E_CONFIG"
    wanted: Location = ()
    text: str = ""
    values: Mapping[str, str | int] = field(default_factory=dict)

    def __str__(self) -> str:
        at = path_text(self.location)
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {at}: {self.message}" if at else f"{where}: {self.message}"


class MistakesError(ConfigError):
    """All problems of one or several files: one line each, at most `MAX_PROBLEMS` lines.

    Without `code` it has that of its problems. If those differ, it has `E_CONFIG` if one of them
    has that, else `E_HOMEWORK`, and each line with another code shows it.

    Attributes:
        problems: all of them.
        listed_by: the command that lists them with their reasons; empty if there is none.
    """

    def __init__(
        self, problems: Iterable[Problem | str], *, code: str | None = None, listed_by: str = ""
    ) -> None:
        self.problems = tuple(problems)
        self.listed_by = listed_by
        code = code or _common_code(self.problems)
        lines = [_line(problem, code) for problem in self.problems]
        more = len(lines) - MAX_PROBLEMS
        rest = (f"and {more} more; correct these first",) if more > 0 else ()
        super().__init__("\n".join((*lines[:MAX_PROBLEMS], *rest)), code=code)

    def in_one_line(self) -> str:
        """The message; if a command lists the problems, the first one, their number, and it."""
        more = len(self.problems) - 1
        if not self.listed_by or more < 1:
            return self.message
        first = _line(self.problems[0], self.code)
        return f"{first}; and {more} more: `{self.listed_by}` lists all, with the reasons"


def _common_code(problems: Sequence[Problem | str]) -> str:
    codes = {one.code if isinstance(one, Problem) else "E_CONFIG" for one in problems}
    if len(codes) == 1:
        return codes.pop()
    return "E_CONFIG" if "E_CONFIG" in codes else "E_HOMEWORK"


def _line(problem: Problem | str, code: str) -> str:
    if isinstance(problem, str) or problem.code in {code, "E_CONFIG"}:
        return str(problem)
    return f"{problem} ({problem.code})"


def refuse(problems: Iterable[Problem | str], *, code: str | None = None) -> None:
    """Raise if there is a problem.

    Raises:
        MistakesError: all of them.
    """
    found = tuple(problems)
    if found:
        raise MistakesError(found, code=code)


def path_text(location: Location) -> str:
    """A location as text, such as `rules[0].id`; keys that could be a plate become `…`."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += ("." if path else "") + (step if _SHOWN_IN_PATH.fullmatch(step) else "…")
    return path


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name with the most similar spelling; None if none is similar."""
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.7)), None)
