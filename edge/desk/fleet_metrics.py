"""The state of all boxes for Prometheus, at `/metrics` on this machine only.

The text format is simple enough to write it here; a desk needs no library of Prometheus. The metric
names are a closed list. Labels hold ids of sites and boxes, and words of
`edge.desk.fleet`. Nothing here depends on the traffic.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from http import HTTPStatus

from edge.adapters.host.metrics_server import CONTENT_TYPE, Listen, MetricsServer, Reply
from edge.desk.fleet import BoxProblem, BoxState, Fleet, FleetBox, fleet
from edge.desk.store.database import DeskDatabase
from edge.errors import OutboxError, UsageError
from edge.formats.timestamps import parse_utc

OPTION = "--metrics"


def fleet_exposition(found: Fleet) -> bytes:
    """The boxes in Prometheus' text format."""
    return "".join(f"{line}\n" for line in _lines(found)).encode()


def fleet_server(listen: str, database: DeskDatabase, utc: Callable[[], datetime]) -> MetricsServer:
    """A server of the metrics of all boxes.

    Args:
        listen: an address of this machine only, such as 127.0.0.1:9110.
        database: of the desk.
        utc: the wall clock.

    Raises:
        UsageError: another machine could reach the address.
        ConfigError: the address cannot be used.
    """
    where = Listen.parse(listen, OPTION)
    if not _is_loopback(where.host):
        raise UsageError(
            f"{OPTION}: {where.host} can be reached from other machines, and nobody logs in to "
            "read metrics; write 127.0.0.1, and let Prometheus run here or come through a tunnel"
        )

    def metrics() -> Reply:
        try:
            body = fleet_exposition(fleet(database, utc()))
        except OutboxError as error:
            body = f"{error}\n".encode()
            return Reply(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", body)
        return Reply(HTTPStatus.OK, CONTENT_TYPE, body)

    return MetricsServer(where, {"/metrics": metrics}, OPTION)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _lines(found: Fleet) -> Iterator[str]:
    boxes = sorted(found.boxes, key=lambda one: (one.site, one.box))
    states = Counter((one.site, one.state) for one in boxes)
    problems = found.problems()
    running = Counter(one.version for one in boxes if one.version is not None)
    yield from _gauge(
        "boxes",
        "Boxes by site and state.",
        (
            ({"site": site, "state": state.value}, states[site, state])
            for site in dict.fromkeys(one.site for one in boxes)
            for state in BoxState
        ),
    )
    yield from _gauge(
        "boxes_with_problem",
        "Boxes by problem.",
        (({"problem": each.value}, problems.get(each, 0)) for each in BoxProblem),
    )
    yield from _gauge(
        "boxes_on_version",
        "Boxes by version.",
        (({"version": each}, running[each]) for each in found.versions()),
    )
    yield from _gauge(
        "problem",
        "1 for each problem of a box.",
        (
            ({"site": one.site, "box": one.box, "problem": each.value}, 1)
            for one in boxes
            for each in one.problems
        ),
    )
    yield from _moments("alive", "Last signed sign of life", ((one, one.alive_at) for one in boxes))
    yield from _moments("lease_ends", "End of the lease", ((one, one.lease_ends) for one in boxes))


def _moments(name: str, text: str, moments: Iterable[tuple[FleetBox, str | None]]) -> Iterator[str]:
    yield from _gauge(
        f"{name}_timestamp_seconds",
        f"{text}, seconds since 1970; left out where it is not known.",
        (
            ({"site": one.site, "box": one.box}, parse_utc(moment).timestamp())
            for one, moment in moments
            if moment is not None
        ),
    )


def _gauge(
    name: str, text: str, samples: Iterable[tuple[Mapping[str, str], float]]
) -> Iterator[str]:
    """A metric in the text format. No id, word or version has a character to be escaped."""
    whole = f"edge_anpr_fleet_{name}"
    yield f"# HELP {whole} {text}"
    yield f"# TYPE {whole} gauge"
    for labels, value in samples:
        named = ",".join(f'{label}="{each}"' for label, each in labels.items())
        yield f"{whole}{{{named}}} {value}"
