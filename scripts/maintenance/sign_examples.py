"""Sign the example sites in config/ with demo keys: `scripts/sign-examples`."""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.errors import EdgeError
from edge.formats.signing import SigningKey
from edge.policy.signatures import (
    SIGNATURES_FILE,
    PolicySignatures,
    add_signature,
    require_quorum,
)
from edge.site.folder import POLICY_FILE, read_policy

REPOSITORY = Path(__file__).resolve().parents[2]

DESCRIPTION = """\
Sign the example sites in config/ again, after one of them was changed.

Writes the SHA-256 of each DPIA into its policy.yaml. Then signs the policy with the demo key of
each signer that it names. A demo key is derived from the signer's name, so there is no secret to
keep: see docs/adr/0007-demo-keys.md.

Exit status: 0 all examples are signed, 2 wrong usage; other errors as `edge-anpr`."""

CONFIG = REPOSITORY / "config"
PINNED = re.compile(r'^( +sha256: )"[0-9a-f]{64}"', flags=re.MULTILINE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Sign every example site; 0 when all policies are complete."""
    parser = argparse.ArgumentParser(
        prog="scripts/sign-examples",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example, after you changed config/demo/policy.yaml:\n  scripts/sign-examples",
    )
    parser.parse_args(arguments)
    for folder in sorted(path.parent for path in CONFIG.glob(f"*/{POLICY_FILE}")):
        try:
            signatures = sign(folder)
        except EdgeError as error:
            print(f"error: {error}", file=sys.stderr)
            return int(error.exit_code)
        signers = ", ".join(sorted(signatures.signatures))
        print(f"{folder.name}: {signatures.policy_sha256[:16]} signed by {signers}")
    return 0


def sign(folder: Path) -> PolicySignatures:
    """Write the digest of an example's DPIA into its policy, and sign the policy.

    Raises:
        EdgeError: the policy is not complete.
    """
    file = folder / POLICY_FILE
    dpia = folder / read_policy(file).model.dpia.file
    digest = hashlib.sha256(dpia.read_bytes()).hexdigest()
    text = file.read_text(encoding="utf-8")
    file.write_text(PINNED.sub(rf'\g<1>"{digest}"', text), encoding="utf-8")
    policy = read_policy(file).model
    signatures: PolicySignatures | None = None
    for signer in policy.approvals.signers:
        signatures = add_signature(policy, SigningKey.demo_of(signer), signatures)
    if signatures is None:
        raise AssertionError("a policy without signers is refused when it is read")
    require_quorum(policy, signatures)
    (folder / SIGNATURES_FILE).write_text(signatures.text(), encoding="utf-8")
    return signatures


if __name__ == "__main__":
    sys.exit(main())
