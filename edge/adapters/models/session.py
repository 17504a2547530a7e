"""Opens ONNX Runtime sessions on the configured execution provider, without fallback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.adapters.models.engine_cache import cache_folder, engine_maker, engine_options
from edge.errors import ModelError

PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
"""ONNX Runtime's names in order of preference. The CPU runs the few operators that an accelerator
lacks; `check_provider` checks that the accelerator itself is used."""


def runtime() -> Any:  # noqa: ANN401 - the module has no types
    """The module `onnxruntime`.

    Raises:
        ModelError: ONNX Runtime is not installed.
    """
    try:
        import onnxruntime  # noqa: PLC0415 - installed by an extra, so it may be missing
    except ImportError:
        raise ModelError(
            "onnxruntime is not installed; install edge-anpr[cpu], edge-anpr[gpu] or the wheel "
            "of your board",
            code="E_MODEL_RUNTIME",
        ) from None
    return onnxruntime


_WHERE = "models.provider of site.yaml, --provider of a command"
"""Where a provider is chosen, for errors."""


def available_providers(provider: str) -> list[str]:
    """ONNX Runtime's provider names for `cpu`, `cuda` or `tensorrt`.

    Raises:
        ModelError: the name is unknown or this build of ONNX Runtime lacks it.
    """
    if provider not in PROVIDERS:
        raise ModelError(
            f"provider: {provider!r} is unknown; choose one of {', '.join(PROVIDERS)} ({_WHERE})",
            code="E_MODEL_PROVIDER",
        )
    present = set(runtime().get_available_providers())
    wanted = PROVIDERS[provider]
    if wanted[0] not in present:
        raise _unavailable(provider)
    return [name for name in wanted if name in present]


def providers_for(path: Path, provider: str) -> list[tuple[str, dict[str, str]]]:
    """ONNX Runtime's providers with their options for one network; TensorRT caches its engines.

    Raises:
        ModelError: the name is unknown or this build of ONNX Runtime lacks it.
    """
    options: dict[str, dict[str, str]] = {}
    names = available_providers(provider)
    if provider == "tensorrt":
        maker = engine_maker(runtime().__version__)
        options[names[0]] = engine_options(path, maker, cache_folder())
    return [(name, options.get(name, {})) for name in names]


def check_provider(session: Any, provider: str) -> None:  # noqa: ANN401
    """Refuse a session that fell back to another provider.

    Raises:
        ModelError: the session does not run on the provider that was asked for.
    """
    running: Sequence[str] = session.get_providers()
    if not running or running[0] != PROVIDERS[provider][0]:
        raise _unavailable(provider)


def session_options(threads: int) -> Any:  # noqa: ANN401
    """Session options with this number of threads inside an operator.

    Raises:
        ModelError: the number is below 1.
    """
    if threads < 1:
        raise ModelError("models.threads: must be 1 or more; correct the number")
    options = runtime().SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    # Threads that spin while waiting would take processor time from decoding.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def open_session(
    path: Path, provider: str, threads: int, fixed: Mapping[str, int] = MappingProxyType({})
) -> Any:  # noqa: ANN401
    """Open a session on exactly the given provider.

    Args:
        path: the network.
        provider: `cpu`, `cuda` or `tensorrt`.
        threads: threads inside an operator, 1 or more.
        fixed: sizes of free dimensions of the network's inputs by name; a name that the network
            does not have is ignored.

    Raises:
        ModelError: the file is not an ONNX model, or the provider is not available.
    """
    ort = runtime()
    providers = providers_for(path, provider)
    options = session_options(threads)
    for name, size in fixed.items():
        options.add_free_dimension_override_by_name(name, size)
    try:
        session = ort.InferenceSession(str(path), providers=providers, sess_options=options)
    except runtime_errors() as error:
        raise unloadable(path, error) from None
    check_provider(session, provider)
    return session


def runtime_errors() -> tuple[type[Exception], ...]:
    """The exceptions that ONNX Runtime raises if it cannot load or run a model."""
    state = vars(runtime().capi.onnxruntime_pybind11_state).values()
    return tuple(e for e in state if isinstance(e, type) and issubclass(e, Exception))


def unloadable(path: Path, error: Exception) -> ModelError:
    """The error of a file that ONNX Runtime cannot load."""
    reason = str(error).splitlines()[0][:200]
    return ModelError(
        f"{path}: ONNX Runtime cannot load it ({reason}); download the file again from its source",
        code="E_MODEL_LOAD",
    )


def _unavailable(provider: str) -> ModelError:
    return ModelError(
        f"provider: {provider} is not supported by this machine's ONNX Runtime; install the wheel "
        f"and drivers for it, or choose cpu ({_WHERE})",
        code="E_MODEL_PROVIDER",
    )
