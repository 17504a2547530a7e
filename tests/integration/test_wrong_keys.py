"""Keys of somebody else, given by mistake: the error names the folder and changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import edge
from edge.adapters.state.audit_log import FILE_NAME
from edge.adapters.state.key_making import new_authority_keys, rotate_authority_keys
from edge.authority.store import HitStore
from edge.privacy.hit import Hit
from tests.support.parties import AUTHORITY, MORNING, Parties, evidence
from tests.support.product import product


@pytest.fixture
def hit(parties: Parties, tmp_path: Path) -> Hit:
    """A hit in the store; nothing was opened yet, so there is no audit log."""
    made = parties.hit(evidence())
    with HitStore.open(tmp_path / "store", create=True) as inbox:
        inbox.put(made, made.to_payload(), MORNING)
    return made


@pytest.fixture(params=["another authority", "the same id", "before a rotation"])
def wrong(request: pytest.FixtureRequest, parties: Parties, tmp_path: Path) -> Path:
    """A folder with keys that open nothing of the store."""
    folder = tmp_path / "wrong"
    if request.param == "before a rotation":
        shutil.copytree(parties.authority_folder, folder)
        (old,) = folder.glob("*.private.json")
        rotate_authority_keys(folder, MORNING)
        old.unlink()
    else:
        name = AUTHORITY if request.param == "the same id" else "customs"
        new_authority_keys(folder, name, MORNING)
    return folder


@pytest.mark.parametrize("opened_before", [False, True])
@pytest.mark.parametrize("chosen", ["--all", "one"])
def test_p21_open_names_the_folder_of_wrong_keys_and_leaves_the_audit_log_alone(
    parties: Parties, hit: Hit, wrong: Path, tmp_path: Path, opened_before: bool, chosen: str
) -> None:
    store, out = tmp_path / "store", tmp_path / "opened"
    right = ("--keys", parties.authority_folder, "--box-keys", parties.box_file)
    which = "--all" if chosen == "--all" else hit.hit_id
    log = store / FILE_NAME
    if opened_before:
        assert product("hits", "open", which, "--store", store, "--out", out, *right).status == 0
    before = log.read_bytes() if log.exists() else None

    done = product(
        *("hits", "open", which, "--store", store, "--out", out),
        *("--keys", wrong, "--box-keys", parties.box_file),
    )

    assert done.status == 7
    (line,) = done.error_lines
    assert "E_NO_KEY" in line
    assert str(wrong) in line
    assert hit.authority_key_id in line
    assert "away" not in line
    assert (log.read_bytes() if log.exists() else None) == before
    again = product("hits", "open", which, "--store", store, "--out", out, *right)
    assert again.status == 0, again.err


def test_the_function_of_the_api_says_the_same(
    parties: Parties, hit: Hit, wrong: Path, tmp_path: Path
) -> None:
    with pytest.raises(edge.EdgeError) as refused:
        edge.open_hit(hit.hit_id, store=tmp_path / "store", box_keys=parties.box_file, keys=wrong)

    assert refused.value.code == "E_NO_KEY"
    assert str(wrong) in refused.value.message
    assert not (tmp_path / "store" / FILE_NAME).exists()


def test_verify_names_the_file_of_wrong_keys(
    parties: Parties, hit: Hit, wrong: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    edge.open_hit(hit.hit_id, store=store, box_keys=parties.box_file, keys=parties.authority_folder)
    (public,) = wrong.glob("*.public.json")
    if parties.authority_public.key_id in public.read_text():
        pytest.skip("the file of a later generation also names the earlier keys")

    done = product("audit", "verify", store / FILE_NAME, "--keys", public)

    assert done.status == 8
    (line,) = done.error_lines
    assert "E_AUDIT_KEYS" in line
    assert str(public) in line
    assert "away" not in line


def test_swapped_folders_are_each_named(parties: Parties, hit: Hit, tmp_path: Path) -> None:
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    shutil.copy(parties.box_file, boxes)

    done = product(
        *("hits", "open", hit.hit_id, "--store", tmp_path / "store", "--out", tmp_path / "opened"),
        *("--keys", boxes, "--box-keys", parties.authority_folder),
    )

    assert done.status == 7
    assert str(boxes) in done.err
    assert "authority's folder" in done.err
