#!/usr/bin/env python3
"""Coverage-guided fuzzing of everything that is read of a policy: YAML, signatures, activations.

    scripts/fuzz [--seconds 180] [policy | draft | signatures | activation]

Whatever comes, the outcome is a value or a refusal with a code; anything else is a finding, and the
input that led to it is printed as a file. Not part of the tests: it needs Atheris, which
`scripts/fuzz` installs into .venv for the occasion.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

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

EXAMPLE = REPOSITORY / "config" / "demo"
POLICY = EXAMPLE / "policy.yaml"
WHOLE = parse_document(POLICY.read_text("utf-8"), POLICY, Policy).model


def policy(text: str) -> None:
    """A whole policy: read, held against itself and compared."""
    read = parse_document(text, POLICY, Policy).model
    if not list(contradictions(read)):
        list(flaws(read))
        changes(WHOLE, read)
        read.domain_rules()
        read.competences()


def draft(text: str) -> None:
    """A policy that is being written: its compliance checklist."""
    checklist(parse_draft(text, POLICY, Policy))


def signatures(text: str) -> None:
    """Signatures: whoever they are said to be by."""
    signers_of(WHOLE, parse_signatures(text, EXAMPLE / SIGNATURES_FILE))


def activation(text: str) -> None:
    """What is in force on a box."""
    read_in_force(text, Path("activation.json"))


TARGETS: dict[str, Callable[[str], None]] = {
    target.__name__: target for target in (policy, draft, signatures, activation)
}


def main(arguments: list[str]) -> None:
    """Fuzz one target for some time."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("target", nargs="?", choices=TARGETS, default="draft")
    parser.add_argument("--seconds", type=int, default=180)
    chosen = parser.parse_args(arguments)
    read = TARGETS[chosen.target]

    def one(data: bytes) -> None:
        with contextlib.suppress(EdgeError, UnicodeDecodeError):
            read(data.decode("utf-8"))

    corpus = Path(tempfile.mkdtemp(prefix="edge-anpr-fuzz-"))
    seeds = sorted((REPOSITORY / "config").glob("*/policy*"))
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed.read_bytes())
    options = [f"-max_total_time={chosen.seconds}", "-max_len=20000", "-timeout=20"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={corpus}/", str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
