"""The gate of a real box: it stays shut or shuts again when a condition fails."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.state.key_files import load_box_public_keys
from edge.adapters.state.key_making import new_signer_key
from edge.adapters.state.policy_state import CLOCK
from edge.adapters.state.state_folder import StateLock
from edge.errors import ExitCode
from edge.formats.signing import SigningKey
from edge.formats.timestamps import utc_text
from edge.privacy.box_status import BoxStatus, verified_status
from tests.support.message_recorder import MessageRecorder
from tests.support.product import CLIPS, Finished, product, start, verb
from tests.support.sites import MadeSite, make_real, make_site, set_port, sign_site, write_yaml

CLIP = CLIPS / "street_day.mp4"
NOW = datetime.now(timezone.utc)


@pytest.fixture
def made(tmp_path: Path) -> MadeSite:
    return make_site(tmp_path, stolen=["1DLK482"])


@pytest.fixture
def never_opened(tmp_path: Path) -> Path:
    """A source that fails if the box opens it."""
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"no video at all")
    return clip


def run(made: MadeSite, source: Path, *arguments: str) -> Finished:
    at = ("--recorded-at", "2026-03-10T08:25:00+01:00")
    return verb("run", "--site", made.folder, "--source", source, "--drain", "0", *at, *arguments)


def refused(done: Finished, code: str) -> None:
    assert "Traceback" not in done.err
    errors = [line for line in done.error_lines if f"error: {code}: " in line]
    assert len(errors) == len(done.error_lines) == 1, done.err
    assert done.status in {ExitCode.CONFIG, ExitCode.KEYS}


def edit(made: MadeSite, change: Callable[[dict[str, Any]], object], *, sign: bool) -> None:
    path = made.folder / "policy.yaml"
    content = yaml.safe_load(path.read_text())
    change(content)
    write_yaml(path, content)
    if sign:
        sign_site(made.folder)


def set_(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    *way, last = path.split("/")

    def change(content: Any) -> None:
        for step in way:
            content = content[step]
        content[last] = value

    return change


def more_purposes(content: dict[str, Any]) -> None:
    content["purposes"]["more"] = content["purposes"]["wanted-vehicles"]


@pytest.mark.parametrize("sign", [False, True], ids=["unsigned", "signed anew"])
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (set_("dpia/date", "2026-01-06"), "E_SEQUENCE"),
        (set_("legal/police_advice/date", "2026-01-06"), "E_SEQUENCE"),
        (set_("finance/vendor_paid_per_fine", value=True), "E_FINANCIAL_MOTIVE"),
        (set_("purposes/wanted-vehicles/retention_hours", 31 * 24), "E_RETENTION_CEILING"),
        (lambda c: c["activation"].pop("sunset"), "E_SUNSET"),
        (lambda c: c["alternatives"].pop("targeted"), "E_ALTERNATIVES"),
        (lambda c: c.pop("accuracy"), "E_ACCURACY"),
    ],
)
def test_p1_p10_p11_p12_p15_p16_an_incomplete_policy_opens_nothing(
    change: Callable[[dict[str, Any]], object],
    code: str,
    sign: bool,
    made: MadeSite,
    never_opened: Path,
) -> None:
    edit(made, change, sign=sign)

    refused(run(made, never_opened), code)
    assert not made.state.exists()


def test_p3_a_new_purpose_needs_new_signatures_and_a_new_dpia(
    made: MadeSite, never_opened: Path
) -> None:
    edit(made, more_purposes, sign=False)
    refused(run(made, never_opened), "E_SIGNATURE")

    sign_site(made.folder)
    refused(run(made, never_opened), "E_PURPOSE_NOT_IN_DPIA")

    edit(made, lambda c: c["dpia"]["purposes"].append("more"), sign=True)
    assert run(made, never_opened).status == ExitCode.SOURCE  # now it was opened


def test_p1_unsigned_and_half_signed_policies_open_nothing(
    made: MadeSite, never_opened: Path
) -> None:
    sign_site(made.folder, "mayor", "chief")
    refused(run(made, never_opened), "E_QUORUM")
    (made.folder / "policy.signatures.json").unlink()
    refused(run(made, never_opened), "E_SIGNATURE")
    assert not made.state.exists()


def test_p2_a_dpia_with_one_changed_byte_opens_nothing(made: MadeSite, never_opened: Path) -> None:
    file = made.folder / "dpia.md"
    file.write_bytes(file.read_bytes() + b"\n")
    refused(run(made, never_opened), "E_DPIA_HASH")
    file.unlink()
    refused(run(made, never_opened), "E_DPIA_HASH")


def test_p1_with_demo_keys_a_recording_is_judged_by_its_own_date(
    made: MadeSite, never_opened: Path
) -> None:
    late = verb(
        "run", "--site", made.folder, "--source", never_opened,
        "--recorded-at", "2031-01-01T00:00:00+01:00",
    )  # fmt: skip
    refused(late, "E_SUNSET")
    assert "--recorded-at" in late.err


# --- a policy that was really signed ----------------------------------------------------------


@pytest.fixture
def mayor(made: MadeSite, tmp_path: Path) -> Path:
    """The controller's key; the site is signed with real keys and not activated yet."""
    from edge.adapters.state.key_files import load_signer_key

    file = new_signer_key(tmp_path / "mayor", "mayor", NOW)
    make_real(made, {"mayor": load_signer_key(file)})
    return file


