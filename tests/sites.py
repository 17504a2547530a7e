"""Site folders for tests of the whole product: real files, real keys, a broker's port."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from edge.adapters.keyring import Keyring
from edge.adapters.outbox import Outbox
from edge.adapters.system import SystemClock
from edge.privacy.keys import new_authority_keys, new_box_keys

SITE, BOX, CAMERA, AUTHORITY = "test-street", "box-1", "cam-1", "police-zone"
LIST_HEADER = "id,plate,start,end,basis,reason,issuer"


@dataclass(frozen=True, slots=True)
class MadeSite:
    """A site folder and, beside it, the folder of the authority's private keys."""

    folder: Path
    authority_keys: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def keyring(self) -> Path:
        return self.folder / "keyring"

    @property
    def box_keys(self) -> Path:
        """The file that the authority knows the box by."""
        return self.folder / "keys" / f"{SITE}.{BOX}.public.json"


def list_csv(plates: Iterable[str], end: str = "2026-12-31") -> str:
    rows = [
        f"entry-{number},{plate},2026-01-01,{end},test basis,test reason,test issuer"
        for number, plate in enumerate(plates, start=1)
    ]
    return "\n".join([LIST_HEADER, *rows]) + "\n"


def hotlist_rule(**changed: Any) -> dict[str, Any]:
    return {
        "id": "stolen",
        "type": "hotlist",
        "purpose": "wanted-vehicles",
        "authority": AUTHORITY,
        "reveal": "vehicle",
        "list": "stolen",
        "min_posterior": 0.9,
        "min_margin": 0.5,
        **changed,
    }


def policy(
    *, receipts: str = "required", rules: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    return {
        "schema": "edge-anpr/policy/1",
        "site": SITE,
        "epoch_minutes": 15,
        "purposes": {
            "wanted-vehicles": {"text": {"en": "Find stolen vehicles."}, "retention_hours": 24}
        },
        "authorities": {
            AUTHORITY: {
                "name": "Police zone of the test",
                "keys": f"keys/{AUTHORITY}.public.json",
                "receipts": receipts,
            }
        },
        "lists": {"stolen": {"kind": "alert", "file": "lists/stolen.csv", "max_entries": 50}},
        "cameras": {CAMERA: {"place": "a rendered street"}},
        "rules": rules if rules is not None else [hotlist_rule()],
    }


def site(*, port: int = 1883, **changed: Any) -> dict[str, Any]:
    return {
        "schema": "edge-anpr/site/1",
        "site": SITE,
        "box": BOX,
        "cameras": {CAMERA: {}},
        "models": {"detector": "yolo-v9-t-416", "reader": "cct-xs-v2"},
        "broker": {"host": "127.0.0.1", "port": port},
        "outbox": {"reserve_mib": 8},
        **changed,
    }


def make_site(
    base: Path,
    *,
    stolen: Iterable[str] = (),
    port: int = 1883,
    policy_yaml: dict[str, Any] | None = None,
    site_yaml: dict[str, Any] | None = None,
) -> MadeSite:
    """Write a whole site below `base`, with fresh keys for box and authority."""
    folder, authority = base / "site", base / "authority"
    (folder / "lists").mkdir(parents=True)
    write_yaml(folder / "policy.yaml", policy_yaml if policy_yaml is not None else policy())
    write_yaml(folder / "site.yaml", site_yaml if site_yaml is not None else site(port=port))
    (folder / "lists" / "stolen.csv").write_text(list_csv(stolen))
    now = datetime.now(timezone.utc)
    new_box_keys(folder / "keys", SITE, BOX, now, trial=True)
    public = new_authority_keys(authority, AUTHORITY, now, trial=True)
    shutil.copy(public, folder / "keys" / f"{AUTHORITY}.public.json")
    return MadeSite(folder, authority)


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    # JSON is YAML, and says exactly what the test says.
    path.write_text(json.dumps(content, indent=2))


@contextmanager
def outbox_of(made: MadeSite) -> Iterator[Outbox]:
    """The outbox of a box that does not run."""
    with (
        Keyring.open(made.keyring, SystemClock()) as keyring,
        Outbox.open(made.state, keyring, reserve_mib=8) as outbox,
    ):
        yield outbox


def set_port(made: MadeSite, port: int) -> None:
    """Point a site at another broker."""
    path = made.folder / "site.yaml"
    content = yaml.safe_load(path.read_text())
    content["broker"]["port"] = port
    write_yaml(path, content)
