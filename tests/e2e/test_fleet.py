"""From an empty folder to a hit: a fleet, a bare box, a broker that asks for certificates."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.adapters.enrolment.identity import BoxIdentity
from tests.support.brokers import HOST, MOSQUITTO, Mosquitto
from tests.support.fleets import enrol, make_test_fleet, served
from tests.support.product import CLIPS, product
from tests.support.sites import AUTHORITY, SITE, list_csv

CLIP = "street_day.mp4"


@pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")
def test_an_enrolled_box_renews_at_its_start_and_delivers_a_hit(tmp_path: Path) -> None:
    fleet = make_test_fleet(tmp_path)
    keys = tmp_path / "authority"
    for name, words in (("broker", ("--host", HOST)), (AUTHORITY, ())):
        done = fleet.run("issue", name, *words, "--out", tmp_path / f"{name}.pem")
        assert done.status == 0, done.err
    ca = fleet.path / "ca"
    broker = Mosquitto(
        tmp_path,
        f"cafile {ca / 'ca.pem'}",
        f"crlfile {ca / 'crl.pem'}",
        f"certfile {tmp_path / 'broker.pem'}",
        f"keyfile {tmp_path / 'broker.pem'}",
        "require_certificate true",
        "use_identity_as_username true",
        f"acl_file {fleet.path / 'broker.acl'}",
        "max_packet_size 22400000",
    )
    fleet.inventory("site,box,template,clip,port", f"{SITE},box-1,street,north,{broker.port}")
    assert fleet.run("render").status == 0
    box = tmp_path / "box"
    tail = (
        "hits", "tail", "--broker", f"{HOST}:{broker.port}", "--store", tmp_path / "hits",
        "--box-keys", fleet.path / "boxes", "--keys", keys, "--tls-ca", ca / "ca.pem",
        "--tls-cert", tmp_path / f"{AUTHORITY}.pem", "--tls-key", tmp_path / f"{AUTHORITY}.pem",
        "--json",
    )  # fmt: skip
    with broker, served(fleet):
        enrolled = enrol(fleet, box)
        assert enrolled.status == 0, enrolled.err
        assert f"keys/{AUTHORITY}.public.json" in enrolled.json["files"]
        # A list in clear never comes from the fleet; under demo keys it lies beside the policy.
        (box / "lists").mkdir()
        (box / "lists" / "stolen.csv").write_text(list_csv(["1DLK482"]))
        identity = BoxIdentity.read(box / "keys")
        assert identity is not None
        first = identity.ask_again().certificate()
        assert product(*tail, "--idle", "0.5").status == 0  # opens the session
        run = product("run", "--site", box, "--source", CLIPS / CLIP, "--json")
        assert first != identity.certificate()
        assert run.json["hits"], run.err
        received = product(*tail, "--once", "1", "--idle", "30")
    assert received.status == 0, received.err
    listed = product("hits", "list", "--store", tmp_path / "hits", "--json")
    assert [(one["site"], one["box"]) for one in listed.json["hits"]] == [(SITE, "box-1")]
