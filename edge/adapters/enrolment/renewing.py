"""Renews a running box's certificate by itself, when a third of its life is left."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from edge.adapters.enrolment.enrolling import ask
from edge.adapters.enrolment.est_client import Wait
from edge.adapters.enrolment.identity import BoxIdentity
from edge.errors import EdgeError
from edge.formats.enrolment import is_due

log = logging.getLogger(__name__)

EVERY_S: Final = 3600.0
"""How often the certificate is looked at, seconds; a server that is away is tried again then."""


def renew_if_due(keys: Path, now: datetime) -> bool:
    """Renew the certificate in a keys folder if a third of its life is left, or a request waits.

    Returns:
        Whether there is a new certificate; False also while another process renews it.

    Raises:
        RequestError: the server refuses; `E_CLONE`: two boxes have this identity.
        KeyFileError: the keys cannot be read or written.
        FleetAwayError: the server cannot be reached.
    """
    if BoxIdentity.read(keys) is None:
        return False
    with _alone(keys) as alone:
        return alone and _renewed(keys, now)


@contextlib.contextmanager
def _alone(keys: Path) -> Iterator[bool]:
    """Whether no other process renews now.

    Two requests with one number would look like two boxes to the server, which then holds both.
    """
    folder = os.open(keys, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(folder)


def _renewed(keys: Path, now: datetime) -> bool:
    identity = BoxIdentity.read(keys)
    if identity is None or not identity.enrolled:
        return False
    if identity.request is None and not is_due(identity.certificate(), now):
        return False
    answer = ask(identity.ask_again())
    if isinstance(answer, Wait):
        log.warning("the box's new certificate waits for the operator's approval")
        return False
    return True


@contextlib.contextmanager
def renewing(
    keys: Path,
    utc: Callable[[], datetime],
    renewed: Callable[[], None],
    every_s: float = EVERY_S,
) -> Iterator[None]:
    """Keep the box's certificate valid until the block ends; does nothing without a fleet.

    Args:
        keys: the box's keys folder.
        utc: the wall clock.
        renewed: called after each renewal, to connect with the new certificate.
        every_s: how often to look, seconds.
    """
    if not (keys / "fleet.json").exists():
        yield
        return
    ended = threading.Event()

    def work() -> None:
        while True:
            with _told(keys, utc):
                if renew_if_due(keys, utc()):
                    log.info("the box's certificate was renewed")
                    renewed()
            if ended.wait(every_s):
                return

    thread = threading.Thread(target=work, name="renewal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(1.0)  # a request under way is on disk, and goes on at the next start


def renew_at_start(keys: Path, utc: Callable[[], datetime]) -> None:
    """Renew the certificate of a box that starts, if it is due; a failure is only logged.

    A box that its policy keeps shut does not get as far as `renewing`, and is started again and
    again: without this its certificate would end meanwhile.
    """
    with _told(keys, utc):
        renew_if_due(keys, utc())


@contextlib.contextmanager
def _told(keys: Path, utc: Callable[[], datetime]) -> Iterator[None]:
    """Log whatever fails: neither a box nor its next renewal may be lost for one that failed."""
    try:
        yield
    except EdgeError as error:
        log.warning("%s; %s", error, _left(keys, utc()))
    except Exception as error:  # noqa: BLE001 - its text is not ours, so only its kind is told
        kind = type(error).__name__
        log.warning("the certificate cannot be renewed (%s); %s", kind, _left(keys, utc()))


def certificate_ends(keys: Path) -> float | None:
    """When the certificate in a keys folder ends, Unix time; None if there is none."""
    try:
        identity = BoxIdentity.read(keys)
        if identity is None or not identity.enrolled:
            return None
        return identity.certificate().not_valid_after_utc.timestamp()
    except EdgeError:
        return None


def _left(keys: Path, now: datetime) -> str:
    """How long the certificate is still valid, as a part of a sentence."""
    try:
        identity = BoxIdentity.read(keys)
        days = 0.0 if identity is None else identity.days_left(now)
    except EdgeError:
        return "the certificate cannot be read"
    if days < 0:
        return "the certificate has ended, so the broker refuses the box; enrol it anew"
    return f"the certificate is valid for another {days:.1f} days"
