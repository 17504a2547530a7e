"""Enrolment over real TLS: box and server are processes, the independent client is OpenSSL."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from edge.adapters.host.system import SystemClock
from edge.adapters.state.key_files import load_all_box_public_keys
from edge.adapters.state.key_making import new_box_keys
from edge.formats.enrolment import OneTimeCode
from tests.integration.test_passphrases import at_terminal
from tests.support.brokers import HOST, wait_until
from tests.support.fleets import (
    BOX,
    SECOND,
    EnrollingBox,
    TestFleet,
    enrol,
    enrol_by_hand,
    make_test_fleet,
    served,
)
from tests.support.product import product
from tests.support.sites import SITE


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[TestFleet]:
    made = make_test_fleet(tmp_path)
    rendered = made.run("render")
    assert rendered.status == 0, rendered.err
    with served(made):
        yield made


def refusal(fleet: TestFleet, site: Path, code: str) -> str:
    """The one line with which a box's enrolment ends."""
    done = EnrollingBox(fleet, site, code).finished()
    assert done.status == 7, done.err
    assert len(done.error_lines) == 1
    return done.error_lines[0]


def posted(fleet: TestFleet, code: str, der: bytes) -> tuple[int, str, bytes]:
    """Post a request with a code; status, `Retry-After` or the type, and content of the answer."""
    secret = OneTimeCode.parse(code).secret.hex()
    context = ssl.create_default_context(cafile=fleet.path / "ca" / "ca.pem")
    connection = http.client.HTTPSConnection(HOST, fleet.port, context=context, timeout=20)
    basic = base64.b64encode(f"code:{secret}".encode()).decode()
    headers = {"Content-Type": "application/pkcs10", "Authorization": f"Basic {basic}"}
    body = base64.encodebytes(der)
    connection.request("POST", "/.well-known/est/simpleenroll", body, headers)
    answer = connection.getresponse()
    told = answer.getheader("Retry-After") or answer.getheader("Content-Type") or ""
    content = answer.read()
    connection.close()
    return answer.status, told, content


def test_p10_no_key_counts_before_approval_and_no_private_key_leaves_the_box(
    fleet: TestFleet, tmp_path: Path
) -> None:
    box = EnrollingBox(fleet, tmp_path / "box", fleet.code())
    shown = box.fingerprint()
    assert wait_until(lambda: BOX in fleet.run("pending").out)
    assert shown in fleet.run("pending").out
    assert list(fleet.path.glob("boxes/*.json")) == []
    assert not (tmp_path / "box" / "keys" / "mqtt.pem").exists()

    wrong = fleet.run("approve", BOX, "0000-0000-0000-0000")
    assert wrong.status == 7
    assert list(fleet.path.glob("boxes/*.json")) == []

    assert fleet.run("approve", BOX, shown.lower()).status == 0
    done = box.finished()
    assert done.status == 0, done.err
    # What `desk consume --box-keys` and `lists build --boxes` read.
    assert set(load_all_box_public_keys(fleet.path / "boxes")) == {(SITE, "box-1")}
    assert (tmp_path / "box" / "policy.signatures.json").read_bytes() == (
        fleet.path / "templates" / "street" / "policy.signatures.json"
    ).read_bytes()
    private = json.loads(next((tmp_path / "box" / "keys").glob("*.private.json")).read_text())
    everything = b"".join(
        path.read_bytes() for path in sorted(fleet.path.rglob("*")) if path.is_file()
    )
    assert private["signing"].encode() not in everything
    assert private["lists"].encode() not in everything
    # The code is of no use any more, and is kept nowhere.
    assert b"code" not in (tmp_path / "box" / "keys" / "fleet.json").read_bytes()


