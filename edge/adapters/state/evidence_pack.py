"""Makes and verifies evidence packs: one file that shows whether a box keeps to its policy.

| name                                   | holds                                               |
|----------------------------------------|-----------------------------------------------------|
| `manifest.json`, `manifest.signature`  | digests of all other files, signed by the box       |
| `audit.log`                            | the audit log, every line with its checkpoint       |
| `box.public.json`                      | the box's public keys                               |
| `policies/<sha256>.json`               | each policy that the box ran under, canonical JSON  |
| `policies/<sha256>.signatures.json`    | the policy's signatures                             |
| `weights/<sha256>.json`                | digests of the weights of each run                  |
| `statistics.jsonl`                     | coarse counts of epochs                             |
| `accuracy.json`                        | measured accuracy, figures only                     |
| `deletions.jsonl`                      | what the authority's desk says that it deleted      |

It is one zip file (`pack_zip`). It contains no plate, picture, token, list or hit, and no name of a
clip or of a list's entry.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from edge.adapters.host.system import product_version
from edge.adapters.models.manifest import WeightsInUse
from edge.adapters.state.archive import Archive
from edge.adapters.state.audit_log import FILE_NAME as LOG_FILE
from edge.adapters.state.pack_zip import (
    ACCURACY,
    BOX_KEYS,
    MANIFEST,
    MAX_PACK_BYTES,
    SIGNATURE,
    read_zip,
    refused,
    write_zip,
)
from edge.adapters.state.statistics import FILE_NAME as STATISTICS_FILE
from edge.adapters.state.statistics import (
    CountTotals,
    EpochStatistics,
    StatisticsFile,
    first_unrecorded,
    totals,
)
from edge.domain.intervals import wilson
from edge.errors import AuditError, EdgeError, KeyFileError
from edge.formats.canonical import NotCanonicalError, canonical_model, parse_canonical
from edge.formats.identifiers import Id, Sha256
from edge.formats.signing import PublicKey, PublicKeyText, signed_bytes
from edge.formats.strict import Strict
from edge.policy.flaws import INTERVAL_TOLERANCE
from edge.policy.model import Policy
from edge.policy.signatures import missing_roles, parse_signatures, signers_of
from edge.policy.wording import is_of_earlier_format
from edge.privacy.audit import VerifiedLog, split_lines, verify_log
from edge.privacy.audit_events import EpochClosed, Started, Word
from edge.privacy.checkpoints import Checkpoint, box_log
from edge.privacy.deletions import DELETIONS_FILE, DeletionStatement, verify_deletions
from edge.privacy.key_formats import parse_box_public_keys
from edge.privacy.keys import BoxKeys, BoxPublicKeys
from edge.site.folder import BoxFolders

CONTEXT: Final = "edge-anpr/evidence-pack/1"
_NEEDED: Final = (MANIFEST, SIGNATURE, LOG_FILE, BOX_KEYS)


class PackedFile(Strict):
    """One file of the pack."""

    sha256: Sha256
    bytes: int = Field(ge=0, le=MAX_PACK_BYTES)


class PackManifest(Strict, populate_by_name=True):
    """The list of the pack's files with the box's ids; signed with the box's key."""

    schema_: Literal["edge-anpr/evidence-pack/1"] = Field(
        default="edge-anpr/evidence-pack/1", alias="schema"
    )
    site: Id
    box: Id
    version: Word
    key: PublicKeyText
    files: dict[Annotated[str, Field(max_length=200)], PackedFile]

    def canonical(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return canonical_model(self)

    def signed(self) -> bytes:
        """The bytes that the box signs."""
        return signed_bytes(CONTEXT, self.model_dump(mode="json", by_alias=True))


class PackedAccuracy(BaseModel):
    """The figures that `edge-anpr evaluate clips --json` prints, without names of clips.

    A clip's name may be a plate.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    vehicles: int = Field(ge=1)
    exact_count: int = Field(ge=0)
    exact_ci95: tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]]
    missed: int = Field(ge=0)
    spurious: int = Field(ge=0)
    split: int = Field(ge=0)
    frames: int = Field(ge=0)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        """An interval that is not the one of its counts would say more than was measured."""
        if self.exact_count > self.vehicles:
            raise ValueError("more exact readings than vehicles")
        measured = wilson(self.exact_count, self.vehicles)
        low, high = self.exact_ci95
        if max(abs(low - measured.low), abs(high - measured.high)) > INTERVAL_TOLERANCE:
            raise ValueError("another interval than that of the counts")
        return self

    def canonical(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return canonical_model(self)


@dataclass(frozen=True, slots=True)
class PackedPolicy:
    """A policy of the pack and its signatures."""

    sha256: str
    policy: Policy
    signed: frozenset[str]
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VerifiedPack:
    """A pack that was verified completely.

    Attributes:
        manifest: the list of its files.
        log: the audit log.
        policies: every policy that the box ran under.
        weights: the weights of every run.
        statistics: sums over the epochs.
        unrecorded: the number of the first epoch with counts that the audit log does not have;
            None: it has all.
        accuracy: measured accuracy, if it was included.
        deletions: statements of the authority's desk about what it deleted, if they were included.
        vouched: whether the box's key was known from elsewhere.
    """

    manifest: PackManifest
    log: VerifiedLog
    policies: tuple[PackedPolicy, ...]
    weights: tuple[WeightsInUse, ...]
    statistics: CountTotals
    unrecorded: int | None
    accuracy: PackedAccuracy | None
    deletions: tuple[DeletionStatement, ...]
    vouched: bool


# --- making ----------------------------------------------------------------------------------


def make_pack(
    box: BoxFolders,
    keys: BoxKeys,
    accuracy: PackedAccuracy | None = None,
    deletions: bytes | None = None,
) -> bytes:
    """Collect a box's evidence and sign it; the box may be running.

    Args:
        box: its ids and folders.
        keys: sign the pack.
        accuracy: measured accuracy.
        deletions: a file of statements of deletion, of a desk to which the box sends hits.

    Raises:
        EdgeError: something is missing or not valid; only packs that verify are made.
    """
    contents = dict(Archive(box.state).contents())
    log = box.state / LOG_FILE
    try:
        lines, _ = split_lines(log.read_bytes())  # an entry that is being written is left out
        contents[BOX_KEYS] = box.public_keys.read_bytes()
    except OSError as error:
        raise AuditError(
            f"{error.filename}: {error.strerror}; run the box before you make a pack",
            code="E_NO_AUDIT",
        ) from error
    contents[LOG_FILE] = b"".join(line + b"\n" for line in lines)
    epochs = StatisticsFile(box.state).read()
    if epochs:
        contents[STATISTICS_FILE] = b"".join(
            epoch.model_dump_json(by_alias=True).encode() + b"\n" for epoch in epochs
        )
    if accuracy is not None:
        contents[ACCURACY] = accuracy.canonical()
    if deletions is not None:
        contents[DELETIONS_FILE] = deletions
    manifest = PackManifest(
        site=box.site,
        box=box.box,
        version=product_version(),
        key=keys.public.text,
        files={
            name: PackedFile(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
            for name, content in sorted(contents.items())
        },
    )
    contents[MANIFEST] = manifest.canonical()
    contents[SIGNATURE] = base64.b64encode(keys.sign(manifest.signed()))
    pack = write_zip(contents)
    verify_pack(pack)
    return pack


def read_pack(file: Path) -> bytes:
    """Read a pack's file.

    Raises:
        AuditError: `E_PACK`: it cannot be read, or is too large.
    """
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_PACK_BYTES + 1)
    except OSError as error:
        fault = f"{error.strerror}; give the evidence pack that a box wrote"
        raise AuditError(f"{file}: {fault}", code="E_PACK") from error


def read_accuracy(file: Path) -> PackedAccuracy:
    """Read the figures of an accuracy report.

    Raises:
        AuditError: `E_PACK`: it cannot be read, or is not an accuracy report.
    """
    try:
        return PackedAccuracy.model_validate_json(file.read_bytes())
    except OSError as error:
        fault = f"{error.strerror}; give the accuracy report of this box's models"
        raise AuditError(f"{file}: {fault}", code="E_PACK") from error
    except ValidationError:
        raise refused(
            f"{file}: not an accuracy report; name a file with the output of `edge-anpr evaluate "
            "clips --json`"
        ) from None


# --- verifying ---------------------------------------------------------------------------


def verify_pack(
    data: bytes,
    *,
    keys: Collection[PublicKey] | None = None,
    witness: Sequence[Checkpoint] = (),
    desk_keys: Sequence[PublicKey] | None = None,
) -> VerifiedPack:
    """Verify a pack completely; nothing but the pack is needed.

    Args:
        data: the file's content.
        keys: the box's public keys from another source; None: those in the pack, which shows only
            that the pack is consistent.
        witness: checkpoints of the box's log that were kept elsewhere.
        desk_keys: keys of the authority's desk from another source; None: those that its
            statements of deletion name.

    Raises:
        AuditError: `E_PACK`: the pack is not valid; or as `verify_log` and `verify_deletions`.
        KeyFileError: a signature is wrong.
    """
    contents = read_zip(data)
    for name in _NEEDED:
        if name not in contents:
            raise refused(f"{name} is missing")
    manifest = _manifest(contents)
    own = _box_keys(contents, manifest)
    _require_signed(contents, manifest, own, keys)
    try:
        log = verify_log(
            contents[LOG_FILE],
            origin=box_log(manifest.site, manifest.box),
            keys=own.public_keys() if keys is None else keys,
            witness=witness,
        )
    except AuditError as error:
        if error.code != "E_AUDIT_KEYS":
            raise
        # The pack has been signed with a key that its log does not know: two parties made it.
        raise AuditError(
            f"the pack's {LOG_FILE} was signed by another key than the pack itself; another party "
            "made this pack, so ask the box's owner for one",
            code="E_AUDIT_FORK",
        ) from None
    policies, weights = _policies(contents), _weights(contents)
    for entry in log.entries:
        if isinstance(entry.event, Started) and (
            entry.event.policy_sha256 not in policies or entry.event.weights_sha256 not in weights
        ):
            raise refused(f"the policy or the weights of entry {entry.number} are missing")
    epochs = _statistics(contents)
    recorded = [entry.event for entry in log.entries if isinstance(entry.event, EpochClosed)]
    return VerifiedPack(
        manifest=manifest,
        log=log,
        policies=tuple(policies.values()),
        weights=tuple(weights.values()),
        statistics=totals(epochs),
        unrecorded=first_unrecorded(epochs, recorded),
        accuracy=_accuracy(contents),
        deletions=_deletions(contents, policies.values(), desk_keys),
        vouched=keys is not None,
    )


def _manifest(contents: Mapping[str, bytes]) -> PackManifest:
    try:
        manifest = parse_canonical(PackManifest, contents[MANIFEST])
    except ValidationError:
        raise refused(f"{MANIFEST} is not valid, or of another version") from None
    except NotCanonicalError:
        raise refused(f"{MANIFEST} is not in canonical form") from None
    rest = contents.keys() - {MANIFEST, SIGNATURE}
    if rest != manifest.files.keys():
        raise refused(f"it does not contain exactly the files that {MANIFEST} names")
    for name, facts in manifest.files.items():
        content = contents[name]
        digest = hashlib.sha256(content).hexdigest()
        if (digest, len(content)) != (facts.sha256, facts.bytes):
            raise refused(f"{name} is not the file that {MANIFEST} names")
    return manifest


def _box_keys(contents: Mapping[str, bytes], manifest: PackManifest) -> BoxPublicKeys:
    try:
        own = parse_box_public_keys(contents[BOX_KEYS], Path(BOX_KEYS))
    except (KeyFileError, RecursionError):
        raise refused(f"{BOX_KEYS} is not a box's public file") from None
    if (own.site, own.box) != (manifest.site, manifest.box):
        raise refused(f"{BOX_KEYS} belongs to another box")
    return own


def _require_signed(
    contents: Mapping[str, bytes],
    manifest: PackManifest,
    own: BoxPublicKeys,
    keys: Collection[PublicKey] | None,
) -> None:
    """Check that the manifest is signed with a key of the box, and with a known key if given."""
    key = next((each for each in own.public_keys() if each.text == manifest.key), None)
    if key is None:
        raise refused(f"it was signed with a key that {BOX_KEYS} does not name")
    if keys is not None and key not in keys:
        raise AuditError(
            f"the pack is signed with key {key.key_id}, which is not in the given public file; use "
            "the box's newest public file; if it is the newest, another party made this pack",
            code="E_AUDIT_FORK",
        )
    if not key.verify(_signature(contents[SIGNATURE]), manifest.signed()):
        raise KeyFileError("the manifest is not the one that the box signed", code="E_SIGNATURE")


def _signature(text: bytes) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 64 or base64.b64encode(raw) != text:
        raise refused(f"{SIGNATURE} is not a signature")
    return raw


def _policies(contents: Mapping[str, bytes]) -> dict[str, PackedPolicy]:
    """Each policy by its digest, with the signatures on it verified."""
    found: dict[str, PackedPolicy] = {}
    for name, content in contents.items():
        match = re.fullmatch(r"policies/([0-9a-f]{64})\.json", name)
        if match is None:
            continue
        try:
            policy = Policy.model_validate_json(content)
            digest = policy.sha256()
        except ValidationError as error:
            earlier = "; verify the pack with the version that made it"
            raise refused(
                f"{name}: not a policy that this version can read"
                f"{earlier if is_of_earlier_format(error) else ''}"
            ) from None
        except (ValueError, RecursionError, EdgeError):
            raise refused(f"{name}: not a policy that this version can read") from None
        if digest != match[1]:
            raise refused(f"{name}: the policy's digest is not the one in its name")
        signatures = contents.get(f"policies/{digest}.signatures.json")
        signed: frozenset[str] = frozenset()
        if signatures is not None:
            text = signatures.decode("utf-8", errors="replace")
            signed = signers_of(policy, parse_signatures(text, Path(name)))
        lacking = missing_roles(policy.approvals.signers, signed)
        found[digest] = PackedPolicy(digest, policy, signed, lacking)
    return found


def _weights(contents: Mapping[str, bytes]) -> dict[str, WeightsInUse]:
    found: dict[str, WeightsInUse] = {}
    for name, content in contents.items():
        match = re.fullmatch(r"weights/([0-9a-f]{64})\.json", name)
        if match is None:
            continue
        try:
            weights = WeightsInUse.model_validate_json(content)
        except ValidationError:
            raise refused(f"{name}: not a list of weights") from None
        if weights.sha256() != match[1]:
            raise refused(f"{name}: the digest of the list is not the one in its name")
        found[match[1]] = weights
    return found


def _statistics(contents: Mapping[str, bytes]) -> list[EpochStatistics]:
    try:
        return [
            EpochStatistics.model_validate_json(line)
            for line in contents.get(STATISTICS_FILE, b"").splitlines()
        ]
    except ValidationError:
        raise refused(f"{STATISTICS_FILE}: a line is not the record of an epoch") from None


def _deletions(
    contents: Mapping[str, bytes],
    policies: Collection[PackedPolicy],
    desk_keys: Sequence[PublicKey] | None,
) -> tuple[DeletionStatement, ...]:
    """The statements of the desk, which must be of an authority that a policy names."""
    if DELETIONS_FILE not in contents:
        return ()
    found = verify_deletions(contents[DELETIONS_FILE], desk_keys)
    known = {name for one in policies for name in one.policy.authorities}
    if not {one.authority for one in found} <= known:
        raise refused(f"{DELETIONS_FILE}: no policy of the pack names the authority of this desk")
    return found


def _accuracy(contents: Mapping[str, bytes]) -> PackedAccuracy | None:
    if ACCURACY not in contents:
        return None
    try:
        return PackedAccuracy.model_validate_json(contents[ACCURACY])
    except ValidationError:
        raise refused(f"{ACCURACY}: not accuracy figures") from None
