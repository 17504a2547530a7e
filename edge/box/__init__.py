"""Composes and runs a box.

    run_site                    edge.box.run
      find_sources              sources     recordings and live cameras
      admit                     gate        checks every condition before a camera is opened
        announce_refusal        safe_state  tells the broker why no camera is opened
      load_parts                assembly    keys, broker credentials, networks
      assembled -> RunningBox   assembly    opens the files and builds the parts
      _Run.to_the_end           run         start, analyse, close the epoch, deliver, stop

The parts of a `RunningBox`, and the thread that each works in:

    Engine            pipeline thread, the one that called `run_site`; frames come from one
                      capture thread for each camera through a `FrameQueue`
    EvidenceWorker    evidence thread: `HitStorage` makes sealed hits and fills the outbox
    Publisher         publisher thread: empties the outbox, receives lists, orders and receipts
    Gatekeeper        gatekeeper thread: checks the conditions every second; a second thread
                      closes the cameras when a check hangs
    SafeState         no thread: closes the cameras; reports it to health, broker, audit log
    BoxHealth         no thread: answers the service manager and the telemetry
    EpochRecord       no thread: publishes and records the counts of closed epochs
    Storage           no thread: outbox, its keys, audit log, archive, statistics

`doctor` examines a box with the same parts without running them. The names below are for callers;
each is imported when it is first used, since some callers need none of a box's libraries.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.box.doctor import examine
    from edge.box.interruptions import Reload
    from edge.box.reloading import require_startable
    from edge.box.run import RunInterrupted, RunProgress, RunResult, run_site
    from edge.box.safe_state import announce_unreadable
    from edge.box.sources import LiveFeed, Recording, Source, require_recorded, site_sources
    from edge.box.storage import destroy_expired
    from edge.box.summary import RunSummary

__all__ = [
    "LiveFeed",
    "Recording",
    "Reload",
    "RunInterrupted",
    "RunProgress",
    "RunResult",
    "RunSummary",
    "Source",
    "announce_unreadable",
    "destroy_expired",
    "examine",
    "require_recorded",
    "require_startable",
    "run_site",
    "site_sources",
]

_MODULES = {
    "doctor": ("examine",),
    "interruptions": ("Reload",),
    "reloading": ("require_startable",),
    "run": ("RunInterrupted", "RunProgress", "RunResult", "run_site"),
    "safe_state": ("announce_unreadable",),
    "sources": ("LiveFeed", "Recording", "Source", "require_recorded", "site_sources"),
    "storage": ("destroy_expired",),
    "summary": ("RunSummary",),
}


def __getattr__(name: str) -> object:
    """Import a name on its first use (PEP 562)."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
