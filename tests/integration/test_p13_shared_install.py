"""P13: a box takes its part of a list for many boxes from a folder, and while it waits for one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import yaml

from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.state.audit_log import read_log
from edge.box.safe_state import announce_refusal
from edge.errors import ExitCode
from edge.policy.bundle_format import ListBundleError
from edge.policy.shared_lists import MANIFESTS_NAME
from edge.privacy.audit_events import ListChanged
from edge.site.folder import load_site_folder
from tests.integration.conftest import needs_mosquitto
from tests.support.brokers import Mosquitto
from tests.support.canary import needles, sweep_tree
from tests.support.product import Finished, verb
from tests.support.real_site import RealSite, make_real_site
from tests.support.sites import BOX, SITE, write_yaml

PLATE = "1QQQ777"


def build(made: RealSite, out: str) -> Path:
    inventory = made.folder.parent / "boxes"
    if not inventory.exists():
        inventory.mkdir(mode=0o755)
        shutil.copy(made.box_public, inventory)
    folder = made.folder.parent / out
    one_box = made.build(made.csv([PLATE]), out)
    at = one_box.index("--box-public")
    done = verb(*one_box[:at], "--boxes", inventory, *one_box[at + 2 :])
    assert done.status == 0, done.err
    return folder


def install(made: RealSite, folder: Path) -> Finished:
    return verb("lists", "install", folder, "--site", made.folder)


def refused(done: Finished, code: str, says: str, status: ExitCode = ExitCode.CONFIG) -> None:
    assert done.status == status, done.err
    (line,) = done.error_lines
    assert line.startswith(f"error: {code}: ")
    assert says in line


def test_p13_a_box_installs_its_part_of_a_folder(tmp_path: Path) -> None:
    made = make_real_site(tmp_path)
    folder = build(made, "shared")
    examined = verb("lists", "inspect", folder, "--site", made.folder, "--json")
    assert not (made.state / "lists").exists()
    assert install(made, folder).status == 0
    in_force = verb("lists", "inspect", "--site", made.folder, "--json")

    assert examined.json == in_force.json
    (facts,) = in_force.json["lists"]
    assert (facts["list_id"], facts["entries"], facts["issuer"]) == ("stolen", 1, "office")
    recorded = ListChanged("installed", "stolen", facts["counter"], facts["sha256"])
    assert [entry.event for entry in read_log(made.state).entries][1:] == [recorded]
    assert sweep_tree([made.folder, folder], needles(PLATE)) == []
    assert install(made, folder).status == 0, "the same again is no refusal"

    newer = build(made, "newer")
    (body,) = newer.glob("*.list")
    whole = body.read_bytes()
    body.write_bytes(whole[:-1])
    refused(install(made, newer), "E_LIST_FETCH", "only 16399 of the 16400", ExitCode.BROKER)
    body.write_bytes(whole)
    assert install(made, newer).status == 0
    refused(install(made, folder), "E_LIST_REPLAY", "is not higher than")


def test_p13_a_folder_without_this_box_or_without_manifests_is_refused(tmp_path: Path) -> None:
    made = make_real_site(tmp_path)
    folder = build(made, "shared")
    file = folder / MANIFESTS_NAME
    cover = json.loads(file.read_bytes())
    file.write_bytes(
        json.dumps({**cover, "box": "box-9"}, sort_keys=True, separators=(",", ":")).encode()
    )
    refused(install(made, folder), "E_LIST_BUNDLE", f"no manifest of box {BOX} of {SITE} in it")
    file.unlink()
    refused(install(made, folder), "E_CONFIG", f"no {MANIFESTS_NAME} in it")
    both = verb(*made.build(tmp_path / "office.csv", "x"), "--boxes", made.folder.parent / "boxes")
    assert both.status == ExitCode.USAGE


@needs_mosquitto
def test_p13_a_box_that_waits_for_its_list_fetches_it_before_it_ends(
    tmp_path: Path,
) -> None:
    with Mosquitto(tmp_path) as broker:
        made = make_real_site(tmp_path, port=broker.port)
        path = made.folder / "site.yaml"
        content = yaml.safe_load(path.read_text())
        write_yaml(path, {**content, "lists": {"source": "folder", "folder": "../shared"}})
        folder = build(made, "shared")
        manifest = (folder / MANIFESTS_NAME).read_bytes().strip()
        topics = BoxTopics(SITE, BOX, frozenset(), frozenset({"stolen"}))
        with BrokerLink.open(BrokerOptions(broker.host, broker.port, "office")) as link:
            link.publish(topics.bundle("stolen"), manifest, retain=True)
            link.subscribe([topics.list_answer])
            missing = ListBundleError("list stolen: not installed", code="E_LIST_MISSING")
            announce_refusal(load_site_folder(made.folder), missing)
            message = link.receive(5)
        assert message is not None
        assert json.loads(message.payload)["state"] == "in-force"
    assert verb("lists", "inspect", "--site", made.folder).status == 0
