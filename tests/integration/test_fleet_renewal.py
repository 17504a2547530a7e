"""Renewal, copied boxes and revocation, with the real server and a real broker."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge.adapters.broker.mqtt import FAILURE, BrokerLink
from edge.adapters.broker.options import BrokerOptions, TlsFiles, tls_context
from edge.adapters.enrolment.enrolling import client_of
from edge.adapters.enrolment.est_client import FleetAwayError
from edge.adapters.enrolment.identity import BoxIdentity
from edge.adapters.enrolment.renewing import renew_if_due, renewing
from edge.adapters.state.key_making import rotate_box_keys
from edge.errors import EdgeError, PublishError
from edge.formats.enrolment import RequestError
from tests.support.brokers import HOST, MOSQUITTO, Mosquitto, wait_until
from tests.support.fleets import BOX, TestFleet, enrol, make_test_fleet, served
from tests.support.product import product
from tests.support.sites import SITE

needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")


def soon() -> datetime:
    """A moment at which less than a third of a certificate's 30 days is left."""
    return datetime.now(timezone.utc) + timedelta(days=25)


@pytest.fixture(scope="module")
def enrolled_once(tmp_path_factory: pytest.TempPathFactory) -> TestFleet:
    """A fleet with one enrolled box, to be copied: enrolling is slower than copying."""
    base = tmp_path_factory.mktemp("enrolled")
    made = make_test_fleet(base)
    assert made.run("render").status == 0
    with served(made):
        done = enrol(made, base / "box")
    assert done.status == 0, done.err
    return made


@pytest.fixture
def fleet(enrolled_once: TestFleet, tmp_path: Path) -> Iterator[TestFleet]:
    shutil.copytree(enrolled_once.path.parent, tmp_path, dirs_exist_ok=True)
    made = TestFleet(tmp_path / "fleet", enrolled_once.port)
    with served(made):
        yield made


def identity(keys: Path) -> BoxIdentity:
    found = BoxIdentity.read(keys)
    assert found is not None
    return found


def key_and_certificate_fit(keys: Path) -> bool:
    """Whether OpenSSL takes the pair, as it does for a connection."""
    file = keys / "mqtt.pem"
    tls_context(TlsFiles(keys / "fleet-ca.pem", file, file))
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    return key.public_key() == identity(keys).certificate().public_key()


