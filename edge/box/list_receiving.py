"""Installs lists that come by MQTT, and fetches the bodies that their manifests name.

A manifest is checked as soon as it comes. Its body is fetched in a thread of its own, so that a
slow server delays neither hits nor an order to suspend. If the body cannot be had, the list in
force stays in force, the issuer is told, and the box tries again after ever longer times, until the
body comes or a newer manifest takes its place.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge.adapters.broker.holds import RetryDelay
from edge.adapters.state.list_bodies import BodySource, Cutoff, ListFetchError, fetched
from edge.adapters.state.list_store import ListStore
from edge.errors import EdgeError
from edge.pipeline.ports import Clock
from edge.policy.bundle_format import ManifestCover
from edge.policy.list_answer import sign_answer
from edge.policy.list_manifest import is_manifest, joined
from edge.privacy.keys import BoxKeys

FIRST_RETRY_S = 10.0
LONGEST_RETRY_S = 1800.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Wanted:
    """A manifest whose body is to be fetched."""

    manifest: bytes
    cover: ManifestCover
    delay: RetryDelay
    tried: bool = False


class ListReceiver:
    """Installs lists that come by MQTT, and answers each to its issuer.

    `take` may be called from one thread, the other methods from any.

    Args:
        lists: the box's lists.
        keys: the box's own, which sign the answers.
        clock: for the times of answers and of retries.
        answer: gets the list's id and the signed answer.
        source: where bodies are fetched; None: site.yaml names none.
        jitter: returns numbers from 0 to 1, so that boxes do not fetch again all at once.
        first_retry_s: the wait after the first failure; doubles up to `LONGEST_RETRY_S`.
    """

    def __init__(
        self,
        lists: ListStore,
        keys: BoxKeys,
        clock: Clock,
        answer: Callable[[str, bytes], None],
        source: BodySource | None = None,
        *,
        jitter: Callable[[], float] = random.random,
        first_retry_s: float = FIRST_RETRY_S,
    ) -> None:
        self._lists = lists
        self._keys = keys
        self._clock = clock
        self._tell = answer
        self._source = source
        self._jitter = jitter
        self._first_retry_s = first_retry_s
        self._changed = threading.Condition()
        self._wanted: dict[str, _Wanted] = {}
        self._fetching = False
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self, list_id: str, payload: bytes) -> None:
        """Install a bundle and answer it; or check a manifest, whose body is then fetched.

        Raises:
            EdgeError: it is refused; the answer says so too.
        """
        try:
            if not is_manifest(payload):
                self._install(list_id, payload, payload)
                return
            cover = self._lists.wants(payload, list_id=list_id)
            if cover is not None and self._source is None:
                raise ListFetchError(
                    f"list {list_id}: this box cannot fetch lists that many boxes share; write "
                    "where to fetch them into the section `lists` of site.yaml, or have the list "
                    "built for this box alone"
                )
        except EdgeError as error:
            self._answer(list_id, payload, error)
            raise
        if cover is None:
            self._answer(list_id, payload, None)
        else:
            self._fetch_later(list_id, payload, cover)

    def wait(self, timeout_s: float) -> bool:
        """Wait until each body was fetched or tried once; returns whether that is so."""
        with self._changed:
            return self._changed.wait_for(self._is_idle, timeout_s)

    def close(self) -> None:
        """Give up what is being fetched, and end the thread."""
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _is_idle(self) -> bool:
        waiting = self._wanted.values()
        return not self._fetching and all(one.tried for one in waiting)

    def _fetch_later(self, list_id: str, manifest: bytes, cover: ManifestCover) -> None:
        with self._changed:
            known = self._wanted.get(list_id)
            if self._closing.is_set() or (known is not None and known.manifest == manifest):
                return  # the broker sends it again at each connection
            self._wanted[list_id] = _Wanted(manifest, cover, RetryDelay(self._first_retry_s))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="list fetch", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _run(self) -> None:
        while (due := self._next()) is not None:
            list_id, wanted = due
            done = True
            try:
                done = self._fetch(list_id, wanted)
            except Exception as error:  # noqa: BLE001 - no list may end the thread of the others
                kind = type(error).__name__  # its text could quote a part of the list
                log.error("list %s could not be fetched (%s)", list_id, kind)  # noqa: TRY400
            with self._changed:
                self._fetching = False
                if done and self._wanted.get(list_id) is wanted:
                    del self._wanted[list_id]
                self._changed.notify_all()

    def _next(self) -> tuple[str, _Wanted] | None:
        """The next manifest whose body is due; None at the end."""
        with self._changed:
            while not self._closing.is_set():
                now = self._clock.monotonic()
                first = min(self._wanted.items(), key=lambda one: one[1].delay.due, default=None)
                if first is not None and first[1].delay.due <= now:
                    self._fetching = True
                    return first
                self._changed.wait(None if first is None else first[1].delay.due - now)
        return None

    def _fetch(self, list_id: str, wanted: _Wanted) -> bool:
        """Fetch a body and install the list; returns False if it is worth another try."""
        cover, again, source = wanted.cover, wanted.tried, self._source
        wanted.tried = True
        if source is None:
            return True

        def given_up() -> bool:
            return self._closing.is_set() or self._wanted.get(list_id) is not wanted

        try:
            body = fetched(
                source, cover.body_sha256, cover.body_bytes, Cutoff.after(cancelled=given_up)
            )
            self._install(list_id, wanted.manifest, joined(wanted.manifest, body))
        except ListFetchError as error:
            if given_up():
                return True
            now = self._clock.monotonic()
            wanted.delay.extend(now, LONGEST_RETRY_S)
            wanted.delay.due += self._jitter() * (wanted.delay.due - now)
            if not again:
                log.warning("list %s: %s; the box tries again", list_id, error)
                self._answer(list_id, wanted.manifest, error)
            return False
        except EdgeError as error:
            log.warning("list %s is refused: %s", list_id, error)
            self._answer(list_id, wanted.manifest, error)
        return True

    def _install(self, list_id: str, sent: bytes, data: bytes) -> None:
        """Put a list in force and answer what was sent."""
        facts = self._lists.install(data, list_id=list_id)
        log.info("list %s, counter %d, is in force from the next epoch", list_id, facts.counter)
        self._answer(list_id, sent, None)

    def _answer(self, list_id: str, payload: bytes, refused: EdgeError | None) -> None:
        answer = sign_answer(list_id, payload, refused, self._clock.utc(), self._keys)
        self._tell(list_id, answer.to_bytes())
