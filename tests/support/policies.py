"""Policies for tests: changed, signed and activated in memory."""

from __future__ import annotations

import copy
import functools
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge.formats.signing import SigningKey
from edge.formats.yaml_document import parse_document
from edge.policy.activation import InForce, activate
from edge.policy.dpia_document import DpiaDocument
from edge.policy.gate import GateFacts
from edge.policy.model import Policy
from edge.policy.signatures import PolicySignatures, add_signature
from edge.policy.succession import uncovered
from tests.support.assessments import assessment
from tests.support.example_site import DPIA, POLICY
from tests.support.sites import texts

Change = Callable[[dict[str, Any]], object]

NOON = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)
DOCUMENT = DpiaDocument.of(io.BytesIO(DPIA.encode()))
NEW_DOCUMENT = DpiaDocument.of(io.BytesIO(DPIA.encode() + b"\n"))
BOX = "box-1"
HOLDERS = ("mayor", "chief", "officer", "vtc", "office")
KEYS = {name: SigningKey.generate(name) for name in HOLDERS}
"""Keys that nobody else has: a policy with these is a real one."""


@functools.cache
def _example() -> dict[str, Any]:
    return parse_document(POLICY, Path("policy.yaml"), Policy).model.document()


def document(*changes: Change, real: bool = False) -> dict[str, Any]:
    """The example's document, changed; with `real` its keys are no demo keys."""
    content = copy.deepcopy(_example())
    if real:
        for holders in (
            content["approvals"]["signers"],
            content["suspension"]["keys"],
            content["issuers"],
        ):
            for name, holder in holders.items():
                holder["key"] = KEYS[name].public.text
                holder["demo"] = False
    for change in changes:
        change(content)
    return content


def policy(*changes: Change, real: bool = False) -> Policy:
    return Policy.model_validate(document(*changes, real=real))


def next_version(content: dict[str, Any]) -> None:
    content["version"] += 1


def assess(content: dict[str, Any], covers: Sequence[str]) -> bytes:
    """Give a policy a new DPIA that covers these changes, and an opinion on it."""
    dpia = content["dpia"]
    written = assessment(*content["purposes"], *(one["risk"] for one in dpia["risks"]), *covers)
    opinion = {"date": "2026-01-20", "text": texts("Favourable, also to what is new")}
    digest = hashlib.sha256(written).hexdigest()
    dpia.update(sha256=digest, date="2026-01-15", version="2", covers=list(covers))
    dpia["dpo_opinion"] = opinion
    opinion["draft_sha256"] = Policy.model_validate(content).draft_sha256()
    return written


def assessed(before: Policy, *changes: Change, real: bool = True) -> Policy:
    """The next version, with a DPIA and an opinion that cover what it widens.

    It starts after that opinion, which is given while the version before is in force.
    """
    content = document(next_version, *changes, real=real)
    times = content["activation"]
    times["not_before"] = max(times["not_before"], "2026-01-21")
    assess(content, uncovered(before, Policy.model_validate(content)))
    return Policy.model_validate(content)


def dpia_of(what: Policy) -> DpiaDocument:
    """The document that such a policy pins."""
    risks = (one.risk for one in what.dpia.risks)
    written = assessment(*what.purposes, *risks, *what.dpia.covers)
    made = DpiaDocument.of(io.BytesIO(written))
    return made if made.sha256 == what.dpia.sha256 else DOCUMENT


def signed(
    what: Policy, *signers: str, keys: dict[str, SigningKey] | None = None
) -> PolicySignatures:
    """Its signatures, by default of all signers."""
    signatures: PolicySignatures | None = None
    for name in signers or what.approvals.signers:
        own = (keys or KEYS)[name] if not what.demo else SigningKey.demo_of(name)
        signatures = add_signature(what, own, signatures)
    assert signatures is not None
    return signatures


def in_force(what: Policy, now: datetime = NOON, box: str = BOX) -> InForce:
    key = KEYS["mayor"] if not what.demo else SigningKey.demo_of("mayor")
    return InForce(activation=activate(what, box, key, now), policy=what, signatures=signed(what))


def facts(what: Policy, **changed: Any) -> GateFacts:
    """The facts that the gate needs, for a policy that was activated at noon."""
    if "in_force" not in changed and not what.demo:
        changed["in_force"] = in_force(what)
    return GateFacts(
        **{
            "policy": what,
            "signatures": signed(what),
            "box": BOX,
            "dpia": dpia_of(what),
            "recorded_at": (NOON,),
            **changed,
        }
    )


def write(folder: Path, content: dict[str, Any]) -> Path:
    """A policy.yaml with this content; JSON is YAML."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "policy.yaml"
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return file
