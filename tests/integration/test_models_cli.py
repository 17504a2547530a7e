"""`edge-anpr models` as a process: list, verify, pull, add and measure weights."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.adapters.models.manifest import Contract, read_manifest
from edge.adapters.models.weights import Manifest, Weights
from edge.errors import ExitCode
from tests.support.product import Finished, product
from tests.support.shared_material import needs_shared
from tests.support.webserver import Served, web_server


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class Shop:
    """A web server with the weights of a manifest, and an empty installation folder."""

    server: Served
    manifest: Path
    folder: Path
    detector: bytes
    reader: bytes
    config: bytes

    def run(self, *arguments: str | Path) -> Finished:
        verb, *rest = arguments
        return product(
            "models", verb, *rest, "--manifest", self.manifest,
            env={"EDGE_ANPR_MODELS": str(self.folder)},
        )  # fmt: skip

    def installed(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()


ENTRY = """
[[weights]]
name = "{name}"
contract = "{contract}"
file = "{file}"
{digest}input = [{height}, {width}]
{config}calibration = {{ {calibration} }}
url = "{url}"
source = "a test"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    own = Manifest.load()
    seen = own.find("yolo-v9-t-416", Contract.DETECTOR)
    read = own.find("cct-xs-v2", Contract.READER)
    assert read.plate_config is not None
    detector, reader = seen.path.read_bytes(), read.path.read_bytes()
    config = read.plate_config.read_bytes()
    with web_server() as server:
        server.files = {"/d.onnx": detector, "/r.onnx": reader, "/r.yaml": config}
        manifest = tmp_path / "manifest.toml"

        def entry(name: str, *, reads: bool, known: bool) -> str:
            content = reader if reads else detector
            digest = f'sha256 = "{sha256(content)}"\nbytes = {len(content)}\n' if known else ""
            yaml = f'sha256 = "{sha256(config)}", ' if known else ""
            return ENTRY.format(
                name=name,
                contract="plate-reader" if reads else "end2end-detector",
                file=f"{name}.onnx",
                digest=digest,
                height=64 if reads else 416,
                width=128 if reads else 416,
                config=(
                    f'plate_config = {{ file = "{name}.yaml", {yaml}'
                    f'url = "{server.url("/r.yaml")}" }}\n'
                    if reads
                    else ""
                ),
                calibration="temperature = 1.5" if reads else "threshold = 0.4",
                url=server.url("/r.onnx" if reads else "/d.onnx"),
            )

        manifest.write_text(
            'schema = "edge-anpr/models/2"\ndefault = "known"\n\n[pairs]\n'
            'known = { detector = "det", reader = "ocr" }\n'
            + entry("det", reads=False, known=True)
            + entry("ocr", reads=True, known=True)
            + entry("new-det", reads=False, known=False)
            + entry("new-ocr", reads=True, known=False)
        )
        yield Shop(server, manifest, tmp_path / "installed", detector, reader, config)


def refused(done: Finished, status: ExitCode, *words: str) -> None:
    assert "Traceback" not in done.err
    assert (done.status, len(done.error_lines)) == (status, 1), done.err
    for word in words:
        assert word in done.err


# --- list, verify ---------------------------------------------------------------------------


