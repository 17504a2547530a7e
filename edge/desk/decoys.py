"""Decoys: hits of known vehicles among the real ones, which measure whether reviews find errors.

A decoy is sealed and signed as a hit of a real box, camera and rule, between two real hits that
wait. Its header is that of real ones beside it. It is signed under a key that is made for it and
destroyed at once; only this desk's reviewing knows its public half. So the broker, an export and a
court refuse it. Which hits are decoys stands in one table, which nothing that an officer uses
reads. That row is written before the hit is, so that no decoy can ever pass for a real hit.

Where a decoy could be told from real hits, none is made, and the error says why.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import ColumnElement, Connection, func, select

from edge.adapters.broker.topics import BoxTopics
from edge.adapters.host.system import random_bytes
from edge.desk.accounts import ActingPerson
from edge.desk.decoy_material import LONGEST_GAP, DecoyKind, DecoyVehicle
from edge.desk.outcomes import FindingOutcome
from edge.desk.people import DeskPeople
from edge.desk.receiving import DeskReceiver
from edge.desk.rights import DeskRole
from edge.desk.store.database import DeskDatabase
from edge.desk.store.hits import DeskHits
from edge.desk.store.kept_payloads import payload_of
from edge.desk.store.tables import DECISION, DECOY, DECOY_KEY, FINDING, HIT
from edge.domain.counting import SMALLEST_SHOWN, coarse
from edge.domain.daylight import light_at
from edge.domain.intervals import Interval, shown_share
from edge.domain.pseudonym import PlateToken
from edge.errors import AccessError, UsageError
from edge.formats.plurals import quantity
from edge.formats.timestamps import utc_text
from edge.privacy.audit_events import DecoysAdded, Event
from edge.privacy.hit import Hit, build_hit, new_hit_id, parse_hit
from edge.privacy.key_formats import BoxPublicFile, box_keys, box_public_keys
from edge.privacy.key_generation import ORIGIN_BYTES, new_box_generation
from edge.privacy.keys import AuthorityPrivateKeys, AuthorityPublicKeys, BoxKeys, BoxPublicKeys
from edge.privacy.sealing import SealContext, seal

LEAST_REAL: Final = 10
"""Fewer real hits of a camera and rule do not hide a decoy."""

_NEWEST: Final = 500
_LARGEST_PAYLOAD: Final = 1024 * 1024
_OFFICERS: Final = frozenset({DeskRole.OFFICER, DeskRole.SECOND_OFFICER})


@dataclass(frozen=True, slots=True)
class DecoyFigures:
    """How many decoys were decided, and how many of them the reviews found; None: below ten.

    Both are coarse, and the share is that of the two as they are shown.
    """

    decided: int | None
    caught: int | Literal["<10"] | None
    share: Interval | None


class DecoyMaker:
    """Puts decoys among the hits of a desk.

    Args:
        database: of the desk.
        people: of the desk.
        record: adds an event to the desk's audit log; raises if it cannot.
        utc: the wall clock.
        keys: the authority's private keys, which sign receipts.
        public: its public keys, to which decoys are sealed.
        chance: chooses places and header values; only a test gives another one.
    """

    def __init__(
        self,
        database: DeskDatabase,
        people: DeskPeople,
        record: Callable[[Event], object],
        utc: Callable[[], datetime],
        keys: AuthorityPrivateKeys,
        public: AuthorityPublicKeys,
        chance: random.Random | None = None,
    ) -> None:
        self._database = database
        self._people = people
        self._record = record
        self._utc = utc
        self._keys = keys
        self._public = public
        self._chance = chance or secrets.SystemRandom()

    def add(
        self,
        acting: ActingPerson,
        kind: DecoyKind,
        vehicles: Sequence[DecoyVehicle],
        share: float | None = None,
    ) -> int:
        """Add decoys of one camera and rule; returns how many.

        Args:
            acting: a supervisor of the whole desk who judges no hits.
            kind: of all of them.
            vehicles: each is used once, ever.
            share: at most this share of the hits that wait there are decoys, 0 to 1; None: all
                vehicles.

        Raises:
            AccessError: she is no such supervisor.
            UsageError: `E_DECOY`: decoys cannot be made to look like the hits there.
            AuditError: the entry could not be written; then nothing was added.
            OutboxError: the database cannot be used.
        """
        self._people.require_supervisor(acting, "add decoys")
        self._require_no_officer(acting)
        site, camera, rule = _place(vehicles)
        with self._database.reading() as connection:
            real = _real_hits(connection, site, camera, rule)
            waiting = _real_hits(connection, site, camera, rule, waiting=True)
            fresh = _unused(connection, vehicles)
            there = _decoys_waiting(connection, site, camera, rule)
        if len(real) < LEAST_REAL:
            raise _telling(
                f"{site}/{camera}, {rule}: only {quantity(len(real), 'real hit')}, and "
                f"{LEAST_REAL} are needed "
                "to hide a decoy; wait for more"
            )
        if share is not None:
            fresh = fresh[: max(0, int(share * len(waiting)) - there)]
        made = self._made(fresh, real, waiting)
        if made:
            self._store(acting, kind, made)
        return len(made)

    def _require_no_officer(self, acting: ActingPerson) -> None:
        day = self._utc().date()
        if any(
            right.in_force(day) and right.terms.role in _OFFICERS
            for right in self._people.rights(acting.name)
        ):
            raise AccessError(
                f"{acting.name} also judges hits, and would know which ones are decoys; another "
                "supervisor adds them"
            )

    def _made(
        self, vehicles: Sequence[DecoyVehicle], real: Sequence[Hit], waiting: Sequence[Hit]
    ) -> list[tuple[DecoyVehicle, Hit, BoxKeys, BoxPublicKeys]]:
        sizes = {len(one.sealed_bytes) for one in real}
        gaps = _gaps(waiting)
        made = []
        for vehicle in vehicles:
            light = light_at(vehicle.observed)
            fitting = [gap for gap in gaps if {light_at(one.observed) for one in gap} == {light}]
            if not fitting:
                raise _telling(
                    f"{vehicle.site}/{vehicle.camera}, {vehicle.rule}: no two hits that wait are "
                    f"at most {LONGEST_GAP.seconds // 60} minutes apart in the light of the "
                    f"pictures ({light}), so a decoy would stand where no hit can be"
                )
            before, after = self._chance.choice(fitting)
            span_ms = (after.observed - before.observed) // timedelta(milliseconds=1)
            shift = timedelta(milliseconds=self._chance.randint(1, span_ms - 1))
            keys, public = self._new_key(before)
            hit = self._hit(vehicle, before.observed + shift, before, self._certainty(real), keys)
            if len(hit.sealed_bytes) not in sizes:
                raise _telling(
                    f"{vehicle.site}/{vehicle.camera}, {vehicle.rule}: the sealed pictures have "
                    f"another size than those of all {len(real)} real hits; make them with the "
                    "same camera, policy and version of the box"
                )
            made.append((vehicle, hit, keys, public))
        return made

    def _certainty(self, real: Sequence[Hit]) -> tuple[float, float]:
        """Posterior and margin between those of two real hits."""
        one, other = self._chance.sample(real, 2)
        part = self._chance.random()
        return (
            one.posterior + part * (other.posterior - one.posterior),
            one.margin + part * (other.margin - one.margin),
        )

    def _new_key(self, beside: Hit) -> tuple[BoxKeys, BoxPublicKeys]:
        """A signing key for one decoy, in memory only."""
        private, generation = new_box_generation(
            beside.site,
            beside.box,
            self._utc(),
            trial=self._public.trial,
            origin=random_bytes(ORIGIN_BYTES),
        )
        public = BoxPublicFile(
            site=beside.site,
            box=beside.box,
            trial=self._public.trial,
            generations=(generation,),
        )
        nowhere = Path("decoy")
        return box_keys(public, private, nowhere), box_public_keys(public, nowhere)

    def _hit(
        self,
        vehicle: DecoyVehicle,
        moment: datetime,
        beside: Hit,
        certainty: tuple[float, float],
        keys: BoxKeys,
    ) -> Hit:
        """A sealed hit with the header of a real one beside it."""
        context = SealContext(
            site=beside.site,
            box=beside.box,
            camera=beside.camera,
            rule=beside.rule,
            purpose=beside.purpose,
            authority=self._public.authority,
            hit_id=new_hit_id(random_bytes),
            counter=beside.counter,
            observed_at=moment,
            policy_sha256=beside.policy_sha256,
            box_key_id=keys.key_id,
            authority_key_id=self._public.key_id,
        )
        sealed = seal(
            vehicle.at(moment),
            context,
            box=keys,
            authority=self._public,
            payload_cap_bytes=_LARGEST_PAYLOAD,
        )
        return build_hit(
            context,
            sealed,
            epoch=beside.epoch,
            token=PlateToken(random_bytes(16)),
            posterior=certainty[0],
            margin=certainty[1],
            human_check_required=beside.human_check_required,
            keys=keys,
        )

    def _store(
        self,
        acting: ActingPerson,
        kind: DecoyKind,
        made: Sequence[tuple[DecoyVehicle, Hit, BoxKeys, BoxPublicKeys]],
    ) -> None:
        """First that they are decoys, on disk; then the hits, as any hit is received."""
        now = utc_text(self._utc())
        with self._database.writing() as connection:
            for vehicle, hit, keys, _ in made:
                connection.execute(
                    DECOY_KEY.insert().values(
                        key_id=keys.key_id, site=hit.site, box=hit.box, public=keys.public.text
                    )
                )
                connection.execute(
                    DECOY.insert().values(
                        hit_id=hit.hit_id,
                        kind=kind.value,
                        material_sha256=vehicle.sha256,
                        added_by=acting.name,
                        added_at=now,
                    )
                )
            self._record(DecoysAdded(made[0][1].site, coarse(len(made)), acting.name))
        hits = DeskHits(self._database)
        for _, hit, _, public in made:
            receiver = DeskReceiver(hits, {(hit.site, hit.box): public}, self._keys, self._utc)
            topic = BoxTopics(hit.site, hit.box, frozenset({hit.camera})).hit(hit.camera)
            arrival = receiver.take(topic, hit.to_payload())
            if arrival.receipt is None:
                raise UsageError(
                    f"a decoy could not be stored: {arrival.why or arrival.fate.value}; give the "
                    "newest keys of the authority",
                    code="E_DECOY",
                )


def decoy_figures(
    database: DeskDatabase, day: date, sites: frozenset[str] | None = None
) -> DecoyFigures:
    """How many decided decoys the reviews found until the month before `day`, of all people.

    Within a month the figures stay: else their change after one decision would tell, with the log,
    who missed a decoy, and which hit is one. A decoy is missed if its newest decision is
    `confirmed`.

    Raises:
        OutboxError: the database cannot be used.
    """
    query = (
        select(DECISION.c.site, DECISION.c.outcome, func.count())
        .join(DECOY, DECOY.c.hit_id == DECISION.c.hit_id)
        .where(DECISION.c.month < f"{day:%Y-%m}")
        .group_by(DECISION.c.site, DECISION.c.outcome)
    )
    with database.reading() as connection:
        rows = connection.execute(query).all()
    counts = [(outcome, count) for site, outcome, count in rows if sites is None or site in sites]
    decided = sum(count for _, count in counts)
    if decided < SMALLEST_SHOWN:
        return DecoyFigures(None, None, None)
    missed = sum(count for one, count in counts if one == FindingOutcome.CONFIRMED.value)
    caught = decided - missed
    tens = decided - decided % SMALLEST_SHOWN
    return DecoyFigures(tens, coarse(caught), shown_share(coarse(caught), tens))


def is_real(hit_id: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that a hit is no decoy; every export of findings has it."""
    return hit_id.not_in(select(DECOY.c.hit_id))


