"""`edge-anpr check` and `edge-anpr policy` as processes: checklist to activation.

Longer than 500 lines because the verbs are tried in the order in which people use them.
"""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.adapters.state.key_files import load_signer_key
from edge.adapters.state.key_making import new_signer_key
from edge.adapters.state.suspension_store import FILE_NAME
from edge.errors import ExitCode
from edge.formats.signing import SigningKey
from edge.formats.yaml_document import read_document
from edge.policy.skeleton import dpia_skeleton
from edge.policy.suspension import Obeyed, SuspensionState, new_order
from edge.site.folder import read_policy
from edge.site.settings import Site
from edge.texts import LANGUAGES, Language
from tests.support.assessments import assessment
from tests.support.product import REPOSITORY, Finished, command, verb
from tests.support.signing import change, make_signers, refused
from tests.support.sites import SITE, MadeSite, make_site, sign_site, texts, write_yaml

EXAMPLES = REPOSITORY / "config"
NOW = datetime.now(timezone.utc)
FAVOURABLE = texts("Favourable opinion")


@pytest.fixture
def made(tmp_path: Path) -> MadeSite:
    return make_site(tmp_path, stolen=["1ABC123"])


@pytest.fixture
def keys(made: MadeSite, tmp_path: Path) -> dict[str, Path]:
    """Real keys of all signers, each in its own file; the site's policy names them."""
    return make_signers(made, tmp_path / "signers")


def sign(made: MadeSite, keys: dict[str, Path], *names: str) -> Finished:
    done = None
    for name in names:
        done = verb("policy", "sign", made.folder, "--key", keys[name])
        assert done.status == 0, done.err
    assert done is not None
    return done


# --- check ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["car-free-zone", "demo", "school-street"])
def test_p18_the_examples_are_ready(name: str) -> None:
    done = verb("check", EXAMPLES / name, "--on", "2026-03-10", "--json")

    assert done.status == 0, done.err
    assert done.json["ready"]
    assert done.json["signed"]
    assert {one["severity"] for one in done.json["findings"]} == {"warning"}


def test_p18_an_empty_policy_gives_the_full_checklist_in_the_requested_language(
    tmp_path: Path,
) -> None:
    (tmp_path / "policy.yaml").touch()
    lists = {lang: verb("check", tmp_path, "--lang", lang, "--json") for lang in ("nl", "fr", "de")}

    for done in lists.values():
        refused(done, ExitCode.CONFIG, "E_HOMEWORK", "policy.yaml")
        assert len(done.json["findings"]) >= 45
        assert not done.json["ready"]
    said = {lang: done.json["findings"][0]["what"] for lang, done in lists.items()}
    assert said["nl"] == "Kies de wet waaronder de camera werkt."
    assert len(set(said.values())) == 3
    plain = verb("check", tmp_path, "--lang", "fr")
    assert "MANQUE" in plain.out
    assert "Pourquoi (P16) : " in plain.out
    assert "P1 à P21 sont les points" in plain.out  # what the numbers are
    assert "remplissez les champs de la liste" in plain.err
    assert "policy.yaml:1:1" in plain.out


def test_p18_check_names_one_open_duty_with_its_code(made: MadeSite) -> None:
    path = made.folder / "policy.yaml"
    content = yaml.safe_load(path.read_text())
    del content["alternatives"]["awareness"]
    write_yaml(path, content)

    refused(verb("check", made.folder, "--on", "2026-03-10"), ExitCode.CONFIG, "E_ALTERNATIVES")


def test_p2_check_shows_the_digest_of_the_dpia_that_is_to_be_pinned(made: MadeSite) -> None:
    path = made.folder / "policy.yaml"
    content = yaml.safe_load(path.read_text())
    digest = content["dpia"].pop("sha256")
    write_yaml(path, content)

    assert f"SHA-256 van het document dat er nu staat: {digest}" in _dutch(made)
    (made.folder / content["dpia"]["file"]).write_text(dpia_skeleton("nl"))
    assert "document dat er nu staat" not in _dutch(made)


def _dutch(made: MadeSite) -> str:
    return verb("check", made.folder, "--on", "2026-03-10", "--lang", "nl").out


