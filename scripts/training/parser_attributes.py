"""Kind and colour of the vehicle around a plate: two small heads on the trained scene parser.

The scene parser stays as it is. The heads see its deepest features, the picture, and where it sees
the offender's vehicle. Photographs without outlines help with the kind: a box says `vehicle` or
`motorcycle`, and a label may allow several kinds (Cour et al. 2011, as in `parser_net`).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edge.adapters.models.scene_parser import shows_colours
from edge.domain.appearance import LEAST_LIKELY, Colour, VehicleKind
from edge.domain.imaging import Box, Pixels
from scripts.training.errors import DataError
from scripts.training.image_degradation import degraded
from scripts.training.parser_batches import Pose, window_of
from scripts.training.parser_net import SceneParserNet, features
from scripts.training.parser_views import as_seen, read_photo

KINDS = tuple(one.value for one in VehicleKind)
COLOURS = tuple(one.value for one in Colour)

_ANY_KIND = (1 << len(KINDS)) - 1

MEANT = {"silver": "grey", "beige": "brown", "orange": "yellow"}
"""Colours of the outlines that are too rare or too close to another one to be told apart."""

VIEWS_EACH = 4
"""Random windows of each vehicle."""

FOLDS = 5
"""Parts of the vehicles, each of which is judged by heads trained on the others."""

STEPS = 1000
"""Batches for the heads."""

LEAST_WIDTH = 14.0
"""Plates less wide than this, in pixels, are left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """A vehicle with what is known of it: bit k of `kinds` is set if kind k is possible."""

    name: str
    pixels: Pixels = field(repr=False)
    plate: Box
    kinds: int
    colour: int | None


# --- the vehicles -----------------------------------------------------------------------------


def labelled_vehicles(labels: Sequence[Path], root: Path, boxes: Path | None) -> Iterator[Labelled]:
    """The vehicles of files labelled by eye, then those of a folder with boxes.

    Args:
        labels: the files; scripts/training/outlines/README.md has their form.
        root: the folder that holds their photographs.
        boxes: a folder below it with `labels.csv` (plates) and `objects_pseudo.csv` (vehicles).

    Raises:
        DataError: a file or a picture cannot be read.
    """
    seen: set[str] = set()
    for file in labels:
        for one in json.loads(file.read_text("utf-8"))["views"]:
            seen.add(one["image"])
            x, y, wide, tall = one["plate"]
            kind, colour = one["kind"], MEANT.get(one["colour"], one["colour"])
            pixels = read_photo(root / one["image"])
            yield Labelled(
                one["image"],
                pixels,
                as_seen(pixels, Box(x, y, x + wide, y + tall)),
                1 << KINDS.index(kind) if kind in KINDS else _ANY_KIND,
                COLOURS.index(colour) if colour in COLOURS else None,
            )
    if boxes is not None:
        yield from _boxed(boxes, root, seen)


def _boxed(folder: Path, root: Path, seen: set[str]) -> Iterator[Labelled]:
    objects: dict[str, list[tuple[str, Box]]] = {}
    for row in _rows(folder / "objects_pseudo.csv"):
        if float(row["score"]) > 0.5:
            objects.setdefault(row["image"], []).append((row["class"], _box(row)))
    two_wheels = 1 << KINDS.index("motorcycle")
    others = _ANY_KIND - two_wheels
    for row in _rows(folder / "labels.csv"):
        file = folder / row["image"]
        plate = _box(row)
        x, y = plate.centre
        around = {
            name
            for name, box in objects.get(row["image"], ())
            if box.x1 <= x <= box.x2 and box.y1 <= y <= box.y2
        } & {"vehicle", "motorcycle"}
        name = file.relative_to(root).as_posix()
        if len(around) == 1 and plate.width >= LEAST_WIDTH and name not in seen:
            kinds = two_wheels if around == {"motorcycle"} else others
            pixels = read_photo(file)
            yield Labelled(name, pixels, as_seen(pixels, plate), kinds, None)


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            return list(csv.DictReader(opened))
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from None


def _box(row: dict[str, str]) -> Box:
    x, y, w, h = (float(row[key]) for key in "xywh")
    return Box(x, y, x + w, y + h)


# --- the network --------------------------------------------------------------------------------


