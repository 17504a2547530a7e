"""`edge-anpr policy sign`: what it refuses, and whose key it names in the cure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.adapters.state.key_files import load_signer_key
from edge.adapters.state.key_making import new_signer_key
from edge.errors import ExitCode
from tests.support.product import verb
from tests.support.signing import change, make_signers, refused
from tests.support.sites import MadeSite, hotlist_rule, make_site, sign_site, texts

NOW = datetime.now(timezone.utc)


@pytest.fixture
def made(tmp_path: Path) -> MadeSite:
    return make_site(tmp_path, stolen=["1ABC123"])


@pytest.fixture
def keys(made: MadeSite, tmp_path: Path) -> dict[str, Path]:
    """Real keys of all signers, each in its own file; the site's policy names them."""
    return make_signers(made, tmp_path / "signers")


def rename(made: MadeSite, old: str, new: str) -> None:
    signers = yaml.safe_load((made.folder / "policy.yaml").read_text())["approvals"]["signers"]
    signers[new] = signers.pop(old)
    change(made, approvals={"signers": signers})


def test_p1_a_key_that_is_listed_under_another_id_gets_the_cure(
    made: MadeSite, keys: dict[str, Path]
) -> None:
    """Also where a key of another duty, or of another signer, is used by mistake."""
    cure = ("lists this key under the id burgomaster", "write mayor instead of burgomaster")
    rename(made, "mayor", "burgomaster")
    for done in (
        verb("policy", "sign", made.folder, "--key", keys["mayor"]),
        verb("policy", "sign", made.folder, "--key", keys["mayor"], "--json"),
    ):
        refused(done, ExitCode.CONFIG, "E_QUORUM", "signer mayor: ", *cure)
    rename(made, "chief", "mayor")
    done = verb("policy", "sign", made.folder, "--key", keys["mayor"])
    refused(done, ExitCode.KEYS, "E_SIGNATURE", *cure)
    for name, section in (("vtc", "suspension.keys.vtc"), ("office", "issuers.office")):
        done = verb("policy", "sign", made.folder, "--key", keys[name])
        refused(done, ExitCode.CONFIG, "E_QUORUM", f"this key as {section}", "keys new signer")


def test_p1_a_controller_whose_key_is_listed_under_another_id_gets_the_cure(
    made: MadeSite, keys: dict[str, Path]
) -> None:
    rename(made, "mayor", "burgomaster")
    signing = {name: load_signer_key(keys[name]) for name in ("chief", "officer")}
    mayor = load_signer_key(keys["mayor"])
    signing["burgomaster"] = replace(mayor, signer="burgomaster")
    sign_site(made.folder, keys=signing)

    done = verb("policy", "activate", made.folder, "--key", keys["mayor"])

    refused(done, ExitCode.CONFIG, "E_QUORUM", "write mayor instead of burgomaster")


REFUSED_BY_CHECK: dict[str, dict[str, Any]] = {
    "a purpose that nobody defines": {"rules": [hotlist_rule(purpose="unknown")]},
    "an authority that nobody defines": {"rules": [hotlist_rule(authority="unknown")]},
    "a sunset that has passed": {"activation": {"sunset": "2026-02-01"}},
    "an evaluation that is overdue": {"evaluation": {"next_due": "2026-11-01"}},
    "a review that has passed": {"dpia": {"review_date": "2026-02-01"}},
    "a decision of a day to come": {
        "legal": {"council_decision": {"reference": "Council 1", "date": "2999-01-01"}}
    },
    "accuracy of a day to come": {"accuracy": {"date": "2999-01-01"}},
    "an interval of one's own": {"accuracy": {"interval": [0.99, 1]}},
}


@pytest.mark.parametrize("name", REFUSED_BY_CHECK)
def test_p18_what_check_refuses_is_not_signed(
    made: MadeSite, keys: dict[str, Path], name: str
) -> None:
    change(made, **REFUSED_BY_CHECK[name])
    before = (made.folder / "policy.signatures.json").read_bytes()

    check = verb("check", made.folder, "--json")
    done = verb("policy", "sign", made.folder, "--key", keys["mayor"])

    assert check.status == ExitCode.CONFIG
    (code,) = {one["code"] for one in check.json["findings"] if one["severity"] != "warning"}
    refused(done, ExitCode.CONFIG, code, "policy.yaml")
    assert (made.folder / "policy.signatures.json").read_bytes() == before


def test_p1_a_policy_is_signed_before_its_first_day(made: MadeSite, keys: dict[str, Path]) -> None:
    soon = (NOW + timedelta(days=3)).date().isoformat()
    last = (NOW + timedelta(days=40)).date().isoformat()
    change(made, activation={"not_before": soon})
    change(made, evaluation={"last": None, "next_due": last})

    check = verb("check", made.folder, "--json")
    assert check.json["ready"]
    assert "activation.not_before" in {one["field"] for one in check.json["findings"]}
    for name in ("mayor", "chief", "officer"):
        done = verb("policy", "sign", made.folder, "--key", keys[name])
        assert done.status == 0, done.err
    early = verb("policy", "activate", made.folder, "--key", keys["mayor"])
    refused(early, ExitCode.CONFIG, "E_SEQUENCE", soon)


def test_p1_a_demo_policy_is_signed_in_ten_years(made: MadeSite) -> None:
    """Its recordings are judged by their own day."""
    made = make_site(made.folder.parent / "demo", stolen=[])
    change(made, activation={"not_before": "2015-01-05", "sunset": "2017-12-31"}, version=2)
    change(made, evaluation={"last": None, "next_due": "2016-01-04"})
    past = {"reference": "R", "date": "2014-10-20"}
    change(
        made,
        legal=dict.fromkeys(("council_decision", "police_advice", "camera_declaration"), past),
        dpia={
            "date": "2014-10-20",
            "review_date": "2016-10-20",
            "dpo_opinion": {"date": "2014-10-21", "text": texts("Favourable opinion")},
        },
        alternatives={
            name: {"date": "2014-09-26", "evidence": "Report", "outcome": texts("No effect")}
            for name in ("physical", "awareness", "targeted")
        },
    )
    content = yaml.safe_load((made.folder / "policy.yaml").read_text())
    content["purposes"]["wanted-vehicles"]["safety_evidence"]["date"] = "2014-10-02"
    change(made, purposes=content["purposes"])
    key = new_signer_key(made.folder.parent / "signers", "mayor", NOW, demo=True)

    done = verb("policy", "sign", made.folder, "--key", key)

    assert done.status == 0, done.err
