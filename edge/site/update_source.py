"""Where a box gets its updates, and where it installs them: the section `updates` of site.yaml.

Every byte from there is checked against signed metadata, so the place needs no login.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edge.formats.strict import Strict
from edge.policy.fields import FilePath, SeenText


class UpdateTrust(Strict):
    """Whose signatures count on a box, and what its updater writes and restarts.

    Where the box's user can write to site.yaml, these come from a file of root.
    """

    root: FilePath = Field(
        default="updates/root.json",
        description="The first root metadata, received from vendor and controller.",
    )
    program: FilePath = Field(
        default="/usr/local/lib/edge-anpr",
        description="The folder with `releases` and the links `current` and `proven`.",
    )
    work: FilePath = Field(
        default="/var/lib/edge-anpr-update",
        description="The folder of metadata, downloads, weights, words and templates.",
    )
    service: str = Field(
        default="edge-anpr.service",
        pattern=r"^[A-Za-z0-9@._-]{1,100}\.service$",
        description="The systemd service of the box.",
    )


class _UpdateSource(UpdateTrust):
    trial_minutes: int = Field(
        default=10,
        ge=1,
        le=120,
        description="How long a new version may take to prove healthy before the box goes back.",
    )


class HttpsUpdates(_UpdateSource):
    """Updates are fetched from a web server."""

    source: Literal["https"]
    url: SeenText = Field(
        pattern=r"^https://[^\s]{1,1000}$",
        description="Address of the folder with `metadata` and `targets`, without user name and "
        "password.",
    )
    tls_ca: FilePath | None = Field(
        default=None,
        description="PEM file of the authorities that the server is verified with; left out: the "
        "system's.",
    )


class FolderUpdates(_UpdateSource):
    """Updates are read from a folder, such as a mounted share or a USB stick."""

    source: Literal["folder"]
    folder: FilePath = Field(description="Relative to the site folder.")


UpdateSource = Annotated[HttpsUpdates | FolderUpdates, Field(discriminator="source")]
