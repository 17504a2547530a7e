"""`edge-anpr desk review`: one hit, from the claim to the finding, by a person at a terminal.

What a person types is asked there and nowhere else, and the box's reading is shown there and
nowhere else: a file of answers would be a review without a person, and a pipe would collect plates.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.desk_acting import acting_at
from edge.cli.desk_people import ActingOption, DeskOption, PersonFileOption
from edge.cli.options import (
    AuthorityKeysOption,
    BoxKeysOption,
    JsonOption,
    KeysPassphraseFileOption,
    PoliciesOption,
)
from edge.cli.output import place_text, print_json
from edge.formats.identifiers import typed_id

if TYPE_CHECKING:
    from edge.authority.policies import SignedPolicies
    from edge.authority.store import Reason
    from edge.desk.accounts import ActingPerson
    from edge.desk.outcomes import FindingOutcome
    from edge.desk.reviewing import BoxReading, CaseReviews, CaseView
    from edge.domain.plates import PlateText


def review(
    hit: Annotated[
        str, typer.Argument(parser=typed_id, metavar="HIT", help="The whole id of a hit.")
    ],
    desk: DeskOption,
    keys: AuthorityKeysOption,
    box_keys: BoxKeysOption,
    signing_key: Annotated[
        Path,
        typer.Option("--sign-with", metavar="FILE", help="Your key, made by `desk people key`."),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", help="A folder that only you can read, for the pictures."),
    ],
    acting: ActingOption,
    appeal: Annotated[
        bool, typer.Option("--appeal", help="Give another finding on a decided case.")
    ] = False,
    policies: PoliciesOption = None,
    passphrase_file: PersonFileOption = None,
    keys_passphrase_file: KeysPassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Review one hit: see the pictures, judge, type the plate, see the box's reading, and sign.

    At a terminal only: standard input and standard error must be one. The box's reading is shown
    there, and is not in the output of --json.

    The pictures are written to OUT/HIT; delete them when you are done. What you judge and type is
    committed before the box's reading is shown, and cannot be changed. If the two differ, or you
    cannot tell, another officer gives the next finding. Each opening is in the audit log, with you.
    Run the command again if it was interrupted.

    With --policies you are told before you judge if the signed policy does not allow the hit, and
    you cannot confirm it.

    Example: edge-anpr desk review 3f9a0c1d2e4b5a673f9a0c1d2e4b5a67 --desk desk --keys authority
    --box-keys boxes --sign-with els.signer.private.json --out pictures --as els-wouters
    """
    from edge.adapters.state.key_files import (
        load_all_box_public_keys,
        load_authority_private_keys,
        load_signer_key,
    )
    from edge.authority.opening import write_pictures
    from edge.authority.policies import SignedPolicies
    from edge.cli.passphrase import typed
    from edge.desk.appeals import open_appeals
    from edge.desk.outcomes import Judgement
    from edge.desk.reviewing import CaseReviews

    _require_terminal()
    with acting_at(desk, acting, passphrase_file) as at:
        person = at.person
        own_key = load_signer_key(signing_key, lambda _: at.passphrase)
        opener = load_authority_private_keys(keys, typed(keys_passphrase_file))
        boxes = load_all_box_public_keys(box_keys)
        secret = at.typing_secret()
        signed = None if policies is None else SignedPolicies(policies)
        compare = None if signed is None else signed.require_opened
        reviews = CaseReviews(at.database, at.record, at.utc, boxes, opener, secret, compare)
        claim = reviews.claim(person, hit, appeal=appeal)
        view = reviews.open(person, hit, claim.reason)
        files = write_pictures(hit, view.pictures, out)
        _tell(f"{view.hit.site}  {view.hit.rule}  {view.hit.observed_at}")
        for last_day in open_appeals(at.database, [hit], at.utc()).values():
            _tell(f"somebody has objected or appealed; the hit is held for it until {last_day}")
        for file, one in zip(files, view.pictures, strict=True):
            _tell(str(file) + (f": {place_text(one.approved)}" if one.approved else ""))
        _compare(signed, view)
        if not claim.judged:
            answer = _ask_judgement()
            reviews.judge(
                person,
                hit,
                Judgement(answer.judgement),
                typed=_plate(answer.typed),
                reason=_reason(answer.reason),
            )
        reading = _reading(reviews, person, hit)
        if reading is not None:
            _tell(f"the box read {reading.plate.reveal()}: {_words(reading)}")
            _tell(f"the box took the vehicle for: {_vehicle(reading)}")
        outcome, reason = _outcome(reviews, person, hit)
        finding = reviews.decide(person, hit, outcome, own_key, reason=reason)
    if files:
        _tell(f"The pictures are still in {out / hit}: delete that folder.")
    if as_json:
        print_json(
            "edge-anpr/desk-review/1",
            {
                "hit_id": hit,
                "agrees": None if reading is None else reading.agrees,
                "pictures": [str(file) for file in files],
                "finding": finding.model_dump(mode="json", by_alias=True),
                "finding_sha256": finding.sha256(),
            },
        )
        return
    told = "" if finding.reason is None else f": {finding.reason.value}"
    typer.echo(f"finding {finding.number}: {finding.outcome.value}{told}  {finding.sha256()}")


