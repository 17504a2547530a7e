"""The pages of decided cases: the list, one case, and the download of its case file.

The list shows what the signed header says in clear and the outcome; no plate, picture or person.
The case file is made as `desk export` makes it, in memory, and only for who has just proved again
who she is. An answer that refuses says in one line why, and what it says of a decoy is what it says
of any hit that no key of its box has signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from edge.desk.appeals import open_appeals
from edge.desk.court.making import REASONS, CaseSources, export_case
from edge.desk.decided import DecidedCase, DecidedCases, DecidedPlace
from edge.desk.outcomes import FindingOutcome, OpeningReason
from edge.desk.rights import JUDGES, DeskRole
from edge.desk.web.calls import Call, see
from edge.desk.web.login import not_proved_again
from edge.errors import EdgeError, KeyFileError
from edge.formats.timestamps import utc_text
from edge.privacy.hit import HitError
from edge.privacy.sealing import SealError
from edge.texts import LANGUAGES, Language

_LIST: Final = "/decided"


def show_decided(call: Call) -> Response:
    """The decided cases within the officer's rights, newest first."""
    rights = call.rights_of(*JUDGES)
    after = call.after()
    cases, more = DecidedCases(call.desk.database).page(
        rights, None if after is None else DecidedPlace(*after)
    )
    following = ""
    if more:
        last = cases[-1].place
        following = f"{utc_text(last.decided_at)}.{last.hit_id}"
    return call.page(
        "decided",
        cases=cases,
        appealed=_appealed(call, cases),
        following=following,
        begins=after is None,
    )


def _appealed(call: Call, cases: Sequence[DecidedCase]) -> dict[str, str]:
    """Until when those of these cases are held that somebody has appealed against, by hit id."""
    hit_ids = [one.place.hit_id for one in cases]
    return open_appeals(call.desk.database, hit_ids, call.desk.utc())


# --- one case -------------------------------------------------------------------------------------


def show_case_file(call: Call) -> Response:
    """A decided case: what is known of it in clear, its case file, and the appeal."""
    return _show(call)


def export(call: Call) -> Response:
    """Send the file of a confirmed case."""
    call.rights_of(*JUDGES)
    sources = call.desk.court
    if sources is None:
        return _show(call, 501)
    reason = next((one for one in REASONS if one.value == call.form.get("reason")), None)
    languages = tuple(one for one in LANGUAGES if call.form.get(one) == "yes")
    if reason is None or not languages:
        return _show(call, 400, call.words("file.choose"))
    refused = not_proved_again(call)
    if refused is not None:
        return _show(call, *refused)
    return _sent(call, sources, reason, languages)


def _sent(
    call: Call, sources: CaseSources, reason: OpeningReason, languages: tuple[Language, ...]
) -> Response:
    hit_id = call.hit_id
    try:
        exported = export_case(sources, call.reader.acting, hit_id, reason, languages)
    except EdgeError as error:
        line = _why(error)
        if line is None:
            raise
        return call.line(409, call.words(line), back=f"/case/{hit_id}/file")
    return Response(
        exported.package,
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{hit_id}.zip"'},
    )


def _why(error: EdgeError) -> str | None:
    """The line for a case that is not exported; None for what concerns the whole desk."""
    if isinstance(error, KeyFileError) and error.code == "E_SIGNATURE":
        return "file.no_policy"  # that of the policy; a hit's has another class
    if error.code in _WHY:
        return _WHY[error.code]
    if isinstance(error, (HitError, SealError)):
        return "case.altered"
    return "file.no_public" if isinstance(error, KeyFileError) else None


_WHY: Final = {
    "E_NO_HIT": "case.missing",
    "E_CASE": "file.not_confirmed",
    "E_RIGHT": "file.no_right",
    "E_CONFIG": "file.no_policy",
    "E_QUORUM": "file.no_policy",
    "E_SIGNATURE": "file.unsigned",
    "E_HIT": "case.unknown_box",
    "E_NO_KEY": "case.other_key",
    "E_DECOY": "file.unsigned",
    "E_CASE_FILE": "file.not_proven",
}
"""The text for each code of `export_case`."""


def _show(call: Call, status: int = 200, line: str = "") -> Response:
    rights, hit_id = call.rights_of(*JUDGES), call.hit_id
    found = DecidedCases(call.desk.database).find(rights, hit_id)
    if found is None:
        return call.line(404, call.words("file.missing"), back=_LIST)
    acting, sign_in = call.reader.acting, call.desk.sign_in
    ways = sign_in.ways(acting)
    return call.page(
        "case_file",
        status,
        case=found,
        held_until=_appealed(call, [found]).get(hit_id),
        line=line,
        lacking=_lacking(call),
        confirmed=found.outcome is FindingOutcome.CONFIRMED,
        reasons=[one.value for one in REASONS],
        reason=call.form.get("reason", ""),
        chosen=[one for one in LANGUAGES if call.form.get(one) == "yes"] or [call.words.language],
        ways=ways,
        again="" if ways.passphrase else sign_in.again_options(acting, call.secret),
        appeals=call.desk.reviews is not None and _appeals(call, found),
    )


def _appeals(call: Call, case: DecidedCase) -> bool:
    """Whether the reader may answer an appeal against it, as far as her rights go."""
    rights = [one for one in call.rights() if one.terms.role is DeskRole.SECOND_OFFICER]
    return any(
        one.terms.scope.site in {None, case.site} and one.terms.scope.rule in {None, case.rule}
        for one in rights
    )


def _lacking(call: Call) -> str:
    """The line that names the option without which no case is exported here; empty if all are."""
    if call.desk.reviews is None:
        return call.words("file.no_keys")
    return "" if call.desk.court is not None else call.words("file.no_policies")


def to_case_file(call: Call) -> Response:
    """Lead to the case from the address of a form that was sent."""
    return see(f"/case/{call.hit_id}/file")
