"""Findings that a passkey signs: the finding is drafted, its digest signed, and the same one kept.

Nothing is remembered between the two steps. `begin` returns what the browser must bring back, and
`finish` drafts the finding again for the same moment: what the passkey has signed fits only if the
case, the right, the judgement and the outcome are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from edge.authority.store import Reason
from edge.desk import cases, passkeys
from edge.desk.accounts import ActingPerson
from edge.desk.cases import LockedCase
from edge.desk.findings import (
    PASSKEY_SCHEMA,
    DeskFinding,
    FindingTerms,
    finding_challenge,
    finding_of_passkey,
)
from edge.desk.outcomes import FindingOutcome
from edge.desk.passkey_keys import RelyingParty, refused
from edge.desk.relying_party import (
    parse_assertion,
    request_options,
    statement_of,
    verified_assertion,
)
from edge.desk.reviewing import CaseReviews

SIGNED_WITHIN: Final = timedelta(minutes=5)
"""A passkey signs within this time after the person has decided."""


@dataclass(frozen=True, slots=True)
class PasskeyRequest:
    """What a browser is asked to sign.

    Attributes:
        decided_at: to bring back with the answer.
        options: for `navigator.credentials.get`, in JSON.
    """

    decided_at: datetime
    options: str


class PasskeySigning:
    """Signs findings with passkeys.

    Args:
        reviews: of the desk.
        utc: the wall clock.
        party: where passkeys are valid; None: nowhere.
    """

    def __init__(
        self,
        reviews: CaseReviews,
        utc: Callable[[], datetime],
        party: RelyingParty | None,
    ) -> None:
        self._reviews = reviews
        self._utc = utc
        self._party = party

    def begin(
        self,
        acting: ActingPerson,
        hit_id: str,
        outcome: FindingOutcome,
        *,
        reason: Reason | None = None,
    ) -> PasskeyRequest:
        """What the browser is asked to sign for this decision; nothing is written.

        Args:
            acting: holds the case, and has judged.
            hit_id: the hit.
            outcome: one of `CaseReviews.choices`.
            reason: as in `CaseReviews.decide`.

        Raises:
            AccessError: as `CaseReviews.decide`; `E_PASSKEY`: she has no passkey for this desk.
            UsageError: as `CaseReviews.decide`.
        """
        # To the millisecond, as the finding says it and the browser brings it back.
        now = self._utc()
        decided_at = now.replace(microsecond=now.microsecond // 1000 * 1000)
        with self._reviews.writing(hit_id) as connection:
            hers = passkeys.of_person(connection, acting.name)
            known = [one.key.credential for one in hers if one.key.party == self._party]
            if self._party is None or not known:
                raise refused()
            _, terms = self._draft(connection, acting, hit_id, outcome, reason, decided_at)
        options = request_options(self._party, finding_challenge(terms), known)
        return PasskeyRequest(decided_at, options)

    def finish(
        self,
        acting: ActingPerson,
        hit_id: str,
        outcome: FindingOutcome,
        answer: str,
        *,
        decided_at: datetime,
        reason: Reason | None = None,
    ) -> DeskFinding:
        """Store the finding that her passkey has signed; the claim ends.

        Args:
            acting: as in `begin`.
            hit_id: as in `begin`.
            outcome: as in `begin`.
            answer: of the browser.
            decided_at: which `begin` returned, at most `SIGNED_WITHIN` ago, and not before she
                judged: the browser brings it, so it is checked.
            reason: as in `begin`.

        Raises:
            AccessError: as `CaseReviews.decide`; `E_PASSKEY`: it is not the answer of a passkey of
                hers, or it signs another finding than this.
            UsageError: as `CaseReviews.decide`.
        """
        given = parse_assertion(answer)
        if not timedelta(0) <= self._utc() - decided_at < SIGNED_WITHIN:
            raise refused()
        with self._reviews.writing(hit_id) as connection:
            case, terms = self._draft(connection, acting, hit_id, outcome, reason, decided_at)
            known = passkeys.of_credential(connection, given.credential)
            if known is None or known.person != acting.name or known.key.party != self._party:
                raise refused()
            finding = finding_of_passkey(terms, known.key, *statement_of(given))
            count = verified_assertion(given, known.key, known.sign_count)
            passkeys.write_count(connection, known, count)
            cases.write_signed(connection, case, finding)
        self._reviews.keep(hit_id)
        return finding

    def _draft(
        self,
        connection: Connection,
        acting: ActingPerson,
        hit_id: str,
        outcome: FindingOutcome,
        reason: Reason | None,
        decided_at: datetime,
    ) -> tuple[LockedCase, FindingTerms]:
        case, terms = self._reviews.draft(connection, acting, hit_id, outcome, reason, decided_at)
        return case, terms.model_copy(update={"schema_": PASSKEY_SCHEMA})