def test_p1_p20_a_real_policy_needs_its_activation_whatever_the_source(
    made: MadeSite, mayor: Path, never_opened: Path
) -> None:
    refused(run(made, never_opened), "E_LEASE")

    assert verb("policy", "activate", made.folder, "--key", mayor).status == 0
    refused(run(made, never_opened), "E_SEQUENCE")  # of a day before the policy began
    now = NOW.isoformat(timespec="seconds")
    assert run(made, never_opened, "--recorded-at", now).status == ExitCode.SOURCE

    state = json.loads((made.state / "activation.json").read_text())
    state["activation"]["lease"]["expires_at"] = utc_text(NOW + timedelta(days=59))
    (made.state / "activation.json").write_text(json.dumps(state))
    refused(run(made, never_opened), "E_SIGNATURE")


def test_p1_turning_the_clock_back_does_not_renew_an_expired_lease(
    made: MadeSite, mayor: Path, never_opened: Path
) -> None:
    """The box has recorded a later date, so the lease is over although the clock is back."""
    assert verb("policy", "activate", made.folder, "--key", mayor).status == 0
    seen = {"latest": utc_text(NOW + timedelta(days=200))}
    (made.state / CLOCK).write_text(json.dumps(seen))

    done = run(made, never_opened)

    assert done.status == ExitCode.CONFIG
    assert "E_SUNSET" in done.err


def test_p3_another_policy_than_the_one_in_force_opens_nothing(
    made: MadeSite, tmp_path: Path, never_opened: Path
) -> None:
    keys: dict[str, SigningKey] = {}
    make_real(made, keys)
    file = new_signer_key(tmp_path / "k", "mayor", NOW)
    from edge.adapters.state.key_files import load_signer_key

    keys["mayor"] = load_signer_key(file)
    make_real(made, keys)
    assert verb("policy", "activate", made.folder, "--key", file).status == 0
    edit(made, set_("version", 2), sign=False)
    refused(run(made, never_opened), "E_SIGNATURE")
    sign_site(made.folder, keys=keys)

    refused(run(made, never_opened), "E_NOT_IN_FORCE")


# --- while it runs ----------------------------------------------------------------------------


def availability(recorder: MessageRecorder) -> list[tuple[str, str]]:
    messages = [json.loads(one.payload) for one in recorder.of_kind("availability")]
    return [(one["state"], one["reason"]) for one in messages]


def stated(recorder: MessageRecorder, made: MadeSite) -> list[BoxStatus]:
    """The statements of the box, each with a valid signature, and with rising counters."""
    public = load_box_public_keys(made.box_keys)
    found = [
        verified_status(one.payload, public, datetime.now(timezone.utc))
        for one in recorder.of_kind("status")
    ]
    assert [one.counter for one in found] == sorted({one.counter for one in found})
    return found


