"""Renders the site folder of each box from its template; all are checked before one is written.

No policy is widened here. A policy that its signers have signed is copied as it is, with the
signatures. Any other is written unsigned, so the box stays shut until its signers have signed it. A
rendered policy that is signed is replaced only by another signed one, or by one that narrows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.adapters.broker.topics import ROOT, BoxTopics
from edge.adapters.state.state_folder import locked_folder, storage_error, temporary_folder
from edge.errors import ConfigError, EdgeError, OutboxError, PolicyError
from edge.fleet.folder import LARGEST_FILE, FleetFolder
from edge.fleet.inventory import Inventory, InventoryBox
from edge.fleet.templates import Template, read_template
from edge.formats.atomic_files import disk_full, remove_strays, write_file
from edge.formats.enrolment import CA_FILE, IDENTITY_FILE
from edge.formats.problems import MistakesError, Problem, refuse
from edge.formats.yaml_document import Document, read_bytes, read_document
from edge.policy.diff import changes
from edge.policy.model import Policy
from edge.policy.signatures import SIGNATURES_FILE, read_signatures, require_quorum
from edge.site.folder import POLICY_FILE, SITE_FILE, read_policy, site_problems
from edge.site.settings import Site

SUPERVISOR: Final = "supervisor"
"""The broker's user who sends orders to suspend; the orders themselves are signed."""
_IDENTITY: Final = f"keys/{IDENTITY_FILE}"

_KnownPolicies = dict[tuple[Path, bytes], Document[Policy]]
CheckSite = Callable[[Path], object]
"""Raises an `EdgeError` if `edge-anpr check` has something against a site folder."""


@dataclass(frozen=True, slots=True)
class RenderedSite:
    """The files of one box by name, and whether every role has signed its policy."""

    box: InventoryBox
    files: dict[str, bytes]
    signed: bool


def render(fleet: FleetFolder, inventory: Inventory, check: CheckSite) -> tuple[RenderedSite, ...]:
    """Render every box of the inventory, and check each; nothing is written.

    Args:
        fleet: the fleet.
        inventory: its boxes.
        check: raises what is wrong with a site folder.

    Raises:
        ConfigError: what is wrong with templates, values or rendered files; a line for each.
        OutboxError: there is no room for temporary files.
        PolicyError: `E_DPIA_WIDENING`: a signed policy would be replaced by an unsigned one that
            does more, or rests on something else.
    """
    problems: list[Problem | str] = []
    templates: dict[str, Template] = {}
    known: _KnownPolicies = {}
    rendered: list[RenderedSite] = []
    for box in inventory.boxes.values():
        try:
            if box.template not in templates:
                templates[box.template] = read_template(fleet.templates / box.template)
            rendered.append(_rendered(fleet, inventory, box, templates[box.template], check, known))
        except (PolicyError, OutboxError):
            raise
        except MistakesError as mistakes:
            problems += (one for one in mistakes.problems if one not in problems)
        except EdgeError as error:
            problems.append(error.message)
    refuse(problems)
    return tuple(rendered)


def write(fleet: FleetFolder, rendered: Sequence[RenderedSite]) -> None:
    """Write the site folders and the broker's access list.

    Raises:
        ConfigError: one cannot be written.
    """
    with locked_folder(fleet.path):
        _write(fleet, rendered)


def _write(fleet: FleetFolder, rendered: Sequence[RenderedSite]) -> None:
    try:
        for one in rendered:
            folder = fleet.site(one.box.site, one.box.box)
            if SIGNATURES_FILE not in one.files:
                (folder / SIGNATURES_FILE).unlink(missing_ok=True)
            for name, content in one.files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                write_file(folder / name, content, mode=0o644)
            for place in {(folder / name).parent for name in one.files}:
                remove_strays(place, "")  # of a command that was killed
        text = "".join(access_list(fleet.config.authority, [one.box for one in rendered]))
        write_file(fleet.access_list, text.encode(), mode=0o644)
    except OSError as error:
        file = Path(error.filename or fleet.path)
        raise disk_full(file, error) or ConfigError(
            f"{file}: {error.strerror}; name a folder that can be written"
        ) from None


def _rendered(
    fleet: FleetFolder,
    inventory: Inventory,
    box: InventoryBox,
    template: Template,
    check: CheckSite,
    known: _KnownPolicies,
) -> RenderedSite:
    values = template.values(box, inventory.file)
    files: dict[str, bytes] = {}
    for one in template.files:
        files[one.file.name] = one.filled(values, box.name).encode()
    for path in template.fixed_files():
        name = path.relative_to(template.folder).as_posix()
        files[name] = read_bytes(path, LARGEST_FILE)
    with temporary_folder() as folder:
        try:
            for name, content in files.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(content)
        except OSError as error:
            raise storage_error(folder, error) from error
        try:
            key = (template.folder, files[POLICY_FILE])
            policy = _checked(folder, box, known.get(key), check)
        except EdgeError as error:
            raise _named(error, folder, template, box) from None
    known[key] = policy
    ours = fleet.site(box.site, box.box)
    places = (template.signatures, ours / SIGNATURES_FILE)
    complete = next((one for one in places if _is_signed(one, policy.model)), None)
    before = _signed_before(ours)
    if complete is None and before is not None:
        require_no_widening(before, policy.model, box.name)
    kept = complete or next((one for one in places if _is_of(one, policy.model)), None)
    if kept is not None:
        files[SIGNATURES_FILE] = read_bytes(kept, LARGEST_FILE)
    return RenderedSite(box, files, complete is not None)


