"""The counts of one run: the closing table, `run --json` and the `--summary` file.

Exact counts are for recordings under demo keys. Under a policy with real keys a run shows no more
than the box's metrics do: `RunSummary.coarsened`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import Self

from edge.domain.counting import SMALLEST_SHOWN, coarse, two_digits

Count = int | Literal["<10"]
"""An exact count under demo keys, else one of `edge.domain.counting.coarse`."""

_MODEL = ConfigDict(extra="forbid", frozen=True)


class StreamSummary(BaseModel):
    """One recorded file, or one folder of pictures."""

    model_config = _MODEL

    camera: str
    clip: str = Field(description="File or folder name of the recording.")
    frames_decoded: int
    frames_analysed: int | None
    frames_dropped: int | None
    frames_corrupt: int
    frames_out_of_hours: int
    closed_until: str | None = Field(
        default=None,
        description="When a live camera opens that the policy's hours keep closed at the end.",
    )


class RunSummary(BaseModel):
    """Counts of a run: exact or coarse. They hold no plate, token or passage time."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_: Literal["edge-anpr/summary/2"] = Field(default="edge-anpr/summary/2", alias="schema")
    site: str
    box: str
    exact: bool = Field(
        description="Whether the counts are exact: with demo keys, which read recordings only. "
        'Otherwise "<10" stands for fewer than ten, and other counts are rounded down to tens.'
    )
    streams: tuple[StreamSummary, ...]
    frames_decoded: int = Field(description="Frames that came out of the decoder.")
    frames_analysed: int | None = Field(
        description="Frames that went through detection. Not exact: to two digits, and null for "
        "fewer than ten vehicles, because frames are analysed while something moves."
    )
    frames_dropped: int | None = Field(
        description="Frames overwritten by a newer one (realtime only); likewise."
    )
    frames_corrupt: int = Field(description="Frames that could not be decoded and were skipped.")
    frames_out_of_hours: int = Field(
        description="Frames outside the camera's hours, which were not analysed."
    )
    vehicles: Count = Field(description="Vehicles judged, each once.")
    reads: dict[Literal["read", "ambiguous", "unreadable"], Count] = Field(
        description="Vehicles by outcome: read; too uncertain for some rule; no legible plate."
    )
    hits: Count = Field(description="Hits written to the outbox, one for each rule that matched.")
    hits_by_rule: dict[str, Count]
    hits_without_picture: Count = Field(
        description="Hits with a picture left out: it could not be masked, or did not fit."
    )
    hits_masked_by_geometry: Count = Field(
        description="Hits whose picture of the vehicle is masked by the geometry of the plate: "
        "there is no scene parser, or it was not sure."
    )
    hits_contradicted: Count = Field(
        description="Listed plates on vehicles that surely look different from their entry: no "
        "hit was made."
    )
    hits_outside_competence: Count = Field(
        description="Offences outside the authority's competence: dropped, never sealed."
    )
    non_hits: Count = Field(description="Vehicles that matched no rule; only counted.")
    epochs: int = Field(description="Salt epochs started during the run.")
    delivered: Count = Field(description="Hits that left the outbox during the run.")
    kept: Count = Field(description="Hits still in the outbox at the end.")
    stage_ms: dict[str, float] = Field(
        description="Total time in each stage, milliseconds. Decoding, evidence and the rest "
        "run in separate threads, so stages may add up to more than the wall time. Not exact: to "
        "two digits, and empty for fewer than ten vehicles."
    )
    cpu_s: float | None = Field(
        description="Processor time, seconds. Not exact: to two digits, and null for fewer than "
        "ten vehicles, because a vehicle costs more than an empty road."
    )
    peak_rss_mb: float | None = Field(
        description="Largest resident size of the process, MiB; likewise."
    )
    wall_s: float | None = Field(
        description="How long the run took, seconds; likewise, because a recording with vehicles "
        "takes longer."
    )

    def coarsened(self, rules: Iterable[str]) -> Self:
        """The same run as it may be shown under a policy with real keys.

        Args:
            rules: the ids of all rules, so that a rule without a hit looks like one with a few.
        """
        busy = _exact(self.vehicles) >= SMALLEST_SHOWN
        hits = {rule: coarse(_exact(self.hits_by_rule.get(rule, 0))) for rule in rules}
        return self.model_copy(
            update={
                "exact": False,
                "streams": tuple(
                    stream.model_copy(
                        update={
                            name: _work(getattr(stream, name), busy=busy)
                            for name in ("frames_analysed", "frames_dropped")
                        }
                    )
                    for stream in self.streams
                ),
                **{
                    name: _work(getattr(self, name), busy=busy)
                    for name in ("frames_analysed", "frames_dropped")
                },
                **{name: coarse(_exact(getattr(self, name))) for name in _COUNTS},
                "reads": {name: coarse(_exact(count)) for name, count in self.reads.items()},
                "hits_by_rule": hits,
                "stage_ms": {name: two_digits(spent) for name, spent in self.stage_ms.items()}
                if busy
                else {},
                **{name: _spent(getattr(self, name), busy=busy) for name in _SPENT},
            }
        )


_COUNTS = (
    "vehicles", "hits", "hits_without_picture", "hits_masked_by_geometry",
    "hits_contradicted",
    "hits_outside_competence", "non_hits", "delivered", "kept",
)  # fmt: skip


_SPENT = ("cpu_s", "peak_rss_mb", "wall_s")


def _exact(count: Count) -> int:
    return 0 if count == "<10" else count


def _spent(amount: float | None, *, busy: bool) -> float | None:
    """What a run has used, to two digits; None if fewer than ten vehicles passed."""
    return two_digits(amount) if busy and amount is not None else None


def _work(frames: int | None, *, busy: bool) -> int | None:
    """Frames to two digits; None if fewer than ten vehicles passed."""
    return int(two_digits(frames)) if busy and frames is not None else None
