"""The cameras: place, hours and field of view."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge.policy.notice.view.parts import PolicyWording, Week


@dataclass(frozen=True, slots=True)
class CameraView:
    """A camera; `position` is None if the policy does not give it, as is `long`, why it is open."""

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
    long: str | None
    position: str | None


def camera_views(wording: PolicyWording) -> Iterator[CameraView]:
    """Each camera."""
    words = wording.words
    for name, camera in wording.policy.cameras.items():
        view, at = camera.field_of_view, camera.position
        yield CameraView(
            name=wording.cameras[name],
            place=wording.in_language(camera.place),
            view=wording.in_language(view.text),
            compass=words.compass(view.bearing_degrees),
            degrees=view.bearing_degrees,
            angle=view.angle_degrees,
            reach=view.reach_m,
            masks=_masks(len(camera.privacy_masks), wording),
            week=wording.week(camera.hours),
            open=words.sentence(camera.hours),
            long=None
            if camera.hours_justification is None
            else wording.in_language(camera.hours_justification),
            position=None if at is None else f"{at.latitude:.5f}, {at.longitude:.5f} (WGS 84)",
        )


def _masks(count: int, wording: PolicyWording) -> str:
    if count == 0:
        return wording.words("where.masks_none")
    if count == 1:
        return wording.words("where.masks_one")
    return wording.words("where.masks_many", count=count)
