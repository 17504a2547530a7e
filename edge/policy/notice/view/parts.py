"""Parts that several sections of the notice have: parties, documents, hours, names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from edge.policy.fields import Party, Texts, WeeklySchedule
from edge.policy.model import Policy
from edge.policy.notice.words import Words
from edge.policy.rule_models import HotlistRule, PermitZoneRule, WrongWayRule

# Links: web pages and mail addresses in the contacts of the policy.
_LINK = re.compile(
    r"(?P<page>https?://[^\s<>\"']*[^\s<>\"'.,;:)])"
    r"|(?P<mail>[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)"
)

AnyRule = HotlistRule | PermitZoneRule | WrongWayRule


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a contact; `href` is its link, or None."""

    text: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class PartyView:
    """A party with contact pieces, and a note on its role."""

    name: str
    contact: tuple[Piece, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Sourced:
    """A finding, and the document that it comes from."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Week:
    """Days with their hours, and sentences about the days that are different."""

    days: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


class PolicyWording:
    """Texts about a policy in one language.

    Args:
        policy: the policy.
        words: the texts and formats of the language.
    """

    def __init__(self, policy: Policy, words: Words) -> None:
        self.policy = policy
        self.words = words
        self.cameras = {
            name: words("where.camera", number=number)
            for number, name in enumerate(policy.cameras, start=1)
        }

    def in_language(self, texts: Texts) -> str:
        """A text of the policy, in this language."""
        return self.words.set(texts.of(self.words.language))

    def source(self, reference: Texts, day: str) -> str:
        """A document by reference and date."""
        return self.words(
            "why.source", reference=self.in_language(reference), date=self.words.date(day)
        )

    def week(self, schedule: WeeklySchedule) -> Week:
        return Week(self.words.week(schedule), self.words.exceptions(schedule))

    def authorities(self) -> str:
        """Everyone who receives hits of a rule."""
        names = (self.authority(rule) for rule in self.policy.rules)
        return self.words.all_of(list(dict.fromkeys(names)))

    def authority(self, rule: AnyRule) -> str:
        """The name of the authority that receives a rule's hits."""
        return self.in_language(self.policy.authorities[rule.authority].name)

    def party(self, one: Party, note: str | None = None) -> PartyView:
        """A party, with its web pages and mail addresses as links."""
        return PartyView(self.in_language(one.name), self.contact(one.contact), note)

    def contact(self, one: Texts) -> tuple[Piece, ...]:
        """A contact in pieces, with each web page and mail address as a link."""
        return tuple(_pieces(one.of(self.words.language)))

    def rule_name(self, rule: AnyRule) -> str:
        """The name of the rule's kind, with its id if several rules share the name."""
        name = self.words(f"rules.{rule.type}")
        alike = [one for one in self.policy.rules if one.type == rule.type]
        return name if len(alike) == 1 else f"{name} ({rule.id})"


def _pieces(text: str) -> Iterator[Piece]:
    end = 0
    for match in _LINK.finditer(text):
        yield Piece(text[end : match.start()])
        yield Piece(match.group(), match.group() if match["page"] else f"mailto:{match.group()}")
        end = match.end()
    yield Piece(text[end:])
