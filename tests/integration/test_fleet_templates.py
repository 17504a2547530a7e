"""Templates: one value for each place, checked before anything is written, and never wider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.cli.policy import ready_policy
from edge.errors import ConfigError, EdgeError
from edge.fleet.folder import FleetFolder
from edge.fleet.inventory import InventoryBox, read_inventory
from edge.fleet.rendering import RenderedSite, access_list, render, write
from edge.site.folder import read_policy
from tests.support.fleets import BOX, TestFleet, make_test_fleet
from tests.support.place_stills import approval, still_jpeg
from tests.support.product import REPOSITORY
from tests.support.sites import AUTHORITY, CAMERA, SITE, sign_site, texts, write_yaml

HEADER = "site,box,template,clip,port"


@pytest.fixture
def fleet(tmp_path: Path) -> TestFleet:
    made = make_test_fleet(tmp_path)
    made.inventory(HEADER, f"{SITE},box-1,street,north,8883")
    return made


def rendered(fleet: TestFleet) -> RenderedSite:
    folder = FleetFolder.open(fleet.path)
    found = render(folder, read_inventory(folder.inventory, folder.templates), ready_policy)
    write(folder, found)
    return found[0]


def change(fleet: TestFleet, **sections: Any) -> None:
    """Change the template's policy; its signatures stay those of the one before."""
    file = fleet.path / "templates" / "street" / "policy.yaml"
    content = yaml.safe_load(file.read_text())
    write_yaml(file, {**content, **sections})


def in_sites(fleet: TestFleet, name: str = "policy.yaml") -> Path:
    return fleet.path / "sites" / BOX / name


def hours(*spans: str) -> dict[str, Any]:
    return {
        CAMERA: {
            "place": texts("a rendered street"),
            "field_of_view": {
                "text": texts("the lane"),
                "bearing_degrees": 0,
                "angle_degrees": 40,
                "reach_m": 30,
            },
            "hours": {"weekly": {"mon": list(spans)}},
            "hours_justification": texts("The recordings were made at any hour of the day"),
        }
    }


def test_p4_a_signed_policy_is_copied_byte_for_byte_with_its_signatures(fleet: TestFleet) -> None:
    assert rendered(fleet).signed

    template = fleet.path / "templates" / "street"
    for name in ("policy.yaml", "policy.signatures.json", "dpia.md"):
        assert in_sites(fleet, name).read_bytes() == (template / name).read_bytes()


def test_p6_the_approved_picture_of_the_place_goes_to_each_box(fleet: TestFleet) -> None:
    template = fleet.path / "templates" / "street"
    still = still_jpeg()
    settings = (template / "site.yaml").read_text()
    named = settings.replace("{source: ", "{place_picture: place.jpg, source: ")
    (template / "site.yaml").write_text(named)
    cameras = hours("08:00-09:00")
    cameras[CAMERA]["place_picture"] = approval(still)
    change(fleet, cameras=cameras)
    sign_site(template)
    with pytest.raises(ConfigError, match="no such file"):
        rendered(fleet)

    (template / "place.jpg").write_bytes(still)
    assert rendered(fleet).signed
    assert in_sites(fleet, "place.jpg").read_bytes() == still


def test_p4_no_command_replaces_a_signed_policy_by_an_unsigned_one_that_does_more(
    fleet: TestFleet,
) -> None:
    change(fleet, cameras=hours("08:00-09:00"))
    sign_site(fleet.path / "templates" / "street")
    assert rendered(fleet).signed
    before = in_sites(fleet).read_bytes()

    change(fleet, version=2, cameras=hours("08:00-10:00"))
    with pytest.raises(EdgeError) as refused:
        rendered(fleet)
    assert refused.value.code == "E_DPIA_WIDENING"
    assert f"box {BOX}" in refused.value.message
    assert in_sites(fleet).read_bytes() == before
    for verb in ("check", "render"):
        assert "E_DPIA_WIDENING" in fleet.run(verb).err

    # What people's rights rest on needs every signer too.
    change(fleet, cameras=hours("08:00-09:00"), dpo={"name": "Other", "contact": "o@test.example"})
    with pytest.raises(EdgeError, match="its signers have signed"):
        rendered(fleet)

    # Signed in the template's folder it is the signers' own version.
    sign_site(fleet.path / "templates" / "street")
    assert rendered(fleet).signed


def test_p4_a_narrowing_is_written_unsigned_and_its_signatures_are_kept(fleet: TestFleet) -> None:
    change(fleet, cameras=hours("08:00-09:00"))
    sign_site(fleet.path / "templates" / "street")
    rendered(fleet)

    change(fleet, version=2, cameras=hours("08:00-08:30"))
    assert not rendered(fleet).signed
    assert not in_sites(fleet, "policy.signatures.json").exists()
    # The signers sign it where it lies, one after the other; rendering again loses none of them.
    sign_site(in_sites(fleet).parent, "mayor")
    assert not rendered(fleet).signed
    assert in_sites(fleet, "policy.signatures.json").exists()
    sign_site(in_sites(fleet).parent)
    assert rendered(fleet).signed


def test_p4_a_policy_with_places_stays_unsigned_until_it_is_signed_for_its_site(
    fleet: TestFleet,
) -> None:
    file = fleet.path / "templates" / "street" / "policy.yaml"
    text = file.read_text()
    file.write_text(text.replace("a rendered street", "$(place)"))
    fleet.inventory(HEADER + ",place", f"{SITE},box-1,street,north,8883,Market square")

    assert not rendered(fleet).signed
    assert read_policy(in_sites(fleet)).model.cameras[CAMERA].place.en == "Market square"


