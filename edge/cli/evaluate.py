"""`edge-anpr evaluate`: measure accuracy on labelled photos and recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import JsonOption, ManifestOption, SecondLookOption, WheelOption
from edge.domain.wheel import WheelSide

app = typer.Typer(
    no_args_is_help=True,
    help="Measure the models on labelled photos and recordings.\n\n"
    "Example: edge-anpr evaluate clips --labels labels.csv --root clips --report report",
)

PairOption = Annotated[
    str | None, typer.Option("--models", help="Name of a pair of weights in the manifest.")
]
DetectorOption = Annotated[
    str | None, typer.Option("--detector", help="Name of a detector in the manifest.")
]
ReaderOption = Annotated[
    str | None, typer.Option("--reader", help="Name of a reader in the manifest.")
]
ProviderOption = Annotated[str, typer.Option("--provider", help="cpu, cuda or tensorrt.")]
ThreadsOption = Annotated[
    int, typer.Option("--threads", min=1, max=64, help="Threads of one operator.")
]
ReportOption = Annotated[
    Path | None,
    typer.Option("--report", help="Write an HTML page with plots into this folder."),
]
ShowReadsOption = Annotated[
    bool, typer.Option("--show-reads", help="Print the plates read and labelled.")
]
ProgressOption = Annotated[
    bool, typer.Option("--progress/--no-progress", help="Show a progress bar on standard error.")
]


@app.command()
def images(
    labels: Annotated[
        Path,
        typer.Option(
            help="CSV with the columns image,x,y,w,h,plate, and country and lines if known."
        ),
    ],
    root: Annotated[Path, typer.Option(help="The folder that the image column is relative to.")],
    by: Annotated[
        str,
        typer.Option(help="Break the figures down by: country, width, height, lines, light."),
    ] = "country,width",
    models: PairOption = None,
    detector: DetectorOption = None,
    reader: ReaderOption = None,
    provider: ProviderOption = "cpu",
    threads: ThreadsOption = 1,
    report: ReportOption = None,
    as_json: JsonOption = False,
    show_reads: ShowReadsOption = False,
    manifest: ManifestOption = None,
    progress: ProgressOption = True,
) -> None:
    """Measure how many labelled plates on photos are found and read exactly.

    A plate is found if a detection at the shipped threshold overlaps its box with an IoU of at
    least 0.5; each detection counts for one plate. It is exact if the text of that detection
    equals the label. Every other detection is a false positive. Labels are compared after a photo
    has been read.

    Example: edge-anpr evaluate images --labels eval/labels.csv --root eval --report report
    """
    from edge.cli.evaluate_images import evaluate_images

    evaluate_images(
        labels,
        root,
        pair=models,
        detector=detector,
        reader=reader,
        provider=provider,
        threads=threads,
        report=report,
        as_json=as_json,
        show_reads=show_reads,
        by=by,
        manifest=manifest,
        progress=progress,
    )


@app.command()
def clips(
    labels: Annotated[Path, typer.Option(help="CSV with the columns clip and plate.")],
    root: Annotated[Path, typer.Option(help="The folder that holds the clips.")],
    as_json: JsonOption = False,
    show_reads: ShowReadsOption = False,
    models: PairOption = None,
    report: ReportOption = None,
    detector: DetectorOption = None,
    reader: ReaderOption = None,
    provider: ProviderOption = "cpu",
    threads: ThreadsOption = 1,
    second_look: SecondLookOption = "none",
    manifest: ManifestOption = None,
    progress: ProgressOption = True,
) -> None:
    """Measure how many vehicles of labelled clips are read exactly, without any list.

    Neither lists nor labels influence the reading: labels are compared after a clip has ended.

    Example: edge-anpr evaluate clips --labels labels.csv --root clips --report report
    """
    from edge.cli.evaluate_clips import evaluate_clips

    evaluate_clips(
        labels,
        root,
        pair=models,
        detector=detector,
        reader=reader,
        provider=provider,
        threads=threads,
        report=report,
        as_json=as_json,
        show_reads=show_reads,
        second_look=second_look,
        manifest=manifest,
        progress=progress,
    )


@app.command()
def redaction(
    labels: Annotated[
        Path,
        typer.Option(
            help="CSV with the columns image,kind,outline, and vehicle where a photo shows several."
        ),
    ],
    root: Annotated[Path, typer.Option(help="The folder that the image column is relative to.")],
    as_json: JsonOption = False,
    report: ReportOption = None,
    detector: DetectorOption = None,
    threads: ThreadsOption = 1,
    manifest: ManifestOption = None,
    progress: ProgressOption = True,
    wheel: WheelOption = WheelSide.LEFT,
) -> None:
    """Measure what released pictures show of labelled vehicles: bodywork, glass, heads, strangers.

    Each labelled vehicle is taken as the offender in turn, and its photo is masked as on a box, at
    the levels vehicle, driver and occupants. No picture is written. The kinds of outlines are
    plate, body (the whole vehicle), glass, head, other and person; docs/accuracy.md has the form.

    Example: edge-anpr evaluate redaction --labels outlines.csv --root photos --report report
    """
    from edge.cli.evaluate_redaction import evaluate_redaction

    evaluate_redaction(
        labels,
        root,
        wheel=wheel,
        detector=detector,
        threads=threads,
        report=report,
        as_json=as_json,
        manifest=manifest,
        progress=progress,
    )