def test_p10_a_code_is_used_once_for_one_box_and_ends(fleet: TestFleet, tmp_path: Path) -> None:
    first = fleet.code()
    code = fleet.code()
    assert "unknown one-time code" in refusal(fleet, tmp_path / "replaced", first)

    box = EnrollingBox(fleet, tmp_path / "box", code)
    box.fingerprint()
    assert wait_until(lambda: BOX in fleet.run("pending").out)
    assert "was used already" in refusal(fleet, tmp_path / "thief", code)
    assert not (tmp_path / "thief").exists()
    # Not even a request that asks for no box first is taken.
    status, _, content = posted(fleet, code, enrol_by_hand(tmp_path / "byhand", SITE, "box-1"))
    assert (status, b"was used already" in content) == (403, True)
    box.kill()

    # The keys of one box do not enrol with the code of another.
    new_box_keys(tmp_path / "other" / "keys", SITE, "box-1", SystemClock().utc())
    assert "the code is for box-2" in refusal(fleet, tmp_path / "other", fleet.code(SECOND))

    late = fleet.office
    name = f"{SITE}.box-2"
    late.register.add_code(name, late.digests.of(b"0123456789"), SystemClock().utc())
    expired = OneTimeCode.of(b"0123456789", late.authority.der).text()
    assert "has expired" in refusal(fleet, tmp_path / "late", expired)

    typo = code[:-1] + ("0" if code[-1] != "0" else "1")
    assert "typing mistake" in refusal(fleet, tmp_path / "typo", typo)


def test_p10_a_bare_box_sends_nothing_to_a_server_of_another_authority(
    fleet: TestFleet, tmp_path: Path
) -> None:
    secret = OneTimeCode.parse(fleet.code()).secret
    wrong = OneTimeCode.of(secret, b"another authority").text()

    assert "nothing was sent to it" in refusal(fleet, tmp_path / "box", wrong)
    assert not (tmp_path / "box").exists()
    assert fleet.run("pending").out == "nothing waits\n"


def test_the_code_is_typed_and_never_an_argument(tmp_path: Path) -> None:
    words: list[str | Path] = ["fleet", "enrol", "https://127.0.0.1:1", "--site", tmp_path / "box"]
    status, screen = at_terminal(words, "not-a-code")

    assert status == 7
    assert "one-time code: " in screen
    assert "not-a-code" not in screen
    assert "typing mistake" in screen
    without = product(*words)
    assert (without.status, "no terminal to ask for the one-time code" in without.err) == (7, True)
    assert not {"--code", "--secret"} & set(product("fleet", "enrol", "--help").out.split())
    for url in ("http://fleet.example", "fleet.example:8443", "https://", "https://x:y/"):
        done = product("fleet", "enrol", url, "--site", tmp_path / "box")
        assert (done.status, "https://HOST:PORT" in done.err) == (2, True)
    assert product("fleet", "enrol", "--site", tmp_path / "box").status == 2
    assert not (tmp_path / "box").exists()


def test_a_box_enrolled_twice_is_refused_until_it_is_forgotten(
    fleet: TestFleet, tmp_path: Path
) -> None:
    assert enrol(fleet, tmp_path / "box").status == 0
    again = fleet.run("codes", BOX)
    assert again.status == 7
    assert "is enrolled already" in again.err
    # Codes that were handed out stay valid: the second time no box needs one.
    assert list(fleet.run("codes", "--all", "--json").json["codes"]) == [SECOND]
    assert fleet.run("codes", "--all", "--json").json["codes"] == {}

    assert fleet.run("forget", BOX).status == 0
    assert list((fleet.path / "boxes").glob("*.json")) == []
    assert len(list((fleet.path / "boxes" / "former").glob("*.json"))) == 1
    fetched = product("fleet", "enrol", "--site", tmp_path / "box")
    assert "was revoked" in fetched.err
    assert enrol(fleet, tmp_path / "new").status == 0


