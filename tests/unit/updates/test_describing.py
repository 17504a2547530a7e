"""What a signer is shown of metadata from the other signer, and what nobody should sign."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import Signature, SSlibKey
from tuf.api.metadata import DelegatedRole, Metadata, Role, TargetFile

from edge.adapters.state.key_making import new_signer_key
from edge.formats.signing import SigningKey
from edge.updates.describing import described
from edge.updates.metadata_files import read_metadata, write_signed
from edge.updates.signing import tuf_key
from tests.support.product import verb
from tests.support.releases import ReleaseOffice

VENDOR = SigningKey.generate("evil-vendor")


def weak(signed: Any) -> None:
    signed.roles["targets"].threshold = 1


def third(signed: Any) -> None:
    signed.add_key(tuf_key(VENDOR.public), "targets")


def alone(signed: Any) -> None:
    signed.roles["root"] = Role([VENDOR.public.key_id, VENDOR.public.key_id[::-1]], 2)


def renamed(signed: Any) -> None:
    """The vendor's key under the id of the online key."""
    (name,) = signed.roles["timestamp"].keyids
    public = {"public": VENDOR.public.raw().hex()}
    signed.keys[name] = SSlibKey(name, "ed25519", "ed25519", public)


def delegated(signed: Any) -> None:
    key = VENDOR.public.key_id
    signed.delegations.keys[key] = tuf_key(VENDOR.public)
    signed.delegations.roles["waves"] = DelegatedRole("waves", [key], 1, True, ["*"])


def waves(signed: Any) -> None:
    (name,) = signed.delegations.roles["waves"].keyids
    public = {"public": VENDOR.public.raw().hex()}
    signed.delegations.keys[name] = SSlibKey(name, "ed25519", "ed25519", public)


@pytest.mark.parametrize(
    ("role", "change"),
    [
        ("root", weak),
        ("root", third),
        ("root", alone),
        ("root", renamed),
        ("targets", delegated),
        ("targets", waves),
    ],
)
def test_p4_metadata_that_lets_one_decide_alone_is_not_signed(
    tmp_path: Path, role: str, change: Callable[[Any], None]
) -> None:
    office = ReleaseOffice(tmp_path / "releases")
    office.repository().renew(root=True)
    file = office.repository().pending / f"{role}.json"
    key = new_signer_key(tmp_path, "controller", datetime.now(timezone.utc))
    usual = verb("fleet", "release", "sign", file, "--key", key)
    assert usual.status == 0, usual.err
    metadata = read_metadata(file)
    change(metadata.signed)
    write_signed(file, metadata)
    before = file.read_bytes()
    done = verb("fleet", "release", "sign", file, "--key", key)
    assert done.status == 3
    assert "do not sign it" in done.err
    assert file.read_bytes() == before


def test_p4_no_name_in_a_file_hides_a_line_of_it(tmp_path: Path) -> None:
    office = ReleaseOffice(tmp_path / "releases")
    (pending,) = office.repository().renew()
    metadata: Metadata[Any] = read_metadata(pending)
    path = "release/9.0.0/any.zip\x1b[1A\x1b[2K\r"
    metadata.signed.targets[path] = TargetFile(1, {"sha256": "0" * 64}, path)
    metadata.signatures["\x1b[2J"] = Signature("\x1b[2J", "00")
    shown = list(described(metadata))
    assert all(line.isprintable() for line in shown)
    assert any("release/9.0.0/any.zip[U+001B]" in line for line in shown)