def test_a_value_is_one_value_whatever_it_holds(fleet: TestFleet) -> None:
    hostile = '"x", broker: {host: evil}, #\\n'
    in_csv = hostile.replace('"', '""')
    fleet.inventory(HEADER, f'{SITE},box-1,street,"{in_csv}",8883')

    content = rendered(fleet).files["site.yaml"].decode()
    parsed = yaml.safe_load(content)
    assert parsed["cameras"][CAMERA]["source"] == f"clips/{hostile}.mp4"
    assert parsed["broker"]["host"] == "127.0.0.1"
    assert parsed["broker"]["port"] == 8883


def edited(fleet: TestFleet, old: str, new: str) -> None:
    file = fleet.path / "templates" / "street" / "site.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "  port:",
            "  username: $(us)\n  port:",
            "site.yaml:9:13: broker.username: box test-street.box-1",
        ),
        ("port: $(port)", "port: 1883", "inventory.csv:2:1: port: template street has no place"),
        ("$(port)", '"$(port)"', "broker.port: must be a whole number"),
        ("host: 127.0.0.1", "hots: 127.0.0.1", "broker.hots"),
        (f"{CAMERA}:", "cam-9:", "cameras.cam-9"),
        ('box: "$(box)"', "box: box-7", "box: another box than in the inventory"),
        ("tls: {", "# tls: {", "a box of a fleet needs tls"),
        ("  port:", "  $(port):", "can be a value only"),
        (
            '{source: "clips/$(clip).mp4"}',
            "\n    source: |\n      $(clip)",
            "cannot be in a text of several lines",
        ),
        ("models:", "folders: {keys: elsewhere}\nmodels:", "has its keys in 'keys'"),
    ],
)
def test_a_mistake_in_a_template_names_box_file_line_and_field_and_nothing_is_written(
    fleet: TestFleet, old: str, new: str, told: str
) -> None:
    edited(fleet, old, new)

    with pytest.raises(ConfigError) as refused:
        rendered(fleet)

    assert told in refused.value.message
    assert str(fleet.path) in refused.value.message
    assert not (fleet.path / "sites").exists() or not list((fleet.path / "sites").iterdir())


def test_a_template_without_the_keys_of_its_authority_is_not_rendered(fleet: TestFleet) -> None:
    name = f"{AUTHORITY}.public.json"
    (fleet.path / "templates" / "street" / "keys" / name).unlink()

    with pytest.raises(ConfigError) as refused:
        rendered(fleet)

    assert "templates/street/policy.yaml:" in refused.value.message
    assert f"authorities.{AUTHORITY}.keys: put the authority's public file" in refused.value.message


def test_an_incomplete_policy_is_not_rendered(fleet: TestFleet) -> None:
    change(fleet, dpo={"name": "", "contact": ""})

    with pytest.raises(ConfigError, match=r"policy\.yaml.*dpo"):
        rendered(fleet)


def test_init_makes_a_fleet_and_touches_nothing_that_is_there(tmp_path: Path) -> None:
    fleet = make_test_fleet(tmp_path)
    names = ("fleet.yaml", "ca/ca.key", "ca/codes.key", "templates/street/policy.yaml")
    before = {name: (fleet.path / name).read_bytes() for name in names}

    again = fleet.run("init", "--authority", "police-zone", "--host", "other.example", "--json")

    assert again.status == 0
    assert again.json["files"] == []
    assert {name: (fleet.path / name).read_bytes() for name in names} == before
    assert (fleet.path / "ca" / "ca.key").stat().st_mode & 0o777 == 0o600


def test_a_wrong_host_leaves_nothing_behind(tmp_path: Path) -> None:
    """Otherwise `init` with the right one would keep the file with the wrong one."""
    words = ("--authority", "police-zone", "--host", "https://fleet.example:8443")
    refused = TestFleet(tmp_path / "fleet").run("init", *words)

    assert (refused.status, "without https://" in refused.err) == (2, True)
    assert not (tmp_path / "fleet").exists()


def test_the_template_of_init_lists_what_is_still_to_write(tmp_path: Path) -> None:
    path = tmp_path / "fleet"
    fleet = TestFleet(path)
    made = fleet.run("init", "--authority", "police-zone", "--host", "fleet.example")
    assert made.status == 0, made.err
    assert fleet.run("check").out.startswith("0 boxes")
    (path / "inventory.yaml").write_text(
        "schema: edge-anpr/inventory/1\nboxes:\n"
        "  - {site: a, box: b, template: street, values: {camera_host: 192.0.2.10}}\n"
    )
    refused = fleet.run("check")
    assert refused.status == 3
    assert "templates/street/policy.yaml" in refused.err


def test_the_access_list_of_a_fleet_allows_what_that_of_a_single_site_does(tmp_path: Path) -> None:
    """With one box more or less the topics are the same; only names are wider."""
    box = InventoryBox("school-street", "box-1", "street")
    example = (REPOSITORY / "config/deploy/mosquitto/acl").read_text(encoding="utf-8")
    single = example.replace("user box-1", f"user {box.name}").replace("office", "police-zone")

    def allowed(text: str) -> set[tuple[str, ...]]:
        found: set[tuple[str, ...]] = set()
        user = ""
        for line in text.splitlines():
            words = line.split()
            if words[:1] == ["user"]:
                user = words[1]
            elif words[:1] == ["topic"]:
                topic = words[2] if user == box.name else words[2].replace("school-street", "+")
                found.add((user, words[1], topic))
        return found

    assert allowed("".join(access_list("police-zone", [box]))) == allowed(single)
