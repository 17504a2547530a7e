"""Benchmark beside fast-alpr: the same films, the same machine, in turns."""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge.adapters.models.manifest import Contract
from edge.adapters.models.session import PROVIDERS, available_providers
from edge.adapters.models.weights import MODELS_VARIABLE, Manifest, Weights
from edge.domain.plates import PlateFormatError, PlateText
from edge.errors import EdgeError, UsageError
from scripts.benchmarks import peer_films
from scripts.benchmarks.peer_figures import (
    CAMERAS,
    FIXED_CAMERA,
    FLOOR,
    FLOOR_SAME,
    OWN,
    PEER,
    PROGRAMS,
    RESOLUTION,
    SAME,
    STREET,
    TOLL_LANE,
    TRAFFIC,
    Case,
    Row,
    figures_of,
    rows_of,
)
from scripts.benchmarks.peer_report import as_document, show, write_plots
from scripts.benchmarks.rig import CLIPS, REPOSITORY

FAST_ALPR = "0.4.0"
LOOP = Path(__file__).with_name("fast_alpr_loop.py")
LOOPED = "import runpy, sys; runpy.run_path(sys.argv[1])['main']()"
OURS = "from scripts.benchmarks.our_frame_path import main; main()"

SHARED = REPOSITORY.parent / "shared"
FOOTAGE = SHARED / "footage"
PAIRS = ("public", "hub")
"""Pairs of the manifest that fast-alpr can use too, in order of preference."""
OF_FOOTAGE = (f"{FIXED_CAMERA}.mp4", f"{TOLL_LANE}.mp4")
OF_FIXTURES = (f"{STREET}.mp4", "empty_road.mp4")
OF_QUICK = ("twin_a.mp4", "empty_road.mp4")


class PeerError(Exception):
    """A program of the comparison cannot be made or run."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What every process of the comparison needs.

    Attributes:
        python: of fast-alpr's virtual environment.
        pair: the pair of the manifest whose weights both sides use.
        detector: these weights of the detector.
        reader: of the reader.
        folder: where they are looked for first.
        provider: `cpu`, `cuda` or `tensorrt`.
    """

    python: Path
    pair: str
    detector: Weights
    reader: Weights
    folder: Path | None
    provider: str


# --- what is compared -----------------------------------------------------------------------