def test_p18_an_expired_date_is_on_the_checklist(made: MadeSite) -> None:
    refused(verb("check", made.folder, "--on", "2031-01-01"), ExitCode.CONFIG, "E_HOMEWORK")
    refused(verb("check", made.folder, "--on", "never"), ExitCode.USAGE, "2026-03-10")


def test_p18_a_policy_without_signatures_is_ready_to_be_signed(made: MadeSite) -> None:
    (made.folder / "policy.signatures.json").unlink()

    done = verb("check", made.folder, "--on", "2026-03-10", "--json")

    assert done.status == 0, done.err
    assert (done.json["ready"], done.json["signed"]) == (True, False)
    assert done.json["missing_roles"] == ["controller", "police", "dpo"]


# --- new --------------------------------------------------------------------------------------


def test_p18_a_new_policy_is_a_template_that_check_reads(tmp_path: Path) -> None:
    folder = tmp_path / "street"
    made = verb("policy", "new", folder, "--defaults", "--lang", "nl")

    assert made.status == 0, made.err
    assert "Kies de wet" in (folder / "policy.yaml").read_text()
    refused(verb("check", folder), ExitCode.CONFIG, "E_HOMEWORK", " 1 wrong")  # the DPIA
    refused(verb("policy", "new", tmp_path / "other"), ExitCode.USAGE, "--defaults")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_p18_a_new_site_has_a_valid_site_file_and_a_dpia_that_is_still_to_be_written(
    lang: Language, tmp_path: Path
) -> None:
    folder = tmp_path / "street"
    assert verb("policy", "new", folder, "--defaults", "--lang", lang).status == 0

    site = read_document(folder / "site.yaml", Site).model
    written = yaml.safe_load((folder / "policy.yaml").read_text())
    assert (site.site, written["site"]) == ("street", "street")
    assert set(site.cameras) == set(written["cameras"])
    dpia = (folder / "dpia.md").read_text()
    for name in (*written["purposes"], *(one["risk"] for one in written["dpia"]["risks"])):
        assert name in dpia
    assert dpia.count("35") >= 7  # each heading names its part of Article 35 GDPR
    found = verb("check", folder, "--lang", lang, "--json").json["findings"]
    (wrong,) = (one for one in found if one["severity"] == "wrong")
    assert (wrong["field"], wrong["code"]) == ("dpia.file", "E_DPIA")
    assert {one["severity"] for one in found} == {"missing", "wrong"}


