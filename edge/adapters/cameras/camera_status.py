"""The status of a live camera, and what each of its problems is called."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from edge.errors import CameraError


class CameraState(Enum):
    """The states of a live camera."""

    CONNECTING = "connecting"
    LIVE = "live"
    AWAY = "away"
    REFUSED = "refused"
    RESTING = "resting"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class SubstreamStatus:
    """The status of the small stream that is watched instead of a camera's main stream.

    Attributes:
        works: whether it is watched now; otherwise the main stream is, at more work.
        problem: why it is not watched; None: it is, or nobody knows yet.
        size: width and height of its latest picture.
        rare_key_frames: whether the main stream's key frames are more than two seconds apart, so
            that more of it is decoded than is needed.
    """

    works: bool = False
    problem: str | None = None
    size: tuple[int, int] | None = None
    rare_key_frames: bool = False


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """The status of a camera at one moment; it holds no address.

    Attributes:
        state: the camera's state.
        problem: why it gives no frames; None while it does.
        since_s: when it entered this state, on the monotonic clock, seconds.
        connections: how often it was connected and gave a first frame.
        per_second: frames per second of the stream that is watched, None before it is known.
        size: width and height of the latest frame.
        unwanted: complete frames so far that were not selected for analysis.
        opens_at: when its hours start next, in the policy's zone, if it is closed outside them or
            was when it was closed for good; else None.
        substream: of its small stream; None if it has none.
    """

    state: CameraState
    problem: CameraError | None
    since_s: float
    connections: int
    per_second: float | None
    size: tuple[int, int] | None
    unwanted: int
    opens_at: datetime | None = None
    substream: SubstreamStatus | None = None

    @property
    def works(self) -> bool:
        """Whether it gives frames, or is closed outside the policy's hours."""
        return self.state in {CameraState.LIVE, CameraState.RESTING}


PROBLEMS = {
    "refused-password": (
        "E_CAMERA_AUTH",
        "refuses user name or password; correct username and the password's file or variable",
    ),
    "refused": ("E_CAMERA_UNREACHABLE", "refuses the connection; check port and camera"),
    "no-name": ("E_CAMERA_UNREACHABLE", "has a host name that does not resolve; check its address"),
    "unreachable": ("E_CAMERA_UNREACHABLE", "cannot be reached; check address and network"),
    "silent": ("E_CAMERA_SILENT", "gives no frame; check the camera and its network"),
    "lost": ("E_CAMERA_LOST", "closed the connection; it is tried again"),
    "ended": ("E_CAMERA_LOST", "ended its stream; it is tried again"),
    "broken": ("E_CAMERA_LOST", "sends data that is not video; check the camera and its network"),
    "no-stream": ("E_CAMERA_STREAM", "has no video at this address; check its path"),
    "no-such-stream": (
        "E_CAMERA_STREAM",
        "has no video stream of the number in cameras.<name>.stream; correct it in site.yaml",
    ),
    "no-video": ("E_CAMERA_STREAM", "sends a stream without pictures; check its path"),
    "no-device": ("E_CAMERA_DEVICE", "is missing, or is not a camera; check cable and device name"),
    "no-permission": (
        "E_CAMERA_DEVICE",
        "cannot be opened by this user; add the user to the device's group",
    ),
    "busy": ("E_CAMERA_DEVICE", "is used by another program; stop that one"),
    "no-gstreamer": ("E_CAMERA_PIPELINE", "needs gst-launch-1.0; install gstreamer1.0-tools"),
    "not-decoded": (
        "E_CAMERA_PIPELINE",
        "sends video that the pipeline in `decoder` does not decode; correct it, or leave it out",
    ),
    "untrusted": (
        "E_CAMERA_CERTIFICATE",
        "has a certificate that is not trusted; name its authority, or the certificate, in tls_ca",
    ),
    "expired": (
        "E_CAMERA_CERTIFICATE",
        "has a certificate that is not valid today; renew it, and check the clock of this box",
    ),
    "wrong-name": (
        "E_CAMERA_CERTIFICATE",
        "has a certificate for another name; correct the address, or set the name in tls_name",
    ),
    "no-tls": ("E_CAMERA_CERTIFICATE", "does not speak TLS at this port; correct the address"),
    "no-verification": (
        "E_CAMERA_CERTIFICATE",
        "cannot be verified by this build of FFmpeg, which lacks GnuTLS; install PyAV's own wheel",
    ),
    "crashed": ("E_CAMERA_LOST", "made the decoder crash; it is tried again"),
}
"""Code and text of each word with which a source ends."""


SUBSTREAM_PROBLEMS = {
    "silent": "gives no picture; check the address in substream, and the camera",
    "other-view": "shows another view than its main stream; correct the address in substream",
    "no-such-stream": "has no video at this address; check its path in substream",
}
"""Problems of a substream that read differently from those of a camera."""

RARE_KEY_FRAMES_TEXT = (
    "the key frames of its main stream are more than 2 s apart, so more of it is decoded than is "
    "needed; set the interval of key frames (GOP, I-frames) in the camera to 2 s or less"
)


def substream_problem(word: str) -> str:
    """The sentence about a substream that is not watched, for a word of the decoder."""
    what = SUBSTREAM_PROBLEMS.get(word) or PROBLEMS.get(word, PROBLEMS["lost"])[1]
    return f"its substream {what}; until then the main stream is watched, at more work"
