"""Every part of the product that the vectors use: when a module moves, this file alone changes."""

from __future__ import annotations

from edge.adapters.broker.messages import Availability, Discovery, HealthMessage
from edge.adapters.broker.topics import BoxTopics, all_hits, receipt
from edge.adapters.host.kernel_clock import KernelClock
from edge.adapters.host.metrics import Answer, CameraFigures, Figures, RuleFigures, exposition
from edge.adapters.models.manifest import WeightsInUse
from edge.adapters.state.archive import Archive
from edge.adapters.state.audit_log import AuditTrail
from edge.adapters.state.evidence_pack import PackedAccuracy, make_pack, verify_pack
from edge.adapters.state.key_files import (
    load_authority_private_keys,
    load_authority_public_keys,
    load_box_keys,
    load_box_public_keys,
    load_signer_key,
    signing_keys,
)
from edge.adapters.state.key_making import (
    install_public_keys,
    new_authority_keys,
    new_box_keys,
    new_signer_key,
    rotate_authority_keys,
    rotate_box_keys,
)
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.list_store import ListStore
from edge.adapters.state.outbox import Outbox
from edge.adapters.state.outbox_file import VERSION as OUTBOX_VERSION
from edge.adapters.state.pack_zip import read_zip, write_zip
from edge.adapters.state.policy_state import PolicyState, SteadyClock
from edge.adapters.state.state_version import KNOWN as KNOWN_STATE
from edge.adapters.state.statistics import EpochStatistics, StatisticsFile
from edge.adapters.state.suspension_store import SuspensionStore
from edge.authority.opening import open_hit, write_opened
from edge.authority.store import HitStore
from edge.authority.store import Reason as ReviewReason
from edge.box.summary import RunSummary, StreamSummary
from edge.desk.findings import (
    PASSKEY_SCHEMA,
    FindingTerms,
    finding_challenge,
    finding_of_passkey,
    parse_finding_key,
    sign_finding,
    typing_digest,
    verify_findings,
)
from edge.desk.passkey_keys import PasskeyKey, RelyingParty
from edge.desk.relying_party import (
    creation_options,
    parse_assertion,
    parse_creation,
    request_options,
    statement_of,
    verified_creation,
)
from edge.domain.lists import ListEntry
from edge.domain.plates import Hypothesis, PlateText
from edge.domain.pseudonym import PlateToken
from edge.domain.reveal import MaskMethod
from edge.errors import CODES, KeyFileError
from edge.formats.signing import PublicKey, Signature, SigningKey, sign, signed_bytes, verify
from edge.policy.activation import CONTEXT as ACTIVATION_CONTEXT
from edge.policy.activation import InForce, activate, read_activation, read_in_force, require_lease
from edge.policy.bundle_format import SCHEMA as BUNDLE_SCHEMA
from edge.policy.bundle_format import ListBundleError
from edge.policy.bundles import ListContent, build_bundle, list_terms, open_bundle, parse_bundle
from edge.policy.list_answer import sign_answer
from edge.policy.list_manifest import joined
from edge.policy.model import Policy
from edge.policy.notice.counts import read_counts
from edge.policy.notice.publication import notice_content, publication
from edge.policy.shared_lists import IssuedList, build_shared
from edge.policy.signatures import CONTEXT as POLICY_CONTEXT
from edge.policy.signatures import PolicySignatures, add_signature, parse_signatures, require_quorum
from edge.policy.suspension import (
    SuspensionState,
    new_order,
    obeyed,
    parse_order,
    suspension_terms,
)
from edge.privacy.audit import Chain, verify_log
from edge.privacy.audit_events import (
    EVENTS,
    AccountLinkChanged,
    CaseExported,
    CaseOpened,
    DecoysAdded,
    Deleted,
    EnrolmentChanged,
    EpochClosed,
    Event,
    FindingSigned,
    HoldChanged,
    KeyInUse,
    ListChanged,
    LogSearched,
    PasskeyChanged,
    PersonChanged,
    PersonKeyAdded,
    PersonKeyRevoked,
    PolicyChanged,
    ReadingShown,
    RequestChanged,
    RetentionRun,
    RightChanged,
    RuleStopped,
    SecondFactorChanged,
    SessionChanged,
    Started,
    StateChanged,
    Stopped,
    StoreMoved,
    SuspensionChanged,
    TermChanged,
    Unsealed,
)
from edge.privacy.box_status import (
    BoxClock,
    ListInForce,
    PolicyInForce,
    StatusFacts,
    UpdateResult,
    sign_status,
)
from edge.privacy.checkpoints import authority_log, box_log, parse_checkpoints
from edge.privacy.deletions import DeletionTerms, sign_deletions, verify_deletions
from edge.privacy.hit import (
    Hit,
    build_hit,
    sign_receipt,
    verify_hit,
    verify_receipt,
)
from edge.privacy.key_formats import BoxPrivateFile, key_file_bytes, parse_key_file
from edge.privacy.key_generation import signer_file
from edge.privacy.keyring import RetentionKey, StoredItem
from edge.privacy.keys import AuthorityPrivateKeys, AuthorityPublicKeys, BoxKeys, BoxPublicKeys
from edge.privacy.protected_keys import protected
from edge.privacy.pseudonyms import SaltChain
from edge.privacy.sealed_keys import under_secret
from edge.privacy.sealing import (
    LEAST_BY_PICTURES,
    SIZE_CLASSES,
    EvidenceContent,
    Picture,
    SealContext,
    largest_body,
    open_sealed,
    picture_budget,
    seal,
)
from edge.site.folder import BoxFolders, read_box_folders, read_policy

