"""From a vehicle to verdicts: hypotheses become tokens, and rules compare tokens with lists.

The clear-text plate ends here: below this module only tokens are compared.

A rule whose share of hits is implausible stops itself here (`edge.domain.hit_share`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice

from edge.domain.competence import Competence
from edge.domain.hit_share import LEAST_JUDGED, HitShare
from edge.domain.pseudonym import PlateToken
from edge.domain.rules import (
    Ambiguous,
    ListTokens,
    Offence,
    Rule,
    RuleKind,
    Sighting,
    Verdict,
    judge,
)
from edge.domain.vehicles import TrackPoint, VehicleSeen
from edge.privacy.pseudonyms import SaltChain, token_under


class ReadOutcome(Enum):
    """How well a vehicle's plate was read, for the counters."""

    READ = "read"
    AMBIGUOUS = "ambiguous"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Ruling:
    """All verdicts on one vehicle at one hand-over.

    Attributes:
        offences: the offences for which the authority is competent.
        ambiguous: whether any verdict is `Ambiguous`.
    """

    offences: tuple[Offence, ...]
    ambiguous: bool


class RuleBook:
    """The rules of the site under the salt of the current epoch.

    Args:
        rules: at least one.
        chain: the salt chain; only this object rotates it.
        listed: returns a list without its plates: its id, and the key of this epoch and rule,
            under which the tokens are made. It is called in every epoch; a box opens the list in
            another process, so that the listed plates are never in this one.
        epoch_s: length of an epoch in seconds of monotonic time.
        competences: by authority id. An offence outside of them is counted and discarded.
        stopped: ids of rules that had stopped before and must not judge.
        on_stop: called with the id of a rule that stops itself, from the thread that judges.
        least_judged: how many vehicles a rule must have judged before it may stop itself.
        permits_asked: returns the fewest plates of a permit list that must be valid. With fewer its
            rules make no hits, since those whose permits ended together would be offenders.

    Attributes:
        epochs_begun: number of epochs so far.
        outside_competence: number of offences discarded because no authority is competent.
        stopped: ids of the rules that have stopped.
        without_permits: ids of the rules whose permit list had no entry, or too few, at the start
            of the epoch.
    """

    def __init__(  # noqa: PLR0913 - each is another part of the box
        self,
        rules: Sequence[Rule],
        chain: SaltChain,
        listed: Callable[[str, bytearray], ListTokens],
        epoch_s: float,
        competences: Mapping[str, Competence],
        *,
        stopped: Collection[str] = (),
        on_stop: Callable[[str], None] = lambda _rule: None,
        least_judged: int = LEAST_JUDGED,
        permits_asked: Callable[[str], int] = lambda _list: 0,
    ) -> None:
        self._rules = tuple(rules)
        self._chain = chain
        self._listed_under = listed
        self._epoch_s = epoch_s
        self._epoch_started: float | None = None
        self._competences = dict(competences)
        self._listed: dict[str, ListTokens] = {}
        self._permits_asked = permits_asked
        self._asked: dict[str, int] = {}
        self.epochs_begun = 0
        self.outside_competence = 0
        self.stopped = frozenset(stopped)
        self.without_permits: frozenset[str] = frozenset()
        self._on_stop = on_stop
        self._shares = {rule.id: HitShare(rule.max_hit_share, least_judged) for rule in rules}

    @property
    def epoch(self) -> int:
        """Number of the current epoch since the box started."""
        return self._chain.epoch

    @property
    def rule_ids(self) -> tuple[str, ...]:
        """Ids of all rules, in the order of the policy."""
        return tuple(rule.id for rule in self._rules)

    def advance(self, monotonic_s: float) -> bool:
        """Start the first epoch, or the next one if the current epoch is over.

        After a gap of several epochs the salt rotates once; the epoch number counts all of them.

        Args:
            monotonic_s: the current monotonic time in seconds.

        Returns:
            Whether an epoch has ended.
        """
        if self._epoch_started is None:
            self._epoch_started = monotonic_s
            self._begin_epoch()
            return False
        elapsed_epochs = int((monotonic_s - self._epoch_started) // self._epoch_s)
        if elapsed_epochs < 1:
            return False
        self._chain.rotate(elapsed_epochs)
        self._epoch_started += elapsed_epochs * self._epoch_s
        self._begin_epoch()
        return True

    def forget(self) -> None:
        """Overwrite the secret of the epoch and drop the lists. Then no plate can be matched."""
        self._listed = {}
        self._chain.destroy()

    def _begin_epoch(self) -> None:
        """Compute the tokens of all lists under the current salt."""
        self.epochs_begun += 1
        self._listed = {
            rule.id: self._tokens_of(rule, rule.list_id)
            for rule in self._rules
            if rule.list_id is not None
        }
        self._asked = {
            rule.id: max(1, self._permits_asked(rule.list_id))
            for rule in self._rules
            if rule.kind is RuleKind.PERMIT_ZONE and rule.list_id is not None
        }
        self.without_permits = frozenset(
            name for name, asked in self._asked.items() if len(self._listed[name]) < asked
        )

    def _tokens_of(self, rule: Rule, list_id: str) -> ListTokens:
        """The tokens of a rule's list with the periods of their entries."""
        key = self._chain.key(rule.purpose, rule.id)
        try:
            return self._listed_under(list_id, key)
        finally:
            key[:] = bytes(len(key))

    def rules_due(self, vehicle: VehicleSeen, *, early: bool) -> tuple[Rule, ...]:
        """The rules to judge at this hand-over.

        Rules with lists are judged at the first hand-over. `wrong_way` rules are judged at the
        final one: the direction is known only when the vehicle has left.

        Args:
            vehicle: the vehicle.
            early: whether this vehicle had an early hand-over before.
        """
        return tuple(
            rule
            for rule in self._rules
            if rule.id not in self.stopped
            and (not rule.cameras or vehicle.camera in rule.cameras)
            and (
                vehicle.final if rule.kind is RuleKind.WRONG_WAY else not (vehicle.final and early)
            )
        )

    def judge(self, vehicle: VehicleSeen, *, early: bool = False) -> Ruling:
        """Judge one vehicle. Call `advance` first.

        The hypotheses are turned into one set of tokens for each rule and are not stored.

        Args:
            vehicle: the vehicle.
            early: whether this vehicle had an early hand-over before.
        """
        offences: list[Offence] = []
        ambiguous = False
        for rule in self.rules_due(vehicle, early=early):
            verdict = self._verdict(rule, vehicle)
            if self._is_implausible(rule, vehicle, verdict):
                self.stopped |= {rule.id}
                self._on_stop(rule.id)
                continue
            if isinstance(verdict, Offence):
                if self._is_competent(rule, vehicle):
                    offences.append(verdict)
                else:
                    self.outside_competence += 1
            ambiguous = ambiguous or isinstance(verdict, Ambiguous)
        return Ruling(tuple(offences), ambiguous)

    def _is_implausible(self, rule: Rule, vehicle: VehicleSeen, verdict: Verdict) -> bool:
        """Count the verdict; whether the rule's share of hits is implausible with it.

        Vehicles without a reading and ambiguous ones are not counted: neither could be a hit.
        """
        if (
            vehicle.consensus is None
            or isinstance(verdict, Ambiguous)
            or not rule.is_in_force(vehicle.camera, observed_at(vehicle))
        ):
            return False
        return self._shares[rule.id].add(hit=isinstance(verdict, Offence))

    def _is_competent(self, rule: Rule, vehicle: VehicleSeen) -> bool:
        """Whether the rule's authority is competent for a hit on this vehicle."""
        competence = self._competences.get(rule.authority)
        return competence is not None and competence.covers(
            rule.id, vehicle.camera, observed_at(vehicle)
        )

    def _verdict(self, rule: Rule, vehicle: VehicleSeen) -> Verdict:
        """The verdict of one rule on the vehicle."""
        hypotheses = vehicle.consensus.hypotheses if vehicle.consensus is not None else ()
        width = height = 0
        if vehicle.key_frame is not None:
            height, width = vehicle.key_frame.pixels.shape[:2]
        sighting = Sighting(
            camera=vehicle.camera,
            observed_at=observed_at(vehicle),
            candidates=self._chain.tokens(rule.purpose, rule.id, hypotheses),
            trajectory=_path_in_force(rule, vehicle),
            width=width,
            height=height,
            twins=self._tokens_of_twins(rule, vehicle),
        )
        listed = self._listed.get(rule.id, {})
        verdict = judge(rule, sighting, listed)
        if isinstance(verdict, Offence) and self._lacks_permits(rule, sighting, listed):
            return Ambiguous()
        return verdict

    def _lacks_permits(self, rule: Rule, sighting: Sighting, listed: ListTokens) -> bool:
        """Whether too few entries of a permit list are valid to call anybody an offender."""
        asked = self._asked.get(rule.id, 0)
        valid = (
            any(period.covers(sighting.observed_at) for period in periods)
            for periods in listed.values()
        )
        return sum(islice(filter(None, valid), asked)) < asked

    def _tokens_of_twins(self, rule: Rule, vehicle: VehicleSeen) -> frozenset[PlateToken]:
        """Tokens of the plates that the best hypothesis may be instead; none for an empty list.

        In a permit zone a misread character makes an offender of a permit holder, so any plate with
        one other character counts.
        """
        if vehicle.consensus is None or not self._listed.get(rule.id):
            return frozenset()
        key = self._chain.key(rule.purpose, rule.id)
        twins = vehicle.consensus.twins(changed=rule.kind is RuleKind.PERMIT_ZONE)
        try:
            return frozenset(token_under(key, twin) for twin in twins)
        finally:
            key[:] = bytes(len(key))


def _path_in_force(rule: Rule, vehicle: VehicleSeen) -> tuple[TrackPoint, ...]:
    """The part of the vehicle's path in the rule's hours.

    A vehicle may cross a line before them and stay in view until they begin.
    """
    path = vehicle.trajectory
    if rule.schedule is None or not path:
        return path
    ends = vehicle.last_seen - timedelta(seconds=path[-1].stream_s)
    return tuple(
        point
        for point in path
        if rule.is_in_force(vehicle.camera, ends + timedelta(seconds=point.stream_s))
    )


def observed_at(vehicle: VehicleSeen) -> datetime:
    """The time of observation: that of the key frame, else the time when it was last seen."""
    key_frame = vehicle.key_frame
    return key_frame.observed_at if key_frame is not None else vehicle.last_seen