def test_p18_new_files_never_replace_existing_ones(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("mine")
    (tmp_path / "dpia.md").write_text("written long ago")

    done = verb("policy", "new", tmp_path, "--defaults")

    assert done.status == 0, done.err
    assert (tmp_path / "site.yaml").read_text() == "mine"
    assert (tmp_path / "dpia.md").read_text() == "written long ago"
    assert done.out.count("exists already and stays as it is") == 2


def test_p18_beside_a_policy_only_the_missing_files_are_written(made: MadeSite) -> None:
    policy, site = made.folder / "policy.yaml", made.folder / "site.yaml"
    before = policy.read_text()
    (purpose,) = yaml.safe_load(before)["purposes"]
    site.unlink()
    (made.folder / "dpia.md").unlink()

    done = verb("policy", "new", made.folder, "--lang", "nl")

    assert done.status == 0, done.err
    assert policy.read_text() == before
    assert yaml.safe_load(site.read_text())["site"] == yaml.safe_load(before)["site"]
    assert f"`{purpose}`" in (made.folder / "dpia.md").read_text()
    assert done.out.count("bestaat al") == 1


def test_p18_answers_are_checked_and_examples_are_never_filled_in(tmp_path: Path) -> None:
    """On a real terminal: a wrong answer is asked again, an empty one leaves the field blank."""
    answers = ["", "no such act", "camera_act", "tbd", "GR 12", "24/11/2025", "2025-11-24"]
    master, slave = pty.openpty()
    with subprocess.Popen(
        command("policy", "new", tmp_path / "my-street"),
        stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as asked:  # fmt: skip
        os.close(slave)
        os.write(master, "".join(f"{answer}\n" for answer in [*answers, *[""] * 40]).encode())
        told, _ = asked.communicate(timeout=60)
        os.close(master)

    assert asked.returncode == 0, told
    assert told.count("This answer ") == 3
    assert "This answer is none of the choices; take one of gas_speed, " in told
    assert "This answer is no date; write it like 2025-11-24." in told
    assert "with reference and date. Reference (for example" in told
    assert "[" not in told
    written = (tmp_path / "my-street" / "policy.yaml").read_text()
    content = yaml.safe_load(written)
    assert content["site"] == "my-street"
    assert content["legal"]["council_decision"] == {"reference": "GR 12", "date": "2025-11-24"}
    assert content["legal"]["police_advice"] == {"reference": None, "date": None}
    assert content["activation"]["sunset"] is None


@pytest.mark.parametrize("lang", LANGUAGES)
def test_p2_a_dpia_with_places_to_fill_in_is_neither_signed_nor_ready(
    lang: Language, made: MadeSite, keys: dict[str, Path]
) -> None:
    (made.folder / "dpia.md").write_text(dpia_skeleton(lang, ["wanted-vehicles"]))
    path = made.folder / "policy.yaml"
    content = yaml.safe_load(path.read_text())
    content["dpia"]["sha256"] = hashlib.sha256((made.folder / "dpia.md").read_bytes()).hexdigest()
    write_yaml(path, content)

    signing = verb("policy", "sign", made.folder, "--key", keys["mayor"])
    checked = verb("check", made.folder)

    refused(signing, ExitCode.CONFIG, "E_DPIA", "places to fill in: ", ", the first in line 1")
    refused(checked, ExitCode.CONFIG, "E_DPIA")


# --- an unfinished policy ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("policy", "diff", "street", "street"),
        ("policy", "verify", "street"),
        ("notice", "street", "--out", "out"),
        ("notice", "street", "--out", "out", "--draft"),
        ("policy", "sign", "street", "--key", "mayor"),
    ],
    ids=" ".join,
)
def test_an_unfinished_policy_gives_its_first_problem_their_number_and_where_all_are_listed(
    arguments: tuple[str, ...], keys: dict[str, Path], tmp_path: Path
) -> None:
    paths = {"street": tmp_path / "street", "out": tmp_path / "out", "mayor": keys["mayor"]}
    assert verb("policy", "new", paths["street"], "--defaults").status == 0

    done = verb(*(paths.get(one, one) for one in arguments))

    (line,) = done.err.splitlines()
    assert done.status == ExitCode.CONFIG
    assert re.search(r"policy\.yaml:\d+:\d+: .*; and \d{2,3} more: ", line)
    assert f"`edge-anpr check {paths['street']}` lists all" in line


# --- sign and verify --------------------------------------------------------------------------


def test_p1_three_people_sign_one_after_the_other(made: MadeSite, keys: dict[str, Path]) -> None:
    (made.folder / "policy.signatures.json").unlink()
    refused(verb("policy", "verify", made.folder), ExitCode.KEYS, "E_SIGNATURE", "not signed")

    first = sign(made, keys, "mayor")
    assert "still to sign: police, dpo" in first.out
    refused(verb("policy", "verify", made.folder), ExitCode.CONFIG, "E_QUORUM", "police, dpo")
    last = sign(made, keys, "chief", "officer")
    assert "every role has signed" in last.out
    done = verb("policy", "verify", made.folder, "--json")
    assert done.status == 0, done.err
    assert done.json["signers"] == {"mayor": "controller", "chief": "police", "officer": "dpo"}
    assert done.json["demo"] is False


def test_p3_a_changed_policy_is_signed_again_by_all(made: MadeSite, keys: dict[str, Path]) -> None:
    change(made, version=2)

    refused(verb("policy", "verify", made.folder), ExitCode.KEYS, "E_SIGNATURE", "changed")
    sign(made, keys, "mayor")
    refused(verb("policy", "verify", made.folder), ExitCode.CONFIG, "E_QUORUM", "police, dpo")


def test_p1_a_policy_with_an_open_item_on_its_checklist_is_not_signed(
    made: MadeSite, keys: dict[str, Path]
) -> None:
    before = (made.folder / "policy.signatures.json").read_bytes()
    (made.folder / "dpia.md").write_bytes(b"Another assessment.\n")

    done = verb("policy", "sign", made.folder, "--key", keys["mayor"])

    refused(done, ExitCode.CONFIG, "E_DPIA_HASH")
    assert (made.folder / "policy.signatures.json").read_bytes() == before


