"""`edge-anpr keys`: keys of boxes and of authorities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import KeyFileError

if TYPE_CHECKING:
    from edge.privacy.keys import KeyFacts

app = typer.Typer(
    no_args_is_help=True,
    help="Keys of boxes and of authorities.\n\n"
    "A box signs its hits; an authority opens them and signs receipts. Each makes its own keys "
    "where they stay, and gives the other its [bold]public[/bold] file and nothing else. A lost "
    "authority key means that no one can ever open what was sealed to it.",
)
new = typer.Typer(no_args_is_help=True, help="Make the first keys.")
rotate = typer.Typer(no_args_is_help=True, help="Make new keys in place of those in use.")
app.add_typer(new, name="new")
app.add_typer(rotate, name="rotate")

SiteOption = Annotated[Path, typer.Option("--site", help="The site's folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]


@new.command("box")
def new_box(site: SiteOption, as_json: JsonOption = False) -> None:
    """Make the keys of a site's box: one to sign its hits, one to open its lists.

    Run it on the box. Give the public file that it names to the authority, for
    `edge-anpr hits tail --box-keys`, and to those who issue its lists, for
    `edge-anpr lists build --box-public`. It is how they know the box.
    """
    from edge.adapters.host.system import SystemClock
    from edge.privacy.keys import new_box_keys

    ids, folder = _box_of(site)
    public = new_box_keys(folder, *ids, SystemClock().utc())
    _say([public], as_json, "give it to the authority")


@new.command("authority")
def new_authority(
    authority: Annotated[
        str, typer.Argument(metavar="ID", help="The id that the sites' policies give it.")
    ],
    out: Annotated[Path, typer.Option("--out", help="A folder of the authority's own.")],
    as_json: JsonOption = False,
) -> None:
    """Make an authority's keys: one to open hits, one to sign receipts.

    Run it at the authority, and keep a copy of the folder in a safe place. Give the public
    file to every site whose policy names the authority. Never put the folder on a box.
    """
    from edge.adapters.host.system import SystemClock
    from edge.privacy.keys import is_name, new_authority_keys

    if not is_name(authority):
        raise typer.BadParameter("use 1 to 40 of a-z, 0-9 and '-'", param_hint="ID")
    public = new_authority_keys(out, authority, SystemClock().utc())
    _say([public], as_json, "give it to the sites, for the policy's authorities")


@new.command("signer")
def new_signer(
    signer: Annotated[
        str, typer.Argument(metavar="ID", help="The id that the policy gives the signer.")
    ],
    out: Annotated[Path, typer.Option("--out", help="A folder of the signer's own.")],
    demo: Annotated[
        bool,
        typer.Option("--demo", help="The demo key of that name, which everybody has."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the key with which a person signs policies, lists or orders.

    Run it where the signer works, never on a box. What is printed goes into the policy; the
    file stays with the signer. With demo keys in a policy, recorded files are all it is good for.
    """
    from edge.adapters.host.system import SystemClock
    from edge.privacy.keys import is_name, load_signer_key, new_signer_key

    if not is_name(signer):
        raise typer.BadParameter("use 1 to 40 of a-z, 0-9 and '-'", param_hint="ID")
    file = new_signer_key(out, signer, SystemClock().utc(), demo=demo)
    public = load_signer_key(file).public
    if as_json:
        facts = {
            "file": str(file),
            "signer": signer,
            "key_id": public.key_id,
            "key": public.text,
            "demo": demo,
        }
        typer.echo(json.dumps({"signer": facts}))
        return
    typer.echo(f"key {public.key_id} of signer {signer} made{', FOR DEMO ONLY' if demo else ''}")
    typer.echo(f"private file: {file}  (keep it; never on a box)")
    typer.echo(f"for the policy: key: {public.text}")


@new.command("trial")
def new_trial(site: SiteOption, as_json: JsonOption = False) -> None:
    """Make the keys of box and authorities side by side, to try the product out.

    The authority's private keys come to lie beside the box's, so the box could open what it
    seals. The files say that they are for trial; never use them at a real site.
    """
    from edge.adapters.host.system import SystemClock
    from edge.privacy.keys import install_public_keys, new_authority_keys, new_box_keys
    from edge.site.folder import load_site_folder

    folder = load_site_folder(site)
    now = SystemClock().utc()
    places = {name: folder.authority_keys(name) for name in sorted(folder.policy.authorities)}
    for place in places.values():
        if place.exists():
            raise KeyFileError(f"{place}: exists already; trial keys are for a fresh site")
    made = [
        new_box_keys(folder.keys_folder, folder.settings.site, folder.settings.box, now, trial=True)
    ]
    for authority, place in places.items():
        own = folder.keys_folder / "authority-trial" / authority
        install_public_keys(new_authority_keys(own, authority, now, trial=True), place)
        made.append(own / f"{authority}.public.json")
    _say(made, as_json, "for trial only")


