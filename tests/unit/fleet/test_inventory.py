"""Every mistake in an inventory is one line that names file, line, field and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.fleet.folder import FleetFolder
from edge.fleet.inventory import Inventory, read_inventory

HEADER = "site,box,template,camera_host\n"
ROW = "school-street,box-1,street,192.0.2.10\n"
YAML = "schema: edge-anpr/inventory/1\nboxes:\n"
ENTRY = (
    "  - {site: school-street, box: box-1, template: street, values: {camera_host: 192.0.2.10}}\n"
)


def read(folder: Path, text: str, ending: str) -> Inventory:
    (folder / "templates" / "street").mkdir(parents=True, exist_ok=True)
    file = folder / f"inventory.{ending}"
    file.write_text(text, encoding="utf-8")
    return read_inventory(file, folder / "templates")


@pytest.mark.parametrize(("text", "ending"), [(HEADER + ROW, "csv"), (YAML + ENTRY, "yaml")])
def test_yaml_and_csv_say_the_same(tmp_path: Path, text: str, ending: str) -> None:
    found = read(tmp_path, text, ending)

    box = found.box("school-street.box-1")
    assert (box.site, box.box, box.template) == ("school-street", "box-1", "street")
    assert box.values == {"camera_host": "192.0.2.10"}


def test_an_empty_cell_is_no_value_and_a_blank_line_no_box(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER + "\ntown,box-1,street,\n,,,\n", "csv")

    assert [one.values for one in found.boxes.values()] == [{}]


@pytest.mark.parametrize(
    ("text", "ending", "told"),
    [
        (
            HEADER + ROW + ROW,
            "csv",
            "csv:3:1: boxes[1].box: box school-street.box-1 stands in line 2",
        ),
        (YAML + ENTRY + ENTRY, "yaml", "yaml:4:1: boxes[1].box: box school-street.box-1 stands in"),
        (
            HEADER + "s,b,stret,x\n",
            "csv",
            "csv:2:1: boxes[0].template: no template stret; do you mean",
        ),
        (HEADER + "s,b,bridge,x\n", "csv", "no template bridge; make "),
        (HEADER + "S,b,street,x\n", "csv", "csv:2:1: site: use 1 to 40 of a-z"),
        (HEADER + "s,b,street\n", "csv", "csv:2:1: 3 values for 4 columns"),
        (HEADER + "s,b,street,x,y\n", "csv", "csv:2:1: 5 values for 4 columns"),
        (HEADER + "s,b,street," + "x" * 501 + "\n", "csv", "csv:2:1: camera_host: longer than 500"),
        (HEADER + 's,b,street,"x\n', "csv", "not CSV"),
        (HEADER + "s,b,street,x\u202ey\n", "csv", "csv:2: a character that cannot be seen"),
        ("site;box,template\n", "csv", "csv:1:1: column site is missing"),
        (HEADER + "s,status,street,x\n", "csv", "csv:2:1: boxes[0]: box: 'status' is not a valid"),
        ("", "csv", "csv:1:1: column site is missing"),
        ("site,box\n", "csv", "column template is missing"),
        ("site,box,template,Host\n", "csv", "the name of a column must be small letters"),
        ("site,box,template,host,host\n", "csv", "column host stands twice"),
        (YAML + "  - {site: s, box: b}\n", "yaml", "'template' is missing"),
        (YAML + "  - {site: s, box: b, template: street, x: 1}\n", "yaml", "boxes[0].x"),
        ("boxes: []\n", "yaml", "'schema' is missing"),
        ("", "yaml", "yaml"),
    ],
)
def test_each_mistake_is_one_line_with_its_place(
    tmp_path: Path, text: str, ending: str, told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text, ending)

    assert told in refused.value.message
    assert str(tmp_path) in refused.value.message
    assert len(refused.value.message.splitlines()) == 1


def test_a_table_with_semicolons_is_read_as_a_spreadsheet_writes_it(tmp_path: Path) -> None:
    found = read(tmp_path, "\ufeff" + (HEADER + ROW).replace(",", ";").replace("\n", "\r\n"), "csv")

    assert found == read(tmp_path, HEADER + ROW, "csv")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, HEADER + ROW + ROW + "s,b,bridge,x\n", "csv")

    assert len(refused.value.message.splitlines()) == 2


def test_a_box_that_is_not_listed_gets_the_nearest_name(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER + ROW, "csv")

    with pytest.raises(ConfigError, match=r"do you mean school-street\.box-1"):
        found.box("school-street.box-2")
    with pytest.raises(ConfigError) as refused:
        found.box("1-ABC-123")
    assert "1-ABC" not in refused.value.message


def test_a_fleet_has_one_inventory(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no fleet there"):
        FleetFolder.open(tmp_path)
    (tmp_path / "fleet.yaml").write_text(
        "schema: edge-anpr/fleet/1\nauthority: police-zone\nhost: fleet.example\n"
    )
    fleet = FleetFolder.open(tmp_path)
    with pytest.raises(ConfigError, match="no inventory"):
        _ = fleet.inventory
    for name in ("inventory.yaml", "inventory.csv"):
        (tmp_path / name).touch()
    with pytest.raises(ConfigError, match="keep one of them"):
        _ = fleet.inventory