def test_missing_weights_are_listed_as_missing(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.toml"
    shutil.copy(Manifest.load().path, manifest)

    done = product("models", "list", "--json", "--manifest", manifest, env={"HOME": str(tmp_path)})

    assert done.status == 0, done.err
    listed = {one["name"]: one for one in done.json["weights"]}
    assert listed["cct-xs-v2"]["state"] == "missing"
    assert listed["cct-xs-v2"]["present"] is False
    assert listed["cct-s-v2"]["state"] == "not pinned"
    assert listed["yolo-v9-t-416"]["calibration"]["threshold"] == 0.4


@needs_shared
def test_present_weights_are_listed_and_verified(shop: Shop) -> None:
    assert shop.run("pull", "known").status == 0

    table = shop.run("list")
    assert table.status == 0
    for words in ("det", "in order", "missing", "not pinned", "T 1.5", "pair known (default)"):
        assert (words in table.out) is (words != "missing"), words
    done = shop.run("verify", "--json")
    assert done.status == 0, done.err
    assert {one["name"]: one["result"] for one in done.json["weights"]} == {
        "det": "in order",
        "ocr": "in order",
        "new-det": "not installed",
        "new-ocr": "not installed",
    }


@needs_shared
def test_altered_or_missing_weights_fail_the_verification(shop: Shop) -> None:
    refused(shop.run("verify", "det"), ExitCode.MODEL, "E_MODEL_MISSING", "models pull det")
    assert shop.run("pull", "known").status == 0
    content = bytearray(shop.detector)
    content[1000] ^= 1
    (shop.folder / "det.onnx").write_bytes(content)

    refused(shop.run("verify"), ExitCode.MODEL, "E_MODEL_DIGEST", "det.onnx")
    states = {one["name"]: one["state"] for one in shop.run("list", "--json").json["weights"]}
    assert states["det"] == "altered"


@needs_shared
def test_weights_of_another_contract_fail_the_verification(shop: Shop) -> None:
    text = shop.manifest.read_text()
    shop.manifest.write_text(text.replace("input = [416, 416]", "input = [320, 320]"))
    shop.folder.mkdir()
    (shop.folder / "det.onnx").write_bytes(shop.detector)

    refused(shop.run("verify", "det"), ExitCode.MODEL, "E_MODEL_CONTRACT", "det.onnx")


# --- pull -----------------------------------------------------------------------------------


@needs_shared
def test_pulled_weights_with_a_known_digest_are_installed(shop: Shop) -> None:
    done = shop.run("pull", "known")

    assert done.status == 0, done.err
    assert "det.onnx" in done.err  # the progress bar
    assert shop.installed() == {"det.onnx", "ocr.onnx", "ocr.yaml"}
    found = Manifest.load(shop.manifest, {"EDGE_ANPR_MODELS": str(shop.folder)})
    assert isinstance(found.find("ocr", Contract.READER), Weights)
    shop.server.asked.clear()
    assert "in order" in shop.run("pull", "known").out
    assert shop.server.asked == []


@needs_shared
def test_an_interrupted_pull_resumes_and_installs_nothing_incomplete(shop: Shop) -> None:
    shop.server.stop_after = 2_000_000
    refused(shop.run("pull", "det"), ExitCode.MODEL, "E_MODEL_DOWNLOAD", "stopped after 2000000")
    assert "det.onnx" not in shop.installed()
    shop.server.stop_after = None
    shop.server.asked.clear()

    done = shop.run("pull", "det")

    assert done.status == 0, done.err
    assert shop.server.asked == [("/d.onnx", "bytes=2000000-")]
    assert shop.installed() == {"det.onnx"}


@needs_shared
def test_a_wrong_digest_is_refused(shop: Shop) -> None:
    shop.server.files["/d.onnx"] = shop.detector[:-1] + b"\0"

    done = shop.run("pull", "det", "--pin", sha256(shop.server.files["/d.onnx"]))

    refused(done, ExitCode.MODEL, "E_MODEL_DIGEST", sha256(shop.detector))
    assert shop.installed() == set()


@needs_shared
def test_weights_with_an_unknown_digest_are_installed_only_when_pinned(shop: Shop) -> None:
    wanted = (sha256(shop.reader), sha256(shop.config))
    refused(shop.run("pull", "new-ocr"), ExitCode.MODEL, "E_MODEL_PIN", "--pin", *wanted)
    assert not shop.installed() & {"new-ocr.onnx", "new-ocr.yaml", "manifest.toml"}
    refused(
        shop.run("pull", "new-ocr", "--pin", wanted[0], "--pin", "0" * 64),
        ExitCode.MODEL,
        "E_MODEL_DIGEST",
        "no given pin matches",
        wanted[1],
    )
    assert not shop.installed() & {"new-ocr.onnx", "new-ocr.yaml", "manifest.toml"}

    done = shop.run("pull", "new-ocr", "--pin", wanted[0].upper(), "--pin", wanted[1])

    assert done.status == 0, done.err
    assert shop.installed() == {"new-ocr.onnx", "new-ocr.yaml", "manifest.toml"}
    pinned = read_manifest(shop.folder / "manifest.toml").weights[0]
    assert (pinned.sha256, pinned.bytes) == (wanted[0], len(shop.reader))
    assert pinned.calibration.temperature == 1.5
    assert shop.run("verify", "new-ocr").status == 0


@needs_shared
def test_a_file_is_installed_by_the_same_rules(shop: Shop, tmp_path: Path) -> None:
    mine = tmp_path / "mine.onnx"
    mine.write_bytes(shop.detector)
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"no network")

    refused(shop.run("pull", "det", "--from", wrong), ExitCode.MODEL, "E_MODEL_DIGEST")
    refused(shop.run("pull", "det", "--from", tmp_path / "gone"), ExitCode.MODEL, "E_MODEL_MISSING")
    assert shop.installed() == set()
    assert shop.run("pull", "det", "--from", mine).status == 0
    assert shop.installed() == {"det.onnx"}
    assert shop.server.asked == []
    assert mine.exists()