class AttributeHeads(nn.Module):
    """From a window and what the scene parser sees in it to kind and colour, as logits."""

    def __init__(self, seen: int) -> None:
        super().__init__()
        self.kind = nn.Sequential(nn.Dropout(0.3), nn.Linear(seen, len(KINDS)))
        self.tone = nn.Sequential(nn.Conv1d(6, 32, 1), nn.ReLU(), nn.Conv1d(32, 32, 1), nn.ReLU())
        self.colour = nn.Linear(38, len(COLOURS))
        self.temperatures = torch.ones(2)

    def forward(self, of_kind: Tensor, of_colour: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, kinds) and (n, colours), calibrated, of what `parser_net.features` gives."""
        kind, colour = self.kind(of_kind), self.colours(of_colour)
        return kind / self.temperatures[0], colour / self.temperatures[1]

    def colours(self, of_colour: Tensor) -> Tensor:
        """Logits (n, colours), not calibrated: of each cell, averaged over the bodywork."""
        cells, weight = of_colour[:, :6], of_colour[:, 6:]
        toned = torch.cat([self.tone(cells), cells], 1)
        pooled = (toned * weight).sum(2) / weight.sum(2).clamp_min(1e-3)
        found: Tensor = self.colour(pooled)
        return found


# --- training -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What the heads see of windows, with what is known of each; the first dimension is theirs.

    Attributes:
        of_kind: features of the kind.
        of_colour: features of the colour.
        may_be: the kinds that are possible, 0 or 1, (n, kinds).
        colour: the colour, 0 or 1, (n, colours); all 0 where it is not known.
        vehicle: number of the vehicle.
        plain: whether the window shows the vehicle as it is, neither turned nor degraded.
    """

    of_kind: Tensor
    of_colour: Tensor
    may_be: Tensor
    colour: Tensor
    vehicle: Tensor
    plain: Tensor

    def chosen(self, rows: Tensor) -> Rows:
        """Some of the rows."""
        return Rows(*(getattr(self, name)[rows] for name in self.__slots__))


@torch.no_grad()
def rows_of(net: SceneParserNet, vehicles: Sequence[Labelled], rng: np.random.Generator) -> Rows:
    """A plain window of each vehicle, and random ones of those whose kind or colour is known."""
    net.eval()
    seen: list[tuple[Tensor, Tensor]] = []
    known: list[tuple[int, int, int, bool]] = []
    for number, one in enumerate(vehicles):
        told = one.colour is not None or one.kinds.bit_count() == 1
        windows = []
        for view in range(1 + (VIEWS_EACH if told else 0)):
            pose = Pose.random(rng) if view else Pose()
            picture, where, _ = window_of(one.pixels, one.plate, None, pose)
            picture = degraded(picture, rng) if view else picture
            windows.append(np.dstack([picture, where]))
            colour = one.colour if one.colour is not None and shows_colours(picture) else -1
            known.append((one.kinds, colour, number, view == 0))
        of_kind, of_colour, _ = features(net, torch.from_numpy(np.stack(windows)))
        seen.append((of_kind, of_colour))
    kinds, colours, numbers, plain = (torch.tensor(part) for part in zip(*known, strict=True))
    return Rows(
        torch.cat([one for one, _ in seen]),
        torch.cat([one for _, one in seen]),
        (kinds[:, None] >> torch.arange(len(KINDS))) & 1,
        functional.one_hot(colours.clamp_min(0), len(COLOURS)) * (colours >= 0)[:, None],
        numbers,
        plain,
    )


