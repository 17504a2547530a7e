"""The report of a case: PDF/A, what it says, hostile texts, signature and time stamp."""

from __future__ import annotations

import http.server
import io
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from edge.desk.court.making import export_case
from edge.desk.court.package import read_package
from edge.desk.court.report import ReportFacts, _compiled, _plain, render_report, report_data
from edge.desk.court.signing import load_report_signer
from edge.desk.court.verifying import verify_case
from edge.desk.findings import parse_finding
from edge.desk.outcomes import OpeningReason
from edge.formats.signing import SigningKey
from edge.privacy.audit_events import CaseExported
from edge.privacy.sealing import open_sealed
from edge.texts import LANGUAGES, Language
from tests.integration.test_desk_people import recorded, refused
from tests.support.cases import CaseRoom
from tests.support.desks import make_desk
from tests.support.parties import PLATE, Parties, make_parties
from tests.support.reviews import CONFIRMED, OFFICER, REFERRED, SECOND, SECOND_REVIEW, TYPED, who

HOSTILE = '\u202eRevo\x1b[2J <script>alert(1)</script> #eval("1") $x$ \\u{41} @a *b* \u4e2d\u05d0'
COURT = OpeningReason.COURT


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, parties: Parties) -> Iterator[CaseRoom]:
    """A desk with a case that a second officer has confirmed."""
    folder = tmp_path_factory.mktemp("room")
    with CaseRoom.of(make_desk(folder / "desk"), parties, folder) as made:
        made.through(OFFICER, REFERRED, TYPED)
        made.through(SECOND, CONFIRMED, opening=SECOND_REVIEW)
        yield made


@pytest.fixture(scope="module")
def facts(room: CaseRoom) -> ReportFacts:
    hit, parties = room.hit, room.parties
    evidence = open_sealed(
        hit.sealed_bytes, hit.seal_context(), authority=parties.authority, box=parties.box_public
    )
    findings = tuple(parse_finding(one) for one in room.findings())
    return ReportFacts(hit, evidence, room.policy, findings, SigningKey.generate("desk").public)


def texts_of(data: dict[str, Any]) -> list[str]:
    """All texts that a reader sees."""
    found = [data["title"], data["case"], data["page"]]
    for section in data["sections"]:
        found += [section["heading"], *section["paragraphs"]]
        found += [text for row in section["rows"] for text in row]
        found += [text for picture in section["pictures"] for text in picture[1:]]
    return found


def require_pdf_a(pdf: bytes) -> None:
    """What PDF/A-2b asks for, as far as it can be seen without a validator."""
    reader = PdfFileReader(io.BytesIO(pdf), strict=False)
    root = reader.root
    assert not reader.encrypted
    xmp = root["/Metadata"].data
    assert b"<pdfaid:part>2</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>" in xmp
    intent: Any = root["/OutputIntents"][0]
    intent = intent.get_object()
    assert intent["/S"] == "/GTS_PDFA1"
    assert intent["/DestOutputProfile"].data[36:40] == b"acsp"  # an ICC profile
    assert {"/OpenAction", "/AA", "/Names", "/NeedsRendering"} & set(root) == set()
    fonts = 0
    resolve: Any = reader.get_object
    for number in range(1, int(reader.trailer["/Size"])):
        thing: Any = resolve(Reference(number, 0, reader), transparent_decrypt=False)
        if not hasattr(thing, "get"):
            continue
        assert thing.get("/S") not in {"/JavaScript", "/Launch", "/URI", "/GoToR", "/SubmitForm"}
        assert thing.get("/Type") not in {"/EmbeddedFile", "/Filespec"}
        if thing.get("/Type") == "/FontDescriptor":
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(thing)
            fonts += 1
    assert fonts > 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_is_pdf_a_and_says_what_a_court_needs(
    facts: ReportFacts, language: Language
) -> None:
    pdf = render_report(facts, language)
    require_pdf_a(pdf)
    assert render_report(facts, language) == pdf

    told = "\n".join(texts_of(report_data(facts, language))).replace("\N{NO-BREAK SPACE}", " ")
    policy, (first, last) = facts.policy, facts.findings
    needed = [
        PLATE, "2026", "08:16:05", "07:16:05", "UTC+01:00", facts.hit.rule, facts.hit.hit_id,
        policy.legal.basis.of(language), policy.rights.text.of(language),
        policy.rights.complaint.name.of(language), policy.cameras["cam-1"].place.of(language),
        policy.supervisory_authorities[0].contact.of(language), facts.hit.policy_sha256,
        "86.7 %" if language == "en" else "86,7 %",
        first.person.full_name, last.person.full_name, last.person.mandate, last.sha256(),
    ]  # fmt: skip
    assert [one for one in needed if one not in told] == []


