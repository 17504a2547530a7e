"""Weights are loaded by name, and only if their digest is the manifest's."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from edge.adapters.models.manifest import Contract, manifest_text, read_manifest, write_manifest
from edge.adapters.models.weights import MODELS_VARIABLE, Manifest, own_manifest, user_folder
from edge.errors import ExitCode, ModelError

CONTENT = b"weights of a detector"
READER = b"weights of a reader"
CONFIG = b"max_plate_slots: 10\n"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


MANIFEST = f"""
schema = "edge-anpr/models/2"
default = "mine"
search = ["elsewhere"]

[pairs]
mine = {{ detector = "det", reader = "ocr" }}

[[weights]]
name = "det"
contract = "end2end-detector"
file = "det.onnx"
sha256 = "{digest(CONTENT)}"
bytes = {len(CONTENT)}
input = [416, 416]
calibration = {{ threshold = 0.3, temperature = 1.5, ece = 0.02 }}
source = "a test"

[[weights]]
name = "ocr"
contract = "plate-reader"
file = "ocr.onnx"
sha256 = "{digest(READER)}"
bytes = {len(READER)}
input = [64, 128]
calibration = {{ temperature = 1.25, region_temperature = 2 }}
plate_config = {{ file = "ocr.yaml", sha256 = "{digest(CONFIG)}" }}
source = "a test"
"""


CALIBRATED = "calibration = { threshold = 0.3, temperature = 1.5, ece = 0.02 }"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "manifest.toml").write_text(MANIFEST)
    (tmp_path / "det.onnx").write_bytes(CONTENT)
    (tmp_path / "ocr.onnx").write_bytes(READER)
    (tmp_path / "ocr.yaml").write_bytes(CONFIG)
    return tmp_path


def manifest(folder: Path, *named: Path, data: Path | None = None) -> Manifest:
    environment = {MODELS_VARIABLE: os.pathsep.join(map(str, named))} if named else {}
    if data is not None:
        environment["XDG_DATA_HOME"] = str(data)
    return Manifest.load(folder / "manifest.toml", environment)


def test_intact_weights_are_found_by_name(folder: Path) -> None:
    found = manifest(folder)

    assert found.find("det", Contract.DETECTOR).path == folder / "det.onnx"
    assert found.find("det", Contract.DETECTOR).entry.input == (416, 416)
    assert found.find("ocr", Contract.READER).plate_config == folder / "ocr.yaml"
    assert (found.default_detector, found.default_reader) == ("det", "ocr")


@pytest.mark.parametrize("file", ["det.onnx", "ocr.onnx", "ocr.yaml"])
def test_the_error_for_one_altered_byte_names_the_file(folder: Path, file: str) -> None:
    content = bytearray((folder / file).read_bytes())
    content[3] ^= 1
    (folder / file).write_bytes(content)
    name, contract = ("det", Contract.DETECTOR) if file[0] == "d" else ("ocr", Contract.READER)

    with pytest.raises(ModelError, match=file) as refused:
        manifest(folder).find(name, contract)

    assert refused.value.code == "E_MODEL_DIGEST"
    assert refused.value.exit_code is ExitCode.MODEL
    assert "SHA-256" in refused.value.message


def test_weights_of_another_size_are_refused_without_reading_them_all(folder: Path) -> None:
    (folder / "det.onnx").write_bytes(CONTENT + b"!")

    with pytest.raises(ModelError, match=r"det\.onnx: has 22 bytes, the manifest says 21"):
        manifest(folder).find("det", Contract.DETECTOR)


@pytest.mark.parametrize("file", ["det.onnx", "ocr.onnx", "ocr.yaml"])
def test_the_error_for_missing_weights_names_the_file_and_the_remedy(
    folder: Path, file: str
) -> None:
    (folder / file).unlink()
    name, contract = ("det", Contract.DETECTOR) if file[0] == "d" else ("ocr", Contract.READER)

    with pytest.raises(ModelError, match=file) as refused:
        manifest(folder).find(name, contract)

    assert refused.value.code == "E_MODEL_MISSING"
    assert MODELS_VARIABLE in refused.value.message


def test_folders_are_searched_in_order(folder: Path) -> None:
    one, two, last = folder / "one", folder / "two", folder / "elsewhere"
    data = folder / "data" / "edge-anpr" / "models"
    for place in (one, two, data, last):
        place.mkdir(parents=True)
        (place / "det.onnx").write_bytes(CONTENT)

    def found() -> Path:
        searched = manifest(folder, one, two, data=folder / "data")
        return searched.find("det", Contract.DETECTOR).path.parent

    order = []
    for _ in range(5):
        order.append(found())
        (order[-1] / "det.onnx").unlink()

    assert order == [folder, one, two, data, last]


def test_an_altered_file_is_refused_even_if_a_later_folder_has_an_intact_one(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "det.onnx").write_bytes(CONTENT)
    (folder / "det.onnx").write_bytes(CONTENT[::-1])

    with pytest.raises(ModelError, match="SHA-256"):
        manifest(folder).find("det", Contract.DETECTOR)


@pytest.mark.parametrize(
    ("name", "contract"),
    [("unknown", Contract.DETECTOR), ("ocr", Contract.DETECTOR), ("det", Contract.READER)],
)
def test_the_error_for_an_unknown_name_lists_the_known_ones(
    folder: Path, name: str, contract: Contract
) -> None:
    with pytest.raises(ModelError, match=r"choose one of: (det|ocr)") as refused:
        manifest(folder).find(name, contract)

    assert refused.value.code == "E_MODEL_NAME"


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('default = "mine"\n', 'default = "mine"\nmirror = "x"\n', "mirror"),
        ('source = "a test"', "", "source"),
        (f'sha256 = "{digest(CONTENT)}"', 'sha256 = "abc"', "sha256"),
        ('file = "det.onnx"', 'file = "../det.onnx"', "file"),
        ("edge-anpr/models/2", "edge-anpr/models/1", "schema"),
        ("[[weights]]", "[[weights", "TOML"),
        ('default = "mine"\n', "", "default is missing"),
        ('default = "mine"', 'default = "yours"', "'yours' is not one of the pairs"),
        ('name = "ocr"', 'name = "det"', "'det' is given twice"),
        (CALIBRATED, "", r"weights\[det\]\.calibration: Field required"),
        (CALIBRATED, "calibration = { temperature = 1.0 }", "a detector needs .*threshold"),
        ("temperature = 1.5", "temperature = 0", r"weights\[det\]\.calibration\.temperature"),
        ("temperature = 1.5", "temperature = nan", r"calibration\.temperature"),
        ("temperature = 1.5", "temperature = true", r"calibration\.temperature"),
        ("threshold = 0.3", "threshold = 1.0", r"calibration\.threshold"),
        ("ece = 0.02", "ece = 1.02", r"calibration\.ece"),
        ("ece = 0.02", "error = 0.02", r"calibration\.error"),
        ("region_temperature = 2", "threshold = 0.5", "threshold is a detector's"),
        ("ece = 0.02", "region_temperature = 2.0", "region_temperature is a plate-reader's"),
        (f"bytes = {len(CONTENT)}\n", "", "sha256 and bytes must be given together"),
        (f'sha256 = "{digest(READER)}"\nbytes = {len(READER)}\n', "", "only what has a url"),
        ('source = "a test"', 'source = "a test"\nurl = "http://example.org/x"', "url"),
    ],
    ids=[
        "unknown key", "missing key", "no digest", "path", "other schema", "no TOML",
        "no default", "a default that is no pair", "a name twice", "no calibration",
        "a detector without a threshold", "no temperature", "not a number", "a boolean",
        "a threshold that nothing reaches", "an error above 1", "unknown calibration",
        "a reader with a threshold", "a detector with regions", "digest without size",
        "neither digest nor address", "an address in clear",
    ],
)  # fmt: skip
def test_the_error_for_a_bad_manifest_names_file_and_field(
    folder: Path, before: str, after: str, named: str
) -> None:
    file = folder / "manifest.toml"
    file.write_text(MANIFEST.replace(before, after))

    with pytest.raises(ModelError, match=named) as refused:
        Manifest.load(file, {})

    assert str(file) in refused.value.message


def test_a_missing_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.toml"):
        Manifest.load(tmp_path / "none.toml", {})


UNPINNED = """
schema = "edge-anpr/models/2"
default = "mine"
pairs = { mine = { detector = "far", reader = "ocr" } }

