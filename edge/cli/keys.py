"""`edge-anpr keys`: keys of boxes and of authorities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import (
    AuthorityKeysOption,
    JsonOption,
    PassphraseFileOption,
    PassphraseOption,
    SiteOption,
)
from edge.cli.output import print_json, time_text
from edge.errors import KeyFileError

if TYPE_CHECKING:
    from edge.privacy.key_formats import KeyFacts

app = typer.Typer(
    no_args_is_help=True,
    help="Make, replace and show the keys of boxes, authorities and signers.\n\n"
    "A box signs its hits; an authority opens them and signs receipts. Each makes its own keys "
    "in the place where they stay, and gives the other its [bold]public[/bold] file only. If an "
    "authority's key is lost, nobody can open what was sealed to it.\n\n"
    "Example: edge-anpr keys new box --site config/school-street",
)
new = typer.Typer(
    no_args_is_help=True,
    help="Make the first keys.\n\n"
    "Example: edge-anpr keys new authority police-zone --out authority",
)
rotate = typer.Typer(
    no_args_is_help=True,
    help="Replace the keys in use by new ones.\n\n"
    "Example: edge-anpr keys rotate authority --keys authority",
)
app.add_typer(new, name="new")
app.add_typer(rotate, name="rotate")


@new.command("box")
def new_box(site: SiteOption, as_json: JsonOption = False) -> None:
    """Make the keys of a box: one to sign its hits, one to open its lists.

    Run it on the box. Give the public file to the authority, for `hits tail --box-keys`, and to
    the issuers of lists, for `lists build --box-public`. They identify the box by it.

    Example: edge-anpr keys new box --site config/school-street
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.key_making import new_box_keys
    from edge.adapters.state.log_reader import require_unused
    from edge.site.folder import read_box_folders

    box = read_box_folders(site)
    require_unused(box)
    public = new_box_keys(box.keys, box.site, box.box, SystemClock().utc())
    _say([public], as_json, "give it to the authority")


