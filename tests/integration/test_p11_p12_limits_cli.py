"""P11 and P12 with real keys: mass surveillance cannot be signed, activated or run."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.adapters.state.audit_log import open_box_audit, read_log
from edge.adapters.state.key_files import load_box_keys, load_signer_key
from edge.domain.schedule import DAYS
from edge.errors import ExitCode
from edge.policy.model import Policy
from edge.policy.succession import uncovered
from edge.privacy.audit_events import PolicyChanged, RuleStopped
from edge.site.folder import read_box_folders, read_policy
from tests.support.assessments import assessment
from tests.support.notices import said
from tests.support.product import Finished, verb
from tests.support.real_site import RealSite, make_real_site
from tests.support.sites import hotlist_rule, sign_site, texts, write_yaml

EVERYTHING = {
    "E_CERTAINTY", "E_HUMAN_CHECK", "E_OCCUPANTS", "E_HOURS", "E_EPOCH", "E_ACCURACY",
}  # fmt: skip


def assess(real: RealSite, content: dict[str, Any]) -> None:
    """Give a widened policy an assessment and an opinion that cover what it widens."""
    before = read_policy(real.folder / "policy.yaml").model
    covers = uncovered(before, Policy.model_validate(content))
    dpia = content["dpia"]
    written = assessment(*content["purposes"], *(one["risk"] for one in dpia["risks"]), *covers)
    (real.folder / "dpia.md").write_bytes(written)
    today = datetime.now(timezone.utc).date()
    # While the version in force worked, and before the new one starts.
    date = (today - timedelta(days=20)).isoformat()
    content["activation"]["not_before"] = (today - timedelta(days=10)).isoformat()
    dpia |= {"date": date, "sha256": hashlib.sha256(written).hexdigest(), "covers": list(covers)}
    dpia["dpo_opinion"] = {"date": date, "text": texts("Favourable to the second rule")}
    draft = Policy.model_validate(content).draft_sha256()
    dpia["dpo_opinion"]["draft_sha256"] = draft


@pytest.fixture
def real(tmp_path: Path) -> RealSite:
    made = make_real_site(tmp_path)
    assert verb(*made.build(made.csv(["1AAA001", "1AAA002"]))).status == 0
    assert verb("lists", "install", tmp_path / "stolen.bundle", "--site", made.folder).status == 0
    return made


@pytest.fixture
def never_opened(tmp_path: Path) -> Path:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"no video at all")
    return clip


def edit(real: RealSite, change: Any) -> None:
    """Change the policy and sign it with the real keys, without asking the product."""
    path = real.folder / "policy.yaml"
    content = yaml.safe_load(path.read_text())
    change(content)
    write_yaml(path, content)
    sign_site(real.folder, keys={name: load_signer_key(f) for name, f in real.keys.items()})


def mass_surveillance(content: dict[str, Any]) -> None:
    content["version"] += 1
    rule = content["rules"][0]
    for name in ("schedule", "cameras", "hours_justification"):
        rule.pop(name, None)
    rule.update(reveal="occupants", human_check=False, min_posterior=0.5, min_margin=1e-9)
    for camera in content["cameras"].values():
        camera["hours"] = {"weekly": {day: ["00:00-24:00"] for day in DAYS}}
        camera.pop("hours_justification", None)
    content["epoch_minutes"] = 24 * 60
    content["accuracy"].update(vehicles=1, exact=0, interval=[0, 0.793])


def run(real: RealSite, source: Path) -> Finished:
    return verb("run", "--site", real.folder, "--source", source, "--drain", "0")


def test_p11_p12_mass_surveillance_is_refused_at_every_step(
    real: RealSite, never_opened: Path
) -> None:
    edit(real, mass_surveillance)
    mayor = real.keys["mayor"]
    before = (real.state / "activation.json").read_bytes()

    checked = verb("check", real.folder)
    assert checked.status == ExitCode.CONFIG
    assert {code for code in EVERYTHING if code in checked.out + checked.err} == EVERYTHING
    for done in (
        verb("policy", "sign", real.folder, "--key", mayor),
        verb("policy", "activate", real.folder, "--key", mayor),
        verb("policy", "activate", real.folder, "--key", mayor, "--out", real.state / "record"),
        run(real, never_opened),
    ):
        assert done.status == ExitCode.CONFIG
        assert any(
            code in line for code in (*EVERYTHING, "E_HOMEWORK") for line in done.error_lines
        ), done.err
    assert (real.state / "activation.json").read_bytes() == before


def test_p11_p12_a_policy_in_force_that_is_past_a_limit_opens_no_camera(
    real: RealSite, never_opened: Path
) -> None:
    """As after an update of the program: the policy was lawful for the version before."""
    edit(real, lambda content: content["rules"][0].update(min_posterior=0.89))

    done = run(real, never_opened)

    assert done.status == ExitCode.CONFIG
    assert done.error_lines[0].startswith("error: E_CERTAINTY: ")
    assert "0.9" in done.error_lines[0]


def test_p11_an_issuer_declares_a_shorter_list_on_the_command_line(
    real: RealSite, tmp_path: Path
) -> None:
    def permits(content: dict[str, Any]) -> None:
        content["version"] += 1
        content["lists"]["stolen"]["kind"] = "exempt"
        content["rules"] = [
            hotlist_rule(
                type="permit_zone",
                hours_justification=said("The zone is closed at every hour of the day"),
            )
        ]
        assess(real, content)

    edit(real, permits)  # the list in force now lets two vehicles through
    assert verb("policy", "activate", real.folder, "--key", real.keys["mayor"]).status == 0
    many = real.csv([f"1AAA{number:03}" for number in range(10)])
    assert verb(*real.build(many, "many.bundle")).status == 0
    assert verb("lists", "install", tmp_path / "many.bundle", "--site", real.folder).status == 0
    few = real.csv(["1AAA001"])

    assert verb(*real.build(few, "few.bundle")).status == 0
    done = verb("lists", "install", tmp_path / "few.bundle", "--site", real.folder)
    assert done.status == ExitCode.CONFIG
    assert done.error_lines[0].startswith("error: E_LIST_SHRUNK: ")
    assert "--shrinks-from 10" in done.error_lines[0]
    assert "1AAA" not in done.err

    assert verb(*real.build(few, "meant.bundle"), "--shrinks-from", "10").status == 0
    done = verb("lists", "install", tmp_path / "meant.bundle", "--site", real.folder)
    assert (done.status, done.err) == (0, "")


# --- a rule that has stopped ------------------------------------------------------------------


def stop(real: RealSite, rule: str = "stolen") -> None:
    """What a running box records when a rule stops itself."""
    box = read_box_folders(real.folder)
    with open_box_audit(box, load_box_keys(box.keys)) as audit:
        audit.append(RuleStopped(rule, "E_HIT_SHARE"))


def test_p11_a_stopped_rule_stays_stopped_until_a_controller_renews(
    real: RealSite, never_opened: Path, tmp_path: Path
) -> None:
    record = tmp_path / "record.json"
    mayor = real.keys["mayor"]
    renewed = verb("policy", "renew", real.folder, "--key", mayor, "--out", record)
    assert renewed.status == 0
    assert run(real, never_opened).status == ExitCode.SOURCE  # it was opened
    stop(real)

    for _ in range(2):  # a restart changes nothing
        done = run(real, never_opened)
        assert done.status == ExitCode.CONFIG
        assert done.error_lines[-1].startswith("error: E_HIT_SHARE: ")
        assert "policy renew" in done.error_lines[-1]
        # Nor does an activation that was signed before the rule stopped.
        assert verb("policy", "activate", real.folder, "--record", record).status == 0

    assert verb("policy", "renew", real.folder, "--key", mayor).status == 0
    assert run(real, never_opened).status == ExitCode.SOURCE
    events = [entry.event for entry in read_log(real.state).entries]
    stopped = events.index(RuleStopped("stolen", "E_HIT_SHARE"))
    assert any(isinstance(event, PolicyChanged) for event in events[stopped:])


def test_p11_one_stopped_rule_of_two_leaves_the_other(real: RealSite, never_opened: Path) -> None:
    def second(content: dict[str, Any]) -> None:
        content["version"] += 1
        content["rules"].append({**content["rules"][0], "id": "stolen-2"})
        content["authorities"]["police-zone"]["competence"]["rules"].append("stolen-2")
        assess(real, content)

    edit(real, second)
    done = verb("policy", "activate", real.folder, "--key", real.keys["mayor"])
    assert done.status == 0, done.err
    stop(real)
    assert run(real, never_opened).status == ExitCode.SOURCE
    stop(real, "stolen-2")
    assert run(real, never_opened).status == ExitCode.CONFIG
