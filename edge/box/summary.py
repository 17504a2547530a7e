"""The counts of one run: the closing table and the `--summary` file."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SUMMARY_SCHEMA = "edge-anpr/summary/1"

_MODEL = ConfigDict(extra="forbid", frozen=True)


class StreamSummary(BaseModel):
    """One recorded file, or one folder of pictures."""

    model_config = _MODEL

    camera: str
    clip: str = Field(description="File or folder name of the recording.")
    frames_decoded: int
    frames_analysed: int
    frames_dropped: int
    frames_corrupt: int
    frames_out_of_hours: int


class RunSummary(BaseModel):
    """Exact counts of a run over recordings. It holds no plate, token or passage time."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_: Literal["edge-anpr/summary/1"] = Field(default="edge-anpr/summary/1", alias="schema")
    site: str
    box: str
    streams: tuple[StreamSummary, ...]
    frames_decoded: int = Field(description="Frames that came out of the decoder.")
    frames_analysed: int = Field(description="Frames that went through detection.")
    frames_dropped: int = Field(description="Frames overwritten by a newer one (realtime only).")
    frames_corrupt: int = Field(description="Frames that could not be decoded and were skipped.")
    frames_out_of_hours: int = Field(
        description="Frames outside the camera's hours, which were not analysed."
    )
    vehicles: int = Field(description="Vehicles judged, each once.")
    reads: dict[Literal["read", "ambiguous", "unreadable"], int] = Field(
        description="Vehicles by outcome: read; too uncertain for some rule; no legible plate."
    )
    hits: int = Field(description="Hits written to the outbox, one for each rule that matched.")
    hits_by_rule: dict[str, int]
    hits_without_picture: int = Field(
        description="Hits with a picture left out: it could not be masked, or did not fit."
    )
    hits_outside_competence: int = Field(
        description="Offences outside the authority's competence: dropped, never sealed."
    )
    non_hits: int = Field(description="Vehicles that matched no rule; only counted.")
    epochs: int = Field(description="Salt epochs started during the run.")
    delivered: int = Field(description="Hits that left the outbox during the run.")
    kept: int = Field(description="Hits still in the outbox at the end.")
    stage_ms: dict[str, float] = Field(
        description="Total time in each stage, milliseconds. Decoding, evidence and the rest "
        "run in separate threads, so stages may add up to more than the wall time."
    )
    cpu_s: float
    peak_rss_mb: float = Field(description="Largest resident size of the process, MiB.")
    wall_s: float
