"""Installs lists that come by MQTT, and fetches the bodies that their manifests name.

A manifest is checked as soon as it comes. Its body is fetched in a thread of its own, so that a
slow server delays neither hits nor an order to suspend. If the body cannot be had or not be stored,
the list in force stays in force, the issuer is told, and the box tries again after ever longer
times, until the list is in force or a newer one takes its place.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge.adapters.broker.holds import RetryDelay
from edge.adapters.state.list_bodies import (
    BodySource,
    Cutoff,
    ListFetchError,
    fetched,
    is_tried_again,
)
from edge.adapters.state.list_store import ListStore
from edge.errors import EdgeError
from edge.pipeline.ports import Clock
from edge.policy.bundle_format import ListBundleError, ManifestCover
from edge.policy.list_answer import sign_answer
from edge.policy.list_manifest import is_manifest, joined
from edge.privacy.keys import BoxKeys

FIRST_RETRY_S = 10.0
LONGEST_RETRY_S = 1800.0

CLOSE_S = 5.0
"""How long `close` waits for a fetch to end, seconds."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Wanted:
    """A manifest whose body is to be fetched; `told` is the code that its issuer has, if any."""

    manifest: bytes
    cover: ManifestCover
    delay: RetryDelay
    tried: bool = False
    told: str = ""


@dataclass(frozen=True, slots=True)
class _Refused:
    """A manifest whose body was fetched and refused; until then it is not fetched again."""

    manifest: bytes
    error: EdgeError
    until: float


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
        close_s: how long `close` waits for a fetch to end.
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
        close_s: float = CLOSE_S,
    ) -> None:
        self._lists = lists
        self._keys = keys
        self._clock = clock
        self._tell = answer
        self._source = source
        self._jitter = jitter
        self._first_retry_s = first_retry_s
        self._close_s = close_s
        self._changed = threading.Condition()
        self._wanted: dict[str, _Wanted] = {}
        self._refused: dict[str, _Refused] = {}
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
            if cover is not None:
                self._require_fetchable(list_id, payload, cover)
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

    def _require_fetchable(self, list_id: str, manifest: bytes, cover: ManifestCover) -> None:
        """Refuse a manifest whose body is of no use, or is not to be fetched now.

        Raises:
            ListBundleError: `E_LIST_SOURCE`: site.yaml names no place; `E_LIST_REPLAY`: a newer
                manifest waits for its body.
            EdgeError: why it was refused a short time ago.
        """
        if self._source is None:
            raise ListBundleError(
                f"list {list_id}: this box cannot fetch lists that many boxes share; write where "
                "to fetch them into the section `lists` of site.yaml, or have the list built for "
                "this box alone",
                code="E_LIST_SOURCE",
            )
        with self._changed:
            newest, refused = self._wanted.get(list_id), self._refused.get(list_id)
        if newest is not None and cover.counter < newest.cover.counter:
            raise ListBundleError(
                f"list {list_id}: counter {cover.counter} is lower than {newest.cover.counter}, "
                "that of a list that the box is fetching; have it built again with --counter auto",
                code="E_LIST_REPLAY",
            )
        now = self._clock.monotonic()
        if refused is not None and refused.manifest == manifest and now < refused.until:
            raise refused.error

    def close(self) -> None:
        """Give up what is being fetched, and end the thread.

        A read from a share that is away cannot be cut. It is left behind, installs nothing, and
        ends with the process.
        """
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(self._close_s)
            if thread.is_alive():
                log.warning(
                    "a list is still being read after %g s and is left unread; check the place "
                    "that the section `lists` of site.yaml names",
                    self._close_s,
                )

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
            done = False
            try:
                done = self._fetch(list_id, wanted)
            except Exception as error:  # noqa: BLE001 - no list may end the thread of the others
                kind = type(error).__name__  # its text could quote a part of the list
                log.error("list %s could not be fetched (%s)", list_id, kind)  # noqa: TRY400
            with self._changed:
                self._fetching = False
                if self._wanted.get(list_id) is wanted:
                    if done:
                        del self._wanted[list_id]
                    else:
                        now = self._clock.monotonic()
                        wanted.delay.extend(now, LONGEST_RETRY_S)
                        wanted.delay.due += self._jitter() * (wanted.delay.due - now)
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

        def given_up() -> bool:
            return self._closing.is_set() or self._wanted.get(list_id) is not wanted

        fault = self._try(list_id, wanted, given_up)
        if fault is None or given_up():
            return True
        if is_tried_again(fault.code):
            if wanted.told != fault.code:
                log.warning("list %s: %s; the box tries again", list_id, fault)
                wanted.told = fault.code
                self._answer(list_id, wanted.manifest, fault)
            return False
        log.warning("list %s is refused: %s", list_id, fault)
        until = self._clock.monotonic() + LONGEST_RETRY_S
        with self._changed:
            self._refused[list_id] = _Refused(wanted.manifest, fault, until)
        self._answer(list_id, wanted.manifest, fault)
        return True

    def _try(self, list_id: str, wanted: _Wanted, given_up: Callable[[], bool]) -> EdgeError | None:
        """Fetch a body and install the list once; returns what has failed, if anything."""
        cover, again, source = wanted.cover, wanted.tried, self._source
        wanted.tried = True
        if source is None:
            return None
        try:
            if again and self._lists.wants(wanted.manifest, list_id=list_id) is None:
                self._answer(list_id, wanted.manifest, None)  # installed by hand meanwhile
                return None
            body = fetched(
                source, cover.body_sha256, cover.body_bytes, Cutoff.after(cancelled=given_up)
            )
            self._install(list_id, wanted.manifest, joined(wanted.manifest, body))
        except EdgeError as error:
            return error
        except Exception as error:  # noqa: BLE001 - such as a library raises; it is tried again
            kind = type(error).__name__  # its text could quote a part of the list
            return ListFetchError(
                f"cannot be fetched, for an unexpected reason ({kind}); please report it"
            )
        return None

    def _install(self, list_id: str, sent: bytes, data: bytes) -> None:
        """Put a list in force and answer what was sent; an older one that waits is given up."""
        facts = self._lists.install(data, list_id=list_id)
        log.info("list %s, counter %d, is in force from the next epoch", list_id, facts.counter)
        with self._changed:
            self._refused.pop(list_id, None)
            waiting = self._wanted.get(list_id)
            if (
                waiting is not None
                and waiting.manifest != sent
                and waiting.cover.counter <= facts.counter
            ):
                del self._wanted[list_id]
                self._changed.notify_all()
        self._answer(list_id, sent, None)

    def _answer(self, list_id: str, payload: bytes, refused: EdgeError | None) -> None:
        answer = sign_answer(list_id, payload, refused, self._clock.utc(), self._keys)
        self._tell(list_id, answer.to_bytes())
