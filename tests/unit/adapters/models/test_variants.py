"""The fastest variant of the detector: measured once on a CPU, kept, and never forced."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.host import machine
from edge.adapters.models.loading import open_detector
from edge.adapters.models.manifest import Contract
from edge.adapters.models.variants import RECORD, FastestVariant, fastest_detector
from edge.adapters.models.weights import Manifest
from edge.domain.imaging import Box, Detection, Pixels
from edge.errors import ModelError
from edge.pipeline.ports import PlateDetector

CPU = "Example 9000; fpu avx2"
EIGHT_BITS, FLOATS = "embedded-detector", "embedded-detector-float"


class Timed:
    """A detector that takes this long, in milliseconds of the clock."""

    now_s = 0.0

    def __init__(self, ms: float) -> None:
        self._ms = ms

    def detect(self, pixels: Pixels, region: Box | None = None) -> tuple[Detection, ...]:
        assert pixels.shape == (342, 608, 3)
        Timed.now_s += self._ms / 1000
        return ()


def fastest_of(
    opened: Callable[[str], PlateDetector], folder: Path, **facts: Any
) -> FastestVariant:
    """The fastest variant by a clock that only the detectors move."""
    return fastest_detector(
        Manifest.load(),
        facts.get("name", EIGHT_BITS),
        folder,
        opened,
        cpu=facts.get("cpu", CPU),
        threads=facts.get("threads", 1),
        now=lambda: Timed.now_s,
    )


class Opened:
    """Opens such detectors, and remembers which."""

    def __init__(self, **ms: float) -> None:
        self.ms = {EIGHT_BITS: ms["eight_bits"], FLOATS: ms["floats"]}
        self.names: list[str] = []

    def __call__(self, name: str) -> PlateDetector:
        self.names.append(name)
        return Timed(self.ms[name])


@pytest.mark.parametrize(
    ("eight_bits", "floats", "used"),
    [(2.0, 12.0, EIGHT_BITS), (12.0, 2.0, FLOATS), (10.0, 9.9, EIGHT_BITS)],
    ids=["eight bits are faster", "floats are faster", "no clear difference"],
)
def test_the_clearly_fastest_variant_is_used(
    tmp_path: Path, eight_bits: float, floats: float, used: str
) -> None:
    opened = Opened(eight_bits=eight_bits, floats=floats)

    fastest = fastest_of(opened, tmp_path)

    assert fastest.name == used
    assert set(fastest.ms) == {EIGHT_BITS, FLOATS}
    assert fastest.ms[EIGHT_BITS] == pytest.approx(eight_bits)


def test_it_is_measured_once_on_a_machine(tmp_path: Path) -> None:
    first = fastest_of(Opened(eight_bits=9, floats=1), tmp_path)
    again = Opened(eight_bits=1, floats=9)

    assert fastest_of(again, tmp_path) == first
    assert again.names == []


@pytest.mark.parametrize("changed", ["cpu", "runtime", "threads"])
def test_another_cpu_runtime_or_number_of_threads_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    fastest_of(Opened(eight_bits=9, floats=1), tmp_path)
    if changed == "runtime":
        monkeypatch.setattr("onnxruntime.__version__", "0")
    opened = Opened(eight_bits=1, floats=9)

    fastest = fastest_of(
        opened,
        tmp_path,
        cpu="another" if changed == "cpu" else CPU,
        threads=2 if changed == "threads" else 1,
    )

    assert fastest.name == EIGHT_BITS


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"schema": "other/1"}'])
def test_a_damaged_record_is_measured_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RECORD).write_bytes(content)

    fastest = fastest_of(Opened(eight_bits=9, floats=1), tmp_path)

    assert fastest.name == FLOATS
    assert json.loads((tmp_path / RECORD).read_text())["schema"] == "edge-anpr/variants/1"


def test_a_record_that_names_other_weights_cannot_choose_them(tmp_path: Path) -> None:
    """Whoever can write the state folder must not decide which network is used."""
    fastest_of(Opened(eight_bits=1, floats=9), tmp_path)
    record = json.loads((tmp_path / RECORD).read_text())
    for one in record["results"].values():
        one["name"] = "yolo-v9-t-416"
    (tmp_path / RECORD).write_text(json.dumps(record))

    fastest = fastest_of(Opened(eight_bits=1, floats=9), tmp_path)

    assert fastest.name == EIGHT_BITS


def test_a_missing_state_folder_is_made_for_this_user_only(tmp_path: Path) -> None:
    state = tmp_path / "state"

    fastest_of(Opened(eight_bits=9, floats=1), state)

    assert state.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")

    fastest = fastest_of(Opened(eight_bits=9, floats=1), tmp_path / "state")

    assert fastest.name == FLOATS


def test_a_variant_that_cannot_be_loaded_is_left_out(tmp_path: Path) -> None:
    def opened(name: str) -> PlateDetector:
        if name == FLOATS:
            raise ModelError("missing")
        return Timed(2)

    assert fastest_of(opened, tmp_path).name == EIGHT_BITS


def test_the_default_weights_must_be_loadable(tmp_path: Path) -> None:
    def opened(_name: str) -> PlateDetector:
        raise ModelError("altered")

    with pytest.raises(ModelError, match="altered"):
        fastest_of(opened, tmp_path)


def test_weights_without_a_variant_are_not_timed(tmp_path: Path) -> None:
    opened = Opened(eight_bits=1, floats=1)

    fastest = fastest_of(opened, tmp_path, name=FLOATS)

    assert (fastest.name, dict(fastest.ms), opened.names) == (FLOATS, {}, [])
    assert not (tmp_path / RECORD).exists()


def test_the_shipped_variants_are_timed(tmp_path: Path) -> None:
    manifest = Manifest.load()

    def opened(name: str) -> PlateDetector:
        return open_detector(manifest.find(name, Contract.DETECTOR))

    fastest = fastest_detector(manifest, EIGHT_BITS, tmp_path, opened, cpu=CPU)

    assert fastest.name in {EIGHT_BITS, FLOATS}
    assert all(0.5 < ms < 1000 for ms in fastest.ms.values())


# --- the CPU ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            2 * "processor\t: 0\nmodel name\t: Example  9000\nflags\t\t: fpu avx2\n\n",
            "Example 9000; fpu avx2",
        ),
        (
            "Features\t: fp asimddp\nCPU implementer\t: 0x41\nCPU part\t: 0xd42\n",
            "0x41; 0xd42; fp asimddp",
        ),
        ("", ""),
    ],
    ids=["x86", "Arm", "nothing"],
)
def test_a_cpu_is_its_name_and_its_instructions(tmp_path: Path, text: str, facts: str) -> None:
    (tmp_path / "cpuinfo").write_text(text)

    assert machine.cpu(tmp_path / "cpuinfo") == facts


def test_a_kernel_that_describes_no_cpu_gives_an_empty_description(tmp_path: Path) -> None:
    assert machine.cpu(tmp_path / "nothing") == ""
