"""The answer to a person's request, as a text in Dutch, French, German and English.

It holds no plate: it speaks of the vehicle that the person has named. Times are those of the place
and UTC. What a policy says is in its words; without the policy the answer has the ids of the hit,
and the times of Belgium.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from edge.desk.policies import newest_policy, rule_facts
from edge.desk.recipients import FileMade
from edge.desk.request_terms import HOME, RequestKind
from edge.desk.requests import AnsweredCase, RequestAnswer
from edge.policy.model import Policy
from edge.policy.notice.words import Words
from edge.texts import LANGUAGES, Language, catalogue


def answer_text(
    answer: RequestAnswer,
    authority: str,
    officers: Sequence[str],
    files: Mapping[str, Sequence[str]],
    policies: Mapping[str, Policy],
    made: Mapping[str, Sequence[FileMade]],
) -> str:
    """The whole answer, one language after the other.

    Args:
        answer: what was found.
        authority: whose desk it is.
        officers: full names of the data protection officers.
        files: names of the picture files, by hit id.
        policies: the policies that are known, by SHA-256.
        made: the files that were made of each case, by hit id.
    """
    parts = (
        "\n\n".join(_paragraphs(answer, authority, officers, files, policies, made, language))
        for language in LANGUAGES
    )
    return ("\n\n" + "-" * 72 + "\n\n").join(parts) + "\n"


class _AnswerWords:
    """Texts and dates of an answer in one language, at the time of the place."""

    def __init__(self, language: Language, zone: ZoneInfo) -> None:
        self.zone = zone
        self._texts = catalogue(language)
        self._words = Words(language)

    def __call__(self, key: str, /, **values: str | int) -> str:
        return self._words.set(self._texts[f"answer.{key}"].format_map(values))

    def date(self, moment: datetime) -> str:
        return self._words.date(moment.astimezone(self.zone).date().isoformat())

    def days(self, count: int) -> str:
        return self._words.days(count)

    def day(self, day: str) -> str:
        return self._words.date(day)


def _paragraphs(
    answer: RequestAnswer,
    authority: str,
    officers: Sequence[str],
    files: Mapping[str, Sequence[str]],
    policies: Mapping[str, Policy],
    made: Mapping[str, Sequence[FileMade]],
    language: Language,
) -> Iterator[str]:
    terms, contacts = answer.request.terms, list(officers)
    newest = newest_policy(policies, terms.site)
    words = _AnswerWords(language, HOME if newest is None else newest.zone)
    if newest is not None:
        contacts.append(newest.rights.contact.of(language))
        if authority in newest.authorities:
            authority = newest.authorities[authority].name.of(language)
    yield words("heading", reference=terms.reference)
    yield words("made", authority=authority, date=words.date(answer.made_at))
    yield words(
        "asked",
        asks=words(terms.asks.value),
        site=terms.site,
        first=words.day(terms.first_day.isoformat()),
        last=words.day(terms.last_day.isoformat()),
    )
    if not answer.cases:
        yield words("none")
    for case in answer.cases:
        hit = case.opened.hit
        moment = {
            "hit": hit.hit_id,
            "local": f"{words.date(hit.observed)}, {hit.observed.astimezone(words.zone):%H:%M:%S}",
            "utc": f"{hit.observed.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}",
        }
        facts = rule_facts(policies, hit, case.opened.content.pictures, language)
        if facts is None:
            named = {"camera": hit.camera, "rule": hit.rule, "purpose": hit.purpose}
            about = words("case", **moment, **named)
        else:
            named = {"place": facts.place, "rule": facts.rule, "purpose": facts.purpose}
            about = words("case_known", **moment, **named)
        held = _held(
            words,
            case,
            files[hit.hit_id],
            made[hit.hit_id],
            linked=hit.hit_id in answer.request.waiting,
        )
        yield "\n".join((about, *held))
    if terms.asks is RequestKind.ERASURE:
        yield words("erased", days=words.days(answer.term.waiting_days))
    if answer.unopened:
        yield words("unopened", count=answer.unopened)
    yield words("unseen", days=words.days(answer.term.waiting_days))
    yield words("why")
    yield words("rights", names=", ".join(contacts) or words("nobody"))
    yield words("supervisor") + "\n" + words("court")
    yield words("log", digest=answer.plate_hmac, key=answer.key.hex())


def _held(
    words: _AnswerWords,
    case: AnsweredCase,
    files: Sequence[str],
    made: Sequence[FileMade],
    *,
    linked: bool,
) -> Iterator[str]:
    """What was decided about a case, what is held of it, who got it, and until when it is held."""
    if case.outcome is None or case.decided_at is None:
        yield words("open")
    else:
        key = case.outcome.value.replace("-", "_")
        yield words(key, date=words.date(case.decided_at))
    if case.pictures or not case.opened.content.pictures:
        yield words("held", count=len(files), files=", ".join(files) or "-")
    else:
        yield words("held_doubt", count=len(case.opened.content.pictures))
    given = (
        words(f"given_{one.recipient.value.replace('-', '_')}", date=words.date(one.at))
        for one in made
    )
    names = "; ".join(dict.fromkeys(given))
    yield words("given", names=names) if made else words("given_nobody")
    yield words("until_held" if case.held else "until", date=words.day(case.last_day.isoformat()))
    if linked:
        yield words("linked")
