"""The JSON Schemas that `edge-anpr schema` prints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.cli.schema import SchemaName, schema


def printed(kind: SchemaName, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    schema(kind)
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def parts(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {document["title"]: document, **document.get("$defs", {})}


@pytest.mark.parametrize(
    ("kind", "identifier", "some_keys"),
    [
        (SchemaName.SITE, "edge-anpr/site/1", {"site", "box", "cameras", "models", "broker"}),
        (SchemaName.POLICY, "edge-anpr/policy/3", {"purposes", "authorities", "rules", "timezone"}),
        (
            SchemaName.HIT,
            "edge-anpr/hit/1",
            {"hit_id", "token", "sealed", "signature", "posterior"},
        ),
        (SchemaName.SUMMARY, "edge-anpr/summary/2", {"vehicles", "hits", "non_hits", "stage_ms"}),
    ],
)
def test_each_document_has_a_schema_that_names_its_version(
    kind: SchemaName, identifier: str, some_keys: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    document = printed(kind, capsys)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["properties"]["schema"]["const"] == identifier
    assert set(document["properties"]) >= some_keys


@pytest.mark.parametrize("kind", SchemaName)
def test_every_part_of_a_document_forbids_unknown_keys(
    kind: SchemaName, capsys: pytest.CaptureFixture[str]
) -> None:
    objects = {
        name: part for name, part in parts(printed(kind, capsys)).items() if "properties" in part
    }
    assert objects
    assert {
        name for name, part in objects.items() if part["additionalProperties"] is not False
    } == set()


def test_the_schema_of_the_policy_discriminates_rules_by_type(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = printed(SchemaName.POLICY, capsys)
    rules = document["properties"]["rules"]["items"]["discriminator"]
    assert rules["propertyName"] == "type"
    assert set(rules["mapping"]) == {"hotlist", "permit_zone", "wrong_way"}
    known = parts(document)
    assert "list" in known["HotlistRule"]["required"]
    assert "list" in known["PermitZoneRule"]["required"]
    assert "list" not in known["WrongWayRule"]["properties"]
    assert {"line", "allowed"} <= set(known["WrongWayRule"]["required"])
    assert set(known["LineModel"]["required"]) == {"from", "to"}


@pytest.mark.parametrize("name", ["password", "revenue", "plate"])
@pytest.mark.parametrize("kind", [SchemaName.SITE, SchemaName.POLICY, SchemaName.HIT])
def test_forbidden_fields_are_in_no_schema(
    kind: SchemaName, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in parts(printed(kind, capsys)).values():
        assert name not in part.get("properties", {})
