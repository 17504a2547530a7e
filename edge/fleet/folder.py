"""The fleet's folder: where its files lie, and `fleet.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from edge.errors import ConfigError
from edge.formats.enrolment import box_name
from edge.formats.identifiers import Id
from edge.formats.strict import Strict
from edge.formats.yaml_document import read_document

CONFIG_FILE: Final = "fleet.yaml"
INVENTORY_FILES: Final = ("inventory.yaml", "inventory.csv")
LARGEST_FILE: Final = 32 * 1024 * 1024
"""How many bytes a file of a site folder may have."""

SERVER_NAME: Final = r"^[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$"
ServerName = Annotated[str, Field(pattern=SERVER_NAME)]


class FleetConfig(Strict):
    """`fleet.yaml`."""

    schema_: Literal["edge-anpr/fleet/1"] = Field(alias="schema")
    authority: Id
    host: ServerName = Field(description="The name or address at which boxes reach the server.")
    certificate_days: int = Field(
        default=30, ge=1, le=398, description="How long a box's certificate is valid."
    )
    code_hours: int = Field(
        default=72, ge=1, le=24 * 31, description="How long a one-time code is valid."
    )


@dataclass(frozen=True, slots=True)
class FleetFolder:
    """A fleet's folder and its settings."""

    path: Path
    config: FleetConfig

    @classmethod
    def open(cls, path: Path) -> FleetFolder:
        """Read a fleet's folder.

        Raises:
            ConfigError: there is none, or `fleet.yaml` is wrong.
        """
        if not (path / CONFIG_FILE).exists():
            raise ConfigError(
                f"{path}: no fleet there; make one with `edge-anpr fleet init`, or name its folder"
            )
        return cls(path, read_document(path / CONFIG_FILE, FleetConfig).model)

    @property
    def inventory(self) -> Path:
        """The inventory, YAML or CSV.

        Raises:
            ConfigError: there is none, or there are two.
        """
        found = [self.path / name for name in INVENTORY_FILES if (self.path / name).exists()]
        if len(found) != 1:
            both = " and ".join(INVENTORY_FILES)
            raise ConfigError(
                f"{self.path}: has {both}; keep one of them, and delete the other"
                if found
                else f"{self.path}: no inventory; write {' or '.join(INVENTORY_FILES)}"
            )
        return found[0]

    @property
    def templates(self) -> Path:
        """Holds a folder for each template."""
        return self.path / "templates"

    @property
    def boxes(self) -> Path:
        """The public keys of approved boxes, for `desk consume --box-keys`."""
        return self.path / "boxes"

    @property
    def ca(self) -> Path:
        """The authority for certificates: its key, its certificate, its list of revoked ones."""
        return self.path / "ca"

    @property
    def register(self) -> Path:
        """The database of codes, requests and certificates."""
        return self.path / "register.sqlite3"

    @property
    def access_list(self) -> Path:
        """Who may publish and read which topic, for mosquitto's `acl_file`."""
        return self.path / "broker.acl"

    def site(self, site: str, box: str) -> Path:
        """The rendered site folder of a box."""
        return self.path / "sites" / box_name(site, box)
