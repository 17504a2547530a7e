"""Vectors of what is signed and sealed: policies, orders, lists, hits, receipts, the audit log."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.authenticator import Authenticator
from tests.unit.vectors.cast import (
    AUTHORITY,
    BOX,
    CAP,
    DIGEST,
    HIT_IDS,
    ISSUED,
    LIST,
    NOW,
    SITE,
    STORED,
    TOKEN,
    FixedRandom,
    context,
    evidence,
    json_lines,
    policy,
    signatures,
    stored_keys,
    unpadded,
)
from tests.unit.vectors.product import (
    ACTIVATION_CONTEXT,
    BUNDLE_SCHEMA,
    LEAST_BY_PICTURES,
    PASSKEY_SCHEMA,
    POLICY_CONTEXT,
    SIZE_CLASSES,
    AccountLinkChanged,
    BoxClock,
    CaseExported,
    CaseOpened,
    Chain,
    DecoysAdded,
    Deleted,
    DeletionTerms,
    EnrolmentChanged,
    EpochClosed,
    Event,
    FindingSigned,
    FindingTerms,
    Hit,
    HoldChanged,
    Hypothesis,
    KeyInUse,
    ListBundleError,
    ListChanged,
    ListInForce,
    LogSearched,
    PasskeyChanged,
    PasskeyKey,
    PersonChanged,
    PersonKeyAdded,
    PersonKeyRevoked,
    PlateText,
    PolicyChanged,
    PolicyInForce,
    ReadingShown,
    RelyingParty,
    RequestChanged,
    RetentionRun,
    RightChanged,
    RuleStopped,
    SaltChain,
    SecondFactorChanged,
    SessionChanged,
    SigningKey,
    Started,
    StateChanged,
    StatusFacts,
    Stopped,
    StoreMoved,
    SuspensionChanged,
    SuspensionState,
    TermChanged,
    Unsealed,
    UpdateResult,
    activate,
    authority_log,
    box_log,
    build_bundle,
    build_hit,
    creation_options,
    finding_challenge,
    finding_of_passkey,
    largest_body,
    load_signer_key,
    new_order,
    obeyed,
    parse_assertion,
    parse_bundle,
    parse_creation,
    picture_budget,
    request_options,
    seal,
    sign,
    sign_answer,
    sign_deletions,
    sign_finding,
    sign_receipt,
    sign_status,
    signed_bytes,
    statement_of,
    suspension_terms,
    typing_digest,
    verified_creation,
    verify_deletions,
)

Files = dict[str, bytes]


def signed_documents(folder: Path) -> Files:
    """Canonical JSON, signatures, the policy, its signatures and its activation."""
    awkward = {"z": 1, "é": '€\u0007\\"', "a": [True, None, 1.0, 1e21, 0.1], "\ud7ff": {"": -0.0}}
    signer = load_signer_key(stored_keys(folder).signer_file)
    activation = activate(policy(), BOX, SigningKey.demo_of("mayor"), NOW)
    lease = activation.lease.model_dump(mode="json")
    return {
        "signing/canonical.bin": signed_bytes("edge-anpr/vector/1", awkward),
        "signing/signature.json": sign("edge-anpr/vector/1", awkward, signer)
        .model_dump_json()
        .encode(),
        "signing/demo-keys.txt": json_lines(
            *([key.signer, key.public.key_id, key.public.text, key.raw().hex()]
              for key in map(SigningKey.demo_of, ("mayor", "office", "vtc")))
        ),
        "policy/signed.bin": signed_bytes(POLICY_CONTEXT, policy().document()),
        "policy/sha256.txt": policy().sha256().encode() + b"\n",
        "policy/policy.signatures.json": signatures().text().encode(),
        "activation/signed.bin": signed_bytes(ACTIVATION_CONTEXT, lease),
        "activation/activation.json": activation.text().encode(),
    }  # fmt: skip


def orders(folder: Path) -> Files:
    """Orders to suspend and to resume, as files and as commands, and the box's record of them."""
    vtc, mayor = SigningKey.demo_of("vtc"), SigningKey.demo_of("mayor")
    unsigned = new_order(SITE, "suspend", "complaint", ISSUED)
    suspend = unsigned.signed_by(vtc)
    one_box = new_order(SITE, "suspend", "audit", ISSUED, box=BOX).signed_by(vtc)
    resume = new_order(SITE, "resume", "settled", ISSUED + timedelta(hours=1), box=BOX)
    resume = resume.signed_by(vtc).signed_by(mayor)
    terms = suspension_terms(policy(), BOX)
    suspended = obeyed(suspend, SuspensionState(), terms)
    resumed = obeyed(resume, suspended, terms)
    return {
        "orders/unsigned.json": unsigned.to_bytes(),
        "orders/suspend-site.json": suspend.to_bytes(),
        "orders/suspend-box.json": one_box.to_bytes(),
        "orders/resume-box.json": resume.to_bytes(),
        "orders/state-empty.json": SuspensionState().to_bytes(),
        "orders/state-suspended.json": suspended.to_bytes(),
        "orders/state-resumed.json": resumed.to_bytes(),
    }


