"""Resumable downloads; the caller publishes a file when it is complete."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import http.client
import io
import os
import re
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from edge.errors import ModelError, OutboxError

TIMEOUT_S = 30.0
"""Seconds without data after which a server counts as gone."""

LARGEST = 512 * 1024 * 1024
"""No weights for this product are larger, in bytes."""

LOOPBACK = frozenset({"127.0.0.1", "::1"})

_BLOCK = 64 * 1024
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")

Progress = Callable[[int, "int | None"], None]
"""Called with the bytes received so far and the total, None if that is unknown."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect to an unencrypted address."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        require_encrypted(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def require_encrypted(url: str) -> None:
    """HTTPS, or this very machine.

    Raises:
        ModelError: another kind of address.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return
    raise ModelError(
        f"{parts.scheme}://{parts.hostname}: weights are fetched over https only; correct the url "
        "in the manifest, or fetch the file yourself and give it with --from",
        code="E_MODEL_DOWNLOAD",
    )


def fetch(
    url: str,
    part: Path,
    *,
    size: int | None = None,
    progress: Progress = lambda _have, _total: None,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Fetch a file into `part`, going on from what lies there already.

    What lies there counts only if the server says, by its validator, that the file is still the
    same (RFC 9110, `Range` with `If-Range`); otherwise it is fetched anew. The caller compares
    the digest and renames: a part is never anything else.

    Args:
        url: `https://…`, or an address of this machine.
        part: where the bytes go; beside it `….validator` notes which version they are of.
        size: the size it must have in bytes, if known.
        progress: told after each block.
        timeout_s: how long a silent server is waited for.

    Raises:
        ModelError: `E_MODEL_DOWNLOAD`, the file cannot be had: no network, no such file, it
            broke off, or it is too large.
        OutboxError: it cannot be stored.
    """
    require_encrypted(url)
    with _opened(part) as file, _gone_if_empty(part):
        have = file.seek(0, os.SEEK_END)
        if size is not None and have == size:
            progress(have, size)
            return
        validator = _noted(part)
        answer = _ask(url, have, validator, timeout_s)
        given = answer.headers.get("Content-Range", "")
        if answer.status == 416 and given == f"bytes */{have}":
            answer.close()
            progress(have, have)
            return
        if answer.status == 416 or (answer.status == 206 and not _goes_on(given, have)):
            # The part is not a beginning of the server's file.
            answer.close()
            have = 0
            answer = _ask(url, 0, None, timeout_s)
        with answer:
            _take(answer, file, part, url, have if answer.status == 206 else 0, size, progress)


def _ask(url: str, have: int, validator: str | None, timeout_s: float) -> Any:  # noqa: ANN401
    """The server's answer: the file, its rest from `have` on (206), or that it has none (416)."""
    request = urllib.request.Request(url, headers={"User-Agent": "edge-anpr"})  # noqa: S310
    request.add_header("Accept-Encoding", "identity")
    if have and validator is not None:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", validator)
    opener = urllib.request.build_opener(_Redirects)
    try:
        return opener.open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:
            return error
        error.close()
        raise _refused(url, f"the server answers {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _refused(url, _reason(error)) from None


def _goes_on(content_range: str, have: int) -> bool:
    start = _RANGE.match(content_range)
    return start is not None and int(start[1]) == have


def _take(
    answer: Any,  # noqa: ANN401
    file: io.FileIO,
    part: Path,
    url: str,
    have: int,
    size: int | None,
    progress: Progress,
) -> None:
    """Store what the server sends, behind the first `have` bytes."""
    promised = answer.headers.get("Content-Length", "")
    total = have + int(promised) if promised.isdigit() else None
    most = LARGEST if size is None else size
    if total is not None and total > most:
        raise _refused(url, f"it has {total} bytes where at most {most} are expected")
    validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    try:
        if file.seek(0, os.SEEK_END) != have:
            file.truncate(have)
            file.seek(have)
        # A weak validator promises the same meaning, not the same bytes.
        _note(part, "" if validator.startswith("W/") else validator)
    except OSError as error:
        raise unwritable(part.parent, error) from None
    progress(have, total)
    while block := _next_block(answer, url, have, total):
        have += len(block)
        if have > most:
            raise _refused(url, f"it has more than the {most} bytes that are expected")
        try:
            _write(file, block)
        except OSError as error:
            raise unwritable(part.parent, error) from None
        progress(have, total)
    try:
        os.fsync(file.fileno())
    except OSError as error:
        raise unwritable(part.parent, error) from None
    if total is not None and have < total:
        raise _broken_off(url, have, total, "the connection was closed")


def _next_block(answer: Any, url: str, have: int, total: int | None) -> bytes:  # noqa: ANN401
    try:
        block: bytes = answer.read(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _broken_off(url, have, total, _reason(error)) from None
    return block


def _write(file: io.FileIO, block: bytes) -> None:
    """All of a block; a write may take less than it was given."""
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) :]


def discard(part: Path) -> None:
    """Delete a part file and the note beside it."""
    part.unlink(missing_ok=True)
    _note_of(part).unlink(missing_ok=True)


@contextlib.contextmanager
def _gone_if_empty(part: Path) -> Iterator[None]:
    """Remove the part at the end if it is empty."""
    try:
        yield
    finally:
        if part.is_file() and part.stat().st_size == 0:
            discard(part)


def _opened(part: Path) -> io.FileIO:
    """Open the part file and lock it for this process."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: each block that was told as had is in the file.
        file = part.open("r+b" if part.exists() else "x+b", buffering=0)
    except OSError as error:
        raise unwritable(part.parent, error) from None
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ModelError(
            f"{part}: another process is fetching it; wait for it to end", code="E_MODEL_DOWNLOAD"
        ) from None
    return file


def _note_of(part: Path) -> Path:
    return part.with_name(part.name + ".validator")


def _noted(part: Path) -> str | None:
    try:
        return _note_of(part).read_text("ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _note(part: Path, validator: str) -> None:
    if validator.isascii() and validator.isprintable():
        _note_of(part).write_text(validator, "ascii")
    else:
        _note_of(part).unlink(missing_ok=True)


def unwritable(folder: Path, error: OSError) -> OutboxError:
    """The refusal of a folder that weights cannot be put into."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return OutboxError(f"{folder}: the disk is full; free space", code="E_DISK_FULL")
    return OutboxError(f"{folder}: cannot be written ({error.strerror}); check its permissions")


def _reason(error: Exception) -> str:
    """Why the network failed, in the system's words."""
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, ssl.SSLError):
        return f"its certificate or encryption is not accepted: {inner.reason or 'TLS error'}"
    if isinstance(inner, TimeoutError):
        return "it does not answer"
    if isinstance(inner, socket.gaierror):
        return "its name is not found: this machine is offline, or the name is wrong"
    if isinstance(inner, OSError):
        return inner.strerror or "no connection"
    return str(inner) or type(inner).__name__


def _refused(url: str, why: str) -> ModelError:
    return ModelError(
        f"{url}: cannot be fetched ({why}); check the connection, or fetch the file elsewhere and "
        "give it with --from",
        code="E_MODEL_DOWNLOAD",
    )


def _broken_off(url: str, have: int, total: int | None, why: str) -> ModelError:
    of = "" if total is None else f" of {total}"
    return ModelError(
        f"{url}: broke off after {have}{of} bytes ({why}); the same command goes on from there",
        code="E_MODEL_DOWNLOAD",
    )
