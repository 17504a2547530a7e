"""Why a document does not fit its model: pydantic's errors in words for people who write YAML."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from yaml.nodes import Node

from edge.formats.identifiers import ID_PATTERN
from edge.formats.problems import Location, Problem, nearest
from edge.formats.yaml_tree import QUOTABLE, problem_at

WORDING_ERROR, FORMAT_ERROR = "wording", "format"
"""Types of a validator's own errors: a text that says nothing, a document of another format. Their
context holds `text`, a key of `edge/texts`, and the values that it is filled in with."""

_INLINE_CREDENTIAL = (
    "a password does not belong in a file that is copied and committed; remove it and give "
    "password_env: NAME or password_file: PATH"
)


def rejections(
    file: Path, root: Node, error: ValidationError, model: type[BaseModel]
) -> list[Problem]:
    """One problem for each error; no message repeats a value.

    A document of another format has no other problem: what follows from that says nothing.
    """
    details = error.errors(include_url=False, include_input=False)
    format_alone = [detail for detail in details if detail["type"] == FORMAT_ERROR]
    # A list without its bad items may seem too short.
    bad_items = {
        detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))
    }
    return [
        _rejection(file, root, detail, model)
        for detail in format_alone or details
        if detail["type"] != "too_short" or detail["loc"] not in bad_items
    ]


def _rejection(file: Path, root: Node, detail: ErrorDetails, model: type[BaseModel]) -> Problem:
    problem = problem_at(file, root, detail["loc"], _explain(detail, model))
    if detail["type"] in {WORDING_ERROR, FORMAT_ERROR}:
        values = dict(detail["ctx"])
        return replace(problem, text=values.pop("text"), values=values)
    if detail["type"] in {"missing", "too_short"}:
        return replace(problem, wanted=detail["loc"])
    if detail["type"] == "extra_forbidden" and not QUOTABLE.fullmatch(str(detail["loc"][-1])):
        return replace(problem, location=problem.location[:-1])
    return problem


def _explain(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """What is wrong and what to write instead, in one line; never repeats a value."""
    kind, location, context = detail["type"], detail["loc"], detail.get("ctx", {})
    name = str(location[-1]) if location else ""
    if kind == "extra_forbidden":
        return _INLINE_CREDENTIAL if name == "password" else _unknown_key(name, model, location)
    if kind == "missing":
        return _missing(location[-1])
    if kind == "model_type" and location:
        return f"must hold keys with values; known here: {_listed(model, location)}"
    if kind == "string_pattern_mismatch" and context["pattern"] in FORMS:
        return FORMS[context["pattern"]]
    template = _MESSAGES.get(kind)
    if template is not None:
        return template.format(**context)
    message = detail["msg"].removeprefix("Value error, ")
    for before, after in (("Input should", "must"), ("String should", "must")):
        message = message.replace(before, after)
    return message


_ADDRESS = "must be an address without spaces that begins with "

FORMS = {
    ID_PATTERN: "a name has 1 to 40 of a-z, 0-9 and -; change it",
    r"^[A-Za-z0-9._:-]{1,253}$": "must be the name or address of a host alone, such as "
    "host.example.org, without mqtt:// and port",
    r"^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$": "must be HOST or "
    "HOST:PORT, such as mqtt.example.org:8883, without mqtt://",
    r"^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}$": "must be HOST:PORT, such as "
    "127.0.0.1:9109",
    r"^[A-Za-z_][A-Za-z0-9_]{0,99}$": "must be the name of an environment variable, such as "
    "CAMERA_PASSWORD; the password itself does not belong here",
    r"^/dev/[A-Za-z0-9/_.:-]{1,200}$": "must be the path of a device, such as /dev/video0",
    r"^[A-Za-z0-9@._-]{1,100}\.service$": "must be the name of a systemd service, such as "
    "edge-anpr.service",
    r"^[A-Za-z0-9._-]{1,100}$": "must be a name that `edge-anpr models list` shows, such as "
    "embedded-detector",
    r"^rtsps?://[^\s]{1,1000}$": _ADDRESS + "rtsp:// or rtsps://",
    r"^https?://[^\s]{1,1000}$": _ADDRESS + "http:// or https://",
    r"^(?:rtsp|http)s?://[^\s]{1,1000}$": _ADDRESS + "rtsp://, rtsps://, http:// or https://",
    r"^https://[^\s]{1,1000}$": _ADDRESS + "https://",
    r"^[0-9a-f]{64}$": "must be a SHA-256 digest: 64 of 0-9 and a-f",
}
"""What the patterns of `site.yaml` and `policy.yaml` ask for, in words."""

# For errors whose text in the library is written for programmers.
_MESSAGES = {
    "model_type": "must hold keys with values, such as `site: my-street`; is it the right file?",
    "dict_type": "must hold names with values",
    "tuple_type": "must be a list, such as [a, b]",
    "too_short": "must have at least {min_length} of them",
    "too_long": "must have at most {max_length} of them",
    "int_type": "must be a whole number, without quotes",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number, without quotes",
    "bool_type": "must be true or false",
    "string_type": "must be text; put it in quotes",
    "union_tag_not_found": "{discriminator} is missing; add it",
    "union_tag_invalid": "{discriminator} must be one of {expected_tags}",
}


def _missing(step: int | str) -> str:
    if isinstance(step, int):
        return f"must have {step + 1} values or more"
    return f"{step!r} is missing; add it"


def _unknown_key(name: str, model: type[BaseModel], location: Location) -> str:
    near = nearest(name, _known_keys(model, location[:-1]))
    if near is not None:
        return f"unknown key; did you mean {near!r}?"
    quoted = f" {name!r}" if QUOTABLE.fullmatch(name) else ""
    return f"unknown key{quoted}; known here: {_listed(model, location[:-1])}"


def _listed(model: type[BaseModel], location: Location) -> str:
    return ", ".join(sorted(_known_keys(model, location)))


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=True)


def _known_keys(model: type[BaseModel], location: Location) -> set[str]:
    """The keys that the JSON Schema of a model allows at a location.

    A part of a schema may be one of several ("X or nothing", or one for each value of a tag), which
    pydantic names in the location by a step of its own.
    """
    definitions: dict[str, dict[str, Any]] = _schema(model).get("$defs", {})

    def members(part: dict[str, Any]) -> list[dict[str, Any]]:
        """The part without references, and all that it may be instead."""
        while "$ref" in part:
            part = definitions[part["$ref"].rsplit("/", 1)[-1]]
        options = (*part.get("anyOf", ()), *part.get("oneOf", ()))
        return [part, *(member for option in options for member in members(option))]

    parts = members(_schema(model))
    for step in location:
        tagged = [
            part["discriminator"]["mapping"][step]
            for part in parts
            if step in part.get("discriminator", {}).get("mapping", {})
        ]
        inside = (
            [{"$ref": reference} for reference in tagged]
            or [part["properties"][step] for part in parts if step in part.get("properties", {})]
            or [values for part in parts for values in _values(part, step)]
        )
        parts = [member for part in inside for member in members(part)]
    return {name for part in parts for name in part.get("properties", {})}


def _values(part: dict[str, Any], step: int | str) -> list[dict[str, Any]]:
    """The schemas of an item of a list, or of a value under a free name."""
    if isinstance(step, int):
        positions = part.get("prefixItems", [])
        found = positions[step : step + 1] or [part.get("items")]
    else:
        found = [part.get("additionalProperties"), *part.get("patternProperties", {}).values()]
    return [values for values in found if isinstance(values, dict)]
