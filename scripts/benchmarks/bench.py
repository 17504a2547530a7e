"""Command line of the benchmarks: `scripts/bench`.

The command line is read before a benchmark is imported, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

STAGES = """\
Measure the share of each processing stage in one run.

Each clip goes through the frame path of `edge-anpr run`: decoding, detection, reading, tracking
with fusion, judging, evidence. The floor is decoding and inference, which no change to our own code
could save. All figures come from one run on this machine. Compare shares and ratios; milliseconds
of different machines cannot be compared.

Verbs for other measurements, each with its own --help:
  scripts/bench delivery    how soon a hit reaches the broker, and a week of hits without a broker
  scripts/bench road        what a road without moving vehicles costs
  scripts/bench start       how soon the first frame is analysed
  scripts/bench reconnect   how soon a camera that was away gives frames again
  scripts/bench lists       how long one list takes to be sealed to many boxes
  scripts/bench fleet       whether many boxes lose or double a hit while servers are killed
  scripts/bench covers      how often a covered plate is read wrongly and surely
  scripts/bench forms       what the forms of the countries' plates change in the fusion
  scripts/bench releases    how often a released picture shows what its level hides
  scripts/bench peers       what the frame path costs beside fast-alpr in a loop

Exit status: 0 measured, 2 wrong usage, 5 a clip cannot be read; other errors as `edge-anpr`."""

DELIVERY = """\
Measure how soon a hit reaches the broker, and what a week without a broker costs.

Latency: a clip runs through the parts of `edge-anpr run`, with a real mosquitto and an authority
that sends receipts. The offences that it finds are submitted again and again at random moments,
during the clip and after it. So masking, sealing, writing to disk and publishing compete with the
pipeline. The time runs from the submission of the deciding frame to the broker's PUBACK.

A week: 1,000 hits a day, each of the largest size that the default site.yaml allows, are put into
an outbox while there is no broker. Then a broker starts. Each hit must arrive once and in order.

Exit status: 0 within the targets, 1 not within them, 2 wrong usage, 3 mosquitto is not installed;
other errors as `edge-anpr`."""

ROAD = """\
Measure what a road without moving vehicles costs, compared with analysing every frame.

The pictures come from the rendered clips: a street without its vehicles (the median of a clip's
frames), and one in which a car stands. They are filmed as a camera would film them: 1080p, 25
frames a second, sensor noise, H.264 at 4 Mbit/s. Each film goes through the parts of
`edge-anpr run`, once with the motion gate and once with every frame analysed. The first third, at
most ten seconds, does not count: the background is learnt then.

`live` measures the whole path of a live camera, whose decoder is a process of its own. Decoding is
shown separately. So is what skipping frames that no other frame refers to would save; only B-frames
are such frames, and many cameras send none.

Exit status: 0 all shares within the target, 1 one is above it, 2 wrong usage, 5 the clip cannot be
read; other errors as `edge-anpr`."""

START = """\
Measure how soon a box analyses its first frame.

The time runs from the start of the process `edge-anpr run` to its first analysed frame, for a
recording and for a live camera. The parts of that time are shown too.

The camera is GStreamer's RTSP server on loopback: 1080p, 25 frames a second, a key frame each
second. The box is a process with a real site and without a broker. Its log is read, and moments are
taken when a line arrives.

Exit status: 0 the worst within the target, 1 above it or the box failed, 2 wrong usage, 3 the
RTSP server is not installed."""

RECONNECT = """\
Measure how soon a camera that was away gives frames again.

The time runs from the moment at which the camera listens again, which is before its first key
frame, to the first frame that the box gets. In the first minute of an absence a camera is tried
every second, later every ten seconds. Absences within that minute are measured here.

The camera is GStreamer's RTSP server on loopback: 1080p, 25 frames a second, a key frame each
second. The box is a process with a real site and without a broker. Its log is read, and moments are
taken when a line arrives.

