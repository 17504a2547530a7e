"""Whole updates: signed at the office, fetched by a box, installed, tried, and taken back."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.adapters.models.weights import MODELS_VARIABLE, Manifest, sha256_of
from edge.texts import LANGUAGES, WORDS_VARIABLE
from edge.updates.archive import pack_files
from edge.updates.problems import UpdateError
from edge.updates.targets import TargetFacts
from edge.updates.waves import WavesDocument
from tests.support.dummy_product import dummy_version
from tests.support.source_tree import EDGE
from tests.support.updated_site import SHORT, BoxWithUpdates


@pytest.fixture
def box(tmp_path: Path) -> Iterator[BoxWithUpdates]:
    made = BoxWithUpdates(tmp_path)
    yield made
    made.service.stop()


def test_a_release_is_installed_from_its_wheels_and_a_failing_one_is_taken_back(
    box: BoxWithUpdates,
) -> None:
    box.service.start()
    box.release("0.2.0")
    (ended,) = box.updates().install()
    assert (ended.target, ended.outcome) == ("release/0.2.0", "installed")
    assert (box.program / "current").readlink() == Path("releases/0.2.0")
    assert box.updates().install() == []

    box.release("0.3.0")
    # It is laid down already, as a killed updater leaves it, and does not work here.
    dummy_version(box.program / "releases", "0.3.0", reason="E_MODEL_DIGEST")
    (ended,) = box.updates(SHORT).install()
    assert (ended.target, ended.outcome) == ("release/0.3.0", "rolled-back")
    assert (box.program / "current").readlink() == Path("releases/0.2.0")
    assert box.updates().install() == []  # it is not tried again
    status = box.updates().status()
    assert status.versions["release"] == "0.2.0"
    assert "release/0.3.0" in status.journal.failed
    assert "safe because of E_MODEL_DIGEST" in status.journal.failed["release/0.3.0"]
    assert not list((box.work / "download").iterdir())


def test_a_release_that_says_another_version_is_not_even_tried(box: BoxWithUpdates) -> None:
    box.service.start()
    box.release("0.2.0", says="0.1.9")
    (ended,) = box.updates().install()
    assert ended.outcome == "failed"
    assert "signed as version 0.2.0, but it says 'edge-anpr 0.1.9'" in ended.why
    assert not (box.program / "releases" / "0.2.0").exists()
    assert (box.program / "current").readlink() == Path("releases/0.1.0")
    assert box.updates().install() == []


def test_nothing_is_installed_before_its_wave_is_open(box: BoxWithUpdates) -> None:
    archive = box.base / "t.zip"
    pack_files([box.site / "root.json"], archive)
    box.offer("policy-templates", "1.0.0", archive)
    box.office.publish(WavesDocument())
    found = {one.kind: one for one in box.updates().check()}
    assert found["policy-templates"].line() == (
        "policy-templates: none, 1.0.0 is signed and not open yet"
    )
    assert box.updates().install() == []
    assert not (box.work / "policy-templates").exists()


def test_the_newest_that_is_open_is_installed_although_a_newer_one_is_signed(
    box: BoxWithUpdates,
) -> None:
    archive = box.base / "t.zip"
    pack_files([box.site / "root.json"], archive)
    box.offer("policy-templates", "1.1.0", archive)
    facts = TargetFacts(kind="policy-templates", version="1.2.0")
    box.office.offer(archive.read_bytes(), facts, publish=False)
    box.office.publish()  # the waves stay
    assert box.updates().install() == []
    assert box.updates().status().versions["policy-templates"] == "1.1.0"
    assert box.updates().check()[3].line() == (
        "policy-templates: 1.1.0, 1.2.0 is signed and not open yet"
    )


def test_weights_are_installed_where_the_box_finds_them(box: BoxWithUpdates) -> None:
    box.service.start()
    folder = box.base / "weights"
    folder.mkdir()
    (folder / "new.onnx").write_bytes(b"a network")
    (folder / "manifest.toml").write_text(
        'schema = "edge-anpr/models/2"\n[[weights]]\nname = "new"\ncontract = "end2end-detector"\n'
        f'file = "new.onnx"\nsha256 = "{sha256_of(folder / "new.onnx")}"\nbytes = 9\n'
        'input = [384, 384]\nsource = "trained here"\ncalibration = {threshold = 0.5}\n'
    )
    pack_files(sorted(folder.iterdir()), box.base / "weights.zip")
    box.offer("weights", "1.0.0", box.base / "weights.zip")
    (ended,) = box.updates().install()
    assert ended.outcome == "installed", ended.why
    current = str(box.work / "weights" / "current")
    assert "new" in {one.name for one in Manifest.load(None, {MODELS_VARIABLE: current}).entries}

    (folder / "new.onnx").write_bytes(b"another one")
    pack_files(sorted(folder.iterdir()), box.base / "weights.zip")
    box.offer("weights", "1.1.0", box.base / "weights.zip")
    (ended,) = box.updates().install()
    assert ended.outcome == "failed"
    assert "new.onnx is missing, or not the file that manifest.toml names" in ended.why
    assert (box.work / "weights" / "current").readlink() == Path("1.0.0")


def test_words_are_complete_or_refused(box: BoxWithUpdates) -> None:
    box.service.start()
    folder = box.base / "words"
    folder.mkdir()
    for language in LANGUAGES:
        shutil.copy(EDGE / "texts" / f"{language}.toml", folder)
    pack_files(sorted(folder.iterdir()), box.base / "words.zip")
    box.offer("words", "1.0.0", box.base / "words.zip")
    (ended,) = box.updates().install()
    assert ended.outcome == "installed"

    text = (folder / "nl.toml").read_text()
    (folder / "nl.toml").write_text(text.replace(text.splitlines()[-1], ""))
    pack_files(sorted(folder.iterdir()), box.base / "words.zip")
    box.offer("words", "1.1.0", box.base / "words.zip")
    (ended,) = box.updates().install()
    assert ended.outcome == "failed"
    assert "nl.toml: " in ended.why


def test_new_words_are_used_and_incomplete_ones_are_not(tmp_path: Path) -> None:
    for language in LANGUAGES:
        shutil.copy(EDGE / "texts" / f"{language}.toml", tmp_path)
    code = "from edge.texts import catalogue; print('Zebra' in ' '.join(catalogue('en').values()))"
    file = tmp_path / "en.toml"
    lines = file.read_text().splitlines()
    last = next(
        number
        for number in reversed(range(len(lines)))
        if lines[number].endswith('"') and "{" not in lines[number] and " = " in lines[number]
    )
    name = lines[last].split(" = ")[0]

    def said(line: str) -> str:
        import subprocess

        file.write_text("\n".join([*lines[:last], line, *lines[last + 1 :]]) + "\n")
        environment = {**os.environ, WORDS_VARIABLE: str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert said(f'{name} = "Zebra"') == "True\n"
    assert said(f'{name} = "Zebra {{extra}}"') == "False\n"


def test_p4_templates_become_files_and_no_policy(box: BoxWithUpdates) -> None:
    (box.site / "policy.yaml").write_text("in force")
    template = box.base / "policy.yaml"
    template.write_text("a template")
    pack_files([template], box.base / "t.zip")
    box.offer("policy-templates", "2.0.0", box.base / "t.zip")
    assert box.updates().install() == []
    laid = box.work / "policy-templates" / "2.0.0" / "policy.yaml"
    assert laid.read_text() == "a template"
    assert (box.site / "policy.yaml").read_text() == "in force"
    assert not (box.work / "policy-templates" / "current").exists()
    with pytest.raises(UpdateError, match="write release, weights or words"):
        box.updates().rollback("policy-templates")
