"""The pages of a review: take a hit, see its pictures, judge and type, then the reading, decide.

The order of the steps is kept by `edge.desk.reviewing`. Each page is made from the state of the
case, so a form that is sent twice, a step back in the browser or a lost connection leads to the
step that is next. A typed plate is only in the form that is sent and in the answer to it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from starlette.responses import PlainTextResponse, Response

from edge.authority.store import Reason
from edge.desk.appeals import open_appeals
from edge.desk.outcomes import BEFORE_READING, FindingOutcome, Judgement
from edge.desk.policies import rule_facts
from edge.desk.queue import HitQueue, WaitingHit
from edge.desk.reviewing import BoxReading, CaseReviews
from edge.desk.rights import JUDGES
from edge.desk.sealed_keys import open_sealed_key, signs_here
from edge.desk.standing import CaseStanding, case_standing
from edge.desk.web.calls import CONTENT_POLICY, Call, WrongForm, see, sent_moment
from edge.desk.web.sessions import form_token
from edge.desk.web.words import DeskWords
from edge.domain.plates import PlateFormatError, PlateText
from edge.domain.reveal import PLATE_PICTURE, MaskMethod
from edge.errors import (
    AccessError,
    EdgeError,
    KeyFileError,
    OutboxError,
    PolicyError,
    UsageError,
)
from edge.formats.identifiers import typed_id
from edge.formats.signing import SigningKey
from edge.formats.timestamps import utc_text
from edge.privacy.hit import HitError
from edge.privacy.sealing import Picture, SealError

_PICTURES: Final = f"{CONTENT_POLICY}; connect-src 'self'; img-src data:"
"""The policy of the page with the pictures, whose script asks `ready`."""

_MADE_FOR: Final = "desk-made-for"
"""The header in which that script names the person for whom the page was made."""

_OTHER: Final = "other"


@dataclass(frozen=True, slots=True, repr=False)
class _Sent:
    """The first step as it was sent, to be shown again with what is wrong. It may hold a plate."""

    judgement: str = ""
    typed: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Step:
    """The second step: what she judged, the reading if she typed, and what remains to choose."""

    reading: BoxReading | None
    choices: tuple[FindingOutcome, ...]
    outcome: str = ""
    reason: str = ""
    vehicle: str = ""

    @property
    def plate(self) -> str:
        return "" if self.reading is None else self.reading.plate.reveal()

    @property
    def gives_reason(self) -> bool:
        """Whether a rejection needs a reason now."""
        return FindingOutcome.REJECTED in self.choices and FindingOutcome.CONFIRMED in self.choices


# --- taking a hit ---------------------------------------------------------------------------------


def claim(call: Call) -> Response:
    """Take the hit that was chosen in the queue, or by its id for an appeal."""
    hit_id = typed_id(call.form.get("hit", ""))
    return _within(call, hit_id, partial(_claim, call, hit_id))


def _claim(call: Call, hit_id: str, reviews: CaseReviews) -> Response:
    appeal = call.form.get("appeal") == "yes"
    if not _signs(call):
        return call.line(403, call.words("case.no_key"), back="/account")
    standing = _standing(call, hit_id)
    if standing is not None and standing.holder == call.reader.acting.name:
        appeal = standing.decided
    reviews.claim(call.reader.acting, hit_id, appeal=appeal)
    return see(f"/case/{hit_id}")


def claim_next(call: Call) -> Response:
    """Take the oldest hit that waits for the reader and that nobody holds, herself included.

    So a hit that cannot be opened stops nobody.
    """
    for hit in waiting(call)[0]:
        if hit.held_by is not None:
            continue
        hit_id = hit.place.hit_id
        taken = _within(call, hit_id, partial(_claim, call, hit_id))
        if taken.status_code != _TAKEN_BY_ANOTHER:
            return taken
    return see("/queue")


def waiting(call: Call) -> tuple[tuple[WaitingHit, ...], bool]:
    """The first page of the hits that wait for the reader."""
    return HitQueue(call.desk.database).page(call.rights_of(*JUDGES), now=call.desk.utc())


# --- the case -------------------------------------------------------------------------------------


def case(call: Call) -> Response:
    """The step of the case that is next for the reader."""
    hit_id = call.hit_id
    return _within(call, hit_id, partial(_show, call, hit_id))


def ready(call: Call) -> Response:
    """The token for the reader's form, or 409 if she does not hold the case.

    The script of the page asks before it sends a typed plate, which would be lost otherwise. The
    token is new if she has logged in again meanwhile. The script says for whom the page was made:
    somebody else who has logged in since, in the same browser, gets 409 and the word `other`, so
    that no plate is sent in the name of a person who has not typed it.
    """
    hit_id = call.hit_id
    if call.request.headers.get(_MADE_FOR) != call.reader.acting.name:
        return PlainTextResponse(_OTHER, 409)
    call.rights_of(*JUDGES)
    standing = _standing(call, hit_id)
    holds = standing is not None and standing.holder == call.reader.acting.name
    return PlainTextResponse(form_token(call.secret) if holds else "", 200 if holds else 409)


def judge(call: Call) -> Response:
    """Keep the judgement and the typed plate."""
    hit_id = call.hit_id
    return _within(call, hit_id, partial(_judge, call, hit_id))


def decide(call: Call) -> Response:
    """Sign the finding and keep it."""
    hit_id = call.hit_id
    return _within(call, hit_id, partial(_decide, call, hit_id))


def _show(
    call: Call,
    hit_id: str,
    reviews: CaseReviews,
    status: int = 200,
    line: str = "",
    sent: _Sent | None = None,
) -> Response:
    acting = call.reader.acting
    standing = _standing(call, hit_id)
    if standing is None or standing.holder != acting.name:
        return _elsewhere(call, hit_id, standing)
    claimed = reviews.claim(acting, hit_id, appeal=standing.decided)
    view = reviews.open(acting, hit_id, claimed.reason)
    step = _second_step(call, hit_id, reviews) if claimed.judged else None
    facts = rule_facts(call.desk.policies, view.hit, view.pictures, call.words.language)
    response = call.page(
        "case",
        status,
        hit=view.hit,
        facts=facts,
        reason=claimed.reason.value,
        objected=hit_id in open_appeals(call.desk.database, [hit_id], call.desk.utc()),
        pictures=_labelled(view.pictures, call.words, None if facts is None else facts.zone),
        local="" if facts is None else call.words.exact(view.hit.observed, facts.zone),
        utc=call.words.exact(view.hit.observed),
        line=line,
        sent=sent or _Sent(),
        step=step,
        reasons=BEFORE_READING,
        signs=signs_here(call.desk.database, acting.name),
        passkey=_has_passkey(call),
    )
    response.headers["Content-Security-Policy"] = _PICTURES
    return response


def _second_step(call: Call, hit_id: str, reviews: CaseReviews) -> _Step:
    acting = call.reader.acting
    chosen = (call.form.get("outcome", ""), call.form.get("outcome_reason", ""))
    try:
        reading = reviews.reading(acting, hit_id)
    except AccessError as error:
        if error.code != "E_CASE":
            raise
        return _Step(None, reviews.choices(acting, hit_id), *chosen)
    return _Step(reading, reading.choices, *chosen, call.words.vehicle(reading.appearance))


def _labelled(
    pictures: Sequence[Picture], words: DeskWords, zone: ZoneInfo | None
) -> list[tuple[str, str]]:
    """Each picture with its label: what it shows, its time if they differ, and what decided."""
    differ = len({one.taken_at for one in pictures if one.taken_at is not None}) > 1
    labelled = []
    for number, one in enumerate(pictures, start=1):
        name = words.picture(one.name)
        if one.approved is not None:
            name = words("case.place_picture", date=words.day(one.approved))
        elif differ and one.taken_at is not None:
            name = f"{name}, {words.instant(one.taken_at, zone)}"
        label = words("case.picture", number=number, count=len(pictures), name=name)
        notes = []
        if one.mask is MaskMethod.GEOMETRY and one.name != PLATE_PICTURE:
            notes.append(words("case.by_geometry"))
        if one.shows is not None:
            notes.append(words("case.no_driver"))
        labelled.append((f"{label}. {' '.join(notes)}" if notes else label, _as_address(one)))
    return labelled


def _as_address(picture: Picture) -> str:
    """The exact bytes of a picture within the page, so that no other request asks for them."""
    return f"data:image/jpeg;base64,{base64.b64encode(picture.jpeg).decode('ascii')}"


def _judge(call: Call, hit_id: str, reviews: CaseReviews) -> Response:
    sent = _Sent(
        call.form.get("judgement", ""),
        call.form.get("typed", "").strip(),
        call.form.get("reason", ""),
    )
    try:
        judgement, typed, reason = _judgement(sent)
    except _WrongAnswer as wrong:
        return _show(call, hit_id, reviews, 400, call.words(wrong.key), sent)
    try:
        reviews.judge(call.reader.acting, hit_id, judgement, typed=typed, reason=reason)
    except UsageError:  # the answers fit, so the hit has no picture
        return _show(call, hit_id, reviews, 400, call.words("case.pictures_needed"), sent)
    return see(f"/case/{hit_id}")


class _WrongAnswer(Exception):  # noqa: N818 - it becomes a line of a page
    """An answer is missing or does not fit; `key` names the text that says so."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key


