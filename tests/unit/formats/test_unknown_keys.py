"""A key that no section knows: the message lists the keys that the section knows."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from edge.errors import ConfigError
from edge.formats.yaml_document import parse_document
from edge.policy.model import Policy
from edge.site.settings import Site
from tests.support.example_site import POLICY, SITE
from tests.support.source_tree import ROOT

TYPO = "zzzz"

LIVE_CAMERAS: list[dict[str, Any]] = [
    {"type": "rtsp", "url": "rtsp://192.0.2.1/x"},
    {"type": "http", "url": "http://192.0.2.1/x"},
    {"type": "device", "device": "/dev/video0"},
    {"type": "pipeline", "pipeline": "videotestsrc"},
]

SECOND_LOOKS: list[dict[str, Any]] = [
    {"mode": "none"},
    {"mode": "tiles"},
    {"mode": "region", "box": [0, 0, 1, 1]},
]


def full_site() -> dict[str, Any]:
    """A site.yaml with every section and every kind of camera."""
    site: dict[str, Any] = yaml.safe_load(SITE)
    site["broker"]["tls"] = {"ca": "ca.pem"}
    site |= {"folders": {}, "outbox": {}, "telemetry": {}}
    cameras: list[dict[str, Any]] = [{"live": live} for live in LIVE_CAMERAS]
    cameras += [{"second_look": look} for look in SECOND_LOOKS]
    site["cameras"] = {f"camera-{number}": camera for number, camera in enumerate(cameras)}
    return site


def sections(part: object, at: tuple[int | str, ...] = ()) -> Iterator[tuple[int | str, ...]]:
    """The place of each mapping of a document."""
    if isinstance(part, dict):
        yield at
        for key, value in part.items():
            yield from sections(value, (*at, key))
    elif isinstance(part, list):
        for index, value in enumerate(part):
            yield from sections(value, (*at, index))


DOCUMENTS: dict[str, tuple[type[BaseModel], Any]] = {
    "site.yaml": (Site, full_site()),
    "policy.yaml": (Policy, yaml.safe_load(POLICY)),
    **{
        f"{folder.name}/policy.yaml": (Policy, yaml.safe_load((folder / "policy.yaml").read_text()))
        for folder in sorted((ROOT / "config").iterdir())
        if (folder / "policy.yaml").exists()
    },
}

FREE_NAMES = {"cameras", "purposes", "signers", "keys", "authorities", "issuers", "lists"}
"""Sections whose keys are names of one's own."""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_message_for_an_unknown_key_lists_the_known_ones_in_every_section(name: str) -> None:
    model, document = DOCUMENTS[name]
    places = list(sections(document))
    assert len(places) > 15
    for place in places:
        changed = copy.deepcopy(document)
        section = changed
        for step in place:
            section = section[step]
        if place and place[-1] in FREE_NAMES and all(isinstance(v, dict) for v in section.values()):
            continue
        known = set(section)
        section[TYPO] = 1

        with pytest.raises(ConfigError) as caught:
            # JSON is YAML, and is written in a fraction of the time.
            parse_document(json.dumps(changed, indent=1, default=str), Path("x.yaml"), model)

        line = next(line for line in caught.value.message.splitlines() if TYPO in line)
        if place[-1:] == ("weekly",):
            assert "must be 'mon', 'tue'" in line
            continue
        message, _, listed = line.partition("known here: ")
        assert message.endswith(f"unknown key '{TYPO}'; "), (place, line)
        assert known - {TYPO} <= set(listed.split(", ")), (place, line)


@pytest.mark.parametrize("live", LIVE_CAMERAS, ids=lambda live: live["type"])
def test_the_nearest_known_key_of_a_live_camera_is_proposed(live: dict[str, Any]) -> None:
    site = yaml.safe_load(SITE)
    wrong = next(key for key in live if key != "type")
    site["cameras"] = {"north": {"live": {**live, f"{wrong}s": "x"}}}

    with pytest.raises(ConfigError, match=f"unknown key; did you mean '{wrong}'"):
        parse_document(yaml.safe_dump(site), Path("site.yaml"), Site)
