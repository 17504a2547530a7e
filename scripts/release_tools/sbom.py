"""The software bill of materials (SBOM): CycloneDX 1.6, made from a lock of requirements/."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from scripts.release_tools.errors import ReleaseError

MARKER = "edge-anpr:marker"
"""The property that says where a package is installed, in the words of PEP 508."""


@dataclass(frozen=True, order=True)
class Locked:
    """One package of a lock."""

    name: str
    version: str
    marker: str


def read_lock(text: str) -> list[Locked]:
    """The packages of a lock; more than one version of a package where Python versions differ.

    Raises:
        ReleaseError: a line is no requirement with one exact version.
    """
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        stated = line.partition("--hash=")[0].strip()
        if not stated:
            continue
        try:
            requirement = Requirement(stated)
        except InvalidRequirement as error:
            raise ReleaseError(f"the lock holds {stated!r}: run scripts/lock ({error})") from error
        pins = list(requirement.specifier)
        if len(pins) != 1 or pins[0].operator != "==":
            raise ReleaseError(f"the lock pins no exact version in {stated!r}: run scripts/lock")
        marker = str(requirement.marker or "")
        found.append(Locked(canonicalize_name(requirement.name), pins[0].version, marker))
    return sorted(found)


def bill_of_materials(lock: str, version: str, commit_time: int) -> str:
    """The bill as a JSON text, the same for the same lock, version and commit time.

    Args:
        lock: text of the lock file.
        version: of edge-anpr.
        commit_time: seconds since 1970; becomes the bill's timestamp.

    Raises:
        ReleaseError: the lock cannot be read.
    """
    product = Component(
        type=ComponentType.APPLICATION,
        name="edge-anpr",
        version=version,
        bom_ref="edge-anpr",
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
        purl=PackageURL("pypi", name="edge-anpr", version=version),
    )
    components = [_component(each) for each in read_lock(lock)]
    bom = Bom(
        serial_number=uuid5(NAMESPACE_URL, f"edge-anpr {version} {commit_time}\n{lock}"),
        metadata=BomMetaData(
            component=product, timestamp=datetime.fromtimestamp(commit_time, tz=timezone.utc)
        ),
        components=components,
    )
    bom.register_dependency(product, components)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def differences(bill: str, lock: str) -> list[str]:
    """How a bill and a lock differ, one line each; empty when they hold the same versions."""
    listed = {(each["name"], each["version"]) for each in json.loads(bill).get("components", [])}
    locked = {(each.name, each.version) for each in read_lock(lock)}
    return [
        *_lines("the bill of materials lacks", locked - listed),
        *_lines("the lock lacks", listed - locked),
    ]


def _lines(text: str, packages: set[tuple[str, str]]) -> Sequence[str]:
    return [f"{text} {name} {version}" for name, version in sorted(packages)]


def _component(locked: Locked) -> Component:
    purl = PackageURL("pypi", name=locked.name, version=locked.version)
    return Component(
        type=ComponentType.LIBRARY,
        name=locked.name,
        version=locked.version,
        bom_ref=purl.to_string(),
        purl=purl,
        properties=[Property(name=MARKER, value=locked.marker)] if locked.marker else None,
    )
