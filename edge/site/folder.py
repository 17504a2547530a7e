"""Reads a site folder: policy.yaml, site.yaml and the lists, checked one by one and together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from edge.domain.lists import ListEntry
from edge.domain.rules import Rule
from edge.errors import ConfigError, EdgeError
from edge.formats.problems import Location, MistakesError, Problem, refuse
from edge.formats.yaml_document import (
    MAX_BYTES,
    Document,
    Draft,
    parse_draft,
    read_bytes,
    read_document,
    read_text,
)
from edge.policy.checklist import coded
from edge.policy.checklist import problems as policy_problems
from edge.policy.contradictions import unknown_name
from edge.policy.list_file import CODE as LIST_CODE
from edge.policy.lists import read_list
from edge.policy.model import Policy
from edge.privacy.place_still import MAX_BYTES as MAX_STILL_BYTES
from edge.privacy.place_still import PlaceStill
from edge.site.passwords import read_password
from edge.site.settings import HttpCamera, RtspCamera, Site
from edge.site.settings import contradictions as site_contradictions

POLICY_FILE = "policy.yaml"
CREDENTIAL = "credential:"
"""Marks a file that systemd's `LoadCredential=` provides: a password, a client's TLS key."""
CREDENTIALS_FOLDER = "CREDENTIALS_DIRECTORY"
"""The environment variable in which systemd names the folder with these files."""
SITE_FILE = "site.yaml"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SiteFolder:
    """A site folder's content, checked as a whole. Its paths are absolute.

    It holds no list. Under real keys a list comes as a sealed bundle and is kept in the state
    folder. `trial_list` names the lists in the site folder, which are in clear; only demo keys
    allow them.

    Attributes:
        folder: the site folder.
        policy: policy.yaml.
        settings: site.yaml.
        rules: the policy's rules.
        policy_sha256: the policy's digest, hex.
        places: the approved still of the empty place, by camera; read and compared with the policy
            here, so that a file that changes later changes nothing.
    """

    folder: Path
    policy: Policy
    settings: Site
    rules: tuple[Rule, ...]
    policy_sha256: str
    places: Mapping[str, PlaceStill]

    def resolve(self, path: str) -> Path:
        """A path of either file; it is relative to the site folder unless it is absolute.

        `credential:NAME` is the file that the service manager gives this process under that name.
        """
        return resolved(self.folder, path)

    @property
    def box(self) -> BoxFolders:
        """The box's id and folders."""
        return _box_folders(self.folder, self.settings)

    @property
    def state_folder(self) -> Path:
        return self.resolve(self.settings.folders.state)

    @property
    def keys_folder(self) -> Path:
        return self.resolve(self.settings.folders.keys)

    def authority_keys(self, authority: str) -> Path:
        """The file with an authority's public keys; it may not exist yet."""
        return self.resolve(self.policy.authorities[authority].keys)

    @property
    def rule_authorities(self) -> dict[str, Path]:
        """The public key file of each authority that a rule names, by the authority's id."""
        return {
            authority: self.authority_keys(authority)
            for authority in sorted({rule.authority for rule in self.rules})
        }

    @property
    def rule_lists(self) -> tuple[str, ...]:
        """The lists that rules read, sorted."""
        return tuple(sorted({rule.list_id for rule in self.rules if rule.list_id is not None}))

    def source(self, camera: str) -> Path | None:
        """A camera's recording or folder; it may not exist."""
        source = self.settings.cameras[camera].source
        return None if source is None else self.resolve(source)

    def camera_password(self, camera: str, environment: Mapping[str, str]) -> str | None:
        """A live camera's password, or None if site.yaml names none.

        Raises:
            ConfigError: the variable is not set, or the file cannot be read or is empty.
        """
        live = self.settings.cameras[camera].live
        if not isinstance(live, RtspCamera | HttpCamera):
            return None
        where = f"cameras.{camera}.live"
        return self._password(live.password_env, live.password_file, where, environment)

    def camera_authorities(self, camera: str) -> Path | None:
        """The PEM file that verifies a live camera's certificate; None: the system's."""
        live = self.settings.cameras[camera].live
        if not isinstance(live, RtspCamera | HttpCamera) or live.tls_ca is None:
            return None
        return self.resolve(live.tls_ca)

    def broker_password(self, environment: Mapping[str, str]) -> str | None:
        """The broker's password, or None if site.yaml names none.

        Raises:
            ConfigError: the variable is not set, or the file cannot be read or is empty.
        """
        return broker_password(self.settings, self.folder, environment)

    def _password(
        self, variable: str | None, file: str | None, where: str, environment: Mapping[str, str]
    ) -> str | None:
        return _password(self.folder, variable, file, where, environment)

    def trial_list(self, list_id: str) -> TrialList | None:
        """A list that is in the site folder in clear; None if the policy does not allow it."""
        return _trial_lists(self.folder, self.policy).get(list_id)

    def may_be_clear(self, list_id: str) -> bool:
        """Whether the list may be read from a CSV file in clear."""
        return list_id in _trial_lists(self.folder, self.policy)


