"""Every way the product refuses, in one place.

An error is one line for a person: what is wrong, where (file, line or field) and the cure.
It never carries a plate, a token or a pixel: whatever text goes in here may reach a log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its caller; stable across versions."""

    DONE = 0
    USAGE = 2
    CONFIG = 3
    MODEL = 4
    SOURCE = 5
    BROKER = 6
    KEYS = 7
    STORAGE = 8


class EdgeError(Exception):
    """Root of all refusals.

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
    """Arguments that do not go together, or name what cannot be used."""

    exit_code = ExitCode.USAGE
    default_code = "E_USAGE"


class ConfigError(EdgeError):
    """A site folder, list or option that cannot be used."""

    exit_code = ExitCode.CONFIG
    default_code = "E_CONFIG"


class PolicyError(EdgeError):
    """The policy does not allow what was asked."""

    exit_code = ExitCode.CONFIG
    default_code = "E_POLICY"


class ModelError(EdgeError):
    """Weights that are missing, altered or of another contract."""

    exit_code = ExitCode.MODEL
    default_code = "E_MODEL"


class CameraError(EdgeError):
    """A source that cannot be opened or decoded."""

    exit_code = ExitCode.SOURCE
    default_code = "E_SOURCE"


class RedactionError(EdgeError):
    """A picture that could not be masked; its hit goes without a picture."""

    exit_code = ExitCode.SOURCE
    default_code = "E_REDACTION"


class PublishError(EdgeError):
    """A broker that cannot be reached or refuses; hits stay in the outbox."""

    exit_code = ExitCode.BROKER
    default_code = "E_BROKER"


class KeyFileError(EdgeError):
    """A key that is missing, unreadable or of the wrong kind."""

    exit_code = ExitCode.KEYS
    default_code = "E_KEYS"


class OutboxError(EdgeError):
    """Storage that is full, locked, corrupt or of another version."""

    exit_code = ExitCode.STORAGE
    default_code = "E_STORAGE"


class AuditError(EdgeError):
    """An audit log that cannot be written, or is not as it was written."""

    exit_code = ExitCode.STORAGE
    default_code = "E_AUDIT"


class NoMemoryError(EdgeError):
    """The system gives no more memory; what was stored is whole."""

    exit_code = ExitCode.STORAGE
    default_code = "E_MEMORY"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means, and what helps."""

    status: int
    text: str


