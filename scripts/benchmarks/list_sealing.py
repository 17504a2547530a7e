"""Benchmark of `edge-anpr lists build --boxes`: one list, sealed to all boxes of an inventory."""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import resource
import string
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from rich.console import Console
from rich.table import Table

from edge.adapters.host.machine import cpu
from edge.adapters.state.key_making import new_signer_key
from edge.policy.shared_lists import MANIFESTS_NAME
from edge.privacy.key_formats import BoxGeneration, BoxPublicFile, key_file_bytes
from edge.privacy.keys import box_key_id

TARGET_S = 60.0
"""For 18,000 entries and 1,000 boxes, on two cores."""


def report(arguments: argparse.Namespace) -> int:
    """Measure one build and print it; returns the exit status."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        boxes, csv = _inventory(folder, arguments.boxes), made_list(folder, arguments.entries)
        key = new_signer_key(folder / "office", "office", datetime.now(timezone.utc))
        out = folder / "shared"
        command = [
            sys.executable, "-m", "edge", "lists", "build", str(csv), "--issuer-key", str(key),
            "--boxes", str(boxes), "--list", "stolen", "--purpose", "wanted-vehicles",
            "--out", str(out), "--json",
        ]  # fmt: skip
        began = time.monotonic()
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        wall_s = time.monotonic() - began
        if built.returncode != 0:
            print(built.stderr, file=sys.stderr)
            return 1
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        lines = (out / MANIFESTS_NAME).read_bytes().splitlines()
        body = json.loads(built.stdout)["body_bytes"]
    figures = {
        "cpu": f"{os.cpu_count()} x {cpu().partition(';')[0]}",
        "boxes": arguments.boxes,
        "entries": arguments.entries,
        "wall_s": round(wall_s, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "memory_mib": used.ru_maxrss // 1024,
        "body_bytes": body,
        "largest_manifest_bytes": max(map(len, lines)),
        "retained_over_https_bytes": sum(map(len, lines)),
        "retained_in_parts_bytes": sum(map(len, lines)) + body,
        "retained_as_bundles_bytes": arguments.boxes * body * 4 // 3,
    }
    if arguments.json:
        print(json.dumps(figures))
    else:
        table = Table(title="lists build --boxes")
        table.add_column("figure")
        table.add_column("value", justify="right")
        for figure, value in figures.items():
            shown = f"{value:,}" if isinstance(value, int) else str(value)
            table.add_row(figure.replace("_", " "), shown)
        Console().print(table)
    return 0 if wall_s <= TARGET_S else 1


def _inventory(folder: Path, count: int) -> Path:
    """A folder with the public key files of boxes, as `keys new box` writes them."""
    boxes = folder / "boxes"
    boxes.mkdir(mode=0o755)
    now = datetime.now(timezone.utc)
    for number in range(count):
        signing = Ed25519PrivateKey.generate().public_key()
        lists = X25519PrivateKey.generate().public_key()
        generation = BoxGeneration(
            key_id=box_key_id(signing, lists),
            created_at=now,
            signing=base64.b64encode(signing.public_bytes_raw()).decode("ascii"),
            lists=base64.b64encode(lists.public_bytes_raw()).decode("ascii"),
        )
        site, box = f"site-{number // 10}", f"box-{number % 10}"
        content = BoxPublicFile(trial=False, site=site, box=box, generations=(generation,))
        (boxes / f"{site}.{box}.public.json").write_bytes(key_file_bytes(content))
    return boxes


def made_list(folder: Path, count: int) -> Path:
    """A list of that many plates, in which every field differs: alike entries compress better."""
    draw, today = random.Random(1), datetime.now(timezone.utc).date()
    rows = []
    for number in draw.sample(range(26**3 * 1000), count):
        letters = "".join(
            string.ascii_uppercase[number // 1000 // 26**place % 26] for place in range(3)
        )
        start = today - timedelta(days=draw.randrange(1, 180))
        end = today + timedelta(days=draw.randrange(1, 180))
        rows.append(
            f"{draw.getrandbits(32):08x},1{letters}{number % 1000:03d},{start},{end},"
            f"Police function act art. 44/{draw.randrange(1, 12)},"
            f"reported stolen PV-2026/{draw.randrange(10**6):06d},Zone {draw.randrange(5300, 5500)}"
        )
    csv = folder / "stolen.csv"
    csv.write_text("\n".join(["id,plate,start,end,basis,reason,issuer", *rows]) + "\n")
    return csv
