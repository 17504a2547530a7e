"""The outcome of a review: which ones a person may choose after her judgement.

|          | judged, and typed before the reading was given | outcome                              |
| -------- | ---------------------------------------------- | ------------------------------------ |
| first    | offence, the plate that the box read           | confirmed, rejected or referred      |
| first    | offence, another plate                         | referred to a second officer         |
| first    | cannot tell                                    | referred to a second officer         |
| any      | rejected, with a reason                        | rejected                             |
| later    | offence, the plate that the box read           | confirmed or rejected                |
| later    | offence, as an earlier officer, not as the box | rejected: misread                    |
| later    | offence, a plate that nobody else read         | cannot tell                          |
| later    | cannot tell                                    | cannot tell                          |

A case is decided unless its newest finding refers it. Only `confirmed` is a finding against
somebody: it needs a person who typed, without having seen it, what the box had read. Where two
officers agree against the box, its reading was wrong, and with it the reason for the hit.
"""

from __future__ import annotations

from enum import Enum

from edge.authority.store import Reason


class OpeningReason(str, Enum):
    """Why a person opens a sealed hit. A closed list: free text could hold a plate or a name."""

    REVIEW = "review"
    SECOND_REVIEW = "second-review"
    APPEAL = "appeal"
    COURT = "court"
    DATA_SUBJECT = "data-subject"
    FINE = "fine"


class Judgement(str, Enum):
    """What a person says of the pictures before she is given the box's reading."""

    OFFENCE = "offence"
    CANNOT_TELL = "cannot-tell"
    REJECT = "reject"


class FindingOutcome(str, Enum):
    """What a finding says. `referred`: another officer gives the next one."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    CANNOT_TELL = "cannot-tell"
    REFERRED = "referred"


BEFORE_READING = tuple(reason for reason in Reason if reason is not Reason.MISREAD)
"""Reasons that a person can give without the box's reading."""


def outcomes(
    judgement: Judgement, *, first: bool, as_box: bool | None, as_earlier: bool
) -> tuple[FindingOutcome, ...]:
    """The outcomes that a person may choose; mostly one.

    Args:
        judgement: hers.
        first: whether it is the first finding on the hit.
        as_box: whether she typed what the box read; None if she typed nothing.
        as_earlier: whether she typed what an earlier officer did.
    """
    if judgement is Judgement.REJECT:
        return (FindingOutcome.REJECTED,)
    if judgement is Judgement.OFFENCE and as_box:
        may = (FindingOutcome.CONFIRMED, FindingOutcome.REJECTED)
        return (*may, FindingOutcome.REFERRED) if first else may
    if first:
        return (FindingOutcome.REFERRED,)
    misread = judgement is Judgement.OFFENCE and as_earlier
    return (FindingOutcome.REJECTED if misread else FindingOutcome.CANNOT_TELL,)
