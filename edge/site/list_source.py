"""Where a box fetches the bodies of lists that many boxes share: the section `lists` of site.yaml.

A body is encrypted, and a signed manifest names its digest. So the place needs no login, and this
section holds none.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from edge.formats.strict import Strict
from edge.policy.fields import FilePath, SeenText


class HttpsLists(Strict):
    """Bodies are fetched from a web server."""

    source: Literal["https"]
    url: SeenText = Field(
        pattern=r"^https://[^\s]{1,1000}$",
        description="Address of the folder with the bodies, without user name and password.",
    )
    tls_ca: FilePath | None = Field(
        default=None,
        description="PEM file of the authorities that the server is verified with; left out: the "
        "system's.",
    )


class FolderLists(Strict):
    """Bodies are read from a folder, such as a mounted share."""

    source: Literal["folder"]
    folder: FilePath = Field(description="Relative to the site folder.")


class MqttLists(Strict):
    """Bodies come in parts from the MQTT broker of the section `broker`."""

    source: Literal["mqtt"]


ListSource = Annotated[HttpsLists | FolderLists | MqttLists, Field(discriminator="source")]


def list_address_mistake(url: str) -> str | None:
    """What is wrong with the address of the bodies, or None. It is never repeated."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        (parts.hostname or "").encode("idna")  # as a lookup does: no label empty or too long
    except ValueError:
        usable, parts = False, None
    if parts is not None and ("@" in parts.netloc or parts.query or parts.fragment):
        return (
            "no user name, password, `?` or `#` belongs in this address; remove it, because what "
            "is there needs no login"
        )
    if not usable or not url.isascii():
        return "not an address; write it like https://files.example.org/anpr"
    return None