def peer_python(provider: str) -> Path:
    """Python of fast-alpr's own virtual environment, which is made once, in build/.

    Raises:
        PeerError: it cannot be made.
    """
    extra = "onnx" if provider == "cpu" else "onnx-gpu"
    wanted = f"fast-alpr[{extra}]=={FAST_ALPR}"
    folder = REPOSITORY / "build" / f"fast-alpr-{extra}"
    python, stamp = folder / "bin" / "python", folder / "made"
    made = f"{folder} {wanted}"
    if stamp.is_file() and stamp.read_text("utf-8") == made:
        return python
    print(f"setting up {wanted} in {folder} (once, about a minute) ...", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [*pip, "--only-binary", ":all:", wanted],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise PeerError(
                f"{wanted} cannot be installed ({last}); check the package registry and its "
                "settings in pip's configuration"
            )
    stamp.write_text(made, "utf-8")
    return python


def setting_of(weights: Path | None, provider: str) -> Setting:
    """The weights that both sides use, and fast-alpr's environment.

    Raises:
        EdgeError: the provider is not available, or the weights are missing or altered.
        PeerError: fast-alpr cannot be installed.
    """
    available_providers(provider)
    folder = weights
    if folder is None and (SHARED / "models").is_dir():
        folder = SHARED / "models"
    manifest = Manifest.load(environment=_environment(folder))
    missing = None
    for pair in PAIRS:
        named = manifest.pair(pair)
        try:
            detector = manifest.find(named.detector, Contract.DETECTOR)
            reader = manifest.find(named.reader, Contract.READER)
        except EdgeError as error:
            if error.code not in {"E_MODEL_MISSING", "E_MODEL_PIN"}:
                raise
            missing = missing or error
            continue
        return Setting(peer_python(provider), pair, detector, reader, folder, provider)
    hub = manifest.pair(PAIRS[-1])
    raise PeerError(
        f"{missing.message if missing else 'no weights'}; for both sides to use the same weights: "
        f"edge-anpr models pull {hub.detector} {hub.reader}, or --weights FOLDER"
    )


def _environment(folder: Path | None) -> dict[str, str]:
    named = [str(folder)] if folder else []
    before = os.environ.get(MODELS_VARIABLE)
    together = os.pathsep.join([*named, *([before] if before else [])])
    return {
        **os.environ,
        MODELS_VARIABLE: together,
        "PYTHONPATH": str(REPOSITORY),
        "ORT_DISABLE_TELEMETRY": "1",
    }


def run(program: str, case: Case, setting: Setting) -> dict[str, Any]:
    """What one program says of one case, in a process of its own.

    Raises:
        PeerError: it failed.
    """
    asked: dict[str, Any] = {
        "clips": case.clips,
        "labels": case.labels,
        "threads": case.threads,
        "provider": setting.provider,
    }
    if program == PEER:
        command = [str(setting.python), "-c", LOOPED, str(LOOP)]
        asked |= {
            "detector": str(setting.detector.path),
            "reader": str(setting.reader.path),
            "plate_config": str(setting.reader.plate_config),
            "providers": PROVIDERS[setting.provider],
        }
    else:
        command = [sys.executable, "-c", OURS]
        asked["kind"] = "floor" if program in (FLOOR_SAME, FLOOR) else "path"
        asked["pair"] = setting.pair if program in (SAME, FLOOR_SAME) else None
    asked["began_s"] = time.monotonic()
    done = subprocess.run(
        command,
        input=json.dumps(asked),
        env=_environment(setting.folder),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise PeerError(f"{program}: {case.name}: it failed: {last}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


# --- the inputs -----------------------------------------------------------------------------


def labels_of(clip: Path, table: Path) -> tuple[str, ...]:
    """The labelled texts of a clip; none if the table does not name it.

    Raises:
        UsageError: the table cannot be read or a plate is not valid.
    """
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("clip") == clip.name]
        return tuple(PlateText.parse(row["plate"]).reveal() for row in rows)
    except (OSError, KeyError, PlateFormatError):
        raise UsageError(
            f"--labels: {table}: not a table with valid columns clip,plate; correct it"
        ) from None


def clips_to_run(given: argparse.Namespace) -> list[Case]:
    """The named clips; else clips of the shared footage, where it is, and of the fixtures.

    Raises:
        UsageError: a clip is missing, or the labels cannot be read.
    """
    if given.clip:
        paths = [Path(one) for one in given.clip]
    elif given.quick:
        paths = [CLIPS / name for name in OF_QUICK]
    else:
        paths = [CLIPS / name for name in OF_FIXTURES]
        paths += [FOOTAGE / name for name in OF_FOOTAGE if (FOOTAGE / name).is_file()]
    cases = []
    for path in paths:
        if not path.is_file():
            raise UsageError(f"--clip: {path}: no such file; name a recording")
        table = given.labels or path.with_name("labels.csv")
        labels = labels_of(path, table) if given.labels or table.is_file() else ()
        cases.append(Case(path.stem, (str(path.resolve()),), labels))
    first, *others = given.threads
    whole = [replace(case, threads=first) for case in cases]
    # More threads change every clip alike, so the first clip tells enough.
    return [*whole, *(replace(cases[0], threads=threads) for threads in others)]


def growth_cases(folder: Path, threads: int) -> list[Case]:
    """Films with more and more traffic, lines and cameras; they are written into the folder."""
    table = CLIPS / "labels.csv"

    def labels(*clips: str) -> tuple[str, ...]:
        return tuple(text for clip in clips for text in labels_of(Path(f"{clip}.mp4"), table))

    cases = []
    for density, clips, times, seconds in peer_films.TRAFFIC:
        path = folder / f"traffic-{density}.mp4"
        peer_films.traffic_film(path, clips, times, seconds)
        known = labels(*clips) if times else ()
        name = f"{density} vehicles a minute"
        cases.append(Case(name, (str(path),), known, TRAFFIC, density, threads))
    for lines in peer_films.RESOLUTIONS:
        path = peer_films.resized_film(folder / f"{lines}.mp4", peer_films.RESIZED, lines)
        known = labels(peer_films.RESIZED) if lines >= 720 else ()  # smaller plates are illegible
        cases.append(Case(f"{lines}p", (str(path),), known, RESOLUTION, lines, threads))
    path = peer_films.resized_film(folder / "cameras.mp4", peer_films.OF_A_CAMERA, 1080)
    known = labels(peer_films.OF_A_CAMERA)
    cases += [
        Case(f"{number} cameras", (str(path),) * number, known, CAMERAS, number, threads)
        for number in peer_films.CAMERAS
    ]
    return cases


# --- measuring ------------------------------------------------------------------------------


def measure(given: argparse.Namespace, setting: Setting) -> tuple[list[Row], int]:
    """All rows, and the number of repetitions of the clips.

    Within a repetition the programs take turns, clip by clip. A repetition after the first one
    starts only if it would end within `--minutes`.

    Raises:
        EdgeError: a clip or its labels cannot be used.
        PeerError: a program failed.
    """
    began_s = time.monotonic()
    cases = clips_to_run(given)
    found: dict[Case, dict[str, list[dict[str, Any]]]] = {case: {} for case in cases}
    done, lasted_s = 0, 0.0
    with tempfile.TemporaryDirectory(prefix="edge-anpr-bench-") as name:
        if not (given.quick or given.clip):
            _say("making films")
            grown = growth_cases(Path(name), given.threads[0])
            _measure_once(grown, found, setting, (PEER, SAME, OWN, FLOOR))
        for number in range(1 if given.quick else given.repeat):
            begun_s = time.monotonic()
            if number and begun_s + lasted_s > began_s + 60 * given.minutes:
                _say(f"no repetition {number + 1}: it would end after --minutes {given.minutes:g}")
                break
            _measure_once(cases, found, setting, PROGRAMS)
            done, lasted_s = number + 1, time.monotonic() - begun_s
    return [row for case, runs in found.items() for row in rows_of(case, runs)], done


def _measure_once(
    cases: Sequence[Case],
    found: dict[Case, dict[str, list[dict[str, Any]]]],
    setting: Setting,
    programs: Sequence[str],
) -> None:
    for case in cases:
        runs = found.setdefault(case, {})
        for program in programs:
            _say(f"{case.name}, {case.threads} threads: {program}")
            runs.setdefault(program, []).append(run(program, case, setting))


def _say(what: str) -> None:
    if sys.stderr.isatty():
        print(f"{what} ...", file=sys.stderr)


def report(given: argparse.Namespace) -> int:
    """Measure, and print one table or one JSON document; with `--check` 1 if a figure fails."""
    try:
        setting = setting_of(given.weights, given.provider)
        rows, repetitions = measure(given, setting)
    except EdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)
    except PeerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    figures = figures_of(rows)
    document = as_document(rows, figures, repetitions, given.provider)
    if given.json:
        print(json.dumps(document, indent=2))
    else:
        show(rows, figures, document)
    if given.plot:
        write_plots(rows, document["machine"], given.plot)
    return 1 if given.check and any(figure.holds is False for figure in figures) else 0
