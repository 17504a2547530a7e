"""Opens a live source with FFmpeg, in the decoder process, and says in one word why it cannot."""

from __future__ import annotations

import errno
import socket
import ssl
import time
from typing import IO
from urllib.parse import urlsplit

import av
import av.error
from av._core import library_meta

from edge.adapters.cameras.decoder_messages import DecoderRequest
from edge.adapters.cameras.stream_choice import NoSuchStreamError, choose_stream

_BUILD = library_meta["libavformat"]["configuration"]
"""FFmpeg's build options."""

_CERTIFICATE_WORDS = {9: "expired", 10: "expired", 62: "wrong-name", 64: "wrong-name"}
"""OpenSSL's X509_V_ERR_*: not yet valid, no longer valid, another host name, another address."""


class SourceError(Exception):
    """The source gives no frames; the text is one word of the closed list in `camera_status`."""


def open_source(
    request: DecoderRequest, pipe: IO[bytes] | None = None
) -> av.container.InputContainer:
    """Open the source of a request, or a pipe with its format; the caller closes it.

    Raises:
        SourceError: it cannot be opened.
    """
    started = time.monotonic()
    _require_name(request.address)
    if request.verified and "--enable-gnutls" not in _BUILD:
        # With other TLS libraries FFmpeg does not check the host name in a certificate.
        raise SourceError("no-verification")
    try:
        container = av.open(
            request.address if pipe is None else pipe,
            format=request.format,
            mode="r",
            options=request.options,
            timeout=(request.open_s, request.read_s),
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        late = time.monotonic() - started > request.open_s * 0.9
        if late:
            raise SourceError("silent") from None
        unverified = isinstance(error, OSError) and error.errno == errno.EIO and request.verified
        raise SourceError(
            _handshake_problem(request) if unverified else error_word(error, opened=False)
        ) from None
    return container


def chosen_stream(
    container: av.container.InputContainer, wanted: int | None
) -> tuple[av.VideoStream, str | None]:
    """The video stream to decode, and a line about it if there are several.

    Args:
        container: the opened source.
        wanted: the number among its video streams, from 0; None: the largest.

    Raises:
        SourceError: there is no such stream, or none with pictures.
    """
    try:
        choice = choose_stream(container, wanted)
    except NoSuchStreamError:
        raise SourceError("no-such-stream") from None
    if choice is None:
        raise SourceError("no-video")
    stream = container.streams[choice.index]
    assert isinstance(stream, av.VideoStream)  # noqa: S101 - for the type checker
    return stream, choice.text() if len(choice.shown) > 1 else None


def error_word(error: Exception, *, opened: bool) -> str:
    """One word for an error, whose own text may hold the address."""
    if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
        return "refused-password"
    if isinstance(error, av.error.HTTPError):
        return "no-stream"
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return "silent"
    if isinstance(error, (av.error.InvalidDataError, av.error.EOFError)):
        return "broken" if opened else "no-stream"
    number = getattr(error, "errno", None)
    words = {
        errno.ECONNREFUSED: "refused",
        errno.ENOENT: "no-device",
        errno.ENODEV: "no-device",
        errno.ENXIO: "no-device",
        errno.ENOTTY: "no-device",
        errno.EACCES: "no-permission",
        errno.EPERM: "no-permission",
        errno.EBUSY: "busy",
        errno.ETIMEDOUT: "silent",
        errno.EHOSTUNREACH: "unreachable",
        errno.ENETUNREACH: "unreachable",
    }
    return words.get(number or 0, "lost" if opened else "no-stream")


def _handshake_problem(request: DecoderRequest) -> str:
    """Why a TLS handshake failed, found by a second handshake, since FFmpeg does not say.

    The result is used in messages only.
    """
    parts = urlsplit(request.address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a self-signed certificate
    name = request.options.get("verifyhost", parts.hostname)
    port = parts.port or (322 if parts.scheme == "rtsps" else 443)
    try:
        context.load_verify_locations(request.options["ca_file"])
        with (
            socket.create_connection((parts.hostname, port), request.read_s) as connection,
            context.wrap_socket(connection, server_hostname=name),
        ):
            return "untrusted"
    except ssl.SSLCertVerificationError as error:
        return _CERTIFICATE_WORDS.get(error.verify_code, "untrusted")
    except ssl.SSLError:
        return "no-tls"
    except OSError:
        return "lost"


def _require_name(address: str) -> None:
    """Raise an error if the host name does not resolve; FFmpeg's own error does not say that."""
    parts = urlsplit(address)
    if "://" in address and parts.hostname:
        try:
            socket.getaddrinfo(parts.hostname, parts.port)
        except OSError:
            raise SourceError("no-name") from None