def lists(folder: Path) -> Files:
    """A list bundle: the document inside, what binds the seal, and the length of the whole."""
    keys = stored_keys(folder)
    bundle = build_bundle(LIST, SigningKey.demo_of("office"), keys.box_public)
    cover = json.loads(bundle)
    length = len(cover.pop("sealed"))
    info = json.dumps(cover, sort_keys=True, separators=(",", ":")).encode()
    document = unpadded(parse_bundle(bundle).sealed, keys.box.lists, info)
    unsigned = json.loads(document[4:])
    unsigned.pop("signature")
    there = next(STORED.glob("*.bundle")).read_bytes()
    refused = ListBundleError("list stolen: entries[3].end: must be after start; the bundle is …")
    in_force = sign_answer("stolen", there, None, NOW, keys.box)
    unread = sign_answer("stolen", b"{}", refused, NOW, keys.box)
    return {
        "lists/answer-in-force.json": in_force.to_bytes(),
        "lists/answer-refused.json": unread.to_bytes(),
        "lists/document.bin": document,
        "lists/signed.bin": signed_bytes(BUNDLE_SCHEMA, unsigned),
        "lists/info.json": info,
        "lists/sealed-length.txt": f"{length} characters of base64\n".encode(),
    }


def status(folder: Path) -> Files:
    """A box's statements about itself: with everything in it, and with nothing known."""
    keys = stored_keys(folder)
    whole = StatusFacts(
        version="0.1.0",
        state="online",
        reason="running",
        weights_sha256="11" * 32,
        policy=PolicyInForce(sha256=DIGEST, version=2, lease_ends="2027-01-02T03:04:05.678Z"),
        lists=(
            ListInForce(list_="permits", counter=7),
            ListInForce(list_="stolen", counter=2**53 - 1),
        ),
        clock=BoxClock(synchronised=True, steps="one"),
        temperature_c=-10,
        disk_percent=30,
        update=UpdateResult(target="0.1.0", outcome="rolled-back"),
    )
    empty = StatusFacts(
        version="0.1.0",
        state="safe",
        reason="E_SUSPENDED",
        weights_sha256=None,
        policy=None,
        lists=(),
        clock=BoxClock(synchronised=None, steps="none"),
        temperature_c=None,
        disk_percent=None,
        update=None,
    )
    return {
        f"status/{name}.json": sign_status(facts, counter, NOW, keys.box).to_bytes()
        for name, facts, counter in (("whole", whole, 1), ("empty", empty, 1_800_000_000))
    }