def test_p3_a_purpose_that_the_dpia_does_not_cover_is_not_signed(
    made: MadeSite, keys: dict[str, Path]
) -> None:
    content = yaml.safe_load((made.folder / "policy.yaml").read_text())
    change(made, purposes={"more": content["purposes"]["wanted-vehicles"]})

    done = verb("policy", "sign", made.folder, "--key", keys["mayor"])

    refused(done, ExitCode.CONFIG, "E_PURPOSE_NOT_IN_DPIA", "purposes.more")


def test_p1_only_a_named_signer_with_the_named_key_can_sign(
    made: MadeSite, keys: dict[str, Path], tmp_path: Path
) -> None:
    stranger = new_signer_key(tmp_path / "x", "stranger", NOW)
    impostor = new_signer_key(tmp_path / "y", "mayor", NOW)

    done = verb("policy", "sign", made.folder, "--key", stranger)
    refused(done, ExitCode.CONFIG, "E_QUORUM", "signer stranger: the policy names no signer")
    done = verb("policy", "sign", made.folder, "--key", impostor)
    refused(done, ExitCode.KEYS, "E_SIGNATURE", "another key")
    refused(verb("policy", "sign", made.folder), ExitCode.USAGE, "--key")


# --- diff -------------------------------------------------------------------------------------


def test_p4_the_difference_is_listed_with_the_signatures_it_needs(
    made: MadeSite, tmp_path: Path
) -> None:
    wider = shutil.copytree(made.folder, tmp_path / "wider")
    path = wider / "policy.yaml"
    path.write_text(path.read_text().replace('"retention_hours": 24', '"retention_hours": 25'))

    there = verb("policy", "diff", made.folder, wider)
    back = verb("policy", "diff", path, made.folder / "policy.yaml", "--json")
    same = verb("policy", "diff", made.folder, made.folder)

    line, needs, missing = there.out.splitlines()
    field = "purposes.wanted-vehicles.retention_hours"
    assert line == f"WIDENING retention: {field}: 24 → 25"
    assert "every role (controller, police, data protection officer (dpo))" in needs
    assert "a new DPIA" in needs
    assert missing.endswith(f"dpia.covers: {field}")
    assert back.json["needs"] == "one-signer"
    assert back.json["roles"] == []
    assert back.json["uncovered"] == []
    assert [one["direction"] for one in back.json["changes"]] == ["NARROWING"]
    assert same.out == "no change\n"
    dutch = verb("policy", "diff", made.folder, wider, "--lang", "nl").out
    line, needs, missing = dutch.splitlines()
    assert line == "VERRUIMING bewaartermijn: purposes.wanted-vehicles.retention_hours: 24 → 25"
    assert needs.startswith("vereist: de handtekening van elke rol")
    assert missing.startswith("nog te beoordelen in de effectbeoordeling")
    french = verb("policy", "diff", made.folder, wider, "--lang", "fr").out
    assert f" : {field} : 24 → 25\n" in french


def test_p4_the_difference_shows_which_signatures_each_direction_needs(
    made: MadeSite, tmp_path: Path
) -> None:
    other = shutil.copytree(made.folder, tmp_path / "other")
    path = other / "policy.yaml"
    content = yaml.safe_load(path.read_text())
    content["rights"]["complaint"]["contact"] = "mayor@test.example"
    write_yaml(path, content)

    plain = verb("policy", "diff", made.folder, other)
    there = verb("policy", "diff", made.folder, other, "--json")

    line, needs = plain.out.splitlines()
    assert line == "SUBSTANTIVE contact: rights.complaint.contact: changed"
    assert needs == (
        "needs: the signature of every role (controller, police, data protection officer (dpo)), "
        "of the old version and of the new"
    )
    assert there.json["needs"] == "quorum"
    assert there.json["roles"] == ["controller", "police", "dpo"]
    assert there.json["draft_sha256"] == read_policy(path).model.draft_sha256()


# --- activate and renew -----------------------------------------------------------------------


def in_force(made: MadeSite) -> Any:
    file = made.state / "activation.json"
    return json.loads(file.read_text()) if file.exists() else None


