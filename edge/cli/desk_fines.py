"""`edge-anpr desk fines`: confirmed findings for a fines system, by an explicit mapping."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.desk_acting import acting_at
from edge.cli.desk_export import require_absent
from edge.cli.desk_people import ActingOption, DeskOption, PersonFileOption
from edge.cli.options import (
    POLICIES,
    AuthorityKeysOption,
    BoxKeysOption,
    JsonOption,
    KeysPassphraseFileOption,
)
from edge.cli.output import note, print_json
from edge.errors import PolicyError
from edge.formats.identifiers import typed_id
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.desk.court.fines import FinesExport


def fines(
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="A file that does not exist yet.")
    ],
    mapping: Annotated[
        Path,
        typer.Option(
            "--mapping", metavar="FILE", help="YAML that names the columns; see docs/court.md."
        ),
    ],
    desk: DeskOption,
    keys: AuthorityKeysOption,
    box_keys: BoxKeysOption,
    policies: Annotated[Path, POLICIES],
    acting: ActingOption,
    case: Annotated[
        list[str] | None,
        typer.Option(
            "--case", parser=typed_id, metavar="HIT", help="Only this case; may be repeated."
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also cases that were exported before.")
    ] = False,
    passphrase_file: PersonFileOption = None,
    keys_passphrase_file: KeysPassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export confirmed findings for a fines system, as CSV or JSON.

    Each confirmed case of your sites and rules is exported once. It is opened for this only, and
    the audit log names you and the reason for each before the file is written. Rejected and
    undecided cases are never exported. Nor is a case whose hit the signed policy does not allow: it
    is named with the reason, and the command ends with `E_POLICY`.

    A case that an appeal overturned later is named, so that the fine can be withdrawn; the case is
    not deleted before it was named, for at most 90 days after the appeal. If the command is
    interrupted after it has noted an export, it says with the next call how to write that file
    again.

    Example: edge-anpr desk fines --out fines.csv --mapping fines.yaml --desk desk --keys authority
    --box-keys boxes --policies policies --as els-wouters
    """
    from edge.adapters.state.key_files import load_all_box_public_keys, load_authority_private_keys
    from edge.adapters.state.state_folder import new_file
    from edge.authority.policies import SignedPolicies
    from edge.cli.passphrase import typed
    from edge.desk.court.fines import FinesDesk
    from edge.desk.court.mapping import read_mapping
    from edge.desk.reviewing import CaseReviews

    columns = read_mapping(mapping)
    require_absent(out)
    with acting_at(desk, acting, passphrase_file) as at:
        opener = load_authority_private_keys(keys, typed(keys_passphrase_file))
        boxes = load_all_box_public_keys(box_keys)
        secret = at.typing_secret()
        reviews = CaseReviews(at.database, at.record, at.utc, boxes, opener, secret)
        exporting = FinesDesk(at.database, at.record, at.utc, reviews, SignedPolicies(policies))
        done = exporting.export(
            at.person, columns, lambda content: new_file(out, content), only=case or (), again=again
        )
        _tell(out, done, as_json=as_json)
        exporting.named(at.person, done.withdrawn)
    if done.not_allowed:
        raise PolicyError(
            f"{quantity(len(done.not_allowed), 'confirmed case was', 'confirmed cases were')} not "
            "exported, because the signed policy does not allow the hit, or is not in --policies; "
            "the lines above name each"
        )


def _tell(out: Path, done: FinesExport, *, as_json: bool) -> None:
    """Say what was exported, and which fines to withdraw."""
    if as_json:
        print_json(
            "edge-anpr/desk-fines/1",
            {
                "file": None if done.sha256 is None else str(out),
                "sha256": done.sha256,
                "cases": list(done.hit_ids),
                "cases_of_others": done.elsewhere,
                "last_export": None if done.last is None else asdict(done.last),
                "withdraw": list(done.withdrawn),
                "not_allowed": [{"hit_id": hit_id, "why": why} for hit_id, why in done.not_allowed],
            },
        )
        return
    if done.sha256 is None:
        typer.echo("no confirmed case waits to be exported; no file was written")
        if done.last is not None:
            cases = " ".join(f"--case {hit_id}" for hit_id in done.last.hit_ids)
            note(
                f"your last export was at {done.last.exported_at}, its file has the SHA-256 "
                f"{done.last.sha256}; if that command was interrupted and you have no such file, "
                f"run it again with --again {cases}"
            )
    else:
        typer.echo(f"{out}  cases: {len(done.hit_ids)}  {done.sha256}")
        note("The file holds plates in clear. Delete it once the fines system has it.")
    for _, why in done.not_allowed:
        note(f"not exported: {why}")
    if done.elsewhere:
        told = quantity(done.elsewhere, "confirmed case is", "confirmed cases are")
        note(f"{told} of sites or rules for which you have no right")
    for hit_id in done.withdrawn:
        note(f"withdraw the fine of case {hit_id}: it was exported, and an appeal overturned it")
