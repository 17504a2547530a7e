"""Privacy-by-design number plate recognition (ANPR) on a roadside box.

The names in `__all__` are the public API: docs/api.md. They are imported when they are used, so
that `import edge` is quick and needs no extra. Everything else may change between versions.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.api import (
        load_models,
        open_hit,
        read_plates,
        verify_audit_log,
        verify_evidence_pack,
        verify_hit,
    )
    from edge.errors import EdgeError

    __version__: str

__all__ = [
    "EdgeError",
    "__version__",
    "load_models",
    "open_hit",
    "read_plates",
    "verify_audit_log",
    "verify_evidence_pack",
    "verify_hit",
]


if not TYPE_CHECKING:  # so that a type checker still finds misspelt names

    def __getattr__(name: str) -> object:
        if name == "__version__":
            return import_module("edge.adapters.host.system").product_version()
        if name not in __all__:
            message = f"module 'edge' has no attribute {name!r}"
            raise AttributeError(message)
        module = "edge.errors" if name == "EdgeError" else "edge.api"
        return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
