"""TensorRT engines are cached per GPU, TensorRT version and network."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from edge.adapters.models import engine_cache, session
from edge.adapters.models.engine_cache import EngineMaker, cache_folder, engine_options

MAKER = EngineMaker("Orin 8.7", "100300", "1.23.0")
DIGEST = hashlib.sha256(b"weights").hexdigest()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "network.onnx"
    path.write_bytes(b"weights")
    return path


@pytest.mark.parametrize(
    "other",
    [
        replace(MAKER, gpu="Orin 8.9"),
        replace(MAKER, tensorrt="100400"),
        replace(MAKER, onnxruntime="1.24.0"),
    ],
)
def test_another_gpu_or_library_version_has_another_cache(other: EngineMaker) -> None:
    assert other.key(DIGEST) != MAKER.key(DIGEST)


def test_another_network_has_another_cache() -> None:
    assert MAKER.key(hashlib.sha256(b"other weights").hexdigest()) != MAKER.key(DIGEST)


def test_the_cache_key_is_the_same_at_each_start() -> None:
    assert replace(MAKER).key(DIGEST) == MAKER.key(DIGEST)


def test_the_boundaries_of_the_keys_parts_change_the_key() -> None:
    assert EngineMaker("a", "bc", "d").key(DIGEST) != EngineMaker("ab", "c", "d").key(DIGEST)


def test_engines_are_cached_in_a_private_folder_named_after_the_key(
    model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "engines"
    folder.mkdir(mode=0o755)

    options = engine_options(model, MAKER, folder)

    assert options["trt_engine_cache_enable"] == "True"
    assert Path(options["trt_engine_cache_path"]) == folder / MAKER.key(DIGEST)
    assert options["trt_timing_cache_path"] == options["trt_engine_cache_path"]
    assert Path(options["trt_engine_cache_path"]).is_dir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_network_file_changed_in_place_gets_a_new_cache(model: Path, tmp_path: Path) -> None:
    before = engine_options(model, MAKER, tmp_path / "engines")
    model.write_bytes(b"retrained")

    assert engine_options(model, MAKER, tmp_path / "engines") != before


@pytest.mark.parametrize("maker", [None, MAKER])
def test_an_unwritable_cache_folder_is_reported(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, maker: EngineMaker | None
) -> None:
    in_the_way = tmp_path / "engines"
    in_the_way.write_text("no folder")

    assert engine_options(model, maker, in_the_way) == {}
    assert "compiled at each start" in caplog.text


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/edge-anpr", "HOME": "/root"}, "/var/lib/edge-anpr/engines"),
        ({"STATE_DIRECTORY": "/a:/b"}, "/a/engines"),
        ({"XDG_CACHE_HOME": "/cache", "HOME": "/person"}, "/cache/edge-anpr/engines"),
        ({"XDG_CACHE_HOME": "cache", "HOME": "/person"}, "/person/.cache/edge-anpr/engines"),
    ],
)
def test_the_state_folder_of_a_service_is_preferred_to_the_users_cache(
    environment: dict[str, str], folder: str
) -> None:
    assert cache_folder(environment) == Path(folder)


def test_without_any_folder_there_is_no_cache() -> None:
    assert cache_folder({}) is None


def test_only_the_tensorrt_provider_gets_the_cache_options(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This machine may have no GPU: the answers of driver and runtime are given here.
    monkeypatch.setattr(session, "available_providers", lambda name: list(session.PROVIDERS[name]))
    monkeypatch.setattr(
        session, "engine_maker", lambda version: replace(MAKER, onnxruntime=version)
    )
    monkeypatch.setattr(session, "cache_folder", lambda: tmp_path / "engines")

    first, *followers = session.providers_for(model, "tensorrt")

    assert first[0] == "TensorrtExecutionProvider"
    expected = replace(MAKER, onnxruntime=session.runtime().__version__).key(DIGEST)
    assert first[1]["trt_engine_cache_path"] == str(tmp_path / "engines" / expected)
    assert followers == [("CUDAExecutionProvider", {}), ("CPUExecutionProvider", {})]


def test_other_providers_have_no_cache(model: Path) -> None:
    assert session.providers_for(model, "cpu") == [("CPUExecutionProvider", {})]


def test_a_machine_without_driver_or_tensorrt_has_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_cache, "_CUDA", "libnot-there.so.1")

    assert engine_cache.engine_maker("1.23.0") is None
