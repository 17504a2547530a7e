"""`edge-anpr fleet release`: make, sign and publish what boxes may install."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from edge.cli.options import JsonOption, PassphraseFileOption
from edge.cli.output import note, print_json
from edge.errors import UsageError

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata

    from edge.formats.signing import PublicKey, SigningKey
    from edge.updates.repository import ReleaseRepository

app = typer.Typer(
    no_args_is_help=True,
    help="Make, sign and publish what boxes may install: releases, weights, words, policy "
    "templates.\n\n"
    "Vendor and controller each sign on their own machine; a box accepts only what both have "
    "signed. An online key only says what is newest, and to whom it is open. docs/updates.md "
    "describes all steps.\n\n"
    "Example: edge-anpr fleet release init releases --vendor ed25519:… --controller ed25519:… "
    "--online ed25519:…",
)

RepositoryArgument = Annotated[Path, typer.Argument(help="The folder of the repository.")]
OnlineKeyOption = Annotated[
    Path, typer.Option("--online-key", help="Private key file of the online key.")
]
_FORMS: Final = {
    "kind": "release, weights, words or policy-templates",
    "version": "three numbers, such as 0.2.0",
    "platform": "what `release pack` has printed, such as cp311-linux_x86_64",
}
PublicText = Annotated[str, typer.Option(help="A public key, as `keys new signer` prints it.")]


@app.command()
def init(
    folder: RepositoryArgument,
    vendor: PublicText,
    controller: PublicText,
    online: PublicText,
    as_json: JsonOption = False,
) -> None:
    """Make a repository for three public keys; root and targets then wait for two signatures.

    Make the keys with `edge-anpr keys new signer`: the vendor's and the controller's on their own
    machines with --passphrase, the online key on the machine that publishes.

    Example: edge-anpr fleet release init releases --vendor ed25519:… --controller ed25519:…
    --online ed25519:…
    """
    from edge.updates.signing import ReleaseKeys

    keys = ReleaseKeys(
        _public("--vendor", vendor),
        _public("--controller", controller),
        _public("--online", online),
    )
    _say_pending(repository_in(folder).begin(keys), as_json)


@app.command()
def pack(
    out: Annotated[Path, typer.Argument(help="The archive to write.")],
    wheels: Annotated[
        Path, typer.Option("--wheels", help="A folder with one wheel for each package.")
    ],
    version: Annotated[str, typer.Option("--version", help="The version of the product.")],
) -> None:
    """Pack the wheels of a release into one archive, for one platform.

    Fill the folder on a machine like the box: `pip download --only-binary :all: --require-hashes
    --requirement requirements/runtime-cpu.txt --dest wheels`, and copy the product's wheel there.

    Example: edge-anpr fleet release pack release.zip --wheels wheels --version 0.2.0
    """
    from edge.updates.archive import pack_release
    from edge.updates.targets import this_platform

    pack_release(sorted(wheels.glob("*")), version, out)
    typer.echo(f"{out} written; on this machine its platform is {this_platform()}")


@app.command()
def add(
    folder: RepositoryArgument,
    archive: Annotated[Path, typer.Argument(help="The archive: one ZIP file.")],
    version: Annotated[str, typer.Option("--version", help="Three numbers, such as 0.2.0.")],
    kind: Annotated[
        str, typer.Option("--kind", help="release, weights, words or policy-templates.")
    ] = "release",
    platform: Annotated[
        str | None,
        typer.Option("--platform", help="Of a release, such as cp311-linux_x86_64."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Offer an archive: it is copied to where it is served, and targets wait for two signatures.

    Weights and words are checked first, as a box with this version of the program checks them: each
    file has the digest of the manifest, and every text is there in each language. A release must
    be what `release pack` makes, of this version.

    Example: edge-anpr fleet release add releases release.zip --version 0.2.0 --platform
    cp311-linux_x86_64
    """
    from pydantic import ValidationError

    from edge.updates.slots import require_usable
    from edge.updates.targets import ANY, TargetFacts

    if kind == "release" and platform is None:
        raise UsageError("--platform: a release runs on one platform; `release pack` prints it")
    try:
        facts = TargetFacts.model_validate(
            {"kind": kind, "version": version, "platform": platform or ANY}
        )
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        raise UsageError(f"--{field}: write {_FORMS[field]}") from None
    require_usable(archive, facts)
    _say_pending([repository_in(folder).add(archive, facts)], as_json)


@app.command()
def withdraw(
    folder: RepositoryArgument,
    path: Annotated[str, typer.Argument(help="As `release show` prints it.")],
    as_json: JsonOption = False,
) -> None:
    """No longer offer an archive; targets wait for two signatures.

    Boxes that have installed it keep it: offer a newer version. To stop an archive at once, use
    `edge-anpr fleet wave halt`.

    Example: edge-anpr fleet release withdraw releases release/0.2.0/cp311-linux_x86_64.zip
    """
    _say_pending([repository_in(folder).withdraw(path)], as_json)


