"""`edge-anpr desk export`: one file with everything that proves a confirmed case."""

from __future__ import annotations

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
)
from edge.cli.output import note, print_json
from edge.formats.identifiers import typed_id

if TYPE_CHECKING:
    from edge.texts import Language


def export(
    case: Annotated[
        str, typer.Argument(parser=typed_id, metavar="CASE", help="The whole id of the hit.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE.zip", help="A file that does not exist yet.")
    ],
    desk: DeskOption,
    keys: AuthorityKeysOption,
    box_keys: BoxKeysOption,
    policy: Annotated[
        Path,
        typer.Option(
            "--policy",
            metavar="PATH",
            help="Where the policy of the hit is: an evidence pack of the box, a copy of its "
            "archive folder, or the site folder of that version.",
        ),
    ],
    reason: Annotated[str, typer.Option("--reason", help="For whom: court or data-subject.")],
    acting: ActingOption,
    language: Annotated[
        list[str] | None,
        typer.Option("--language", help="Of the report: nl, fr, de or en; may be repeated."),
    ] = None,
    pdf_key: Annotated[
        Path | None,
        typer.Option(
            "--pdf-key",
            metavar="FILE.p12",
            help="Sign the report with this key and certificate of the authority (PAdES).",
        ),
    ] = None,
    pdf_key_passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--pdf-key-passphrase-file",
            metavar="FILE",
            help="Read the passphrase of --pdf-key from the first line of this file.",
        ),
    ] = None,
    tsa: Annotated[
        str | None,
        typer.Option(
            "--tsa",
            metavar="URL",
            help="Add a time stamp of this service (RFC 3161) to the signature of --pdf-key. Only "
            "a digest is sent.",
        ),
    ] = None,
    passphrase_file: PersonFileOption = None,
    keys_passphrase_file: KeysPassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export a confirmed case as a case file for a court, or for the person whom it is about.

    It holds the sealed hit as received, what was inside the seal with the pictures and the plate,
    the policy with its signatures, all findings, the public keys, the proof from the audit log, and
    a report as PDF/A. The audit log names you and the reason before the file is written. You can
    give no finding on this hit afterwards. An undecided case, or one that was not confirmed, is
    refused.

    Example: edge-anpr desk export 3f9a0c1d2e4b5a673f9a0c1d2e4b5a67 --out case.zip --desk desk
    --keys authority --box-keys boxes --policy pack.zip --reason court --as els-wouters
    """
    from edge.adapters.state.key_files import load_all_box_public_keys, load_authority_private_keys
    from edge.adapters.state.state_folder import new_file
    from edge.cli.passphrase import typed
    from edge.desk.court.making import CaseSources, export_case
    from edge.desk.outcomes import OpeningReason
    from edge.desk.reviewing import CaseReviews
    from edge.errors import UsageError

    languages = languages_of(language or ["nl"])
    reasons = [one for one in OpeningReason if one.value == reason]
    if not reasons:
        raise UsageError("--reason: court or data-subject")
    require_absent(out)
    if tsa is not None and pdf_key is None:
        raise UsageError("--tsa: a time stamp is a part of a signature; name a key with --pdf-key")
    with acting_at(desk, acting, passphrase_file) as at:
        opener = load_authority_private_keys(keys, typed(keys_passphrase_file))
        boxes = load_all_box_public_keys(box_keys)
        sign_report = None
        if pdf_key is not None:
            from edge.desk.court.signing import load_report_signer

            sign_report = load_report_signer(pdf_key, typed(pdf_key_passphrase_file), tsa, at.utc())
        sources = CaseSources(
            desk=at.folder,
            database=at.database,
            record=at.record,
            keys=opener,
            keys_folder=keys,
            box_keys=box_keys,
            policy=policy,
            reviews=CaseReviews(at.database, at.record, at.utc, boxes, opener, at.typing_secret()),
        )
        exported = export_case(sources, at.person, case, reasons[0], languages, sign_report)
        new_file(out, exported.package)
    if as_json:
        print_json(
            "edge-anpr/desk-export/1",
            {
                "hit_id": case,
                "file": str(out),
                "sha256": exported.sha256,
                "desk_key": exported.desk_key,
                "languages": list(languages),
            },
        )
        return
    typer.echo(f"{out}: the case of hit {case}  {exported.sha256}")
    typer.echo(f"the desk's key: {exported.desk_key}")
    note("The case file holds the plate in clear. Hand it over encrypted, and delete your copy.")
    note(
        f"next: edge-anpr case verify {out} --box-keys ... --desk-key {exported.desk_key} "
        "--person-key NAME=KEY ..."
    )


def languages_of(words: list[str]) -> tuple[Language, ...]:
    """The languages of these words.

    Raises:
        UsageError: one is no language of the reports.
    """
    from edge.errors import UsageError
    from edge.texts import LANGUAGES

    found = tuple(one for one in LANGUAGES if one in words)
    if set(words) - set(found):
        raise UsageError("--language: nl, fr, de or en")
    return found


def require_absent(file: Path) -> None:
    """Refuse a file that exists, before anything is opened.

    Raises:
        OutboxError: it does, or its folder does not.
    """
    from edge.errors import OutboxError

    if file.exists() or file.is_symlink():
        raise OutboxError(f"{file}: exists already; name another file")
    if not file.absolute().parent.is_dir():
        raise OutboxError(f"{file.parent}: no such folder; make it, or name another one")