Exit status: 0 the worst within the target, 1 above it or the box failed, 2 wrong usage, 3 the
RTSP server is not installed."""

LISTS = """\
Measure how long `edge-anpr lists build --boxes` takes, and how much a broker then keeps.

An inventory of public key files and a CSV file are made. Then the command runs once, as a process,
from reading these files to the last byte on disk. What a broker would keep with a bundle for each
box is computed from the size of the list.

Exit status: 0 within a minute, 1 slower or the build failed, 2 wrong usage."""

FLEET = """\
Simulate a large fleet while consumers, brokers and the database are killed.

Real mosquittos without TLS, a real PostgreSQL, and two processes `edge-anpr desk consume --shard`
for each broker run on this machine. Each box is a persistent MQTT session of its own, which sends
hits at random times and keeps each until its receipt has come, as a box does. All hits are sealed
before, without pictures, each by its own box. Kills are drawn from the seed: consumers and brokers
by SIGKILL, the database by an immediate stop.

At the end each hit must be stored once and unchanged, no receipt may have come before the commit of
its hit, and the consumers' memory must be flat. Then a list goes to all boxes.

A million hits take 19 GB of disk in the folder for temporary files (TMPDIR) and in --cache.

Exit status: 0 all holds, 1 something does not, 2 wrong usage, 3 mosquitto or PostgreSQL is not
installed."""

COVERS = """\
Measure how often something in front of a plate gives a wrong read with a posterior of 0.9 or more,
which is the lowest that a policy may ask for, and of 0.95 or more.

Tow bars, balls, racks, poles, barrier arms, snow, branches, tape, and paint in the plate's own
colour are drawn in front of plates of labelled photos. Each covered plate is read in eight slightly
different views, as in the frames of one passage, and so is the same plate without a cover: once
with the cover check, once without.

Exit status: 0 measured, 1 labels or weights cannot be used, 2 wrong usage."""

RELEASES = """\
Measure how often a released picture shows what its level is to hide.

Each vehicle whose plate is found is released as if it were the offender, at the levels vehicle and
occupants, with the networks of a box. The rendered clips are rendered again, also with other
vehicles; there every pixel is known, and a leak is more than 3 % of the blocks of a vehicle's glass
or of another vehicle, or any block of a person outside. Of recordings nothing is known: a face
detector searches the pictures at vehicle, and contact sheets let a person look.

Pictures of one passage resemble each other, so an interval is somewhat too narrow.

Exit status: 0 measured, 1 a recording or weights cannot be used, 2 wrong usage."""

PEERS = """\
Measure what the frame path costs beside the obvious alternative: fast-alpr in a loop over all
frames, with the same weights.

Each program is a process of its own. They take turns, clip by clip: fast-alpr; the frame path of
`edge-anpr read` with the same weights; the same with the built-in weights; and the floor of either,
which is decoding without conversion and three detections and readings of each labelled vehicle.
fast-alpr gets a virtual environment of its own in build/, made once.

Without --clip: a fixed camera and a toll lane of ../shared/footage, where it is, and rendered
clips; then films with more traffic, lines and cameras, once each. On a machine with an accelerator,
--provider cuda or tensorrt measures it; compare wall times there.

Exit status: 0 measured, 1 a figure fails with --check, 2 wrong usage, 3 weights, fast-alpr or the
provider are missing; other errors as `edge-anpr`."""

FORMS = """\
Measure what the forms of the countries' plates change when readings are fused.

Each plate of labelled photos, or rendered (--rendered), is shrunk to each --height and read in
eight slightly different views, as in the frames of one passage. The readings are fused with several
weights of the forms (form_escape, edge/domain/reading.py); 1 leaves the forms out. The best weight
has the highest log-likelihood of the true plates.

Exit status: 0 measured, 1 labels or weights cannot be used, 2 wrong usage."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A verb of `scripts/bench`: its module in this package, description, example and options."""

    module: str
    description: str
    example: str
    add_options: Callable[[argparse.ArgumentParser], None]