[[weights]]
name = "far"
contract = "end2end-detector"
file = "far.onnx"
input = [416, 416]
calibration = { threshold = 0.3 }
url = "https://example.org/far.onnx"
source = "a test"
"""
ADDITION = f"""
schema = "edge-anpr/models/2"
pairs = {{ tuned = {{ detector = "far", reader = "ocr" }} }}

[[weights]]
name = "far"
contract = "end2end-detector"
file = "far.onnx"
sha256 = "{digest(CONTENT)}"
bytes = {len(CONTENT)}
input = [416, 416]
calibration = {{ threshold = 0.6 }}
source = "somebody's own"
"""


def test_weights_without_a_digest_are_loaded_only_once_pinned(tmp_path: Path) -> None:
    own, data = tmp_path / "manifest.toml", tmp_path / "data" / "edge-anpr" / "models"
    own.write_text(UNPINNED)
    data.mkdir(parents=True)
    (data / "far.onnx").write_bytes(CONTENT)
    environment = {"XDG_DATA_HOME": str(tmp_path / "data")}

    with pytest.raises(ModelError, match="models pull far") as refused:
        Manifest.load(own, environment).find("far", Contract.DETECTOR)
    assert refused.value.code == "E_MODEL_PIN"

    (data / "manifest.toml").write_text(ADDITION)
    found = Manifest.load(own, environment)
    assert found.find("far", Contract.DETECTOR).path == data / "far.onnx"
    assert found.pair("tuned").detector == "far"


def test_an_added_manifest_never_replaces_a_digest_of_the_product(folder: Path) -> None:
    data = folder / "data" / "edge-anpr" / "models"
    data.mkdir(parents=True)
    (data / "manifest.toml").write_text(ADDITION.replace('"far"', '"det"'))
    (data / "far.onnx").write_bytes(CONTENT)

    found = manifest(folder, data=folder / "data")

    assert found.find("det", Contract.DETECTOR).path == folder / "det.onnx"
    assert found.entry("det").calibration.threshold == 0.3


def test_the_error_for_a_bad_added_manifest_names_it(folder: Path) -> None:
    data = folder / "data" / "edge-anpr" / "models"
    data.mkdir(parents=True)
    (data / "manifest.toml").write_text("schema = 1")

    with pytest.raises(ModelError, match=r"data/edge-anpr/models/manifest\.toml: schema"):
        manifest(folder, data=folder / "data")


def test_a_folder_given_twice_is_read_once(folder: Path) -> None:
    assert manifest(folder, folder).find("det", Contract.DETECTOR).path == folder / "det.onnx"


def test_without_a_home_directory_there_is_no_user_folder() -> None:
    assert user_folder({}) is None
    assert user_folder({"XDG_DATA_HOME": "relative", "HOME": "/h"}) == Path(
        "/h/.local/share/edge-anpr/models"
    )


def test_the_error_for_an_unknown_pair_lists_the_known_ones(folder: Path) -> None:
    with pytest.raises(ModelError, match="no pair named 'other'; choose one of: mine") as refused:
        manifest(folder).pair("other")

    assert refused.value.code == "E_MODEL_NAME"


def test_a_written_manifest_reads_back_unchanged(folder: Path) -> None:
    file = folder / "manifest.toml"
    file.write_text('# Kept.\n# Both lines.\nschema = "x"  # not kept\n')
    content = read_manifest(own_manifest())

    write_manifest(file, content)

    assert read_manifest(file) == content
    assert file.read_text().startswith("# Kept.\n# Both lines.\nschema = ")
    assert list(folder.glob(".manifest*")) == []


def test_quotes_and_backslashes_survive_writing(folder: Path) -> None:
    content = read_manifest(folder / "manifest.toml")
    odd = content.weights[0].model_copy(update={"source": 'C:\\x "quoted" é'})

    write_manifest(folder / "manifest.toml", content.model_copy(update={"weights": (odd,)}))

    assert read_manifest(folder / "manifest.toml").weights[0].source == 'C:\\x "quoted" é'


def test_the_products_manifest_has_the_canonical_form(tmp_path: Path) -> None:
    text = own_manifest().read_text("utf-8")

    assert text.endswith("\n" + manifest_text(read_manifest(own_manifest())))


def test_every_pair_of_the_products_manifest_has_detector_and_reader() -> None:
    own = Manifest.load(environment={})

    for pair in own.pairs.values():
        assert pair.detector in own.names(Contract.DETECTOR)
        assert pair.reader in own.names(Contract.READER)


def test_the_products_manifest_names_its_defaults() -> None:
    own = Manifest.load(environment={})

    assert own.default_detector in own.names(Contract.DETECTOR)
    assert own.default_reader in own.names(Contract.READER)


def test_p21_the_weights_of_a_run_name_every_network_that_decides() -> None:
    manifest = Manifest.load(environment={})

    used = manifest.in_use(None, None)

    assert (used.cover_check, used.scene_parser) == (manifest.cover_check, manifest.scene_parser)
    for name, digest in (
        (used.detector, used.detector_sha256),
        (used.reader, used.reader_sha256),
        (used.cover_check, used.cover_check_sha256),
        (used.scene_parser, used.scene_parser_sha256),
    ):
        assert name is not None
        assert manifest.entry(name).sha256 == digest


@pytest.mark.parametrize(
    ("contract", "what"), [("plate-reader", "reader"), ("end2end-detector", "detector")]
)
def test_p12_the_weights_of_a_run_name_a_calibration_that_is_not_the_products(
    tmp_path: Path, contract: str, what: str
) -> None:
    """With a low temperature the product's own reader is sure of everything it reads."""
    own = Manifest.load(environment={})
    entry = own.entry(own.default_reader if what == "reader" else own.default_detector)
    config = entry.plate_config
    digests = []
    for temperature in (0.05, 0.06):
        (tmp_path / "manifest.toml").write_text(f"""schema = "edge-anpr/models/2"
[[weights]]
name = "mine"
contract = "{contract}"
file = "{entry.file}"
sha256 = "{entry.sha256}"
bytes = {entry.bytes}
input = {list(entry.input)}
calibration = {{ temperature = {temperature}{", threshold = 0.4" if what == "detector" else ""} }}
{f'plate_config = {{ file = "{config.file}", sha256 = "{config.sha256}" }}' if config else ""}
source = "mine"
""")
        added = Manifest.load(environment={"EDGE_ANPR_MODELS": str(tmp_path)})
        used = added.in_use(**{"detector": None, "reader": None, what: "mine"})
        named = json.loads(used.canonical())
        assert named[f"{what}_calibration_sha256"] == added.entry("mine").calibration.sha256()
        assert added.in_use(None, None) == own.in_use(None, None)
        digests.append(used.sha256())

    assert len({*digests, own.in_use(None, None).sha256()}) == 3