def _judgement(sent: _Sent) -> tuple[Judgement, PlateText | None, Reason | None]:
    if sent.judgement not in {one.value for one in Judgement}:
        raise _WrongAnswer("case.choose_judgement")
    judgement = Judgement(sent.judgement)
    if (sent.typed == "") == (judgement is Judgement.OFFENCE):
        raise _WrongAnswer("case.type_plate" if sent.typed == "" else "case.plate_without_offence")
    if (sent.reason == "") == (judgement is Judgement.REJECT):
        raise _WrongAnswer(
            "case.choose_reason" if sent.reason == "" else "case.reason_without_rejection"
        )
    try:
        typed = PlateText.parse(sent.typed) if sent.typed else None
    except PlateFormatError:
        raise _WrongAnswer("case.wrong_plate") from None
    return judgement, typed, _reason(sent.reason)


def _reason(word: str) -> Reason | None:
    if word == "":
        return None
    if word not in {one.value for one in BEFORE_READING}:
        raise _WrongAnswer("case.choose_reason")
    return Reason(word)


def _decide(call: Call, hit_id: str, reviews: CaseReviews) -> Response:
    standing = _standing(call, hit_id)
    if standing is None or standing.holder != call.reader.acting.name:
        return _elsewhere(call, hit_id, standing)
    try:
        return _decided(call, hit_id, reviews)
    except _WrongAnswer as wrong:
        return _show(call, hit_id, reviews, 400, call.words(wrong.key))
    except KeyFileError:
        return _show(call, hit_id, reviews, 409, call.words("case.other_passphrase"))
    except PolicyError:
        return _show(call, hit_id, reviews, 409, call.words("case.not_allowed"))
    except AccessError as error:
        return _show(call, hit_id, reviews, 403, _refused(call, error))