@new.command("authority")
def new_authority(
    authority: Annotated[
        str, typer.Argument(metavar="ID", help="The authority's id in the sites' policies.")
    ],
    out: Annotated[Path, typer.Option("--out", help="A new folder at the authority.")],
    passphrase: PassphraseOption = False,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an authority's keys: one to open hits, one to sign receipts.

    Run it at the authority, and keep a copy of the folder in a safe place. Give the public
    file to every site whose policy names the authority. Never put the folder on a box. With
    --passphrase nobody can open hits who has the files alone.

    Example: edge-anpr keys new authority police-zone --out authority
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.key_making import new_authority_keys
    from edge.formats.identifiers import is_id

    if not is_id(authority):
        raise typer.BadParameter("use 1 to 40 of a-z, 0-9 and '-'", param_hint="ID")
    public = new_authority_keys(
        out,
        authority,
        SystemClock().utc(),
        passphrase=_chosen(passphrase_file, wanted=passphrase),
    )
    _say([public], as_json, "give it to the sites, for the policy's authorities")


@new.command("signer")
def new_signer(
    signer: Annotated[str, typer.Argument(metavar="ID", help="The signer's id in the policy.")],
    out: Annotated[Path, typer.Option("--out", help="A folder of the signer.")],
    demo: Annotated[
        bool,
        typer.Option("--demo", help="Make the demo key of this name, which is public."),
    ] = False,
    passphrase: PassphraseOption = False,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the key with which a person signs policies, lists or orders.

    Run it where the signer works, never on a box. Put the printed public key into the policy. The
    private file stays with the signer; with --passphrase nobody can sign who has the file alone. A
    policy with demo keys can only read recorded files.

    Example: edge-anpr keys new signer mayor --out office --passphrase
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.key_files import load_signer_key
    from edge.adapters.state.key_making import new_signer_key
    from edge.formats.identifiers import is_id

    if not is_id(signer):
        raise typer.BadParameter("use 1 to 40 of a-z, 0-9 and '-'", param_hint="ID")
    under = _chosen(passphrase_file, wanted=passphrase)
    file = new_signer_key(out, signer, SystemClock().utc(), demo=demo, passphrase=under)
    public = load_signer_key(file, lambda _file: under or "").public
    if as_json:
        facts = {
            "file": str(file),
            "signer": signer,
            "key_id": public.key_id,
            "key": public.text,
            "demo": demo,
        }
        print_json("edge-anpr/keys-new-signer/1", {"signer": facts})
        return
    typer.echo(f"key {public.key_id} of signer {signer} made{', FOR DEMO ONLY' if demo else ''}")
    typer.echo(f"private file: {file}  (keep it; never on a box)")
    typer.echo(f"for the policy: key: {public.text}")


@new.command("trial")
def new_trial(site: SiteOption, as_json: JsonOption = False) -> None:
    """Make the keys of box and authorities together, to try the product.

    The authorities' private keys then lie on the box, so the box could open what it seals. The
    files are marked as trial keys. Never use them at a real site.

    Example: edge-anpr keys new trial --site config/school-street
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.key_making import install_public_keys, new_authority_keys, new_box_keys
    from edge.adapters.state.log_reader import require_unused
    from edge.site.folder import load_site_folder

    folder = load_site_folder(site)
    require_unused(folder.box)
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
        typer.Option("--stolen", help="Revoke the old key: nothing that it signed is accepted."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Give a box new keys and delete the old ones.

    Give the new public file to the authority. Until then the authority sets the box's hits aside.
    Hits with the old signature are accepted for another 31 days, unless the key was stolen. Lists
    that were sealed to the old key no longer open: each issuer must build its lists again.
    A box that has lost its audit log or its anchor gets no new keys (docs/audit.md).

    Example: edge-anpr keys rotate box --site config/school-street --stolen
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.audit_log import FILE_NAME, open_box_audit
    from edge.adapters.state.key_files import load_box_keys, signing_keys
    from edge.adapters.state.key_making import rotate_box_keys
    from edge.adapters.state.log_reader import proven_by
    from edge.site.folder import read_box_folders

    box = read_box_folders(site)
    before = signing_keys(box.public_keys) if box.public_keys.exists() else ()
    # New keys must not hide that the log or its anchor is lost, or older than the other.
    if before:
        proven_by(box, in_use=True)
    public = rotate_box_keys(box.keys, SystemClock().utc(), disown=stolen)
    if (box.state / FILE_NAME).exists():
        # The log continues under the new key, even if the public file revokes the old key.
        open_box_audit(box, load_box_keys(box.keys), before=before).close()
    _say([public], as_json, "give it to the authority")


@rotate.command("authority")
def rotate_authority(
    keys: AuthorityKeysOption,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an authority new keys; the old private keys stay, to open earlier hits.

    Give the new public file to the sites. Until then they seal to the old keys. To make earlier
    hits unreadable for good, delete the old `.private.json` and its copies. If the keys in use have
    a passphrase, it is asked for, and the new keys get the same.

    Example: edge-anpr keys rotate authority --keys authority
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.key_making import rotate_authority_keys
    from edge.cli.passphrase import typed

    public = rotate_authority_keys(keys, SystemClock().utc(), typed(passphrase_file))
    _say([public], as_json, "give it to the sites")


@app.command()
def protect(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A private file of a signer or an authority.")
    ],
    remove: Annotated[
        bool,
        typer.Option("--remove", help="Remove it: whoever has the file can use the key."),
    ] = False,
    passphrase_file: PassphraseFileOption = None,
    new_passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--new-passphrase-file",
            metavar="FILE",
            help="Read the new passphrase from the first line of this file.",
        ),
    ] = None,
) -> None:
    """Give a private key a passphrase, change it, or remove it. The key stays the same.

    Without the passphrase nobody can use the key, its owner neither: keep it where you keep a copy
    of the file. Copies made before, and blocks that a disk keeps, are not changed.

    Example: edge-anpr keys protect office/mayor.signer.private.json
    """
    from edge.adapters.state.key_making import protect_key_file
    from edge.cli.passphrase import chosen, typed

    if remove and new_passphrase_file is not None:
        raise typer.BadParameter("not together with --remove", param_hint="--new-passphrase-file")
    before = typed(passphrase_file)
    after = None if remove else lambda: chosen(new_passphrase_file)
    protect_key_file(file, before, after)
    typer.echo(f"{file}: {'without' if remove else 'with'} a passphrase now")


@app.command()
def show(
    path: Annotated[Path, typer.Argument(help="A key file, or a folder of key files.")],
    as_json: JsonOption = False,
) -> None:
    """Show what key files hold: owner, ids, dates and trial mark; never a private key.

    For a signer it also shows the public key, and for an authority the digests of its keys, in the
    form that the policy needs.

    Example: edge-anpr keys show config/school-street/keys
    """
    from edge.adapters.state.key_files import key_facts

    facts = key_facts(path)
    if as_json:
        print_json("edge-anpr/keys-show/1", {"keys": [_as_json(fact) for fact in facts]})
        return
    for fact in facts:
        typer.echo(
            f"{fact.file.name}: {fact.kind} of {fact.owner}{', FOR TRIAL' if fact.trial else ''}"
        )
        for generation in fact.generations:
            until = generation.retired_at
            state = "in use" if until is None else f"retired {until:%Y-%m-%d %H:%M} UTC"
            typer.echo(f"  {generation.key_id}  made {generation.created_at:%Y-%m-%d}, {state}")
        if fact.policy_key is not None:
            typer.echo(f"  for the policy: key: {fact.policy_key}")
        if fact.key_sha256:
            typer.echo(f"  for the policy: key_sha256: [{', '.join(fact.key_sha256)}]")


def _chosen(file: Path | None, *, wanted: bool) -> str | None:
    """The passphrase of a new key, or None if it is to have none."""
    from edge.cli.passphrase import chosen

    return chosen(file) if wanted or file is not None else None


def _say(public_files: list[Path], as_json: bool, next_step: str) -> None:
    from edge.adapters.state.key_files import key_facts

    facts = [fact for file in public_files for fact in key_facts(file)]
    if as_json:
        print_json("edge-anpr/keys-made/1", {"keys": [_as_json(fact) for fact in facts]})
        return
    for fact in facts:
        typer.echo(f"key {fact.generations[-1].key_id} of {fact.owner} made")
        typer.echo(f"public file: {fact.file}  ({next_step})")


def _as_json(fact: KeyFacts) -> dict[str, object]:
    return {
        "file": str(fact.file),
        "kind": fact.kind,
        "owner": fact.owner,
        "trial": fact.trial,
        "key": fact.policy_key,
        "key_sha256": list(fact.key_sha256),
        "generations": [
            {
                "key_id": generation.key_id,
                "created_at": time_text(generation.created_at),
                "retired_at": None
                if generation.retired_at is None
                else time_text(generation.retired_at),
            }
            for generation in fact.generations
        ],
    }
