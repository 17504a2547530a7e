"""Makes a sealed hit of each judged offence and stores it in the outbox."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from edge.adapters.broker.topics import BoxTopics
from edge.adapters.cameras.jpeg import encode_jpeg
from edge.adapters.host.system import random_bytes
from edge.adapters.state.outbox import Outbox
from edge.adapters.state.outbox_file import OutboxFull
from edge.box.evidence_worker import EvidenceCase
from edge.box.storage import retention
from edge.domain.rules import Rule
from edge.pipeline.evidence import EvidenceMaker, SealedHit
from edge.pipeline.ports import Clock, SceneParser
from edge.policy.model import Policy
from edge.privacy.keys import AuthorityPublicKeys, BoxKeys
from edge.site.folder import SiteFolder

FULL_OUTBOX_RETRY_S = 0.05
"""How often a full outbox is tried again."""


@dataclass(frozen=True, slots=True)
class HitTerms:
    """How long hits of a rule are kept, and whether they wait for the authority's receipt."""

    retention: timedelta
    receipt_required: bool


def hit_terms(policy: Policy, rule: Rule) -> HitTerms:
    """The policy's terms for the hits of a rule."""
    return HitTerms(
        retention=retention(policy)[rule.purpose],
        receipt_required=policy.authorities[rule.authority].receipts == "required",
    )


class HitStorage:
    """Makes a sealed hit of each case and puts it into the outbox.

    A recording may run faster than the broker accepts hits. So a hit is retried for `patience_s`
    when the outbox is full; no other hit is dropped for it.

    Args:
        make: makes a case's hit; its second argument gives the box's next hit counter, which must
            not be taken for a case that makes none.
        outbox: stores hits until they are delivered.
        topics: the topics of the box's cameras.
        terms: the terms for the hits of a rule.
        clock: the outbox's clock.
        patience_s: how long to retry when the outbox is full, seconds.
        on_full: called when that time is over, before the error is raised.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        make: Callable[[EvidenceCase, Callable[[], int]], SealedHit | None],
        outbox: Outbox,
        topics: BoxTopics,
        terms: Callable[[Rule], HitTerms],
        *,
        clock: Clock,
        patience_s: float,
        on_full: Callable[[OutboxFull], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._make = make
        self._outbox = outbox
        self._topics = topics
        self._terms = terms
        self._clock = clock
        self._patience_s = patience_s
        self._on_full = on_full
        self._sleep = sleep

    def store(self, case: EvidenceCase) -> SealedHit | None:
        """Make a case's hit and put it into the outbox; it is on disk when this returns.

        Returns:
            The hit; None if the vehicle contradicts what its list states: then there is none.

        Raises:
            OutboxFull: the outbox stayed full for `patience_s`.
            EdgeError: the hit could not be made or written.
        """
        hit = self._make(case, self._outbox.next_counter)
        if hit is None:
            return None
        deadline = self._clock.monotonic() + self._patience_s
        while True:
            try:
                self._put(case, hit)
            except OutboxFull as full:
                if self._clock.monotonic() >= deadline:
                    self._on_full(full)
                    raise
                self._sleep(FULL_OUTBOX_RETRY_S)
            else:
                return hit

    def _put(self, case: EvidenceCase, hit: SealedHit) -> None:
        rule, camera = case.offence.rule, case.vehicle.camera
        terms = self._terms(rule)
        self._outbox.put(
            hit.hit_id,
            camera,
            self._topics.hit(camera),
            hit.payload,
            purpose=rule.purpose,
            receipt_required=terms.receipt_required,
            expires_at=self._clock.utc() + terms.retention,
        )


def hit_maker(
    site: SiteFolder,
    box_keys: BoxKeys,
    authorities: Mapping[str, AuthorityPublicKeys],
    parser: SceneParser | None,
) -> Callable[[EvidenceCase, Callable[[], int]], SealedHit | None]:
    """Return a function that makes a case's sealed and signed hit, or none if it is contradicted.

    Args:
        site: the checked site folder, with the policy in force and the approved stills of places.
        box_keys: the box's keys, which sign hits and evidence.
        authorities: public keys by authority id; hits are sealed to the rule's authority.
        parser: says what an offender's picture shows; None: the geometry of the plate decides.
    """
    maker = EvidenceMaker(
        policy_sha256=site.policy_sha256,
        box_keys=box_keys,
        authorities=authorities,
        payload_cap_bytes=site.settings.broker.payload_cap_kib * 1024,
        random_bytes=random_bytes,
        encode=encode_jpeg,
        parser=parser,
        places=site.places,
    )

    def make(case: EvidenceCase, next_counter: Callable[[], int]) -> SealedHit | None:
        examined = maker.examine(case.vehicle, case.offence)
        if examined.contradicted:
            return None
        return maker.make(case.vehicle, case.offence, case.epoch, next_counter(), examined)

    return make
