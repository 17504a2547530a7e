"""`edge-anpr evidence-pack`: one file that shows whether a box keeps to its policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.lazy import MakeByDefault
from edge.cli.options import JsonOption, KnownKeysOption, SiteOption, WitnessOption
from edge.cli.output import print_json
from edge.errors import AuditError
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.adapters.state.evidence_pack import VerifiedPack

app = typer.Typer(
    cls=MakeByDefault,
    no_args_is_help=True,
    help="Make or verify an evidence pack: a file that shows a supervisory authority whether "
    "a box keeps to its policy.\n\n"
    "It holds policies and their signatures, the audit log with its checkpoints, counts and "
    "accuracy figures. It holds no plate, picture, token, list or hit. "
    "[bold]verify[/bold] needs nothing but the file, on any machine.\n\n"
    "Example: edge-anpr evidence-pack OUT.zip --site config/school-street",
)


@app.command()
def make(
    out: Annotated[Path, typer.Argument(metavar="OUT.zip", help="A file that does not exist yet.")],
    site: SiteOption,
    accuracy: Annotated[
        Path | None,
        typer.Option(
            help="The output of `edge-anpr evaluate clips --json`. Its figures go into the pack; "
            "names of clips do not."
        ),
    ] = None,
    deletions: Annotated[
        Path | None,
        typer.Option(
            help="The output of `edge-anpr desk retain statements`: what the authority says that "
            "it deleted."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Collect a box's evidence in one signed file. The box may keep running.

    Example: edge-anpr evidence-pack make pack.zip --site config/school-street
    """
    from edge.adapters.state.evidence_pack import make_pack, read_accuracy, verify_pack
    from edge.adapters.state.key_files import load_box_keys
    from edge.adapters.state.state_folder import new_file
    from edge.privacy.deletions import read_deletions
    from edge.site.folder import read_box_folders

    box = read_box_folders(site)
    figures = None if accuracy is None else read_accuracy(accuracy)
    stated = None if deletions is None else read_deletions(deletions)[0]
    pack = make_pack(box, load_box_keys(box.keys), figures, stated)
    new_file(out, pack, mode=0o644)
    _say(verify_pack(pack), "edge-anpr/evidence-pack-make/1", as_json)


@app.command()
def verify(
    pack: Annotated[Path, typer.Argument(metavar="PACK.zip", help="The file.")],
    keys: KnownKeysOption = None,
    witness: WitnessOption = None,
    desk_key: Annotated[
        list[str] | None,
        typer.Option(
            "--desk-key",
            metavar="KEY",
            help="The key of the authority's desk, `ed25519:` and more, as `desk retain "
            "statements` prints it; again for each earlier key.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify that everything in a pack agrees: signatures, log, policies and figures.

    It needs no network. Without --keys the pack is only compared with itself, and the result states
    this. Take the key file from the box, not from the sender of the pack.

    Example: edge-anpr evidence-pack verify pack.zip --keys box-1.public.json
    """
    from edge.adapters.state.audit_log import read_witness
    from edge.adapters.state.evidence_pack import read_pack, verify_pack
    from edge.adapters.state.key_files import signing_keys
    from edge.formats.signing import PublicKey

    known = None if keys is None else signing_keys(keys)
    seen = () if witness is None else read_witness(witness)
    desk_keys = None if not desk_key else [PublicKey.parse(one) for one in desk_key]
    data = read_pack(pack)
    try:
        verified = verify_pack(data, keys=known, witness=seen, desk_keys=desk_keys)
    except AuditError as error:
        raise AuditError(f"{pack}: {error.message}", code=error.code) from None
    _say(verified, "edge-anpr/evidence-pack-verify/1", as_json, desk_vouched=bool(desk_key))


def _say(pack: VerifiedPack, schema: str, as_json: bool, *, desk_vouched: bool = False) -> None:
    if as_json:
        print_json(schema, _facts(pack))
        return
    typer.echo(f"box:        {pack.manifest.box} at {pack.manifest.site}")
    typer.echo(
        f"key:        {pack.manifest.key} "
        + ("(confirmed by --keys)" if pack.vouched else "(not confirmed by anyone)")
    )
    typer.echo(f"audit log:  {quantity(pack.log.last.size, 'entry', 'entries')}, none changed")
    typer.echo(f"witness:    {quantity(pack.log.witnessed, 'checkpoint')} compared")
    for policy in pack.policies:
        signed = ", ".join(sorted(policy.signed)) or "no one"
        lacking = f"; not by {', '.join(policy.lacking)}" if policy.lacking else ""
        demo = "; with demo keys, which are public" if policy.policy.demo else ""
        typer.echo(f"policy:     {policy.sha256[:16]}… signed by {signed}{lacking}{demo}")
    for weights in pack.weights:
        typer.echo(f"weights:    {weights.detector} and {weights.reader}")
    typer.echo(f"epochs:     {pack.statistics.epochs}" + _confirmed(pack))
    if pack.accuracy is not None:
        low, high = pack.accuracy.exact_ci95
        typer.echo(
            f"accuracy:   {pack.accuracy.exact_count} of {pack.accuracy.vehicles} exact "
            f"(95 % interval {low:.3f} to {high:.3f})"
        )
    if pack.deletions:
        last = pack.deletions[-1]
        typer.echo(
            f"deletions:  {quantity(len(pack.deletions), 'statement')} of {last.authority} until "
            f"{last.day}, "
            f"key {last.signature.key_id} "
            + ("(confirmed by --desk-key)" if desk_vouched else "(not confirmed by anyone)")
        )
    if not pack.vouched:
        typer.echo("The pack is consistent. Give --keys to confirm that it is the box's.")


def _confirmed(pack: VerifiedPack) -> str:
    """Whether the counts of the epochs fit the audit log, which is signed; the counts are not."""
    if pack.unrecorded is None:
        return " (confirmed by the audit log)" if pack.statistics.epochs else ""
    return (
        f" (NOT confirmed: the audit log has no such epoch as line {pack.unrecorded} of "
        "statistics.jsonl, so somebody has changed the counts on the box)"
    )


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
                "demo": policy.policy.demo,
            }
            for policy in pack.policies
        ],
        "weights": [weights.model_dump() for weights in pack.weights],
        "statistics": pack.statistics.model_dump(),
        "statistics_confirmed": pack.unrecorded is None,
        "accuracy": None if pack.accuracy is None else pack.accuracy.model_dump(mode="json"),
        "deletions": [one.model_dump(mode="json", by_alias=True) for one in pack.deletions],
    }
