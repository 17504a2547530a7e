"""Parts of the doctor's examination: a limit of time for each, and the question to the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from edge.adapters.cameras.place_masks import require_places_masked
from edge.adapters.host.system import SystemClock
from edge.box.findings import DoctorFinding, FindingState, of_error
from edge.box.gate import require_open
from edge.box.sources import Source, find_sources
from edge.box.time_limit import within
from edge.errors import EdgeError
from edge.policy.bundle_format import ListBundleError
from edge.site.folder import SiteFolder


def examine_sources(
    site: SiteFolder,
    sources: Callable[[], Sequence[Source]],
    chosen: list[Source],
    *,
    step_s: float,
    needed: bool,
) -> Iterator[DoctorFinding]:
    """Whether the sources are there, and whether the gate lets them be run. None is opened.

    The gate is asked in any case: without sources about the box alone.

    Args:
        site: the checked site folder.
        sources: returns the sources; it may raise an `EdgeError`.
        chosen: the sources that are there are appended to it.
        step_s: how long each part may take, seconds.
        needed: whether a missing source is a finding.
    """

    def find() -> list[DoctorFinding]:
        named = sources()
        find_sources(named, SystemClock())
        chosen.extend(named)
        return []

    def judge() -> list[DoctorFinding]:
        require_places_masked(site)
        try:
            require_open(site, chosen)
        except ListBundleError as error:
            return [of_error("lists", error)]
        text = f"version {site.policy.version} lets the cameras open"
        return [DoctorFinding("policy", FindingState.GOOD, text)]

    missing = findings_of("source", step_s, find)
    if needed:
        yield from missing
    yield from findings_of("policy", step_s, judge)


def findings_of(
    about: str, limit_s: float, work: Callable[[], list[DoctorFinding]]
) -> list[DoctorFinding]:
    """The findings of one step, or a finding for its error or for its taking too long."""
    try:
        return within(limit_s, work)
    except EdgeError as error:
        return [of_error(about, error)]
    except TimeoutError:
        return [_hanging(about, limit_s)]


def _hanging(about: str, limit_s: float) -> DoctorFinding:
    text = f"no answer in {limit_s:.0f} s, so it was given up; look for what hangs, or skip it"
    return DoctorFinding(about, FindingState.BAD, text)