def _decided(call: Call, hit_id: str, reviews: CaseReviews) -> Response:
    """Sign with the key and keep the finding, or ask for a passkey.

    Who has typed her passphrase signs with the key, whichever button the browser has pressed.
    """
    acting = call.reader.acting
    if not _signs(call):
        raise _WrongAnswer("case.no_key")
    outcome, reason = _outcome(call, reviews.choices(acting, hit_id))
    if call.form.get("by") == "passkey" and not call.form.get("passphrase"):
        return _ask_passkey(call, hit_id, outcome, reason)
    reviews.decide(acting, hit_id, outcome, signing_key(call), reason=reason)
    return see(f"/case/{hit_id}")


def _refused(call: Call, error: AccessError) -> str:
    """The line for a passphrase or passkey that was wrong; any other error is raised again."""
    if error.code not in {"E_LOGIN", "E_PASSKEY"}:
        raise error
    call.desk.sessions.refused(call.reader.acting.name)
    return call.words("case.wrong_passphrase" if error.code == "E_LOGIN" else "passkey.refused")


def _signs(call: Call) -> bool:
    """Whether the reader can sign here, with a key or a passkey."""
    return signs_here(call.desk.database, call.reader.acting.name) or _has_passkey(call)


def _has_passkey(call: Call) -> bool:
    sign_in = call.desk.sign_in
    keys = sign_in.ways(call.reader.acting).passkeys
    return sign_in.party is not None and any(one.key.party == sign_in.party for one in keys)


def _ask_passkey(
    call: Call, hit_id: str, outcome: FindingOutcome, reason: Reason | None
) -> Response:
    """Ask the browser to sign the decision with a passkey."""
    if call.desk.signing is None:
        raise WrongForm
    asked = call.desk.signing.begin(call.reader.acting, hit_id, outcome, reason=reason)
    return call.page(
        "sign",
        hit_id=hit_id,
        outcome=outcome.value,
        reason="" if reason is None else reason.value,
        decided_at=utc_text(asked.decided_at),
        options=asked.options,
    )


def sign(call: Call) -> Response:
    """Keep the finding that a passkey has signed."""
    hit_id = call.hit_id
    return _within(call, hit_id, partial(_sign, call, hit_id))


def _sign(call: Call, hit_id: str, reviews: CaseReviews) -> Response:
    acting = call.reader.acting
    standing = _standing(call, hit_id)
    if standing is None or standing.holder != acting.name:
        return _elsewhere(call, hit_id, standing)
    if call.desk.signing is None:
        raise WrongForm
    decided_at = sent_moment(call.form.get("decided_at", ""))
    try:
        outcome, reason = _outcome(call, reviews.choices(acting, hit_id))
        call.desk.signing.finish(
            acting,
            hit_id,
            outcome,
            call.form.get("answer", ""),
            decided_at=decided_at,
            reason=reason,
        )
    except _WrongAnswer as wrong:
        return _show(call, hit_id, reviews, 400, call.words(wrong.key))
    except PolicyError:
        return _show(call, hit_id, reviews, 409, call.words("case.not_allowed"))
    except AccessError as error:
        return _show(call, hit_id, reviews, 403, _refused(call, error))
    return see(f"/case/{hit_id}")


