"""Opens lists in processes of their own, which end: no listed plate is in the box's process.

The libraries that decrypt and parse a list leave copies of its plates in freed memory, and Python
cannot overwrite them. So the box starts `python -m edge.adapters.state.list_process`, which reads
nothing itself. For each request it forks a process that reads the request from standard input,
opens the list, writes the answer to standard output, and ends. The answer holds facts, tokens and
periods, and no plate. When a process ends, the system takes its memory back, and clears it before
another process gets it.

    request = three lengths ‖ JSON ‖ key of the tokens (32 bytes or none) ‖ bundle (or nothing)
    answer  = length ‖ JSON

Lengths have four bytes. The key is sent as raw bytes, because the box's process cannot overwrite a
copy within a string.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, Any, Final, Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge.adapters.host.machine import forbid_core_dumps
from edge.domain.appearance import as_words, described
from edge.domain.pseudonym import TOKEN_BYTES, ListedPeriod, PlateToken
from edge.domain.rules import ListTokens
from edge.errors import ConfigError, EdgeError, KeyFileError, OutboxError
from edge.formats.problems import MistakesError
from edge.formats.signing import PublicKey
from edge.policy.bundle_format import ListBundleError
from edge.policy.bundles import ListTerms, open_bundle, parse_bundle
from edge.policy.list_facts import ListFacts, facts_of
from edge.policy.shrunk_lists import ListSize
from edge.privacy.keys import ListOpeningKey
from edge.privacy.pseudonyms import listed_under
from edge.site.folder import TrialList

LONGEST_S: Final = 120.0
"""After this time the process is killed; 100 000 entries take about an eighth of it."""

COMMAND: Final = (sys.executable, "-m", "edge.adapters.state.list_process")

_REQUEST, _ANSWER = struct.Struct(">III"), struct.Struct(">I")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND: Final = timedelta(microseconds=1)
_ERRORS: Final = {each.__name__: each for each in (ListBundleError, KeyFileError, ConfigError)}


class ListOpener(Protocol):
    """Opens lists; the caller gets no plate."""

    def facts(
        self, data: bytes, keys: ListOpeningKey, terms: ListTerms, now: datetime
    ) -> tuple[ListFacts, ListSize]:
        """Check a bundle; raises as `parse_bundle` and `open_bundle`."""

    def listed(
        self, data: bytes, keys: ListOpeningKey, terms: ListTerms, now: datetime, key: bytearray
    ) -> ListTokens:
        """A bundle's tokens under a key; raises as `facts`."""

    def check_trial(self, trial: TrialList) -> None:
        """Check a list in clear; raises as `TrialList.read`."""

    def listed_trial(self, trial: TrialList, key: bytearray) -> ListTokens:
        """The tokens of a list in clear; raises as `TrialList.read`."""


class OpenedHere:
    """Opens lists in this process: for programs that end soon, such as `edge-anpr lists`."""

    def facts(
        self, data: bytes, keys: ListOpeningKey, terms: ListTerms, now: datetime
    ) -> tuple[ListFacts, ListSize]:
        bundle = parse_bundle(data)
        content = open_bundle(bundle, keys, terms, now=now)
        return facts_of(content, bundle), ListSize.of(content, now)

    def listed(
        self, data: bytes, keys: ListOpeningKey, terms: ListTerms, now: datetime, key: bytearray
    ) -> ListTokens:
        return listed_under(key, open_bundle(parse_bundle(data), keys, terms, now=now).entries)

    def check_trial(self, trial: TrialList) -> None:
        trial.read()

    def listed_trial(self, trial: TrialList, key: bytearray) -> ListTokens:
        return listed_under(key, trial.read())