def test_a_file_in_place_of_a_site_folder_is_of_no_fleet(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("box: box-1\n")

    assert BoxIdentity.read(file / "keys") is None


def test_a_box_renews_by_itself_when_a_third_is_left(fleet: TestFleet, tmp_path: Path) -> None:
    keys = tmp_path / "box" / "keys"
    first = identity(keys).certificate()

    assert not renew_if_due(keys, datetime.now(timezone.utc))
    assert identity(keys).certificate() == first
    assert renew_if_due(keys, soon())

    second = identity(keys).certificate()
    assert second.serial_number != first.serial_number
    assert second.public_key() != first.public_key()
    assert key_and_certificate_fit(keys)
    assert fleet.office.register.boxes()[BOX].counter == 1


def test_a_renewal_that_was_killed_anywhere_is_finished_later(
    fleet: TestFleet, tmp_path: Path
) -> None:
    keys = tmp_path / "box" / "keys"
    # Killed after the server had issued, before the answer was on disk.
    asked = identity(keys).ask_again()
    assert asked.request is not None
    issued = client_of(asked).certificate(asked.request, first=False)
    assert key_and_certificate_fit(keys)
    # Killed after key and certificate were replaced, before the request was forgotten.
    before = {name: (keys / name).read_bytes() for name in ("fleet.json", "mqtt-next.key")}
    assert renew_if_due(keys, datetime.now(timezone.utc))
    assert identity(keys).certificate() == issued
    for name, content in before.items():
        (keys / name).write_bytes(content)
    assert key_and_certificate_fit(keys)

    assert renew_if_due(keys, datetime.now(timezone.utc))
    assert identity(keys).certificate() == issued
    assert identity(keys).request is None
    assert not (keys / "mqtt-next.key").exists()
    assert renew_if_due(keys, soon())
    assert fleet.office.register.boxes()[BOX].counter == 2


def test_two_processes_of_one_box_do_not_look_like_two_boxes(
    fleet: TestFleet, tmp_path: Path
) -> None:
    keys = tmp_path / "box" / "keys"
    folder = os.open(keys, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)  # as the other process does while it renews

    assert not renew_if_due(keys, soon())
    assert identity(keys).request is None
    os.close(folder)
    assert renew_if_due(keys, soon())
    assert fleet.office.register.boxes()[BOX].held is None


def test_p10_of_a_copied_box_both_are_held_and_one_line_says_so(
    fleet: TestFleet, tmp_path: Path
) -> None:
    keys, copy = tmp_path / "box" / "keys", tmp_path / "copy" / "keys"
    shutil.copytree(keys, copy)
    assert renew_if_due(keys, soon())

    with pytest.raises(RequestError) as noticed:
        renew_if_due(copy, soon())
    assert noticed.value.code == "E_CLONE"
    with pytest.raises(RequestError, match="two boxes have this identity"):
        renew_if_due(keys, soon() + timedelta(days=30))

    for verb in ("pending", "status"):
        lines = [line for line in fleet.run(verb).out.splitlines() if BOX in line]
        assert len(lines) == 1
        assert "COPIED" in lines[0]
    held = fleet.office.register.revoked(datetime.now(timezone.utc))
    assert len(held) == 2
    assert all(one.held for one in held)

    assert fleet.run("forget", BOX).status == 0
    assert enrol(fleet, tmp_path / "right").status == 0
    with pytest.raises(RequestError, match="was revoked"):
        renew_if_due(copy, soon())


def test_p10_an_approval_ends_no_hold(fleet: TestFleet, tmp_path: Path) -> None:
    keys, copy = tmp_path / "box" / "keys", tmp_path / "copy" / "keys"
    shutil.copytree(keys, copy)
    rotate_box_keys(copy, datetime.now(timezone.utc))
    assert not renew_if_due(copy, soon())  # the copy waits with keys of its own
    (waiting,) = fleet.office.register.waiting()
    assert renew_if_due(keys, soon())
    with pytest.raises(RequestError, match="two boxes have this identity"):
        renew_if_due(copy, soon())

    refused = fleet.run("approve", BOX, waiting.fingerprint)
    assert refused.status == 7
    assert "no request waits" in refused.err
    assert fleet.office.register.boxes()[BOX].held is not None


def test_p10_a_box_that_the_inventory_does_not_list_gets_nothing_more(
    fleet: TestFleet, tmp_path: Path
) -> None:
    keys, listed = tmp_path / "box" / "keys", (fleet.path / "inventory.csv").read_text()
    before = identity(keys).certificate()
    header, first, second = listed.splitlines()
    assert first.startswith(f"{SITE},box-1,")
    fleet.inventory(header, second)

    with pytest.raises(RequestError, match="not in the fleet's inventory any more") as refused:
        renew_if_due(keys, soon())
    assert refused.value.code == "E_INVENTORY"
    with pytest.raises(RequestError, match="not in the fleet's inventory any more"):
        client_of(identity(keys)).site_files()
    assert identity(keys).certificate() == before
    for verb in ("check", "status"):
        (line,) = [one for one in fleet.run(verb).out.splitlines() if BOX in one]
        assert "NOT IN THE INVENTORY" in line
    assert fleet.run("check", "--json").json["unlisted"] == [BOX]

    fleet.inventory(header, f"{SITE},box-1")  # a mistake is not taken for an empty inventory
    with pytest.raises(FleetAwayError, match="inventory cannot be read now"):
        renew_if_due(keys, soon())
    (fleet.path / "inventory.csv").write_text(listed)
    assert renew_if_due(keys, soon())
    assert fleet.run("check", "--json").json["unlisted"] == []


def test_p10_new_keys_of_an_enrolled_box_wait_for_approval(
    fleet: TestFleet, tmp_path: Path
) -> None:
    keys = tmp_path / "box" / "keys"
    public = fleet.path / "boxes" / f"{BOX}.public.json"
    before = public.read_bytes()
    rotate_box_keys(keys, datetime.now(timezone.utc))

    assert not renew_if_due(keys, soon())
    (waiting,) = fleet.office.register.waiting()
    assert public.read_bytes() == before
    assert fleet.run("approve", BOX, waiting.fingerprint).status == 0
    assert public.read_bytes() == (keys / public.name).read_bytes() != before
    assert renew_if_due(keys, soon())


def test_a_running_box_renews_in_the_background_and_says_when_it_cannot(
    fleet: TestFleet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = tmp_path / "box" / "keys"
    connected: list[bool] = []
    with renewing(keys, soon, lambda: connected.append(True), every_s=0.05):
        assert wait_until(lambda: bool(connected))
    assert key_and_certificate_fit(keys)

    state = (keys / "fleet.json").read_text()
    (keys / "fleet.json").write_text(state.replace(str(fleet.port), "1"))
    with (
        caplog.at_level(logging.WARNING),
        renewing(keys, soon, lambda: None, every_s=0.05),
    ):
        assert wait_until(lambda: "cannot be reached" in caplog.text)
    assert "valid for another 5.0 days" in caplog.text


def test_an_unexpected_fault_does_not_end_the_renewal_for_good(
    fleet: TestFleet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = tmp_path / "box" / "keys"
    tried: list[None] = []

    def faulty() -> None:
        tried.append(None)
        raise ValueError("what a message must not quote")

    with caplog.at_level(logging.WARNING), renewing(keys, soon, faulty, every_s=0.05):
        assert wait_until(lambda: len(tried) >= 2)
    assert "cannot be renewed (ValueError); the certificate is valid" in caplog.text
    assert "must not quote" not in caplog.text


@needs_mosquitto
def test_p10_the_broker_takes_an_issued_certificate_and_refuses_a_revoked_one(
    fleet: TestFleet, tmp_path: Path
) -> None:
    keys, ca = tmp_path / "box" / "keys", fleet.path / "ca"
    broker_pem = tmp_path / "broker.pem"
    issued = fleet.run("issue", "broker", "--host", HOST, "--out", broker_pem)
    assert issued.status == 0, issued.err
    broker = Mosquitto(
        tmp_path,
        f"cafile {ca / 'ca.pem'}",
        f"crlfile {ca / 'crl.pem'}",
        f"certfile {broker_pem}",
        f"keyfile {broker_pem}",
        "require_certificate true",
        "use_identity_as_username true",
        "allow_anonymous false",
        f"acl_file {fleet.path / 'broker.acl'}",
    )
    tls = TlsFiles(keys / "fleet-ca.pem", keys / "mqtt.pem", keys / "mqtt.pem")
    options = BrokerOptions(HOST, broker.port, "box-1", tls=tls)
    with broker, BrokerLink.open(options) as link:
        for kind in ("availability", "health", "audit", "status", "list-answer"):
            assert link.publish(f"anpr/{SITE}/box-1/{kind}", b"x") < FAILURE
        assert link.publish(f"anpr/{SITE}/box-2/availability", b"x") >= FAILURE

    assert fleet.run("forget", BOX).status == 0
    with broker, pytest.raises(PublishError), BrokerLink.open(options) as link:
        link.publish(f"anpr/{SITE}/box-1/availability", b"x")
    revoked = len(fleet.office.register.revoked(datetime.now(timezone.utc)))
    assert fleet.run("forget", "broker").status == 0
    assert len(fleet.office.register.revoked(datetime.now(timezone.utc))) == revoked + 1


def test_a_request_for_another_certificate_than_the_own_one_is_refused(
    fleet: TestFleet, tmp_path: Path
) -> None:
    """A box cannot renew for another box, and takes no certificate of another key."""
    assert enrol(fleet, tmp_path / "two", f"{SITE}.box-2").status == 0
    one, two = identity(tmp_path / "box" / "keys"), identity(tmp_path / "two" / "keys")
    asked = two.ask_again()
    assert asked.request is not None

    with pytest.raises(RequestError, match="not of box"):
        client_of(one).certificate(asked.request, first=False)
    with pytest.raises(EdgeError, match="another authority, box or key"):
        asked.accept(one.certificate())


def test_a_box_whose_certificate_has_ended_says_how_to_enrol_anew(
    fleet: TestFleet, tmp_path: Path
) -> None:
    file = tmp_path / "box" / "keys" / "mqtt.pem"
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    public = key.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    ended = fleet.office.authority.issue(BOX, public, datetime.now(timezone.utc), days=0)
    own = file.read_text().partition("-----BEGIN CERT")[0]
    file.write_text(own + ended.public_bytes(serialization.Encoding.PEM).decode())

    done = product("fleet", "enrol", "--site", tmp_path / "box")

    assert (done.status, "mqtt.pem: the certificate has ended" in done.err) == (7, True)
    assert "edge-anpr fleet forget" in done.err