def _outcome(
    call: Call, choices: tuple[FindingOutcome, ...]
) -> tuple[FindingOutcome, Reason | None]:
    outcome, word = call.form.get("outcome", ""), call.form.get("outcome_reason", "")
    if outcome not in {one.value for one in choices}:
        raise _WrongAnswer("case.choose_outcome")
    reason, rejected = _reason(word), outcome == FindingOutcome.REJECTED.value
    if reason is not None and not rejected:
        raise _WrongAnswer("case.outcome_without_rejection")
    if reason is None and rejected and FindingOutcome.CONFIRMED in choices:
        raise _WrongAnswer("case.outcome_reason")
    return FindingOutcome(outcome), reason


def signing_key(call: Call) -> SigningKey:
    """The key that signs the finding of this request, opened with the passphrase that was typed.

    Raises:
        AccessError: `E_LOGIN`: the passphrase is wrong; `E_RIGHT`: she has no key here.
        KeyFileError: the key has another passphrase.
    """
    passphrase = call.form.get("passphrase", "")
    acting = call.desk.people.prove(call.reader.acting.name, passphrase)
    return open_sealed_key(call.desk.database, acting, passphrase)


# --- what stands in the way -----------------------------------------------------------------------

_TAKEN_BY_ANOTHER: Final = 409


def _within(call: Call, hit_id: str, act: Callable[[CaseReviews], Response]) -> Response:
    """Do a step of a review, or say in one line why it was not done."""
    call.rights_of(*JUDGES)
    if call.desk.reviews is None:
        return call.line(501, call.words("case.no_keys"), back="/queue")
    if re.fullmatch("[0-9a-f]{32}", hit_id) is None:
        return call.line(404, call.words("case.missing"), back="/queue")
    try:
        return act(call.desk.reviews)
    except AccessError as error:
        if error.code not in {"E_CASE", "E_FOUR_EYES", "E_RIGHT"}:
            raise
        standing = _standing(call, hit_id)
        mine = standing is not None and standing.holder == call.reader.acting.name
        if mine and error.code == "E_CASE" and call.request.method == "POST":
            return see(f"/case/{hit_id}")  # this step was done before; there is the next one
        return _elsewhere(call, hit_id, standing, error)
    except (HitError, SealError, KeyFileError, OutboxError) as error:
        return _unopened(call, error)


def _elsewhere(
    call: Call, hit_id: str, standing: CaseStanding | None, error: EdgeError | None = None
) -> Response:
    """The page of a case that the reader does not hold: her finding, or why it is not hers."""
    appeal = call.form.get("appeal") == "yes"
    if standing is not None and standing.own is not None and not appeal:
        if call.request.method == "POST":
            return see(f"/case/{hit_id}")  # whatever was sent, the address is that of the page
        return call.page("done", finding=standing.own)
    code = "" if error is None else error.code
    lines = (
        (standing is None, 404, "case.missing"),
        (code == "E_FOUR_EYES", 403, "case.four_eyes"),
        (_held_by_another(call, standing), _TAKEN_BY_ANOTHER, "case.held"),
        (standing is not None and standing.decided and not appeal, 409, "case.decided"),
        (code == "E_RIGHT", 403, "case.no_right"),
        (appeal and standing is not None and standing.decided, 409, "case.no_appeal"),
        (appeal, 409, "case.not_decided"),
    )
    for applies, status, key in lines:
        if applies:
            holder = "" if standing is None or standing.holder is None else standing.holder
            return call.line(status, call.words(key, person=holder), back="/queue")
    return call.page("take", 409, hit_id=hit_id)


def _held_by_another(call: Call, standing: CaseStanding | None) -> bool:
    return standing is not None and standing.holder not in {None, call.reader.acting.name}


def _unopened(call: Call, error: EdgeError) -> Response:
    """One line for a hit that is not here or cannot be opened; the audit log has the code."""
    if isinstance(error, OutboxError):
        if error.code != "E_NO_HIT":
            raise error
        return call.line(404, call.words("case.missing"), back="/queue")
    if isinstance(error, HitError) and error.code == "E_HIT":
        return call.line(422, call.words("case.unknown_box"), back="/queue")
    if error.code == "E_NO_KEY":
        return call.line(422, call.words("case.other_key"), back="/queue")
    return call.line(422, call.words("case.altered"), back="/queue")


def _standing(call: Call, hit_id: str) -> CaseStanding | None:
    """How a case stands for the reader; None also for a case that her rights do not cover."""
    return case_standing(call.desk.database, hit_id, call.rights_of(*JUDGES), call.desk.utc())
