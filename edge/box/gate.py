"""Checks the conditions under which cameras may be open, from the files of this box.

`edge.policy.gate` has the rules and reads no files. The conditions here collect the facts. Each is
checked before any camera is opened, and again every second by the `Gatekeeper`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from edge.adapters.host.system import SystemClock
from edge.adapters.state.list_process import OpenedApart
from edge.adapters.state.list_store import ListStore
from edge.adapters.state.policy_state import DpiaFile, PolicyState, SteadyClock
from edge.adapters.state.suspension_store import SuspensionStore
from edge.box.clock_watch import ClockWatch
from edge.box.gatekeeper import Gatekeeper
from edge.box.keys import keys_of, load_authorities, load_own_keys, require_separate_keys
from edge.box.sources import OpenedSources, Source, find_sources
from edge.box.state_check import StateCheck
from edge.errors import EdgeError, PolicyError
from edge.pipeline.ports import Clock
from edge.policy.bundles import list_terms
from edge.policy.gate import Condition, GateFacts, refusal
from edge.policy.model import Policy
from edge.policy.signatures import SIGNATURES_FILE, PolicySignatures, read_signatures
from edge.privacy.keys import BoxKeys
from edge.site.folder import BoxFolders, SiteFolder


@dataclass(frozen=True, slots=True)
class Admission:
    """The data that was read during the check; cameras may be opened now.

    Attributes:
        clock: the wall clock; under a policy with real keys it never goes back.
        box_keys: the box's own keys.
        lists: the box's lists.
        signatures: the policy's signatures.
        conditions: the conditions that must hold as long as cameras are open.
        clock_steps: returns how often the wall clock was stepped so far.
    """

    clock: Clock
    box_keys: BoxKeys
    lists: ListStore
    signatures: PolicySignatures
    conditions: tuple[Condition, ...]
    clock_steps: Callable[[], int]


def admit(
    site: SiteFolder, opened: OpenedSources, on_refusal: Callable[[EdgeError], None]
) -> Admission:
    """Check every condition before any camera is opened.

    Args:
        site: the checked site folder.
        opened: the sources that are to be opened.
        on_refusal: called with the first refusal, whatever its cause. It may receive what is
            missing, such as an order to resume; the conditions are checked once more after it.

    Raises:
        EdgeError: a condition does not hold.
    """
    try:
        return _admitted(site, opened)
    except EdgeError as refused:
        on_refusal(refused)
    return _admitted(site, opened)


def require_open(site: SiteFolder, sources: Sequence[Source]) -> None:
    """Check whether these sources may be run now with these keys, without opening them.

    Raises:
        EdgeError: they may not be run.
    """
    admitted = _admitted(site, find_sources(sources, SystemClock()), steady=False)
    authorities = load_authorities(site.rule_authorities, site.policy)
    require_separate_keys(site.policy, keys_of(admitted.box_keys, authorities))


def _admitted(site: SiteFolder, opened: OpenedSources, *, steady: bool = True) -> Admission:
    """The result of the check of every condition.

    Args:
        site: the checked site folder.
        opened: the sources that are to be opened.
        steady: whether to store the latest time seen; otherwise nothing is written.

    Raises:
        EdgeError: a condition does not hold.
    """
    suspended = suspension_condition(SuspensionStore(site.state_folder))
    state = StateCheck(site.box, demo=site.policy.demo)
    # Before the clock writes to the state folder.
    _require_open([suspended, state], SystemClock())
    clock: Clock = SystemClock()
    if steady and not site.policy.demo:
        clock = SteadyClock(clock, site.state_folder, state.recorded().latest)
    gate = PolicyGate(
        site.policy,
        site.box,
        signatures_file=site.folder / SIGNATURES_FILE,
        dpia_file=site.resolve(site.policy.dpia.file),
        opened=opened,
    )
    watch = ClockWatch(SystemClock())
    conditions: list[Condition] = [suspended]
    if steady and opened.live:
        # Before the gate: what a wrong clock made overdue is not the cause.
        conditions.append(watch)
    conditions += [gate, state]
    _require_open(conditions, clock)
    keys = load_own_keys(site.box)
    lists = ListStore(
        site.state_folder, keys, list_terms(site.policy), clock.utc, opener=OpenedApart()
    )
    conditions.append(list_condition(site.rule_lists, lists, site.may_be_clear))
    _require_open(conditions, clock)
    return Admission(clock, keys, lists, gate.signatures, tuple(conditions), lambda: watch.steps)


def _require_open(conditions: Sequence[Condition], clock: Clock) -> None:
    gate = Gatekeeper(conditions, clock.utc, lambda _error: None)
    gate.require_open()


class PolicyGate:
    """A condition: the policy is signed, ready and in force, and allows these sources.

    Facts that may change while the box runs are read again each time.

    Args:
        policy: the policy to work under.
        box: the box's id and folders.
        signatures_file: the policy's signatures.
        dpia_file: the DPIA; it may be missing.
        opened: the sources to be opened.

    Raises:
        EdgeError: the signatures, the box's history or its keys cannot be read.
    """

    def __init__(
        self,
        policy: Policy,
        box: BoxFolders,
        *,
        signatures_file: Path,
        dpia_file: Path,
        opened: OpenedSources,
    ) -> None:
        self._state = PolicyState(box.state)
        self.signatures = read_signatures(signatures_file)
        self._dpia = DpiaFile(dpia_file)
        self._facts = GateFacts(
            policy=policy,
            signatures=self.signatures,
            box=box.box,
            dpia=None,
            history=() if policy.demo else self._state.history(),
            recorded_at=opened.recorded_at,
            live=opened.live,
            # An authority's public key does not say whether it is a trial key; the box's keys do.
            trial_keys=opened.live and not policy.demo and load_own_keys(box).trial,
        )

    def __call__(self, now: datetime) -> EdgeError | None:
        """Return why no camera may be open, or None."""
        try:
            in_force = None if self._facts.policy.demo else self._state.in_force()
        except EdgeError as error:
            return error
        facts = replace(self._facts, dpia=self._dpia.document(), in_force=in_force)
        return refusal(facts, now)


def suspension_condition(store: SuspensionStore) -> Condition:
    """Return a condition: no order to suspend is in force, and the suspension state is readable."""

    def condition(_now: datetime) -> EdgeError | None:
        try:
            suspended = store.load().suspended
        except EdgeError as error:
            return error
        if not suspended:
            return None
        return PolicyError(
            "the box is suspended by a signed order; to resume it needs an order signed with the "
            "same key and by a controller: `edge-anpr suspend status` shows whose",
            code="E_SUSPENDED",
        )

    return condition


def list_condition(
    list_ids: Iterable[str], lists: ListStore, may_be_clear: Callable[[str], bool]
) -> Condition:
    """Return a condition: every list that a rule reads is installed and valid.

    Args:
        list_ids: the lists that rules read, in the order in which they are checked.
        lists: the box's lists.
        may_be_clear: whether a list may be stored in clear in the site folder. Such a list was
            checked when the site folder was read.
    """
    wanted = tuple(list_ids)

    def condition(_now: datetime) -> EdgeError | None:
        for list_id in wanted:
            if not lists.has(list_id) and may_be_clear(list_id):
                continue
            fault = lists.fault(list_id)
            if fault is not None:
                return fault
        return None

    return condition