def hits(folder: Path) -> Files:
    """Hits with no, one and two pictures: inside and outside the seal; a receipt; lengths."""
    keys = stored_keys(folder)
    files: Files = {}
    for number, hit_id in enumerate(HIT_IDS):
        about = context(keys, number)
        fresh = seal(
            evidence(number),
            about,
            box=keys.box,
            authority=keys.authority_public,
            payload_cap_bytes=CAP,
        )
        private = keys.authority.newest.sealing
        files[f"hits/{number}-pictures.body.bin"] = unpadded(fresh, private, about.info())
        files[f"hits/{number}-pictures.info.json"] = about.info()
        stored = Hit.model_validate_json((STORED / f"hit-{number}.json").read_bytes())
        hit = build_hit(
            about,
            stored.sealed_bytes,
            epoch=3,
            token=TOKEN,
            posterior=0.98765,
            margin=1 / 3,
            human_check_required=number == 1,
            keys=keys.box,
        )
        files[f"hits/{number}-pictures.payload.json"] = hit.to_payload()
        if number == 0:
            unsigned = hit.model_dump(by_alias=True, exclude={"signature"})
            files["hits/0-pictures.signed.bin"] = signed_bytes(Hit.SCHEMA, unsigned)
        receipt = sign_receipt(hit, NOW + timedelta(minutes=2), keys.authority.newest)
        files[f"hits/{number}-pictures.receipt.json"] = receipt.to_payload()
        assert hit.hit_id == hit_id
    files["hits/lengths.txt"] = _lengths(folder)
    return files


def _lengths(folder: Path) -> bytes:
    """Length of the seal by number and size of pictures, and by the cap of a payload."""
    keys = stored_keys(folder / "again")
    caps = [8 * 1024, 20 * 1024, CAP, 128 * 1024, 1024 * 1024]
    lines: list[object] = [{"size_classes": SIZE_CLASSES, "least_by_pictures": LEAST_BY_PICTURES}]
    lines += [
        {"cap": cap, "largest_body": largest_body(cap), "picture_budget": picture_budget(cap)}
        for cap in caps
    ]
    for pictures, size in ((0, 0), (1, 100), (1, 11_000), (2, 100), (2, 10_000), (2, 35_000)):
        sealed = seal(
            evidence(pictures, size),
            context(keys),
            box=keys.box,
            authority=keys.authority_public,
            payload_cap_bytes=CAP,
        )
        lines.append({"pictures": pictures, "bytes_each": size, "sealed": len(sealed)})
    return json_lines(*lines)


def tokens(folder: Path) -> Files:
    """Pseudonyms over three epochs, by purpose and rule."""
    chain = SaltChain(SITE, BOX, FixedRandom())
    lines: list[object] = []
    for step in (1, 3):
        lines += [
            [chain.epoch, purpose, rule, plate, chain.token(purpose, rule, PlateText(plate)).hex()]
            for purpose in ("quiet", "safe")
            for rule in ("zone", "looked-for")
            for plate in ("1ABC123", "B")
        ]
        chain.rotate(step)
    guesses = (Hypothesis(PlateText("1ABC123"), 0.75), Hypothesis(PlateText("1ABC128"), 0.25))
    lines += [
        [chain.epoch, each.token.hex(), each.probability]
        for each in chain.tokens("quiet", "zone", guesses)
    ]
    return {"tokens/tokens.txt": json_lines(*lines)}


def findings(folder: Path) -> Files:
    """Two findings on one hit: an officer and the box differ, and a second officer decides."""
    key = bytes(range(32))
    typed, read = (typing_digest(key, PlateText(plate)) for plate in ("1A8C123", "1ABC123"))
    common = {
        "schema": FindingTerms.SCHEMA, "authority": AUTHORITY, "hit_id": HIT_IDS[0],
        "hit_sha256": DIGEST, "site": SITE, "box": BOX, "camera": "cam-1", "rule": "zone",
        "policy_sha256": DIGEST, "observed_at": "2026-11-30T07:16:05.123Z",
        "shown": [{"name": "vehicle", "sha256": DIGEST}, {"name": "plate", "sha256": "a5" * 32}],
        "opened_at": "2026-12-01T08:00:00.000Z", "judged_at": "2026-12-01T08:00:09.500Z",
        "decided_at": "2026-12-01T08:00:12.000Z", "judgement": "offence", "box_read": read,
        "reason": None,
    }  # fmt: skip
    made: list[bytes] = []
    before: str | None = None
    person: dict[str, str] = {}
    for number, (name, role, text, outcome) in enumerate(
        [("els", "officer", typed, "referred"), ("tom", "second-officer", read, "confirmed")], 1
    ):
        person = {
            "name": name, "full_name": f"{name.title()} Peeters-\u00c9", "role": role,
            "right": "0123456789abcdef", "right_sha256": DIGEST, "mandate": "GR-2026/114",
        }  # fmt: skip
        own = {"number": number, "predecessor": before, "person": person, "typed": text}
        terms = FindingTerms.model_validate_json(json.dumps(common | own | {"outcome": outcome}))
        finding = sign_finding(terms, SigningKey.demo_of(name))
        made.append(finding.to_payload())
        before = finding.sha256()
    own = {"number": 1, "predecessor": None, "person": person, "typed": read}
    by_passkey = common | own | {"schema": PASSKEY_SCHEMA, "outcome": "confirmed"}
    signed, passkey = _signed_by_passkey(FindingTerms.model_validate_json(json.dumps(by_passkey)))
    return {
        "findings/first.json": made[0],
        "findings/second.json": made[1],
        "findings/sha256.txt": f"{before}\n".encode(),
        "findings/passkey.json": signed,
        "findings/passkey.key.txt": f"{passkey.text}\n".encode(),
    }


