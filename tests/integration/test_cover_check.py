"""The cover check with its real weights: what it finds, what it leaves alone, what it refuses."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from edge.adapters.models.cover_check import (
    LEAST_WEIGHT,
    CheckedReader,
    OnnxCoverCheck,
    texts_of,
)
from edge.adapters.models.halved_characters import halved
from edge.adapters.models.loading import load_plate_models, open_cover_check, open_reader
from edge.adapters.models.manifest import Contract
from edge.adapters.models.plate_ends import uneven_ends
from edge.adapters.models.plate_ink import plate_ink
from edge.adapters.models.plate_lines import plate_lines
from edge.adapters.models.reader import OnnxPlateReader
from edge.adapters.models.weights import Manifest
from edge.domain.imaging import Box, Detection, PlatePatch, cut_patch
from edge.errors import ModelError
from scripts.fixtures.covers import COVERS, draw_cover
from tests.support.fakes import reading_of
from tests.support.product import CLIPS

CLIP_NAMES = ("street_day", "side_by_side", "wrong_way", "twin_b")
EVERY = 3


@cache
def manifest() -> Manifest:
    return Manifest.load(environment={})


@cache
def check() -> OnnxCoverCheck:
    assert manifest().cover_check is not None
    return open_cover_check(manifest().find(str(manifest().cover_check), Contract.COVER_CHECK))


@cache
def legible_plates() -> tuple[tuple[PlatePatch, Box], ...]:
    """Patches of legible plates, with the plate's box in each, from the committed clips."""
    found: list[tuple[PlatePatch, Box]] = []
    for name in CLIP_NAMES:
        truth = json.loads((CLIPS / f"{name}.json").read_text("utf-8"))
        legible = {vehicle["id"]: vehicle["legible_frames"] for vehicle in truth["vehicles"]}
        with av.open(str(CLIPS / f"{name}.mp4")) as container:
            for told, frame in zip(truth["frames"], container.decode(video=0), strict=True):
                if told["index"] % EVERY:
                    continue
                pixels = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                for vehicle in told["vehicles"]:
                    first, last = legible[vehicle["id"]]
                    if "plate_box" not in vehicle or not first <= told["index"] <= last:
                        continue
                    box = Box(*vehicle["plate_box"])
                    patch = cut_patch(pixels, Detection(box, 1.0), 0.08)
                    height, width = patch.pixels.shape[:2]
                    dx, dy = 0.08 / 1.16 * width, 0.08 / 1.16 * height
                    found.append((patch, Box(dx, dy, width - dx, height - dy)))
    return tuple(found)


@cache
def reader() -> OnnxPlateReader:
    pair = manifest().pair(manifest().default_pair)
    return open_reader(manifest().find(pair.reader, Contract.READER))


def hidden(patches: list[PlatePatch]) -> npt.NDArray[np.float64]:
    """What the check says of plates of which no text is known."""
    return check().hidden(patches, [""] * len(patches))


def with_cover(name: str, seed: int) -> list[PlatePatch]:
    return [
        PlatePatch(
            patch.box,
            patch.quality,
            draw_cover(name, patch.pixels, (box.x1, box.y1, box.x2, box.y2), seed + at),
        )
        for at, (patch, box) in enumerate(legible_plates())
    ]


def test_plates_without_a_cover_are_seldom_taken_for_hidden() -> None:
    patches = [patch for patch, _ in legible_plates()]
    shares = check().hidden(patches, texts_of(reader().read(patches)))

    assert len(shares) > 40
    assert (shares >= 0.5).mean() <= 0.05
    assert np.median(shares) < 0.1


HARDER = {"patch": 0.05, "blank halves": 0.3, "blank half": 0.15, "strip": 0.15}
SEEN = [pytest.param(name, HARDER.get(name, 0.5), id=name) for name in COVERS]
"""What a cover adds to the mean output, at least."""


@pytest.mark.parametrize(("name", "more"), SEEN)
def test_a_cover_makes_a_plate_look_hidden(name: str, more: float) -> None:
    plain = hidden([patch for patch, _ in legible_plates()])
    covered = hidden(with_cover(name, seed=50))

    assert covered.mean() > plain.mean() + more


def test_readings_of_covered_plates_weigh_less() -> None:
    class Fixed:
        def read(self, patches: list[PlatePatch]) -> tuple[object, ...]:
            return tuple(reading_of("1ABC123", quality=0.8) for _ in patches)

    patches = with_cover("tow bar", seed=3)
    readings = CheckedReader(Fixed(), check()).read(patches)  # type: ignore[arg-type]

    shares = check().hidden(patches, ["1ABC123"] * len(patches))
    for reading, share in zip(readings, shares, strict=True):
        assert reading.hidden == pytest.approx(share)
        assert reading.quality == pytest.approx(0.8 * max(LEAST_WEIGHT, 1 - share))


def test_no_patch_gives_no_answer() -> None:
    assert hidden([]).shape == (0,)


def test_every_pair_of_the_products_manifest_reads_with_the_check() -> None:
    assert isinstance(load_plate_models(manifest()).reader, CheckedReader)


@pytest.mark.parametrize("name", ["embedded-detector", "embedded-reader"])
def test_weights_of_another_contract_are_refused(name: str) -> None:
    entry = manifest().entry(name)
    found = manifest().locate(entry.file)
    assert found is not None

    with pytest.raises(ModelError, match="not a cover-check"):
        OnnxCoverCheck(Path(found), input_size=(32, 96), threshold=0.5)


def test_p12_uneven_room_at_the_ends_counts_as_a_cover_whatever_the_network_says() -> None:
    patches = [patch for name in ("blank first", "blank last") for patch in with_cover(name, 7)]
    ink = [plate_ink(patch.pixels) for patch in patches]
    uneven = [uneven_ends(one) for one in ink if one is not None]

    assert max(uneven) > 0.9
    assert (hidden(patches) >= np.array(uneven) - 1e-9).all()


def test_p12_a_halved_character_counts_as_a_cover_whatever_the_network_says() -> None:
    patches = [patch for seed in (1, 2) for patch in with_cover("blank half", seed)]
    readings = CheckedReader(reader(), check()).read(patches)
    shares = []
    for patch, text in zip(patches, texts_of(readings), strict=True):
        ink = plate_ink(patch.pixels)
        lines = plate_lines(ink) if ink is not None else None
        shares.append(halved(lines, text) if lines is not None else 0.0)

    assert np.mean(np.array(shares) > 0.9) > 0.1
    assert all(one.hidden >= share - 1e-9 for one, share in zip(readings, shares, strict=True))


def test_p12_every_reader_looks_for_covers() -> None:
    reader = load_plate_models(Manifest.load()).reader

    shares = [one.hidden for one in reader.read(with_cover("tow bar", 50))]

    assert np.mean(shares) > 0.3
