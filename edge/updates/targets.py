"""What boxes can install: its kinds, versions, and paths in the repository.

release/0.2.0/cp311-linux_x86_64.zip     the product with every package that it needs
weights/1.4.0/any.zip                    networks with their manifest.toml
words/1.0.1/any.zip                      the sentences of every language
policy-templates/2.0.0/any.zip           files for the people who write a policy
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError
from tuf.api.metadata import TargetFile

from edge.formats.strict import StrictMessage
from edge.updates.problems import UpdateError

Kind = Literal["release", "weights", "words", "policy-templates"]
KINDS: Final[tuple[Kind, ...]] = ("release", "weights", "words", "policy-templates")

LARGEST_BYTES: Final = 2 * 1024**3
"""The largest archive of an update, bytes."""

ANY: Final = "any"
"""The platform of what runs everywhere."""

_VERSION: Final = re.compile(r"[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}")

VersionText = Annotated[str, Field(pattern=rf"^{_VERSION.pattern}$")]
PlatformText = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]


class TargetFacts(StrictMessage):
    """What the signed metadata says of one archive."""

    kind: Kind
    version: VersionText
    platform: PlatformText = ANY

    @property
    def name(self) -> str:
        """Kind and version, such as `release/0.2.0`."""
        return f"{self.kind}/{self.version}"

    @property
    def path(self) -> str:
        """The archive's path below the repository's targets."""
        return f"{self.name}/{self.platform}.zip"


@dataclass(frozen=True, slots=True)
class Offer:
    """An archive that vendor and controller have both signed."""

    facts: TargetFacts
    file: TargetFile


def version_key(version: str) -> tuple[int, ...]:
    """A version as numbers, for comparing.

    Raises:
        UpdateError: it is not three numbers with dots.
    """
    if not _VERSION.fullmatch(version):
        raise UpdateError(f"{version[:40]!r} is no version; write three numbers, such as 0.2.0")
    return tuple(map(int, version.split(".")))


def this_platform() -> str:
    """The platform of this interpreter and machine, such as `cp311-linux_x86_64`."""
    major, minor = sys.version_info[:2]
    return f"cp{major}{minor}-{sys.platform}_{platform.machine()}".lower()


def offers_in(targets: Iterable[tuple[str, TargetFile]]) -> tuple[Offer, ...]:
    """The archives that top-level targets metadata names.

    What another program may use, an entry without our facts, is left out.

    Raises:
        UpdateError: an entry's path does not follow from its facts, or it is too large.
    """
    found = []
    for path, file in targets:
        if path.partition("/")[0] not in KINDS:
            continue
        try:
            facts = TargetFacts.model_validate(file.custom)
        except ValidationError:
            raise UpdateError(
                f"the signed metadata has no usable facts of {path[:80]!r}; have it signed again"
            ) from None
        if facts.path != path:
            raise UpdateError(
                f"the signed metadata calls {path[:80]!r} {facts.path}; have it signed again"
            )
        if file.length > LARGEST_BYTES:
            raise UpdateError(f"{path}: {file.length} bytes are over the limit {LARGEST_BYTES}")
        found.append(Offer(facts, file))
    return tuple(found)


def newest(
    offers: Iterable[Offer],
    kind: Kind,
    *,
    above: str | None,
    platforms: Collection[str],
) -> Offer | None:
    """The newest archive of a kind that is newer than what is installed, or None.

    Args:
        offers: those to choose from.
        kind: the wanted kind.
        above: the installed version; None: there is none.
        platforms: those that this box can use.
    """
    floor = () if above is None else version_key(above)
    fitting = [
        one
        for one in offers
        if one.facts.kind == kind
        and one.facts.platform in platforms
        and version_key(one.facts.version) > floor
    ]
    return max(fitting, key=lambda one: version_key(one.facts.version), default=None)
