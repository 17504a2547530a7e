"""All MQTT topics of this product. The list is closed.

| topic                           | from → to       | QoS | retained |
|---------------------------------|-----------------|-----|----------|
| `anpr/<site>/<box>/<camera>/hit`| box → authority | 1   | never    |
| `anpr/<site>/<box>/availability`| box → anyone    | 1   | yes      |
| `anpr/<site>/<box>/health`      | box → anyone    | 1   | no       |
| `anpr/<site>/<box>/audit`       | box → witness   | 1   | yes      |
| `anpr/<site>/<box>/status`      | box → authority | 1   | yes      |
| `anpr/<site>/<box>/receipt`     | authority → box | 1   | never    |
| `anpr/<site>/<box>/lists/<list>`| issuer → box    | 1   | yes      |
| `anpr/<site>/<box>/list-answer` | box → issuer    | 1   | never    |
| `anpr/<site>/<box>/command`     | supervisor → box| 1   | yes      |
| `anpr/list-parts/<digest>/<n>`  | issuer → boxes  | 1   | yes      |
| `homeassistant/sensor/<site>/<box>/config` | box → Home Assistant | 1 | yes |

The last topic is used only if site.yaml says so; its message only refers to `availability`. The
one before it carries a part of a list's encrypted body, for all boxes that share the list. A box
reads it on a connection of its own, if site.yaml says so, and only for a digest and a number that a
signed manifest gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from edge.errors import ConfigError, PublishError

ROOT = "anpr"

# Site, box and camera ids: no MQTT wildcard (`+`, `#`), no level separator (`/`), no `$`.
_ID = re.compile(r"[a-z0-9-]{1,40}")
# Ids that would mix up a camera's topics and the box's own.
_RESERVED = frozenset(
    {
        "audit",
        "availability",
        "command",
        "health",
        "list-answer",
        "list-parts",
        "lists",
        "receipt",
        "status",
    }
)
# A list with this id would match the authorities' subscription to hits.
_NO_LIST = "hit"


class TopicKind(Enum):
    """The kinds of topics."""

    HIT = "hit"
    AVAILABILITY = "availability"
    HEALTH = "health"
    RECEIPT = "receipt"
    LIST = "list"
    LIST_ANSWER = "list-answer"
    COMMAND = "command"
    AUDIT = "audit"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class TopicName:
    """The parts of a topic; `camera` is None for all but hits."""

    kind: TopicKind
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
        lists: ids of the lists that the box accepts.
        home_assistant: whether the box announces itself to Home Assistant.

    Raises:
        ConfigError: an id is not valid as a level of a topic.
    """

    site: str
    box: str
    cameras: frozenset[str]
    lists: frozenset[str] = frozenset()
    home_assistant: bool = False

    def __post_init__(self) -> None:
        _require_id("site", self.site)
        _require_id("box", self.box)
        for camera in sorted(self.cameras):
            _require_id("camera", camera)
        for list_id in sorted(self.lists):
            if not _ID.fullmatch(list_id) or list_id == _NO_LIST:
                raise ConfigError(
                    f"list: {list_id!r} is not a valid id; use 1 to 40 of a-z, 0-9 and '-' (but "
                    f"not {_NO_LIST})"
                )

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
    def status(self) -> str:
        """The topic of the box's signed statements about itself."""
        return f"{ROOT}/{self.site}/{self.box}/status"

    @property
    def discovery(self) -> str:
        """The topic on which the box announces itself to Home Assistant."""
        return f"homeassistant/sensor/{self.site}/{self.box}/config"

    @property
    def receipt(self) -> str:
        return f"{ROOT}/{self.site}/{self.box}/receipt"

    @property
    def command(self) -> str:
        """The topic of orders to suspend and to resume."""
        return f"{ROOT}/{self.site}/{self.box}/command"

    def bundle(self, list_id: str) -> str:
        """The topic of a list's sealed bundles.

        Raises:
            ConfigError: the list is not one of this box.
        """
        if list_id not in self.lists:
            raise ConfigError(f"list {list_id!r} is not one of box {self.box!r}")
        return f"{ROOT}/{self.site}/{self.box}/lists/{list_id}"

    @property
    def list_answer(self) -> str:
        """The topic on which the box tells issuers whether it has put a list in force."""
        return f"{ROOT}/{self.site}/{self.box}/list-answer"

    @property
    def receivable(self) -> frozenset[str]:
        """Every topic that the box may subscribe to; there is no wildcard among them."""
        bundles = {self.bundle(list_id) for list_id in self.lists}
        return frozenset(bundles | {self.receipt, self.command})

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
        """Every topic that the box may publish to."""
        hits = {self.hit(camera) for camera in self.cameras}
        discovery = {self.discovery} if self.home_assistant else set()
        own = {self.availability, self.health, self.audit, self.list_answer, self.status}
        return frozenset(hits | discovery | own)

    def word(self, topic: str) -> str:
        """A topic of this box in one word for health and metrics, without ids."""
        if topic == self.discovery:
            return "discovery"
        name = parse(topic)
        return "unknown" if name is None else name.kind.value

    def require_publishable(self, topic: str) -> None:
        """Refuse to publish to a topic that is not on the closed list.

        Raises:
            PublishError: the topic is not on the list.
        """
        if topic not in self.publishable:
            raise PublishError(
                f"topic {topic!r} is not one that box {self.box!r} may publish to; "
                "the list is closed",
                code="E_TOPIC",
            )

    def require_receivable(self, topics: Iterable[str]) -> None:
        """Refuse to subscribe to a topic that is not on the closed list.

        Raises:
            PublishError: a topic is not on the list.
        """
        for topic in topics:
            if topic not in self.receivable:
                raise PublishError(
                    f"topic {topic!r} is not one that box {self.box!r} may subscribe to; the list "
                    "is closed",
                    code="E_TOPIC",
                )


