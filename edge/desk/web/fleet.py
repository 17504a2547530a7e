"""The pages of boxes: all of them, the most urgent first, with filters; and one of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TypeVar
from urllib.parse import urlencode

from starlette.responses import Response

from edge.desk.fleet import PAGE, BoxProblem, BoxState, FleetBox, FleetFilter, fleet
from edge.desk.web.calls import Call
from edge.desk.web.supervision import covered_sites
from edge.formats.identifiers import is_id
from edge.formats.timestamps import parse_utc

ANY = "any"
"""The value of the filter that takes boxes with at least one problem."""

Choice = TypeVar("Choice", bound=Enum)


@dataclass(frozen=True, slots=True)
class ShownBox:
    """A box as the table shows it; `link` is the address of its page."""

    link: str
    name: str
    state: str
    problems: str
    alive: str
    version: str
    policy: str
    lease: str
    clock: str
    temperature: str


@dataclass(frozen=True, slots=True)
class ShownChoice:
    """One value of a filter: its word, how many boxes have it, and where they are shown."""

    value: str
    word: str
    count: int
    link: str
    chosen: bool


def show_boxes(call: Call) -> Response:
    """The boxes of the sites that the reader's rights cover, a page at a time."""
    now = call.desk.utc()
    found = fleet(call.desk.database, now, covered_sites(call))
    wanted, asked = _filter(call)
    chosen = found.chosen(wanted)
    pages = max(1, -(-len(chosen) // PAGE))
    page = min(_page(call), pages)
    shown = chosen[(page - 1) * PAGE : page * PAGE]
    words = call.words

    def turned(to: int) -> str:
        return f"/boxes?{urlencode({**asked, 'page': to})}" if 1 <= to <= pages else ""

    return call.page(
        "boxes",
        known=len(found.boxes),
        states=[
            _choice(one, words(f"fleet.state_{one.value}"), count, "state", wanted.state)
            for one, count in found.states().items()
        ],
        problems=[
            _choice(one, problem_word(call, one), count, "problem", wanted.problem)
            for one, count in found.problems().items()
        ],
        versions=[(one, one == wanted.version) for one in found.versions()],
        any_problem=wanted.any_problem,
        site=wanted.site or "",
        matched=len(chosen),
        boxes=[_shown(call, one, now) for one in shown],
        page=page,
        pages=pages,
        previous=turned(page - 1),
        following=turned(page + 1),
    )


def show_box(call: Call) -> Response:
    """One box: what is wrong with it and what to do, and all that it states of itself."""
    now, words = call.desk.utc(), call.words
    site, box = (str(call.request.path_params[name]) for name in ("site", "box"))
    one = fleet(call.desk.database, now, covered_sites(call)).find(site, box)
    if one is None:
        return call.line(404, words("error.missing"), back="/boxes")
    unknown = words("fleet.unknown")
    facts = [
        ("fleet.state", words(f"fleet.state_{one.state.value}")),
        ("fleet.reason", one.reason or unknown),
        ("fleet.alive", _moment(call, one.alive_at, now)),
        ("fleet.stated", _moment(call, one.stated_at, now)),
        ("fleet.version", one.version or unknown),
        ("fleet.update", _update(call, one)),
        ("fleet.policy", _policy(call, one)),
        ("fleet.lease", _lease(call, one, now)),
        ("fleet.lists", _lists(call, one)),
        ("fleet.weights", one.weights_sha256 or unknown),
        ("fleet.clock", _clock(call, one)),
        ("fleet.temperature", _temperature(call, one)),
        ("fleet.disk", _disk(call, one)),
    ]
    if one.twin_at is not None:
        facts.append(("fleet.twin", _moment(call, one.twin_at, now)))
    return call.page(
        "box",
        box=f"{one.site} / {one.box}",
        problems=[(problem_word(call, each), _cure(call, each)) for each in one.problems],
        facts=[(words(key), value) for key, value in facts],
    )


def problem_word(call: Call, problem: BoxProblem) -> str:
    """A problem in the reader's language."""
    return call.words(f"fleet.problem_{problem.value.replace('-', '_')}")


def _cure(call: Call, problem: BoxProblem) -> str:
    return call.words(f"fleet.cure_{problem.value.replace('-', '_')}")


def _choice(
    one: BoxState | BoxProblem, word: str, count: int, name: str, chosen: Enum | None
) -> ShownChoice:
    return ShownChoice(one.value, word, count, f"/boxes?{name}={one.value}", one is chosen)


def _filter(call: Call) -> tuple[FleetFilter, dict[str, str]]:
    """What the address asks for; what it does not understand, it leaves out."""
    asked = call.request.query_params
    problem = asked.get("problem", "")
    site = asked.get("site", "").strip()
    wanted = FleetFilter(
        site=site if is_id(site) else None,
        state=_of(BoxState, asked.get("state", "")),
        version=asked.get("version", "")[:60] or None,
        problem=_of(BoxProblem, problem),
        any_problem=problem == ANY,
    )
    kept = {
        "site": wanted.site,
        "state": wanted.state and wanted.state.value,
        "version": wanted.version,
        "problem": ANY if wanted.any_problem else wanted.problem and wanted.problem.value,
    }
    return wanted, {name: value for name, value in kept.items() if value}


def _of(kind: type[Choice], text: str) -> Choice | None:
    try:
        return kind(text)
    except ValueError:
        return None


def _page(call: Call) -> int:
    text = call.request.query_params.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 7 else 1


def _shown(call: Call, one: FleetBox, now: datetime) -> ShownBox:
    words = call.words
    return ShownBox(
        link=f"/boxes/{one.site}/{one.box}",
        name=f"{one.site} / {one.box}",
        state=words(f"fleet.state_{one.state.value}"),
        problems=", ".join(problem_word(call, each) for each in one.problems),
        alive=_age(call, one.alive_at, now),
        version=one.version or "–",
        policy="–" if one.policy_version is None else str(one.policy_version),
        lease="–" if one.lease_ends is None else _lease(call, one, now),
        clock="–" if one.synchronised is None else _clock(call, one),
        temperature="–" if one.temperature_c is None else f"{one.temperature_c} °C",
    )


def _age(call: Call, moment: str | None, now: datetime) -> str:
    if moment is None:
        return call.words("fleet.never")
    return call.words.age(now - parse_utc(moment))


def _moment(call: Call, text: str | None, now: datetime) -> str:
    if text is None:
        return call.words("fleet.never")
    moment = parse_utc(text)
    return call.words(
        "fleet.ago", moment=call.words.moment(moment), age=call.words.age(now - moment)
    )


def _lease(call: Call, one: FleetBox, now: datetime) -> str:
    if one.lease_ends is None:
        return call.words("fleet.unknown")
    days = (parse_utc(one.lease_ends) - now) // timedelta(days=1)
    if days < 0:
        return call.words("fleet.over")
    return call.words("fleet.ends_one" if days == 1 else "fleet.ends", days=days)


def _clock(call: Call, one: FleetBox) -> str:
    words = call.words
    if one.synchronised is None:
        kept = words("fleet.unknown")
    else:
        kept = words("fleet.clock_kept" if one.synchronised else "fleet.clock_free")
    if one.clock_steps in {"one", "several"}:
        return f"{kept}, {words(f'fleet.clock_{one.clock_steps}')}"
    return kept


def _temperature(call: Call, one: FleetBox) -> str:
    if one.temperature_c is None:
        return call.words("fleet.unknown")
    return call.words("fleet.least", value=one.temperature_c)


def _disk(call: Call, one: FleetBox) -> str:
    if one.disk_percent is None:
        return call.words("fleet.unknown")
    return call.words("fleet.share", value=one.disk_percent)


def _policy(call: Call, one: FleetBox) -> str:
    if one.policy_version is None or one.policy_sha256 is None:
        return call.words("fleet.unknown")
    version = call.words("fleet.numbered", version=one.policy_version)
    return f"{version}, {one.policy_sha256[:16]}"


def _lists(call: Call, one: FleetBox) -> str:
    shown = (
        call.words("fleet.listed", name=name, counter=counter)
        for name, counter in sorted(one.lists.items())
    )
    return ", ".join(shown) or call.words("fleet.nothing")


def _update(call: Call, one: FleetBox) -> str:
    if one.update_target is None or one.update_outcome is None:
        return call.words("fleet.nothing")
    key = f"fleet.outcome_{one.update_outcome.replace('-', '_')}"
    return call.words(key, target=one.update_target)