@needs_shared
def test_pinned_weights_of_another_contract_are_not_installed(shop: Shop) -> None:
    shop.server.files["/d.onnx"] = shop.reader

    done = shop.run("pull", "new-det", "--pin", sha256(shop.reader))

    refused(done, ExitCode.MODEL, "E_MODEL_CONTRACT")
    assert shop.installed() == set()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["nothing"], ExitCode.MODEL, "no weights named 'nothing'; choose one of:"),
        (["cct-s-v2", "--pin", "abc"], ExitCode.USAGE, "--pin"),
        (["public", "--from", "x.onnx"], ExitCode.USAGE, "--from"),
        (["cct-xs-v1"], ExitCode.MODEL, "has no public address"),
    ],
)
def test_a_failed_pull_gives_its_reason(
    tmp_path: Path, arguments: list[str], status: ExitCode, words: str
) -> None:
    manifest = tmp_path / "manifest.toml"
    shutil.copy(Manifest.load().path, manifest)

    done = product(
        "models", "pull", *arguments, "--manifest", manifest, env={"HOME": str(tmp_path)}
    )

    refused(done, status, words)


def test_without_an_installation_folder_nothing_is_pulled(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.toml"
    shutil.copy(Manifest.load().path, manifest)

    done = product("models", "pull", "cct-xs-v1", "--manifest", manifest, env={"HOME": ""})

    refused(done, ExitCode.MODEL, "neither EDGE_ANPR_MODELS nor HOME is set")


# --- add, bench -----------------------------------------------------------------------------


@needs_shared
def test_custom_weights_can_be_added_measured_and_used(shop: Shop, tmp_path: Path) -> None:
    mine = tmp_path / "tuned.onnx"
    mine.write_bytes(shop.reader)
    config = tmp_path / "tuned.yaml"
    config.write_bytes(shop.config)

    done = shop.run(
        "add", "tuned", mine, "--plate-config", config, "--temperature", "1.3", "--ece", "0.02",
        "--source", "ours", "--pair", "gate", "--default",
    )  # fmt: skip

    assert done.status == 0, done.err
    assert "pair gate: det + tuned" in done.out
    written = read_manifest(shop.manifest)
    assert written.default == "gate"
    entry = next(one for one in written.weights if one.name == "tuned")
    assert (entry.sha256, entry.input) == (sha256(shop.reader), (64, 128))
    assert (entry.calibration.temperature, entry.calibration.ece) == (1.3, 0.02)
    assert shop.run("verify", "tuned").status == 0
    again = shop.run(
        "add", "tuned", mine, "--plate-config", config, "--temperature", "1.4", "--source", "ours"
    )
    assert again.status == 0, again.err
    names = [one.name for one in read_manifest(shop.manifest).weights]
    assert names.count("tuned") == 1


@needs_shared
@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], "E_MODEL", "threshold"),
        (["--threshold", "1.5"], "E_MODEL", "threshold"),
        (["--threshold", "0.4", "--temperature", "0"], "E_MODEL", "temperature"),
        (["--threshold", "0.4", "--size", "320", "320"], "E_MODEL", "needs (416, 416)"),
    ],
)
def test_weights_that_contradict_their_description_are_not_added(
    shop: Shop, tmp_path: Path, options: list[str], code: str, words: str
) -> None:
    mine = tmp_path / "tuned.onnx"
    mine.write_bytes(shop.detector)
    before = shop.manifest.read_bytes()

    done = shop.run("add", "tuned", mine, "--source", "ours", *options)

    refused(done, ExitCode.MODEL, code, words)
    assert shop.manifest.read_bytes() == before


@needs_shared
def test_a_file_name_in_use_is_refused(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    mine = tmp_path / "mine" / "ocr.onnx"
    mine.write_bytes(shop.detector)

    done = shop.run("add", "tuned", mine, "--source", "ours", "--threshold", "0.4")

    refused(done, ExitCode.MODEL, "ocr already have a file of this name")


@needs_shared
def test_latency_is_measured_for_each_network_and_number_of_threads() -> None:
    done = product(
        "models", "bench", "public", "--threads", "1", "--threads", "2", "--repeat", "3", "--json"
    )

    assert done.status == 0, done.err
    rows = done.json["results"]
    assert [(one["name"], one["threads"]) for one in rows] == [
        ("yolo-v9-t-416", 1), ("yolo-v9-t-416", 2), ("cct-xs-v2", 1), ("cct-xs-v2", 2),
    ]  # fmt: skip
    assert all(0 < one["median_ms"] <= one["p95_ms"] for one in rows)
    assert [rows[0]["ratio"], rows[2]["ratio"]] == [1.0, 1.0]
    assert rows[1]["ratio"] == pytest.approx(rows[1]["median_ms"] / rows[0]["median_ms"], abs=0.002)
    assert json.dumps(done.json["runtime"]).startswith('"onnxruntime')