def test_p20_a_policy_is_activated_for_its_lease_and_renewed(
    made: MadeSite, keys: dict[str, Path]
) -> None:
    change(made, version=1, activation={"lease_days": 10})
    sign(made, keys, "mayor", "chief", "officer")

    early = verb("policy", "renew", made.folder, "--key", keys["mayor"])
    refused(early, ExitCode.CONFIG, "E_LEASE", "policy activate")
    done = verb("policy", "activate", made.folder, "--key", keys["mayor"], "--json")
    assert done.status == 0, done.err
    lease = done.json
    length = moment(lease["expires_at"]) - moment(lease["activated_at"])
    assert length == timedelta(days=10)
    again = verb("policy", "renew", made.folder, "--key", keys["mayor"], "--json")
    assert again.status == 0, again.err
    assert moment(again.json["expires_at"]) > moment(lease["expires_at"])
    lease = in_force(made)["activation"]["lease"]
    assert again.json == {"schema": "edge-anpr/policy-lease/1", **lease}

    key = SigningKey.demo_of("vtc")
    order = new_order(SITE, "suspend", "no-dpia", NOW).signed_by(key)
    suspended = SuspensionState(obeyed=(Obeyed(key=key.public.text, order=order),))
    (made.state / FILE_NAME).write_bytes(suspended.to_bytes())
    shut = verb("policy", "renew", made.folder, "--key", keys["mayor"])
    assert shut.status == 0, shut.err
    assert "may work under version 1 until" in shut.out
    assert "but it is suspended, so its cameras stay shut: see " in shut.out


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.removesuffix("Z") + "+00:00")


def test_p20_an_overdue_evaluation_prevents_renewal(made: MadeSite, keys: dict[str, Path]) -> None:
    yesterday = (NOW - timedelta(days=2)).date().isoformat()
    change(made, evaluation={"next_due": yesterday})
    sign_site(made.folder, keys={name: load_signer_key(file) for name, file in keys.items()})

    done = verb("policy", "activate", made.folder, "--key", keys["mayor"])

    refused(done, ExitCode.CONFIG, "E_EVALUATION", yesterday)
    assert in_force(made) is None


def test_p20_a_lease_never_exceeds_the_date_of_the_next_evaluation(
    made: MadeSite, keys: dict[str, Path]
) -> None:
    soon = (NOW + timedelta(days=5)).date()
    change(made, evaluation={"next_due": soon.isoformat()})
    sign(made, keys, "mayor", "chief", "officer")

    done = verb("policy", "activate", made.folder, "--key", keys["mayor"], "--json")

    assert done.status == 0, done.err
    left = moment(done.json["expires_at"]).date()
    assert left <= soon + timedelta(days=1)


def test_p1_only_a_controller_activates(made: MadeSite, keys: dict[str, Path]) -> None:
    done = verb("policy", "activate", made.folder, "--key", keys["chief"])

    refused(done, ExitCode.CONFIG, "E_QUORUM", "controller")
    assert in_force(made) is None


def test_p1_an_activation_made_elsewhere_is_installed_on_the_box(
    made: MadeSite, keys: dict[str, Path], tmp_path: Path
) -> None:
    office = shutil.copytree(made.folder, tmp_path / "office")
    record = tmp_path / "activation-record.json"

    before_at_office = sorted(office.rglob("*"))

    out = verb("policy", "activate", office, "--key", keys["mayor"], "--out", record)
    assert out.status == 0, out.err
    assert sorted(office.rglob("*")) == before_at_office
    done = verb("policy", "activate", made.folder, "--record", record)
    assert done.status == 0, done.err
    assert in_force(made)["policy"]["version"] == 1

    forged = json.loads(record.read_text())
    forged["lease"]["expires_at"] = "2099-01-01T00:00:00.000Z"
    record.write_text(json.dumps(forged))
    before = in_force(made)
    done = verb("policy", "renew", made.folder, "--record", record)
    refused(done, ExitCode.CONFIG, "E_LEASE")
    assert in_force(made) == before
    both = verb("policy", "renew", made.folder, "--record", record, "--key", keys["mayor"])
    refused(both, ExitCode.USAGE, "--record")


