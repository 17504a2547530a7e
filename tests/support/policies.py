"""Policies for tests: changed, signed and activated in memory."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge.formats.signing import SigningKey
from edge.formats.yaml_document import parse_document
from edge.policy.activation import InForce, activate
from edge.policy.gate import GateFacts
from edge.policy.model import Policy
from edge.policy.signatures import PolicySignatures, add_signature
from tests.support.example_site import DPIA, POLICY

Change = Callable[[dict[str, Any]], object]

NOON = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)
DIGEST = hashlib.sha256(DPIA.encode()).hexdigest()
NEW_DIGEST = hashlib.sha256(b"another assessment").hexdigest()
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


def new_dpia(content: dict[str, Any]) -> None:
    content["dpia"].update(sha256=NEW_DIGEST, date="2025-12-20", version="2")


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
    return GateFacts(
        **{
            "policy": what,
            "signatures": signed(what),
            "box": BOX,
            "dpia_sha256": what.dpia.sha256,
            "in_force": None if what.demo else in_force(what),
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
