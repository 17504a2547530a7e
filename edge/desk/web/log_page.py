"""The page that searches the desk's audit log. What is searched for is in no address."""

from __future__ import annotations

from datetime import date

from starlette.responses import Response

from edge.desk.log_search import LogQuery
from edge.desk.rights import WATCHERS
from edge.desk.web.calls import Call
from edge.errors import UsageError
from edge.formats.identifiers import typed_id
from edge.privacy.audit_events import Entry, event_fields

_SHOWN = 40  # a name or the id of a hit is shown whole
_FIELDS = ("person", "case", "since", "before")


def ask(call: Call) -> Response:
    """The empty form."""
    call.rights_of(*WATCHERS)
    return call.page("log", found=None, line="", sent=dict.fromkeys(_FIELDS, ""))


def search(call: Call) -> Response:
    """The entries that fit; the search is in the log before."""
    call.rights_of(*WATCHERS)
    sent = {name: call.form.get(name, "").strip() for name in _FIELDS}
    try:
        query = _query(sent)
        found = call.desk.log.search(call.reader.acting, query)
    except (UsageError, ValueError):
        return call.page("log", 400, found=None, line=call.words("log.wrong"), sent=sent)
    return call.page(
        "log", found=found, line="", sent=sent, rows=[_row(one) for one in found.entries]
    )


def _query(sent: dict[str, str]) -> LogQuery:
    """Raises ValueError if a date or number is none."""
    since, before = sent["since"], sent["before"]
    return LogQuery(
        sent["person"] or None,
        typed_id(sent["case"]) or None,
        date.fromisoformat(since) if since else None,
        int(before[:12]) if before else None,
    )


def _row(entry: Entry) -> tuple[Entry, str]:
    """The entry and its fields on one line; of a digest or key the beginning."""
    fields = event_fields(entry.event)
    return entry, ", ".join(
        f"{name}={_short(str(value))}" for name, value in fields.items() if value is not None
    )


def _short(value: str) -> str:
    return value if len(value) <= _SHOWN else f"{value[:16]}…"
