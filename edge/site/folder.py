"""A site's folder: policy.yaml, site.yaml and the lists, read together and held together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from edge.domain.lists import ListEntry
from edge.domain.rules import Rule
from edge.errors import ConfigError
from edge.formats.problems import Location, MistakesError, Problem, refuse
from edge.formats.yaml_document import (
    MAX_BYTES,
    Document,
    Draft,
    parse_draft,
    read_document,
    read_text,
)
from edge.policy.checklist import coded
from edge.policy.checklist import problems as policy_problems
from edge.policy.contradictions import unknown_name
from edge.policy.lists import CODE as LIST_CODE
from edge.policy.lists import read_list
from edge.policy.model import PlateList, Policy
from edge.site.settings import HttpCamera, RtspCamera, Site
from edge.site.settings import contradictions as site_contradictions

POLICY_FILE = "policy.yaml"
CREDENTIAL = "credential:"
"""How site.yaml names what systemd's `LoadCredential=` brings: passwords, a client's TLS key."""
SITE_FILE = "site.yaml"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files for the connection to the broker; absent ones are None."""

    ca: Path | None
    certificate: Path | None
    key: Path | None


@dataclass(frozen=True, slots=True)
class SiteFolder:
    """Everything a site says, checked as a whole. Paths that it gives are absolute.

    It keeps no list. With real keys a list comes as a sealed bundle and lies in the state folder;
    `trial_list` reads those that lie here in clear, which demo keys alone allow.
    """

    folder: Path
    policy: Policy
    site: Site
    rules: tuple[Rule, ...]
    policy_sha256: str

    def resolve(self, path: str) -> Path:
        """A path of either file, which is relative to the site folder unless absolute.

        `credential:NAME` is the file that the service manager gives this process under that name.
        """
        return resolved(self.folder, path)

    @property
    def box(self) -> BoxFolders:
        return _box_folders(self.folder, self.site)

    @property
    def state_folder(self) -> Path:
        return self.resolve(self.site.folders.state)

    @property
    def keyring_folder(self) -> Path:
        return self.resolve(self.site.folders.keyring)

    @property
    def keys_folder(self) -> Path:
        return self.resolve(self.site.folders.keys)

    def authority_keys(self, authority: str) -> Path:
        """The file with an authority's public keys; it may not exist yet."""
        return self.resolve(self.policy.authorities[authority].keys)

    def source(self, camera: str) -> Path | None:
        """A camera's recording or folder; it may not exist."""
        source = self.site.cameras[camera].source
        return None if source is None else self.resolve(source)

    def camera_password(self, camera: str, environment: Mapping[str, str]) -> str | None:
        """A live camera's password from where site.yaml says it is, or None if it has none.

        Raises:
            ConfigError: the variable is not set, or the file cannot be read or is empty.
        """
        live = self.site.cameras[camera].live
        if not isinstance(live, RtspCamera | HttpCamera):
            return None
        where = f"cameras.{camera}.live"
        return self._password(live.password_env, live.password_file, where, environment)

    def camera_authorities(self, camera: str) -> Path | None:
        """The PEM file that a live camera's certificate is verified by; None: the system's."""
        live = self.site.cameras[camera].live
        if not isinstance(live, RtspCamera | HttpCamera) or live.tls_ca is None:
            return None
        return self.resolve(live.tls_ca)

    @property
    def tls(self) -> TlsFiles | None:
        tls = self.site.broker.tls
        if tls is None:
            return None
        paths = (tls.ca, tls.certificate, tls.key)
        return TlsFiles(*(None if path is None else self.resolve(path) for path in paths))

    def broker_password(self, environment: Mapping[str, str]) -> str | None:
        """The broker's password from where site.yaml says it is, or None if it names no place.

        Raises:
            ConfigError: the variable is not set, or the file cannot be read or is empty.
        """
        broker = self.site.broker
        return self._password(broker.password_env, broker.password_file, "broker", environment)

    def _password(
        self, variable: str | None, file: str | None, where: str, environment: Mapping[str, str]
    ) -> str | None:
        if variable is not None:
            password = environment.get(variable, "")
            place = f"site.yaml: {where}.password_env: environment variable {variable}"
        elif file is not None:
            path = self.resolve(file)
            place = str(path)
            try:
                password = path.read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, ValueError):
                raise ConfigError(f"{path}: the password of {where} cannot be read here") from None
        else:
            return None
        if not password:
            raise ConfigError(f"{place}: holds no password for {where}; set it")
        return password

    def trial_list(self, list_id: str) -> tuple[ListEntry, ...] | None:
        """Read a list anew that lies in the site folder in clear; None if it may not.

        Raises:
            ConfigError: the list is no longer as it should be.
        """
        found = _trial_lists(self.folder, self.policy).get(list_id)
        return None if found is None else _read_list(found[0], self.policy, found[1])

    def may_be_clear(self, list_id: str) -> bool:
        """Whether the list may be read from a CSV file in clear."""
        return list_id in _trial_lists(self.folder, self.policy)


@dataclass(frozen=True, slots=True)
class BoxFolders:
    """Which box a site's folder is of, and where its things lie: all that needs no policy."""

    site: str
    box: str
    keys: Path
    state: Path
    keyring: Path
    reserve_mib: int

    @property
    def public_keys(self) -> Path:
        """The file with the box's public keys; it may not exist yet."""
        return self.keys / f"{self.site}.{self.box}.public.json"


