"""Every topic this product knows, in one place. The list is closed.

| topic                           | from → to       | QoS | retained |
|---------------------------------|-----------------|-----|----------|
| `anpr/<site>/<box>/<camera>/hit`| box → authority | 1   | never    |
| `anpr/<site>/<box>/availability`| box → anyone    | 1   | yes      |
| `anpr/<site>/<box>/health`      | box → anyone    | 1   | no       |
| `anpr/<site>/<box>/audit`       | box → witness   | 1   | yes      |
| `anpr/<site>/<box>/receipt`     | authority → box | 1   | never    |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from edge.errors import ConfigError, PublishError

ROOT = "anpr"

# Site, box and camera ids: no MQTT wildcard (`+`, `#`), no level separator (`/`), no `$`.
_ID = re.compile(r"[a-z0-9-]{1,40}")
# A camera of this name would put its hits and the box's own topics side by side.
_RESERVED = frozenset({"audit", "availability", "health", "receipt"})


class Kind(Enum):
    """What a topic carries."""

    HIT = "hit"
    AVAILABILITY = "availability"
    HEALTH = "health"
    RECEIPT = "receipt"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class TopicName:
    """A topic taken apart; `camera` is None for all but hits."""

    kind: Kind
    site: str
    box: str
    camera: str | None


@dataclass(frozen=True, slots=True)
class BoxTopics:
    """The topics of one box.

    Args:
        site: the site's id.
        box: the box's id.
        cameras: ids of the cameras whose hits may be published.

    Raises:
        ConfigError: an id would break out of its level of the topic.
    """

    site: str
    box: str
    cameras: frozenset[str]

    def __post_init__(self) -> None:
        _require_id("site", self.site)
        _require_id("box", self.box)
        for camera in sorted(self.cameras):
            _require_id("camera", camera)

    @property
    def availability(self) -> str:
        return f"{ROOT}/{self.site}/{self.box}/availability"

    @property
    def health(self) -> str:
        return f"{ROOT}/{self.site}/{self.box}/health"

    @property
    def audit(self) -> str:
        return f"{ROOT}/{self.site}/{self.box}/audit"

    @property
    def receipt(self) -> str:
        return f"{ROOT}/{self.site}/{self.box}/receipt"

    def hit(self, camera: str) -> str:
        """The topic of a camera's hits.

        Raises:
            ConfigError: the camera is not one of this box.
        """
        if camera not in self.cameras:
            raise ConfigError(f"camera {camera!r} is not one of box {self.box!r}")
        return f"{ROOT}/{self.site}/{self.box}/{camera}/hit"

    @property
    def publishable(self) -> frozenset[str]:
        """All the box may ever publish to; receipts come from the other side."""
        hits = {self.hit(camera) for camera in self.cameras}
        return frozenset(hits | {self.availability, self.health, self.audit})

    def require_publishable(self, topic: str) -> None:
        """Let nothing out that is not on the closed list.

        Raises:
            PublishError: the topic is not on the list.
        """
        if topic not in self.publishable:
            raise PublishError(
                f"topic {topic!r} is not one that box {self.box!r} may publish to; "
                "the list is closed",
                code="E_TOPIC",
            )


def parse(topic: str) -> TopicName | None:
    """Take a received topic apart; None when it is not one of the closed list."""
    levels = topic.split("/")
    if levels[0] != ROOT or not all(_ID.fullmatch(level) for level in levels[1:]):
        return None
    match levels[1:]:
        case [site, box, camera, "hit"] if camera not in _RESERVED:
            return TopicName(Kind.HIT, site, box, camera)
        case [site, box, "audit" | "availability" | "health" | "receipt" as kind]:
            return TopicName(Kind(kind), site, box, None)
        case _:
            return None


def all_hits(site: str | None = None) -> str:
    """The filter an authority subscribes to: every camera of one site, or of all sites.

    Raises:
        ConfigError: the site is no valid id.
    """
    if site is None:
        return f"{ROOT}/+/+/+/hit"
    return f"{ROOT}/{_require_id('site', site)}/+/+/hit"


def receipt(site: str, box: str) -> str:
    """Where an authority sends its receipts for one box.

    Raises:
        ConfigError: an id would break out of its level of the topic.
    """
    return BoxTopics(site, box, frozenset()).receipt


def _require_id(field: str, value: str) -> str:
    if not _ID.fullmatch(value) or value in _RESERVED:
        raise ConfigError(
            f"{field}: {value!r} is no valid id; use 1 to 40 of a-z, 0-9 and '-'"
            f" (but none of {', '.join(sorted(_RESERVED))})"
        )
    return value