class OpenedApart:
    """Opens each list in a process of its own, which ends. Safe to use from several threads.

    Every method also raises OutboxError (`E_LIST_PROCESS`) if that process gives no answer.

    Args:
        command: starts the process that forks the others; it ends with this object.
        longest_s: after this time without an answer it is killed, seconds.
    """

    def __init__(self, command: Sequence[str] = COMMAND, *, longest_s: float = LONGEST_S) -> None:
        self._command = tuple(command)
        self._longest_s = longest_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def facts(
        self, data: bytes, keys: ListOpeningKey, terms: ListTerms, now: datetime
    ) -> tuple[ListFacts, ListSize]:
        found = self._answer("facts", _bundle_request(keys, terms, now), data=data)
        facts, size = found["facts"], ListSize(**found["size"])
        for name in ("issued_at", "first_end", "last_end"):
            facts[name] = None if facts[name] is None else _moment(facts[name])
        return ListFacts(**facts), size

    def listed(
        self, data: bytes, keys: ListOpeningKey, terms: ListTerms, now: datetime, key: bytearray
    ) -> ListTokens:
        request = _bundle_request(keys, terms, now)
        return _listed(self._answer("listed", request, data=data, key=key))

    def check_trial(self, trial: TrialList) -> None:
        self._answer("checked", _trial_request(trial))

    def listed_trial(self, trial: TrialList, key: bytearray) -> ListTokens:
        return _listed(self._answer("listed", _trial_request(trial), key=key))

    def _answer(
        self, what: str, request: dict[str, Any], *, data: bytes = b"", key: bytearray | None = None
    ) -> dict[str, Any]:
        """The answer of a new process, under the name of what was asked for.

        Raises:
            EdgeError: what the process has raised, or `E_LIST_PROCESS`.
        """
        key = bytearray() if key is None else key
        text = json.dumps(request).encode()
        lengths = _REQUEST.pack(len(text), len(key), len(data))
        try:
            answer = json.loads(self._exchanged((lengths, text, key, data)))
        except (OSError, ValueError):
            raise _no_answer() from None
        if "error" in answer:
            raise _raised(**answer["error"])
        found: dict[str, Any] | None = answer.get(what)
        if found is None:
            raise _no_answer()
        return found

    def _exchanged(self, parts: Sequence[bytes | bytearray]) -> bytes:
        """Write a request and return the answer; raises OSError or ValueError without one."""
        with self._lock:
            process = self._running()
            late = threading.Timer(self._longest_s, _kill, (process,))
            late.daemon = True
            late.start()
            try:
                for part in parts:
                    _write(process.stdin, part)
                (length,) = _ANSWER.unpack(_read(process.stdout, _ANSWER.size))
                return _read(process.stdout, length)
            except BaseException:
                _kill(process)  # what is left in its pipes belongs to no request
                self._process = None
                raise
            finally:
                late.cancel()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, no shell
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # a library's message could quote a plate
                bufsize=0,  # a buffer would keep a copy of the key
                env=_environment(),
                cwd="/",
                start_new_session=True,  # so that it is killed with the process that it has forked
            )
            weakref.finalize(self, _kill, self._process)
        return self._process


# --- the box's side -----------------------------------------------------------------------------


def _bundle_request(keys: ListOpeningKey, terms: ListTerms, now: datetime) -> dict[str, Any]:
    return {
        "keys": {
            **{name: getattr(keys, name) for name in ("site", "box", "key_id")},
            "lists": _text(keys.lists.private_bytes_raw()),
        },
        "terms": {
            **{
                name: getattr(terms, name)
                for name in ("list_id", "max_entries", "max_entry_days", "exempt")
            },
            "issuers": {name: key.text for name, key in terms.issuers.items()},
            "purposes": sorted(terms.purposes),
        },
        "now": _microseconds(now),
    }