def require_real(database: DeskDatabase, hit_id: str) -> None:
    """Refuse to export the case of a decoy; for use after it was decided only.

    Raises:
        UsageError: `E_DECOY`.
        OutboxError: the database cannot be used.
    """
    with database.reading() as connection:
        found = connection.execute(select(DECOY.c.hit_id).where(DECOY.c.hit_id == hit_id)).first()
    if found is not None:
        raise UsageError(
            f"hit {hit_id}: a decoy, of no real vehicle; it is never exported", code="E_DECOY"
        )


def _place(vehicles: Sequence[DecoyVehicle]) -> tuple[str, str, str]:
    places = {(one.site, one.camera, one.rule) for one in vehicles}
    if len(places) != 1:
        raise UsageError(
            "give vehicles of one site, camera and rule at a time; the folder has "
            f"{len(places)} of them",
            code="E_DECOY",
        )
    return places.pop()


def _real_hits(
    connection: Connection, site: str, camera: str, rule: str, *, waiting: bool = False
) -> list[Hit]:
    """The newest real hits of a camera and rule, oldest first; `waiting`: not yet decided."""
    conditions = [
        HIT.c.site == site,
        HIT.c.rule == rule,
        HIT.c.camera == camera,
        is_real(HIT.c.hit_id),
    ]
    if waiting:
        conditions.append(_undecided())
    order = (HIT.c.observed_at.desc(), HIT.c.hit_id.desc())
    rows = connection.execute(
        select(HIT.c.hit_id, HIT.c.payload).where(*conditions).order_by(*order).limit(_NEWEST)
    ).all()
    return [parse_hit(payload_of(connection, *row)) for row in rows][::-1]


