"""The demo's result as one HTML page: no script, and nothing is loaded from elsewhere.

The recordings in it are the bundled, rendered clips, as files. The pictures are those that the
authority opened. No frame of a camera is encoded here.
"""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from edge.cli.demo.play import DemoResult
from edge.errors import ConfigError
from edge.texts.pages import render


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file inside the page: what it shows, and its content as a `data:` address."""

    caption: str
    address: str


@dataclass(frozen=True, slots=True)
class HitShown:
    """A hit as the authority sees it after opening."""

    rule: str
    camera: str
    why: str
    plate: str
    certainty: str
    at: str
    pictures: tuple[PageFile, ...]


@dataclass(frozen=True, slots=True)
class TopicShown:
    """All messages of one topic."""

    topic: str
    messages: int
    sizes: str


@dataclass(frozen=True, slots=True)
class FileShown:
    """A file that the box holds after the run, and what is in it."""

    name: str
    size: str
    holds: str


BOX_FILES = {
    "state/outbox.sqlite3": "Sealed hits that the authority has not confirmed yet. The file has a "
    "fixed size.",
    "state/audit.log": "What the box did: start, epochs, stop. No plate, no picture, no time of "
    "passage.",
    "state/statistics.jsonl": "Counts for each epoch. A count under ten is not shown.",
    "keyring/keyring.bin": "Keys of those hits. Without its key a hit cannot be opened any more.",
}
"""The files of the box that matter to privacy, with what they hold."""


def write_page(result: DemoResult) -> Path:
    """Write the page into the demo's folder.

    Raises:
        ConfigError: a file cannot be read or written.
    """
    try:
        page = render(
            "edge.cli.demo",
            "demo.html.j2",
            summary=result.summary,
            clips=[
                PageFile(f"Camera {camera}", _address(path, "video/mp4"))
                for camera, path in result.clips.items()
            ],
            hits=_hits(result),
            topics=_topics(result),
            sealed=next((one for one in result.messages if one.topic.endswith("/hit")), None),
            files=_files(result.folder / "box"),
            folder=str(result.folder),
        )
        result.page.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}; free space or use --out") from None
    return result.page


def _hits(result: DemoResult) -> list[HitShown]:
    shown = []
    for one in result.opened:
        hit = one.opened.hit
        pictures = tuple(
            PageFile(path.stem, _address(path, "image/jpeg")) for path in one.files.pictures
        )
        shown.append(
            HitShown(
                hit.rule,
                hit.camera,
                one.why,
                one.plate,
                f"{hit.posterior:.1%}",
                hit.observed_at,
                pictures,
            )
        )
    return shown


def _topics(result: DemoResult) -> list[TopicShown]:
    counts = Counter(one.topic for one in result.messages)
    shown = []
    for topic, count in counts.items():
        sizes = sorted({one.size for one in result.messages if one.topic == topic})
        spread = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        shown.append(TopicShown(topic, count, spread))
    return shown


def _files(box: Path) -> list[FileShown]:
    return [
        FileShown(name, f"{(box / name).stat().st_size:,} bytes", holds)
        for name, holds in BOX_FILES.items()
    ]


def _address(path: Path, media_type: str) -> str:
    """The content of a file as a `data:` address (RFC 2397)."""
    return f"data:{media_type};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
