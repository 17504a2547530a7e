"""Where the cameras stand, when they are open and what they see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge.policy.notice.view.parts import Teller, Week


@dataclass(frozen=True, slots=True)
class CameraView:
    """A camera; `position` is None where the policy does not say it."""

    name: str
    place: str
    view: str
    compass: str
    degrees: int
    angle: int
    reach: int
    masks: str
    week: Week
    open: str
    position: str | None


def camera_views(teller: Teller) -> Iterator[CameraView]:
    """Each camera."""
    words = teller.words
    for name, camera in teller.policy.cameras.items():
        view, at = camera.field_of_view, camera.position
        yield CameraView(
            name=teller.cameras[name],
            place=camera.place,
            view=view.text,
            compass=words.compass(view.bearing_degrees),
            degrees=view.bearing_degrees,
            angle=view.angle_degrees,
            reach=view.reach_m,
            masks=_masks(len(camera.privacy_masks), teller),
            week=teller.week(camera.hours),
            open=words.sentence(camera.hours),
            position=None if at is None else f"{at.latitude:.5f}, {at.longitude:.5f} (WGS 84)",
        )


def _masks(count: int, teller: Teller) -> str:
    if count == 0:
        return teller.words("where.masks_none")
    if count == 1:
        return teller.words("where.masks_one")
    return teller.words("where.masks_many", count=count)
