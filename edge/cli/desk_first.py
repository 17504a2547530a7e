"""The desk of a folder; on a terminal a first one is made by asking."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edge.cli.output import note

if TYPE_CHECKING:
    from edge.desk.folder import DeskFolder


def opened_or_made(path: Path) -> DeskFolder:
    """Open a desk; where there is none, and somebody sits at the terminal, ask and make it.

    Raises:
        OutboxError: `E_NO_DESK`: there is none and nobody to ask, or it cannot be used.
        UsageError: an answer has a wrong form.
        KeyFileError: the passphrase is too short, or was typed differently the second time.
    """
    from edge.desk.folder import CONFIG_NAME, open_folder

    if (path / CONFIG_NAME).exists() or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return open_folder(path)
    note(f"no desk in {path.resolve()} yet; a few questions make one, Ctrl-C makes nothing")
    return _made(path)


def _made(path: Path) -> DeskFolder:
    from edge.adapters.host.system import SystemClock
    from edge.cli.passphrase import chosen
    from edge.desk.accounts import require_names
    from edge.desk.folder import DeskConfig, FirstAccount, make_folder
    from edge.desk.rights import LONGEST_YEARS, DeskRole, RightScope, RightTerms, years_after
    from edge.errors import UsageError
    from edge.formats.identifiers import is_id

    authority = _asked("authority, as in its keys (such as police-zone)")
    if not is_id(authority):
        raise UsageError("authority: not an id of small letters, digits and hyphens")
    full_name = _asked("your name, as on an identity card")
    person = _asked("name of your account (such as an-peeters)")
    require_names(person, full_name)
    mandate = _asked("reference of the decision that makes you supervisor (such as GR-2026/114)")
    utc = SystemClock().utc
    today = utc().date()
    last = years_after(today, LONGEST_YEARS)
    terms = RightTerms(person, DeskRole.SUPERVISOR, RightScope(authority), today, last, mandate)
    terms.require_valid()
    first = FirstAccount(person, full_name, terms)
    passphrase = chosen(None, whose=f" of {person}")
    made = make_folder(path, DeskConfig(authority=authority), first, passphrase, utc)
    note(f"{path}: the desk of {authority}, supervisor {person}; log in as {person}")
    return made


def _asked(question: str) -> str:
    answer: str = typer.prompt(question, err=True)
    return answer.strip()