def test_p4_a_box_accepts_a_widening_only_from_all_three_signers_with_a_new_dpia(
    made: MadeSite, keys: dict[str, Path]
) -> None:
    assert verb("policy", "activate", made.folder, "--key", keys["mayor"]).status == 0
    first = in_force(made)
    cameras = yaml.safe_load((made.folder / "policy.yaml").read_text())["cameras"]
    cameras["cam-1"]["field_of_view"]["reach_m"] = 60
    change(made, version=2, cameras=cameras)

    sign(made, keys, "mayor")
    one = verb("policy", "activate", made.folder, "--key", keys["mayor"])
    refused(one, ExitCode.CONFIG, "E_QUORUM", "WIDENING field-of-view")
    assert in_force(made) == first
    signing = sign(made, keys, "chief", "officer")
    assert "WIDENING field-of-view: cameras.cam-1.field_of_view.reach_m: 30 → 60" in signing.out
    dutch = verb("policy", "sign", made.folder, "--key", keys["mayor"], "--lang", "nl")
    assert "VERRUIMING gezichtsveld: cameras.cam-1." in dutch.out
    old_dpia = verb("policy", "activate", made.folder, "--key", keys["mayor"])
    refused(old_dpia, ExitCode.CONFIG, "E_DPIA_WIDENING")
    assert in_force(made) == first

    field = "cameras.cam-1.field_of_view.reach_m"
    new = assessment("wanted-vehicles", field)
    (made.folder / "dpia.md").write_bytes(new)
    digest = hashlib.sha256(new).hexdigest()
    today = datetime.now(timezone.utc).date()
    opinion = {"date": (today - timedelta(days=10)).isoformat(), "text": FAVOURABLE}
    dated = {"date": "2026-02-01", "dpo_opinion": opinion}
    start = (today - timedelta(days=5)).isoformat()
    change(made, dpia={"sha256": digest, "version": "2", **dated}, activation={"not_before": start})
    sign(made, keys, "mayor", "chief", "officer")
    unnamed = verb("policy", "activate", made.folder, "--key", keys["mayor"])
    refused(unnamed, ExitCode.CONFIG, "E_DPIA_WIDENING", f"does not cover {field}")
    change(made, dpia={"covers": [field]})
    signing = sign(made, keys, "mayor", "chief", "officer")
    unseen = verb("policy", "activate", made.folder, "--key", keys["mayor"])
    refused(unseen, ExitCode.CONFIG, "E_DPIA_WIDENING", "opinion is not on this draft")
    assert in_force(made) == first

    draft = re.search(r"draft_sha256, for dpia.dpo_opinion: ([0-9a-f]{64})", signing.out)
    assert draft is not None
    change(made, dpia={"dpo_opinion": {**opinion, "draft_sha256": draft[1]}})
    sign(made, keys, "mayor", "chief", "officer")
    done = verb("policy", "activate", made.folder, "--key", keys["mayor"])
    assert done.status == 0, done.err
    assert in_force(made)["policy"]["version"] == 2
    assert sorted(file.name for file in (made.state / "policies").iterdir()) == [
        *("1.json", "2.json")
    ]


def test_p4_a_box_accepts_a_narrowing_from_one_signer_and_no_older_version(
    made: MadeSite, keys: dict[str, Path], tmp_path: Path
) -> None:
    assert verb("policy", "activate", made.folder, "--key", keys["mayor"]).status == 0
    first = shutil.copytree(made.folder, tmp_path / "first")
    content = yaml.safe_load((made.folder / "policy.yaml").read_text())
    content["purposes"]["wanted-vehicles"]["retention_hours"] = 12
    change(made, version=2, purposes=content["purposes"])
    sign(made, keys, "officer")

    done = verb("policy", "activate", made.folder, "--key", keys["mayor"])

    assert done.status == 0, done.err
    assert verb("policy", "verify", made.folder).status == 0
    for name in ("policy.yaml", "policy.signatures.json"):
        shutil.copy(first / name, made.folder / name)
    back = verb("policy", "activate", made.folder, "--key", keys["mayor"])
    refused(back, ExitCode.CONFIG, "E_VERSION")
    assert in_force(made)["policy"]["version"] == 2


def test_an_invalid_key_file_is_refused(made: MadeSite, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text("{}")
    file.chmod(0o600)

    refused(verb("policy", "sign", made.folder, "--key", file), ExitCode.KEYS, "key.json")
