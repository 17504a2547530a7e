"""Whether the audit log allows a finding: its person, her key and right, and the order of steps.

Everything here is judged from proven entries of the log and from what people signed. What the desk
says of itself in the package is believed only where these agree with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from edge.desk.court.package import PEOPLE, CaseRight, refused
from edge.desk.findings import DeskFinding
from edge.desk.outcomes import Judgement, OpeningReason
from edge.desk.passkey_keys import key_id_of
from edge.desk.rights import DeskRole, RightScope
from edge.formats.signing import PublicKey
from edge.formats.timestamps import parse_utc
from edge.privacy.audit_events import (
    CaseOpened,
    Entry,
    FindingSigned,
    PasskeyChanged,
    PersonKeyAdded,
    PersonKeyRevoked,
    ReadingShown,
    RightChanged,
)
from edge.privacy.place_still import PLACE_PICTURE

CLOCK_STEP: Final = timedelta(seconds=10)
"""By so much the desk's clock may have been set back between two steps."""

REVIEWING: Final = frozenset(
    one.value for one in (OpeningReason.REVIEW, OpeningReason.SECOND_REVIEW, OpeningReason.APPEAL)
)
"""Openings that show pictures only. All others show the reading too."""


@dataclass(frozen=True, slots=True)
class SignedFinding:
    """A finding with what the log has before it.

    Attributes:
        finding: the finding.
        entry: which records it.
        before: the proven entries before that one, oldest first.
    """

    finding: DeskFinding
    entry: Entry
    before: tuple[Entry, ...]

    @property
    def what(self) -> str:
        return f"finding {self.finding.number}"


def signed_findings(
    findings: Sequence[DeskFinding], entries: Sequence[Entry]
) -> tuple[SignedFinding, ...]:
    """Pair findings with the entries that record them, in their order.

    A desk that was killed while it stored a finding records the same finding once more.

    Raises:
        AuditError: the log records other findings on the hit.
    """
    recorded: list[Entry] = []
    for entry in entries:
        if isinstance(entry.event, FindingSigned) and entry.event not in [
            one.event for one in recorded
        ]:
            recorded.append(entry)
    named = [
        FindingSigned(one.hit_id, one.number, one.person.name, one.outcome.value, one.sha256())
        for one in findings
    ]
    if [entry.event for entry in recorded] != named:
        raise refused("the audit log records other findings on the hit")
    return tuple(
        SignedFinding(finding, entry, tuple(one for one in entries if one.number < entry.number))
        for finding, entry in zip(findings, recorded, strict=True)
    )


def require_steps(signed: SignedFinding) -> None:
    """Who signed it had opened the hit, judged, typed before she knew the reading, then decided.

    A claim that ended is taken anew, so a finding may name a later opening than that before which
    it was judged: the log has the earlier one.

    Raises:
        AuditError: the log or the times of the finding say otherwise.
    """
    finding, person = signed.finding, signed.finding.person.name
    opened_at, judged_at, decided_at = map(
        parse_utc, (finding.opened_at, finding.judged_at, finding.decided_at)
    )
    openings = [
        (one.at, one.event.reason)
        for one in signed.before
        if isinstance(one.event, CaseOpened)
        and (one.event.person, one.event.result) == (person, "opened")
    ]
    seen = [at for at, reason in openings if reason in REVIEWING]
    shown = [
        one.at
        for one in signed.before
        if isinstance(one.event, ReadingShown) and one.event.person == person
    ]
    if not seen:
        raise refused(f"{signed.what}: the audit log records no opening by {person}")
    if finding.typed is None and shown:
        raise refused(f"{signed.what}: {person} saw the reading without typing")
    told = [at for at, reason in openings if reason not in REVIEWING]
    if any(at + CLOCK_STEP < judged_at for at in (*shown, *told)):
        raise refused(f"{signed.what}: {person} saw the reading before she judged")
    in_order = (
        (min(seen), judged_at),
        (judged_at, decided_at),
        (opened_at, decided_at),
        (opened_at, max(seen)),
        (decided_at, signed.entry.at),
    )
    if any(later + CLOCK_STEP < earlier for earlier, later in in_order):
        raise refused(
            f"{signed.what}: its times are not those of opening, judging, deciding and the log, "
            "in this order"
        )


def require_pictures(finding: DeskFinding) -> None:
    """Who establishes an offence has seen a picture of it; the still of the place is none.

    Raises:
        AuditError: she saw none.
    """
    seen = [one for one in finding.shown if one.name != PLACE_PICTURE]
    if finding.judgement is Judgement.OFFENCE and not seen:
        raise refused(f"finding {finding.number}: an offence was judged without any picture")


def require_key(signed: SignedFinding) -> None:
    """The log records the key as hers, and no revocation, before the finding.

    Raises:
        AuditError: it does not.
    """
    person = signed.finding.person.name
    recorded: set[str] = set()
    for entry in signed.before:
        one = entry.event
        if isinstance(one, PersonKeyAdded) and one.person == person:
            recorded.add(PublicKey.parse(one.key).key_id)
        elif isinstance(one, PersonKeyRevoked):
            recorded.discard(one.key)
        elif isinstance(one, PasskeyChanged) and one.person == person:
            change = recorded.add if one.action == "added" else recorded.discard
            change(key_id_of(one.key_sha256))
    if signed.finding.signature.key_id not in recorded:
        raise refused(
            f"{signed.what}: the audit log records no such key of {person} that was not revoked "
            "before"
        )


def require_right(signed: SignedFinding, right: CaseRight) -> None:
    """The right gives a role for this finding, two people gave it, and it holds for hit and day.

    Raises:
        AuditError: it does not.
    """
    finding, person = signed.finding, signed.finding.person
    try:
        terms = right.terms()
    except ValueError:
        raise refused(f"{PEOPLE}: a day does not exist") from None
    if terms.role not in roles_of(finding.number):
        raise refused(f"{signed.what}: {terms.role.value} is no role for it")
    changes = [
        one.event
        for one in signed.before
        if isinstance(one.event, RightChanged)
        and (one.event.right, one.event.right_sha256, one.event.person, one.event.role)
        == (person.right, person.right_sha256, person.name, person.role.value)
    ]
    holds = (
        (terms.person, terms.role, terms.mandate, terms.sha256())
        == (person.name, person.role, person.mandate, person.right_sha256)
        and terms.scope.covers(RightScope(finding.authority, finding.site, finding.rule))
        and terms.first_day.isoformat() <= finding.decided_at[:10] <= terms.last_day.isoformat()
    )
    proposals, approvals = changes[:1], changes[1:]
    if (
        not holds
        or [one.action for one in proposals] != ["proposed"]
        or {one.action for one in approvals} != {"approved"}
    ):
        raise refused(f"{signed.what}: {person.name} had no such right in force for this hit")
    for approved in approvals:  # more than one if the desk was killed while it stored the first
        if approved.by in {proposals[0].by, person.name} or proposals[0].alone or approved.alone:
            raise refused(
                f"{signed.what}: {approved.by} approved the right of {person.name}, but must be "
                "another person than the one who proposed it and the one who got it"
            )


def roles_of(number: int) -> tuple[DeskRole, ...]:
    """The roles that may give the finding of this number on a hit."""
    if number == 1:
        return (DeskRole.OFFICER, DeskRole.SECOND_OFFICER)
    return (DeskRole.SECOND_OFFICER,)
