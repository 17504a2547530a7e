"""The authority's side: makes, signs and publishes the metadata of updates.

    FOLDER/pending/root.json, targets.json    waits for signatures of vendor and controller
    FOLDER/public/metadata, public/targets    what a web server serves
    FOLDER/publish.lock                       held while a command changes them

Root and targets need two keys, the vendor's and the controller's. Snapshot, timestamp and waves
need the online key. Published files have a version or digest in their names and are never changed,
except timestamp.json, which is replaced last. So an upload that stops half way changes nothing for
a box.

A box takes no metadata of a version below one that it has seen. So where a published file is lost,
nothing that follows it is made from an older one.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from edge.adapters.state.state_folder import exclusive, locked_folder
from edge.formats.atomic_files import remove_strays, replacing, write_file
from edge.formats.regular_files import open_regular_file
from edge.formats.signing import PublicKey, SigningKey
from edge.updates.metadata_files import metadata_bytes, read_bytes, read_metadata
from edge.updates.problems import UpdateError, UpdateSignatureError, UpdateStateError, explained
from edge.updates.signing import (
    ReleaseKeys,
    lacks_online,
    lacks_signatures,
    sign_metadata,
    tuf_key,
)
from edge.updates.targets import LARGEST_BYTES, TargetFacts
from edge.updates.waves import PATH, PATTERN, ROLE, WavesDocument, parse_waves

ROOT_DAYS: Final = 365
TARGETS_DAYS: Final = 180
SNAPSHOT_DAYS: Final = 30
TIMESTAMP_DAYS: Final = 7
"""How long metadata is valid. A box whose metadata has expired installs nothing."""

BOTH: Final = 2
"""How many keys sign root and targets: the vendor's and the controller's."""

_BLOCK: Final = 1024 * 1024
_OFFLINE: Final = ("root", "targets")
_COPY: Final = "copy it back from the web server that serves it, or from a backup"
_AnySigned = TypeVar("_AnySigned", Root, Targets, Snapshot, Timestamp)


@dataclass(frozen=True, slots=True)
class Published:
    """What was published.

    Attributes:
        version: of the new timestamp.
        waiting: what still lacks signatures, a line each.
    """

    version: int
    waiting: tuple[str, ...]


class ReleaseRepository:
    """A folder with the metadata of updates.

    Args:
        folder: the repository's folder.
        now: the time.
    """

    def __init__(self, folder: Path, now: datetime) -> None:
        self.folder = folder
        self.public = folder / "public"
        self.metadata = self.public / "metadata"
        self.targets = self.public / "targets"
        self.pending = folder / "pending"
        self._now = now.replace(microsecond=0)

    # --- root and targets: prepared here, signed elsewhere ------------------------------------

    def begin(self, keys: ReleaseKeys) -> tuple[Path, Path]:
        """Prepare the first root and targets, unsigned; returns their files.

        Raises:
            UpdateError: there is a repository already, or two keys are the same.
        """
        keys.require_separate()
        with explained(self.folder):
            self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with self._alone():
            # A command that was killed has left one of the two files at most.
            if self.public.exists() or all(map(Path.exists, map(self._pending, _OFFLINE))):
                raise UpdateError(f"{self.folder}: a repository already; name a new folder")
            return self._begun(keys)

    def _begun(self, keys: ReleaseKeys) -> tuple[Path, Path]:
        offline = [keys.vendor, keys.controller]
        root = Root(expires=self._in(ROOT_DAYS), consistent_snapshot=True)
        for role in ("root", "targets"):
            for key in offline:
                root.add_key(tuf_key(key), role)
            root.roles[role].threshold = BOTH
        for role in ("snapshot", "timestamp"):
            root.add_key(tuf_key(keys.online), role)
        targets = Targets(expires=self._in(TARGETS_DAYS), delegations=_delegations(keys.online))
        return self._await(root), self._await(targets)

    def add(self, archive: Path, facts: TargetFacts) -> Path:
        """Prepare targets that also offer an archive, and put the archive where it is served.

        Raises:
            UpdateError: this version is offered already, or the archive is missing or too large.
        """
        with self._alone():
            targets = self._next_targets()
            if facts.path in targets.targets:
                told = "offered already; a version is never replaced, so choose a newer one"
                raise UpdateError(f"{facts.path}: {told}")
            size, digest = self._serve(archive, facts.path)
            file = TargetFile(size, {"sha256": digest}, facts.path, {"custom": facts.model_dump()})
            targets.targets[facts.path] = file
            return self._await(targets)

    def withdraw(self, path: str) -> Path:
        """Prepare targets that no longer offer an archive.

        Raises:
            UpdateError: it is not offered.
        """
        with self._alone():
            targets = self._next_targets()
            if targets.targets.pop(path, None) is None:
                offered = ", ".join(sorted(targets.targets)) or "nothing"
                raise UpdateError(f"{path}: not offered; offered is {offered}")
            return self._await(targets)

    def renew(self, *, root: bool = False) -> tuple[Path, ...]:
        """Prepare the same targets, and the same root if wanted, with a later end."""
        with self._alone():
            renewed = [self._await(self._next_targets())]
            if root:
                renewed.append(self._await(self._next_root()))
            return tuple(renewed)

    def rotate(self, old: PublicKey, new: PublicKey, *, online: bool = False) -> tuple[Path, ...]:
        """Prepare a root in which a key is replaced, and targets under it.

        The new root needs the signatures of both keys of the root before and of both of its own.

        Args:
            old: the key that leaves.
            new: the key that comes.
            online: whether it is the online key, not the vendor's or controller's.

        Raises:
            UpdateError: the old key is no such key, or the new one is in use.
        """
        with self._alone():
            return self._rotated(old, new, online=online)

    def _rotated(self, old: PublicKey, new: PublicKey, *, online: bool) -> tuple[Path, ...]:
        root, targets = self._next_root(), self._next_targets()
        roles = ("snapshot", "timestamp") if online else ("root", "targets")
        if new.key_id in root.keys:
            raise UpdateError(f"key {new.key_id} is in use already; make a new one")
        for role in roles:
            if old.key_id not in root.roles[role].keyids:
                raise UpdateError(f"key {old.key_id} does not sign {role}; name the key that does")
            root.revoke_key(old.key_id, role)
            root.add_key(tuf_key(new), role)
        if online:
            targets.delegations = _delegations(new)
        return self._await(root), self._await(targets)

    # --- published ----------------------------------------------------------------------------

    def publish(self, online: SigningKey, document: WavesDocument | None = None) -> Published:
        """Publish what is pending and signed by all who must, with new snapshot and timestamp.

        What still lacks a signature keeps waiting, and stops nothing: what was published before
        becomes valid for longer, and waves can be halted at any time.

        Args:
            online: the online key.
            document: new waves; None: those in force stay.

        Raises:
            UpdateSignatureError: the online key is another one.
            UpdateError: nothing was ever published, and not all is signed.
            UpdateStateError: a published file is lost or damaged.
        """
        with self._alone():
            self._require_whole()
            waiting: list[str] = []
            root, targets = self._chosen(online, waiting)
            self._require_served(targets.signed)
            for chosen in (root, targets):
                before = self.newest(chosen.signed.type)
                if before is None or before.signed != chosen.signed:
                    self._publish(chosen)
            role = self._publish_waves(targets.signed, online, document)
            meta = {
                "targets.json": MetaFile(targets.signed.version),
                f"{ROLE}.json": MetaFile(role.signed.version),
            }
            snapshot = self._next(Snapshot, Snapshot(expires=self._in(SNAPSHOT_DAYS)))
            snapshot.meta = meta
            self._publish(self._signed(snapshot, online, root.signed))
            timestamp = self._next(Timestamp, Timestamp(expires=self._in(TIMESTAMP_DAYS)))
            # Each publication has both, the snapshot first. So this is right if timestamp.json is
            # lost too.
            timestamp.version = max(timestamp.version, snapshot.version)
            timestamp.snapshot_meta = MetaFile(snapshot.version)
            self._publish(self._signed(timestamp, online, root.signed))
            for published in (root, targets):
                self._forget(published)
            return Published(timestamp.version, tuple(dict.fromkeys(waiting)))

    def waves(self) -> WavesDocument:
        """The waves in force; none before the first."""
        found = self.newest(ROLE)
        if found is None:
            return WavesDocument()
        file = found.signed.targets[PATH]
        path = self.targets / _hashed(PATH, file.hashes["sha256"])
        content = read_bytes(path) if path.exists() else b""
        if hashlib.sha256(content).hexdigest() != file.hashes["sha256"]:
            raise UpdateStateError(f"{path}: missing or damaged; {_COPY}")
        return parse_waves(content)

    def is_finished(self) -> bool:
        """Whether boxes see all of the newest publication; not if it was interrupted."""
        roles = ("timestamp", "snapshot", ROLE)
        timestamp, snapshot, role = (one and one.signed for one in map(self.newest, roles))
        return (timestamp and timestamp.snapshot_meta.version, role and role.version) == (
            snapshot and snapshot.version,
            snapshot and snapshot.meta[f"{ROLE}.json"].version,
        )

    def offered(self) -> Mapping[str, TargetFile]:
        """The published archives by their paths."""
        found = self.newest("targets")
        return {} if found is None else dict(found.signed.targets)

    def _chosen(
        self, online: SigningKey, waiting: list[str]
    ) -> tuple[Metadata[Root], Metadata[Targets]]:
        """The newest root and targets that boxes accept together; nothing is written.

        A root that is published before its targets and its online key would stop every box.

        Raises:
            UpdateSignatureError: there are none under which this online key counts.
            UpdateError: there is no repository.
        """
        pending: Metadata[Targets] | None = self._readable(self._pending("targets"), waiting)
        offered = (pending, self.newest("targets"))
        for root in self._complete_roots(waiting):
            for targets in filter(None, offered):
                lacks = lacks_signatures(root.signed, "targets", targets)
                lacks = lacks or lacks_online(root.signed, targets.signed, online)
                if lacks is None:
                    return root, targets
                waits = self._pending("targets" if targets is pending else "root")
                waiting.append(f"{waits}: {lacks}")
        raise self._nothing(waiting)

    def _complete_roots(self, waiting: list[str]) -> list[Metadata[Root]]:
        """The pending root if all who must have signed it, and the published one."""
        before: Metadata[Root] | None = self.newest("root")
        pending: Metadata[Root] | None = self._readable(self._pending("root"), waiting)
        published = [] if before is None else [before]
        if pending is None:
            return published
        for judge in (pending, *published):
            lacks = lacks_signatures(judge.signed, "root", pending)
            if lacks is not None:
                waiting.append(f"{self._pending('root')}: {lacks}")
                return published
        return [pending, *published]

    def _require_whole(self) -> None:
        """Refuse to go on from less than boxes may have seen.

        Raises:
            UpdateStateError: published metadata is lost.
        """
        timestamp, snapshot = self.newest("timestamp"), self.newest("snapshot")
        roots = self._versions("root")
        wanted = [f"{one}.root.json" for one in range(1, max(roots, default=0))]
        if timestamp is not None:
            wanted.append(f"{timestamp.signed.snapshot_meta.version}.snapshot.json")
        if snapshot is not None:
            wanted += [f"{one.version}.{name}" for name, one in snapshot.signed.meta.items()]
        for name in wanted:
            if not (self.metadata / name).exists():
                raise UpdateStateError(f"{self.metadata / name}: missing; {_COPY}")

    def _require_served(self, targets: Targets) -> None:
        """Refuse targets of which an archive is not where it is served.

        Raises:
            UpdateStateError: it is missing or cut off.
        """
        for path, file in targets.targets.items():
            served = self.targets / _hashed(path, file.hashes["sha256"])
            if not served.is_file() or served.stat().st_size != file.length:
                raise UpdateStateError(f"{served}: missing or cut off; {_COPY}")

    def _nothing(self, waiting: list[str]) -> UpdateError:
        """The error of a repository of which nothing can be published."""
        if waiting:
            return UpdateSignatureError("; ".join(dict.fromkeys(waiting)))
        return UpdateError(f"{self.folder}: no repository; `fleet release init` makes one")

    def _forget(self, published: Metadata[Any]) -> None:
        """Remove the pending file of what is published."""
        file = self._pending(published.signed.type)
        pending = self._readable(file, [])
        if pending is not None and pending.signed == published.signed:
            file.unlink()

    def _publish_waves(
        self, targets: Targets, online: SigningKey, document: WavesDocument | None
    ) -> Metadata[Targets]:
        before: Metadata[Targets] | None = self.newest(ROLE)
        content = (document or self.waves()).to_bytes()
        digest = hashlib.sha256(content).hexdigest()
        file = TargetFile(len(content), {"sha256": digest}, PATH)
        role = Targets(expires=self._in(SNAPSHOT_DAYS), targets={PATH: file})
        if before is not None:
            role.version = before.signed.version + 1
        self._write(self.targets / _hashed(PATH, digest), content)
        signed = self._signed(role, online, targets, ROLE)
        self._publish(signed, ROLE)
        return signed

    def _signed(
        self,
        content: Targets | Snapshot | Timestamp,
        online: SigningKey,
        judge: Root | Targets,
        role: str | None = None,
    ) -> Metadata[Any]:
        made: Metadata[Any] = Metadata(content)
        sign_metadata(made, online)
        if lacks_signatures(judge, role or content.type, made) is not None:
            raise UpdateSignatureError(
                f"--online-key: key {online.public.key_id} of {online.signer} is not the online "
                "key of this repository; name the file of that key"
            )
        return made

    # --- files --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other command change the repository meanwhile; remove what killed ones left.

        Raises:
            UpdateError: there is no such folder.
        """
        if not self.folder.is_dir():
            raise self._nothing([])
        with exclusive(self.folder / "publish.lock"):
            with explained(self.folder):
                self.pending.mkdir(mode=0o755, exist_ok=True)
                for folder in filter(Path.is_dir, self.public.rglob("*")):
                    remove_strays(folder, "")
            with locked_folder(self.pending):  # as `release sign` does
                yield

    def _next(self, kind: type[_AnySigned], fresh: _AnySigned) -> _AnySigned:
        before = self.newest(kind.type)
        if before is not None:
            fresh.version = before.signed.version + 1
        return fresh

    def _next_root(self) -> Root:
        root: Root = self._following("root", ROOT_DAYS)
        return root

    def _next_targets(self) -> Targets:
        targets: Targets = self._following("targets", TARGETS_DAYS)
        return targets

    def _following(self, role: str, days: int) -> Any:  # noqa: ANN401 - Root or Targets
        """What is pending, without its signatures, or what follows what is published."""
        self._require_whole()
        published, pending = self.newest(role), self._load(self._pending(role))
        chosen = pending or published
        if chosen is None:
            raise UpdateError(f"{self.folder}: no repository; `fleet release init` makes one")
        following = chosen.signed
        following.version = 1 if published is None else published.signed.version + 1
        following.expires = self._in(days)
        return following

    def _await(self, content: Root | Targets) -> Path:
        """Write metadata that waits for its signatures."""
        file = self._pending(content.type)
        self._write(file, metadata_bytes(Metadata(content)))
        return file

    def _pending(self, role: str) -> Path:
        return self.pending / f"{role}.json"

    def newest(self, role: str) -> Metadata[Any] | None:
        """The published metadata of a role, or None."""
        if role == "timestamp":
            name = "timestamp.json"
        elif versions := self._versions(role):
            name = f"{max(versions)}.{role}.json"
        else:
            return None
        try:
            return self._load(self.metadata / name)
        except UpdateStateError:
            raise UpdateStateError(f"{self.metadata / name}: damaged; {_COPY}") from None

    def _versions(self, role: str) -> list[int]:
        """The versions of a role that were published."""
        found = (file.name.split(".")[0] for file in self.metadata.glob(f"*.{role}.json"))
        return [int(number) for number in found if number.isdecimal()]

    def _load(self, file: Path) -> Metadata[Any] | None:
        return read_metadata(file) if file.exists() else None

    def _readable(self, file: Path, waiting: list[str]) -> Metadata[Any] | None:
        """What is pending; a damaged file waits to be replaced, and stops nothing else."""
        try:
            return self._load(file)
        except UpdateStateError as error:
            waiting.append(error.message)
            return None

    def _publish(self, metadata: Metadata[Any], role: str | None = None) -> None:
        name = role or metadata.signed.type
        versioned = name if name == "timestamp" else f"{metadata.signed.version}.{name}"
        self._write(self.metadata / f"{versioned}.json", metadata_bytes(metadata))

    def _serve(self, archive: Path, path: str) -> tuple[int, str]:
        """Copy an archive to where it is served; returns its size and SHA-256 digest."""
        digest, size = hashlib.sha256(), 0
        if not archive.is_file():
            raise UpdateError(f"{archive}: no such file; name the archive to offer")
        with explained(archive), open_regular_file(archive) as source:
            while block := source.read(_BLOCK):
                digest.update(block)
                size += len(block)
            if size > LARGEST_BYTES:
                raise UpdateError(f"{archive}: {size} bytes are over the limit {LARGEST_BYTES}")
            file = self.targets / _hashed(path, digest.hexdigest())
            source.seek(0)
            with explained(file):
                file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                with replacing(file, mode=0o644) as served:
                    while block := source.read(_BLOCK):
                        served.write(block)
        return size, digest.hexdigest()

    def _write(self, file: Path, content: bytes) -> None:
        with explained(file):
            file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_file(file, content, mode=0o644)

    def _in(self, days: int) -> datetime:
        return self._now + timedelta(days=days)


def _delegations(online: PublicKey) -> Delegations:
    role = DelegatedRole(ROLE, [online.key_id], 1, terminating=True, paths=[PATTERN])
    return Delegations({online.key_id: tuf_key(online)}, {ROLE: role})


def _hashed(path: str, digest: str) -> str:
    """The name under which a target is served: with its digest before its own name."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/{digest}.{name}"
