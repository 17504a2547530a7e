"""Verifies a case file offline: nothing is needed but the file and the public keys.

Each check uses what those before it have proven, so the first that fails is the last that is made.
The checks do not trust the desk that wrote the package: they follow from the signatures of the box,
the authority, the signers of the policy and the people, and from the signed audit log.

This module needs no package of the extra `desk`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from edge.authority.opening import OpenedHit, opened_bytes
from edge.authority.policy_checks import require_allowed
from edge.desk.court.package import (
    AUDIT,
    AUTHORITY_KEYS,
    BOX_KEYS,
    EVIDENCE,
    HIT,
    OPENED,
    PEOPLE,
    POLICY,
    POLICY_SIGNATURES,
    RECEIPT,
    SIGNATURE,
    CaseManifest,
    CasePeople,
    finding_name,
    read_package,
    refused,
    require_signed,
)
from edge.desk.court.people_checks import (
    SignedFinding,
    require_key,
    require_pictures,
    require_right,
    require_steps,
    signed_findings,
)
from edge.desk.court.verdict import CaseCheck, CaseKey, CaseVerdict, KnownKeys
from edge.desk.findings import DeskFinding, FindingKey, parse_finding_key, verify_findings
from edge.desk.outcomes import FindingOutcome, Judgement
from edge.errors import EdgeError, KeyFileError, PolicyError
from edge.formats.canonical import NotCanonicalError, canonical_json, parse_canonical
from edge.formats.plurals import quantity
from edge.formats.signing import PublicKey
from edge.policy.model import Policy
from edge.policy.signatures import missing_roles, parse_signatures, signers_of
from edge.privacy.audit_events import CaseOpened, Entry, FindingSigned, ReadingShown
from edge.privacy.audit_proofs import verify_proof
from edge.privacy.checkpoints import desk_log
from edge.privacy.hit import Hit, verify_hit, verify_receipt
from edge.privacy.key_formats import (
    AuthorityPublicFile,
    BoxPublicFile,
    authority_public_keys,
    box_public_keys,
    key_file_bytes,
    parse_key_file,
)
from edge.privacy.keys import AuthorityPublicKeys, BoxPublicKeys
from edge.privacy.sealing import EvidenceContent, read_body

_PublicFile = TypeVar("_PublicFile", BoxPublicFile, AuthorityPublicFile)


def verify_case(data: bytes, known: KnownKeys | None = None) -> CaseVerdict:
    """Verify a case file completely.

    Args:
        data: the content of its file.
        known: keys from elsewhere; without them only that the package is consistent is proven.

    Returns:
        What was proven, and the first failure; nothing of the content is passed on if it fails.
    """
    checks = _CaseChecks(data, known or KnownKeys())
    verdict = CaseVerdict(keys=checks.keys)
    for what, check in checks.all():
        if verdict.failure is not None:
            verdict.checks.append(CaseCheck(what, None, "not checked"))
            continue
        try:
            verdict.checks.append(CaseCheck(what, told=check(), proven=True))
        except EdgeError as error:
            verdict.failure = error
            verdict.checks.append(CaseCheck(what, told=error.message, proven=False))
    verdict.demo = checks.demo
    if verdict.failure is None:
        verdict.hit, verdict.findings = checks.hit, checks.findings
    return verdict


class _CaseChecks:
    """The checks of one case file; each method raises `EdgeError`, or tells what it has proven."""

    def __init__(self, data: bytes, known: KnownKeys) -> None:
        self._data = data
        self._known = known
        self.keys: list[CaseKey] = []
        self.contents: Mapping[str, bytes] = {}
        self.manifest: CaseManifest
        self.hit: Hit
        self.box: BoxPublicKeys
        self.evidence: EvidenceContent
        self.findings: tuple[DeskFinding, ...] = ()
        self.people: CasePeople
        self.entries: tuple[Entry, ...] = ()
        self.signed: tuple[SignedFinding, ...] = ()
        self.demo = False

    def all(self) -> tuple[tuple[str, Callable[[], str]], ...]:
        return (
            ("files", self._files),
            ("desk's signature", self._desk),
            ("hit", self._hit),
            ("receipt", self._receipt),
            ("evidence", self._evidence),
            ("pictures", self._pictures),
            ("policy", self._policy),
            ("findings", self._findings),
            ("audit log", self._audit),
            ("people and rights", self._people),
        )

    def _files(self) -> str:
        self.manifest, self.contents = read_package(self._data)
        reports = sum(name.startswith("report.") for name in self.contents)
        told = quantity(reports, "report is", "reports are")
        return (
            f"{len(self.contents)} files, none changed, removed or added; {told} "
            "signed by the desk alone"
        )

    def _desk(self) -> str:
        key = require_signed(self.manifest, self.contents[SIGNATURE])
        self._use_of_desk(self.manifest.authority, key)
        return f"signed with key {key.key_id} of the desk of {self.manifest.authority}"

    def _hit(self) -> str:
        path = Path(BOX_KEYS)
        self.box = _parsed(
            BOX_KEYS, lambda: box_public_keys(self._public_file(BOX_KEYS, BoxPublicFile), path)
        )
        self.hit = verify_hit(self.contents[HIT], self.box)
        if (self.hit.hit_id, self.hit.authority) != (self.manifest.hit_id, self.manifest.authority):
            raise refused(f"{HIT} is another hit than that of the case")
        known = self._known.box
        if known is not None:
            if (known.site, known.box) != (self.hit.site, self.hit.box):
                raise _other_key(f"the hit is of box {self.hit.box} at {self.hit.site}", "box")
            verify_hit(self.contents[HIT], known)
            self.box = known
        whose = f"box {self.hit.box} at {self.hit.site}"
        self.keys.append(CaseKey(whose, self.hit.box_key_id, known is not None, "--box-keys FILE"))
        return f"hit {self.hit.hit_id}, signed by {whose} with key {self.hit.box_key_id}"

    def _receipt(self) -> str:
        if not {RECEIPT, AUTHORITY_KEYS} & self.contents.keys():
            return "the case file has none"
        if not {RECEIPT, AUTHORITY_KEYS} <= self.contents.keys():
            raise refused(f"one of {RECEIPT} and {AUTHORITY_KEYS} is missing")
        path = Path(AUTHORITY_KEYS)
        own = _parsed(
            AUTHORITY_KEYS,
            lambda: authority_public_keys(
                self._public_file(AUTHORITY_KEYS, AuthorityPublicFile), path
            ),
        )
        receipt = verify_receipt(self.contents[RECEIPT], own)
        if not receipt.confirms(self.contents[HIT]):
            raise refused(f"{RECEIPT} is of another hit")
        known = self._known.authority
        if known is not None:
            verify_receipt(self.contents[RECEIPT], known)
        whose = f"authority {own.authority}"
        self.keys.append(CaseKey(whose, receipt.authority_key_id, known is not None, None))
        return f"{whose} had the sealed hit at {receipt.stored_at}"

    def _public_file(self, name: str, model: type[_PublicFile]) -> _PublicFile:
        found = parse_key_file(self.contents[name], model, Path(name))
        if key_file_bytes(found) != self.contents[name]:
            raise refused(f"{name} is not in the form in which it is written")
        return found

    def _evidence(self) -> str:
        context = self.hit.seal_context()
        self.evidence = read_body(self.contents[EVIDENCE], context, box=self.box)
        if self.contents[OPENED] != opened_bytes(OpenedHit(self.hit, self.evidence)):
            raise refused(f"{OPENED} does not say what is in {EVIDENCE}")
        return "what was opened is what the box signed for this hit"

    def _pictures(self) -> str:
        there = {f"pictures/{one.name}.jpg": one.jpeg for one in self.evidence.pictures}
        packed = {
            name: content for name, content in self.contents.items() if name.startswith("pictures/")
        }
        if there != packed:
            raise refused("the pictures are not those of the evidence")
        return f"{quantity(len(there), 'picture')}, byte for byte those of the evidence"

    def _policy(self) -> str:
        try:
            policy = Policy.model_validate_json(self.contents[POLICY])
            canonical = canonical_json(policy.document())
        except (ValidationError, ValueError, RecursionError):
            raise refused(f"{POLICY} is no policy that this version reads") from None
        if canonical != self.contents[POLICY] or policy.sha256() != self.hit.policy_sha256:
            raise refused(f"{POLICY} is not the policy that the hit names")
        try:
            require_allowed(self.hit, self.evidence.pictures, policy)
        except PolicyError as error:
            raise refused(f"{POLICY}: {error.message}") from None
        text = self.contents[POLICY_SIGNATURES].decode("utf-8", errors="replace")
        signed = signers_of(policy, parse_signatures(text, Path(POLICY_SIGNATURES)))
        lacking = missing_roles(policy.approvals.signers, signed)
        if lacking:
            raise refused(f"{POLICY} is not signed by: {', '.join(lacking)}")
        for name in sorted(signed):
            signer = policy.approvals.signers[name]
            key = PublicKey.parse(signer.key)  # the box signed the digest of the policy
            self.keys.append(
                CaseKey(f"{signer.role} {name}", key.text, confirmed=False, option=None)
            )
        self.demo = policy.demo
        demo = "; with demo keys, which are public: it proves nothing" if policy.demo else ""
        return f"version {policy.version}, signed by {', '.join(sorted(signed))}{demo}"

    def _findings(self) -> str:
        try:
            self.people = parse_canonical(CasePeople, self.contents[PEOPLE])
            keys = {one.name: tuple(map(parse_finding_key, one.keys)) for one in self.people.people}
        except (ValidationError, NotCanonicalError, KeyFileError, RecursionError):
            raise refused(f"{PEOPLE} is not in its canonical form") from None
        texts = [text for one in self.people.people for text in one.keys]
        if len(keys) != len(self.people.people) or len(set(texts)) != len(texts):
            raise refused(f"{PEOPLE} names a person or a key twice")
        names = sorted(name for name in self.contents if name.startswith("findings/"))
        if not names or names != [finding_name(at + 1) for at in range(len(names))]:
            raise refused("a finding is missing")
        found = verify_findings(tuple(self.contents[name] for name in names), keys)
        digests = {
            name.removeprefix("pictures/").removesuffix(".jpg"): facts.sha256
            for name, facts in self.manifest.files.items()
            if name.startswith("pictures/")
        }
        wanted = {**_facts(self.hit), "hit_sha256": self.manifest.files[HIT].sha256}
        for one in found:
            if {name: getattr(one, name) for name in wanted} != wanted:
                raise refused(f"finding {one.number} is on another hit")
            if {picture.name: picture.sha256 for picture in one.shown} != digests:
                raise refused(f"finding {one.number} was made from other pictures")
            require_pictures(one)
        last = found[-1]
        if last.outcome is not FindingOutcome.CONFIRMED:
            raise refused(f"the newest finding is {last.outcome.value}, so nothing is established")
        agrees = last.typed is not None and last.typed == last.box_read
        if last.judgement is not Judgement.OFFENCE or not agrees:
            raise refused("the newest finding confirms without the plate as the box read it")
        if len({one.person.name for one in found}) != len(found):
            raise refused("one person gave two findings")
        self.findings = tuple(found)
        told = quantity(len(found), "finding")
        return f"{told}, each signed; the newest, {last.number}, confirms"

    def _audit(self) -> str:
        origin = desk_log(self.hit.authority)
        checkpoint, key, self.entries = verify_proof(self.contents[AUDIT], origin)
        if key.text != self.manifest.desk_key:
            self._use_of_desk(f"{self.manifest.authority}, earlier", key)
        self._require_of_case()
        self.signed = signed_findings(self.findings, self.entries)
        for signed in self.signed:
            require_steps(signed)
        seen = [one for one in self._known.witness if one.size == checkpoint.size]
        for one in seen:
            if one.origin != origin or not one.signed_by(key) or one.root != checkpoint.root:
                raise refused(f"the witness saw another log of {checkpoint.size} entries")
        agree = quantity(
            len(seen), "checkpoint of the witness agrees", "checkpoints of the witness agree"
        )
        told = f"; {agree}" if self._known.witness else ""
        return f"{len(self.entries)} of {checkpoint.size} entries, each in the signed log{told}"

    def _require_of_case(self) -> None:
        for entry in self.entries:
            event = entry.event
            if (
                isinstance(event, FindingSigned | CaseOpened | ReadingShown)
                and event.hit_id != self.hit.hit_id
            ):
                raise refused(f"entry {entry.number} of the audit log is on another hit")

    def _people(self) -> str:
        rights = {one.right: one for one in self.people.rights}
        needed = {one.person.right for one in self.findings}
        if sorted(one.right for one in self.people.rights) != sorted(needed):
            raise refused(f"{PEOPLE} does not hold exactly the rights of the findings")
        used = {
            (one.person.name, text)
            for one in self.findings
            for person in self.people.people
            if person.name == one.person.name
            for text in person.keys
            if parse_finding_key(text).key_id == one.signature.key_id
        }
        if used != {(one.name, text) for one in self.people.people for text in one.keys}:
            raise refused(f"{PEOPLE} does not hold exactly the keys of the people who signed")
        for one in self.signed:
            require_key(one)
            require_right(one, rights[one.finding.person.right])
        for name, text in sorted(used):
            self._use_of_person(name, parse_finding_key(text))
        last = self.findings[-1].person
        return (
            f"{quantity(len(self.people.people), 'person', 'people')}, with keys and rights that "
            "the log records; "
            f"{last.full_name}, {last.role.value}, {last.mandate}"
        )

    def _use_of_desk(self, whose: str, key: PublicKey) -> None:
        confirmed = key in self._known.desk
        self.keys.append(CaseKey(f"desk {whose}", key.text, confirmed, "--desk-key KEY"))
        if self._known.desk and not confirmed:
            raise _other_key(f"signed with key {key.text}", "desk")

    def _use_of_person(self, name: str, key: FindingKey) -> None:
        hers = self._known.people.get(name, frozenset())
        option = f"--person-key {name}=KEY"
        self.keys.append(CaseKey(f"person {name}", key.text, key in hers, option))
        if hers and key not in hers:
            raise _other_key(f"a finding of {name} is signed with key {key.text}", "person")


def _facts(hit: Hit) -> dict[str, object]:
    """What a finding repeats of its hit."""
    names = ("authority", "hit_id", "site", "box", "camera", "rule", "policy_sha256", "observed_at")
    return {name: getattr(hit, name) for name in names}


_Keys = TypeVar("_Keys", BoxPublicKeys, AuthorityPublicKeys)


def _parsed(name: str, parse: Callable[[], _Keys]) -> _Keys:
    try:
        return parse()
    except (KeyFileError, RecursionError):
        raise refused(f"{name} is no public file") from None


def _other_key(what: str, whose: str) -> KeyFileError:
    return KeyFileError(
        f"{what}, which is not the key that you gave; compare it with the {whose}'s owner: another "
        "party may have made this case file",
        code="E_CASE_KEYS",
    )
