"""Options and arguments that several commands share, and how their values are read."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from edge.domain.wheel import WheelSide


class Lang(str, Enum):
    """The languages of the texts."""

    NL = "nl"
    FR = "fr"
    DE = "de"
    EN = "en"


JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document, and errors as JSON on standard error."),
]
LangOption = Annotated[Lang, typer.Option("--lang", help="The language of the texts.")]

SiteArgument = Annotated[Path, typer.Argument(help="The site's folder.", show_default=False)]
SiteOption = Annotated[
    Path, typer.Option("--site", help="The site's folder, with policy.yaml and site.yaml.")
]
CameraOption = Annotated[
    str | None,
    typer.Option("--camera", help="A camera of the site; needed with --source if it has several."),
]
RecordedAtOption = Annotated[
    str | None,
    typer.Option(
        "--recorded-at",
        metavar="TIME",
        help="When the recording was made, such as 2026-03-10T08:25:00+01:00 (with the offset from "
        "UTC). Schedules and lists apply as of that time. Default: the time in CLIP.json beside "
        "the recording, else now.",
    ),
]

SignerKeyOption = Annotated[
    Path | None,
    typer.Option("--key", help="A signer's private key file, made by `keys new signer`."),
]
PassphraseOption = Annotated[
    bool,
    typer.Option(
        "--passphrase",
        help="Encrypt the private key under a passphrase, which is asked for twice.",
    ),
]
PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="Read the private key's passphrase from the first line of this file, such as "
        "/dev/fd/3, and not from the terminal.",
    ),
]
AuthorityKeysOption = Annotated[
    Path, typer.Option("--keys", help="The authority's folder of private keys.")
]
KeysPassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--keys-passphrase-file",
        metavar="FILE",
        help="Read the passphrase of the authority's keys from the first line of this file.",
    ),
]
BoxKeysOption = Annotated[
    Path,
    typer.Option(
        "--box-keys", help="The public key file of a box, or a folder with those of all boxes."
    ),
]
POLICIES = typer.Option(
    "--policies",
    metavar="PATH",
    help="Signed policies, with which each hit is compared: a folder of policies with their "
    "signatures beside them, a site folder, an evidence pack, or a copy of a box's archive.",
)
PoliciesOption = Annotated[Path | None, POLICIES]
KnownKeysOption = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        help="The public key file of the box or authority, received from its owner. "
        "Without it, the owner of the signatures is not confirmed.",
    ),
]
WitnessOption = Annotated[
    Path | None,
    typer.Option(
        "--witness", help="Checkpoints of the log that were kept elsewhere: a file or a folder."
    ),
]
StoreOption = Annotated[Path, typer.Option("--store", help="The folder of the store.")]
ManifestOption = Annotated[
    Path | None,
    typer.Option("--manifest", help="Manifest of weights, instead of models/manifest.toml."),
]
WheelOption = Annotated[
    WheelSide,
    typer.Option("--wheel", help="Side of the steering wheel, for the level driver."),
]
SecondLookOption = Annotated[
    str,
    typer.Option(
        "--second-look",
        help="Look again for small plates: none, tiles:COLUMNSxROWS[:OVERLAP] or "
        "region:X1,Y1,X2,Y2 (fractions of the picture).",
    ),
]
