"""The mayor alone, on a box where a policy is in force: nothing that touches rights changes.

Through `edge-anpr policy sign` and `activate` as processes, with real keys of all signers.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.adapters.state.key_files import load_signer_key
from edge.adapters.state.policy_state import PolicyState
from edge.formats.signing import SigningKey
from edge.policy.model import Policy
from edge.policy.signatures import SIGNATURES_FILE, add_signature
from edge.site.folder import read_policy
from tests.support.assessments import assessment
from tests.support.product import verb
from tests.support.signing import make_signers
from tests.support.sites import DPIA, MadeSite, make_site, texts, write_yaml

Edit = Callable[[dict[str, Any]], object]
NOW = datetime.now(timezone.utc)
SIGNERS = ("mayor", "chief", "officer")


def day(days: int) -> str:
    return (NOW + timedelta(days=days)).date().isoformat()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[MadeSite, dict[str, Path]]:
    """A site with a policy in force, and the key files of its signers."""
    base = tmp_path_factory.mktemp("original")
    made = make_site(base, stolen=["1ABC123"])
    files = make_signers(made, base / "signers")
    done = verb("policy", "activate", made.folder, "--key", files["mayor"])
    assert done.status == 0, done.err
    return made, files


@pytest.fixture
def box(
    original: tuple[MadeSite, dict[str, Path]], tmp_path: Path
) -> tuple[MadeSite, dict[str, SigningKey], Path]:
    made, files = original
    shutil.copytree(made.folder, tmp_path / "site")
    copy = MadeSite(tmp_path / "site", made.authority_keys)
    return copy, {name: load_signer_key(files[name]) for name in SIGNERS}, files["mayor"]


def change(made: MadeSite, *edits: Edit) -> Policy:
    """Write the next version of the site's policy."""
    path = made.folder / "policy.yaml"
    content = yaml.safe_load(path.read_text())
    content["version"] += 1
    for edit in edits:
        edit(content)
    write_yaml(path, content)
    return read_policy(path).model


def sign(made: MadeSite, what: Policy, *keys: SigningKey) -> None:
    """Sign whatever the policy says, as somebody with the key and a program of their own can."""
    signatures = None
    for key in keys:
        signatures = add_signature(what, key, signatures)
    assert signatures is not None
    (made.folder / SIGNATURES_FILE).write_text(signatures.text())


def set_(path: str, value: object) -> Edit:
    *way, last = path.split("/")

    def edit(content: dict[str, Any]) -> None:
        for step in way:
            content = content[step]
        content[last] = value

    return edit


def evaluation(date: str, due: str) -> Edit:
    last = {"reference": "Evaluation 2", "date": date, "outcome": texts("Still needed")}
    return set_("evaluation", {"last": last, "next_due": due})


def dpia(made: MadeSite, content: bytes, **more: Any) -> Edit:
    """Put another document in the place of the DPIA."""
    (made.folder / "dpia.md").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return lambda policy: policy["dpia"].update(sha256=digest, **more)


