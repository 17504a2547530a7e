"""A site whose policy is signed with real keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from edge.adapters.state.key_files import load_signer_key
from edge.adapters.state.key_making import new_signer_key
from edge.adapters.state.policy_state import PolicyState
from edge.policy.activation import InForce, activate
from edge.policy.signatures import SIGNATURES_FILE, read_signatures
from edge.site.folder import read_policy
from tests.support.sites import BOX, SIGNERS, SITE, list_csv, make_real, make_site, policy

NAMES = (*SIGNERS, "vtc", "office")


@dataclass(frozen=True, slots=True)
class RealSite:
    """A site folder and, beside it, the signers' keys and the lists in clear."""

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
        """The issuer's list: valid since yesterday and for this number of days."""
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


def make_real_site(base: Path, *, port: int = 1) -> RealSite:
    """Write a site that is signed, activated and in force, below `base`; it has no list yet."""
    now = datetime.now(timezone.utc)
    made = make_site(base, port=port, policy_yaml=policy())
    files = {name: new_signer_key(base / "signers", name, now) for name in NAMES}
    keys = {name: load_signer_key(file) for name, file in files.items()}
    make_real(made, keys, with_list=False)
    signed = read_policy(made.folder / "policy.yaml").model
    in_force = InForce(
        activation=activate(signed, BOX, keys["mayor"], now),
        policy=signed,
        signatures=read_signatures(made.folder / SIGNATURES_FILE),
    )
    PolicyState(made.state).put_in_force(in_force)
    return RealSite(made.folder, files)