def train_heads(
    rows: Rows,
    names: Sequence[str],
    seed: int,
    say: Callable[[str], None],
    *,
    steps: int = STEPS,
) -> tuple[AttributeHeads, dict[str, float]]:
    """Heads for all vehicles, calibrated, and their figures on vehicles they have not seen.

    The vehicles are divided into `FOLDS` parts by photograph. Each part is judged by heads that
    were trained on the others; the temperatures are fitted to these judgements.

    Args:
        rows: of all vehicles.
        names: the photograph of each vehicle.
        seed: of all random numbers.
        say: shows a line of progress.
        steps: batches that each heads learn from.
    """
    part_of = {name: at % FOLDS for at, name in enumerate(sorted(set(names)))}
    part = torch.tensor([part_of[name] for name in names])[rows.vehicle]
    judged, kinds, colours = [], [], []
    for fold in range(FOLDS):
        heads = _trained(rows.chosen(part != fold), seed, steps)
        unseen = rows.chosen((part == fold) & rows.plain)
        with torch.no_grad():
            kind, colour = heads(unseen.of_kind, unseen.of_colour)
        judged.append(unseen)
        kinds.append(kind)
        colours.append(colour)
        say(f"kind and colour: part {fold + 1} of {FOLDS}")
    truths = torch.cat([one.may_be for one in judged]), torch.cat([one.colour for one in judged])
    logits = torch.cat(kinds), torch.cat(colours)
    temperatures = [_temperature(*one) for one in zip(logits, truths, strict=True)]
    heads = _trained(rows, seed, steps)
    heads.temperatures = torch.tensor(temperatures)
    figures: dict[str, float] = {}
    for name, found, truth, temperature in zip(
        ("kind", "colour"), logits, truths, temperatures, strict=True
    ):
        figures |= _figures(name, (found / temperature).softmax(1), truth)
    return heads, figures


def _trained(rows: Rows, seed: int, steps: int) -> AttributeHeads:
    torch.manual_seed(seed)
    heads = AttributeHeads(rows.of_kind.shape[1])
    optimiser = torch.optim.AdamW(heads.parameters(), 3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    # Rare kinds and colours are drawn more often than they occur.
    of_kind, of_colour = _balance(rows.may_be), _balance(rows.colour)
    draw = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        at_kind = torch.cat([
            torch.multinomial(of_kind, 64, replacement=True, generator=draw),
            torch.randint(len(rows.of_kind), (32,), generator=draw),
        ])  # fmt: skip
        at_colour = torch.multinomial(of_colour, 64, replacement=True, generator=draw)
        kind = heads.kind(rows.of_kind[at_kind])
        colour = heads.colours(rows.of_colour[at_colour])
        loss = _loss(kind, rows.may_be[at_kind]) + _loss(colour, rows.colour[at_colour])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    heads.eval()
    return heads


def _loss(logits: Tensor, may_be: Tensor) -> Tensor:
    """The negative logarithm of the probability of what is possible (see `parser_net`)."""
    logs = functional.log_softmax(logits, 1)
    return -torch.logsumexp(logs.masked_fill(may_be == 0, -1e4), 1).mean()


def _temperature(logits: Tensor, may_be: Tensor) -> float:
    """The temperature at which the labels that allow one kind or colour are most likely."""
    single = may_be.sum(1) == 1
    tried = np.geomspace(0.5, 4, 43)
    losses = [float(_loss(logits[single] / one, may_be[single])) for one in tried]
    return float(tried[int(np.argmin(losses))])


def _balance(member: Tensor) -> Tensor:
    """Probabilities with which each row is drawn: rare columns more often than they occur."""
    alone = member.float() * (member.sum(1, keepdim=True) == 1)
    weight = (alone / alone.sum(0).clamp_min(1).sqrt()).sum(1)
    return weight / weight.sum()


SURE = 0.9
"""Figures are given for vehicles of which the most probable kind or colour is at least this."""


def _figures(name: str, found: Tensor, truth: Tensor) -> dict[str, float]:
    """How often the most probable one is right, and how often the truth is contradicted."""
    single = truth.sum(1) == 1
    found, truth = found[single], truth[single]
    right = (found.argmax(1) == truth.argmax(1)).float()
    sure = found.amax(1) >= SURE
    likelihood = (found * truth).sum(1)
    # How often a picture excludes the kinds or colours of the other vehicles.
    others = truth.sum(0).float() / len(truth)
    excluded = ((found < LEAST_LIKELY) * (1 - truth) * others).sum(1) / (
        ((1 - truth) * others).sum(1)
    )
    return {
        f"{name}: vehicles": float(len(found)),
        f"{name}: right": float(right.mean()),
        f"{name}: sure": float(sure.float().sum()),
        f"{name}: right of sure": float(right[sure].sum()),
        f"{name}: truth contradicted": float((likelihood < LEAST_LIKELY).sum()),
        f"{name}: others contradicted": float(excluded.mean()),
    }
