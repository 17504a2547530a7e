"""Makes the decoder request for a camera of site.yaml."""

from __future__ import annotations

import shlex
import ssl
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from edge.adapters.cameras.decoder_messages import DecoderRequest
from edge.errors import ConfigError
from edge.site.settings import DeviceCamera, HttpCamera, LiveCamera, RtspCamera

_PROBE_US = "500000"
"""How long FFmpeg examines a stream before its first frame, µs; its default is 5 s."""

_FEED = "fdsrc fd=0 !"

_DRAIN = "! videoconvert ! video/x-raw,format=I420 ! y4menc ! fdsink fd=1"

SYSTEM_AUTHORITIES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian, Ubuntu, L4T, Alpine
    Path("/etc/pki/tls/certs/ca-bundle.crt"),  # Fedora, RHEL
    Path("/etc/ssl/ca-bundle.pem"),  # SUSE
)
"""Files of trusted certificate authorities on Linux distributions; FFmpeg needs one file."""


def shown_address(live: LiveCamera) -> str:
    """A camera's address for messages, without path and query, which may hold secrets."""
    if isinstance(live, (RtspCamera, HttpCamera)):
        parts = urlsplit(live.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}"
    return live.device if isinstance(live, DeviceCamera) else "pipeline"


def request_for(
    live: LiveCamera, password: str | None = None, authorities: Path | None = None
) -> DecoderRequest:
    """The decoder request for a camera.

    Args:
        live: the camera.
        password: its password, if it has one.
        authorities: PEM file of the certificate authorities for a camera over TLS; None: the
            system's.

    Raises:
        ConfigError: the file of authorities is not a PEM file, or the system has none.
    """
    if isinstance(live, RtspCamera):
        return DecoderRequest(
            _with_login(live.url, live.username, password),
            format="rtsp",
            options={
                "rtsp_transport": live.transport,
                "allowed_media_types": "video",
                "analyzeduration": _PROBE_US,
                # For UDP: packets may arrive in another order, and a key frame arrives in a burst.
                "reorder_queue_size": "64",
                "max_delay": "200000",
                "buffer_size": "4194304",
                **_verification(live, authorities),
            },
            substream=_with_login(live.substream or "", live.username, password),
            pipeline=() if live.decoder is None else _launch(f"{_FEED} {live.decoder}"),
            stamped=live.decoder is None,  # GStreamer's pictures come without their time
        )
    if isinstance(live, HttpCamera):
        return DecoderRequest(
            _with_login(live.url, live.username, password),
            options={
                # Redirects are followed, but never from a verified connection to an unverified one.
                "protocol_whitelist": "https,tls,tcp" if live.over_tls else "http,tcp",
                "format_whitelist": "mpjpeg,mjpeg,jpeg_pipe",
                "analyzeduration": _PROBE_US,
                # Otherwise FFmpeg keeps trying a lost connection and never reports it.
                "reconnect": "0",
                **_verification(live, authorities),
            },
            substream=_with_login(live.substream or "", live.username, password),
            stamped=False,  # pictures over HTTP have no time; FFmpeg assumes a rate
        )
    if isinstance(live, DeviceCamera):
        wanted = {
            "video_size": f"{live.size[0]}x{live.size[1]}" if live.size else None,
            "framerate": str(live.per_second) if live.per_second else None,
            "input_format": live.pixels,
        }
        return DecoderRequest(
            live.device,
            format="v4l2",
            options={name: value for name, value in wanted.items() if value is not None},
        )
    return DecoderRequest("", format="yuv4mpegpipe", pipeline=_launch(live.pipeline), stamped=False)


def _verification(live: RtspCamera | HttpCamera, authorities: Path | None) -> dict[str, str]:
    """Options that make the library verify the certificate; by default it verifies none."""
    if not live.over_tls:
        return {}
    trusted = authorities or next(filter(Path.is_file, SYSTEM_AUTHORITIES), None)
    if trusted is None:
        raise ConfigError(
            "this system has no file of trusted certificate authorities; install the package "
            "ca-certificates, or name the camera's own authority in tls_ca"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(trusted)
    except ssl.SSLError as error:
        raise ConfigError(
            f"{trusted}: not a PEM certificate ({error.reason or 'unreadable'}); correct tls_ca"
        ) from error
    except OSError as error:
        raise ConfigError(f"{trusted}: {error.strerror}; correct tls_ca") from error
    named = {} if live.tls_name is None else {"verifyhost": live.tls_name}
    return {"tls_verify": "1", "ca_file": str(trusted), **named}


def _launch(pipeline: str) -> tuple[str, ...]:
    return ("gst-launch-1.0", "-q", *shlex.split(f"{pipeline} {_DRAIN}"))


def _with_login(url: str, username: str | None, password: str | None) -> str:
    if username is None or not url:
        return url
    parts = urlsplit(url)
    login = quote(username, safe="") + (f":{quote(password, safe='')}" if password else "")
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))
