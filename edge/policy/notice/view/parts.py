"""Parts that several sections of the notice have: parties, documents, hours, names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from edge.policy.fields import Party, Texts, WeeklySchedule
from edge.policy.model import Policy
from edge.policy.notice.words import Words
from edge.policy.rule_models import HotlistRule, PermitZoneRule, WrongWayRule

# What a reader can follow: web pages and mail addresses in what the policy gives as a contact.
_LINK = re.compile(
    r"(?P<page>https?://[^\s<>\"']*[^\s<>\"'.,;:)])"
    r"|(?P<mail>[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)"
)

AnyRule = HotlistRule | PermitZoneRule | WrongWayRule


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a contact; `href` is where it leads, if anywhere."""

    text: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class PartyView:
    """Somebody who can be written to, with a note on the part they have."""

    name: str
    contact: tuple[Piece, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Sourced:
    """What was found, and in which document."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Week:
    """Days with their hours, and sentences about the days that are different."""

    days: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


class Teller:
    """Says in one language what a policy holds.

    Args:
        policy: which.
        words: the language.
    """

    def __init__(self, policy: Policy, words: Words) -> None:
        self.policy = policy
        self.words = words
        self.cameras = {
            name: words("where.camera", number=number)
            for number, name in enumerate(policy.cameras, start=1)
        }

    def said(self, texts: Texts) -> str:
        """A text that the policy has in four languages."""
        return self.words.set(texts.of(self.words.language))

    def source(self, reference: str, day: str) -> str:
        """A document by reference and date."""
        return self.words("why.source", reference=reference, date=self.words.date(day))

    def week(self, schedule: WeeklySchedule) -> Week:
        return Week(self.words.week(schedule), self.words.exceptions(schedule))

    def authorities(self) -> str:
        """Everyone who receives hits of a rule."""
        names = (self.policy.authorities[rule.authority].name for rule in self.policy.rules)
        return self.words.all_of(list(dict.fromkeys(names)))

    def rule_name(self, rule: AnyRule) -> str:
        """What the rule is about, with its id where that alone tells it apart."""
        name = self.words(f"rules.{rule.type}")
        alike = [one for one in self.policy.rules if one.type == rule.type]
        return name if len(alike) == 1 else f"{name} ({rule.id})"


def party(one: Party, note: str | None = None) -> PartyView:
    """Somebody with the web pages and mail addresses to be followed."""
    return PartyView(one.name, contact(one.contact), note)


def contact(text: str) -> tuple[Piece, ...]:
    """A contact in pieces: each web page and mail address is one that leads somewhere."""
    return tuple(_pieces(text))


def _pieces(text: str) -> Iterator[Piece]:
    end = 0
    for match in _LINK.finditer(text):
        yield Piece(text[end : match.start()])
        yield Piece(match.group(), match.group() if match["page"] else f"mailto:{match.group()}")
        end = match.end()
    yield Piece(text[end:])
