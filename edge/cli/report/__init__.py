"""One HTML page on measured accuracy, to be printed and filed with the impact assessment.

The page is self-contained: its plots are inline SVG, and it loads nothing from elsewhere. It holds
no plate, no name of a photo and no picture.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.adapters.host.system import product_version
from edge.cli.report.plots import width_plot
from edge.cli.report.view import figure, group_rows, posteriors, weights_text
from edge.domain.accuracy import BREAKDOWNS, PlateOutcome, ScoredRead, scored_reads
from edge.errors import ConfigError, OutboxError
from edge.formats.atomic_files import write_file
from edge.texts.pages import render

if TYPE_CHECKING:
    from edge.adapters.models.loading import PlateModels
    from edge.adapters.models.weights import Weights


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, with what, and when."""

    moment: datetime
    labels_sha256: str
    detector: Weights
    reader: Weights
    threshold: float
    provider: str
    threads: int

    @classmethod
    def now(cls, models: PlateModels, labels: Path, provider: str, threads: int) -> Measured:
        """These models and labels, at the present time."""
        return cls(
            moment=datetime.now(timezone.utc).replace(microsecond=0),
            labels_sha256=hashlib.sha256(labels.read_bytes()).hexdigest(),
            detector=models.detector_weights,
            reader=models.reader_weights,
            threshold=models.threshold,
            provider=provider,
            threads=threads,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "weights": {
                half: {
                    "name": weights.entry.name,
                    "file": weights.entry.file,
                    "sha256": weights.entry.sha256,
                    "calibration": weights.entry.calibration.model_dump(exclude_none=True),
                }
                for half, weights in (("detector", self.detector), ("reader", self.reader))
            },
            "labels_sha256": self.labels_sha256,
            "measured_at": self.moment.isoformat(),
            "product_version": product_version(),
            "provider": self.provider,
            "threads": self.threads,
        }


# --- the file -------------------------------------------------------------------------------


def require_writable(folder: Path, name: str) -> Path:
    """The path of the page; tests before any measurement whether it can be written.

    Raises:
        OutboxError: the folder cannot be made or written.
    """
    page = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if page.is_dir():
            raise ConfigError(f"{page}: this is a folder; move it or name another --report")
        trial = folder / f".{name}.{os.getpid()}"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise _unwritable(folder, error) from None
    return page


def write_page(page: Path, text: str) -> None:
    """Write the page atomically.

    Raises:
        OutboxError: it cannot be written.
    """
    try:
        write_file(page, text.encode(), mode=0o666)
    except OSError as error:
        raise _unwritable(page.parent, error) from None


def _unwritable(folder: Path, error: OSError) -> OutboxError:
    return OutboxError(
        f"{folder}: {error.strerror}; name a folder for --report that can be written"
    )


# --- pages ----------------------------------------------------------------------------------


def images_page(
    result: dict[str, Any], outcomes: Sequence[PlateOutcome], measured: Measured
) -> str:
    """The page on labelled photos.

    Args:
        result: what `summarise_images` returns.
        outcomes: the outcome of each labelled plate.
        measured: what was measured, with what, and when.
    """
    return _page(
        "images.html.j2",
        measured,
        images=result["images"],
        plates=result["plates"],
        found=figure(result, "recall_iou50", "recall_ci95"),
        exact=figure(result, "exact"),
        exact_given_box=figure(result, "exact_given_box"),
        characters=figure(result, "character_accuracy"),
        false_positive=figure(result, "images_with_false_positives"),
        false_positives=result["false_positives"],
        false_positives_per_image=f"{result['false_positives_per_image']:.3f}",
        posteriors=posteriors(scored_reads(outcomes)),
        width_plot=width_plot(outcomes),
        breakdowns=[
            (what, group_rows(result[f"by_{what}"]))
            for what in BREAKDOWNS
            if f"by_{what}" in result
        ],
        stages=[
            (name, f"{one['median']:.1f}", f"{one['p95']:.1f}")
            for name, one in result["ms_per_image"].items()
        ],
    )


def clips_page(result: dict[str, Any], reads: Sequence[ScoredRead], measured: Measured) -> str:
    """The page on labelled recordings, where a vehicle is read over many frames.

    Args:
        result: what `summarise` returns.
        reads: each report of a vehicle.
        measured: what was measured, with what, and when.
    """
    return _page(
        "clips.html.j2",
        measured,
        clips=len(result["per_clip"]),
        vehicles=result["vehicles"],
        exact=figure(result, "exact"),
        missed=figure(result, "missed_share", "missed_ci95"),
        spurious=result["spurious"],
        split=result["split"],
        unreadable=result["unreadable"],
        frames=result["frames"],
        posteriors=posteriors(reads),
        stages=[(stage, f"{ms:.1f}") for stage, ms in result["stage_ms_per_frame"].items()],
    )


def redaction_page(
    result: dict[str, Any], rows: Sequence[tuple[str, Sequence[str]]], measured: Measured
) -> str:
    """The page on what released pictures show.

    Args:
        result: what `summarise_redaction` returns, with the scene parser's weights.
        rows: each measure with its figure at each level, as text.
        measured: what was measured, with what, and when.
    """
    return _page(
        "redaction.html.j2",
        measured,
        images=result["images"],
        vehicles=result["vehicles"],
        not_found=result["plates_not_found"],
        block=result["block_px"],
        parser=result["weights"]["scene_parser"],
        levels=list(result["levels"]),
        rows=rows,
    )


def _page(template: str, measured: Measured, **values: object) -> str:
    return render(
        __package__,
        template,
        style=_style(),
        measured=measured,
        moment=measured.moment.strftime("%Y-%m-%d %H:%M UTC"),
        product_version=product_version(),
        weights=[
            weights_text("detector", measured.detector),
            weights_text("reader", measured.reader),
        ],
        threshold=f"{measured.threshold:.3g}",
        **values,
    )


@cache
def _style() -> str:
    return (files(__package__) / "page.css").read_text(encoding="utf-8")
