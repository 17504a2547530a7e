"""The Grafana dashboard asks for metrics that exist, and shows all of them."""

from __future__ import annotations

import json
import re
from typing import Any

from edge.adapters.host import kernel_clock, metrics
from tests.support.source_tree import ROOT

NAME = re.compile(r"\bedge_anpr_[a-z_]+")


def dashboard() -> dict[str, Any]:
    loaded = json.loads((ROOT / "config" / "deploy" / "grafana.json").read_text())
    assert isinstance(loaded, dict)
    return loaded


def asked_for() -> set[str]:
    return {
        name
        for panel in dashboard()["panels"]
        for target in panel["targets"]
        for name in NAME.findall(target["expr"])
    }


def told() -> set[str]:
    """The names of all samples of a box with every feature."""
    figures = metrics.Figures(
        version="1",
        site="s",
        box="b",
        state="online",
        reason="online",
        cameras=[metrics.CameraFigures("c", frames=1, corrupt=1, connections=1, up=True)],
        broker_connected=True,
        broker_connections=1,
        key_age_s=1.0,
        clock=kernel_clock.KernelClock(synchronised=True, offset_s=0.0, max_error_s=0.1),
        temperatures={"cpu": 40},
        epochs=1,
        vehicles={"read": 10},
        hits={"rule": 10},
        analysed=1,
        dropped=1,
        stage_s={"decode": 1.0},
        outbox=10,
        outbox_age_s=1.0,
        broker_problems=["audit-refused"],
        certificate_ends=1.0,
        rules=[metrics.RuleFigures("rule", stopped=False, without_permits=False)],
    )
    lines = metrics.exposition(figures).decode().splitlines()
    return {match[0] for line in lines if (match := NAME.match(line))}


def test_each_metric_of_the_dashboard_exists() -> None:
    assert asked_for() - told() == set()


def test_each_metric_is_on_the_dashboard() -> None:
    assert told() - asked_for() == set()


def test_panels_have_unique_ids_and_do_not_overlap() -> None:
    panels = dashboard()["panels"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
