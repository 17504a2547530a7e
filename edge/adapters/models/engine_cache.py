"""Caches TensorRT's engines, so that a box does not compile them at each start.

An engine is machine code for one GPU, compiled by one version of TensorRT from one network. ONNX
Runtime's file name for it does not contain all of these. So each combination has its own folder:
when one of them changes, the old engine is not found and a new one is compiled.

Options: https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html; the
driver's calls: https://docs.nvidia.com/cuda/cuda-driver-api/.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_CUDA = "libcuda.so.1"
_TENSORRT = ("libnvinfer.so.10", "libnvinfer.so.8")
# CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
_CAPABILITY = (75, 76)
_NAME_BYTES = 256

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineMaker:
    """The parts that an engine depends on, besides its network.

    Attributes:
        gpu: the first GPU's name and compute capability.
        tensorrt: the version of TensorRT that is loaded.
        onnxruntime: the version of ONNX Runtime, which splits the network for TensorRT.
    """

    gpu: str
    tensorrt: str
    onnxruntime: str

    def key(self, model_sha256: str) -> str:
        """The name of the folder for one network's engines: 64 hexadecimal digits."""
        parts = (self.gpu, self.tensorrt, self.onnxruntime, model_sha256)
        # Each part is preceded by its length, so no two combinations give the same text.
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return hashlib.sha256(text.encode()).hexdigest()


def engine_maker(onnxruntime: str) -> EngineMaker | None:
    """The parts on this machine; None if GPU or TensorRT cannot be identified."""
    gpu, tensorrt = _gpu(), _tensorrt()
    if gpu is None or tensorrt is None:
        return None
    return EngineMaker(gpu, tensorrt, onnxruntime)


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of engines: `engines` in systemd's state folder, else in the XDG cache folder.

    None if the environment names neither.
    """
    # systemd separates several folders by colons; the box's is the first.
    state = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    if state.startswith("/"):
        return Path(state) / "engines"
    cache = environment.get("XDG_CACHE_HOME", "")
    if cache.startswith("/"):  # the XDG specification says to ignore a relative one
        return Path(cache) / "edge-anpr" / "engines"
    home = environment.get("HOME", "")
    if not home.startswith("/"):
        return None
    return Path(home) / ".cache" / "edge-anpr" / "engines"


def engine_options(model: Path, maker: EngineMaker | None, folder: Path | None) -> dict[str, str]:
    """TensorRT's options for one network; empty if its engines cannot be cached.

    That is logged. Compiling the engines then takes minutes at each start.

    Args:
        model: the weights.
        maker: the parts that its engines depend on.
        folder: the folder of all engines; created for this user only if it is missing.
    """
    if maker is None or folder is None:
        log.warning(
            "TensorRT's engines are compiled at each start: %s",
            "GPU or TensorRT cannot be identified; check the NVIDIA driver and TensorRT"
            if maker is None
            else "no cache folder; set XDG_CACHE_HOME",
        )
        return {}
    try:
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
        place = folder / maker.key(digest)
        place.mkdir(parents=True, exist_ok=True)
        # An engine is machine code: write access here means running code as this user.
        folder.chmod(0o700)
    except OSError as error:
        log.warning("TensorRT's engines are compiled at each start: %s: %s", folder, error.strerror)
        return {}
    return {
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(place),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(place),
    }


def _gpu() -> str | None:
    """Name and compute capability of the first GPU, from its driver."""
    try:
        cuda = ctypes.CDLL(_CUDA)
    except OSError:
        return None
    device = ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(device), 0):
        return None
    name = ctypes.create_string_buffer(_NAME_BYTES)
    if cuda.cuDeviceGetName(name, _NAME_BYTES, device):
        return None
    capability = []
    for attribute in _CAPABILITY:
        value = ctypes.c_int()
        if cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device):
            return None
        capability.append(str(value.value))
    return f"{name.value.decode(errors='replace')} {'.'.join(capability)}"


def _tensorrt() -> str | None:
    """The version of the TensorRT library that the loader finds."""
    for library in _TENSORRT:
        try:
            return str(int(ctypes.CDLL(library).getInferLibVersion()))
        except (OSError, AttributeError):
            continue
    return None