def _signed_by_passkey(terms: FindingTerms) -> tuple[bytes, PasskeyKey]:
    """A finding that a passkey with a known key has signed, and its public key."""
    party = RelyingParty("desk.example", "https://desk.example")
    known = Ed25519PrivateKey.from_private_bytes(SigningKey.demo_of("els").raw())
    passkey = Authenticator(party.origin, credential=bytes(range(32)), key=known)
    creation = creation_options(party, bytes(56), "desk", ("els", "Els", bytes(32)), ())
    public, _ = verified_creation(parse_creation(passkey.create(creation)), party)
    asked = request_options(party, finding_challenge(terms))
    finding = finding_of_passkey(terms, public, *statement_of(parse_assertion(passkey.get(asked))))
    return finding.to_payload(), public


def deletions(folder: Path) -> Files:
    """Three statements of deletion: a day without, some, and a run that a person began."""
    sites = [
        ("<10", "<10", None, 30, 365, None),
        (120, 10, DIGEST, 14, 730, None),
        ("<10", "<10", DIGEST, 14, 730, "an-peeters"),
    ]
    key = SigningKey.demo_of("desk")
    lines = b""
    before: str | None = None
    for number, (waiting, confirmed, terms_sha256, waits, kept, by) in enumerate(sites, 1):
        site = {
            "site": SITE, "waiting_days": waits, "kept_days": kept, "terms_sha256": terms_sha256,
            "not_confirmed": waiting, "confirmed": confirmed,
        }  # fmt: skip
        terms = {
            "schema": DeletionTerms.SCHEMA, "authority": AUTHORITY, "number": number,
            "predecessor": before, "made_at": f"2026-12-0{number}T00:05:00.000Z",
            "day": f"2026-12-0{number}", "by": by, "sites": [site], "key": key.public.text,
        }  # fmt: skip
        statement = sign_deletions(DeletionTerms.model_validate_json(json.dumps(terms)), key)
        lines += statement.to_payload() + b"\n"
        before = statement.sha256()
    assert len(verify_deletions(lines, [key.public])) == 3
    return {"deletions/deletions.jsonl": lines, "deletions/sha256.txt": f"{before}\n".encode()}


