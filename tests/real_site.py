"""A site whose policy was really signed, with keys that nobody else has."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from edge.adapters.policy_state import PolicyState
from edge.policy.activation import InForce, activate
from edge.policy.signatures import SIGNATURES_FILE, add_signature
from edge.policy.site_folder import read_policy
from edge.privacy.keys import (
    load_signer_key,
    new_authority_keys,
    new_box_keys,
    new_signer_key,
)
from tests import sites
from tests.sites import AUTHORITY, BOX, DPIA, SIGNERS, SITE, list_csv, write_yaml

NAMES = (*SIGNERS, "vtc", "office")


@dataclass(frozen=True, slots=True)
class RealSite:
    """A site folder; beside it what never lies on a box: signers' keys and lists in clear."""

    folder: Path
    keys: dict[str, Path] = field(repr=False)
    """The private file of each signer, by id."""

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def box_public(self) -> Path:
        return self.folder / "keys" / f"{SITE}.{BOX}.public.json"

    def csv(self, plates: Iterable[str], *, days: int = 30) -> Path:
        """A list as its issuer has it: valid since yesterday, and so many days more."""
        path = self.folder.parent / "office.csv"
        today = datetime.now(timezone.utc).date()
        text = list_csv(plates, str(today + timedelta(days=days)))
        path.write_text(text.replace(",2026-01-01,", f",{today - timedelta(days=1)},"))
        return path

    def build(self, csv: Path, out: str = "stolen.bundle") -> list[str | Path]:
        """The issuer's command line."""
        return [
            "lists", "build", csv, "--issuer-key", self.keys["office"], "--box-public",
            self.box_public, "--list", "stolen", "--purpose", "wanted-vehicles",
            "--out", self.folder.parent / out,
        ]  # fmt: skip


def make_real_site(base: Path, *, port: int = 1883, receipts: str = "none") -> RealSite:
    """Write a site that is signed, activated and in force, below `base`."""
    now = datetime.now(timezone.utc)
    folder = base / "site"
    folder.mkdir(parents=True)
    files = {name: new_signer_key(base / "signers", name, now) for name in NAMES}
    keys = {name: load_signer_key(file) for name, file in files.items()}
    content = sites.policy(receipts=receipts)
    _date(content, now)
    for holders in (
        content["approvals"]["signers"],
        content["suspension"]["keys"],
        content["issuers"],
    ):
        for name, holder in holders.items():
            holder.update(key=keys[name].public.text, demo=False)
    write_yaml(folder / "policy.yaml", content)
    write_yaml(folder / "site.yaml", sites.site(port=port))
    (folder / "dpia.md").write_bytes(DPIA)
    policy = read_policy(folder / "policy.yaml").model
    signatures = None
    for name in SIGNERS:
        signatures = add_signature(policy, keys[name], signatures)
    assert signatures is not None
    (folder / SIGNATURES_FILE).write_text(signatures.text())
    made = activate(policy, BOX, keys["mayor"], now)
    in_force = InForce(activation=made, policy=policy, signatures=signatures)
    PolicyState(folder / "state").put_in_force(in_force)
    new_box_keys(folder / "keys", SITE, BOX, now)
    public = new_authority_keys(base / "authority", AUTHORITY, now)
    shutil.copy(public, folder / "keys" / f"{AUTHORITY}.public.json")
    return RealSite(folder, files)


def _date(content: dict[str, Any], now: datetime) -> None:
    """A policy that is in force today, whenever that is."""

    def day(days: int) -> str:
        return str((now + timedelta(days=days)).date())

    content["activation"] = {"not_before": day(-2), "sunset": day(500)}
    content["evaluation"] = {"next_due": day(200)}
    content["dpia"]["review_date"] = day(300)
    authority = content["authorities"][AUTHORITY]
    authority["valid"] = {"from": day(-2), "until": day(500)}
