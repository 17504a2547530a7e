"""Site folders for tests of the whole product: real files, real keys, a broker's port."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import yaml

from edge.adapters.host.system import SystemClock
from edge.adapters.state.key_files import load_box_keys, load_box_public_keys
from edge.adapters.state.key_making import new_authority_keys, new_box_keys
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.list_store import ListStore
from edge.adapters.state.outbox import Outbox
from edge.domain.schedule import DAYS
from edge.errors import ConfigError
from edge.formats.signing import SigningKey
from edge.formats.timestamps import milliseconds, parse_utc, utc_text
from edge.policy.bundles import ListContent, build_bundle, list_terms
from edge.policy.lists import read_list
from edge.policy.signatures import SIGNATURES_FILE, add_signature
from edge.site.folder import read_policy
from tests.support.assessments import assessment

NOBODY_LISTENS = 1
"""A port on which no broker listens: a broker of this machine must not take part in a test."""

SITE, BOX, CAMERA, AUTHORITY = "test-street", "box-1", "cam-1", "police-zone"
SIGNERS = {"mayor": "controller", "chief": "police", "officer": "dpo"}
DPIA = assessment("wanted-vehicles", "more", "quiet", "a-further-risk")
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
        """The box's public keys, as the authority has them."""
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
        "hours_justification": texts("A stolen vehicle may pass at any hour"),
        **changed,
    }