def _trial_request(trial: TrialList) -> dict[str, Any]:
    return {"trial": {**asdict(trial), "file": os.fspath(trial.file.absolute())}}


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with those that it has forked; a second call does nothing."""
    if process.returncode is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _write(pipe: IO[bytes] | None, data: bytes | bytearray) -> None:
    rest = memoryview(data)
    while rest and pipe is not None:
        rest = rest[pipe.write(rest) :]


def _read(pipe: IO[bytes] | None, count: int) -> bytes:
    """This many bytes; raises ValueError if there are fewer."""
    parts = []
    while count and pipe is not None:
        part = pipe.read(count)
        if not part:
            raise ValueError("the process has ended")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _environment() -> dict[str, str]:
    """The variables that the process needs; passwords and keys are not among them."""
    kept = {
        name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ
    }
    root = str(Path(__file__).resolve().parents[3])
    given = os.environ.get("PYTHONPATH")
    return {**kept, "PYTHONPATH": f"{root}{os.pathsep}{given}" if given else root}


def _listed(answer: dict[str, Any]) -> ListTokens:
    tokens = base64.b64decode(answer["tokens"])
    listed: dict[PlateToken, tuple[ListedPeriod, ...]] = {}
    for place, (entry_id, start, end, kind, colour) in enumerate(answer["periods"]):
        token = PlateToken(tokens[place * TOKEN_BYTES : (place + 1) * TOKEN_BYTES])
        period = ListedPeriod(entry_id, _moment(start), _moment(end), described(kind, colour))
        listed[token] = (*listed.get(token, ()), period)
    return listed


def _raised(kind: str, code: str, message: str, problems: list[str]) -> EdgeError:
    if kind == MistakesError.__name__:
        return MistakesError(problems, code=code)
    return _ERRORS[kind](message, code=code) if kind in _ERRORS else _no_answer()


def _no_answer() -> OutboxError:
    return OutboxError(
        "a list could not be opened, because the process that opens lists gave no answer; check "
        "the free memory of this machine and start the box again",
        code="E_LIST_PROCESS",
    )


# --- the other process --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _ListKey:
    """The keys of a request: only the one that opens lists."""

    site: str
    box: str
    key_id: str
    lists: X25519PrivateKey = field(repr=False)


def main() -> None:
    """Fork a process for each request on standard input, until it is closed."""
    forbid_core_dumps()
    requests = select.poll()
    requests.register(sys.stdin.fileno(), select.POLLIN)
    while requests.poll():
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = _answered_one()
            finally:
                os._exit(status)  # at once: it takes time to free the plates one by one
        _, ended = os.waitpid(child, 0)
        if ended != 0:
            return


def _answered_one() -> int:
    """Answer the next request; returns the exit status, 1 if there is no more."""
    with open(0, "rb", buffering=0, closefd=False) as requests:
        try:
            lengths = _REQUEST.unpack(_read(requests, _REQUEST.size))
            text, key, data = (_read(requests, length) for length in lengths)
        except ValueError:
            return 1
    try:
        answer = _opened(json.loads(text), bytearray(key), data)
    except EdgeError as error:
        problems = [str(one) for one in getattr(error, "problems", ())]
        kind = next(each.__name__ for each in type(error).__mro__ if each.__name__ in _KINDS)
        raised = {"kind": kind, "code": error.code, "message": error.message, "problems": problems}
        answer = {"error": raised}
    told = json.dumps(answer).encode()
    with open(1, "wb", buffering=0, closefd=False) as answers:
        _write(answers, _ANSWER.pack(len(told)))
        _write(answers, told)
    return 0


_KINDS: Final = {*_ERRORS, MistakesError.__name__, EdgeError.__name__}


def _opened(request: dict[str, Any], key: bytearray, data: bytes) -> dict[str, Any]:
    """The answer to a request; raises as `ListOpener`."""
    here = OpenedHere()
    if "trial" in request:
        trial = TrialList(**{**request["trial"], "file": Path(request["trial"]["file"])})
        if key:
            return {"listed": _as_json(here.listed_trial(trial, key))}
        here.check_trial(trial)
        return {"checked": {}}
    own, terms, now = request["keys"], request["terms"], _moment(request["now"])
    lists = X25519PrivateKey.from_private_bytes(base64.b64decode(own["lists"]))
    keys = _ListKey(own["site"], own["box"], own["key_id"], lists)
    issuers = {name: PublicKey.parse(text) for name, text in terms["issuers"].items()}
    limits = ListTerms(**{**terms, "issuers": issuers, "purposes": frozenset(terms["purposes"])})
    if key:
        return {"listed": _as_json(here.listed(data, keys, limits, now, key))}
    found, size = here.facts(data, keys, limits, now)
    facts = asdict(found)
    for name in ("issued_at", "first_end", "last_end"):
        facts[name] = None if facts[name] is None else _microseconds(facts[name])
    return {"facts": {"facts": facts, "size": asdict(size)}}


def _as_json(listed: ListTokens) -> dict[str, Any]:
    rows = [(token, one) for token, periods in listed.items() for one in periods]
    return {
        "tokens": _text(b"".join(token.value for token, _ in rows)),
        "periods": [
            (one.entry_id, _microseconds(one.start), _microseconds(one.end), *as_words(one.stated))
            for _, one in rows
        ],
    }


# --- both ---------------------------------------------------------------------------------------


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND


if __name__ == "__main__":
    main()
