"""The versions of a policy, and what each let the box do more or less than the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.policy.change import ChangeEffect
from edge.policy.diff import changes
from edge.policy.model import Policy


@dataclass(frozen=True, slots=True)
class Version:
    """One version: from which day, and what it changed.

    `changed` names kinds of change by direction, in the words of `edge-anpr policy diff`; it is
    None where the version before is not known.
    """

    number: int
    since: str
    sha256: str
    changed: dict[ChangeEffect, tuple[str, ...]] | None


def versions(policy: Policy, earlier: Sequence[Policy]) -> tuple[Version, ...]:
    """A policy and those before it, newest first.

    Args:
        policy: the one that the notice is about.
        earlier: others of its site that were in force; later ones and itself are ignored.
    """
    known = {one.version: one for one in earlier if one.version < policy.version}
    chain = [policy, *(known[number] for number in sorted(known, reverse=True))]
    return tuple(
        Version(
            after.version,
            after.activation.not_before,
            after.sha256(),
            None if before is None else _kinds(before, after),
        )
        for after, before in zip(chain, [*chain[1:], None], strict=True)
    )


def _kinds(before: Policy, after: Policy) -> dict[ChangeEffect, tuple[str, ...]]:
    found: dict[ChangeEffect, dict[str, None]] = {}
    for change in changes(before, after):
        found.setdefault(change.direction, {})[change.what] = None
    return {direction: tuple(kinds) for direction, kinds in found.items()}
