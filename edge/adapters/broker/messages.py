"""The messages of a box besides hits: availability, health and Home Assistant discovery."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import Self

from edge.adapters.broker.topics import BoxTopics

_Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,60}$")]
_Reason = Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9_.-]{1,60}|E_[A-Z0-9_]{1,58})$")]


class Availability(BaseModel):
    """The box's state. It is retained at the broker; the last will sets `offline`."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    version: Literal["edge-anpr/availability/1"] = Field(
        default="edge-anpr/availability/1", alias="schema"
    )
    site: _Word
    box: _Word
    state: Literal["online", "offline", "safe"]
    reason: _Reason

    def payload(self) -> bytes:
        return self.model_dump_json(by_alias=True).encode()


class HealthMessage(BaseModel):
    """Coarse counters: `"<10"`, or a count rounded down to tens."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    version: Literal["edge-anpr/health/1"] = Field(default="edge-anpr/health/1", alias="schema")
    site: _Word
    box: _Word
    counters: dict[_Word, Literal["<10"] | Annotated[int, Field(ge=10, multiple_of=10)]]

    def payload(self) -> bytes:
        return self.model_dump_json(by_alias=True).encode()


class Discovery(BaseModel):
    """Announces the box to Home Assistant as a sensor with three states, and no counter.

    https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["Status"] = "Status"
    unique_id: str
    state_topic: str
    value_template: Literal["{{ value_json.state }}"] = "{{ value_json.state }}"
    device_class: Literal["enum"] = "enum"
    options: tuple[Literal["online", "safe", "offline"], ...] = ("online", "safe", "offline")
    device: dict[str, str]
    origin: dict[str, str] = Field(default_factory=lambda: {"name": "edge-anpr"})

    @classmethod
    def of(cls, topics: BoxTopics) -> Self:
        """The sensor of one box. Ids contain no underscore, so no two boxes have the same name."""
        name = f"edge-anpr_{topics.site}_{topics.box}"
        return cls(
            unique_id=f"{name}_status",
            state_topic=topics.availability,
            device={"identifiers": name, "name": f"edge-anpr {topics.site} {topics.box}"},
        )

    def payload(self) -> bytes:
        return self.model_dump_json().encode()