@dataclass(frozen=True, slots=True, repr=False)
class _Answers:
    """What a person would type; its repr holds no plate."""

    judgement: str
    typed: str | None = None
    reason: str | None = None


def _require_terminal() -> None:
    from edge.errors import UsageError

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "desk review: a person judges at a terminal; run it there, without a pipe or a file on "
            "standard input and standard error"
        )


def _tell(line: str) -> None:
    """Show a line at the terminal."""
    typer.echo(line, err=True)


def _compare(signed: SignedPolicies | None, view: CaseView) -> None:
    """Say if the signed policy does not allow the hit, or was not compared with it."""
    from edge.errors import PolicyError

    if signed is None:
        _tell("the hit was not compared with the signed policy; give --policies")
        return
    try:
        signed.require_allowed(view.hit, view.pictures)
    except PolicyError as error:
        _tell(f"do not confirm it: {error.message}")


def _ask_judgement() -> _Answers:
    from edge.desk.outcomes import BEFORE_READING, Judgement

    judgement = _choose("judgement", [one.value for one in Judgement])
    typed = reason = None
    if judgement == "offence":
        typed = typer.prompt("plate, as you read it in the picture", err=True)
    elif judgement == "reject":
        reason = _choose("reason", [one.value for one in BEFORE_READING])
    return _Answers(judgement, typed, reason)


def _choose(what: str, words: list[str]) -> str:
    """Ask until one of the words is typed."""
    while True:
        said: str = typer.prompt(f"{what} ({', '.join(words)})", err=True)
        if said in words:
            return said


def _plate(typed: str | None) -> PlateText | None:
    from edge.domain.plates import PlateFormatError, PlateText
    from edge.errors import UsageError

    if typed is None:
        return None
    try:
        return PlateText.parse(typed)
    except PlateFormatError as error:
        raise UsageError(f"the typed plate: {error}; run the command again") from None


def _reason(word: str | None) -> Reason | None:
    from edge.authority.store import Reason
    from edge.errors import UsageError

    if word is None:
        return None
    if word not in {one.value for one in Reason}:
        raise UsageError(f"reason: one of {', '.join(one.value for one in Reason)}")
    return Reason(word)


def _reading(reviews: CaseReviews, person: ActingPerson, hit: str) -> BoxReading | None:
    """The box's reading; None for a person who typed no plate."""
    from edge.errors import AccessError

    try:
        return reviews.reading(person, hit)
    except AccessError as error:
        if error.code != "E_CASE":
            raise
        return None


def _words(reading: BoxReading) -> str:
    return "the same as you" if reading.agrees else "not what you typed"


def _vehicle(reading: BoxReading) -> str:
    best = (f"{name} {share:.0%}" for name, share in reading.appearance.most_probable())
    return ", ".join(best) or "kind and colour unknown"


def _outcome(
    reviews: CaseReviews, person: ActingPerson, hit: str
) -> tuple[FindingOutcome, Reason | None]:
    from edge.desk.outcomes import BEFORE_READING, FindingOutcome

    allowed = reviews.choices(person, hit)
    if len(allowed) == 1:
        return allowed[0], None
    outcome = FindingOutcome(_choose("outcome", [one.value for one in allowed]))
    if outcome is not FindingOutcome.REJECTED:
        return outcome, None
    return outcome, _reason(_choose("reason", [one.value for one in BEFORE_READING]))
