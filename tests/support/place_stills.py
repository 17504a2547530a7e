"""Stills of empty places, as a policy approves them."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from PIL import Image

APPROVED = "2026-01-10"


def still_jpeg(
    width: int = 320, height: int = 180, grey: int = 90, *, noise: bool = False, **options: Any
) -> bytes:
    """A JPEG of a road under a sky, or of noise; `options` are Pillow's."""
    picture = Image.new("RGB", (width, height), (grey, grey, grey))
    picture.paste((200, 180, 160), (0, 0, width, height // 3))
    if noise:
        picture = Image.effect_noise((width, height), 90).convert("RGB")
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


def approval(jpeg: bytes) -> dict[str, str]:
    """What `policy.yaml` says of it."""
    return {"sha256": hashlib.sha256(jpeg).hexdigest(), "approved": APPROVED}
