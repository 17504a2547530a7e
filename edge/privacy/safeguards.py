"""What an audit log proves of the state that protects people from the operator of a box.

The state folder holds that state in files that anyone with access to the box can delete or replace
by older copies. The signed log records each change to it, so the two can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from edge.privacy.audit_events import (
    Entry,
    ListChanged,
    PolicyChanged,
    RuleStopped,
    SuspensionChanged,
)


@dataclass(frozen=True, slots=True)
class RecordedOrder:
    """The last recorded order of one suspension key."""

    sha256: str
    suspends: bool


@dataclass(frozen=True, slots=True)
class RecordedSize:
    """How many valid plates an installed permit list had, rounded down to tens; and the day."""

    day: int
    plates: int


@dataclass(frozen=True, slots=True)
class RecordedList:
    """The last recorded bundle of one list.

    Attributes:
        counter: the issuer's.
        sha256: the bundle's digest.
        sizes: of the last permit lists, oldest first; each is larger than all that came after it.
            Empty for another list, and if the last entry names no size.
    """

    counter: int
    sha256: str
    sizes: tuple[RecordedSize, ...] = ()

    def replaced_by(self, event: ListChanged, day: int) -> RecordedList:
        """What is recorded once a later bundle is installed."""
        sizes: tuple[RecordedSize, ...] = ()
        if event.plates is not None:
            plates = 0 if event.plates == "<10" else event.plates
            larger = (one for one in self.sizes if one.plates > plates and not event.shrinks)
            sizes = (*larger, RecordedSize(day, plates))
        return RecordedList(event.counter, event.bundle_sha256, sizes)


@dataclass(frozen=True, slots=True)
class Safeguards:
    """What the entries of a log so far prove.

    Attributes:
        orders: the last order of each suspension key, by the key's id.
        past_orders: digests of all orders that were ever obeyed.
        lists: the bundle with the highest counter of each list, by the list's id.
        policies: digests of the policies that were activated; the last one is in force.
        stops: when each rule stopped itself since a policy was last activated or renewed.
        past_stops: when each rule stopped itself before that.
        latest: the latest time of an entry.
    """

    orders: Mapping[str, RecordedOrder] = field(default_factory=lambda: MappingProxyType({}))
    past_orders: frozenset[str] = frozenset()
    lists: Mapping[str, RecordedList] = field(default_factory=lambda: MappingProxyType({}))
    policies: tuple[str, ...] = ()
    stops: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    past_stops: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    latest: datetime | None = None

    @property
    def any(self) -> bool:
        """Whether there is an order, a list or a policy that must not get lost."""
        return bool(self.orders or self.lists or self.policies)

    def stopped_rules(self, activated: datetime) -> frozenset[str]:
        """The rules that stopped themselves and may not start again.

        Args:
            activated: when a controller signed the activation in force. Installing an earlier
                activation again starts no rule.
        """
        earlier = (rule for rule, at in self.past_stops.items() if at >= activated)
        return frozenset((*self.stops, *earlier))

    def after(self, entry: Entry) -> Safeguards:
        """What is proven once this entry is in the log."""
        latest = entry.at if self.latest is None else max(self.latest, entry.at)
        known = replace(self, latest=latest)
        event = entry.event
        if isinstance(event, SuspensionChanged):
            order = RecordedOrder(event.order_sha256, event.action == "suspended")
            return replace(
                known,
                orders={**self.orders, event.key_id: order},
                past_orders=self.past_orders | {event.order_sha256},
            )
        if isinstance(event, ListChanged) and event.action == "installed":
            before = self.lists.get(event.list, _NO_LIST)
            if event.counter > before.counter:
                bundle = before.replaced_by(event, entry.at.date().toordinal())
                return replace(known, lists={**self.lists, event.list: bundle})
        if isinstance(event, PolicyChanged) and event.action != "withdrawn":
            others = tuple(one for one in self.policies if one != event.policy_sha256)
            return replace(
                known,
                policies=(*others, event.policy_sha256),
                stops=MappingProxyType({}),
                past_stops={**self.past_stops, **self.stops},
            )
        if isinstance(event, RuleStopped):
            return replace(known, stops={**self.stops, event.rule: entry.at})
        return known


_NO_LIST = RecordedList(counter=-1, sha256="")
