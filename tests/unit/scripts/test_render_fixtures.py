"""The rendered clips are repeatable, and what they say about themselves is possible."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scripts.fixtures.clips import CLIPS, Clip
from scripts.fixtures.fonts import MissingFontError, font_path
from scripts.fixtures.plates import STYLES, Plate, draw, require_fonts
from scripts.fixtures.renderer import Renderer
from scripts.fixtures.street import street


def _missing() -> str:
    """What rendering needs and this machine has not; empty if nothing."""
    for package in ("PIL", "skimage"):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed (pip install -e '.[fixtures]')"
    try:
        require_fonts()
    except MissingFontError as error:
        return str(error)
    return ""


MISSING = _missing()
can_render = pytest.mark.skipif(bool(MISSING), reason=MISSING or "all there")

CAST = [
    pytest.param(clip, mover.plate, id=f"{clip.name}-{mover.id}")
    for clip in (make() for make in CLIPS.values())
    for mover in clip.movers
    if mover.plate is not None
]


@pytest.mark.parametrize(("clip", "plate"), CAST)
def test_every_plate_follows_its_countrys_syntax(clip: Clip, plate: Plate) -> None:
    assert re.fullmatch(STYLES[plate.country].syntax, plate.printed)
    assert re.fullmatch(r"[A-Z0-9]{5,10}", plate.text)


@pytest.mark.parametrize(
    ("country", "printed"),
    [
        ("BE", "3-ABC-123"),
        ("BE", "1-AB-1234"),
        ("NL", "12-345-A"),
        ("DE", "12-AB 3"),
        ("FR", "A-1-B"),
    ],
)
def test_a_plate_of_another_shape_is_refused(country: str, printed: str) -> None:
    with pytest.raises(ValueError, match="no plate of"):
        Plate(country, printed)


def test_no_two_vehicles_of_a_clip_share_a_plate() -> None:
    for make in CLIPS.values():
        plates = [m.plate.text for m in make().movers if m.plate is not None]
        assert len(plates) == len(set(plates))


def test_the_twin_clips_differ_only_in_one_plate() -> None:
    a, b = CLIPS["twin_a"](), CLIPS["twin_b"]()
    different = [(m, n) for m, n in zip(a.movers, b.movers, strict=True) if m != n]
    assert len(different) == 1
    one, other = different[0]
    assert one.plate != other.plate
    assert (one.kind, one.road, one.paint) == (other.kind, other.road, other.paint)
    assert (a.seed, a.light, a.noise, a.seconds) == (b.seed, b.light, b.noise, b.seconds)


def test_the_error_for_a_missing_font_names_its_package(tmp_path: Path) -> None:
    with pytest.raises(MissingFontError, match=r"RG2014D\.ttf.*apt-get install fonts-roadgeek"):
        font_path("RG2014D.ttf", (tmp_path,))


@can_render
@pytest.mark.parametrize("country", sorted(STYLES))
def test_a_drawn_plate_has_characters_on_its_countrys_background(country: str) -> None:
    printed = next(
        m.plate.printed
        for make in CLIPS.values()
        for m in make().movers
        if m.plate is not None and m.plate.country == country
    )
    picture = draw(Plate(country, printed))
    assert picture.shape == (220, 1040, 3)
    style = STYLES[country]
    ground = (np.abs(picture.astype(int) - style.ground).max(axis=2) < 12).mean()
    ink = (np.abs(picture.astype(int) - style.ink).max(axis=2) < 12).mean()
    assert ground > 0.4
    assert 0.1 < ink < 0.45


def coarse(name: str) -> Renderer:
    """A clip, drawn no finer than its pictures are: that takes a quarter of the time."""
    clip = CLIPS[name]()
    return Renderer(replace(clip, camera=replace(clip.camera, oversampling=1)))


@can_render
def test_the_same_clip_gives_the_same_pictures() -> None:
    picture, truth = coarse("rain").frame(33)
    street.cache_clear()
    repeated, truth_again = coarse("rain").frame(33)
    assert np.array_equal(picture, repeated)
    assert truth == truth_again


@can_render
def test_the_pictures_of_the_twin_clips_differ_only_at_the_plate() -> None:
    index = 14
    (a, truth), (b, _) = (coarse(f"twin_{t}").frame(index) for t in "ab")
    x1, y1, x2, y2 = next(v["plate_box"] for v in truth["vehicles"] if v["id"] == "v1")
    rows, columns = np.nonzero((a != b).any(axis=2))
    assert len(rows) > 100
    margin = 4
    assert x1 - margin <= columns.min() <= columns.max() <= x2 + margin
    assert y1 - margin <= rows.min() <= rows.max() <= y2 + margin