@rotate.command("box")
def rotate_box(
    site: SiteOption,
    stolen: Annotated[
        bool,
        typer.Option("--stolen", help="Disown the key it had: nothing it signed is taken."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Give a box new keys and delete those it had.

    Give the public file to the authority anew: until then it sets the box's hits aside.
    Hits signed before are taken for another 31 days, unless the key was stolen. Lists that were
    sealed to the key it had no longer open: have each issuer build its lists anew.
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.audit_log import FILE_NAME, open_box_audit
    from edge.privacy.keys import BoxKeys, rotate_box_keys, signing_keys
    from edge.site.folder import read_box_folders

    box = read_box_folders(site)
    before = signing_keys(box.public_keys) if box.public_keys.exists() else ()
    public = rotate_box_keys(box.keys, SystemClock().utc(), disown=stolen)
    if (box.state / FILE_NAME).exists():
        # The log goes on under the new key, even if the public file disowns the one before.
        open_box_audit(box, BoxKeys.load(box.keys), before=before).close()
    _say([public], as_json, "give it to the authority")


@rotate.command("authority")
def rotate_authority(
    keys: Annotated[Path, typer.Option("--keys", help="The authority's folder of keys.")],
    as_json: JsonOption = False,
) -> None:
    """Give an authority new keys; the private ones it had stay, to open earlier hits.

    Give the public file to the sites anew: until then they seal to the keys it had. To make
    earlier hits unreadable for good, delete the earlier `.private.json` and its copies.
    """
    from edge.adapters.host.system import SystemClock
    from edge.privacy.keys import rotate_authority_keys

    _say([rotate_authority_keys(keys, SystemClock().utc())], as_json, "give it to the sites")


@app.command()
def show(
    path: Annotated[
        Path, typer.Argument(help="A key file, or a folder of them. Private keys are not shown.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Show what key files hold: whose, which ids, since when, and whether for trial."""
    from edge.privacy.keys import key_facts

    facts = key_facts(path)
    if as_json:
        typer.echo(json.dumps({"keys": [_as_json(fact) for fact in facts]}))
        return
    for fact in facts:
        typer.echo(
            f"{fact.file.name}: {fact.kind} of {fact.owner}{', FOR TRIAL' if fact.trial else ''}"
        )
        for generation in fact.generations:
            until = generation.retired_at
            state = "in use" if until is None else f"retired {until:%Y-%m-%d %H:%M} UTC"
            typer.echo(f"  {generation.key_id}  made {generation.created_at:%Y-%m-%d}, {state}")


def _box_of(site: Path) -> tuple[tuple[str, str], Path]:
    """A box's site and id, and its keys folder; the policy need not be there yet."""
    from edge.formats.yaml_document import read_document
    from edge.site.folder import SITE_FILE
    from edge.site.settings import Site

    model = read_document(site / SITE_FILE, Site).model
    return (model.site, model.box), site / model.folders.keys


def _say(public_files: list[Path], as_json: bool, what_now: str) -> None:
    from edge.privacy.keys import key_facts

    facts = [fact for file in public_files for fact in key_facts(file)]
    if as_json:
        typer.echo(json.dumps({"keys": [_as_json(fact) for fact in facts]}))
        return
    for fact in facts:
        typer.echo(f"key {fact.generations[-1].key_id} of {fact.owner} made")
        typer.echo(f"public file: {fact.file}  ({what_now})")


def _as_json(fact: KeyFacts) -> dict[str, object]:
    return {
        "file": str(fact.file),
        "kind": fact.kind,
        "owner": fact.owner,
        "trial": fact.trial,
        "generations": [
            {
                "key_id": generation.key_id,
                "created_at": generation.created_at.isoformat(),
                "retired_at": None
                if generation.retired_at is None
                else generation.retired_at.isoformat(),
            }
            for generation in fact.generations
        ],
    }
