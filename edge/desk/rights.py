"""Roles, and the rights that give them to people, within limits and between two days."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

from edge.errors import UsageError
from edge.formats.canonical import canonical_json
from edge.formats.identifiers import is_id

LONGEST_YEARS = 5
"""A right ends at most this many years after its first day, and is then given anew."""

MANDATE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9./+_-]{0,59}"
"""The reference of the decision that gives the mandate, such as `GR-2026/114`: no free text."""


class DeskRole(str, Enum):
    """What a person does at the desk."""

    OFFICER = "officer"
    SECOND_OFFICER = "second-officer"
    SUPERVISOR = "supervisor"
    DATA_PROTECTION_OFFICER = "data-protection-officer"
    CLERK = "clerk"
    AUDITOR = "auditor"


APPROVERS = (DeskRole.SUPERVISOR, DeskRole.DATA_PROTECTION_OFFICER)
"""The roles that approve what a supervisor proposes."""

READERS = (*APPROVERS, DeskRole.AUDITOR)
"""The roles that see figures and the states of boxes."""

JUDGES = (DeskRole.OFFICER, DeskRole.SECOND_OFFICER)
"""The roles that judge hits."""

WATCHERS = (DeskRole.DATA_PROTECTION_OFFICER, DeskRole.AUDITOR)
"""The roles that read the log, which shows what other officers did on a hit; no judge has one."""


@dataclass(frozen=True, slots=True)
class RightScope:
    """Where a right holds: at one authority, at one site or all, for one rule or all."""

    authority: str
    site: str | None = None
    rule: str | None = None

    def covers(self, other: RightScope) -> bool:
        """Whether this scope holds wherever the other one does."""
        return (
            self.authority == other.authority
            and self.site in {None, other.site}
            and self.rule in {None, other.rule}
        )

    def __str__(self) -> str:
        return f"{self.authority}, {self.site or 'all sites'}, {self.rule or 'all rules'}"


@dataclass(frozen=True, slots=True)
class RightTerms:
    """What is given to a person: role, scope, first and last day, and the mandate's reference."""

    person: str
    role: DeskRole
    scope: RightScope
    first_day: date
    last_day: date
    mandate: str

    def require_valid(self) -> None:
        """Refuse terms that cannot be given.

        Raises:
            UsageError: names the field and the cure.
        """
        for name, value in (("--site", self.scope.site), ("--rule", self.scope.rule)):
            if value is not None and not is_id(value):
                raise UsageError(f"{name}: not an id of small letters, digits and hyphens")
        if not re.fullmatch(MANDATE_PATTERN, self.mandate, re.ASCII):
            raise UsageError(
                "--mandate: give the reference of the decision, such as GR-2026/114: letters, "
                "digits and . / + _ -, at most 60"
            )
        if self.last_day < self.first_day:
            raise UsageError("--until: before the first day; give a later day")
        if self.last_day > years_after(self.first_day, LONGEST_YEARS):
            raise UsageError(
                f"--until: more than {LONGEST_YEARS} years after the first day; give an earlier "
                "day, and give the right anew before it ends"
            )

    def excludes(self, other: RightTerms) -> bool:
        """Whether one person may not have both: she would judge and watch on the same day."""
        return (
            {self.role in JUDGES, other.role in JUDGES} == {True, False}
            and {self.role in WATCHERS, other.role in WATCHERS} == {True, False}
            and self.first_day <= other.last_day
            and other.first_day <= self.last_day
        )

    def sha256(self) -> str:
        """The digest of the terms in canonical JSON, which the audit log records."""
        terms = {
            "person": self.person,
            "role": self.role.value,
            "authority": self.scope.authority,
            "site": self.scope.site,
            "rule": self.scope.rule,
            "first_day": self.first_day.isoformat(),
            "last_day": self.last_day.isoformat(),
            "mandate": self.mandate,
        }
        return hashlib.sha256(canonical_json(terms)).hexdigest()


@dataclass(frozen=True, slots=True)
class DeskRight:
    """A right with its history.

    `alone`: the first account's own right, which nobody else could approve.
    """

    right_id: str
    terms: RightTerms
    proposed_by: str
    proposed_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    revoked_by: str | None
    revoked_at: datetime | None
    alone: bool

    def in_force(self, day: date) -> bool:
        """Whether it was approved, not revoked, and the day lies between its days."""
        return (
            self.approved_at is not None
            and self.revoked_at is None
            and self.terms.first_day <= day <= self.terms.last_day
        )

    def state(self, day: date) -> str:
        """`proposed`, `in force`, `not yet`, `ended` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        if self.approved_at is None:
            return "proposed"
        if day < self.terms.first_day:
            return "not yet"
        return "in force" if day <= self.terms.last_day else "ended"


def years_after(day: date, years: int) -> date:
    """The same day some years later; 28 February where there is no 29."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
