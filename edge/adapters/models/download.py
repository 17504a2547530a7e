"""Downloads files into part files and resumes interrupted downloads."""

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
"""Seconds without data after which a download fails."""

LARGEST = 512 * 1024 * 1024
"""The largest download, in bytes; all weights for this product are smaller."""

LOOPBACK = frozenset({"127.0.0.1", "::1"})

_BLOCK = 64 * 1024
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")

Progress = Callable[[int, "int | None"], None]
"""Called with the number of bytes received so far and the total, None if unknown."""


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
    """Refuse an address that is neither HTTPS nor on this machine.

    Raises:
        ModelError: the address is neither.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return
    raise ModelError(
        f"{parts.scheme}://{parts.hostname}: weights are downloaded over https only; correct the "
        "url in the manifest, or download the file yourself and name it with --from",
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
    """Download a file into `part`; an interrupted download is resumed.

    It is resumed only if the server confirms, by its validator, that the file has not changed (RFC
    9110, `Range` with `If-Range`); otherwise it starts again. The caller then compares the digest
    and renames the part file.

    Args:
        url: `https://…`, or an address of this machine.
        part: the part file; the file `….validator` beside it holds the version of its bytes.
        size: the file's size in bytes, if known.
        progress: called after each block.
        timeout_s: how long to wait for a server that sends nothing.

    Raises:
        ModelError: `E_MODEL_DOWNLOAD`: no network, no such file, the download was interrupted, or
            the file is too large.
        OutboxError: the file cannot be stored.
    """
    require_encrypted(url)
    with _open_part(part) as file, _removed_if_empty(part):
        have = file.seek(0, os.SEEK_END)
        if size is not None and have == size:
            progress(have, size)
            return
        validator = _read_validator(part)
        answer = _ask(url, have, validator, timeout_s)
        given = answer.headers.get("Content-Range", "")
        if answer.status == 416 and given == f"bytes */{have}":
            answer.close()
            progress(have, have)
            return
        if answer.status == 416 or (answer.status == 206 and not _resumes_at(given, have)):
            # The part file is not the beginning of the server's file.
            answer.close()
            have = 0
            answer = _ask(url, 0, None, timeout_s)
        with answer:
            _receive(answer, file, part, url, have if answer.status == 206 else 0, size, progress)


def _ask(url: str, have: int, validator: str | None, timeout_s: float) -> Any:  # noqa: ANN401
    """The server's answer: the file, its rest from byte `have` on (206), or no such rest (416)."""
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
        raise _not_downloadable(url, f"the server answers {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _not_downloadable(url, _reason(error)) from None


def _resumes_at(content_range: str, have: int) -> bool:
    start = _RANGE.match(content_range)
    return start is not None and int(start[1]) == have


def _receive(
    answer: Any,  # noqa: ANN401
    file: io.FileIO,
    part: Path,
    url: str,
    have: int,
    size: int | None,
    progress: Progress,
) -> None:
    """Append what the server sends after the first `have` bytes of the part file."""
    promised = answer.headers.get("Content-Length", "")
    total = have + int(promised) if promised.isdigit() else None
    most = LARGEST if size is None else size
    if total is not None and total > most:
        raise _not_downloadable(url, f"it has {total} bytes where at most {most} are expected")
    validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    try:
        if file.seek(0, os.SEEK_END) != have:
            file.truncate(have)
            file.seek(have)
        # A weak validator does not guarantee the same bytes (RFC 9110, 8.8.1).
        _write_validator(part, "" if validator.startswith("W/") else validator)
    except OSError as error:
        raise unwritable(part.parent, error) from None
    progress(have, total)
    while block := _next_block(answer, url, have, total):
        have += len(block)
        if have > most:
            raise _not_downloadable(url, f"it has more than the {most} bytes that are expected")
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
        raise _interrupted(url, have, total, "the connection was closed")


def _next_block(answer: Any, url: str, have: int, total: int | None) -> bytes:  # noqa: ANN401
    try:
        block: bytes = answer.read(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _interrupted(url, have, total, _reason(error)) from None
    return block


def _write(file: io.FileIO, block: bytes) -> None:
    """Write a whole block; a single write may store only a part of it."""
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) :]


def discard(part: Path) -> None:
    """Delete a part file and its validator file."""
    part.unlink(missing_ok=True)
    _validator_file(part).unlink(missing_ok=True)


@contextlib.contextmanager
def _removed_if_empty(part: Path) -> Iterator[None]:
    """Remove the part file when the block ends, if it is empty."""
    try:
        yield
    finally:
        if part.is_file() and part.stat().st_size == 0:
            discard(part)


def _open_part(part: Path) -> io.FileIO:
    """Open the part file and lock it for this process."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered, so that each block that `progress` has counted is in the file.
        file = part.open("r+b" if part.exists() else "x+b", buffering=0)
    except OSError as error:
        raise unwritable(part.parent, error) from None
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ModelError(
            f"{part}: another process is downloading it; wait for it to end",
            code="E_MODEL_DOWNLOAD",
        ) from None
    return file


def _validator_file(part: Path) -> Path:
    return part.with_name(part.name + ".validator")


def _read_validator(part: Path) -> str | None:
    try:
        return _validator_file(part).read_text("ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _write_validator(part: Path, validator: str) -> None:
    if validator.isascii() and validator.isprintable():
        _validator_file(part).write_text(validator, "ascii")
    else:
        _validator_file(part).unlink(missing_ok=True)


def unwritable(folder: Path, error: OSError) -> OutboxError:
    """The error of a folder that weights cannot be written to."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return OutboxError(f"{folder}: the disk is full; free space", code="E_DISK_FULL")
    return OutboxError(f"{folder}: cannot be written ({error.strerror}); check its permissions")


def _reason(error: Exception) -> str:
    """The reason of a network error, from the system's error."""
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, ssl.SSLError):
        return f"its certificate or encryption is not accepted: {inner.reason or 'TLS error'}"
    if isinstance(inner, TimeoutError):
        return "it does not answer"
    if isinstance(inner, socket.gaierror):
        return "its host name is not found: this machine is offline, or the name is wrong"
    if isinstance(inner, OSError):
        return inner.strerror or "no connection"
    return str(inner) or type(inner).__name__


def _not_downloadable(url: str, why: str) -> ModelError:
    return ModelError(
        f"{url}: cannot be downloaded ({why}); check the connection, or download the file "
        "elsewhere and name it with --from",
        code="E_MODEL_DOWNLOAD",
    )


def _interrupted(url: str, have: int, total: int | None, why: str) -> ModelError:
    of = "" if total is None else f" of {total}"
    return ModelError(
        f"{url}: the download stopped after {have}{of} bytes ({why}); run the same command "
        "to resume it",
        code="E_MODEL_DOWNLOAD",
    )
