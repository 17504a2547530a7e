"""P12 over the real process: a listed plate on another vehicle than the list states makes no hit.

The clip is rendered, and what its vehicles look like is known; the box has the product's weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.adapters.state.key_files import load_all_box_public_keys, load_authority_private_keys
from edge.authority.opening import as_json, open_hit
from tests.support.product import CLIPS, Finished, product
from tests.support.sites import LIST_HEADER, MadeSite, make_site, outbox_of

CLIP = CLIPS / "street_day.mp4"
VEHICLES = {
    "1DLK482": ("car", "red"),
    "GA417TZ": ("van", "white"),
    "R617DB": ("car", "black"),
    "ACHL582": ("car", "blue"),
}
"""Plates of the clip with the kind and paint of `scripts/fixtures/clips.py`."""


def run(base: Path, stated: Mapping[str, tuple[str, str]]) -> tuple[MadeSite, Finished]:
    """A box whose list has these plates, each with what it states of the vehicle."""
    made = make_site(base)
    usual = "2026-01-01,2026-12-31,test basis,test reason,test issuer"
    rows = [
        f"e-{number},{plate},{usual},{kind},{colour}"
        for number, (plate, (kind, colour)) in enumerate(stated.items())
    ]
    text = "\n".join([f"{LIST_HEADER},kind,colour", *rows]) + "\n"
    (made.folder / "lists" / "stolen.csv").write_text(text, "utf-8")
    done = product(
        *("--log-level", "debug", "run", "--site", made.folder, "--source", CLIP),
        *("--recorded-at", "2026-03-10T08:25:00+01:00", "--drain", "0", "--json"),
    )
    return made, done


def opened(made: MadeSite) -> dict[str, dict[str, Any]]:
    """The hits of a box that has stopped, by plate, as the authority opens them."""
    boxes = load_all_box_public_keys(made.box_keys)
    keys = load_authority_private_keys(made.authority_keys)
    with outbox_of(made) as outbox:
        payloads = [outbox.find(hit_id) for hit_id in outbox.hit_ids()]
    hits = [as_json(open_hit(payload, boxes, keys)) for payload in payloads if payload is not None]
    return {str(hit["plate"]): hit for hit in hits}


def test_p12_a_listed_plate_on_another_vehicle_is_counted_and_not_published(tmp_path: Path) -> None:
    others = {"1DLK482": ("", "white"), "GA417TZ": ("van", "red")}
    made, done = run(tmp_path, {**VEHICLES, **others})

    summary = done.json
    assert summary["hits_contradicted"] == len(others)
    hits = opened(made)
    assert set(hits) == set(VEHICLES) - set(others)
    assert summary["hits"] == len(hits)
    # A gap in the numbers would mean that a hit was lost.
    assert [hit["hit"]["counter"] for hit in hits.values()] == [1, 2]
    said = done.out + done.err
    for plate, (kind, colour) in VEHICLES.items():
        assert plate not in said
        assert f"{colour} {kind}" not in said


def test_a_listed_plate_on_the_vehicle_that_the_list_states_makes_a_hit(tmp_path: Path) -> None:
    made, done = run(tmp_path, VEHICLES)

    assert (done.json["hits"], done.json["hits_contradicted"]) == (len(VEHICLES), 0)
    for plate, hit in opened(made).items():
        kind, colour = VEHICLES[plate]
        assert hit["vehicle"]["kinds"].get(kind, 0) >= 0.01, plate
        assert hit["vehicle"]["colours"].get(colour, 0) >= 0.01, plate
