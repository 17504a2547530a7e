"""A real run with an approved still: opened hits hold exactly its bytes, or nothing starts."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.state.key_files import load_all_box_public_keys, load_authority_private_keys
from edge.authority.opening import OpenedHit, as_json, open_hit, write_opened
from edge.box import Recording, require_startable
from edge.box.doctor import STEPS
from edge.errors import ConfigError, ExitCode
from edge.site.folder import load_site_folder
from tests.support.place_stills import APPROVED, approval, still_jpeg
from tests.support.product import CLIPS, product, verb
from tests.support.sites import CAMERA, MadeSite, hotlist_rule, make_site, outbox_of, policy, site

LISTED = "GA417TZ"
MOMENT = datetime.fromisoformat("2026-03-10T08:25:00+01:00")
JPEG = still_jpeg()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeSite:
    """A site whose privacy mask lies in the sky of the still, which has one colour."""
    return site_with_still(tmp_path_factory.mktemp("site"), [[0, 0], [0.2, 0], [0.2, 0.3]])


def site_with_still(base: Path, mask: list[list[float]]) -> MadeSite:
    """Two rules ask for the same plate: one shows the vehicle, one the plate alone."""
    rules = [hotlist_rule(), hotlist_rule(id="plate-alone", reveal="plate")]
    content: dict[str, Any] = policy(rules=rules)
    content["cameras"][CAMERA]["place_picture"] = approval(JPEG)
    content["cameras"][CAMERA]["privacy_masks"] = [mask]
    settings = site(cameras={CAMERA: {"place_picture": "place.jpg"}})
    made = make_site(base, stolen=[LISTED], policy_yaml=content, site_yaml=settings)
    (made.folder / "place.jpg").write_bytes(JPEG)
    return made


def run(made: MadeSite) -> Any:
    return product(
        *("run", "--site", made.folder, "--source", CLIPS / "street_day.mp4"),
        *("--recorded-at", MOMENT.isoformat(), "--drain", "0", "--json"),
    )


def opened(made: MadeSite) -> dict[str, OpenedHit]:
    """The hits of a box that has stopped, by rule."""
    boxes = load_all_box_public_keys(made.box_keys)
    keys = load_authority_private_keys(made.authority_keys)
    with outbox_of(made) as outbox:
        payloads = [outbox.find(hit_id) for hit_id in outbox.hit_ids()]
    hits = [open_hit(one, boxes, keys) for one in payloads if one is not None]
    return {one.hit.rule: one for one in hits}


def test_p6_a_changed_or_missing_file_stops_the_start_and_the_check(made: MadeSite) -> None:
    file = made.folder / "place.jpg"
    for content, says in ((still_jpeg(grey=91), "not the picture that was approved"), (None, "no")):
        file.unlink() if content is None else file.write_bytes(content)
        done, checked = run(made), verb("check", made.folder)
        assert (done.status, checked.status) == (ExitCode.CONFIG, ExitCode.CONFIG)
        (line,) = done.error_lines
        assert f"cameras.{CAMERA}.place_picture" in line
        assert says in line
        assert f"cameras.{CAMERA}.place_picture" in checked.out
        # A path at the beginning of a sentence stays as it is.
        assert content is not None or f"{file}: no such file" in checked.out
    assert not made.state.exists()
    file.write_bytes(JPEG)
    assert verb("check", made.folder).status == 0


def test_p6_a_still_that_shows_what_a_privacy_mask_hides_stops_the_start(tmp_path: Path) -> None:
    made = site_with_still(tmp_path, [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]])

    done = run(made)

    assert done.status == ExitCode.CONFIG
    (line,) = done.error_lines
    assert f"cameras.{CAMERA}.place_picture: the approved picture shows what" in line
    assert "privacy_masks[0] of the policy hides" in line

    skipped = [part for one in STEPS for part in ("--skip", one)]
    examined = product("doctor", "--site", made.folder, *skipped)
    assert examined.status != 0
    assert "privacy_masks[0] of the policy hides" in examined.out


def test_p6_a_still_that_shows_what_a_privacy_mask_hides_ends_no_running_box(
    made: MadeSite, tmp_path: Path
) -> None:
    """As SIGHUP asks before it stops the box for changed files."""
    changed = site_with_still(tmp_path, [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]])
    running = load_site_folder(made.folder)
    sources = [Recording(CAMERA, CLIPS / "street_day.mp4", MOMENT)]

    require_startable(running, sources, running)
    with pytest.raises(ConfigError, match=r"privacy_masks\[0\] of the policy hides"):
        require_startable(load_site_folder(changed.folder), sources, running)


def test_p8_the_still_is_in_hits_that_show_the_vehicle_and_nowhere_else(
    made: MadeSite, tmp_path: Path
) -> None:
    done = run(made)

    assert done.status == ExitCode.BROKER, done.err  # nothing listens: both hits are kept
    assert done.json["hits"] == 2
    hits = opened(made)
    names = {rule: [one.name for one in hit.content.pictures] for rule, hit in hits.items()}
    assert names == {"stolen": ["plate", "vehicle", "place"], "plate-alone": ["plate"]}

    files = write_opened(hits["stolen"], tmp_path / "opened")
    assert (files.document.parent / "place.jpg").read_bytes() == JPEG
    told = json.loads(files.document.read_text("utf-8"))
    assert told["approved"] == {"place.jpg": APPROVED}
    assert (told["masked_by"]["place.jpg"], told["taken_at"]["place.jpg"]) == (None, None)
    assert "approved" not in as_json(hits["plate-alone"])

    # The other vehicles of the clip, and the box's own folders, hold nothing of it.
    inside = JPEG[-200:-2]
    kept = [one for one in (*made.state.rglob("*"), *made.keyring.rglob("*")) if one.is_file()]
    assert kept
    assert not [one for one in kept if inside in one.read_bytes()]
    assert inside not in (done.out + done.err).encode("utf-8", "surrogateescape")
