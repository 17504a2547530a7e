"""A small, complete site folder for tests to bend and break."""

from __future__ import annotations

from pathlib import Path

POLICY = """\
schema: edge-anpr/policy/1
site: square
timezone: Europe/Brussels
purposes:
  quiet: {text: {en: "A quiet square"}, retention_hours: 72}
authorities:
  police: {name: Police, keys: keys/police.public.json, receipts: required}
lists:
  permits: {kind: exempt, file: lists/permits.csv, max_entries: 3}
  stolen: {kind: alert, file: lists/stolen.csv, max_entries: 3}
cameras:
  north: {place: "The north corner"}
  south: {place: "The south corner"}
rules:
  - id: zone
    type: permit_zone
    purpose: quiet
    authority: police
    reveal: vehicle
    list: permits
    min_posterior: 0.95
    min_margin: 0.5
    schedule:
      weekly: {mon: ["08:15-08:45"], sat: ["22:00-06:00"]}
      holidays: [2026-12-25, "2026-07-01..2026-08-31"]
      exceptions: [{date: 2026-11-30, hours: ["09:00-10:00"]}]
  - id: looked-for
    type: hotlist
    purpose: quiet
    authority: police
    reveal: plate
    cameras: [north]
    list: stolen
    min_posterior: 0.97
    min_margin: 0.6
    human_check: false
  - id: one-way
    type: wrong_way
    purpose: quiet
    authority: police
    reveal: occupants
    line: {from: [0.1, 0.6], to: [0.9, 0.6]}
    allowed: left_to_right
    min_posterior: 0.9
    min_margin: 0.5
"""

SITE = """\
schema: edge-anpr/site/1
site: square
box: box-1
cameras:
  north: {source: clips/north.mp4}
  south: {second_look: {mode: tiles, columns: 3}}
models: {detector: detector-a, reader: reader-b}
broker:
  host: 127.0.0.1
  username: box-1
  password_env: SQUARE_PASSWORD
"""

HEADER = "id,plate,start,end,basis,reason,issuer\n"
PERMITS = HEADER + "p1,1-ABC-123,2026-01-01,2026-12-31,Decision 12,resident,Mobility office\n"
STOLEN = HEADER + "s1,2-XYZ-987,2026-03-01T08:00:00+01:00,2026-05-01T08:00:00Z,Act,stolen,Police\n"


def write_site(
    folder: Path,
    *,
    policy: str = POLICY,
    site: str = SITE,
    permits: str = PERMITS,
    stolen: str = STOLEN,
) -> Path:
    """A site folder with these files."""
    (folder / "lists").mkdir(parents=True)
    (folder / "policy.yaml").write_text(policy, encoding="utf-8")
    (folder / "site.yaml").write_text(site, encoding="utf-8")
    (folder / "lists/permits.csv").write_text(permits, encoding="utf-8")
    (folder / "lists/stolen.csv").write_text(stolen, encoding="utf-8")
    return folder


def changed(text: str, old: str, new: str) -> str:
    """The text with one part replaced, which must be there exactly once."""
    assert text.count(old) == 1, old
    return text.replace(old, new)