@dataclass(frozen=True, slots=True)
class TrialList:
    """A list in clear in the site folder, and the policy's limits for it; not its entries.

    `zone` is the name of the time zone of its dates; an `exempt` list must have entries.
    """

    file: Path
    zone: str
    max_entries: int
    max_entry_days: int
    exempt: bool = False

    def read(self) -> tuple[ListEntry, ...]:
        """Its entries.

        Raises:
            ConfigError: it cannot be read, or an entry is wrong.
        """
        entries = read_list(
            self.file,
            zone=ZoneInfo(self.zone),
            max_entries=self.max_entries,
            max_entry_days=self.max_entry_days,
            exempt=self.exempt,
        )
        if self.exempt and not entries:
            raise ConfigError(
                f"{self.file}: a permit list without entries makes an offender of everybody; add "
                "an entry",
                code=LIST_CODE,
            )
        return entries


@dataclass(frozen=True, slots=True)
class BoxFolders:
    """A box's id and the paths of its folders, from site.yaml alone."""

    site: str
    box: str
    keys: Path
    state: Path
    keyring: Path
    reserve_mib: int
    anchor_folder: Path | None = None

    @property
    def anchor(self) -> Path:
        """The folder of the audit log's anchor: the keyring's, unless site.yaml names another."""
        return self.anchor_folder or self.keyring

    @property
    def public_keys(self) -> Path:
        """The file with the box's public keys; it may not exist yet."""
        return self.keys / f"{self.site}.{self.box}.public.json"


def broker_password(settings: Site, folder: Path, environment: Mapping[str, str]) -> str | None:
    """The broker's password, or None if site.yaml names none.

    Args:
        settings: site.yaml.
        folder: the site folder.
        environment: the environment's variables.

    Raises:
        ConfigError: the variable is not set, or the file cannot be read or is empty.
    """
    broker = settings.broker
    return _password(folder, broker.password_env, broker.password_file, "broker", environment)


def _password(
    folder: Path,
    variable: str | None,
    file: str | None,
    where: str,
    environment: Mapping[str, str],
) -> str | None:
    return read_password(
        where,
        variable=variable,
        setting=f"site.yaml: {where}.password_env",
        file=None if file is None else resolved(folder, file),
        environment=environment,
    )


