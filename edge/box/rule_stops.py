"""Rules that stop themselves because an implausible share of the vehicles are hits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from edge.adapters.broker.publisher import Publisher
from edge.adapters.state.policy_state import PolicyState
from edge.box.storage import Storage
from edge.errors import EdgeError, PolicyError
from edge.privacy.audit_events import RuleStopped
from edge.site.folder import SiteFolder

log = logging.getLogger(__name__)


class RuleStops:
    """Records and publishes each stop; shuts the box when no rule is left.

    A stopped rule makes no more hits; those it made are delivered and go to a person. Under real
    keys it stays stopped after a restart, until a controller activates or renews the policy. With
    demo keys there is no activation, and it is stopped until the run ends.

    Args:
        site: the checked site folder.
        storage: the audit log records each stop.
        publisher: publishes the code.

    Raises:
        PolicyError: `E_HIT_SHARE`: every rule has stopped, so no camera may be open.
        EdgeError: the audit log or the policy in force cannot be read.
    """

    def __init__(self, site: SiteFolder, storage: Storage, publisher: Publisher) -> None:
        self._shares: Mapping[str, float] = {rule.id: rule.max_hit_share for rule in site.rules}
        self._audit = storage.audit
        self._publisher = publisher
        self._shut: Callable[[EdgeError], None] = lambda _error: None
        self.stopped = self._stopped_before(site) & self._shares.keys()
        for rule in sorted(self.stopped):
            self._publish(rule)
        if len(self.stopped) == len(self._shares):
            raise self._error(*sorted(self.stopped))

    def shuts(self, shut: Callable[[EdgeError], None]) -> None:
        """Set the function that closes the cameras when no rule is left."""
        self._shut = shut

    def enter(self, rule: str) -> None:
        """A rule has stopped itself.

        Raises:
            AuditError: it could not be recorded; the box must stop.
        """
        self._audit.append(RuleStopped(rule, "E_HIT_SHARE"))
        self.stopped |= {rule}
        self._publish(rule)
        if len(self.stopped) == len(self._shares):
            self._shut(self._error(*sorted(self.stopped)))

    def _stopped_before(self, site: SiteFolder) -> frozenset[str]:
        in_force = None if site.policy.demo else PolicyState(site.state_folder).in_force()
        if in_force is None:
            return frozenset()
        return self._audit.proven().stopped_rules(in_force.activation.activated)

    def _publish(self, rule: str) -> None:
        error = self._error(rule)
        log.error("%s", error)
        self._publisher.set_availability("online", error.code)

    def _error(self, *rules: str) -> PolicyError:
        shares = ", ".join(f"rule {rule}: more than {self._shares[rule]:.0%}" for rule in rules)
        return PolicyError(
            f"{shares} of the vehicles were hits, which the policy calls implausible, so it makes "
            "no more hits; find the cause (list, camera, line), then have a controller renew the "
            "activation with `edge-anpr policy renew`, and restart the box",
            code="E_HIT_SHARE",
        )
