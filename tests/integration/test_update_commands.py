"""`fleet release`, `fleet wave` and `update`: from the keys to the box by commands alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import pytest

from edge.adapters.state.key_making import new_box_keys
from edge.adapters.state.state_folder import StateLock
from edge.formats.timestamps import utc_text
from edge.texts import LANGUAGES
from edge.updates.archive import pack_files, pack_release
from tests.integration.test_json_documents import DOCUMENTED
from tests.support.desk_fleets import put
from tests.support.desks import make_desk
from tests.support.dummy_product import dummy_version, fake_systemctl, path_with
from tests.support.product import REPOSITORY, command, environment, product, verb
from tests.support.sites import BOX, SITE, write_yaml
from tests.support.sites import site as site_yaml
from tests.support.update_commands import TEMPLATES, Commands
from tests.support.updated_site import BoxWithUpdates


@pytest.fixture
def box(tmp_path: Path) -> Iterator[BoxWithUpdates]:
    made = BoxWithUpdates(tmp_path)
    yield made
    made.service.stop()


@pytest.fixture
def office(box: BoxWithUpdates) -> Commands:
    commands = Commands(box.base)
    commands.init()
    box.use(commands.repo / "public")
    return commands


def test_a_half_signed_archive_waits_and_stops_nothing(office: Commands) -> None:
    office.add_templates()
    assert f"{TEMPLATES}/any.zip: " in office.run("release", "show", office.repo)
    office.sign("vendor", "targets")
    assert "not published yet: " in office.run("release", "publish", office.repo, *office.online)
    office.sign("controller", "targets")
    assert "not published" not in office.run("release", "publish", office.repo, *office.online)
    assert "offered already" in office.add_templates(status=3)
    office.run("release", "withdraw", office.repo, f"{TEMPLATES}/any.zip")
    assert "no archive" in office.run("release", "show", office.repo)


def test_a_box_installs_when_both_have_signed_and_its_wave_is_open(
    box: BoxWithUpdates, office: Commands
) -> None:
    office.offer_templates()
    updates = ("update", "install", "--site", box.site)
    assert verb(*updates).out == "nothing to install\n"
    office.plan()
    assert "planned already" in office.plan(status=3)
    checked = verb("update", "check", "--site", box.site, "--json").json["updates"]
    assert {"kind": "policy-templates", "current": None, "newer": "1.0.0", "open": True} in checked
    assert verb(*updates).status == 0
    assert (box.work / TEMPLATES / "policy.yaml").exists()


@pytest.mark.parametrize("kind", ["weights", "words"])
def test_what_a_box_would_refuse_is_not_offered(
    office: Commands, tmp_path: Path, kind: str
) -> None:
    folder, archive = tmp_path / "content", tmp_path / f"{kind}.zip"
    add = ("release", "add", office.repo, archive, "--kind", kind, "--version", "1.0.0")
    folder.mkdir()
    if kind == "words":
        for language in LANGUAGES:
            shutil.copy(REPOSITORY / "edge" / "texts" / f"{language}.toml", folder)
        file, says = folder / "nl.toml", "nl.toml: "
        right = file.read_bytes()
        file.write_bytes(right.replace(right.splitlines()[-1], b""))
    else:
        file, says = folder / "new.onnx", "new.onnx is missing, or not the file that manifest.toml"
        right = b"a network"
        (folder / "manifest.toml").write_text(
            'schema = "edge-anpr/models/2"\n[[weights]]\nname = "new"\nbytes = 9\n'
            'contract = "end2end-detector"\nfile = "new.onnx"\n'
            f'sha256 = "{sha256(right).hexdigest()}"\ninput = [384, 384]\n'
            'source = "trained here"\ncalibration = {threshold = 0.5}\n'
        )
        file.write_bytes(b"another one")
    pack_files(sorted(folder.iterdir()), archive)
    assert says in office.run(*add, status=3)
    assert not (office.pending / "targets.json").exists(), "nothing waits for a signature"
    assert not list((office.repo / "public").rglob("*.zip")), "nothing is served"
    if kind == "weights":
        (tmp_path / "bad").mkdir()
        (bad := tmp_path / "bad" / "manifest.toml").write_text("x")
        pack_files([bad], tmp_path / "bad.zip")
        told = office.run(*add[:3], tmp_path / "bad.zip", *add[4:], status=3)
        assert "bad.zip: manifest.toml: not valid TOML" in told, "no folder that is gone by now"
    file.write_bytes(right)
    pack_files(sorted(folder.iterdir()), archive)
    assert f"{kind}/1.0.0" in office.run(*add)


def test_a_release_without_its_wheel_is_not_offered(office: Commands, tmp_path: Path) -> None:
    archive, folder = tmp_path / "release.zip", tmp_path / "content"
    wheel = folder / "edge_anpr-1.0.0-py3-none-any.whl"
    folder.mkdir()
    wheel.write_bytes(b"a wheel")

    def added(version: str, status: int) -> str:
        options = ("--version", version, "--platform", "cp311-linux_x86_64")
        return office.run("release", "add", office.repo, archive, *options, status=status)

    archive.write_bytes(b"not a ZIP")
    assert "damaged, or no ZIP" in added("1.0.0", 3)
    pack_files([wheel], archive)
    assert "has no requirements.txt" in added("1.0.0", 3)
    archive.unlink()
    pack_release([wheel], "1.0.0", archive)
    assert "has no wheel of edge_anpr 2.0.0" in added("2.0.0", 3)
    assert not (office.pending / "targets.json").exists(), "the version is not used up"
    assert "release/1.0.0" in added("1.0.0", 0)


def test_a_halted_wave_goes_on_by_command_only(box: BoxWithUpdates, office: Commands) -> None:
    office.offer_templates()
    for option, value in (("--first", "box-1"), ("--hold-hours", "-1"), ("--steps", "1,500,100")):
        told = office.run(
            "wave", "plan", office.repo, TEMPLATES, option, value, *office.online, status=3
        )
        assert option in told
    public = new_box_keys(box.site / "keys", SITE, BOX, datetime.now(timezone.utc))
    plan = ("wave", "plan", office.repo, TEMPLATES, "--steps", "100", "--hold-hours", "0")
    first = (*plan, *office.online, "--first", f"{SITE}.{BOX}", "--first", f"{SITE}.box-7")
    assert "give --boxes too" in office.run(*first, status=2)
    told = office.run(*first, "--first", "a.b", "--boxes", public.parent, status=3)
    assert f"is of {SITE}.box-7, a.b; write SITE.BOX" in told
    office.run(*first[:-2], "--boxes", public.parent)
    reports = box.base / "reports.csv"
    reports.write_text(
        "site,box,target,outcome,said_at\n"
        f"{SITE},{BOX},policy-templates-1.0.0,failed,2026-11-29T12:00:00.000Z\n"
    )
    look = ("--boxes", public.parent, "--reports", reports)
    run = ("wave", "run", office.repo, *look, *office.online)
    counted = "  boxes that may install it: 1; installed: 0, awaited: 0, failed or silent: 1"
    counted += " (it halts at 1)\n"
    assert "1 box failed or is silent" in office.run(*run, status=3)
    assert "halted" in office.run(*run, status=3)  # not by itself
    status = ("wave", "status", office.repo)
    assert "halted: 1 box failed" in (alone := office.run(*status))  # as docs/updates.md says it
    assert office.run(*status, *look) == f"{alone}{counted}"
    assert "give --boxes too" in office.run(*status, "--reports", reports, status=2)
    check = ("update", "check", "--site", box.site)
    assert "not open yet" in verb(*check).out
    resume = ("wave", "resume", office.repo, TEMPLATES, *look, *office.online)
    assert f"no longer counted: {SITE}/{BOX}" in office.run(*resume)
    assert "not open yet" not in verb(*check).out
    office.run(*run)
    halt = ("wave", "halt", office.repo, TEMPLATES, "--because", "seen enough", *office.online)
    office.run(*halt)
    assert "not open yet" in verb(*check).out


@pytest.mark.parametrize(
    ("outcome", "hours", "word"),
    [
        ("installed", 0, "installed: 1, awaited: 0, failed or silent: 0"),
        ("started", 0, "awaited: 1"),
        ("rolled-back", 0, "is halted: 1 box failed or is silent"),
        ("installed", 25, "is halted: 1 box failed or is silent"),
    ],
)
def test_a_wave_follows_the_signed_statements_that_a_desk_has(
    box: BoxWithUpdates, office: Commands, outcome: str, hours: int, word: str
) -> None:
    office.offer_templates()
    office.plan()
    now = datetime.now(timezone.utc)
    public = new_box_keys(box.site / "keys", SITE, BOX, now)
    desk = make_desk(box.base / "desk")
    said = utc_text(now - timedelta(hours=hours))
    with desk.open_database() as database:
        put(database, {
            "site": SITE, "box": BOX, "update_target": "policy-templates-1.0.0",
            "update_outcome": outcome, "proved_at": said, "said_at": said,
            "status_said_at": said, "status_came_at": said,
        })  # fmt: skip
    look = ("--boxes", public.parent, "--desk", desk.path)
    status = 0 if "halted" not in word else 3
    assert word in office.run("wave", "run", office.repo, *look, *office.online, status=status)


def test_a_wave_needs_one_source_of_reports(office: Commands, tmp_path: Path) -> None:
    office.offer_templates()
    office.plan()
    both = ("--desk", tmp_path, "--reports", tmp_path / "reports.csv")
    for given in ((), both):
        look = ("wave", "status", office.repo, "--boxes", tmp_path, *given)
        assert "give --desk or --reports" in office.run(*look, status=2)


def test_a_halt_while_a_timer_looks_stays_a_halt(box: BoxWithUpdates, office: Commands) -> None:
    office.offer_templates()
    office.plan()
    boxes = new_box_keys(box.site / "keys", SITE, BOX, datetime.now(timezone.utc)).parent
    reports, passphrase = box.base / "reports.json", box.base / "passphrase"
    reports.write_text("[]")
    passphrase.touch(mode=0o600)
    passphrase.write_text("correct horse battery\n")
    own = box.base / "timer.signer.private.json"
    shutil.copy(office.private("online"), own)
    assert verb("keys", "protect", own, "--new-passphrase-file", passphrase).status == 0
    passphrase.unlink()
    os.mkfifo(passphrase, 0o600)
    look = ("--boxes", boxes, "--reports", reports)
    run = ("fleet", "wave", "run", office.repo, *look, "--online-key", own)
    with (
        subprocess.Popen(
            command(*run, "--passphrase-file", passphrase),
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ),
        passphrase.open("w") as typed,  # returns when the timer waits for its passphrase
    ):
        halt = ("wave", "halt", office.repo, TEMPLATES, "--because", "fire", *office.online)
        office.run(*halt)
        typed.write("correct horse battery\n")
    assert "halted: fire" in office.run("wave", "status", office.repo, *look)
    assert "not open yet" in verb("update", "check", "--site", box.site).out


def test_a_key_is_replaced_by_commands(box: BoxWithUpdates, office: Commands) -> None:
    old, new = office.public["vendor"], office.make_key("vendor-2")
    rotate = ("release", "rotate", office.repo)
    assert "in use already" in office.run(*rotate, "--old", new, "--new", old, status=3)
    third = office.make_key("vendor-3")
    assert "does not sign root" in office.run(*rotate, "--old", new, "--new", third, status=3)
    office.run(*rotate, "--old", old, "--new", new)
    sign = ("release", "sign", office.pending / "root.json", "--key")
    assert "does not name your key" in office.run(*sign, office.private("vendor"))
    for name in ("controller", "vendor-2"):
        assert "does not name your key" not in office.run(*sign, office.private(name))
    for name in ("controller", "vendor-2"):
        office.sign(name, "targets")
    office.run("release", "publish", office.repo, *office.online)
    office.add_templates()
    for name in ("vendor", "controller"):
        office.sign(name, "targets")
    assert "not published yet" in office.run("release", "publish", office.repo, *office.online)
    office.sign("vendor-2", "targets")
    office.run("release", "publish", office.repo, *office.online)
    office.plan()
    assert "1.0.0 is signed and open" in verb("update", "check", "--site", box.site).out


def test_what_cannot_be_used_is_named(office: Commands, tmp_path: Path) -> None:
    add = ("release", "add", office.repo, tmp_path / "none.zip", "--version", "1.0.0")
    assert "--platform" in office.run(*add, status=2)
    assert "--kind" in office.run(*add, "--kind", "song", status=2)
    assert "none.zip: no such file" in office.run(*add, "--kind", "words", status=3)
    assert "--steps" in office.run(
        "wave", "plan", office.repo, TEMPLATES, "--steps", "5;100", *office.online, status=2
    )
    assert "not published" in office.plan(status=3)
    wrong = ("--online-key", office.private("vendor"))
    assert "is another one than they name" in office.run(
        "release", "publish", office.repo, *wrong, status=7
    )
    keys = ("--vendor", "ed25519:abc", "--controller", "x", "--online", "x")
    assert "--vendor: not a public key" in office.run(
        "release", "init", tmp_path / "new", *keys, status=2
    )
    half = office.pending / "targets.json"
    half.parent.mkdir(exist_ok=True)
    half.write_text("{")
    sign = ("release", "sign", half, "--key", office.private("vendor"))
    assert "no metadata of updates" in office.run(*sign, status=8)


def test_rollback_by_hand_stops_and_starts_the_service(box: BoxWithUpdates) -> None:
    dummy_version(box.program / "releases", "0.2.0")
    (box.program / "current").unlink()
    (box.program / "current").symlink_to("releases/0.2.0")
    asked = fake_systemctl(box.base)
    back = ("update", "rollback", "--site", box.site, "--json")
    done = product(*back, env={"PATH": path_with(box.base)})
    assert done.status == 0, done.err
    assert done.json["schema"] == DOCUMENTED["update rollback"]
    (ended,) = done.json["ended"]
    assert (ended["target"], ended["why"]) == ("release/0.2.0", "a person asked to go back")
    assert (box.program / "current").readlink() == Path("releases/0.1.0")
    assert asked.read_text() == (
        "show --property=ActiveState --value edge-anpr.service\nstop edge-anpr.service\n"
        "start --no-block edge-anpr.service\n"
    )
    status = verb("update", "status", "--site", box.site)
    assert "not tried again: release/0.2.0: a person asked to go back" in status.out


def test_a_box_without_the_section_is_told_so(box: BoxWithUpdates) -> None:
    write_yaml(box.site / "site.yaml", site_yaml())
    done = verb("update", "check", "--site", box.site)
    assert done.status == 3
    assert "updates is missing" in done.err


def test_another_updater_is_waited_for_by_nobody(box: BoxWithUpdates) -> None:

    lock = StateLock(box.work)
    try:
        done = verb("update", "check", "--site", box.site)
    finally:
        lock.release()
    assert done.status == 8
    assert "E_STATE_LOCKED" in done.err
