"""From a vehicle to verdicts: hypotheses become tokens, tokens meet lists, rules speak.

Clear text ends here: below this module only tokens are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from edge.domain.competence import Competence
from edge.domain.lists import ListEntry
from edge.domain.pseudonym import ListedPeriod, PlateToken
from edge.domain.rules import Ambiguous, Offence, Rule, RuleKind, Sighting, Verdict, judge
from edge.domain.vehicles import VehicleSeen
from edge.privacy.pseudonyms import SaltChain


class ReadOutcome(Enum):
    """How a vehicle's plate was read, as counted."""

    READ = "read"
    AMBIGUOUS = "ambiguous"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Ruling:
    """All verdicts on one vehicle at one hand-over."""

    offences: tuple[Offence, ...]
    ambiguous: bool


class RuleBook:
    """The site's rules under the current epoch's salt.

    Args:
        rules: at least one.
        chain: the salt chain; rotated here and nowhere else.
        entries: gives a list's entries by list id; asked anew in every epoch, so that clear
            plates need not stay in memory between epochs.
        epoch_s: length of an epoch in seconds of monotonic time.
        competences: by authority; an offence outside of its authority's is counted and dropped.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        chain: SaltChain,
        entries: Callable[[str], Sequence[ListEntry]],
        epoch_s: float,
        competences: Mapping[str, Competence],
    ) -> None:
        self._rules = tuple(rules)
        self._chain = chain
        self._entries = entries
        self._epoch_s = epoch_s
        self._epoch_started: float | None = None
        self._competences = dict(competences)
        self._listed: dict[str, Mapping[PlateToken, tuple[ListedPeriod, ...]]] = {}
        self.epochs_begun = 0
        self.outside_competence = 0

    @property
    def epoch(self) -> int:
        """Number of the current epoch since the box started."""
        return self._chain.epoch

    @property
    def rule_ids(self) -> tuple[str, ...]:
        """The ids of all rules, in the policy's order."""
        return tuple(rule.id for rule in self._rules)

    def advance(self, monotonic_s: float) -> bool:
        """Begin the first epoch, or the next one when the current is over.

        A gap of several epochs rotates once; epoch numbers keep pace with time. Returns whether
        an epoch has closed.
        """
        if self._epoch_started is None:
            self._epoch_started = monotonic_s
            self._begin_epoch()
            return False
        gone = int((monotonic_s - self._epoch_started) // self._epoch_s)
        if gone < 1:
            return False
        self._chain.rotate(gone)
        self._epoch_started += gone * self._epoch_s
        self._begin_epoch()
        return True

    def forget(self) -> None:
        """Overwrite the epoch's secret and drop the lists: nothing is recognised any more."""
        self._listed = {}
        self._chain.destroy()

    def _begin_epoch(self) -> None:
        self.epochs_begun += 1
        self._listed = {
            rule.id: self._tokens_of(rule, rule.list_id)
            for rule in self._rules
            if rule.list_id is not None
        }

    def _tokens_of(self, rule: Rule, list_id: str) -> dict[PlateToken, tuple[ListedPeriod, ...]]:
        listed: dict[PlateToken, tuple[ListedPeriod, ...]] = {}
        for entry in self._entries(list_id):
            token = self._chain.token(rule.purpose, rule.id, entry.plate)
            period = ListedPeriod(entry.entry_id, entry.start, entry.end)
            listed[token] = (*listed.get(token, ()), period)
        return listed

    def rules_due(self, vehicle: VehicleSeen, *, early: bool) -> tuple[Rule, ...]:
        """The rules to judge at this hand-over.

        Lists are judged at the first hand-over; a direction is known only when the vehicle
        has left, so `wrong_way` waits for the final one. `early` says whether this vehicle
        had an early hand-over before.
        """
        return tuple(
            rule
            for rule in self._rules
            if (not rule.cameras or vehicle.camera in rule.cameras)
            and (
                vehicle.final if rule.kind is RuleKind.WRONG_WAY else not (vehicle.final and early)
            )
        )

    def judge(self, vehicle: VehicleSeen, *, early: bool = False) -> Ruling:
        """Judge one vehicle; call `advance` first.

        Its hypotheses are turned into one set of tokens for each rule and dropped.
        """
        offences: list[Offence] = []
        ambiguous = False
        for rule in self.rules_due(vehicle, early=early):
            verdict = self._verdict(rule, vehicle)
            if isinstance(verdict, Offence):
                if self._is_competent(rule, vehicle):
                    offences.append(verdict)
                else:
                    self.outside_competence += 1
            ambiguous = ambiguous or isinstance(verdict, Ambiguous)
        return Ruling(tuple(offences), ambiguous)

    def _is_competent(self, rule: Rule, vehicle: VehicleSeen) -> bool:
        competence = self._competences.get(rule.authority)
        return competence is not None and competence.covers(
            rule.id, vehicle.camera, observed_at(vehicle)
        )

    def _verdict(self, rule: Rule, vehicle: VehicleSeen) -> Verdict:
        hypotheses = vehicle.consensus.hypotheses if vehicle.consensus is not None else ()
        width = height = 0
        if vehicle.key_frame is not None:
            height, width = vehicle.key_frame.pixels.shape[:2]
        sighting = Sighting(
            camera=vehicle.camera,
            observed_at=observed_at(vehicle),
            candidates=self._chain.tokens(rule.purpose, rule.id, hypotheses),
            trajectory=vehicle.trajectory,
            width=width,
            height=height,
        )
        return judge(rule, sighting, self._listed.get(rule.id, {}))


def observed_at(vehicle: VehicleSeen) -> datetime:
    """When the vehicle counts as observed: its best frame, else when it was last seen."""
    key_frame = vehicle.key_frame
    return key_frame.observed_at if key_frame is not None else vehicle.last_seen