def test_p21_the_digests_of_a_run_from_before_a_network_existed_stay_the_same() -> None:
    old = (
        Manifest.load(environment={})
        .in_use(None, None)
        .model_copy(
            update=dict.fromkeys(
                ("cover_check", "cover_check_sha256", "scene_parser", "scene_parser_sha256")
            )
        )
    )

    assert set(json.loads(old.canonical())) == {
        "detector", "detector_sha256", "reader", "reader_sha256", "plate_config_sha256",
    }  # fmt: skip


SCENES = """schema = "edge-anpr/models/2"
[[weights]]
name = "scenes"
contract = "scene-parser"
file = "scenes.onnx"
sha256 = "{digest}"
bytes = 4
input = [192, 208]
calibration = {{ threshold = {threshold}, suspected = {suspected} }}
source = "test"
"""


@pytest.mark.parametrize(
    ("threshold", "suspected", "refused"),
    [
        (0.8, 0.2, None),
        (0.79, 0.05, "threshold of a scene-parser is at least 0.8"),
        (0.01, 0.05, "threshold of a scene-parser is at least 0.8"),
        (0.9, 0.21, "suspected of a scene-parser is at most 0.2"),
        (0.9, 0.99, "suspected of a scene-parser is at most 0.2"),
    ],
)
def test_p6_no_manifest_makes_a_scene_parser_show_what_it_is_not_sure_of(
    tmp_path: Path, threshold: float, suspected: float, refused: str | None
) -> None:
    file = tmp_path / "manifest.toml"
    file.write_text(SCENES.format(digest="0" * 64, threshold=threshold, suspected=suspected))

    if refused is None:
        assert read_manifest(file).weights[0].name == "scenes"
        return
    with pytest.raises(ModelError, match=refused):
        read_manifest(file)