def _checked(
    folder: Path, box: InventoryBox, known: Document[Policy] | None, check: CheckSite
) -> Document[Policy]:
    """The policy of a rendered folder, in which `edge-anpr check` finds nothing.

    Args:
        folder: the rendered folder.
        box: whose it is.
        known: the same policy of another box, which was checked already.
        check: checks policy and assessment.
    """
    document = known or read_policy(folder / POLICY_FILE)
    if known is None:
        check(folder)
        refuse(_missing_keys(folder, document))
    refuse(site_problems(folder, document))
    site = read_document(folder / SITE_FILE, Site)
    ours = site.model
    if (ours.site, ours.box) != (box.site, box.box):
        at = "site" if ours.site != box.site else "box"
        told = f"another {at} than in the inventory; write $({at}) there"
        refuse([site.problem((at,), told)])
    if ours.folders.keys != "keys":
        refuse([site.problem(("folders", "keys"), "a box of a fleet has its keys in 'keys'")])
    tls = ours.broker.tls
    named = None if tls is None else (tls.ca, tls.certificate, tls.key)
    if named != (f"keys/{CA_FILE}", _IDENTITY, _IDENTITY):
        told = (
            f"a box of a fleet needs tls: {{ca: keys/{CA_FILE}, certificate: {_IDENTITY}, key: "
            f"{_IDENTITY}}}; write that"
        )
        refuse([site.problem(("broker", "tls"), told)])
    return document


def _missing_keys(folder: Path, policy: Document[Policy]) -> Iterator[Problem]:
    """The authorities whose public file is not in a rendered folder; its box could seal nothing."""
    for authority, settings in policy.model.authorities.items():
        if not (folder / settings.keys).is_file():
            told = (
                f"put the authority's public file into the template as {settings.keys}; "
                "`edge-anpr keys new authority` has made it"
            )
            yield policy.problem(("authorities", authority, "keys"), told)


def _named(error: EdgeError, folder: Path, template: Template, box: InventoryBox) -> EdgeError:
    """The same error, about the template's files instead of the staged ones, and with the box."""

    def renamed(text: str) -> str:
        return text.replace(str(folder), str(template.folder))

    if isinstance(error, MistakesError):
        return MistakesError(
            [f"box {box.name}: {renamed(str(one))}" for one in error.problems], code=error.code
        )
    return ConfigError(f"box {box.name}: {renamed(error.message)}", code=error.code)


# --- no policy is widened ----------------------------------------------------------------------


def require_no_widening(before: Policy, after: Policy, box: str) -> None:
    """Refuse an unsigned policy that does more than the signed one that it would replace.

    Raises:
        PolicyError: `E_DPIA_WIDENING`.
    """
    wider = [one for one in changes(before, after) if one.direction.needs_all_roles]
    if wider:
        more = f" and {len(wider) - 1} more" if len(wider) > 1 else ""
        raise PolicyError(
            f"box {box}: the template would change what its signers have signed: {wider[0]}{more}; "
            "no fleet command does that: have the new version signed in the template's folder "
            "with `edge-anpr policy sign`",
            code="E_DPIA_WIDENING",
        )


def _signed_before(folder: Path) -> Policy | None:
    """The rendered policy, if every role has signed it."""
    try:
        before = read_policy(folder / POLICY_FILE).model
    except EdgeError:
        return None
    return before if _is_signed(folder / SIGNATURES_FILE, before) else None


def _is_of(file: Path, policy: Policy) -> bool:
    """Whether these are signatures of this policy, perhaps not of every role."""
    try:
        return read_signatures(file).policy_sha256 == policy.sha256()
    except EdgeError:
        return False


def _is_signed(file: Path, policy: Policy) -> bool:
    """Whether every role has signed this policy."""
    try:
        require_quorum(policy, read_signatures(file))
    except EdgeError:
        return False
    return _is_of(file, policy)


# --- the broker --------------------------------------------------------------------------------


def access_list(authority: str, boxes: Sequence[InventoryBox]) -> Iterator[str]:
    """The lines of mosquitto's access list: each box its own topics, the authority all of them."""
    yield "# Written by `edge-anpr fleet render`. User names are the names in the certificates.\n"
    for user, topics in (
        (
            authority,
            (
                *(f"read +/+/{name}" for name in ("+/hit", "availability", "audit", "status")),
                "read +/+/list-answer",
                "write +/+/receipt",
                "write +/+/lists/+",
                "write list-parts/#",
            ),
        ),
        (SUPERVISOR, ("write +/+/command", "read +/+/availability", "read +/+/audit")),
    ):
        yield f"\nuser {user}\n"
        for way, topic in map(str.split, topics):
            yield f"topic {way} {ROOT}/{topic}\n"
    for box in boxes:
        yield f"\nuser {box.name}\n"
        own = BoxTopics(box.site, box.box, cameras=frozenset())
        hits, lists = f"{ROOT}/{box.site}/{box.box}/+/hit", f"{ROOT}/{box.site}/{box.box}/lists/+"
        for topic in (hits, *sorted(own.publishable)):
            yield f"topic write {topic}\n"
        for topic in (lists, *sorted(own.receivable), f"{ROOT}/list-parts/#"):
            yield f"topic read {topic}\n"
