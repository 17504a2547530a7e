"""Updates of one box: what there is for it, what may be installed now, and installing it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.adapters.host.metrics_server import Listen
from edge.site.folder import BoxFolders, resolved
from edge.site.update_source import UpdateSource
from edge.updates.client import TrustedUpdates, trusted_updates
from edge.updates.journal import Ended, Journal, load_journal
from edge.updates.ports import BoxService, HealthProbe, MetricsProbe, SystemdService
from edge.updates.problems import UpdateError, UpdateStateError
from edge.updates.slots import Slot
from edge.updates.switching import TrialTerms, VersionChanger
from edge.updates.targets import ANY, KINDS, Kind, Offer, newest, this_platform, version_key
from edge.updates.waves import is_open

_ROOM: Final = 6
"""An archive, its wheels, and what is installed from them need so many times its size."""


@dataclass(frozen=True, slots=True)
class UpdateFound:
    """The newest version of a kind for this box, if there is one.

    Attributes:
        kind: what it is.
        current: the version in use; None: there is none.
        newer: the newer version; None: there is none.
        open: whether this box may install it now.
    """

    kind: Kind
    current: str | None
    newer: str | None
    open: bool

    def line(self) -> str:
        """For a person."""
        now = f"{self.kind}: {self.current or 'none'}"
        if self.newer is None:
            return f"{now}, nothing newer"
        return f"{now}, {self.newer} is signed and {'open' if self.open else 'not open yet'}"

    def shown(self) -> dict[str, object]:
        """As JSON."""
        return {
            "kind": self.kind, "current": self.current, "newer": self.newer, "open": self.open
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """The versions in use and what the updater remembers."""

    versions: dict[Kind, str | None]
    journal: Journal

    def as_json(self) -> dict[str, Any]:
        return {"versions": self.versions, **self.journal.model_dump(exclude={"schema_"})}

    def lines(self) -> Iterator[str]:
        """For a person."""
        for kind, version in self.versions.items():
            yield f"{kind}: {version or 'none'}"
        change, last = self.journal.change, self.journal.last
        if change is not None:
            yield f"under way: {change.name}, {change.phase}; `edge-anpr update install` goes on"
        if last is not None:
            why = f": {last.why}" if last.why else ""
            yield f"last: {last.target} {last.outcome} at {last.at}{why}"
        for name, why in self.journal.failed.items():
            yield f"not tried again: {name}: {why}"


class BoxUpdates:
    """The updates of one box.

    Args:
        site: the site folder.
        folders: its folders.
        source: the section `updates` of site.yaml.
        listen: `telemetry.listen` of site.yaml.
        service: the service; None: the one that site.yaml names, under systemd.
        probe: the state of the box; None: over HTTP.
        terms: when a new version is healthy; None: as site.yaml says.
    """

    def __init__(
        self,
        site: Path,
        folders: BoxFolders,
        source: UpdateSource,
        listen: str,
        *,
        service: BoxService | None = None,
        probe: HealthProbe | None = None,
        terms: TrialTerms | None = None,
    ) -> None:
        self.work = resolved(site, source.work)
        self._site = site
        self._name = (folders.site, folders.box)
        self._source = source
        program = resolved(site, source.program)
        self._slots: dict[Kind, Slot] = {one: Slot(one, program, self.work) for one in KINDS}
        where = Listen.parse(listen)
        self._changer = VersionChanger(
            self._slots,
            self.work,
            folders.state,
            service or SystemdService(source.service),
            probe or MetricsProbe(where.host, where.port, folders.state),
            terms=terms or TrialTerms(longest_s=source.trial_minutes * 60.0),
        )

    def check(self) -> list[UpdateFound]:
        """What is newer than what is in use.

        Raises:
            UpdateError: the metadata cannot be fetched, or is refused.
        """
        return [found for found, _ in self._found(trusted_updates(self._source, self._site))]

    def install(self) -> list[Ended]:
        """Finish what is under way, then install what is newer and open.

        After a version that failed nothing else is begun.

        Raises:
            UpdateError: nothing could be fetched, or an archive is not usable.
        """
        begun = self._changer.resume()
        ended = [] if begun is None else [begun]
        if begun is not None and begun.outcome != "installed":
            return ended
        trusted = trusted_updates(self._source, self._site)
        for found, offer in list(self._found(trusted)):
            if offer is None or not found.open:
                continue
            one = self._installed(trusted, offer)
            ended += [] if one is None else [one]
            if one is not None and one.outcome != "installed":
                break
        return ended

    def rollback(self, kind: str) -> Ended:
        """Go back to the newest older version that is still here.

        Raises:
            UpdateError: there is none, or this kind is not switched.
        """
        slot = next((one for name, one in self._slots.items() if name == kind), None)
        if slot is None or not slot.switched:
            raise UpdateError("--kind: write release, weights or words")
        self._changer.resume()
        current = slot.current()
        older = [
            one
            for one in slot.complete()
            if current is not None and version_key(one) < version_key(current)
        ]
        if not older:
            raise UpdateError(f"no older version of {kind} is on this box; install one by hand")
        return self._changer.go_back(slot.kind, max(older, key=version_key))

    def status(self) -> UpdateStatus:
        """The versions in use, and what the updater remembers."""
        versions = {kind: self._version(slot) for kind, slot in self._slots.items()}
        return UpdateStatus(versions, load_journal(self.work))

    def _found(self, trusted: TrustedUpdates) -> Iterator[tuple[UpdateFound, Offer | None]]:
        offers, waves = trusted.refresh(), trusted.waves()
        failed = load_journal(self.work).failed
        for kind, slot in self._slots.items():
            current = self._version(slot)
            usable = [one for one in offers if one.facts.name not in failed]
            opened = [one for one in usable if is_open(waves, one.facts.name, *self._name)]
            platforms = {ANY, this_platform()}
            now = newest(opened, kind, above=current, platforms=platforms)
            offer = now or newest(usable, kind, above=current, platforms=platforms)
            newer = None if offer is None else offer.facts.version
            yield UpdateFound(kind, current, newer, now is not None), offer

    def _installed(self, trusted: TrustedUpdates, offer: Offer) -> Ended | None:
        """Download, prepare and try one archive; None for what is only laid down.

        An archive that is signed but not usable is not tried again.
        """
        slot, facts = self._slots[offer.facts.kind], offer.facts
        if not slot.has(facts.version):
            self._require_room(offer, slot)
            archive = self.work / "download" / f"{facts.kind}-{facts.version}.zip"
            trusted.download(offer, archive)
            try:
                slot.prepare(archive, facts)
            except UpdateStateError:
                raise  # of this machine, such as a full disk: worth another try
            except UpdateError as error:
                return self._changer.refuse(facts.name, error.message)
            finally:
                archive.unlink(missing_ok=True)
        if slot.switched:
            return self._changer.change(facts.kind, facts.version)
        slot.prune()
        return None

    def _require_room(self, offer: Offer, slot: Slot) -> None:
        """Refuse an archive before its download if it cannot fit.

        Raises:
            UpdateStateError: `E_DISK_FULL`.
        """
        needed = offer.file.length * _ROOM
        for folder in (self.work, slot.versions):
            while not folder.exists():
                folder = folder.parent  # noqa: PLW2901 - the first that exists
            if shutil.disk_usage(folder).free < needed:
                raise UpdateStateError(
                    f"{folder}: {offer.facts.name} needs {needed // 2**20} MiB of free disk space; "
                    "free some",
                    code="E_DISK_FULL",
                )

    @staticmethod
    def _version(slot: Slot) -> str | None:
        return slot.current() if slot.switched else slot.newest()
