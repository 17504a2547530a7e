"""Alerts and dashboards ask for metrics that exist, and each alert fires on its cause."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from edge.desk.fleet import BoxProblem, BoxState, Fleet, FleetBox
from edge.desk.fleet_metrics import fleet_exposition
from tests.support.source_tree import ROOT
from tests.unit.test_dashboard import NAME, told

PROMTOOL = shutil.which("promtool")
DEPLOY = ROOT / "config" / "deploy"
RULES = DEPLOY / "prometheus-rules.yml"
CASES = ROOT / "tests" / "fixtures" / "prometheus-rules.test.yml"

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (apt-get install prometheus)"
)


def box(name: str, *problems: BoxProblem, known: bool = True) -> FleetBox:
    moment = "2026-11-29T12:00:00.500Z" if known else None
    return FleetBox(
        site="school-street", box=name, state=BoxState.ONLINE, reason="running",
        problems=problems, alive_at=moment, lease_ends=moment, stated_at=moment, twin_at=None,
        version="1.2.0+a" if known else None, weights_sha256=None, policy_sha256=None,
        policy_version=None, list_counters=None, synchronised=None, clock_steps=None,
        temperature_c=None, disk_percent=None, update_target=None, update_outcome=None,
    )  # fmt: skip


FLEET = fleet_exposition(
    Fleet((box("box-1"), box("box-2", *BoxProblem), box("box-3", known=False)))
).decode()


def promtool(*arguments: str | Path, given: str | None = None) -> str:
    done = subprocess.run(
        [str(PROMTOOL), *map(str, arguments)],
        input=given, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def rules() -> dict[str, str]:
    """The expression of each alert."""
    loaded = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return {one["alert"]: one["expr"] for group in loaded["groups"] for one in group["rules"]}


def panels(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DEPLOY / name).read_text())["panels"]
    return found


def expressions(name: str) -> list[str]:
    return [target["expr"] for panel in panels(name) for target in panel["targets"]]


def fleet_names() -> set[str]:
    return {match[0] for line in FLEET.splitlines() if (match := NAME.match(line))}


def test_the_metrics_of_a_fleet_are_a_closed_list() -> None:
    found = {one.name: one for one in text_string_to_metric_families(FLEET)}
    labels = {
        name.removeprefix("edge_anpr_fleet_"): set().union(*(one.labels for one in each.samples))
        for name, each in found.items()
    }
    assert labels == {
        "boxes": {"site", "state"},
        "boxes_with_problem": {"problem"},
        "boxes_on_version": {"version"},
        "problem": {"site", "box", "problem"},
        "alive_timestamp_seconds": {"site", "box"},
        "lease_ends_timestamp_seconds": {"site", "box"},
    }
    values = {
        (one.labels["site"], one.labels["state"]): one.value
        for one in found["edge_anpr_fleet_boxes"].samples
    }
    assert values == {
        ("school-street", state.value): 3.0 if state is BoxState.ONLINE else 0.0
        for state in BoxState
    }
    assert found["edge_anpr_fleet_alive_timestamp_seconds"].samples[0].value == 1795953600.5
    assert len(found["edge_anpr_fleet_alive_timestamp_seconds"].samples) == 2
    assert len(found["edge_anpr_fleet_problem"].samples) == len(BoxProblem)


def test_alerts_and_the_dashboard_of_a_fleet_ask_for_metrics_that_exist() -> None:
    known = told() | fleet_names()
    for expression in (*rules().values(), *expressions("grafana-fleet.json")):
        assert set(NAME.findall(expression)) <= known, expression
    shown = {name for one in expressions("grafana-fleet.json") for name in NAME.findall(one)}
    assert fleet_names() <= shown, "each metric of the fleet is on its dashboard"


def test_each_problem_of_a_box_has_an_alert() -> None:
    words = Counter(
        word
        for expression in rules().values()
        if "fleet_problem{" in expression
        for word in re.findall(r"[a-z-]+", expression.split('"')[1])
    )
    assert words == Counter(one.value for one in BoxProblem if one is not BoxProblem.OFFLINE)


def test_p7_no_alert_and_no_panel_of_a_fleet_follows_the_traffic() -> None:
    """A refused hit, or a count of an epoch, would show that a vehicle passed."""
    of_traffic = {"reads", "hits", "contradicted", "frames", "stage", "dropped", "analysed"}
    for expression in (*rules().values(), *expressions("grafana-fleet.json")):
        for name in NAME.findall(expression):
            assert not of_traffic & set(name.split("_")), expression
        if "broker_problem" in expression:
            assert 'problem!="hit-refused"' in expression


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"]
    fires: set[tuple[str, str]] = set()
    silent: set[tuple[str, str]] = set()
    for case in cases:
        for one in case["alert_rule_test"]:
            (fires if one.get("exp_alerts") else silent).add((case["name"], one["alertname"]))
    assert {name for _, name in fires} == {name for _, name in silent} == rules().keys()
    assert len({case["name"] for case in cases}) == len(cases) == 2 * len(rules())


@needs_promtool
def test_each_alert_fires_on_its_cause_after_its_time_and_not_without() -> None:
    assert "SUCCESS" in promtool("test", "rules", CASES)


@needs_promtool
def test_prometheus_reads_rules_metrics_and_the_expressions_of_both_dashboards(
    tmp_path: Path,
) -> None:
    promtool("check", "metrics", given=FLEET)
    promtool("check", "rules", RULES)
    recorded = [
        {"record": f"panel:{name}:{number}", "expr": expression.replace("$instance", "a")}
        for name in ("box", "fleet")
        for number, expression in enumerate(
            expressions("grafana.json" if name == "box" else "grafana-fleet.json")
        )
    ]
    for one in recorded:
        one["record"] = one["record"].replace("-", "_")
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    assert f"{len(recorded)} rules found" in promtool("check", "rules", file)
    recorded[0]["expr"] += ")"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    with pytest.raises(AssertionError, match="parse error"):
        promtool("check", "rules", file)


def test_panels_of_the_fleet_have_unique_ids_and_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in panels("grafana-fleet.json")]
    cells = [
        (x, y)
        for one in places
        for x in range(one["x"], one["x"] + one["w"])
        for y in range(one["y"], one["y"] + one["h"])
    ]
    assert len({panel["id"] for panel in panels("grafana-fleet.json")}) == len(places)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