def wait_for(condition: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def break_the_dpia(made: MadeSite) -> str:
    file = made.folder / "dpia.md"
    file.write_bytes(file.read_bytes() + b"\n")
    return "E_DPIA_HASH"


def take_a_signature_away(made: MadeSite) -> str:
    file = made.state / "activation.json"
    state = json.loads(file.read_text())
    del state["signatures"]["signatures"]["chief"]
    whole = file.with_suffix(".new")  # the box may read at any moment
    whole.write_text(json.dumps(state))
    whole.replace(file)
    return "E_QUORUM"


def take_the_activation_away(made: MadeSite) -> str:
    (made.state / "activation.json").unlink()
    return "E_LEASE"


def take_the_clock_away(made: MadeSite) -> str:
    (made.state / CLOCK).unlink()
    return "E_STATE_BEHIND"


@pytest.mark.parametrize(
    "breaking",
    [break_the_dpia, take_a_signature_away, take_the_activation_away, take_the_clock_away],
)
def test_p2_p11_p20_a_condition_that_fails_during_a_run_shuts_the_box_in_time(
    breaking: Callable[[MadeSite], str], made: MadeSite, mayor: Path, tmp_path: Path
) -> None:
    assert verb("policy", "activate", made.folder, "--key", mayor).status == 0
    long = tmp_path / "long"
    long.mkdir()
    for number in range(20):  # at its own speed the clip lasts 40 seconds
        shutil.copy(CLIPS / "empty_road.mp4", long / f"{number:02}.mp4")
    with EmbeddedBroker() as broker, MessageRecorder(broker.port) as recorder:
        set_port(made, broker.port)
        box = start(
            ["run", "--site", made.folder, "--source", long, "--realtime", "--drain", "0",
             "--summary", tmp_path / "summary.json"]
        )  # fmt: skip
        try:
            assert wait_for(lambda: ("online", "running") in availability(recorder), 60)
            time.sleep(2)
            code = breaking(made)
            broken = time.monotonic()
            told = wait_for(lambda: ("safe", code) in availability(recorder), 15)
            took = time.monotonic() - broken
            _, err = box.communicate(timeout=60)
        finally:
            box.kill()

    assert told, availability(recorder)
    assert took < 10
    assert availability(recorder)[-1] == ("safe", code)  # the last message, retained
    first, *_, last = stated(recorder, made)
    assert (first.state, first.reason, last.state, last.reason) == (
        "online", "running", "safe", code,
    )  # fmt: skip
    assert first.weights_sha256 is not None
    assert first.policy is not None
    assert first.policy.lease_ends is not None
    assert box.returncode in {ExitCode.CONFIG, ExitCode.STORAGE}
    assert f"error: {code}: " in err
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert len(summary["streams"]) == 20
    assert summary["streams"][-1]["frames_decoded"] == 0


def test_p11_a_box_that_may_not_start_announces_it_at_the_broker(
    made: MadeSite, mayor: Path
) -> None:
    assert mayor.exists()
    with EmbeddedBroker() as broker, MessageRecorder(broker.port) as recorder:
        set_port(made, broker.port)
        done = product("run", "--site", made.folder, "--source", CLIP, "--drain", "0")
        assert wait_for(lambda: availability(recorder) == [("safe", "E_LEASE")], 5)
        assert wait_for(lambda: bool(stated(recorder, made)), 5)

    refused(done, "E_LEASE")
    (said,) = stated(recorder, made)
    assert (said.state, said.reason, said.weights_sha256) == ("safe", "E_LEASE", None)
    assert said.policy is not None
    assert said.policy.lease_ends is None


@pytest.mark.parametrize(
    ("damaged", "code"),
    [
        ("policy.yaml", "E_CONFIG"),
        ("policy.signatures.json", "E_SIGNATURE"),
        ("state/policies/1.json", "E_LEASE"),
        ("state/clock.json", "E_STORAGE"),
        ("keys", "E_KEYS"),
    ],
)
def test_p11_a_file_that_cannot_be_read_is_announced_like_any_refusal(
    made: MadeSite, mayor: Path, damaged: str, code: str
) -> None:
    assert verb("policy", "activate", made.folder, "--key", mayor).status == 0
    places = [made.folder / damaged]
    if damaged == "keys":
        places = list((made.folder / damaged).glob("*.private.json"))
    for file in places:
        file.write_text("{")
    with EmbeddedBroker() as broker, MessageRecorder(broker.port) as recorder:
        set_port(made, broker.port)
        done = run(made, CLIP, "--recorded-at", NOW.isoformat(timespec="seconds"))
        assert wait_for(lambda: ("safe", code) in availability(recorder), 5), done.err

    assert f"error: {code}: " in done.err


def test_p11_a_second_process_announces_nothing_for_a_box_that_runs(
    made: MadeSite, mayor: Path
) -> None:
    assert mayor.exists()
    (made.folder / "policy.yaml").write_text("{")
    lock = StateLock(made.state)
    with EmbeddedBroker() as broker, MessageRecorder(broker.port) as recorder:
        set_port(made, broker.port)
        done = product("run", "--site", made.folder, "--source", CLIP, "--drain", "0")
        assert not wait_for(lambda: bool(availability(recorder)), 1)
    lock.release()

    assert "error: E_CONFIG: " in done.err


def test_p11_outside_a_cameras_hours_no_frame_is_analysed(made: MadeSite) -> None:
    hours = {"weekly": {"tue": ["09:00-10:00"]}}
    edit(made, set_("cameras/cam-1/hours", hours), sign=True)

    done = product("run", "--site", made.folder, "--source", CLIP, "--drain", "0", "--json")

    assert done.json["frames_out_of_hours"] == 129
    assert (done.json["frames_analysed"], done.json["vehicles"], done.json["hits"]) == (0, 0, 0)


def test_p11_behind_a_mask_no_plate_is_found(made: MadeSite) -> None:
    everything = [[[0, 0], [1, 0], [1, 1], [0, 1]]]
    edit(made, set_("cameras/cam-1/privacy_masks", everything), sign=True)

    done = product("run", "--site", made.folder, "--source", CLIP, "--drain", "0", "--json")

    assert done.json["frames_analysed"] == 129
    assert (done.json["vehicles"], done.json["hits"]) == (0, 0)


def test_p4_a_hit_outside_the_authoritys_mandate_is_counted_and_never_published(
    made: MadeSite,
) -> None:
    with EmbeddedBroker() as broker, MessageRecorder(broker.port) as recorder:
        set_port(made, broker.port)
        run_it = ("run", "--site", made.folder, "--source", CLIP, "--drain", "0", "--json")
        within = product(*run_it)
        seen = len(recorder.of_kind("hit"))
        valid = {"from": "2026-03-11", "until": "2030-12-31"}
        edit(made, set_("authorities/police-zone/valid", valid), sign=True)
        shutil.rmtree(made.state)
        outside = product(*run_it)

    assert (within.json["hits"], within.json["hits_outside_competence"]) == (1, 0)
    assert (outside.json["hits"], outside.json["hits_outside_competence"]) == (0, 1)
    assert outside.json["kept"] == 0
    assert len(recorder.of_kind("hit")) == seen