def policy(
    *, receipts: str = "required", rules: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    today = datetime.now(timezone.utc).date()
    chosen = rules if rules is not None else [hotlist_rule()]
    return {
        "schema": "edge-anpr/policy/3",
        "site": SITE,
        "version": 1,
        "legal": {
            "regime": "camera_act",
            "basis": texts("Camera act, article 5"),
            "council_decision": {"reference": "Council 1", "date": "2025-11-24"},
            "police_advice": {"reference": "Police 1", "date": "2025-11-07"},
            "camera_declaration": {"reference": "Declaration 1", "date": "2025-12-15"},
        },
        "purposes": {
            "wanted-vehicles": {
                "text": texts("Find stolen vehicles."),
                "necessity": texts("Signs did not help"),
                "safety_evidence": {
                    "reference": "Count 1",
                    "date": "2025-10-02",
                    "finding": texts("Many drive too fast"),
                },
                "retention_hours": 24,
            }
        },
        "finance": {"vendor_paid_per_fine": False},
        "alternatives": {
            name: {"date": "2025-09-26", "evidence": "Report", "outcome": texts("No effect")}
            for name in ("physical", "awareness", "targeted")
        },
        "dpia": {
            "reference": "Assessment 1",
            "version": "1",
            "date": "2025-10-20",
            "file": "dpia.md",
            "sha256": hashlib.sha256(DPIA).hexdigest(),
            "review_date": "2028-10-20",
            "dpo_opinion": {"date": "2025-10-27", "text": texts("Favourable opinion")},
            "risks": [
                {"risk": risk, "measure": texts("Hours, checks and ends")}
                for risk in ("excessive-monitoring", "error-margins", "permanent-lists")
            ],
            "purposes": ["wanted-vehicles"],
        },
        "accuracy": {
            "date": "2025-10-13",
            "method": texts("Rendered clips"),
            "vehicles": 25,
            "exact": 25,
            "interval": [0.867, 1],
        },
        "activation": {"not_before": "2026-01-05", "sunset": "2030-12-31"},
        # Recordings without a recording time are judged by the current date.
        "evaluation": {
            "last": {
                "reference": "Evaluation 1",
                "date": (today - timedelta(days=30)).isoformat(),
                "outcome": texts("Still needed"),
            },
            "next_due": (today + timedelta(days=300)).isoformat(),
        },
        "controller": {"name": "Town", "contact": "town@test.example"},
        "dpo": {"name": "Officer", "contact": "officer@test.example"},
        "supervisory_authorities": [{"name": "Commission", "contact": "vtc@test.example"}],
        "rights": {
            "text": texts("You may ask for access"),
            "contact": "rights@test.example",
            "complaint": {"name": "Ombudsman", "contact": "ombudsman@test.example"},
        },
        "information_board": {
            "places": [texts("Each entrance")],
            "website": "https://test.example",
        },
        "approvals": {
            "quorum": ["controller", "police", "dpo"],
            "signers": {
                name: {"role": role, "name": name, **demo_key(name)}
                for name, role in SIGNERS.items()
            },
        },
        "suspension": {"keys": {"vtc": {"name": "Commission", **demo_key("vtc")}}},
        "cameras": {
            CAMERA: {
                "place": texts("a rendered street"),
                "field_of_view": {
                    "text": texts("the lane"),
                    "bearing_degrees": 0,
                    "angle_degrees": 40,
                    "reach_m": 30,
                },
                "hours": {"weekly": {day: ["00:00-24:00"] for day in DAYS}},
                "hours_justification": texts("The recordings were made at any hour of the day"),
            }
        },
        "authorities": {
            AUTHORITY: {
                "name": "Police zone of the test",
                "keys": f"keys/{AUTHORITY}.public.json",
                "receipts": receipts,
                "valid": {"from": "2026-01-01", "until": "2030-12-31"},
                "competence": {
                    "rules": [rule["id"] for rule in chosen],
                    "cameras": [CAMERA],
                },
            }
        },
        "issuers": {"office": {"name": "Office", **demo_key("office")}},
        "lists": {
            "stolen": {
                "kind": "alert",
                "text": texts("Stolen"),
                "file": "lists/stolen.csv",
                "issuers": ["office"],
                "max_entries": 50,
                "max_entry_days": 1830,
            }
        },
        "epoch_minutes": 15,
        "rules": chosen,
    }


def texts(text: str) -> dict[str, str]:
    """A text in four languages, which differ as translations do."""
    return {"nl": f"{text} (nl)", "fr": f"{text} (fr)", "de": f"{text} (de)", "en": text}


def demo_key(name: str) -> dict[str, Any]:
    return {"key": SigningKey.demo_of(name).public.text, "demo": True}


def make_real(
    made: MadeSite, keys: dict[str, SigningKey], *, days: int = 60, with_list: bool = True
) -> None:
    """Give a site real keys, currently valid dates, its signatures, and its list as a bundle.

    The site is not activated yet. Its CSV file remains and is no longer read.
    """
    path = made.folder / "policy.yaml"
    content = yaml.safe_load(path.read_text())
    for holders in (
        content["approvals"]["signers"],
        content["suspension"]["keys"],
        content["issuers"],
    ):
        for name, holder in holders.items():
            keys.setdefault(name, SigningKey.generate(name))
            holder.update(key=keys[name].public.text, demo=False)
    today = datetime.now(timezone.utc).date()
    later = (today + timedelta(days=days)).isoformat()
    content["activation"]["sunset"] = later
    content["activation"]["not_before"] = (today - timedelta(days=30)).isoformat()
    content["evaluation"]["next_due"] = later
    content["dpia"]["review_date"] = later
    content["accuracy"]["date"] = (today - timedelta(days=60)).isoformat()
    for authority in content["authorities"].values():
        authority["valid"]["until"] = later
    write_yaml(path, content)
    sign_site(made.folder, keys=keys)
    if with_list:
        install_list(made, keys["office"])


def install_list(made: MadeSite, key: SigningKey) -> None:
    """Install the content of the CSV file as its issuer's bundle."""
    now = parse_utc(utc_text(datetime.now(timezone.utc)))
    policy = read_policy(made.folder / "policy.yaml").model
    content = ListContent(
        list_id="stolen",
        site=SITE,
        box=BOX,
        issuer=key.signer,
        purpose="wanted-vehicles",
        counter=milliseconds(now),
        issued_at=now,
        entries=read_list(made.folder / "lists" / "stolen.csv", zone=policy.zone, max_entries=50),
    )
    bundle = build_bundle(content, key, load_box_public_keys(made.box_keys))
    keys = load_box_keys(made.folder / "keys")
    ListStore(made.state, keys, list_terms(policy), lambda: now).install(bundle)


def sign_site(folder: Path, *signers: str, keys: dict[str, SigningKey] | None = None) -> None:
    """Sign the site's policy, with demo keys if no others are given; as every signer by default.

    An incomplete policy is not signed.
    """
    try:
        document = read_policy(folder / "policy.yaml").model
    except ConfigError:
        return
    signatures = None
    for name in signers or document.approvals.signers:
        key = SigningKey.demo_of(name) if keys is None else keys[name]
        signatures = add_signature(document, key, signatures)
    if signatures is not None:
        (folder / SIGNATURES_FILE).write_text(signatures.text())


def site(*, port: int = NOBODY_LISTENS, **changed: Any) -> dict[str, Any]:
    return {
        "schema": "edge-anpr/site/1",
        "site": SITE,
        "box": BOX,
        "cameras": {CAMERA: {}},
        "models": {"provider": "cpu"},
        "broker": {"host": "127.0.0.1", "port": port},
        "outbox": {"reserve_mib": 8},
        **changed,
    }


def make_site(
    base: Path,
    *,
    stolen: Iterable[str] = (),
    port: int = NOBODY_LISTENS,
    policy_yaml: dict[str, Any] | None = None,
    site_yaml: dict[str, Any] | None = None,
) -> MadeSite:
    """Write a whole site below `base`, with fresh keys for box and authority."""
    folder, authority = base / "site", base / "authority"
    (folder / "lists").mkdir(parents=True)
    write_yaml(folder / "policy.yaml", policy_yaml if policy_yaml is not None else policy())
    write_yaml(folder / "site.yaml", site_yaml if site_yaml is not None else site(port=port))
    (folder / "dpia.md").write_bytes(DPIA)
    sign_site(folder)
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
    """The outbox of a stopped box, with the size that the box gave it."""
    with (
        Keyring.open(made.keyring, SystemClock()) as keyring,
        Outbox.open(made.state, keyring, reserve_mib=1) as outbox,
    ):
        yield outbox


def set_port(made: MadeSite, port: int) -> None:
    """Point a site at another broker."""
    path = made.folder / "site.yaml"
    content = yaml.safe_load(path.read_text())
    content["broker"]["port"] = port
    write_yaml(path, content)
