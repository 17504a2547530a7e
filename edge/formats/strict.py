"""The base classes of documents and messages: pydantic models that refuse unknown keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A part of a document: immutable, unknown keys are refused, errors never quote a value."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class StrictMessage(Strict):
    """A part of a document that programs exchange: no value is converted to another type."""

    model_config = ConfigDict(strict=True, populate_by_name=True)