def _undecided() -> ColumnElement[bool]:
    return ~select(FINDING.c.hit_id).where(FINDING.c.hit_id == HIT.c.hit_id).exists()


def _gaps(waiting: Sequence[Hit]) -> list[tuple[Hit, Hit]]:
    """Neighbours in time, of one box, between which a hit may lie."""
    return [
        (one, other)
        for one, other in pairwise(waiting)
        if one.box == other.box
        and timedelta(milliseconds=2) <= other.observed - one.observed <= LONGEST_GAP
    ]


def _unused(connection: Connection, vehicles: Sequence[DecoyVehicle]) -> list[DecoyVehicle]:
    """Those whose pictures were in no decoy yet: an officer would know them again."""
    used = set(connection.execute(select(DECOY.c.material_sha256)).scalars())
    fresh = {one.sha256: one for one in vehicles if one.sha256 not in used}
    if not fresh:
        raise UsageError(
            "the pictures of all these vehicles were in decoys before, and an officer may know "
            "them again; make new ones",
            code="E_DECOY",
        )
    return list(fresh.values())


def _decoys_waiting(connection: Connection, site: str, camera: str, rule: str) -> int:
    query = (
        select(func.count())
        .select_from(HIT)
        .join(DECOY, DECOY.c.hit_id == HIT.c.hit_id)
        .where(
            HIT.c.site == site,
            HIT.c.camera == camera,
            HIT.c.rule == rule,
            _undecided(),
        )
    )
    return int(connection.execute(query).scalar_one())


def _telling(why: str) -> UsageError:
    return UsageError(f"an officer could tell a decoy from a hit: {why}", code="E_DECOY")