def _stages_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "clips", nargs="*", type=Path, help="recordings (default: three rendered clips)"
    )


def _delivery_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hits", type=int, default=300, help="hits to time (default: %(default)s)")
    parser.add_argument(
        "--waiting",
        type=int,
        default=7000,
        help="hits that wait for a broker (default: %(default)s, a week's)",
    )


def _road_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clip", type=Path, help="your own recording of a road without traffic")
    parser.add_argument(
        "--seconds", type=float, default=32.0, help="length of a film (default: %(default)s)"
    )


def _lists_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--boxes", type=int, default=1000, help="boxes of the inventory (default: %(default)s)"
    )
    parser.add_argument(
        "--entries", type=int, default=18_000, help="entries of the list (default: %(default)s)"
    )


def _fleet_options(parser: argparse.ArgumentParser) -> None:
    for name, number, what in (
        ("hits", 1_000_000, "hits to send"),
        ("sessions", 10_000, "boxes"),
        ("brokers", 3, "brokers, each a shard"),
        ("seed", 1, "what the moments of kills and hits are drawn from"),
        ("kill-consumers", 24, "how often an active consumer is killed"),
        ("kill-brokers", 6, "how often a broker is killed"),
        ("kill-databases", 4, "how often the database is killed"),
        ("entries", 18_000, "entries of the list that goes to all boxes; 0: no list"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=number, help=f"{what} (default: %(default)s)"
        )
    parser.add_argument(
        "--rate",
        type=float,
        default=320.0,
        help="hits a second in all (default: %(default)s)",
    )
    parser.add_argument(
        "--receipt-wait",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="a box sends a hit without receipt again after this time (default: %(default)s)",
    )
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="keep keys and sealed hits here, for next time"
    )
    parser.add_argument("--plot", type=Path, metavar="SVG", help="write a plot of the run")


def _forms_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "labels",
        nargs="*",
        type=Path,
        help="CSV with the columns image,x,y,w,h,plate; images are relative to it",
    )
    parser.add_argument("--models", metavar="PAIR", help="pair of the manifest")
    parser.add_argument(
        "--height",
        type=int,
        nargs="+",
        default=[10, 14, 20, 40],
        help="heights in pixels to which the plates are shrunk (default: %(default)s)",
    )
    parser.add_argument(
        "--rendered",
        type=int,
        default=0,
        metavar="N",
        help="also N rendered plates of every country, as a camera sees them",
    )
    _held_out_option(parser)


def _covers_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "labels",
        nargs="+",
        type=Path,
        help="CSV with the columns image,x,y,w,h,plate; images are relative to it",
    )
    parser.add_argument(
        "--plates", type=int, default=1280, help="covered plates to read (default: %(default)s)"
    )
    parser.add_argument("--models", help="pair of weights (default: the manifest's)")
    _held_out_option(parser)


def _held_out_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--held-out",
        action="store_true",
        help="only the plates that scripts/train-reader keeps in its validation set",
    )


def _releases_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recordings", nargs="*", type=Path, help="recordings of real streets")
    parser.add_argument(
        "--step", type=int, default=1, help="every STEPth frame of them (default: %(default)s)"
    )
    parser.add_argument(
        "--rendered",
        type=int,
        default=2,
        help="every RENDEREDth frame of the rendered clips; 0: none (default: %(default)s)",
    )
    parser.add_argument(
        "--variants",
        type=int,
        default=3,
        help="times that a clip is rendered, each with other vehicles (default: %(default)s)",
    )
    parser.add_argument("--faces", type=Path, help="weights of the face detector YuNet")
    parser.add_argument(
        "--sheets", type=Path, help="folder for contact sheets and each picture that leaks"
    )
    parser.add_argument(
        "--sheet-step",
        type=int,
        default=10,
        help="every such picture goes on a sheet (default: %(default)s)",
    )


