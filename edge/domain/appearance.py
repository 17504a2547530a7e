"""Kind and colour of a vehicle: what a picture shows of them, and what a list entry states.

A list entry may describe its vehicle, so that a plate on another vehicle makes no hit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

LEAST_LIKELY = 0.003
"""An entry is contradicted if the kind or colour that it states has less than this probability. On
vehicles that the network had not seen, the true one rarely has less (models/scene_parser.md)."""


class VehicleKind(Enum):
    """Kinds of vehicle that are told apart. A trailer or a bicycle is none of them."""

    CAR = "car"
    VAN = "van"
    LORRY = "lorry"
    BUS = "bus"
    MOTORCYCLE = "motorcycle"


class Colour(Enum):
    """Colours of bodywork that are told apart."""

    WHITE = "white"
    GREY = "grey"
    """Silver too."""
    BLACK = "black"
    BLUE = "blue"
    RED = "red"
    GREEN = "green"
    YELLOW = "yellow"
    """Orange too."""
    BROWN = "brown"
    """Beige too."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a list entry states of its vehicle; None: nothing."""

    kind: VehicleKind | None = None
    colour: Colour | None = None


NOTHING_STATED = Description()


def described(kind: str | None, colour: str | None) -> Description:
    """A description from the values of `VehicleKind` and `Colour`; None: not stated.

    Raises:
        ValueError: there is no such kind or colour.
    """
    if kind is None and colour is None:
        return NOTHING_STATED
    return Description(
        None if kind is None else VehicleKind(kind), None if colour is None else Colour(colour)
    )


def as_words(stated: Description) -> tuple[str | None, str | None]:
    """The values that `described` takes."""
    kind, colour = stated.kind, stated.colour
    return None if kind is None else kind.value, None if colour is None else colour.value


@dataclass(frozen=True, slots=True)
class Appearance:
    """What a picture shows of a vehicle.

    Attributes:
        kinds: the probability of each kind; empty if it is not known.
        colours: the probability of each colour; empty if it is not known, as at night.
    """

    kinds: Mapping[VehicleKind, float] = field(default_factory=dict, repr=False)
    colours: Mapping[Colour, float] = field(default_factory=dict, repr=False)

    def contradicts(self, stated: Description) -> bool:
        """Whether the picture surely shows another kind, or another colour, than is stated."""
        return (
            stated.kind is not None
            and bool(self.kinds)
            and self.kinds.get(stated.kind, 0.0) < LEAST_LIKELY
        ) or (
            stated.colour is not None
            and bool(self.colours)
            and self.colours.get(stated.colour, 0.0) < LEAST_LIKELY
        )

    def most_probable(self) -> tuple[tuple[str, float], ...]:
        """The most probable kind and the most probable colour, as far as they are known.

        Each is its value in `VehicleKind` or `Colour`, with its probability.
        """
        shares: tuple[Mapping[VehicleKind, float] | Mapping[Colour, float], ...]
        shares = (self.kinds, self.colours)
        return tuple(
            max(((one.value, share) for one, share in known.items()), key=lambda one: one[1])
            for known in shares
            if known
        )


UNKNOWN = Appearance()
"""Nothing can be said of the vehicle."""
