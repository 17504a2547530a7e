"""Fuzz targets: everything that is read of a policy. Importing this needs Atheris."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["edge", "yaml"]):
    from edge.errors import EdgeError
    from edge.formats.yaml_document import parse_document, parse_draft
    from edge.policy.activation import read_in_force
    from edge.policy.checklist import checklist
    from edge.policy.contradictions import contradictions
    from edge.policy.diff import changes
    from edge.policy.flaws import flaws
    from edge.policy.model import Policy
    from edge.policy.signatures import SIGNATURES_FILE, parse_signatures, signers_of

REPOSITORY = Path(__file__).resolve().parents[2]

EXAMPLE = REPOSITORY / "config" / "demo"
POLICY = EXAMPLE / "policy.yaml"
WHOLE = parse_document(POLICY.read_text("utf-8"), POLICY, Policy).model


def policy(text: str) -> None:
    """Read a whole policy, check it for contradictions and compare it with another."""
    read = parse_document(text, POLICY, Policy).model
    if not list(contradictions(read)):
        list(flaws(read))
        changes(WHOLE, read)
        read.domain_rules()
        read.competences()


def draft(text: str) -> None:
    """Read a draft of a policy and make its compliance checklist."""
    checklist(parse_draft(text, POLICY, Policy))


def signatures(text: str) -> None:
    """Read signatures and verify them."""
    signers_of(WHOLE, parse_signatures(text, EXAMPLE / SIGNATURES_FILE))


def activation(text: str) -> None:
    """Read the record of the policy that is in force on a box."""
    read_in_force(text, Path("activation.json"))


TARGETS: dict[str, Callable[[str], None]] = {
    target.__name__: target for target in (policy, draft, signatures, activation)
}


def run(target: str, seconds: int, program: str) -> None:
    """Fuzz one target for some time; Atheris ends the process.

    Args:
        target: a name of TARGETS.
        seconds: how long.
        program: the name that Atheris shows.
    """
    read = TARGETS[target]

    def one(data: bytes) -> None:
        with contextlib.suppress(EdgeError, UnicodeDecodeError):
            read(data.decode("utf-8"))

    corpus = Path(tempfile.mkdtemp(prefix="edge-anpr-fuzz-"))
    seeds = sorted((REPOSITORY / "config").glob("*/policy*"))
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed.read_bytes())
    options = [f"-max_total_time={seconds}", "-max_len=20000", "-timeout=20"]
    atheris.Setup([program, *options, f"-artifact_prefix={corpus}/", str(corpus)], one)
    atheris.Fuzz()