def _peers_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--clip", type=Path, nargs="+", help="recordings to measure instead of the default ones"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        help="CSV with the columns clip,plate (default: labels.csv beside each clip)",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FOLDER",
        help="folder of the weights that both sides use (default: ../shared/models)",
    )
    parser.add_argument(
        "--threads",
        type=int,
        nargs="+",
        default=[1, 2],
        help="threads of a network; the first number for every film, others for the first clip "
        "(default: 1 2)",
    )
    parser.add_argument(
        "--repeat", type=int, default=3, help="repetitions of the clips (default: %(default)s)"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=8.0,
        help="no repetition is begun that would end later than this (default: %(default)s)",
    )
    parser.add_argument(
        "--provider",
        choices=("cpu", "cuda", "tensorrt"),
        default="cpu",
        help="what runs the networks (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="two short clips, once, no growth")
    parser.add_argument("--check", action="store_true", help="fail if a measured figure fails")
    parser.add_argument("--plot", type=Path, metavar="SVG", help="write plots of the growth")


def _live_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--times", type=int, default=10, help="number of measurements (default: %(default)s)"
    )
    parser.add_argument(
        "--away",
        type=float,
        default=3.0,
        help="seconds that a camera is away; for reconnect (default: %(default)s)",
    )


STAGE_SHARES = Benchmark(
    "stages", STAGES, "  scripts/bench\n  scripts/bench --json gate-3.mp4", _stages_options
)
"""The benchmark without a verb."""

VERBS = {
    "delivery": Benchmark(
        "delivery", DELIVERY, "  scripts/bench delivery --hits 100 --json", _delivery_options
    ),
    "road": Benchmark(
        "idle_road", ROAD, "  scripts/bench road --clip gate-3-at-night.mp4", _road_options
    ),
    "lists": Benchmark(
        "list_sealing", LISTS, "  scripts/bench lists --boxes 10000 --json", _lists_options
    ),
    "fleet": Benchmark(
        "fleet",
        FLEET,
        "  scripts/bench fleet --hits 20000 --sessions 1000 --kill-consumers 4 --kill-brokers 2 "
        "--kill-databases 1",
        _fleet_options,
    ),
    "covers": Benchmark(
        "covered_plates", COVERS, "  scripts/bench covers labels.csv --plates 1280", _covers_options
    ),
    "forms": Benchmark(
        "form_prior", FORMS, "  scripts/bench forms crops.csv --rendered 2000", _forms_options
    ),
    "releases": Benchmark(
        "released_pictures",
        RELEASES,
        "  scripts/bench releases footage/*.mp4 --faces yunet.onnx --sheets sheets",
        _releases_options,
    ),
    "peers": Benchmark(
        "peers", PEERS, "  scripts/bench peers --check --plot peers.svg", _peers_options
    ),
    "start": Benchmark("live", START, "  scripts/bench start --times 5", _live_options),
    "reconnect": Benchmark(
        "live", RECONNECT, "  scripts/bench reconnect --times 5 --away 10", _live_options
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a benchmark; print one table or one JSON document."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = words.pop(0) if words and words[0] in VERBS else ""
    benchmark = VERBS.get(verb, STAGE_SHARES)
    parser = argparse.ArgumentParser(
        prog=f"scripts/bench {verb}".rstrip(),
        description=benchmark.description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"example:\n{benchmark.example}",
    )
    benchmark.add_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(words)
    given.verb = verb
    if getattr(given, "times", 1) < 1:
        parser.error("--times: at least 1")
    if min([getattr(given, "repeat", 1), *(getattr(given, "threads", None) or [1])]) < 1:
        parser.error("--repeat, --threads: at least 1")
    status: int = importlib.import_module(f"scripts.benchmarks.{benchmark.module}").report(given)
    return status


if __name__ == "__main__":
    sys.exit(main())