ALONE: dict[str, tuple[Callable[[MadeSite], list[Edit]], set[str]]] = {
    # What the mayor changes, and the codes with which it may be refused.
    "an evaluation two years ahead": (
        lambda _: [evaluation(day(730), day(1000))],
        {"E_EVALUATION"},
    ),
    "an evaluation of today": (lambda _: [evaluation(day(0), day(360))], {"E_EVALUATION"}),
    "the next evaluation put off": (
        lambda _: [set_("evaluation/next_due", day(200))],
        {"E_EVALUATION"},
    ),
    "a later end": (lambda _: [set_("activation/sunset", day(400))], {"E_QUORUM"}),
    "a longer lease": (lambda _: [set_("activation/lease_days", 366)], {"E_QUORUM"}),
    "a later review": (lambda _: [set_("dpia/review_date", "2028-10-20")], {"E_QUORUM"}),
    "a longer mandate": (
        lambda _: [set_("authorities/police-zone/valid/until", day(300))],
        {"E_QUORUM"},
    ),
    "a DPIA of two bytes": (lambda made: [dpia(made, b"ok")], {"E_QUORUM", "E_DPIA"}),
    "a DPIA with a line more": (lambda made: [dpia(made, DPIA + b"\n")], {"E_QUORUM"}),
    "a review in the year 2099": (
        lambda made: [dpia(made, DPIA + b"\n", review_date="2099-12-31")],
        {"E_DPIA_REVIEW"},
    ),
    "another legal basis": (lambda _: [set_("legal/basis", texts("Another act"))], {"E_QUORUM"}),
    "an invented council": (
        lambda _: [set_("legal/council_decision", {"reference": "C 99", "date": "2025-11-24"})],
        {"E_QUORUM"},
    ),
    "complaints to the mayor": (
        lambda _: [set_("rights/complaint/contact", "mayor@test.example")],
        {"E_QUORUM"},
    ),
    "1000 of 1000": (
        lambda _: [
            set_(
                "accuracy",
                {
                    "date": "2025-10-13",
                    "method": texts("Rendered clips"),
                    "vehicles": 1000,
                    "exact": 1000,
                    "interval": [0.996, 1],
                },
            )
        ],
        {"E_QUORUM"},
    ),
    "a list of other vehicles": (
        lambda _: [set_("lists/stolen/text", texts("Who was at the demonstration"))],
        {"E_QUORUM"},
    ),
    "a list from another file": (
        lambda _: [set_("lists/stolen/file", "lists/other.csv")],
        {"E_QUORUM"},
    ),
    "another officer": (lambda _: [set_("dpo/name", "The mayor's nephew")], {"E_QUORUM"}),
    "a decision of a day to come": (
        lambda _: [
            set_("legal/council_decision", {"reference": "Council 2", "date": day(1)}),
            set_("activation/not_before", day(2)),
        ],
        {"E_QUORUM", "E_SEQUENCE"},
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_p4_the_mayor_alone_changes_nothing_that_touches_rights(
    box: tuple[MadeSite, dict[str, SigningKey], Path], name: str
) -> None:
    made, keys, mayor = box
    edits, codes = ALONE[name]
    before = (made.state / "activation.json").read_bytes()
    changed = change(made, *edits(made))
    sign(made, changed, keys["mayor"])

    for command in ("activate", "renew"):
        done = verb("policy", command, made.folder, "--key", mayor, "--json")
        assert done.status != 0
        assert "Traceback" not in done.err
        assert len(done.error_lines) == 1
        refused = codes if command == "activate" else {*codes, "E_NOT_IN_FORCE"}
        assert any(code in done.err for code in refused), done.err
    assert (made.state / "activation.json").read_bytes() == before
    known = PolicyState(made.state).in_force()
    assert known is not None
    assert known.policy.version == 1


def test_p20_an_evaluation_of_a_day_to_come_is_refused_to_all_three(
    box: tuple[MadeSite, dict[str, SigningKey], Path],
) -> None:
    made, keys, mayor = box
    changed = change(made, evaluation(day(2), day(360)))  # in every time zone
    sign(made, changed, *keys.values())

    for done in (
        verb("policy", "sign", made.folder, "--key", mayor),
        verb("policy", "activate", made.folder, "--key", mayor),
        verb("policy", "activate", made.folder, "--key", mayor, "--out", made.folder / "lease"),
        verb("check", made.folder),
    ):
        assert done.status == 3
        assert "E_EVALUATION" in done.err
    changed = change(made, evaluation(day(0), day(360)))
    sign(made, changed, *keys.values())
    done = verb("policy", "activate", made.folder, "--key", mayor)
    assert done.status == 0, done.err


FIELD = "cameras.cam-1.field_of_view.reach_m"
COVERING = assessment("wanted-vehicles", FIELD)
SEEN, OLD = day(-10), day(-40)
"""After and before the version in force could work; both are after the new DPIA."""
LACKING = {
    # The DPIA, what it covers, the day of the opinion on this draft; the code and its words.
    "the old DPIA": (DPIA, [FIELD], SEEN, "E_DPIA_WIDENING", "the one of version 1"),
    "a line more": (DPIA + b"\n", [], SEEN, "E_DPIA_WIDENING", f"does not cover {FIELD}"),
    "a line more, and a claim": (DPIA + b"\n", [FIELD], SEEN, "E_DPIA", f"not name {FIELD}"),
    "no claim": (COVERING, [], SEEN, "E_DPIA_WIDENING", f"does not cover {FIELD}"),
    "no opinion on it": (COVERING, [FIELD], None, "E_DPIA_WIDENING", "not on this draft"),
    "an older opinion": (COVERING, [FIELD], OLD, "E_DPIA_WIDENING", "is before the new DPIA"),
    "nothing": (COVERING, [FIELD], SEEN, None, ""),
}


@pytest.mark.parametrize("name", LACKING)
def test_p2_three_signatures_do_not_widen_without_a_dpia_and_an_opinion_on_it(
    box: tuple[MadeSite, dict[str, SigningKey], Path], name: str
) -> None:
    made, keys, mayor = box
    document, covers, seen, code, words = LACKING[name]
    wider = set_("cameras/cam-1/field_of_view/reach_m", 60)
    start = set_("activation/not_before", day(-5))
    changed = change(made, wider, start, dpia(made, document, date="2026-02-01", covers=covers))
    opinion = {"date": seen or SEEN, "text": texts("Favourable opinion")}
    if seen is not None:
        opinion["draft_sha256"] = changed.draft_sha256()
    changed = change(made, set_("dpia/dpo_opinion", opinion), set_("version", changed.version))
    sign(made, changed, *keys.values())

    done = verb("policy", "activate", made.folder, "--key", mayor, "--json")

    assert (done.status == 0) is (code is None), done.err
    assert words in done.err
    assert code is None or f'"code": "{code}"' in done.err
