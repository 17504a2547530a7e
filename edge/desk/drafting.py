"""What a finding will say, from the case, what was judged, and what the person decides."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from edge.authority.opening import OpenedHit
from edge.authority.store import Reason
from edge.desk.accounts import DeskPerson
from edge.desk.cases import KeptJudgement, LockedCase
from edge.desk.findings import FindingPerson, FindingTerms, ShownPicture
from edge.desk.outcomes import BEFORE_READING, FindingOutcome, Judgement
from edge.desk.rights import DeskRight
from edge.errors import UsageError
from edge.formats.timestamps import utc_text
from edge.privacy.sealing import Picture


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decides.

    Attributes:
        outcome: one that she may choose.
        reason: of a rejection after the reading.
        at: when.
        read: the digest of the box's reading.
    """

    outcome: FindingOutcome
    reason: Reason | None
    at: datetime
    read: str


def finding_terms(
    authority: str,
    case: LockedCase,
    opened: OpenedHit,
    kept: KeptJudgement,
    who: tuple[DeskPerson, DeskRight],
    decision: Decision,
) -> FindingTerms:
    """The finding, to be signed.

    Args:
        authority: whose desk it is.
        case: of the hit.
        opened: the hit.
        kept: what she has judged and typed.
        who: the person, and the right under which she decides.
        decision: hers.

    Raises:
        UsageError: the reason is missing, or not allowed.
    """
    person, right = who
    return FindingTerms(
        authority=authority,
        hit_id=case.hit_id,
        hit_sha256=hashlib.sha256(case.payload).hexdigest(),
        number=case.number,
        predecessor=case.findings[-1].sha256() if case.findings else None,
        site=opened.hit.site,
        box=opened.hit.box,
        camera=opened.hit.camera,
        rule=opened.hit.rule,
        policy_sha256=opened.hit.policy_sha256,
        observed_at=opened.hit.observed_at,
        person=FindingPerson(
            name=person.name,
            full_name=person.full_name,
            role=right.terms.role,
            right=right.right_id,
            right_sha256=right.terms.sha256(),
            mandate=right.terms.mandate,
        ),
        shown=shown(opened.content.pictures),
        # Not a later opening: she also opens it again when her claim has ended after she judged.
        opened_at=utc_text(min(case.opened_at or kept.judged_at, kept.judged_at)),
        judged_at=utc_text(kept.judged_at),
        decided_at=utc_text(decision.at),
        judgement=kept.judgement,
        typed=kept.typed,
        box_read=None if kept.typed is None else decision.read,
        outcome=decision.outcome,
        reason=_final_reason(kept, decision),
    )


def shown(pictures: tuple[Picture, ...]) -> tuple[ShownPicture, ...]:
    """The names of pictures and the digests of their exact bytes."""
    return tuple(
        ShownPicture(name=one.name, sha256=hashlib.sha256(one.jpeg).hexdigest()) for one in pictures
    )


def given_reason(finding: FindingTerms) -> Reason | None:
    """The reason that was given with the decision; None: it followed from the judgement."""
    agrees = finding.typed == finding.box_read
    free = _gives_reason(finding.judgement, finding.outcome, agrees=agrees)
    return finding.reason if free else None


def _gives_reason(judgement: Judgement, outcome: FindingOutcome, *, agrees: bool) -> bool:
    """Whether a reason is given with the decision: of a rejection after she agreed with the box."""
    return judgement is Judgement.OFFENCE and outcome is FindingOutcome.REJECTED and agrees


def _final_reason(kept: KeptJudgement, decision: Decision) -> Reason | None:
    """The reason of a finding; only a rejection has one."""
    outcome, given = decision.outcome, decision.reason
    free = _gives_reason(kept.judgement, outcome, agrees=kept.typed == decision.read)
    if (given is not None) != free:
        raise UsageError(
            "give a reason for rejecting after you agreed with the box's reading, and only then"
        )
    if given is not None:
        if given not in BEFORE_READING:
            raise UsageError(f"{given.value}: you have read the same plate as the box")
        return given
    if outcome is not FindingOutcome.REJECTED:
        return None
    return Reason.MISREAD if kept.reason is None else Reason(kept.reason)
