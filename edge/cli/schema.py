"""`edge-anpr schema`: the JSON Schema of each document."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel


class SchemaName(str, Enum):
    """The documents that have a schema."""

    SITE = "site"
    POLICY = "policy"
    HIT = "hit"
    SUMMARY = "summary"


def schema(
    kind: Annotated[SchemaName, typer.Argument(help="The document.", show_default=False)],
) -> None:
    """Print the JSON Schema of a document (draft 2020-12).

    `site` and `policy` are the two files of a site folder, `hit` is the MQTT payload of a hit, and
    `summary` is what `run --summary` writes.

    Example: edge-anpr schema policy
    """
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_model(kind).model_json_schema(by_alias=True, mode="validation"),
    }
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _model(kind: SchemaName) -> type[BaseModel]:
    if kind is SchemaName.SITE:
        from edge.site.settings import Site

        return Site
    if kind is SchemaName.POLICY:
        from edge.policy.model import Policy

        return Policy
    if kind is SchemaName.HIT:
        from edge.privacy.hit import Hit

        return Hit
    from edge.box.summary import RunSummary

    return RunSummary
