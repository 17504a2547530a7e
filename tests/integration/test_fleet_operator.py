"""What the fleet's operator or server cannot do to an enrolled box."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from edge.adapters.enrolment.enrolling import install_site
from edge.adapters.host.system import random_bytes
from edge.adapters.state.key_making import new_authority_keys
from edge.errors import ConfigError
from edge.fleet.making import make_fleet
from tests.support.brokers import HOST, wait_until
from tests.support.fleets import BOX, EnrollingBox, TestFleet, enrol, make_test_fleet, served
from tests.support.product import product, verb
from tests.support.sites import AUTHORITY, SIGNERS, SITE

UPDATES = "telemetry: {listen: '127.0.0.1:9109'}\nupdates: {source: folder, folder: /media/updates"


def test_p4_the_signers_sign_the_policy_of_a_template_where_it_lies(tmp_path: Path) -> None:
    fleet = make_test_fleet(tmp_path, signed=False)
    template, office = fleet.path / "templates" / "street", tmp_path / "office"
    for name in SIGNERS:
        assert verb("keys", "new", "signer", name, "--out", office, "--demo").status == 0
        own = office / f"{name}.signer.private.json"
        done = verb("policy", "sign", template, "--key", own)
        assert done.status == 0, done.err

    assert verb("policy", "verify", template).status == 0
    assert "not signed" not in verb("fleet", "render", fleet.path).out
    # Where the controller is, there are no keys and certificates of the box.
    record = tmp_path / "lease.json"
    key = office / "mayor.signer.private.json"
    done = verb("policy", "activate", fleet.path / "sites" / BOX, "--out", record, "--key", key)
    assert done.status == 0, done.err
    assert f"box box-1 at {SITE} may work once" in done.out
    assert not (template / "state").exists(), "nothing but the signatures is added"


def authority_keys(folder: Path) -> bytes:
    made = new_authority_keys(folder, AUTHORITY, datetime.now(timezone.utc))
    return made.read_bytes()


def test_p4_the_operator_changes_neither_who_opens_hits_nor_who_signs_updates(
    tmp_path: Path,
) -> None:
    fleet: TestFleet = make_test_fleet(tmp_path)
    template = fleet.path / "templates" / "street"
    key_file = template / "keys" / f"{AUTHORITY}.public.json"
    real = key_file.read_bytes()
    settings = (template / "site.yaml").read_text()
    (template / "site.yaml").write_text(f"{settings}{UPDATES}}}\n")
    assert fleet.run("render").status == 0
    box = tmp_path / "box"
    again = ("fleet", "enrol", "--site", box)
    with served(fleet):
        assert enrol(fleet, box, BOX).status == 0
        before = (box / "site.yaml").read_bytes()

        key_file.write_bytes(authority_keys(tmp_path / "thief"))
        assert fleet.run("render").status == 0
        done = product(*again)
        assert done.status == 7
        assert "other keys of this authority, and nothing was written" in done.err
        assert (box / "keys" / key_file.name).read_bytes() == real
        key_file.write_bytes(real)

        (template / "site.yaml").write_text(f"{settings}{UPDATES}, root: evil.txt}}\n")
        assert fleet.run("render").status == 0
        done = product(*again)
        assert done.status == 3
        assert "another updates.root than this box has" in done.err
        for field in ("program: /tmp/p", "work: /tmp/w", "service: ssh.service"):
            sent = before.replace(b"/media/updates", b"/media/updates, " + field.encode())
            with pytest.raises(ConfigError, match=r"another updates\.[a-z]+ than"):
                install_site(box, {"site.yaml": sent})
        assert (box / "site.yaml").read_bytes() == before

        (template / "site.yaml").write_text(f"{settings}{UPDATES}, trial_minutes: 20}}\n")
        assert fleet.run("render").status == 0
        assert product(*again).status == 0
        assert b"trial_minutes" in (box / "site.yaml").read_bytes()


def test_p10_the_fleets_private_key_may_have_a_passphrase_that_only_signing_needs(
    tmp_path: Path,
) -> None:
    passphrase = "correct horse battery staple"
    files = [tmp_path / "right", tmp_path / "wrong"]
    for file, words in zip(files, (passphrase, "another one of this length"), strict=True):
        file.touch(mode=0o600)
        file.write_text(words + "\n")
    right, wrong = (("--passphrase-file", file) for file in files)
    again = ("fleet", "init", tmp_path / "other", "--authority", AUTHORITY, "--host", HOST, *right)
    assert product(*again).status == 0
    fleet = make_test_fleet(tmp_path, passphrase=passphrase)
    for key in (fleet.path / "ca" / "ca.key", tmp_path / "other" / "ca" / "ca.key"):
        with pytest.raises(TypeError, match="encrypted"):
            serialization.load_pem_private_key(key.read_bytes(), None)
        serialization.load_pem_private_key(key.read_bytes(), passphrase.encode())
    assert product(*again).status == 0, "what is there stays, and nobody is asked"
    clear = tmp_path / "clear" / "ca" / "ca.key"
    make_fleet(clear.parents[1], AUTHORITY, HOST, datetime.now(timezone.utc), random_bytes)
    before = clear.read_bytes()
    refused = product(*(clear.parents[1] if one == tmp_path / "other" else one for one in again))
    assert (refused.status, clear.read_bytes()) == (7, before)
    assert f"E_PASSPHRASE: {clear}: " in refused.err, "nobody believes that it is encrypted now"
    assert fleet.run("render").status == 0

    refused = fleet.run("serve", "--port", "0", *wrong)
    assert refused.status == 7
    assert "E_PASSPHRASE: " in refused.err
    assert "ca.key: wrong passphrase" in refused.err
    with served(fleet, *right):
        box = EnrollingBox(fleet, tmp_path / "box", fleet.code())
        shown = box.fingerprint()
        assert wait_until(lambda: BOX in fleet.run("pending").out)
        assert "wrong passphrase" in fleet.run("approve", BOX, shown, *wrong).err
        assert fleet.run("approve", BOX, shown, *right).status == 0
        assert box.finished().status == 0
    assert "wrong passphrase" in fleet.run("forget", BOX, *wrong).err
    assert f"{BOX}  enrolled" in fleet.run("status").out, "nothing was half done"
    assert fleet.run("forget", BOX, *right).status == 0
    assert fleet.run("issue", "broker", "--out", tmp_path / "b.pem", *wrong).status == 7
    assert not (tmp_path / "b.pem").exists()


def test_a_mistyped_box_is_named_with_the_one_that_may_be_meant(tmp_path: Path) -> None:
    fleet = make_test_fleet(tmp_path)
    typed = f"{SITE}.box-22"
    for words in (("codes", typed), ("forget", typed), ("approve", typed, "0000-0000-0000-0000")):
        refused = fleet.run(*words)
        assert refused.status == 3, words
        assert f"no box {typed};" in refused.err
        assert f"do you mean {SITE}.box-2?" in refused.err
    for command in ("codes", "forget"):
        assert "inventory.csv: no box of this name;" in fleet.run(command, "box-1").err
    assert "is not enrolled" in fleet.run("forget", BOX).err


def test_the_status_of_many_boxes_ends_with_how_many_are_in_which_state(tmp_path: Path) -> None:
    fleet = make_test_fleet(tmp_path)
    fleet.code()
    ended = (datetime.now(timezone.utc) - timedelta(days=50)).timestamp()
    row = (f"{SITE}.box-2", "", 1, "", b"", ended)
    with closing(sqlite3.connect(fleet.path / "register.sqlite3")) as register, register:
        register.execute("INSERT INTO box VALUES (?, ?, ?, ?, ?, ?, NULL)", row)
    told = fleet.run("status")
    assert f"{SITE}.box-2  ended  certificate ended 50.0 days ago: enrol it anew" in told.out
    assert "2 boxes, 1 has a code, 1 ended" in told.err