CODES: Mapping[str, Meaning] = {
    "E_USAGE": Meaning(2, "arguments that do not go together, or that name what cannot be used"),
    "E_ACCURACY": Meaning(
        3,
        "the policy's accuracy is missing, or its interval does not follow from the counts; "
        "measure it with `edge-anpr evaluate clips`",
    ),
    "E_ALTERNATIVES": Meaning(
        3,
        "physical measures, awareness or targeted checks are missing from the policy; add "
        "date, evidence and outcome",
    ),
    "E_CLOCK": Meaning(
        3,
        "the wall clock went back by more than 10 s, so no time is evidence; synchronise it",
    ),
    "E_CONFIG": Meaning(
        3,
        "a field of `site.yaml`, an option or a file is wrong; the line says where",
    ),
    "E_DEMO_KEYS": Meaning(
        3, "demo keys, which everybody has, are good for recordings only; have real keys sign"
    ),
    "E_DPIA_WIDENING": Meaning(
        3, "the policy widens and its DPIA is the old one; write the DPIA anew and sign again"
    ),
    "E_LEASE": Meaning(
        3, "the policy is not activated on this box, or the activation has expired; renew it"
    ),
    "E_NOT_IN_FORCE": Meaning(
        3, "another version is in force on this box; activate this one, or put the other back"
    ),
    "E_VERSION": Meaning(3, "a new version has a higher number than the one in force"),
    "E_SOURCE_LIVE": Meaning(5, "a live camera is named in `site.yaml`, not with `--source`"),
    "E_DPIA": Meaning(
        3,
        "a part of the DPIA's entry is missing, or a named risk has no measure; fill it in",
    ),
    "E_DPIA_HASH": Meaning(
        3,
        "the DPIA's file is missing or not the one that the policy pins; restore it, or have "
        "the new one signed",
    ),
    "E_DPIA_REVIEW": Meaning(
        3,
        "the DPIA's review date is missing or has passed; review it and have the policy "
        "signed anew",
    ),
    "E_DOCTOR": Meaning(
        3, "`edge-anpr doctor` found what keeps the box from its work; each finding says what helps"
    ),
    "E_EDGE": Meaning(3, "any refusal that has no code of its own"),
    "E_EVALUATION": Meaning(
        3,
        "the evaluation is overdue or planned too late; evaluate, and sign a new version that "
        "says so",
    ),
    "E_FINANCIAL_MOTIVE": Meaning(
        3,
        "a vendor is paid per fine, or the evidence for safety is missing; change the "
        "contract, or add the evidence",
    ),
    "E_HOMEWORK": Meaning(
        3, "several items of the compliance checklist are open; `edge-anpr check` lists them all"
    ),
    "E_LIST": Meaning(
        3,
        "an entry of a list is wrong, so the list is refused whole; correct the named lines",
    ),
    "E_LIST_BUNDLE": Meaning(
        3,
        "a bundle of a list is not in order, or not what the policy allows; what was in force "
        "stays in force",
    ),
    "E_LIST_MISSING": Meaning(
        3,
        "a rule needs a list that is not on the box; have its issuer build a bundle",
    ),
    "E_LIST_REPLAY": Meaning(
        3,
        "a bundle is older than the last one of its list; have it built anew",
    ),
    "E_NOTICE": Meaning(
        3,
        "a page or sign is not what the signed policy says; publish it anew with "
        "`edge-anpr notice`",
    ),
    "E_OPENCV": Meaning(
        3,
        "`cv2` does not load or is a mixture of two versions; run the commands in the message",
    ),
    "E_POLICY": Meaning(3, "the policy does not allow what was asked"),
    "E_PURPOSE_NOT_IN_DPIA": Meaning(
        3,
        "a purpose that the DPIA does not cover; extend the DPIA and name the purpose in "
        "`dpia.purposes`",
    ),
    "E_QUORUM": Meaning(
        3,
        "not every role has signed the policy; have each sign it with `edge-anpr policy sign`",
    ),
    "E_RETENTION_CEILING": Meaning(
        3,
        "a purpose keeps hits for longer than its legal regime allows; shorten `retention_hours`",
    ),
    "E_SEQUENCE": Meaning(
        3,
        "a document is dated after the start, or the start has not come; law first, then the "
        "camera",
    ),
    "E_STATUS": Meaning(
        3, "no running box answers there; start it, or set `telemetry` in its site.yaml"
    ),
    "E_SUNSET": Meaning(
        3,
        "the policy has no last day, or it has passed; only a new, signed version opens a camera",
    ),
    "E_SUSPENDED": Meaning(
        3,
        "the box is suspended by a signed order; an order of the same key and a controller resumes",
    ),
    "E_SUSPENSION": Meaning(3, "an order is none, or not for this box; it changes nothing"),
    "E_SUSPENSION_REPLAY": Meaning(3, "an order is older than the last one of its key"),
    "E_SUSPENSION_STATE": Meaning(
        3,
        "the record of suspensions is damaged, so the box stays shut; restore it, or have the "
        "order sent again",
    ),
    "E_MODEL": Meaning(4, "the list of weights cannot be read, or a field of it is wrong"),
    "E_MODEL_CONTRACT": Meaning(
        4,
        "the weights take or give something else than the manifest says",
    ),
    "E_MODEL_DIGEST": Meaning(
        4,
        "the file is not the one the manifest names; fetch it again from its source",
    ),
    "E_MODEL_DOWNLOAD": Meaning(
        4,
        "weights cannot be fetched: no network, no such file, broke off; or give `--from`",
    ),
    "E_MODEL_LOAD": Meaning(4, "ONNX Runtime cannot load the file"),
    "E_MODEL_MISSING": Meaning(4, "the file was found in none of the folders for weights"),
    "E_MODEL_NAME": Meaning(4, "no such name in `models/manifest.toml`"),
    "E_MODEL_PIN": Meaning(
        4,
        "the digest of the weights is not known yet; pin what `models pull` shows",
    ),
    "E_MODEL_PROVIDER": Meaning(
        4,
        "the execution provider asked for is not there; it is never replaced silently",
    ),
    "E_MODEL_RUNTIME": Meaning(4, "ONNX Runtime is not installed; take the extra `cpu` or `gpu`"),
    "E_CAMERA_AUTH": Meaning(
        5,
        "a camera refuses user name or password; correct them: it is asked again once a minute",
    ),
    "E_CAMERA_CERTIFICATE": Meaning(
        5,
        "the certificate of a camera is not trusted, not valid or another's; nothing is read",
    ),
    "E_CAMERA_DEVICE": Meaning(
        5,
        "a video device is not there, not permitted or in use; the line says which",
    ),
    "E_CAMERA_LOST": Meaning(5, "a camera broke off; it is connected again for ever"),
    "E_CAMERA_PIPELINE": Meaning(
        5,
        "GStreamer is not installed; install `gstreamer1.0-tools` and the plugins it needs",
    ),
    "E_CAMERA_SILENT": Meaning(5, "a camera gives no frame that can be used; check it"),
    "E_CAMERA_STREAM": Meaning(5, "there is no video at a camera's address; check its path"),
    "E_CAMERA_UNREACHABLE": Meaning(
        5,
        "a camera cannot be reached, or refuses the connection; check address and network",
    ),
    "E_NOT_A_FILE": Meaning(5, "`redact` takes one regular file, never a live source"),
    "E_PICTURE_TOO_LARGE": Meaning(5, "no picture fits under the cap; the hit goes without one"),
    "E_REDACTION": Meaning(5, "a picture could not be masked; the hit goes without one"),
    "E_SOURCE": Meaning(5, "a source cannot be opened or read"),
    "E_SOURCE_EMPTY": Meaning(5, "not one frame in it; copy or record it again"),
    "E_SOURCE_FORMAT": Meaning(5, "no video and no picture"),
    "E_SOURCE_MISSING": Meaning(5, "no such file or folder"),
    "E_SOURCE_TRUNCATED": Meaning(
        5,
        "a recording breaks off before its end; what it held was used",
    ),
    "E_BROKER": Meaning(6, "the broker is not reached or closes the connection; hits are kept"),
    "E_BROKER_CREDENTIALS": Meaning(6, "the broker refuses user name or password"),
    "E_HITS_KEPT": Meaning(6, "the run is over and hits are left; the next run delivers them"),
    "E_TOO_LARGE": Meaning(
        6,
        "the broker takes no packet of this size; lower `broker.payload_cap_kib`",
    ),
    "E_TOPIC": Meaning(6, "a topic outside the closed list; please report it"),
    "E_HIT": Meaning(7, "a message is no hit, or no receipt, of this version"),
    "E_KEYS": Meaning(7, "a key is missing, unreadable or of the wrong kind"),
    "E_KEY_MODE": Meaning(7, "others may read a private key, or put keys into its folder"),
    "E_KEYRING": Meaning(
        7,
        "the keyring that was used before is not here, or is none; mount its medium",
    ),
    "E_NO_KEY": Meaning(7, "the key that a hit or a list was sealed to is not here"),
    "E_RETENTION_ENDED": Meaning(
        7,
        "the retention has ended and its key is destroyed; nothing opens it",
    ),
    "E_SALT_DESTROYED": Meaning(7, "the epoch's secret is gone for good; start again"),
    "E_SEAL": Meaning(7, "the evidence cannot be sealed or opened"),
    "E_SEAL_SIZE": Meaning(
        7,
        "evidence does not fit under the cap; raise `broker.payload_cap_kib`",
    ),
    "E_SIGNATURE": Meaning(7, "the signature is not by whom the message says"),
    "E_AUDIT": Meaning(
        8,
        "the audit log cannot be written; the box does nothing that it cannot record",
    ),
    "E_AUDIT_EDITED": Meaning(
        8,
        "a line of the audit log is not the one that was written; keep the copy",
    ),
    "E_AUDIT_FORK": Meaning(
        8,
        "there are two audit logs of one name, or somebody else went on with one",
    ),
    "E_AUDIT_TRUNCATED": Meaning(8, "the end of the audit log is missing"),
    "E_AUDIT_WITNESS": Meaning(
        8,
        "the checkpoints to compare with are of another log or key, or are none",
    ),
    "E_BUSY": Meaning(8, "another process holds the authority's store for too long; try again"),
    "E_CORRUPT": Meaning(
        8,
        "the authority's store is damaged; move it aside, restore it, or start a new one",
    ),
    "E_DISK_FULL": Meaning(8, "the disk is full; free space"),
    "E_EVIDENCE": Meaning(8, "storing a hit failed for an unforeseen reason; please report it"),
    "E_LIST_COUNTERS": Meaning(
        8,
        "the counters of lists are damaged; restore them, or delete them: the lists in force count",
    ),
    "E_MEMORY": Meaning(
        8, "no memory is left; give the box, or the service, more (MemoryMax=), and start again"
    ),
    "E_NO_AUDIT": Meaning(8, "there is no audit log in that folder"),
    "E_NO_HIT": Meaning(8, "the authority's store holds no such hit"),
    "E_NO_STORE": Meaning(8, "there is no store of the authority in that folder"),
    "E_OUTBOX_DAMAGED": Meaning(8, "the outbox is damaged; move it aside and start again"),
    "E_OUTBOX_FULL": Meaning(8, "the reserve holds no further hit; what was accepted is safe"),
    "E_PACK": Meaning(8, "the evidence pack, or a file for it, is not as a box makes it"),
    "E_STATE_LOCKED": Meaning(8, "another process uses the state folder"),
    "E_STATE_VERSION": Meaning(
        8,
        "a newer version has written to state or keyring; run that one, delete nothing",
    ),
    "E_STORAGE": Meaning(8, "the state folder cannot be read or written"),
    "E_STORE_MODE": Meaning(8, "others may read the folder of the authority's store"),
}
"""Every stable code: its exit status, when it comes, and what helps. docs/errors.md is made from
this by `scripts/errors-document`, and tests hold both against the code."""
