"""The base classes of documents and messages: pydantic models that refuse unknown keys."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Strict(BaseModel):
    """A part of a document: immutable, unknown keys are refused, errors never quote a value."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class Grown(Strict):
    """A part of a document to which fields were added: those that are None are not written.

    So a document without them keeps the bytes, the digest and the signatures that it had before.
    """

    added: ClassVar[frozenset[str]]
    """The names of these fields, under which they are written too."""

    @model_serializer(mode="wrap")
    def _without_added(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        return {
            name: value
            for name, value in written.items()
            if value is not None or name not in self.added
        }


class StrictMessage(Strict):
    """A part of a document that programs exchange: no value is converted to another type."""

    model_config = ConfigDict(strict=True, populate_by_name=True)