def read_box_folders(folder: Path) -> BoxFolders:
    """Read site.yaml alone, for what must work even when the policy is refused.

    Raises:
        ConfigError: it is missing, cannot be understood or contradicts itself.
    """
    document = read_document(folder / SITE_FILE, Site)
    site = document.model
    refuse(document.problem(location, message) for location, message in site_contradictions(site))
    return _box_folders(folder, site)


def _box_folders(folder: Path, site: Site) -> BoxFolders:
    return BoxFolders(
        site=site.site,
        box=site.box,
        keys=folder / site.folders.keys,
        state=folder / site.folders.state,
        keyring=folder / site.folders.keyring,
        reserve_mib=site.outbox.reserve_mib,
    )


def load_site_folder(folder: Path) -> SiteFolder:
    """Read and check a site's folder.

    Raises:
        ConfigError: a file is missing, cannot be understood or contradicts itself or the
            other; one line for each problem, at most 20.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: no such folder; a site is a folder with {POLICY_FILE} and {SITE_FILE}"
        )
    documents = _Collected()
    policy = documents.attempt(lambda: read_policy(folder / POLICY_FILE))
    site = documents.attempt(lambda: read_document(folder / SITE_FILE, Site))
    if policy is None or site is None:
        raise MistakesError(documents.problems)
    refuse(_contradictions(folder, policy, site))

    contents = _Collected()
    for file, settings in _trial_lists(folder, policy.model).values():
        contents.attempt(partial(_read_list, file, policy.model, settings))
    refuse(contents.problems, code=LIST_CODE)
    return SiteFolder(
        folder=folder.absolute(),
        policy=policy.model,
        site=site.model,
        rules=policy.model.domain_rules(),
        policy_sha256=policy.model.sha256(),
    )


def read_policy(file: Path) -> Document[Policy]:
    """Read a policy; a duty that is still open has the code of that duty.

    Raises:
        ConfigError: it cannot be read or is not complete; one line for each problem.
    """
    try:
        return read_document(file, Policy)
    except MistakesError as mistakes:
        raise MistakesError(map(coded, mistakes.problems)) from None


def _trial_lists(folder: Path, policy: Policy) -> dict[str, tuple[Path, PlateList]]:
    """The lists that may lie here in clear: with demo keys only."""
    return {
        list_id: (folder / settings.file, settings)
        for list_id, settings in policy.lists.items()
        if policy.demo and settings.file is not None
    }


def read_draft(file: Path) -> Draft[Policy]:
    """Read as much of a policy as there is.

    Raises:
        ConfigError: the file cannot be read, or is no YAML mapping.
    """
    return parse_draft(read_text(file, MAX_BYTES), file, Policy)


def _read_list(file: Path, policy: Policy, settings: PlateList) -> tuple[ListEntry, ...]:
    return read_list(
        file,
        zone=policy.zone,
        max_entries=settings.max_entries,
        max_entry_days=settings.max_entry_days,
    )


class _Collected:
    """Refusals of several files, so that all can be mended at once."""

    def __init__(self) -> None:
        self.problems: list[Problem | str] = []

    def attempt(self, read: Callable[[], _T]) -> _T | None:
        try:
            return read()
        except MistakesError as mistakes:
            self.problems += mistakes.problems
        except ConfigError as error:
            self.problems.append(error.message)
        return None


def _contradictions(
    folder: Path, policy: Document[Policy], site: Document[Site]
) -> Iterator[Problem]:
    """What each file allows but the two together, or the files they name, do not."""
    yield from policy_problems(policy)
    for location, message in site_contradictions(site.model):
        yield site.problem(location, message)
    if site.model.site != policy.model.site:
        yield site.problem(("site",), f"{POLICY_FILE} is about another site; make them equal")
    for camera in site.model.cameras:
        for location, message in unknown_name(
            ("cameras", camera), camera, policy.model.cameras, "camera of the policy"
        ):
            yield site.problem(location, message)
    yield from _missing_files(folder, policy, site)


def _missing_files(
    folder: Path, policy: Document[Policy], site: Document[Site]
) -> Iterator[Problem]:
    """Files that must be there before anything starts. Keys and recordings may come later."""
    for list_id, (file, _settings) in _trial_lists(folder, policy.model).items():
        if not _is_there(file):
            yield policy.problem(
                ("lists", list_id, "file"),
                "no such file in the site folder, or it cannot be read; add it, or check its mode",
            )
    broker = site.model.broker
    files: dict[Location, str | None] = {("broker", "password_file"): broker.password_file}
    for name, camera in site.model.cameras.items():
        if isinstance(camera.live, RtspCamera | HttpCamera):
            files["cameras", name, "live", "password_file"] = camera.live.password_file
            files["cameras", name, "live", "tls_ca"] = camera.live.tls_ca
    if broker.tls is not None:
        files |= {
            ("broker", "tls", "ca"): broker.tls.ca,
            ("broker", "tls", "certificate"): broker.tls.certificate,
            ("broker", "tls", "key"): broker.tls.key,
        }
    for location, path in files.items():
        if path is not None and not _is_there(resolved(folder, path)):
            yield site.problem(
                location, "no such file, or it cannot be read; correct the path, or check its mode"
            )


def resolved(folder: Path, path: str) -> Path:
    """A path as site.yaml and policy.yaml write it.

    Without a service manager a credential is looked for in `credentials/` of the site folder.
    """
    name = path.removeprefix(CREDENTIAL)
    if name == path:
        return folder / path
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    return (Path(given) if given else folder / "credentials") / Path(name).name


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder on the way is closed to this user
        return False