def read_box_folders(folder: Path) -> BoxFolders:
    """Read site.yaml alone, for commands that must work even when the policy is refused.

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
        keys=resolved(folder, site.folders.keys),
        state=resolved(folder, site.folders.state),
        keyring=resolved(folder, site.folders.keyring),
        reserve_mib=site.outbox.reserve_mib,
        anchor_folder=None
        if site.folders.anchor is None
        else resolved(folder, site.folders.anchor),
    )


def load_site_folder(
    folder: Path,
    check_trial: Callable[[TrialList], object] = TrialList.read,
    *,
    credentials: bool = False,
) -> SiteFolder:
    """Read and check a site's folder.

    Args:
        folder: the site folder.
        check_trial: checks a list that is in the folder in clear; raises as `TrialList.read`.
        credentials: whether the files that only the service gets must be there.

    Raises:
        ConfigError: a file is missing, cannot be understood or contradicts itself or the
            other; one line for each problem, at most 20.
    """
    if not folder.is_dir():
        fault = "not a folder" if folder.exists() else "no such folder"
        raise ConfigError(
            f"{folder}: {fault}; a site is a folder with {POLICY_FILE} and {SITE_FILE}"
        )
    documents = _Collected()
    policy = documents.attempt(lambda: read_policy(folder / POLICY_FILE))
    site = documents.attempt(lambda: read_document(folder / SITE_FILE, Site))
    if policy is None or site is None:
        listed = all(isinstance(one, Problem) for one in documents.problems)
        command = f"edge-anpr check {folder}" if listed else ""
        raise MistakesError(documents.problems, listed_by=command)
    refuse(_contradictions(folder, policy, site, credentials=credentials))
    places = read_places(folder, policy.model, site)

    contents = _Collected()
    for trial in _trial_lists(folder, policy.model).values():
        contents.attempt(partial(check_trial, trial))
    refuse(contents.problems, code=LIST_CODE)
    return SiteFolder(
        folder=folder.absolute(),
        policy=policy.model,
        settings=site.model,
        rules=policy.model.domain_rules(),
        policy_sha256=policy.model.sha256(),
        places=places,
    )


def read_places(folder: Path, policy: Policy, site: Document[Site]) -> dict[str, PlaceStill]:
    """The approved still of each camera's place, by camera, compared with the policy.

    Raises:
        ConfigError: policy and site.yaml do not agree that there is one, or the file is missing,
            not the approved one, or no plain JPEG; a line for each camera.
    """
    places: dict[str, PlaceStill] = {}
    problems: list[Problem] = []
    for name, camera in site.model.cameras.items():
        allowed = policy.cameras.get(name)
        approved = None if allowed is None else allowed.place_picture
        at: Location = ("cameras", name, "place_picture")
        if approved is None:
            if camera.place_picture is not None:
                told = f"{POLICY_FILE} names no approved picture of this camera's place; remove it"
                problems.append(site.problem(at, told))
        elif camera.place_picture is None:
            told = f"{POLICY_FILE} names an approved picture of the place; name its file here too"
            problems.append(site.problem(at, told))
        else:
            try:
                jpeg = read_bytes(resolved(folder, camera.place_picture), MAX_STILL_BYTES)
                places[name] = PlaceStill(jpeg, approved.sha256, approved.approved)
            except EdgeError as error:
                problems.append(site.problem(at, error.message))
    refuse(problems)
    return places


def read_policy(file: Path) -> Document[Policy]:
    """Read a policy; an open duty is reported with that duty's code.

    Raises:
        ConfigError: it cannot be read or is not complete; one line for each problem.
    """
    try:
        return read_document(file, Policy)
    except MistakesError as mistakes:
        raise MistakesError(map(coded, mistakes.problems)) from None


def _trial_lists(folder: Path, policy: Policy) -> dict[str, TrialList]:
    """The lists that may lie in the site folder in clear; only demo keys allow any."""
    return {
        list_id: TrialList(
            folder / settings.file,
            policy.timezone,
            settings.max_entries,
            settings.max_entry_days,
            exempt=settings.kind == "exempt",
        )
        for list_id, settings in policy.lists.items()
        if policy.demo and settings.file is not None
    }


def read_draft(file: Path) -> Draft[Policy]:
    """Read a policy that may be incomplete.

    Raises:
        ConfigError: the file cannot be read, or is not a YAML mapping.
    """
    return parse_draft(read_text(file, MAX_BYTES), file, Policy)


def site_problems(folder: Path, policy: Document[Policy] | None) -> tuple[Problem | str, ...]:
    """What is wrong with site.yaml, read as the box reads it; nothing if there is none yet.

    Files that it names are not looked for: many of them are on the box only. The approved pictures
    of places are, since whoever signs the policy must have seen them.

    Args:
        folder: the site folder.
        policy: the policy, to hold both against each other; None while it is unfinished.
    """
    if not (folder / SITE_FILE).exists():
        return ()
    found = _Collected()
    site = found.attempt(lambda: read_document(folder / SITE_FILE, Site))
    if site is None:
        return tuple(found.problems)
    own = (site.problem(at, message) for at, message in site_contradictions(site.model))
    if policy is None:
        return tuple(own)
    found.attempt(lambda: read_places(folder, policy.model, site))
    return (*own, *_between(policy, site), *found.problems)


class _Collected:
    """Collects the mistakes of several files, so that one run shows all of them."""

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
    folder: Path, policy: Document[Policy], site: Document[Site], *, credentials: bool
) -> Iterator[Problem]:
    """Mistakes that can be found only when both files and the named files are read together."""
    yield from policy_problems(policy)
    for location, message in site_contradictions(site.model):
        yield site.problem(location, message)
    yield from _between(policy, site)
    yield from _missing_files(folder, policy, site, credentials=credentials)


def _between(policy: Document[Policy], site: Document[Site]) -> Iterator[Problem]:
    """Names of site.yaml that the policy does not have."""
    if site.model.site != policy.model.site:
        yield site.problem(
            ("site",), f"{POLICY_FILE} names another site; use the same id in both files"
        )
    for camera in site.model.cameras:
        for location, message in unknown_name(
            ("cameras", camera), camera, policy.model.cameras, "camera of the policy"
        ):
            yield site.problem(location, message)


def _missing_files(
    folder: Path, policy: Document[Policy], site: Document[Site], *, credentials: bool
) -> Iterator[Problem]:
    """Named files that are missing. Keys and recordings may be added later."""
    for list_id, trial in _trial_lists(folder, policy.model).items():
        if not _is_there(trial.file):
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
        if path is None or _is_there(file := resolved(folder, path)):
            continue
        if not path.startswith(CREDENTIAL):
            told = "no such file, or it cannot be read; correct the path, or check its mode"
            yield site.problem(location, told)
        elif credentials:
            told = (
                f"{file} cannot be read; add LoadCredential={file.name}:FILE to the service, or "
                f"let {CREDENTIALS_FOLDER} name the folder that holds {file.name}"
            )
            yield site.problem(location, told)


def resolved(folder: Path, path: str) -> Path:
    """The path of a file that site.yaml or policy.yaml names.

    Without a service manager a credential is a file in `credentials/` of the site folder.
    """
    name = path.removeprefix(CREDENTIAL)
    if name == path:
        return folder / path
    given = os.environ.get(CREDENTIALS_FOLDER)
    return (Path(given) if given else folder / "credentials") / Path(name).name


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # this user may not enter a parent folder
        return False