def test_hostile_texts_are_shown_as_they_are_and_do_nothing(facts: ReportFacts) -> None:
    person = facts.findings[0].person.model_copy(
        update={"full_name": HOSTILE, "mandate": HOSTILE[:60]}
    )
    hostile = facts.findings[0].model_copy(update={"person": person})
    changed = replace(facts, findings=(hostile, facts.findings[1]))

    told = texts_of(report_data(changed, "en"))
    shown = next(one for one in told if "script" in one)
    assert shown.startswith('[U+202E]Revo[U+001B][2J <script>alert(1)</script> #eval("1") $x$ \\u')
    assert "[U+4E2D][U+05D0]" in shown
    assert not re.search("[\x00-\x1f\u202a-\u202e\u2066-\u2069]", "".join(told))
    require_pdf_a(render_report(changed, "en"))


def test_every_character_that_is_let_through_has_a_glyph() -> None:
    """PDF/A refuses a missing glyph, so this fails to compile if there is one."""
    every = "".join(map(chr, range(0x20, 0x2FFF)))
    shown = "".join(dict.fromkeys(one for one in every if _plain(one) == one))
    assert len(shown) > 900
    template = b'#set text(font: "Libertinus Serif")\n#json(bytes(sys.inputs.data))'
    assert _compiled(template, " ".join(shown)).startswith(b"%PDF")


def test_a_picture_that_cannot_be_decoded_is_told_and_stops_nothing(facts: ReportFacts) -> None:
    broken = replace(facts.evidence.pictures[1], jpeg=b"\xff\xd8 no picture")
    evidence = replace(facts.evidence, pictures=(facts.evidence.pictures[0], broken))
    data = report_data(replace(facts, evidence=evidence), "en")

    assert len(data["pictures"]) == 1
    assert any("cannot be shown here" in one for one in texts_of(data))


# --- signature and time stamp -----------------------------------------------------------------


def certificate(name: str, *, days: int = 30, stamps: bool = False) -> tuple[Any, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=40))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, content_commitment=True, key_encipherment=False,
                data_encipherment=False, key_agreement=False, key_cert_sign=False, crl_sign=False,
                encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    if stamps:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        made = made.add_extension(usage, critical=True)
    return key, made.sign(key, hashes.SHA256())


def p12(folder: Path, days: int = 30) -> tuple[Path, x509.Certificate]:
    key, made = certificate("Police zone", days=days)
    protected = serialization.BestAvailableEncryption(b"of the seal")
    file = folder / "seal.p12"
    file.write_bytes(pkcs12.serialize_key_and_certificates(b"seal", key, made, None, protected))
    file.chmod(0o600)
    return file, made


def typed(_: Path) -> str:
    return "of the seal"


def now() -> datetime:
    return datetime.now(timezone.utc)