__all__ = [
    "ACTIVATION_CONTEXT",
    "BUNDLE_SCHEMA",
    "CODES",
    "EVENTS",
    "KNOWN_STATE",
    "LEAST_BY_PICTURES",
    "OUTBOX_VERSION",
    "PASSKEY_SCHEMA",
    "POLICY_CONTEXT",
    "SIZE_CLASSES",
    "AccountLinkChanged",
    "Answer",
    "Archive",
    "AuditTrail",
    "AuthorityPrivateKeys",
    "AuthorityPublicKeys",
    "Availability",
    "BoxClock",
    "BoxFolders",
    "BoxKeys",
    "BoxPrivateFile",
    "BoxPublicKeys",
    "BoxTopics",
    "CameraFigures",
    "CaseExported",
    "CaseOpened",
    "Chain",
    "DecoysAdded",
    "Deleted",
    "DeletionTerms",
    "Discovery",
    "EnrolmentChanged",
    "EpochClosed",
    "EpochStatistics",
    "Event",
    "EvidenceContent",
    "Figures",
    "FindingSigned",
    "FindingTerms",
    "HealthMessage",
    "Hit",
    "HitStore",
    "HoldChanged",
    "Hypothesis",
    "InForce",
    "IssuedList",
    "KernelClock",
    "KeyFileError",
    "KeyInUse",
    "Keyring",
    "ListBundleError",
    "ListChanged",
    "ListContent",
    "ListEntry",
    "ListInForce",
    "ListStore",
    "LogSearched",
    "MaskMethod",
    "Outbox",
    "PackedAccuracy",
    "PasskeyChanged",
    "PasskeyKey",
    "PersonChanged",
    "PersonKeyAdded",
    "PersonKeyRevoked",
    "Picture",
    "PlateText",
    "PlateToken",
    "Policy",
    "PolicyChanged",
    "PolicyInForce",
    "PolicySignatures",
    "PolicyState",
    "PublicKey",
    "ReadingShown",
    "RelyingParty",
    "RequestChanged",
    "RetentionKey",
    "RetentionRun",
    "ReviewReason",
    "RightChanged",
    "RuleFigures",
    "RuleStopped",
    "RunSummary",
    "SaltChain",
    "SealContext",
    "SecondFactorChanged",
    "SessionChanged",
    "Signature",
    "SigningKey",
    "Started",
    "StateChanged",
    "StatisticsFile",
    "StatusFacts",
    "SteadyClock",
    "Stopped",
    "StoreMoved",
    "StoredItem",
    "StreamSummary",
    "SuspensionChanged",
    "SuspensionState",
    "SuspensionStore",
    "TermChanged",
    "Unsealed",
    "UpdateResult",
    "WeightsInUse",
    "activate",
    "add_signature",
    "all_hits",
    "authority_log",
    "box_log",
    "build_bundle",
    "build_hit",
    "build_shared",
    "creation_options",
    "exposition",
    "finding_challenge",
    "finding_of_passkey",
    "install_public_keys",
    "joined",
    "key_file_bytes",
    "largest_body",
    "list_terms",
    "load_authority_private_keys",
    "load_authority_public_keys",
    "load_box_keys",
    "load_box_public_keys",
    "load_signer_key",
    "make_pack",
    "new_authority_keys",
    "new_box_keys",
    "new_order",
    "new_signer_key",
    "notice_content",
    "obeyed",
    "open_bundle",
    "open_hit",
    "open_sealed",
    "parse_assertion",
    "parse_bundle",
    "parse_checkpoints",
    "parse_creation",
    "parse_finding_key",
    "parse_key_file",
    "parse_order",
    "parse_signatures",
    "picture_budget",
    "protected",
    "publication",
    "read_activation",
    "read_box_folders",
    "read_counts",
    "read_in_force",
    "read_policy",
    "read_zip",
    "receipt",
    "request_options",
    "require_lease",
    "require_quorum",
    "rotate_authority_keys",
    "rotate_box_keys",
    "seal",
    "sign",
    "sign_answer",
    "sign_deletions",
    "sign_finding",
    "sign_receipt",
    "sign_status",
    "signed_bytes",
    "signer_file",
    "signing_keys",
    "statement_of",
    "suspension_terms",
    "typing_digest",
    "under_secret",
    "verified_creation",
    "verify",
    "verify_deletions",
    "verify_findings",
    "verify_hit",
    "verify_log",
    "verify_pack",
    "verify_receipt",
    "write_opened",
    "write_zip",
]
