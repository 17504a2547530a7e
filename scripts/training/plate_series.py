"""Tables of a country's plates: its series, how often each is drawn, and how it looks.

A pattern is what `plate_design.fill` takes, with two more characters: `$` stands for one of the
heads (a county or a town), `/` for the place where a plate of several lines is broken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from scripts.training.plate_design import ALL, Design, Rng, chosen, fill, pick

_LOST_AT_A_BREAK = " ~-."
"""Separators that are not printed at the end or the beginning of a line."""


@dataclass(frozen=True, slots=True)
class Format:
    """The size of a plate with several lines; lengths in millimetres."""

    share: float
    """Of the plates of a series, from 0 to 1."""
    size: tuple[int, int]
    text_mm: float
    band_mm: int
    """Width of the bands, where the plate has any."""


@dataclass(frozen=True, slots=True)
class Series:
    """Plates of a country that look alike."""

    share: float
    """How often it is drawn, relative to the other series."""
    patterns: tuple[str, ...]
    """One of these is used."""
    plates: tuple[Design, ...] = ()
    """One of these is used; () those of the country."""
    letters: str = ""
    """Those of the serial part; "" those of the country."""
    heads: tuple[str, ...] = ()
    """What `$` stands for; () the heads of the country."""
    formats: tuple[Format, ...] | None = None
    """Sizes in several lines; None: those of the country."""


def plates_of(
    plates: tuple[Design, ...],
    series: tuple[Series, ...],
    *,
    letters: str = ALL,
    heads: tuple[str, ...] = (),
    formats: tuple[Format, ...] = (),
    finish: Callable[[Rng, Design], Design] | None = None,
) -> Callable[[Rng], Design]:
    """A function that draws a random design from the table of a country.

    Args:
        plates: the ordinary plate, without a text; one of several is used.
        series: what is printed.
        letters: the letters of the serial part.
        heads: what `$` stands for.
        formats: the sizes of plates in several lines.
        finish: adds what changes from plate to plate, such as the year of registration.
    """
    shares = [(one.share, one) for one in series]

    def draw(rng: Rng) -> Design:
        one = chosen(rng, shares)
        printed = pick(rng, one.patterns)
        while "$" in printed:
            printed = printed.replace("$", pick(rng, one.heads or heads), 1)
        printed = fill(rng, printed, one.letters or letters)
        design = replace(pick(rng, one.plates or plates), lines=(printed.replace("/", ""),))
        used = formats if one.formats is None else one.formats
        at = rng.random()
        for shape in used if "/" in printed else ():
            at -= shape.share
            if at < 0:
                design = _broken(design, printed, shape)
                break
        return finish(rng, design) if finish else design

    return draw


def _broken(design: Design, printed: str, shape: Format) -> Design:
    """The design in several lines."""
    left, right = design.left, design.right
    return replace(
        design,
        lines=tuple(line.strip(_LOST_AT_A_BREAK) for line in printed.split("/")),
        size=shape.size,
        text_mm=shape.text_mm,
        left=replace(left, mm=shape.band_mm) if left else None,
        right=replace(right, mm=shape.band_mm) if right else None,
    )
