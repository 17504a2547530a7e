"""All errors of the product, with their codes and exit statuses.

An error is one line for a person: what is wrong, where (file, line or field) and the cure.
It never contains a plate, a token or a pixel, because its text may reach a log.

Longer than 500 lines because it holds the table of all codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit status of the process; stable across versions."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    CONFIG = 3
    MODEL = 4
    SOURCE = 5
    BROKER = 6
    KEYS = 7
    STORAGE = 8


class EdgeError(Exception):
    """The base class of all errors.

    Args:
        message: One line that names the file or field and the cure.
        code: Stable machine-readable code (`E_…`); the class's own code when left out.
    """

    exit_code: ExitCode = ExitCode.CONFIG
    default_code: str = "E_EDGE"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class UsageError(EdgeError):
    """An option or argument is wrong, or does not go with another."""

    exit_code = ExitCode.USAGE
    default_code = "E_USAGE"


class ConfigError(EdgeError):
    """A site folder, list or option cannot be used."""

    exit_code = ExitCode.CONFIG
    default_code = "E_CONFIG"


class PolicyError(EdgeError):
    """The policy does not allow what was asked."""

    exit_code = ExitCode.CONFIG
    default_code = "E_POLICY"


class ModelError(EdgeError):
    """Weights are missing, altered or of another contract."""

    exit_code = ExitCode.MODEL
    default_code = "E_MODEL"


class CameraError(EdgeError):
    """A source cannot be opened or decoded."""

    exit_code = ExitCode.SOURCE
    default_code = "E_SOURCE"


class RedactionError(EdgeError):
    """A picture could not be masked; its hit is sent without a picture."""

    exit_code = ExitCode.SOURCE
    default_code = "E_REDACTION"


class PublishError(EdgeError):
    """A broker cannot be reached or refuses; hits stay in the outbox."""

    exit_code = ExitCode.BROKER
    default_code = "E_BROKER"


class KeyFileError(EdgeError):
    """A key is missing, unreadable or of the wrong kind."""

    exit_code = ExitCode.KEYS
    default_code = "E_KEYS"


class AccessError(EdgeError):
    """A person has not proved who she is, or has no right to what she asks."""

    exit_code = ExitCode.KEYS
    default_code = "E_RIGHT"


class OutboxError(EdgeError):
    """Storage is full, locked, damaged or of another version."""

    exit_code = ExitCode.STORAGE
    default_code = "E_STORAGE"


class AuditError(EdgeError):
    """An audit log cannot be written, or was altered."""

    exit_code = ExitCode.STORAGE
    default_code = "E_AUDIT"


class NoMemoryError(EdgeError):
    """Out of memory; what was stored is complete."""

    exit_code = ExitCode.STORAGE
    default_code = "E_MEMORY"


class MissingExtraError(EdgeError):
    """A package of an extra (`cpu`, `desk`, …) is needed and not installed."""

    exit_code = ExitCode.CONFIG
    default_code = "E_EXTRA"

    @classmethod
    def of(cls, error: ModuleNotFoundError) -> MissingExtraError | None:
        """The error that names the extra to install; None where no extra has the module."""
        module = (error.name or "").partition(".")[0]
        extra = EXTRA_OF.get(module)
        if extra is None:
            return None
        return cls(
            f"this needs the Python module {module}, which is not installed; run "
            f"`pip install 'edge-anpr[{extra}]'`"
        )


EXTRA_OF: Mapping[str, str] = {
    "alembic": "desk",
    "argon2": "desk",
    "av": "cpu",
    "cv2": "cpu",
    "fast_plate_ocr": "cpu",
    "iotcore": "cpu,demo",
    "joserfc": "desk",
    "numpy": "cpu",
    "onnxruntime": "cpu",
    "prometheus_client": "cpu",
    "psycopg": "postgres",
    "pyhanko": "desk",
    "pyotp": "desk",
    "securesystemslib": "updates",
    "sqlalchemy": "desk",
    "starlette": "desk",
    "tuf": "updates",
    "typst": "desk",
    "uvicorn": "desk",
    "webauthn": "desk",
}
"""The extra to install for a module that the base installation lacks."""


class InternalError(EdgeError):
    """A bug in the program."""

    exit_code = ExitCode.INTERNAL
    default_code = "E_INTERNAL"


@dataclass(frozen=True, slots=True)
class Meaning:
    """The exit status of a code, its cause and its cure."""

    status: int
    text: str


CODES: Mapping[str, Meaning] = {
    "E_INTERNAL": Meaning(1, "a bug in the program; please report the line"),
    "E_USAGE": Meaning(2, "an option or argument is wrong, missing, or does not go with another"),
    "E_PERSON": Meaning(
        2,
        "the desk has no person of that name, or has one already; see `edge-anpr desk people list`",
    ),
    "E_UPDATE": Meaning(
        3, "an update cannot be made, signed, published or installed; what runs keeps running"
    ),
    "E_UPDATE_TRIAL": Meaning(
        3,
        "the new version did not prove healthy, or a person asked to go back: the box runs the "
        "version before, and does not try this one again",
    ),
    "E_WAVE": Meaning(
        3,
        "the plan of waves or a report cannot be used, or a wave is halted; `edge-anpr fleet wave "
        "status` says why",
    ),
    "E_UPDATE_FETCH": Meaning(
        6, "metadata or an archive of updates cannot be fetched now; the box tries again"
    ),
    "E_UPDATE_SIGNATURE": Meaning(
        7,
        "metadata or an archive of updates is not signed by all who must, too old, older than "
        "before, or not what was signed; nothing of it is used",
    ),
    "E_UPDATE_STATE": Meaning(
        8, "a folder, service or file of updates cannot be used; the line says which"
    ),
    "E_ACCURACY": Meaning(
        3,
        "the policy has no accuracy figures, their interval does not follow from the counts, or "
        "they are too low for more than a trial; measure with `edge-anpr evaluate clips`",
    ),
    "E_ALTERNATIVES": Meaning(
        3,
        "the policy lacks physical measures, awareness or targeted checks; add date, evidence "
        "and outcome",
    ),
    "E_BOXES": Meaning(3, "boxes need attention; the lines above say which ones, and why"),
    "E_CERTAINTY": Meaning(
        3,
        "a rule's `min_posterior` or `min_margin` is below the floor of its legal regime; raise it",
    ),
    "E_CLOCK": Meaning(
        3,
        "the wall clock went back by more than 10 s, so no time is reliable; synchronise the clock",
    ),
    "E_CONFIG": Meaning(
        3,
        "a field of `site.yaml`, an option or a file is wrong; the message says which",
    ),
    "E_DEMO_KEYS": Meaning(
        3,
        "demo keys are public and allow recordings only; have the policy signed with real keys",
    ),
    "E_DATABASE_URL": Meaning(
        3,
        "the address of the desk's database has an unknown form; write `sqlite:///FILE` or "
        "`postgresql://USER@HOST:PORT/DATABASE`",
    ),
    "E_DPIA_WIDENING": Meaning(
        3,
        "the policy allows more than before, and its DPIA or the officer's opinion does not cover "
        "that; write a new DPIA, name each widening in `dpia.covers`, and sign again",
    ),
    "E_EXTRA": Meaning(
        3,
        "the command needs packages that the base installation lacks; install the extra that "
        "the message names",
    ),
    "E_GATE_STALLED": Meaning(
        3,
        "the conditions for open cameras could not be checked in time; check the disk",
    ),
    "E_LEASE": Meaning(
        3,
        "the policy is not activated on this box, or the activation has expired; activate or "
        "renew it",
    ),
    "E_NOT_IN_FORCE": Meaning(
        3,
        "another version is in force on this box; activate this one, or restore the other",
    ),
    "E_VERSION": Meaning(
        3,
        "the version number of a new policy must be higher than that of the one in force",
    ),
    "E_SOURCE_LIVE": Meaning(5, "a live camera belongs in `site.yaml`, not in `--source`"),
    "E_DPIA": Meaning(
        3,
        "a part of the DPIA's entry is missing, a named risk has no measure, or the document says "
        "too little; complete it",
    ),
    "E_DPIA_HASH": Meaning(
        3,
        "the DPIA's file is missing, or is not the one that the policy pins; restore it, or "
        "sign the policy with the new one",
    ),
    "E_DPIA_REVIEW": Meaning(
        3,
        "the DPIA's review date is missing, has passed or is more than three years ahead; review "
        "the DPIA and sign the policy again",
    ),
    "E_DOCTOR": Meaning(
        3,
        "`edge-anpr doctor` found a problem that stops the box; each finding names the cure",
    ),
    "E_EDGE": Meaning(3, "an error without a code of its own"),
    "E_EPOCH": Meaning(
        3,
        "an epoch is longer than the legal regime allows; shorten `epoch_minutes`",
    ),
    "E_EVALUATION": Meaning(
        3,
        "the evaluation is overdue, planned too late, dated in the future, or not signed by all "
        "roles; evaluate, and have all roles sign a new version that records it",
    ),
    "E_FINANCIAL_MOTIVE": Meaning(
        3,
        "a vendor is paid per fine, or the evidence for safety is missing; change the "
        "contract, or add the evidence",
    ),
    "E_HIT_SHARE": Meaning(
        3,
        "an implausible share of the vehicles are hits of a rule, or its `max_hit_share` is too "
        "high; find the cause, then renew the activation and restart the box",
    ),
    "E_HOMEWORK": Meaning(
        3,
        "several items of the compliance checklist are open; `edge-anpr check` lists them",
    ),
    "E_HOURS": Meaning(
        3,
        "a camera or rule is in force for more hours than allowed without a reason; shorten them, "
        "or say why in `hours_justification`",
    ),
    "E_HUMAN_CHECK": Meaning(
        3,
        "nobody checks the hits of a rule, although a sanction may follow; set `human_check: true`",
    ),
    "E_LIST": Meaning(
        3,
        "an entry of a list is wrong, so the whole list is refused; correct the lines in the "
        "message",
    ),
    "E_LIST_BUNDLE": Meaning(
        3,
        "a list bundle is damaged, or the policy does not allow it; the list in force stays in "
        "force",
    ),
    "E_LIST_MISSING": Meaning(
        3,
        "a rule needs a list that is not on the box; have its issuer build a bundle",
    ),
    "E_LIST_REPLAY": Meaning(
        3,
        "a list bundle is older than the last one; have its issuer build a new one",
    ),
    "E_LIST_SHRUNK": Meaning(
        3,
        "a permit list is empty, or has fewer than half of the plates of the one in force or of "
        "the largest of the last 30 days; if that is meant, its issuer builds it with "
        "`lists build --shrinks-from`",
    ),
    "E_LIST_SOURCE": Meaning(
        3,
        "the box cannot fetch lists that many boxes share; write the section `lists` into its "
        "site.yaml, or build the list for this box alone",
    ),
    "E_NOTICE": Meaning(
        3,
        "a page or sign differs from the signed policy; publish it again with `edge-anpr notice`",
    ),
    "E_OCCUPANTS": Meaning(
        3,
        "a rule shows the driver or all occupants although its offence does not need them, or "
        "nobody checks its hits; choose `reveal: vehicle` or `plate`",
    ),
    "E_OIDC": Meaning(
        3,
        "the section `oidc` of a desk's `desk.json`, or the file with its secret, cannot be used; "
        "the line names the field and the cure",
    ),
    "E_OPENCV": Meaning(
        3,
        "`cv2` cannot be loaded, or is a mixture of two versions; run the commands in the message",
    ),
    "E_POLICY": Meaning(3, "the policy does not allow this"),
    "E_PURPOSE_NOT_IN_DPIA": Meaning(
        3,
        "the DPIA does not cover a purpose; extend the DPIA and name the purpose in "
        "`dpia.purposes`",
    ),
    "E_QUORUM": Meaning(
        3,
        "not every role has signed the policy; have each sign it with `edge-anpr policy sign`",
    ),
    "E_DUTIES": Meaning(
        3,
        "one key or one person has two duties that exclude each other; give each its own",
    ),
    "E_RECEIPTS": Meaning(
        3,
        "with real keys every authority must send receipts; write receipts: required",
    ),
    "E_RETENTION_CEILING": Meaning(
        3,
        "hits would be kept for longer than is allowed; shorten `retention_hours` of the purpose, "
        "or the retention period of the desk",
    ),
    "E_SEQUENCE": Meaning(
        3,
        "a document is dated after the start, the start is in the future, or a recording is dated "
        "before the policy's first day or later than now; the legal steps come before the camera",
    ),
    "E_STATUS": Meaning(
        3,
        "no running box answers at this address; start it, or set `telemetry` in its site.yaml",
    ),
    "E_SUNSET": Meaning(
        3,
        "the policy has no last day, or that day has passed; sign a new version",
    ),
    "E_SUSPENDED": Meaning(
        3,
        "a signed order has suspended the box; to resume, the same key and a controller sign "
        "an order",
    ),
    "E_SUSPENSION": Meaning(3, "an order is not valid, or not for this box; it changes nothing"),
    "E_SUSPENSION_REPLAY": Meaning(
        3,
        "an order is older than the last one of its key; it changes nothing",
    ),
    "E_SUSPENSION_STATE": Meaning(
        3,
        "the record of suspensions is damaged, so the cameras stay closed; restore it, or have "
        "the order sent again",
    ),
    "E_MODEL": Meaning(4, "the manifest of weights cannot be read, or a field of it is wrong"),
    "E_MODEL_CONTRACT": Meaning(4, "the inputs or outputs of the weights differ from the manifest"),
    "E_MODEL_DIGEST": Meaning(4, "the file is not the one in the manifest; download it again"),
    "E_MODEL_DOWNLOAD": Meaning(
        4,
        "weights cannot be downloaded: no network, no such file, or an interruption; try "
        "again, or use `--from`",
    ),
    "E_MODEL_LOAD": Meaning(4, "ONNX Runtime cannot load the file"),
    "E_MODEL_MISSING": Meaning(
        4,
        "the file is in none of the folders for weights; run `edge-anpr models pull`",
    ),
    "E_MODEL_NAME": Meaning(
        4,
        "the manifest of weights has no such name; see `edge-anpr models list`",
    ),
    "E_MODEL_PIN": Meaning(
        4,
        "the manifest has no digest for these weights; compare the one that `models pull` "
        "shows, and give it with `--pin`",
    ),
    "E_MODEL_PROVIDER": Meaning(
        4,
        "the execution provider is not available; no other is used in its place",
    ),
    "E_MODEL_RUN": Meaning(4, "a network failed on one picture; the picture is masked by geometry"),
    "E_MODEL_RUNTIME": Meaning(
        4,
        "ONNX Runtime is not installed; install the extra `cpu` or `gpu`",
    ),
    "E_CAMERA_AUTH": Meaning(
        5,
        "a camera refuses the user name or password; correct them. The box tries once a minute",
    ),
    "E_CAMERA_CERTIFICATE": Meaning(
        5,
        "a camera's certificate is not trusted, not valid, or for another name; no frame is read",
    ),
    "E_CAMERA_DEVICE": Meaning(
        5,
        "a video device is missing, not permitted or in use; the message says which",
    ),
    "E_CAMERA_LOST": Meaning(5, "the connection to a camera broke; the box reconnects by itself"),
    "E_CAMERA_PIPELINE": Meaning(
        5,
        "GStreamer is not installed; install `gstreamer1.0-tools` and the plugins that the "
        "pipeline needs",
    ),
    "E_CAMERA_SILENT": Meaning(5, "a camera sends no usable frame; check it"),
    "E_CAMERA_STREAM": Meaning(5, "there is no video at a camera's address; check the path"),
    "E_CAMERA_UNREACHABLE": Meaning(
        5,
        "a camera cannot be reached, or refuses the connection; check address and network",
    ),
    "E_NOT_A_FILE": Meaning(5, "`redact` reads one regular file, never a live source"),
    "E_PICTURE_TOO_LARGE": Meaning(
        5,
        "no picture fits under the size limit; the hit is sent without a picture",
    ),
    "E_REDACTION": Meaning(5, "a picture could not be masked; the hit is sent without a picture"),
    "E_SOURCE": Meaning(5, "a source cannot be opened or read"),
    "E_SOURCE_EMPTY": Meaning(5, "a source holds no frame; copy or record it again"),
    "E_SOURCE_FORMAT": Meaning(5, "a file is neither a video nor a picture"),
    "E_SOURCE_MISSING": Meaning(5, "the file or folder does not exist"),
    "E_SOURCE_STREAM": Meaning(
        5, "a recording has no video stream of the number in `cameras.<name>.stream`; correct it"
    ),
    "E_SOURCE_TRUNCATED": Meaning(
        5, "a recording ends early or has many damaged frames; the other frames were used"
    ),
    "E_BROKER": Meaning(
        6,
        "the broker cannot be reached, or closed the connection; the hits are kept",
    ),
    "E_BROKER_CREDENTIALS": Meaning(
        6,
        "the broker refuses the user name or password; correct them",
    ),
    "E_FLEET": Meaning(
        6,
        "the fleet's server cannot be reached, or has no site folder for this box yet; check "
        "network and address, or run `edge-anpr fleet render`",
    ),
    "E_HITS_KEPT": Meaning(
        6,
        "the run has ended with undelivered hits; the next run delivers them",
    ),
    "E_LIST_FETCH": Meaning(
        6,
        "the body of a list cannot be fetched, or is not the one that its manifest names; the list "
        "in force stays in force, and a running box tries again",
    ),
    "E_LIST_UNANSWERED": Meaning(
        6,
        "the box has not answered a list in time; the broker keeps the list, so send it again "
        "once the box runs",
    ),
    "E_TOO_LARGE": Meaning(
        6,
        "the broker does not accept a packet of this size; lower `broker.payload_cap_kib`, or for "
        "a list raise the broker's limit",
    ),
    "E_TOPIC": Meaning(6, "a topic is not in the closed list; please report it"),
    "E_CASE": Meaning(
        7,
        "the case of the hit cannot take this step now: somebody else holds or has decided it, or "
        "an earlier step is missing",
    ),
    "E_CLONE": Meaning(
        7,
        "two boxes have this identity, so one is a copy, and both are held; find the copy, run "
        "`edge-anpr fleet forget` and enrol the right one",
    ),
    "E_ENROL": Meaning(
        7,
        "the fleet refuses this box or its request: a one-time code that is unknown, used, expired "
        "or of another box, or a certificate that was revoked; the message says which",
    ),
    "E_AUTHORITY_KEYS": Meaning(
        7,
        "an authority's public file has a key that the signed policy does not name; compare the "
        "file with the authority, or have a policy signed that names the key",
    ),
    "E_INVENTORY": Meaning(
        7,
        "the fleet's inventory does not list this box any more, so it gets no certificate and no "
        "site folder; put it back, or run `edge-anpr fleet forget`",
    ),
    "E_TPM": Meaning(
        7,
        "this machine's TPM does not open the box's keys, or cannot be used; run it on the box "
        "itself, as a user of the group tss, or enrol the box again",
    ),
    "E_CASE_KEYS": Meaning(
        7,
        "a case file is signed with another key than the one given, or no key was given to compare "
        "it with, or demo keys signed its policy; give the public keys of box, desk and each "
        "person who signed, received from their owners",
    ),
    "E_SHARD": Meaning(
        2,
        "`--shard N/M` does not fit the brokers, the database or another option; name each of M "
        "brokers with `--broker`, and use PostgreSQL",
    ),
    "E_DECOY": Meaning(
        2,
        "decoys cannot be made to look like the hits of a site, so none was added; or the case is "
        "a decoy and is never exported",
    ),
    "E_FINDING": Meaning(7, "a document is no finding of this version, or its key did not sign it"),
    "E_FOUR_EYES": Meaning(
        7,
        "two people are needed: another person approves a right than the one who proposed or gets "
        "it, and another officer gives a second finding",
    ),
    "E_HIT": Meaning(7, "a message is not a hit or receipt of this version"),
    "E_LOGIN": Meaning(
        7,
        "the name or the passphrase is wrong, or there were too many attempts; wait 15 minutes "
        "after five of them",
    ),
    "E_KEYS": Meaning(7, "a key is missing, unreadable or of the wrong kind"),
    "E_KEY_MODE": Meaning(
        7,
        "other users can read a private key, or write to its folder; correct the file mode",
    ),
    "E_KEYRING": Meaning(7, "the keyring is missing or is not a keyring; mount its storage medium"),
    "E_NO_KEY": Meaning(7, "the key to open a hit or a list is not here"),
    "E_PASSKEY": Meaning(
        7,
        "the answer of a passkey is not valid at this desk, or nobody has this passkey; repeat it, "
        "or log in with your passphrase",
    ),
    "E_REQUEST": Meaning(
        7,
        "a person's request at the desk is not in the state for this step, or the clerk has "
        "reached the limit of a day; `edge-anpr desk request list` shows all",
    ),
    "E_RETENTION_ENDED": Meaning(
        7,
        "the retention period has ended and the key was destroyed; nothing can open it",
    ),
    "E_RIGHT": Meaning(
        7,
        "the person has no right in force to do this, or the right cannot be changed so; "
        "`edge-anpr desk people list` shows all rights",
    ),
    "E_SALT_DESTROYED": Meaning(7, "the secret of the epoch was destroyed; start again"),
    "E_PASSPHRASE": Meaning(
        7,
        "the passphrase of a private key or of a person is missing, wrong or too short; type it at "
        "a terminal, or name a file with `--passphrase-file`",
    ),
    "E_SEAL": Meaning(7, "the evidence cannot be sealed or opened"),
    "E_SEAL_SIZE": Meaning(
        7,
        "the evidence does not fit under the size limit; raise `broker.payload_cap_kib`",
    ),
    "E_SIGNATURE": Meaning(7, "the signature is not by the key that the message names"),
    "E_TSA": Meaning(
        7, "the time stamping service gave no time stamp; try again later, or export without --tsa"
    ),
    "E_ANCHOR": Meaning(
        8,
        "the anchor of the audit log, outside the state folder, is missing, damaged or of another "
        "box; restore it, correct `site` and `box` in `site.yaml`, or start again as a new box "
        "with another id",
    ),
    "E_AUDIT": Meaning(
        8,
        "the audit log cannot be written; the box does nothing that it cannot record",
    ),
    "E_AUDIT_EDITED": Meaning(8, "a line of the audit log was changed; keep the file as evidence"),
    "E_AUDIT_FORK": Meaning(
        8,
        "there are two audit logs of the same name, or someone else continued one",
    ),
    "E_AUDIT_KEYS": Meaning(8, "these are not the keys of this audit log; name the right ones"),
    "E_AUDIT_TRUNCATED": Meaning(8, "the end of the audit log is missing"),
    "E_AUDIT_WITNESS": Meaning(8, "the file holds no checkpoints, or those of another log or key"),
    "E_BUSY": Meaning(
        8,
        "another process has locked the authority's store for too long; try again",
    ),
    "E_CORRUPT": Meaning(
        8,
        "the authority's store is damaged; move it away and restore it, or start a new one",
    ),
    "E_DATABASE": Meaning(
        8,
        "the desk's database cannot be reached, refuses the user, or does not keep what it "
        "confirms; nothing is half done, so correct that and run the command again",
    ),
    "E_DATABASE_FILLED": Meaning(
        8, "the database to which a store is to be moved is not empty; name an empty one"
    ),
    "E_DATABASE_VERSION": Meaning(
        8, "a newer program has made the desk's tables; use that program, and delete nothing"
    ),
    "E_DELETIONS": Meaning(
        8,
        "a file of statements of deletion is not complete, was altered, or is of another key; get "
        "it from the desk again",
    ),
    "E_DESK_EXISTS": Meaning(8, "there is a desk already; name another folder or database"),
    "E_DESK_MOVED": Meaning(
        8, "the desk's store was moved to another database; use that one, or finish the move"
    ),
    "E_DISK_FULL": Meaning(8, "the disk is full; free some space"),
    "E_EVIDENCE": Meaning(
        8,
        "a hit could not be stored, for an unexpected reason; please report it",
    ),
    "E_PAYLOAD": Meaning(
        8, "the payload of a hit beside the desk's database is missing or altered; restore it"
    ),
    "E_PAYLOADS": Meaning(
        8, "the store of payloads beside the desk's database cannot be used, or is not named"
    ),
    "E_LIST_PROCESS": Meaning(8, "the process that opens lists gave no answer; check the memory"),
    "E_LIST_COUNTERS": Meaning(
        8,
        "the file of list counters is damaged; restore it, or delete it: the counters of the "
        "lists in force then apply",
    ),
    "E_MEMORY": Meaning(
        8,
        "out of memory; give the box, or its service (MemoryMax=), more and start again",
    ),
    "E_NO_AUDIT": Meaning(8, "there is no audit log in this folder"),
    "E_NO_DESK": Meaning(
        8, "there is no desk in this folder or database; `edge-anpr desk init` makes one"
    ),
    "E_NO_HIT": Meaning(8, "the authority's store has no such hit"),
    "E_NO_STORE": Meaning(8, "there is no store of an authority in this folder"),
    "E_OUTBOX_DAMAGED": Meaning(8, "the outbox is damaged; move it away and start again"),
    "E_OUTBOX_FULL": Meaning(
        8,
        "the outbox has no room for another hit; all accepted hits are safe",
    ),
    "E_CASE_FILE": Meaning(
        8,
        "a case file is not complete, was changed, or contradicts itself; ask the desk for it "
        "again",
    ),
    "E_PACK": Meaning(8, "the evidence pack, or a file for it, is not valid"),
    "E_RETENTION_CLOCK": Meaning(
        8,
        "this machine's clock does not agree with the last run and the times that boxes have "
        "signed, so only hits that are due by those times were deleted; synchronise the clock, or "
        "confirm it",
    ),
    "E_STATE_BEHIND": Meaning(
        8,
        "the state folder lacks an order, a list's counter, a policy or the time that the audit "
        "log records; restore the file, or have it sent or installed again",
    ),
    "E_STATE_LOCKED": Meaning(8, "another process uses the state folder; stop it first"),
    "E_STATE_VERSION": Meaning(
        8,
        "a newer version has written the state folder or keyring; run that version, and delete "
        "nothing",
    ),
    "E_STORAGE": Meaning(8, "the state folder cannot be read or written"),
    "E_STORE_MODE": Meaning(
        8,
        "other users can read the folder of the authority's store; correct its mode",
    ),
}
"""Every stable code: its exit status, its cause and its cure. `scripts/errors-document` writes
docs/errors.md from it, and tests compare both with the code."""
