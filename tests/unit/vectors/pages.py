"""Vectors of what others read: MQTT messages, metrics, schemas, summaries, notices, codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.product import verb
from tests.support.source_tree import ROOT
from tests.unit.vectors.cast import BOX, SITE, VECTORS, json_lines, policy
from tests.unit.vectors.documents import Files
from tests.unit.vectors.product import (
    CODES,
    Answer,
    Availability,
    BoxTopics,
    CameraFigures,
    Discovery,
    Figures,
    HealthMessage,
    KernelClock,
    Policy,
    RuleFigures,
    RunSummary,
    StreamSummary,
    all_hits,
    exposition,
    notice_content,
    publication,
    read_counts,
    read_policy,
    receipt,
)


def messages(folder: Path) -> Files:
    """Every topic, and the small messages beside the hits."""
    topics = BoxTopics(
        SITE, BOX, frozenset({"north", "south"}), frozenset({"stolen", "permits"}), True
    )
    named = {
        "publishable": sorted(topics.publishable),
        "receivable": sorted(topics.receivable),
        "hit": topics.hit("north"),
        "list": topics.bundle("stolen"),
        "availability": topics.availability,
        "health": topics.health,
        "audit": topics.audit,
        "status": topics.status,
        "receipt": topics.receipt,
        "command": topics.command,
        "discovery": topics.discovery,
        "receipt_for_a_box": receipt(SITE, BOX),
        "hits_of_a_site": all_hits(SITE),
        "hits_of_all_sites": all_hits(),
    }
    states = (
        Availability(site=SITE, box=BOX, state="online", reason="running"),
        Availability(site=SITE, box=BOX, state="safe", reason="E_LEASE"),
        Availability(site=SITE, box=BOX, state="safe", reason="outbox-full"),
        Availability(site=SITE, box=BOX, state="offline", reason="stopped"),
        Availability(site=SITE, box=BOX, state="offline", reason="connection-lost"),
    )
    health = HealthMessage(
        site=SITE, box=BOX, counters={"vehicles": 60, "hits": "<10", "outbox": "<10"}
    )
    answers = [
        Answer(holds=holds, reason=reason).body()
        for holds, reason in ((True, "running"), (False, "stalled"), (False, "E_LEASE"))
    ]
    return {
        "mqtt/topics.txt": json_lines(named),
        "mqtt/availability.txt": b"".join(each.payload() + b"\n" for each in states),
        "mqtt/health.json": health.payload(),
        "mqtt/home-assistant.json": Discovery.of(topics).payload(),
        "http/health-answers.txt": b"".join(answers),
    }


FIGURES = Figures(
    version="0.1.0",
    site=SITE,
    box=BOX,
    state="online",
    reason="online",
    cameras=(
        CameraFigures("north", frames=1234, corrupt=2, connections=3, up=True),
        CameraFigures("south", frames=0, corrupt=0, connections=0, up=False),
    ),
    broker_connected=True,
    broker_connections=4,
    key_age_s=12.345,
    clock=KernelClock(synchronised=True, offset_s=0.001, max_error_s=0.5),
    temperatures={"cpu": 55},
    epochs=7,
    vehicles={"read": 120, "ambiguous": 10, "unreadable": 0},
    hits={"zone": 10, "looked-for": 0},
    analysed=5400,
    dropped=12,
    stage_s={"detect": 12.0, "read": 3.4},
    outbox=20,
    outbox_age_s=900.0,
    rules=(
        RuleFigures("zone", stopped=False, without_permits=True),
        RuleFigures("looked-for", stopped=True, without_permits=False),
    ),
)


def metrics(folder: Path) -> Files:
    """Names, types, labels and values of `/metrics`, without the sentences that explain them."""
    lines = exposition(FIGURES).decode().splitlines(keepends=True)
    return {
        "http/metrics.txt": "".join(
            line for line in lines if not line.startswith("# HELP")
        ).encode()
    }


def schemas(folder: Path) -> Files:
    """What `edge-anpr schema` prints, without the sentences that explain it."""
    found = {}
    for kind in ("policy", "site", "hit", "summary"):
        printed = verb("schema", kind)
        assert printed.status == 0
        document = _without_sentences(json.loads(printed.out))
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        found[f"schema/{kind}.json"] = text.encode()
    return found


def _without_sentences(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_sentences(each) for each in node]
    if isinstance(node, dict):
        return {
            name: _without_sentences(each)
            for name, each in node.items()
            if not (name == "description" and isinstance(each, str))
        }
    return node


def summary(folder: Path) -> Files:
    """The file that `edge-anpr run --summary` writes."""
    frames = {
        "frames_decoded": 100,
        "frames_analysed": 90,
        "frames_dropped": 0,
        "frames_corrupt": 1,
        "frames_out_of_hours": 9,
    }
    run = RunSummary(
        site=SITE,
        box=BOX,
        exact=True,
        streams=(StreamSummary(camera="north", clip="north.mp4", **frames),),
        **frames,
        vehicles=4,
        reads={"read": 2, "ambiguous": 1, "unreadable": 1},
        hits=1,
        hits_by_rule={"zone": 1, "one-way": 0},
        hits_without_picture=0,
        hits_masked_by_geometry=0,
        hits_contradicted=0,
        hits_outside_competence=0,
        non_hits=3,
        epochs=2,
        delivered=1,
        kept=0,
        stage_ms={"detect": 12.5},
        cpu_s=1.25,
        peak_rss_mb=210.5,
        wall_s=2.0,
    )
    return {"summary/summary.json": (run.model_dump_json(by_alias=True, indent=2) + "\n").encode()}


def codes(folder: Path) -> Files:
    """Every stable error code with its exit status."""
    return {
        "errors/codes.txt": "".join(
            f"{code} {int(meaning.status)}\n" for code, meaning in sorted(CODES.items())
        ).encode()
    }


def notices(folder: Path) -> Files:
    """The notice and the boards of every example site and of the vectors' own, in all languages."""
    sites = sorted(path.parent for path in (ROOT / "config").glob("*/policy.yaml"))
    files: Files = {}
    for site in sites:
        files |= _notice(f"notice/{site.name}", read_policy(site / "policy.yaml").model)
    square = policy()
    before = square.model_copy(update={"version": 1, "epoch_minutes": 30})
    later = square.model_copy(update={"version": 2})
    counts = read_counts(VECTORS / "input" / "counts.json", SITE)
    files |= _notice("notice/square", later, earlier=[before], counts=counts)
    files |= _notice("notice/square-draft", square, draft=True)
    return files


def _notice(folder: str, site: Policy, **options: Any) -> Files:
    roles = frozenset(signer.role for signer in site.approvals.signers.values())
    signed = frozenset() if options.get("draft") else roles
    files = publication(notice_content(site, signed, made_by="0", **options))
    return {f"{folder}/{name}": content.encode() for name, content in files.items()}
