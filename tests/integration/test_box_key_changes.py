"""A consumer that runs learns the keys of boxes that are enrolled later, over a real mosquitto."""

from __future__ import annotations

import shutil
from pathlib import Path

from edge.desk.store.hits import DeskHits
from edge.desk.store.tables import BOX_STATE
from tests.integration.conftest import needs_mosquitto
from tests.support.brokers import Mosquitto, wait_until
from tests.support.desks import make_desk
from tests.support.parties import BOX, SITE, make_parties
from tests.support.product import start, verb
from tests.support.receiving import publish, waiting_box

pytestmark = needs_mosquitto


def test_hits_that_waited_for_the_keys_of_a_new_box_are_stored_without_a_restart(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    parties = make_parties(tmp_path / "one")
    other = make_parties(tmp_path / "two", box="box-9")
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    shutil.copy(other.box_file, boxes)
    desk = make_desk(tmp_path / "desk")
    words: list[str | Path] = [
        "desk", "consume", "--desk", desk.path, "--broker", f"127.0.0.1:{mosquitto.port}",
        "--box-keys", boxes, "--keys", parties.authority_folder, "--json",
    ]  # fmt: skip
    assert verb(*words, "--idle", "0.2").status == 0
    hit = parties.hit()
    publish(mosquitto, hit)
    with waiting_box(mosquitto, 1) as receipts:
        consumer = start([*words, "--once", "1"])
        with desk.open_database() as database:
            hits = DeskHits(database)
            assert wait_until(lambda: len(hits.aside()) == 1)
            assert hits.payload(hit.hit_id) is None
            shutil.copy(parties.box_file, boxes)
            _, err = consumer.communicate(timeout=60)

            assert consumer.returncode == 0, err
            assert hits.payload(hit.hit_id) == hit.to_payload()
            assert hits.aside() == ()
            with database.reading() as connection:
                rows = connection.execute(BOX_STATE.select()).all()
    assert len(receipts) == 1
    assert {(row.site, row.box) for row in rows} == {(SITE, BOX), (SITE, "box-9")}