@contextmanager
def stamping_service(folder: Path) -> Iterator[tuple[str, x509.Certificate]]:
    """A real time stamping service: OpenSSL's, behind an HTTP server on loopback."""
    key, made = certificate("Time", stamps=True)
    pem = serialization.Encoding.PEM
    (folder / "tsa.crt").write_bytes(made.public_bytes(pem))
    (folder / "tsa.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "tsa.cnf").write_text(
        f"[tsa]\ndefault_tsa = one\n[one]\nserial = {folder}/serial\n"
        f"signer_cert = {folder}/tsa.crt\n"
        f"certs = {folder}/tsa.crt\nsigner_key = {folder}/tsa.key\nsigner_digest = sha256\n"
        "default_policy = 1.2.3.4.1\ndigests = sha256, sha384, sha512\naccuracy = secs:1\n"
        "ess_cert_id_alg = sha256\n"
    )

    class Service(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = folder / "query.tsq"
            query.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            reply = subprocess.run(
                ["openssl", "ts", "-reply", "-config", folder / "tsa.cnf", "-queryfile", query],
                check=True, capture_output=True,
            ).stdout  # fmt: skip
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


def trusting(*certificates: x509.Certificate) -> ValidationContext:
    roots = [
        asn1_x509.Certificate.load(one.public_bytes(serialization.Encoding.DER))
        for one in certificates
    ]
    return ValidationContext(trust_roots=roots, allow_fetching=False)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_report_is_signed_and_time_stamped_and_stays_pdf_a(
    room: CaseRoom, tmp_path: Path
) -> None:
    file, made = p12(tmp_path)
    with stamping_service(tmp_path) as (address, stamper):
        signer = load_report_signer(file, typed, address, now())
        done = export_case(room.sources, who(OFFICER), room.hit.hit_id, COURT, ["fr"], signer)
    assert verify_case(done.package, room.known).failure is None
    pdf = read_package(done.package)[1]["report.fr.pdf"]
    require_pdf_a(pdf)

    (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    context = trusting(made, stamper)
    status = validate_pdf_signature(signature, context, ts_validation_context=context)
    assert (status.intact, status.valid, status.trusted) == (True, True, True)
    assert status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    stamp = status.timestamp_validity
    assert stamp is not None
    assert (stamp.intact, stamp.valid, stamp.trusted) == (True, True, True)
    assert abs(stamp.timestamp - now()) < timedelta(minutes=5)
    widget = signature.sig_field
    assert int(widget["/F"]) & 0b100111 == 0b100  # printed, and not hidden: PDF/A
    changed = pdf.replace(b"/Lang", b"/Long", 1)
    (broken,) = PdfFileReader(io.BytesIO(changed)).embedded_signatures
    assert not validate_pdf_signature(broken, context).intact


def test_p21_without_a_time_stamp_nothing_is_exported(room: CaseRoom, tmp_path: Path) -> None:
    before = [one for one in recorded(room.desk) if isinstance(one, CaseExported)]
    file, _ = p12(tmp_path)
    signer = load_report_signer(file, typed, "http://127.0.0.1:1/", now())
    refused(
        lambda: export_case(room.sources, who(OFFICER), room.hit.hit_id, COURT, ["nl"], signer),
        "E_TSA",
    )
    assert [one for one in recorded(room.desk) if isinstance(one, CaseExported)] == before


def test_a_key_that_cannot_be_used_is_refused_with_its_cure(tmp_path: Path) -> None:
    file, _ = p12(tmp_path)
    refused(lambda: load_report_signer(file, lambda _: "wrong", None, now()), "E_PASSPHRASE")
    refused(lambda: load_report_signer(file, typed, "ftp://tsa", now()), "E_USAGE")
    refused(lambda: load_report_signer(tmp_path / "none", typed, None, now()), "E_KEYS")
    file.chmod(0o644)
    refused(lambda: load_report_signer(file, typed, None, now()), "E_KEY_MODE")
    late, _ = p12(tmp_path, days=-1)
    refused(lambda: load_report_signer(late, typed, None, now()), "E_KEYS")
    late.write_bytes(b"no key")
    refused(lambda: load_report_signer(late, typed, None, now()), "E_PASSPHRASE")


def test_making_a_report_writes_no_file_and_needs_no_network(tmp_path: Path) -> None:
    """Pictures and plate stay in memory: strace would show more, a listing shows the folders."""
    program = (
        "import os, sys\n"
        "from edge.desk.court.report import _compiled\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(event) if event in "
        "{'socket.connect', 'tempfile.mkstemp'} else None)\n"
        "_compiled(b'#json(bytes(sys.inputs.data))', 'text')\n"
        "assert not opened and not os.listdir('.'), opened\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=60)
