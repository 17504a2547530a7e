"""`edge-anpr evidence-pack`: what a supervisor needs to see whether a box keeps to its policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from edge.errors import AuditError, OutboxError

if TYPE_CHECKING:
    from edge.adapters.state.evidence_pack import VerifiedPack

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]


class _MakeFirst(TyperGroup):
    """`evidence-pack OUT.zip` makes one, without a word in between."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["make", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_MakeFirst,
    no_args_is_help=True,
    help="One file with what a supervisor needs: policies and their signatures, the audit log with "
    "its checkpoints, counts, accuracy.\n\nIt holds no plate, picture, token, list or hit. "
    "[bold]edge-anpr evidence-pack OUT.zip --site SITE[/bold] makes one; "
    "[bold]verify[/bold] needs nothing but the file, on any machine.",
)


@app.command()
def make(
    out: Annotated[Path, typer.Argument(metavar="OUT.zip", help="A file that does not exist yet.")],
    site: Annotated[Path, typer.Option("--site", help="The site's folder, on the box.")],
    accuracy: Annotated[
        Path | None,
        typer.Option(
            help="What `edge-anpr evaluate clips --json` printed; its figures go in, names of "
            "clips do not."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Gather a box's evidence into one file and sign it. The box may run meanwhile."""
    from edge.adapters.state.evidence_pack import make_pack, read_accuracy, verify_pack
    from edge.adapters.state.key_files import load_box_keys
    from edge.site.folder import read_box_folders

    box = read_box_folders(site)
    figures = None if accuracy is None else read_accuracy(accuracy)
    pack = make_pack(box, load_box_keys(box.keys), figures)
    try:
        with out.open("xb") as file:
            file.write(pack)
    except FileExistsError:
        raise OutboxError(f"{out}: exists already; name another file") from None
    except OSError as error:
        raise OutboxError(f"{out}: {error.strerror}; name a file that can be written") from error
    _say(verify_pack(pack), as_json)


@app.command()
def verify(
    pack: Annotated[Path, typer.Argument(metavar="PACK.zip", help="The file.")],
    keys: Annotated[
        Path | None,
        typer.Option(help="The box's public file as you got it from the box, not with the pack."),
    ] = None,
    witness: Annotated[
        Path | None, typer.Option(help="Checkpoints of the box's log that you kept.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Hold everything in a pack against everything else, offline.

    Without --keys and --witness the pack vouches for itself only, and that is said.
    """
    from edge.adapters.state.audit_log import read_witness
    from edge.adapters.state.evidence_pack import read_pack, verify_pack
    from edge.adapters.state.key_files import signing_keys

    known = None if keys is None else signing_keys(keys)
    seen = () if witness is None else read_witness(witness)
    try:
        verified = verify_pack(read_pack(pack), keys=known, witness=seen)
    except AuditError as error:
        raise AuditError(f"{pack}: {error.message}", code=error.code) from None
    _say(verified, as_json)


def _say(pack: VerifiedPack, as_json: bool) -> None:
    facts = _facts(pack)
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"box:        {pack.manifest.box} at {pack.manifest.site}")
    typer.echo(
        f"key:        {pack.manifest.key} "
        + ("(known from elsewhere)" if pack.vouched else "(nobody vouched for it)")
    )
    typer.echo(f"audit log:  {pack.log.last.size} entries, none changed")
    typer.echo(f"witness:    {pack.log.witnessed} checkpoints compared")
    for policy in pack.policies:
        signed = ", ".join(sorted(policy.signed)) or "nobody"
        lacking = f"; not by {', '.join(policy.lacking)}" if policy.lacking else ""
        typer.echo(f"policy:     {policy.sha256[:16]}… signed by {signed}{lacking}")
    for weights in pack.weights:
        typer.echo(f"weights:    {weights.detector} and {weights.reader}")
    typer.echo(f"epochs:     {pack.statistics.epochs}")
    if pack.accuracy is not None:
        low, high = pack.accuracy.exact_ci95
        typer.echo(
            f"accuracy:   {pack.accuracy.exact_count} of {pack.accuracy.vehicles} exact "
            f"(95 % interval {low:.3f} to {high:.3f})"
        )
    if not pack.vouched:
        typer.echo("The pack agrees with itself. Give --keys to know that it is the box's.")


def _facts(pack: VerifiedPack) -> dict[str, Any]:
    return {
        "site": pack.manifest.site,
        "box": pack.manifest.box,
        "version": pack.manifest.version,
        "key": pack.manifest.key,
        "vouched": pack.vouched,
        "entries": pack.log.last.size,
        "witnessed": pack.log.witnessed,
        "policies": [
            {
                "sha256": policy.sha256,
                "signed": sorted(policy.signed),
                "lacking": list(policy.lacking),
            }
            for policy in pack.policies
        ],
        "weights": [weights.model_dump() for weights in pack.weights],
        "statistics": pack.statistics.model_dump(),
        "accuracy": None if pack.accuracy is None else pack.accuracy.model_dump(mode="json"),
    }
