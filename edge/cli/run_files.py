"""The site's files with which a box runs, and what SIGHUP does with changed ones."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from edge.errors import EdgeError

if TYPE_CHECKING:
    from edge.box import Source
    from edge.site.folder import SiteFolder

log = logging.getLogger(__name__)


class RunFiles:
    """The site's files with which the box runs, and the previous ones while it starts with others.

    Args:
        first: reads the files; a refusal is published.
        read: reads them.
    """

    def __init__(
        self,
        first: Callable[[], tuple[SiteFolder, tuple[Source, ...]]],
        read: Callable[[], tuple[SiteFolder, tuple[Source, ...]]],
    ) -> None:
        self._first = first
        self._read = read
        self.hangups = Hangups(self._require_startable)
        self.current = first()
        self._previous: tuple[SiteFolder, tuple[Source, ...]] | None = None
        self._cause: EdgeError | None = None

    @contextmanager
    def analysing(self) -> Iterator[None]:
        """The context in which the box runs: its start is over, so it needs no other files."""
        self._previous = self._cause = None
        with self.hangups.answered():
            yield

    def _require_startable(self) -> None:
        """Check the files as they are now; only if they may run, raise `Reload`."""
        from edge.box import Reload, require_startable

        try:
            require_startable(*self._read(), self.current[0])
        except EdgeError as error:
            _say_kept(error)
            return
        raise Reload

    def renew(self) -> None:
        """Read the files again; if they are refused, the previous ones stay."""
        log.warning("the site's files are reloaded")
        self.hangups.forget()
        before = self.current
        try:
            self.current = self._first()
        except EdgeError as error:
            _say_kept(error)
            self._cause = error
        else:
            self._previous = before

    def fall_back(self, error: EdgeError) -> None:
        """Go back to the previous files after a start that failed.

        If policy, box or folders differ, it does not: what was replaced must not come back. Nor
        does it after an error of a run that had started.

        Raises:
            EdgeError: it does not go back, or the box cannot start with the previous files either.
                The error says what is wrong with the files as they are now.
        """
        if self._cause is not None:
            log.error("the box cannot start with the previous files either: %s", error)
            raise self._cause
        if self._previous is None or _identity(self._previous[0]) != _identity(self.current[0]):
            raise error
        _say_kept(error)
        self.current, self._previous, self._cause = self._previous, None, error


def _say_kept(error: EdgeError) -> None:
    log.error("the site's files are refused, the previous ones stay in force: %s", error)


def _identity(site: SiteFolder) -> tuple[object, ...]:
    """The policy, the box, and the folders that hold orders to suspend and activations."""
    return site.policy_sha256, site.settings.box, site.settings.folders


class Hangups:
    """Calls `reload` on SIGHUP while frames are analysed; an earlier SIGHUP waits until then.

    On a SIGHUP from a closed terminal the program stops as on Ctrl-C.
    """

    def __init__(self, reload: Callable[[], None]) -> None:
        self._reload = reload
        self._asked = False
        self._ready = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        before = signal.signal(signal.SIGHUP, self._handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGHUP, before)

    @contextmanager
    def answered(self) -> Iterator[None]:
        """Answer in the block."""
        self._ready = True
        try:
            self._answer()
            yield
        finally:
            self._ready = False

    def forget(self) -> None:
        """Answer no SIGHUP of before: the files are read after this."""
        self._asked = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if sys.stdin is not None and sys.stdin.isatty():
            signal.default_int_handler(number, frame)
        self._asked = True
        self._answer()

    def _answer(self) -> None:
        while self._asked and self._ready:
            self._asked = self._ready = False  # one that comes meanwhile is answered after this
            self._reload()
            self._ready = True
