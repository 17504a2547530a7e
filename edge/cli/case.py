"""`edge-anpr case`: verify an exported case file offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import JsonOption, WitnessOption
from edge.cli.output import note, print_json

if TYPE_CHECKING:
    from edge.desk.court.verdict import CaseVerdict

app = typer.Typer(
    no_args_is_help=True,
    help="Verify a case file that a desk has exported.\n\n"
    "[bold]verify[/bold] needs the file and public keys, no network and no database.\n\n"
    "Example: edge-anpr case verify case.zip --box-keys box-1.public.json "
    "--desk-key ed25519:AbC…= --person-key els-wouters=ed25519:XyZ…=",
)


@app.callback()
def case() -> None:
    """Commands on an exported case file."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The case file.")],
    box_keys: Annotated[
        Path | None,
        typer.Option("--box-keys", help="The box's public file, received from the box's owner."),
    ] = None,
    authority_keys: Annotated[
        Path | None,
        typer.Option(
            "--authority-keys", help="The authority's public file, received from the authority."
        ),
    ] = None,
    desk_key: Annotated[
        list[str] | None,
        typer.Option(
            "--desk-key",
            metavar="KEY",
            help="The desk's public key, ed25519:…, received from the authority; repeat it for "
            "an earlier key.",
        ),
    ] = None,
    person_key: Annotated[
        list[str] | None,
        typer.Option(
            "--person-key",
            metavar="NAME=KEY",
            help="The public key, ed25519:… or passkey:…, of a person who signed a finding, "
            "received from herself; repeat it for each.",
        ),
    ] = None,
    witness: WitnessOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a case file: box, people and desk signed each byte, and all parts fit together.

    The table shows what was proven, and the keys that it rests on. Each key counts for its owner
    only. Without the public keys of the box, the desk and each person who signed, the file is only
    compared with itself, and the exit status is 7.

    Exit status: 0 proven; 7 a key is not the one you gave, or was not given, or demo keys signed
    the policy; 8 the file was changed, is not complete, or contradicts itself.

    Example: edge-anpr case verify case.zip --box-keys box-1.public.json --desk-key ed25519:AbC…=
    --person-key els-wouters=ed25519:XyZ…=
    """
    from edge.adapters.state.audit_log import read_witness
    from edge.adapters.state.key_files import load_authority_public_keys, load_box_public_keys
    from edge.desk.court.package import read_case
    from edge.desk.court.verdict import KnownKeys, known_desk_keys, known_people
    from edge.desk.court.verifying import verify_case
    from edge.errors import AuditError, KeyFileError

    known = KnownKeys(
        box=None if box_keys is None else load_box_public_keys(box_keys),
        authority=None if authority_keys is None else load_authority_public_keys(authority_keys),
        desk=known_desk_keys(desk_key or []),
        people=known_people(person_key or []),
        witness=() if witness is None else read_witness(witness),
    )
    verdict = verify_case(read_case(file), known)
    _say(verdict, as_json=as_json)
    if verdict.failure is not None:
        failure = verdict.failure
        if failure.code == "E_CASE_KEYS":
            raise failure
        raise AuditError(f"{file}: {failure.message}", code="E_CASE_FILE")
    if verdict.unconfirmed:
        whose = " and ".join(one.whose for one in verdict.unconfirmed)
        options = " ".join(dict.fromkeys(str(one.option) for one in verdict.unconfirmed))
        raise KeyFileError(
            f"{file}: consistent in itself, but the key of {whose} was not confirmed; add "
            f"{options} with the key that its owner gave you, not the sender of the file",
            code="E_CASE_KEYS",
        )
    if verdict.demo:
        raise KeyFileError(
            f"{file}: demo keys signed the policy, and everybody has them, so it proves nothing; "
            "export a case under a policy that the authority's own people signed",
            code="E_CASE_KEYS",
        )


def _say(verdict: CaseVerdict, *, as_json: bool) -> None:
    from edge.formats.visible import visible

    proven = verdict.failure is None
    if as_json:
        hit = verdict.hit
        print_json(
            "edge-anpr/case-verify/1",
            {
                "proven": proven,
                "confirmed": verdict.confirmed,
                "demo": verdict.demo,
                "hit_id": None if hit is None else hit.hit_id,
                "site": None if hit is None else hit.site,
                "box": None if hit is None else hit.box,
                "rule": None if hit is None else hit.rule,
                "observed_at": None if hit is None else hit.observed_at,
                "checks": [
                    {"what": one.what, "proven": one.proven, "told": visible(one.told)}
                    for one in verdict.checks
                ],
                "keys": [
                    {
                        "whose": one.whose,
                        "key": one.key,
                        "confirmed": one.confirmed,
                        "needed": one.option is not None,
                    }
                    for one in verdict.keys
                ],
                "findings": [
                    {
                        "number": one.number,
                        "sha256": one.sha256(),
                        "person": one.person.name,
                        "full_name": visible(one.person.full_name),
                        "role": one.person.role.value,
                        "mandate": visible(one.person.mandate),
                        "outcome": one.outcome.value,
                        "decided_at": one.decided_at,
                    }
                    for one in verdict.findings
                ],
            },
        )
        return
    words = {True: "proven", False: "FAILED", None: "-"}
    for check in verdict.checks:
        typer.echo(f"{check.what:<18} {words[check.proven]:<7} {visible(check.told)}")
    for key in verdict.keys:
        confirmed = "confirmed by you" if key.confirmed else "not confirmed by you"
        if key.option is None and not key.confirmed:
            confirmed = "not needed"
        typer.echo(f"key                {key.whose}: {key.key} ({confirmed})")
    if not proven:
        note("Do not trust anything in this file.")