def parse(topic: str) -> TopicName | None:
    """The parts of a received topic; None if it is not on the closed list."""
    levels = topic.split("/")
    if levels[0] != ROOT or not all(_ID.fullmatch(level) for level in levels[1:]):
        return None
    match levels[1:]:
        case [site, box, camera, "hit"] if camera not in _RESERVED:
            return TopicName(TopicKind.HIT, site, box, camera)
        case [
            site,
            box,
            "audit"
            | "availability"
            | "command"
            | "health"
            | "list-answer"
            | "receipt"
            | "status" as kind,
        ]:
            return TopicName(TopicKind(kind), site, box, None)
        case [site, box, "lists", list_id] if list_id != _NO_LIST:
            return TopicName(TopicKind.LIST, site, box, None)
        case _:
            return None


def all_hits(site: str | None = None) -> str:
    """The filter that an authority subscribes to: every camera of one site, or of all sites.

    Raises:
        ConfigError: the site's id is not valid.
    """
    if site is None:
        return f"{ROOT}/+/+/+/hit"
    return f"{ROOT}/{_require_id('site', site)}/+/+/hit"


def all_states(site: str | None = None) -> tuple[str, ...]:
    """The filters for what boxes tell of themselves: checkpoints, availability and status.

    Args:
        site: of this site only; None: of all sites.

    Raises:
        ConfigError: the site's id is not valid.
    """
    level = "+" if site is None else _require_id("site", site)
    return tuple(f"{ROOT}/{level}/+/{kind}" for kind in ("audit", "availability", "status"))


def list_part(sha256: str, number: int) -> str:
    """The topic of one part of a list's body, from 0."""
    return f"{ROOT}/list-parts/{sha256}/{number}"


def receipt(site: str, box: str) -> str:
    """The topic of an authority's receipts for one box.

    Raises:
        ConfigError: an id is not valid as a level of a topic.
    """
    return BoxTopics(site, box, frozenset()).receipt


def _require_id(field: str, value: str) -> str:
    if not _ID.fullmatch(value) or value in _RESERVED:
        raise ConfigError(
            f"{field}: {value!r} is not a valid id; use 1 to 40 of a-z, 0-9 and '-'"
            f" (but none of {', '.join(sorted(_RESERVED))})"
        )
    return value
