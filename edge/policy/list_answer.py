"""The box's signed answer to a list bundle: it is in force, or refused and why.

    answer = canonical JSON (RFC 8785): schema, site, box, list, counter, bundle_sha256, state,
             code, reason, answered_at, box_key_id, signature

The signature is the box's, Ed25519 over the context `edge-anpr/list-answer/1`, a zero byte and the
canonical JSON of all other fields. An answer names no entry by more than its place in the list.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from edge.errors import CODES, EdgeError, KeyFileError
from edge.formats.canonical import NotCanonicalError, canonical_model, parse_canonical
from edge.formats.identifiers import Id, KeyId, Sha256
from edge.formats.signing import SignatureText, signed_bytes
from edge.formats.strict import StrictMessage
from edge.formats.timestamps import UtcText, utc_text
from edge.policy.bundle_format import MAX_COUNTER, ListBundleError
from edge.policy.bundles import parse_bundle
from edge.privacy.keys import BoxKeys, BoxPublicKeys

SCHEMA: Literal["edge-anpr/list-answer/1"] = "edge-anpr/list-answer/1"
MAX_BYTES = 4096
MAX_REASON = 500

_UNKNOWN_CODE = "E_INTERNAL"


class ListAnswer(StrictMessage):
    """What a box says about one bundle; nothing in it is proven before `verified_answer`.

    `counter` is that of the bundle, None if it could not be read. `code` and `reason` are empty if
    the list is in force.
    """

    schema_: Literal["edge-anpr/list-answer/1"] = Field(default=SCHEMA, alias="schema")
    site: Id
    box: Id
    list_: Id = Field(alias="list")
    counter: Annotated[int, Field(ge=1, le=MAX_COUNTER)] | None
    bundle_sha256: Sha256
    state: Literal["in-force", "refused"]
    code: Annotated[str, Field(pattern=r"^(?:E_[A-Z0-9_]{1,58})?$")]
    reason: Annotated[str, Field(max_length=MAX_REASON)]
    answered_at: UtcText
    box_key_id: KeyId
    signature: SignatureText

    def to_bytes(self) -> bytes:
        """The answer in canonical JSON, the only form that is accepted."""
        return canonical_model(self)


def sign_answer(
    list_id: str, bundle: bytes, refused: EdgeError | None, at: datetime, keys: BoxKeys
) -> ListAnswer:
    """Answer a bundle as the box.

    Args:
        list_id: the list whose topic it came on.
        bundle: the bundle as it was received.
        refused: why it was refused; None: it is in force.
        at: the box's wall clock, aware.
        keys: the box's own.
    """
    try:
        counter = parse_bundle(bundle).counter
    except ListBundleError:
        counter = None
    draft = ListAnswer(
        site=keys.site,
        box=keys.box,
        list_=list_id,
        counter=counter,
        bundle_sha256=hashlib.sha256(bundle).hexdigest(),
        state="in-force" if refused is None else "refused",
        code="" if refused is None else refused.code,
        reason="" if refused is None else _reason(refused),
        answered_at=utc_text(at),
        box_key_id=keys.key_id,
        signature=base64.b64encode(bytes(64)).decode("ascii"),
    )
    signature = base64.b64encode(keys.sign(_signed(draft))).decode("ascii")
    return draft.model_copy(update={"signature": signature})


def verified_answer(payload: bytes, box: BoxPublicKeys) -> ListAnswer:
    """Parse an answer and verify the box's signature.

    Raises:
        ListBundleError: it is no answer, or not in canonical form.
        KeyFileError: `E_SIGNATURE`: of another box, or signed by a key that is not the box's.
    """
    try:
        if len(payload) > MAX_BYTES:
            raise NotCanonicalError("too long")  # noqa: TRY301 - one way out
        answer = parse_canonical(ListAnswer, payload)
    except (ValidationError, NotCanonicalError):
        raise ListBundleError(
            f"a message on the topic of answers does not fit {SCHEMA}; it was ignored"
        ) from None
    if (answer.site, answer.box) != (box.site, box.box) or not box.verify(
        answer.box_key_id, base64.b64decode(answer.signature), _signed(answer)
    ):
        raise KeyFileError(
            f"an answer is not signed by a key of box {box.box} of {box.site} that is known here; "
            "if its keys were rotated, get its new public file",
            code="E_SIGNATURE",
        )
    return answer


def _signed(answer: ListAnswer) -> bytes:
    return signed_bytes(SCHEMA, answer.model_dump(by_alias=True, exclude={"signature"}))


def _reason(refused: EdgeError) -> str:
    """Why a bundle was refused; for other errors only what their code means, without any path."""
    if isinstance(refused, ListBundleError | KeyFileError):
        return refused.message[:MAX_REASON]
    return CODES[refused.code if refused.code in CODES else _UNKNOWN_CODE].text[:MAX_REASON]
