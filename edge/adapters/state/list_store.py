"""Stores the lists of a box sealed, as they were received; `list_process` opens them.

    lists/<list>.bundle     the bundle in force, as it was received
    list-counters.json      the last accepted counter of each list, and the size of permit lists

The counters are stored apart from the bundles, so deleting a bundle does not make an earlier one
acceptable again. A bundle is on disk before its counter. If the process is killed in between, the
new bundle is in force, and the higher of the two counters is valid. The audit log records each
installed bundle with its counter: a bundle older than that is refused even if both files are lost,
and the gate refuses counters that are behind the log. It records the size of permit lists in tens,
so lost counters are made again from it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from edge.adapters.host.rate_limit import RateLimit
from edge.adapters.state.list_counters import (
    COUNTERS_NAME,
    LastBundle,
    ListCounters,
    read_counters,
    with_size,
)
from edge.adapters.state.list_process import ListOpener, OpenedHere
from edge.adapters.state.state_folder import (
    exclusive,
    file_look,
    read_file,
    replace_file,
    storage_error,
)
from edge.adapters.state.state_version import require_known
from edge.domain.counting import coarse
from edge.domain.rules import ListTokens
from edge.errors import EdgeError
from edge.formats.atomic_files import sync_folder
from edge.policy.bundle_format import MOST_ENTRIES, ListBundleError, ManifestCover
from edge.policy.bundles import (
    MAX_BUNDLE_BYTES,
    ListTerms,
    SealedList,
    check_manifest,
    parse_bundle,
)
from edge.policy.list_facts import Floor, ListFacts, is_newer
from edge.policy.lists import MAX_DAYS
from edge.policy.shrunk_lists import (
    ListSize,
    Peak,
    permits_asked,
    recent_peaks,
    recorded_peak,
    require_entries,
    require_not_shrunk,
    starts_anew,
)
from edge.privacy.audit_events import Event, ListChanged
from edge.privacy.keys import BoxKeys
from edge.privacy.safeguards import Safeguards
from edge.site.folder import TrialList

FOLDER_NAME = "lists"
_ENDING = ".bundle"


def list_reader(
    lists: ListStore, trial_list: Callable[[str], TrialList | None], *, ended_too: bool
) -> Callable[[str, bytearray], ListTokens]:
    """Return a function that opens a list by its id at each call and returns its tokens.

    Args:
        lists: the box's lists. Their clock must never go back, or expired entries become valid.
        trial_list: finds a list in clear in the site folder; None if that is not allowed.
        ended_too: keep expired entries. A demo policy needs them: it judges a recording by the
            day on which it was made.
    """

    def listed(list_id: str, key: bytearray) -> ListTokens:
        trial = None if lists.has(list_id) else trial_list(list_id)
        if trial is not None:
            return lists.opener.listed_trial(trial, key)
        found = lists.listed(list_id, key)
        if ended_too:
            return found
        now = lists.now()
        current = {
            token: tuple(period for period in periods if period.end > now)
            for token, periods in found.items()
        }
        return {token: periods for token, periods in current.items() if periods}

    return listed


class ListStore:
    """The bundles of one box. Safe to use from several threads and processes.

    Args:
        folder: the state folder.
        keys: the box's own keys.
        terms: the policy's conditions for each of its lists, by id.
        now: the wall clock, with time zone.
        opener: opens bundles. A box opens them in another process, which ends.
        record: called with each change, for the audit log, once it is on disk; and with each
            refusal, at most once in `LOG_INTERVAL_S` for each list, so that the log cannot fill
            the disk.
        proven: returns what the audit log proves.

    Raises:
        OutboxError: `E_STATE_VERSION`: a newer version has written to the folder.
    """

    def __init__(
        self,
        folder: Path,
        keys: BoxKeys,
        terms: Mapping[str, ListTerms],
        now: Callable[[], datetime],
        record: Callable[[Event], object] | None = None,
        proven: Callable[[], Safeguards] = Safeguards,
        *,
        opener: ListOpener | None = None,
    ) -> None:
        require_known(folder)
        self._record = record
        self._proven = proven
        self._refused = RateLimit(lambda: self.now().timestamp())
        self._bundles = folder / FOLDER_NAME
        self._counters = folder / COUNTERS_NAME
        self._lock = folder / f"{COUNTERS_NAME}.lock"
        self._keys = keys
        self._terms = terms
        self.now = now
        self.opener: ListOpener = OpenedHere() if opener is None else opener
        self._known: dict[str, tuple[object, EdgeError | None]] = {}

    @property
    def list_ids(self) -> tuple[str, ...]:
        """The ids of the policy's lists, installed or not."""
        return tuple(sorted(self._terms))

    def has(self, list_id: str) -> bool:
        """Whether a bundle of this list is installed."""
        return self._file(list_id).exists()

    def install(self, data: bytes, *, list_id: str | None = None) -> ListFacts:
        """Check a bundle completely and put it in force from the next epoch on.

        Args:
            data: the bundle as it was received.
            list_id: the list that it must belong to; None accepts any list of the policy.

        Raises:
            ListBundleError: refused; the earlier bundle stays in force.
            KeyFileError: sealed to another key, or not signed by an issuer of the list.
            OutboxError: it could not be written.
        """
        bundle, terms = self._named(data, list_id)
        with exclusive(self._lock):
            try:
                facts, size = self.opener.facts(data, self._keys, terms, self.now())
                counters = read_counters(self._counters)
                fresh = is_newer(bundle, self._last_accepted(bundle.list_id, counters))
                before, lasting = self._reference(terms, counters)
                if fresh:
                    require_not_shrunk(size, terms, before, lasting)
            except EdgeError:
                self._refuse(bundle)
                raise
            if fresh or self._sealed(bundle.list_id) != data:  # deleted, or damaged
                replace_file(self._file(bundle.list_id), data)
            known = counters.lists.get(bundle.list_id)
            last = LastBundle(counter=bundle.counter, sha256=bundle.sha256)
            if terms.exempt:
                peaks = self._peaks(bundle.list_id, known)
                last = with_size(last, known, peaks, self.now(), size, before)
            if known != last:
                changed = ListCounters(lists={**counters.lists, bundle.list_id: last})
                replace_file(self._counters, changed.to_bytes())
            if fresh:
                if terms.exempt:
                    self._enter("installed", bundle, size, shrinks=starts_anew(size, before))
                else:
                    self._enter("installed", bundle)
        return facts

    def wants(self, manifest: bytes, *, list_id: str | None = None) -> ManifestCover | None:
        """Check a manifest completely, before its body is fetched.

        Args:
            manifest: the manifest as it was received.
            list_id: as in `install`.

        Returns:
            Which body is to be fetched; None if the list is in force already.

        Raises:
            EdgeError: refused, as `install`.
        """
        bundle, terms = self._named(manifest, list_id)
        try:
            wanted = check_manifest(bundle, self._keys, terms, now=self.now())
            counters = read_counters(self._counters)
            fresh = is_newer(bundle, self._last_accepted(bundle.list_id, counters))
        except EdgeError:
            self._refuse(bundle)
            raise
        if fresh or self._is_lost(bundle):
            return wanted
        return None

    def _is_lost(self, bundle: SealedList) -> bool:
        """Whether the file of the last accepted bundle is missing or damaged."""
        data = self._sealed(bundle.list_id)
        try:
            return data is None or parse_bundle(data).sha256 != bundle.sha256
        except ListBundleError:
            return True

    def examine(self, data: bytes) -> ListFacts:
        """Check a bundle as `install` does, without installing it.

        Raises:
            EdgeError: as `install`.
        """
        bundle, terms = self._named(data, None)
        facts, size = self.opener.facts(data, self._keys, terms, self.now())
        counters = read_counters(self._counters)
        if is_newer(bundle, self._last_accepted(bundle.list_id, counters)):
            require_not_shrunk(size, terms, *self._reference(terms, counters))
        return facts

    def permits_asked(self, list_id: str) -> int:
        """The fewest plates of a list that must be valid so that its rules make hits; see there.

        Raises:
            EdgeError: the counters or the audit log cannot be read.
        """
        if not self._terms[list_id].exempt:
            return 0
        known = read_counters(self._counters).lists.get(list_id)
        accepted = None if known is None else known.valid
        return permits_asked(self._peaks(list_id, known), accepted, self.now())

    def listed(self, list_id: str, key: bytearray) -> ListTokens:
        """The tokens of a list under a key, with the periods of its entries.

        Raises:
            ListBundleError: there is none (`E_LIST_MISSING`), or the policy no longer allows it.
            KeyFileError: it is sealed to a key that the box no longer has.
            OutboxError: it cannot be read, or not be opened (`E_LIST_PROCESS`).
        """
        terms, data = self._terms[list_id], self.in_force(list_id)
        found = self.opener.listed(data, self._keys, terms, self.now(), key)
        if not found:
            self._checked(list_id)  # whether it may be empty
        return found

    def fault(self, list_id: str) -> EdgeError | None:
        """The error that reading a list would raise; None if it can be read.

        The answer is cached while the list's files do not change.
        """
        seen = tuple(map(file_look, (self._file(list_id), self._counters)))
        known = self._known.get(list_id)
        if known is None or known[0] != seen:
            try:
                self._checked(list_id)
            except EdgeError as error:
                known = (seen, error)
                if error.code == "E_LIST_PROCESS":  # of this moment, not of the list
                    return error
            else:
                known = (seen, None)
            self._known[list_id] = known
        return known[1]

    def facts(self, list_id: str) -> ListFacts:
        """The facts about the list in force, without its entries.

        Raises:
            EdgeError: as `listed`.
        """
        return self._checked(list_id)[0]

    def forget_others(self) -> tuple[str, ...]:
        """Delete bundles of lists that the policy does not name; returns their ids.

        Raises:
            OutboxError: one cannot be deleted.
        """
        with exclusive(self._lock):
            others = [
                path
                for path in self._bundles.glob(f"*{_ENDING}")
                if path.name.removesuffix(_ENDING) not in self._terms
            ]
            held = [read_file(path, MAX_BUNDLE_BYTES) for path in others]
            try:
                for path in others:
                    path.unlink()
                if others:
                    sync_folder(self._bundles)
            except OSError as error:
                raise storage_error(self._bundles, error) from error
            for data in filter(None, held):
                with contextlib.suppress(ListBundleError):  # damaged: its content is unknown
                    self._enter("removed", parse_bundle(data))
        return tuple(sorted(path.name.removesuffix(_ENDING) for path in others))

    def _refuse(self, bundle: SealedList) -> None:
        if self._refused.passes(bundle.list_id):
            self._enter("refused", bundle)

    def _enter(
        self,
        action: Literal["installed", "refused", "removed"],
        bundle: SealedList,
        size: ListSize | None = None,
        *,
        shrinks: bool = False,
    ) -> None:
        if self._record is None:
            return
        self._record(
            ListChanged(
                action,
                bundle.list_id,
                bundle.counter,
                bundle.sha256,
                plates=None if size is None else coarse(size.valid),
                shrinks=shrinks or None,
            )
        )

    def _named(self, data: bytes, list_id: str | None) -> tuple[SealedList, ListTerms]:
        """A bundle with the policy's conditions for its list."""
        bundle = parse_bundle(data)
        terms = self._terms.get(bundle.list_id)
        if list_id not in {None, bundle.list_id}:
            raise ListBundleError(
                f"the bundle of the list {bundle.list_id} does not belong to the list {list_id}; "
                "use the right bundle"
            )
        if terms is None:
            raise ListBundleError(
                f"the bundle is of the list {bundle.list_id}, but the lists of the policy are: "
                f"{', '.join(self.list_ids) or 'none'}; build it for one of these, or take the "
                "right site"
            )
        return bundle, terms

    def in_force(self, list_id: str) -> bytes:
        """The bundle in force, sealed as it was received.

        Raises:
            ListBundleError: there is none (`E_LIST_MISSING`), it is damaged or an earlier one.
            OutboxError: it cannot be read.
        """
        data = self._sealed(list_id)
        if data is None:
            raise ListBundleError(
                f"list {list_id}: not installed on this box; have a bundle built for this box and "
                "run `edge-anpr lists install`",
                code="E_LIST_MISSING",
            )
        last = read_counters(self._counters).lists.get(list_id)
        # A bundle newer than the counter was being installed when the process ended.
        is_newer(parse_bundle(data), None if last is None else Floor(last.counter, last.sha256))
        return data

    def _checked(self, list_id: str) -> tuple[ListFacts, ListSize]:
        """The facts about the list in force and its size; raises as `listed`."""
        terms = self._terms[list_id]
        data = self.in_force(list_id)
        facts, size = self.opener.facts(data, self._keys, terms, self.now())
        require_entries(size, terms)
        return facts, size

    def _reference(self, terms: ListTerms, counters: ListCounters) -> tuple[int | None, int]:
        """How many plates a new list is compared with; 0 for the first list, None if unknown.

        Beside it, how many plates of the list in force are valid for longer. A list past caps that
        a later version of the policy has lowered still counts.
        """
        known = counters.lists.get(terms.list_id)
        peaks = self._peaks(terms.list_id, known)
        sizes = [peak.valid for peak in recent_peaks(peaks, self.now())]
        wide = replace(terms, max_entries=MOST_ENTRIES, max_entry_days=MAX_DAYS)
        lasting = 0
        try:
            data = self.in_force(terms.list_id)
            size = self.opener.facts(data, self._keys, wide, self.now())[1]
            sizes.append(size.valid)
            lasting = size.lasting
        except EdgeError:
            recorded = self._proven().lists.get(terms.list_id)
            if known is not None and known.valid is not None:
                sizes.append(known.valid)
            elif recorded is not None and recorded.sizes:
                sizes.append(peaks[-1].valid)
            elif self._last_accepted(terms.list_id, counters) is not None:
                return None, 0
        return max(sizes, default=0), lasting

    def _peaks(self, list_id: str, known: LastBundle | None) -> tuple[Peak, ...]:
        """The sizes of the last permit lists, from the counters and from the audit log.

        The log has them in tens. Beside counters that are whole they count as what they are at
        least, so that the exact ones decide; if the counters are lost, as what they are at most.
        """
        recorded = self._proven().lists.get(list_id)
        peaks = [] if known is None else list(known.sizes())
        if recorded is not None:
            lost = known is None or known.valid is None or known.counter < recorded.counter
            peaks += [recorded_peak(one.day, one.plates, at_most=lost) for one in recorded.sizes]
        by_day: dict[int, int] = {}
        for peak in peaks:
            by_day[peak.day] = max(peak.valid, by_day.get(peak.day, 0))
        return tuple(Peak(day, by_day[day]) for day in sorted(by_day))

    def _last_accepted(self, list_id: str, counters: ListCounters) -> Floor | None:
        """The last accepted bundle, from bundle, counters or audit log, whichever is latest."""
        known = []
        data = self._sealed(list_id)
        if data is not None:
            with contextlib.suppress(ListBundleError):
                stored = parse_bundle(data)
                known.append(Floor(stored.counter, stored.sha256))
        for one in (counters.lists.get(list_id), self._proven().lists.get(list_id)):
            if one is not None:
                known.insert(0, Floor(one.counter, one.sha256))
        return max(known, key=lambda floor: floor.counter, default=None)

    def _sealed(self, list_id: str) -> bytes | None:
        return read_file(self._file(list_id), MAX_BUNDLE_BYTES)

    def _file(self, list_id: str) -> Path:
        return self._bundles / f"{list_id}{_ENDING}"