EVENTS_OF_EACH_KIND: tuple[Event, ...] = (
    Started("0.1.0", DIGEST, "a5" * 32),
    StateChanged("safe", "E_LEASE"),
    StateChanged("online", "running"),
    EpochClosed(0, "<10", "<10", "<10"),
    EpochClosed(2**53 - 1, 120, 10, 30),
    PolicyChanged("activated", DIGEST, widening=True),
    PolicyChanged("renewed", DIGEST, widening=False),
    PolicyChanged("withdrawn", DIGEST, widening=False),
    ListChanged("installed", "stolen", 1_780_000_000_000, DIGEST),
    ListChanged("installed", "permits", 2, DIGEST, plates="<10"),
    ListChanged("installed", "permits", 3, DIGEST, plates=120, shrinks=True),
    ListChanged("refused", "stolen", 1, DIGEST),
    ListChanged("removed", "stolen", 0, DIGEST),
    RuleStopped("stolen", "E_HIT_SHARE"),
    SuspensionChanged("suspended", DIGEST, "0123456789abcdef"),
    SuspensionChanged("resumed", DIGEST, "0123456789abcdef"),
    Deleted("erased", None, 20),
    Deleted("unreadable", "quiet", "<10"),
    Unsealed("0" * 32),
    Stopped("interrupted"),
    PersonChanged("added", "jan-maes", "an-peeters"),
    PersonChanged("passphrase", "jan-maes", "jan-maes"),
    RightChanged("approved", "0" * 16, DIGEST, "supervisor", "an", "an", alone=True),
    RightChanged("proposed", "1" * 16, DIGEST, "officer", "jan-maes", "an-peeters", alone=False),
    RightChanged("revoked", "1" * 16, DIGEST, "officer", "jan-maes", "an-peeters", alone=False),
    StoreMoved(DIGEST, "an-peeters"),
    PersonKeyAdded("jan-maes", SigningKey.demo_of("jan-maes").public.text),
    CaseOpened("0" * 32, "jan-maes", "review", "opened"),
    CaseOpened("0" * 32, "jan-maes", "court", "E_RIGHT"),
    ReadingShown("0" * 32, "jan-maes"),
    FindingSigned("0" * 32, 1, "jan-maes", "referred", DIGEST),
    CaseExported("0" * 32, "jan-maes", "fine", DIGEST),
    SessionChanged("login", "an-peeters"),
    SessionChanged("refused", None),
    SessionChanged("logout", "an-peeters"),
    LogSearched("an-peeters", "jan-maes", "0" * 32),
    LogSearched("an-peeters", None, None),
    DecoysAdded("street", "<10", "an-peeters"),
    PersonKeyRevoked("jan-maes", "1" * 16, "an-peeters"),
    PasskeyChanged("added", "jan-maes", DIGEST, "jan-maes"),
    PasskeyChanged("removed", "jan-maes", DIGEST, "an-peeters"),
    EnrolmentChanged("made", "jan-maes", "an-peeters"),
    EnrolmentChanged("used", "jan-maes", "jan-maes"),
    SecondFactorChanged("set-up", "jan-maes"),
    SecondFactorChanged("removed", "jan-maes"),
    SecondFactorChanged("recovery-codes", "jan-maes"),
    SecondFactorChanged("recovered", "jan-maes"),
    AccountLinkChanged("proposed", "0" * 16, DIGEST, "jan-maes", "an-peeters"),
    AccountLinkChanged("approved", "0" * 16, DIGEST, "jan-maes", "jan-maes"),
    AccountLinkChanged("removed", "0" * 16, DIGEST, "jan-maes", "an-peeters"),
    TermChanged("proposed", "0" * 16, DIGEST, "an-peeters"),
    TermChanged("approved", "0" * 16, DIGEST, "jan-maes"),
    HoldChanged("set", "0" * 32, "court", DIGEST, "jan-maes"),
    HoldChanged("ended", "0" * 32, "appeal", DIGEST, "jan-maes"),
    RetentionRun(1, DIGEST, "trusted", None),
    RetentionRun(2, DIGEST, "confirmed", "an-peeters"),
    RequestChanged("opened", "0" * 16, DIGEST, "access", None, "els-clerk"),
    RequestChanged("answered", "0" * 16, DIGEST, "objection", DIGEST, "els-clerk"),
)


def audit(folder: Path) -> Files:
    """A line and a checkpoint for every kind of event, in the box's and the authority's log."""
    keys = stored_keys(folder)
    files: Files = {}
    for name, origin, signer in (
        ("box", box_log(SITE, BOX), keys.box),
        ("authority", authority_log(AUTHORITY), keys.authority.newest),
    ):
        chain = Chain(origin)
        lines, notes = b"", b""
        events = (KeyInUse(origin, signer.public.text), *EVENTS_OF_EACH_KIND)
        for number, event in enumerate(events):
            line, checkpoint = chain.sign(event, NOW + timedelta(seconds=number), signer)
            chain.take(line[:-1])
            lines += line
            notes += checkpoint.note() + b"\n"
        files[f"audit/{name}.log"] = lines
        files[f"audit/{name}.checkpoints.txt"] = notes
    return files