def test_a_box_enrols_anew_with_a_new_code_only(fleet: TestFleet, tmp_path: Path) -> None:
    """As after a wrong approval, a copy, or a certificate that has ended."""
    keys = tmp_path / "box" / "keys"
    used = fleet.code()
    box = EnrollingBox(fleet, tmp_path / "box", used)
    shown = box.fingerprint()
    assert wait_until(lambda: BOX in fleet.run("pending").out)
    box.kill()
    # With the same code it goes on with its request.
    box = EnrollingBox(fleet, tmp_path / "box", used)
    assert box.fingerprint() == shown
    assert fleet.run("approve", BOX, shown).status == 0
    assert box.finished().status == 0
    first = (keys / "mqtt.pem").read_bytes()
    private = next(keys.glob("*.private.json")).read_bytes()

    before = (keys / "fleet.json").read_bytes()
    assert "was used already" in refusal(fleet, tmp_path / "box", used)
    assert (keys / "fleet.json").read_bytes() == before

    assert fleet.run("forget", BOX).status == 0
    anew = EnrollingBox(fleet, tmp_path / "box", fleet.code())
    other = anew.fingerprint()
    assert wait_until(lambda: BOX in fleet.run("pending").out)
    # Until the approval the box keeps what it has.
    assert (keys / "mqtt.pem").read_bytes() == first
    assert fleet.run("approve", BOX, other).status == 0
    done = anew.finished()
    assert done.status == 0, done.err
    assert (keys / "mqtt.pem").read_bytes() != first
    assert next(keys.glob("*.private.json")).read_bytes() == private


def test_a_killed_box_and_a_killed_server_go_on_where_they_were(tmp_path: Path) -> None:
    fleet = make_test_fleet(tmp_path)
    assert fleet.run("render").status == 0
    with served(fleet):
        box = EnrollingBox(fleet, tmp_path / "box", fleet.code())
        shown = box.fingerprint()
        assert wait_until(lambda: BOX in fleet.run("pending").out)
        box.kill()
    assert fleet.run("approve", BOX, shown).status == 0

    # Neither address nor code again; the server is still away at first.
    resumed = EnrollingBox(fleet, tmp_path / "box", None)
    assert resumed.fingerprint() == shown
    with served(fleet):
        done = resumed.finished()
    assert done.status == 0, done.err
    assert (tmp_path / "box" / "site.yaml").exists()


def test_a_request_that_openssl_made_by_hand_is_an_est_request(
    fleet: TestFleet, tmp_path: Path
) -> None:
    """RFC 7030 with nothing of this product but the box's signed statement."""
    code = fleet.code()
    der = enrol_by_hand(tmp_path / "byhand", SITE, "box-1")

    assert posted(fleet, code, der)[:2] == (202, "1")
    waiting = fleet.office.register.waiting()
    assert fleet.run("approve", BOX, waiting[0].fingerprint).status == 0
    status, kind, body = posted(fleet, code, der)
    assert (status, kind) == (200, "application/pkcs7-mime; smime-type=certs-only")
    (certificate,) = pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
    assert certificate.subject.rfc4514_string() == f"CN={BOX}"
    verified = subprocess.run(
        ["openssl", "verify", "-purpose", "sslclient", "-CAfile", fleet.path / "ca" / "ca.pem"],
        input=certificate.public_bytes(Encoding.PEM),
        capture_output=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr
    assert certificate.public_key() == x509.load_der_x509_csr(der).public_key()


def test_without_code_or_certificate_the_server_gives_nothing(fleet: TestFleet) -> None:
    context = ssl.create_default_context(cafile=fleet.path / "ca" / "ca.pem")

    def status(method: str, path: str, body: bytes | None = None) -> int:
        connection = http.client.HTTPSConnection(HOST, fleet.port, context=context, timeout=20)
        connection.request(method, path, body)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    est, own = "/.well-known/est", "/.well-known/edge-anpr"
    assert status("POST", f"{est}/simpleenroll", b"x") == 401
    assert status("POST", f"{est}/simplereenroll", b"x") == 401
    assert status("GET", f"{own}/site") == status("GET", f"{own}/box") == 401
    assert status("POST", f"{est}/simpleenroll", b"x" * 100_000) == 413
    assert status("GET", "/") == 404
