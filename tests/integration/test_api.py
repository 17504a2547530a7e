"""`import edge`: each public name, on real files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge
from edge.adapters.host.system import product_version
from edge.adapters.state.audit_log import read_log
from edge.authority.store import HitStore
from edge.privacy.audit_events import Unsealed
from tests.support.parties import MORNING, PLATE, Parties, evidence
from tests.support.product import CLIPS, REPOSITORY, environment
from tests.unit.vectors.cast import STORED

PACK = STORED / "pack.zip"


def test_the_public_names_are_those_of_the_documentation() -> None:
    page = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `edge\.(\w+)", page, flags=re.MULTILINE)) == set(edge.__all__)
    for name in edge.__all__:
        assert getattr(edge, name) is not None
    assert set(edge.__all__) <= set(dir(edge))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = edge.nothing  # type: ignore[attr-defined]


def test_the_import_is_lazy() -> None:
    program = "import sys, edge; print([n for n in sys.modules if n.startswith('edge.')])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "[]\n"
    assert edge.__version__ == product_version()


def test_a_hit_is_verified_and_stays_sealed(parties: Parties) -> None:
    payload = parties.hit(evidence()).to_payload()

    hit = edge.verify_hit(payload, parties.box_file)
    with pytest.raises(edge.EdgeError) as altered:
        edge.verify_hit(payload.replace(b'"margin":0.', b'"margin":0.1'), parties.box_file)

    assert (hit.rule, hit.observed_at) == ("stolen", "2026-11-30T07:16:05.123Z")
    assert altered.value.code in {"E_SIGNATURE", "E_HIT"}


def test_a_hit_of_an_unknown_box_is_refused(parties: Parties) -> None:
    with pytest.raises(edge.EdgeError) as refused:
        edge.verify_hit((STORED / "hit-0.json").read_bytes(), parties.box_file)

    assert refused.value.code == "E_HIT"
    assert "of site square is unknown" in refused.value.message


def test_an_opening_is_recorded_and_gives_the_plate(parties: Parties, tmp_path: Path) -> None:
    hit = parties.hit(evidence())
    store = tmp_path / "store"
    with HitStore.open(store, create=True) as inbox:
        inbox.put(hit, hit.to_payload(), MORNING)

    opened = edge.open_hit(
        hit.hit_id[:8], store=store, box_keys=parties.box_file, keys=parties.authority_folder
    )

    assert opened.content.plate.reveal() == PLATE
    assert PLATE not in repr(opened)
    recorded = [e.event for e in read_log(store).entries if isinstance(e.event, Unsealed)]
    assert [event.hit_id for event in recorded] == [hit.hit_id]


def test_an_audit_log_is_verified(parties: Parties, tmp_path: Path) -> None:
    hit = parties.hit(evidence())
    store = tmp_path / "store"
    with HitStore.open(store, create=True) as inbox:
        inbox.put(hit, hit.to_payload(), MORNING)
    edge.open_hit(hit.hit_id, store=store, box_keys=parties.box_file, keys=parties.authority_folder)
    log = store / "audit.log"

    known = edge.verify_audit_log(log, keys=parties.authority_file)
    alone = edge.verify_audit_log(store)
    log.write_bytes(log.read_bytes().replace(hit.hit_id.encode(), b"0" * 32))

    assert (known.vouched, alone.vouched) == (True, False)
    with pytest.raises(edge.EdgeError) as altered:
        edge.verify_audit_log(log)
    assert altered.value.code == "E_AUDIT_EDITED"


def test_an_evidence_pack_is_verified(tmp_path: Path) -> None:
    pack = edge.verify_evidence_pack(PACK)
    broken = tmp_path / "pack.zip"
    content = bytearray(PACK.read_bytes())
    content[len(content) // 2] ^= 1
    broken.write_bytes(content)

    assert (pack.vouched, pack.log.last.size > 0) == (False, True)
    with pytest.raises(edge.EdgeError):
        edge.verify_evidence_pack(broken)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frame of a rendered clip on which a plate is large."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    video = cv2.VideoCapture(str(CLIPS / "twin_a.mp4"))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    video.release()
    cv2.imwrite(str(path), frames[len(frames) // 2])
    return path


def test_the_plates_of_a_picture_are_read_from_a_file_or_from_pixels(photo: Path) -> None:
    models = edge.load_models()
    from_file = edge.read_plates(photo, models=models)
    pixels = np.asarray(cv2.imread(str(photo)), np.uint8)
    from_pixels = edge.read_plates(pixels, models=models)

    assert from_file == from_pixels
    plate = from_file[0]
    assert plate.consensus is not None
    text = plate.consensus.best.text.reveal()
    assert text in labelled("twin_a.mp4")
    assert text not in repr(from_file)
    assert 0.5 < plate.consensus.posterior <= 1
    assert 0 <= plate.box.x1 < plate.box.x2 <= pixels.shape[1]


def labelled(clip: str) -> set[str]:
    lines = (CLIPS / "labels.csv").read_text(encoding="utf-8").splitlines()
    return {line.split(",")[1] for line in lines if line.startswith(f"{clip},")}


def test_a_picture_without_a_plate_gives_nothing() -> None:
    assert edge.read_plates(np.full((360, 640, 3), 90, np.uint8)) == ()


@pytest.mark.parametrize(("name", "code"), [("gone", "E_SOURCE_MISSING"), ("x", "E_SOURCE_FORMAT")])
def test_an_invalid_picture_is_refused(name: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a shopping list")

    with pytest.raises(edge.EdgeError) as refused:
        edge.read_plates(tmp_path / name)

    assert refused.value.code == code


def test_the_example_of_the_documentation_runs(photo: Path, tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    stored = next((STORED / "box-key-files").glob("*.public.json"))
    (tmp_path / "pack.zip").write_bytes(PACK.read_bytes())
    (tmp_path / "box-1.public.json").write_bytes(stored.read_bytes())
    (tmp_path / "photo.jpg").write_bytes(photo.read_bytes())

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    first, *reads = done.stdout.splitlines()
    assert first.endswith("entries, confirmed")
    assert reads
    assert reads[0].split()[0] in labelled("twin_a.mp4")