@app.command()
def renew(
    folder: RepositoryArgument,
    root: Annotated[bool, typer.Option("--root", help="Renew the root as well.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make targets, and with --root the root, valid for longer; they wait for two signatures.

    Example: edge-anpr fleet release renew releases
    """
    _say_pending(repository_in(folder).renew(root=root), as_json)


@app.command()
def rotate(
    folder: RepositoryArgument,
    old: Annotated[str, typer.Option("--old", help="The public key that leaves.")],
    new: Annotated[str, typer.Option("--new", help="The public key that comes.")],
    online: Annotated[
        bool,
        typer.Option("--online", help="It is the online key, not the vendor's or controller's."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Replace a key. The new root needs the signatures of the old keys and of the new ones.

    Example: edge-anpr fleet release rotate releases --old ed25519:… --new ed25519:…
    """
    old_key, new_key = _public("--old", old), _public("--new", new)
    _say_pending(repository_in(folder).rotate(old_key, new_key, online=online), as_json)


@app.command()
def sign(
    file: Annotated[Path, typer.Argument(help="pending/root.json or pending/targets.json.")],
    key: Annotated[Path, typer.Option("--key", help="The signer's private key file.")],
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what the file is, and sign it. Send the file on to the next signer, or back.

    Only the file is needed, not the repository. Compare the digests of archives with those that you
    have checked yourself.

    Example: edge-anpr fleet release sign targets.json --key vendor.signer.private.json
    """
    from edge.adapters.state.state_folder import locked_folder
    from edge.updates.describing import described, require_usual
    from edge.updates.metadata_files import read_metadata, write_signed
    from edge.updates.problems import UpdateStateError
    from edge.updates.signing import counts, sign_metadata

    shown = read_metadata(file)
    if not as_json:
        for line in described(shown):
            typer.echo(line)
    require_usual(shown)
    private = private_key(key, passphrase_file)
    with locked_folder(file.parent):  # another signer may sign at the same time
        metadata = read_metadata(file)
        if metadata.signed != shown.signed:
            raise UpdateStateError(f"{file}: changed since it was shown here; sign it again")
        sign_metadata(metadata, private)
        if metadata.signed.type == "root" and not counts(metadata, private.public):
            note("this root does not name your key: sign it only if it replaces your key")
        write_signed(file, metadata)
    if as_json:
        signed = {"role": metadata.signed.type, "version": metadata.signed.version}
        print_json("edge-anpr/release-sign/1", {**signed, "signed_by": sorted(metadata.signatures)})
        return
    typer.echo(f"signed with key {private.public.key_id} of {private.signer}: {file}")


@app.command()
def publish(
    folder: RepositoryArgument,
    online_key: OnlineKeyOption,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish what both have signed, in the folder `public` of the repository.

    What still lacks a signature keeps waiting, and a note says which. Without anything new it makes
    the newest state valid for another week: let a timer run it every day. Upload `public` with
    timestamp.json last; an upload that stops half way changes nothing.

    Example: edge-anpr fleet release publish releases --online-key online.signer.private.json
    """
    done = repository_in(folder).publish(private_key(online_key, passphrase_file))
    if as_json:
        print_json(
            "edge-anpr/release-publish/1",
            {"timestamp": done.version, "waiting": list(done.waiting)},
        )
        return
    for line in done.waiting:
        note(f"not published yet: {line}")
    typer.echo(
        f"published as timestamp {done.version}: upload {folder / 'public'}, timestamp.json last"
    )


@app.command()
def show(folder: RepositoryArgument, as_json: JsonOption = False) -> None:
    """Show what is published, and what waits for signatures.

    Example: edge-anpr fleet release show releases
    """
    from edge.updates.metadata_files import read_metadata

    repository = repository_in(folder)
    waiting = sorted(repository.pending.glob("*.json"))
    if as_json:
        print_json(
            "edge-anpr/release-show/1",
            {
                "offered": {
                    path: file.hashes["sha256"]
                    for path, file in sorted(repository.offered().items())
                },
                "waiting": [one.name for one in waiting],
            },
        )
        return
    for role in ("root", "targets", "timestamp"):
        published = repository.newest(role)
        if published is not None:
            _describe(f"published: {role}", published)
    for one in waiting:
        _describe(f"waits for signatures: {one}", read_metadata(one))


def repository_in(folder: Path) -> ReleaseRepository:
    """The repository in a folder, now."""
    from edge.adapters.host.system import SystemClock
    from edge.updates.repository import ReleaseRepository

    return ReleaseRepository(folder, SystemClock().utc())


def _public(option: str, text: str) -> PublicKey:
    from edge.errors import KeyFileError
    from edge.formats.signing import PublicKey

    try:
        return PublicKey.parse(text)
    except KeyFileError as error:
        raise UsageError(f"{option}: {error.message}") from None


def private_key(file: Path, passphrase_file: Path | None) -> SigningKey:
    """A signer's private key, with the passphrase typed or from a file."""
    from edge.adapters.state.key_files import load_signer_key
    from edge.cli.passphrase import typed

    return load_signer_key(file, typed(passphrase_file))


def _say_pending(files: tuple[Path, ...] | list[Path], as_json: bool) -> None:
    from edge.updates.metadata_files import read_metadata

    if as_json:
        print_json("edge-anpr/release-pending/1", {"files": [str(one) for one in files]})
        return
    for file in files:
        _describe(f"waits for signatures: {file}", read_metadata(file))


def _describe(what: str, metadata: Metadata[Any]) -> None:
    from edge.updates.describing import described

    typer.echo(what)
    for line in described(metadata):
        typer.echo(f"  {line}")
