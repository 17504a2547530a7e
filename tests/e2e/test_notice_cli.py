"""`edge-anpr notice` as a process: notices are written, verified and refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.adapters.state.policy_state import PolicyState
from edge.formats.signing import SigningKey
from edge.policy.activation import InForce, activate
from edge.policy.model import Policy
from edge.policy.notice.words import Words
from edge.policy.signatures import read_signatures
from edge.site.folder import read_policy
from edge.texts import LANGUAGES
from tests.support.assessments import assessment
from tests.support.canary import needles, sweep_tree
from tests.support.product import REPOSITORY, product
from tests.support.sites import (
    BOX,
    MadeSite,
    hotlist_rule,
    list_csv,
    make_site,
    policy,
    sign_site,
    texts,
)

CONFIG = REPOSITORY / "config"
EXAMPLES = sorted(file.parent.name for file in CONFIG.glob("*/policy.yaml"))
REVEAL = "rules.stolen.reveal"
WRITTEN_ANEW = assessment("wanted-vehicles", REVEAL)
BOARDS = {f"information-board.{language}.svg" for language in LANGUAGES}


@pytest.mark.parametrize("name", EXAMPLES)
def test_p14_the_notice_of_an_example_is_written_and_verified(name: str, tmp_path: Path) -> None:
    made = product("notice", CONFIG / name, "--out", tmp_path / "notice", "--json")

    assert made.status == 0, made.err
    assert {path.name for path in (tmp_path / "notice").iterdir()} == {"index.html", *BOARDS}
    assert made.json["draft"] is False
    verified = product("notice", "verify", tmp_path / "notice", "--site", CONFIG / name, "--json")
    assert verified.status == 0, verified.err
    assert verified.json["policy_sha256"] == made.json["policy_sha256"]
    assert len(verified.json["files"]) == 5


def test_p14_policy_and_signatures_alone_are_enough_to_verify(tmp_path: Path) -> None:
    made = make_site(tmp_path)
    written = product("notice", made.folder, "--out", tmp_path / "notice")
    assert written.status == 0, written.err
    public = tmp_path / "public"
    public.mkdir()
    for name in ("policy.yaml", "policy.signatures.json"):
        shutil.copy(made.folder / name, public)

    verified = product("notice", "verify", tmp_path / "notice" / "index.html", "--site", public)

    assert verified.status == 0, verified.err
    assert "matches version 1 of test-street" in verified.out


def test_p14_an_edited_page_and_an_edited_sign_fail_verification(tmp_path: Path) -> None:
    made = make_site(tmp_path)
    out = tmp_path / "notice"
    product("notice", made.folder, "--out", out)
    page = out / "index.html"
    page.write_text(page.read_text().replace("At most 24 hours", "At most 12 hours", 1))
    sign = out / "information-board.fr.svg"
    sign.write_text(sign.read_text().replace("Town", "Town hall", 1))

    altered = product("notice", "verify", page, "--site", made.folder)
    forged = product("notice", "verify", sign, "--site", made.folder)
    both = product("notice", "verify", out, "--site", made.folder)

    assert [one.status for one in (altered, forged, both)] == [3, 3, 3]
    assert "E_NOTICE" in altered.err
    assert "section en-retention" in altered.err
    assert "E_NOTICE" in forged.err
    assert len(altered.error_lines) == len(forged.error_lines) == 1


def test_p14_swapped_signs_fail_verification(tmp_path: Path) -> None:
    made = make_site(tmp_path)
    out = tmp_path / "notice"
    product("notice", made.folder, "--out", out)
    shutil.copy(out / "information-board.nl.svg", out / "information-board.de.svg")

    found = product("notice", "verify", out, "--site", made.folder)

    assert found.status == 3
    assert "holds information-board.nl.svg" in found.err


def test_p14_a_policy_that_not_everyone_signed_gives_only_a_draft(tmp_path: Path) -> None:
    made = make_site(tmp_path)
    (made.folder / "policy.signatures.json").unlink()
    unsigned = product("notice", made.folder, "--out", tmp_path / "notice")
    sign_site(made.folder, "mayor", "officer")
    partly = product("notice", made.folder, "--out", tmp_path / "notice")

    assert (unsigned.status, partly.status) == (7, 3)
    assert "E_SIGNATURE" in unsigned.err
    assert "E_QUORUM" in partly.err
    assert not (tmp_path / "notice").exists()

    draft = product("notice", made.folder, "--draft", "--out", tmp_path / "draft")
    assert draft.status == 0, draft.err
    text = (tmp_path / "draft" / "index.html").read_text()
    for language in LANGUAGES:
        assert Words(language)("banner.draft_title") in text
    sign_site(made.folder)
    verified = product("notice", "verify", tmp_path / "draft" / "index.html", "--site", made.folder)
    assert verified.status == 3
    assert "a draft" in verified.err


def test_p14_a_policy_changed_after_signing_gives_no_notice(tmp_path: Path) -> None:
    made = make_site(tmp_path)
    file = made.folder / "policy.yaml"
    content = yaml.safe_load(file.read_text())
    content["purposes"]["wanted-vehicles"]["retention_hours"] = 48
    file.write_text(json.dumps(content))

    refused = product("notice", made.folder, "--out", tmp_path / "notice")

    assert refused.status == 7
    assert "E_SIGNATURE" in refused.err


def test_p2_a_changed_dpia_gives_no_notice(tmp_path: Path) -> None:
    made = make_site(tmp_path)
    (made.folder / "dpia.md").write_text("Another assessment.\n")

    refused = product("notice", made.folder, "--out", tmp_path / "notice")

    assert refused.status == 3
    assert "E_DPIA_HASH" in refused.err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["notice"], 2),
        (["notice", "verify"], 2),
        (["notice", "{site}"], 2),
        (["notice", "{site}", "--out", "{site}/policy.yaml"], 2),
        (["notice", "{site}/nowhere", "--out", "{site}/out"], 3),
        (["notice", "verify", "{site}/nowhere.html", "--site", "{site}"], 3),
        (["notice", "verify", "{site}/keys", "--site", "{site}"], 3),
        (["notice", "verify", "{site}/policy.yaml", "--site", "{site}"], 3),
    ],
)
def test_a_usage_error_is_one_line(tmp_path: Path, arguments: list[str], status: int) -> None:
    made = make_site(tmp_path)
    done = product(*(one.format(site=made.folder) for one in arguments))

    assert done.status == status
    assert "Traceback" not in done.err


@pytest.mark.parametrize("draft", [[], ["--draft"]])
def test_a_contradictory_policy_gives_neither_notice_nor_draft(
    tmp_path: Path, draft: list[str]
) -> None:
    made = make_site(tmp_path, policy_yaml=policy(rules=[hotlist_rule(list="nowhere")]))

    refused = product("notice", made.folder, "--out", tmp_path / "notice", *draft)

    assert refused.status == 3
    assert "no list has this name" in refused.err
    assert "E_INTERNAL" not in refused.err


def in_force(made: MadeSite) -> None:
    whole = read_policy(made.folder / "policy.yaml").model
    signatures = read_signatures(made.folder / "policy.signatures.json")
    record = activate(whole, BOX, SigningKey.demo_of("mayor"), datetime.now(timezone.utc))
    PolicyState(made.folder / "state").put_in_force(
        InForce(activation=record, policy=whole, signatures=signatures)
    )


def widened() -> dict[str, Any]:
    content = policy(rules=[hotlist_rule(reveal="vehicle")])
    content |= {"version": 2}
    content["dpia"] |= {
        "date": "2026-03-01",
        "dpo_opinion": {"date": "2026-03-02", "text": texts("Still favourable")},
        "covers": [REVEAL],
        "sha256": hashlib.sha256(WRITTEN_ANEW).hexdigest(),
    }
    content["activation"] = {"not_before": "2026-04-01", "sunset": "2028-12-31"}
    draft = Policy.model_validate(content).draft_sha256()
    content["dpia"]["dpo_opinion"]["draft_sha256"] = draft
    return content


def test_p4_the_notice_lists_what_widened_since_the_previous_version(tmp_path: Path) -> None:
    made = make_site(tmp_path, policy_yaml=policy(rules=[hotlist_rule(reveal="plate")]))
    in_force(made)
    (made.folder / "dpia.md").write_bytes(WRITTEN_ANEW)
    (made.folder / "policy.yaml").write_text(json.dumps(widened()))
    sign_site(made.folder)

    written = product("notice", made.folder, "--out", tmp_path / "notice")

    assert written.status == 0, written.err
    text = (tmp_path / "notice" / "index.html").read_text()
    history = text[text.index('id="en-history"') : text.index('id="en-rights"')]
    assert '<span class="tag widening">Wider</span>' in history
    assert "what a picture shows" in history
    assert "Version 1" in history


def test_p8_a_notice_contains_no_plate_of_a_list(tmp_path: Path) -> None:
    plate = "1QXJ742"
    made = make_site(tmp_path, stolen=[plate])
    assert plate in (made.folder / "lists" / "stolen.csv").read_text()

    done = product("notice", made.folder, "--out", tmp_path / "notice")

    assert done.status == 0, done.err
    assert sweep_tree([tmp_path / "notice"], needles(plate)) == []
    assert list_csv([plate]) not in done.out + done.err
