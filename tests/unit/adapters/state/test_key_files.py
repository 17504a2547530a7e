"""Key files that other users can change are refused, and no copy of a private key stays behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge.adapters.state.key_files import (
    load_all_box_public_keys,
    load_authority_public_keys,
    load_box_keys,
    load_box_public_keys,
    read_private,
)
from edge.adapters.state.key_making import (
    new_authority_keys,
    new_box_keys,
    new_signer_key,
    rotate_authority_keys,
    rotate_box_keys,
)
from edge.errors import KeyFileError
from edge.privacy.key_formats import SignerPrivateFile
from tests.support.policies import NOON

WRITABLE = [0o777, 0o775, 0o757, 0o722, 0o702, 0o720, 0o1777]
OTHERS_WRITE = [0o666, 0o664, 0o646, 0o622, 0o602, 0o620]
PRIVATE_TO_WRITE = [0o644, 0o640, 0o600, 0o444, 0o400]


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """An authority's folder with the public file of one box."""
    public = new_box_keys(tmp_path / "box", "street", "box-1", NOON)
    folder = tmp_path / "boxes"
    folder.mkdir(mode=0o755)
    shutil.copy(public, folder)
    return folder


@pytest.mark.parametrize("mode", WRITABLE, ids=oct)
def test_p10_a_folder_of_box_keys_that_others_can_write_is_refused(boxes: Path, mode: int) -> None:
    boxes.chmod(mode)

    with pytest.raises(KeyFileError, match="chmod go-w") as refused:
        load_all_box_public_keys(boxes)

    assert refused.value.code == "E_KEY_MODE"
    assert str(boxes) in refused.value.message
    boxes.chmod(0o755)
    assert set(load_all_box_public_keys(boxes)) == {("street", "box-1")}


@pytest.mark.parametrize("mode", OTHERS_WRITE, ids=oct)
def test_p10_a_public_key_file_that_others_can_write_is_refused(
    boxes: Path, tmp_path: Path, mode: int
) -> None:
    authority = new_authority_keys(tmp_path / "authority", "police", NOON)
    (file,) = boxes.iterdir()
    for path in (file, authority):
        path.chmod(mode)

    for load in (
        lambda: load_all_box_public_keys(boxes),
        lambda: load_all_box_public_keys(file),
        lambda: load_box_public_keys(file),
        lambda: load_authority_public_keys(authority),
    ):
        with pytest.raises(KeyFileError, match="chmod go-w") as refused:
            load()
        assert refused.value.code == "E_KEY_MODE"


@pytest.mark.parametrize("mode", PRIVATE_TO_WRITE, ids=oct)
def test_a_public_key_file_that_only_its_owner_writes_is_read(boxes: Path, mode: int) -> None:
    (file,) = boxes.iterdir()
    file.chmod(mode)

    assert set(load_all_box_public_keys(boxes)) == {("street", "box-1")}


def test_p10_copies_of_private_keys_that_a_killed_process_left_are_deleted(tmp_path: Path) -> None:
    box, authority, signer = tmp_path / "box", tmp_path / "authority", tmp_path / "signer"
    new_box_keys(box, "street", "box-1", NOON)
    new_authority_keys(authority, "police", NOON)
    new_signer_key(signer, "mayor", NOON)
    for folder in (box, authority, signer):
        (private,) = folder.glob("*.private.json")
        (folder / f".{private.name}.0a1b2c3d").hardlink_to(private)

    rotate_box_keys(box, NOON)
    rotate_authority_keys(authority, NOON)
    new_signer_key(signer, "chief", NOON)

    for folder in (box, authority, signer):
        assert not list(folder.glob(".*"))
        assert all(file.stat().st_nlink == 1 for file in folder.iterdir())
    assert load_box_keys(box).box == "box-1"


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "this is a box's public file, but"), ("site: a\n", "not a key file")],
)
def test_a_file_that_is_no_private_key_is_not_to_be_made_private(
    boxes: Path, content: str | None, said: str
) -> None:
    (file,) = boxes.iterdir()
    if content is not None:
        file.write_text(content)
    file.chmod(0o644)

    with pytest.raises(KeyFileError, match=said) as refused:
        read_private(file, SignerPrivateFile)

    assert refused.value.code == "E_KEYS"
    assert "chmod" not in refused.value.message
