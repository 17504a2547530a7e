"""Key files: private modes, no overwriting, and errors that give the remedy."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.adapters.state.anchor import FIRST_START_NAME
from edge.adapters.state.key_files import (
    key_facts,
    load_all_box_public_keys,
    load_authority_private_keys,
    load_authority_public_keys,
    load_box_keys,
    load_box_public_keys,
)
from edge.adapters.state.key_making import (
    install_public_keys,
    new_authority_keys,
    new_box_keys,
    rotate_authority_keys,
    rotate_box_keys,
)
from edge.errors import ExitCode, KeyFileError
from tests.support.parties import AUTHORITY, BOX, SITE, Parties, make_parties

NOW = datetime(2026, 11, 30, 7, 0, tzinfo=timezone.utc)


@pytest.fixture
def parties(tmp_path: Path) -> Parties:
    return make_parties(tmp_path)


def private_file(folder: Path) -> Path:
    (file,) = folder.glob("*.private.json")
    return file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refused(load: Callable[[], object], *said: str) -> KeyFileError:
    with pytest.raises(KeyFileError) as caught:
        load()
    assert caught.value.exit_code is ExitCode.KEYS
    assert "\n" not in str(caught.value)
    for text in said:
        assert text in str(caught.value)
    return caught.value


# --- making -------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_private_files_are_readable_by_their_owner_only_whatever_the_umask(
    tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        parties = make_parties(tmp_path)
    finally:
        os.umask(before)

    for folder in (parties.box_folder, parties.authority_folder):
        assert mode(folder) == 0o700
        assert mode(private_file(folder)) == 0o600


def test_a_public_file_holds_no_private_key(parties: Parties) -> None:
    for folder, public in (
        (parties.box_folder, parties.box_file),
        (parties.authority_folder, parties.authority_file),
    ):
        private = json.loads(private_file(folder).read_text())
        names = ("signing", "lists", "sealing", "receipts")
        secrets = {private[name] for name in names if name in private}

        assert secrets
        assert not any(secret in public.read_text() for secret in secrets)


def test_no_temporary_file_is_left_beside_the_keys(parties: Parties) -> None:
    assert {path.suffix for path in parties.box_folder.iterdir()} == {".json", ""}
    assert len(list(parties.box_folder.iterdir())) == 3
    assert (parties.box_folder / FIRST_START_NAME).exists()
    assert len(list(parties.authority_folder.iterdir())) == 2


def test_public_files_are_named_after_their_owners(parties: Parties) -> None:
    assert parties.box_file.name == f"{SITE}.{BOX}.public.json"
    assert parties.authority_file.name == f"{AUTHORITY}.public.json"


def test_existing_keys_are_never_overwritten(parties: Parties) -> None:
    before = {file: file.read_bytes() for file in parties.box_folder.parent.rglob("*.json")}

    refused(lambda: new_box_keys(parties.box_folder, SITE, BOX, NOW), "rotate")
    refused(lambda: new_authority_keys(parties.authority_folder, AUTHORITY, NOW), "rotate")
    refused(
        lambda: install_public_keys(parties.authority_file, parties.box_file),
        "was not overwritten",
    )

    after = {file: file.read_bytes() for file in parties.box_folder.parent.rglob("*.json")}
    assert after == before


def test_the_error_names_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    refused(lambda: new_box_keys(tmp_path / "file" / "keys", SITE, BOX, NOW), "writable")


def test_trial_keys_are_marked_as_trial(tmp_path: Path, parties: Parties) -> None:
    new_box_keys(tmp_path / "b", SITE, BOX, NOW, trial=True)
    new_authority_keys(tmp_path / "a", AUTHORITY, NOW, trial=True)

    assert load_box_keys(tmp_path / "b").trial
    assert load_authority_private_keys(tmp_path / "a").trial
    assert not parties.box.trial
    assert not parties.authority.trial


def test_the_repr_hides_the_key(parties: Parties) -> None:
    for keys in (parties.box, parties.authority, parties.box_public, parties.authority_public):
        assert "25519" not in repr(keys)


# --- loading ------------------------------------------------------------------------------------


def test_the_loaded_keys_equal_the_created_ones(parties: Parties) -> None:
    box = parties.box

    assert (box.site, box.box) == (SITE, BOX)
    assert parties.box_public.verify(box.key_id, box.sign(b"message"), b"message")
    assert not parties.box_public.verify(box.key_id, box.sign(b"message"), b"another")
    assert not parties.box_public.verify("0" * 16, box.sign(b"message"), b"message")
    assert parties.authority.generation(parties.authority_public.key_id) is not None


def test_two_boxes_have_two_key_ids(parties: Parties, tmp_path: Path) -> None:
    assert parties.box.key_id != make_parties(tmp_path / "other").box.key_id


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o644, 0o620, 0o610, 0o777])
def test_a_private_key_that_others_can_read_or_write_is_refused(
    parties: Parties, bits: int
) -> None:
    private_file(parties.box_folder).chmod(bits)
    private_file(parties.authority_folder).chmod(bits)

    assert refused(lambda: parties.box, "chmod 600").code == "E_KEY_MODE"
    assert refused(lambda: parties.authority, "chmod 600").code == "E_KEY_MODE"


@pytest.mark.parametrize("bits", [0o770, 0o707, 0o777, 0o720])
def test_a_folder_into_which_others_can_put_keys_is_refused(parties: Parties, bits: int) -> None:
    parties.box_folder.chmod(bits)
    parties.authority_folder.chmod(bits)

    assert refused(lambda: parties.box, "chmod 700").code == "E_KEY_MODE"
    assert refused(lambda: parties.authority, "chmod 700").code == "E_KEY_MODE"


def test_the_error_for_missing_keys_names_the_command_that_makes_them(tmp_path: Path) -> None:
    nowhere, empty = tmp_path / "nowhere", tmp_path / "empty"
    empty.mkdir(mode=0o700)

    refused(lambda: load_box_keys(nowhere), str(nowhere), "keys new")
    refused(lambda: load_box_keys(empty), str(empty), "keys new box")
    refused(lambda: load_authority_private_keys(nowhere), str(nowhere), "keys new")
    refused(lambda: load_authority_private_keys(empty), str(empty), "keys new authority")
    refused(lambda: load_box_public_keys(nowhere), str(nowhere), "keys new")
    refused(lambda: load_authority_public_keys(nowhere), str(nowhere), "keys new")
    refused(lambda: load_all_box_public_keys(empty), str(empty), "public.json")


def test_a_box_without_its_private_file_is_told_to_rotate_its_keys(parties: Parties) -> None:
    private_file(parties.box_folder).unlink()

    refused(lambda: parties.box, "missing", "keys rotate box")


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "no JSON": lambda _: b"-----BEGIN PRIVATE KEY-----",
    "no object": lambda _: b"[]",
    "cut off": lambda content: content[: len(content) // 2],
    "not UTF-8": lambda _: b"\xff\xfe",
    "another key": lambda content: content.replace(b'"signing": "', b'"signing": "AAAA').replace(
        b'"sealing": "', b'"sealing": "AAAA'
    ),
    "unknown field": lambda content: content.replace(b"{", b'{"extra": 1,', 1),
    "another id": lambda content: content.replace(b'"key_id": "', b'"key_id": "0', 1),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("which", ["box", "authority", "box_public", "authority_public"])
def test_a_damaged_key_file_is_refused_and_not_quoted(
    parties: Parties, which: str, damage: Callable[[bytes], bytes]
) -> None:
    file = {
        "box": private_file(parties.box_folder),
        "authority": private_file(parties.authority_folder),
        "box_public": parties.box_file,
        "authority_public": parties.authority_file,
    }[which]
    before = file.read_bytes()
    secret = json.loads(before).get("signing", json.loads(before).get("sealing"))
    file.write_bytes(damage(before))

    error = refused(lambda: getattr(parties, which), str(file))

    assert secret is None or secret not in str(error)
    assert error.__cause__ is None


def swapped_letter(text: str) -> str:
    """The same length and alphabet, another key: X25519 ignores the first byte's low three bits."""
    return ("g" if text[0] in "AB" else "A") + text[1:]


@pytest.mark.parametrize("field", ["signing", "lists", "sealing", "receipts"])
def test_a_key_that_does_not_match_its_id_is_refused(parties: Parties, field: str) -> None:
    owner = "box" if field in {"signing", "lists"} else "authority"
    folder = parties.box_folder if owner == "box" else parties.authority_folder
    public = parties.box_file if owner == "box" else parties.authority_file
    for file, which in ((private_file(folder), owner), (public, f"{owner}_public")):
        before = file.read_text()
        whole = json.loads(before)
        place = whole["generations"][0] if "generations" in whole else whole
        place[field] = swapped_letter(place[field])
        file.write_text(json.dumps(whole))

        refused(lambda which=which: getattr(parties, which), "damaged")  # type: ignore[misc]
        file.write_text(before)
        assert getattr(parties, which) is not None


def test_the_error_for_a_file_of_another_kind_names_it(parties: Parties) -> None:
    refused(
        lambda: load_box_public_keys(parties.authority_file),
        "an authority's public file",
        "a box's public file is needed",
    )
    refused(
        lambda: load_authority_public_keys(parties.box_file),
        "a box's public file",
        "an authority's public file is needed",
    )
    refused(lambda: load_box_public_keys(private_file(parties.box_folder)), "a box's private file")
    refused(lambda: load_authority_private_keys(parties.box_folder), "a box's private file")


def test_keys_of_an_authority_not_named_by_the_policy_are_refused(
    parties: Parties,
) -> None:
    refused(
        lambda: load_authority_public_keys(parties.authority_file, authority="city"),
        AUTHORITY,
        "city",
    )


def test_an_authority_s_private_key_on_a_box_stops_the_box(parties: Parties) -> None:
    """With that key the box could open what it seals."""
    private = private_file(parties.authority_folder)
    private.rename(parties.box_folder / private.name)

    refused(lambda: parties.box, private.name, "move it away")


def test_two_authorities_do_not_share_a_folder(parties: Parties, tmp_path: Path) -> None:
    other = make_parties(tmp_path / "other", authority="city")
    private = private_file(other.authority_folder)
    private.rename(parties.authority_folder / private.name)

    refused(lambda: parties.authority, AUTHORITY, "city")


# --- many boxes ---------------------------------------------------------------------------------


def test_a_folder_of_boxes_is_loaded_by_site_and_box(tmp_path: Path) -> None:
    one, two = make_parties(tmp_path / "1"), make_parties(tmp_path / "2", box="box-2")
    folder = tmp_path / "boxes"
    folder.mkdir()
    for file in (one.box_file, two.box_file, one.authority_file):
        (folder / file.name).write_bytes(file.read_bytes())

    assert set(load_all_box_public_keys(folder)) == {(SITE, BOX), (SITE, "box-2")}
    assert set(load_all_box_public_keys(one.box_file)) == {(SITE, BOX)}


def test_two_files_of_one_box_are_refused(tmp_path: Path) -> None:
    parties = make_parties(tmp_path)
    (tmp_path / "boxes").mkdir()
    for name in ("a.public.json", "b.public.json"):
        (tmp_path / "boxes" / name).write_bytes(parties.box_file.read_bytes())

    refused(lambda: load_all_box_public_keys(tmp_path / "boxes"), "keep the newer")


def test_a_damaged_file_among_the_boxes_is_not_skipped(parties: Parties) -> None:
    (parties.box_folder / "x.public.json").write_text("{")

    refused(lambda: load_all_box_public_keys(parties.box_folder), "x.public.json")


# --- the key for lists ----------------------------------------------------------------------------


def as_version_0_1_wrote_it(folder: Path) -> None:
    """Rewrite a box's folder without a list key; the key id then covers the signing key alone."""
    private = private_file(folder)
    content = json.loads(private.read_text())
    public = folder / f"{SITE}.{BOX}.public.json"
    known = json.loads(public.read_text())
    del content["lists"], known["generations"][0]["lists"]
    signing = base64.b64decode(known["generations"][0]["signing"])
    fields = (b"edge-anpr/key-id/1", b"box", signing)
    framed = b"".join(len(one).to_bytes(4, "big") + one for one in fields)
    key_id = hashlib.sha256(framed).hexdigest()[:16]
    content["key_id"] = known["generations"][0]["key_id"] = key_id
    private.unlink()
    (folder / f"{key_id}.private.json").write_text(json.dumps(content))
    (folder / f"{key_id}.private.json").chmod(0o600)
    public.write_text(json.dumps(known))


def test_the_box_opens_what_is_sealed_to_its_public_file(parties: Parties) -> None:
    assert parties.box.lists.public_key() == parties.box_public.lists


def test_keys_of_version_0_1_still_sign_and_say_what_lists_need(parties: Parties) -> None:
    as_version_0_1_wrote_it(parties.box_folder)

    assert parties.box_public.verify(parties.box.key_id, parties.box.sign(b"hit"), b"hit")
    refused(lambda: parties.box.lists, "earlier version", "keys rotate box")
    refused(lambda: parties.box_public.lists, "earlier version", "keys rotate box")

    before = parties.box.key_id
    rotate_box_keys(parties.box_folder, NOW)
    assert parties.box.lists.public_key() == parties.box_public.lists
    assert parties.box_public.knows(before)


def test_a_rotated_box_has_another_key_for_lists(parties: Parties) -> None:
    before = parties.box_public.lists

    rotate_box_keys(parties.box_folder, NOW)

    assert parties.box_public.lists != before


# --- rotation -----------------------------------------------------------------------------------


def test_a_rotated_box_signs_with_a_new_key_and_the_old_one_is_gone(parties: Parties) -> None:
    old = parties.box

    public = rotate_box_keys(parties.box_folder, NOW)

    new = parties.box
    assert public == parties.box_file
    assert new.key_id != old.key_id
    assert private_file(parties.box_folder).name == f"{new.key_id}.private.json"
    assert parties.box_public.current == new.key_id
    assert parties.box_public.verify(old.key_id, old.sign(b"before"), b"before")


def test_a_second_rotation_leaves_the_first_retirement_as_it_was(parties: Parties) -> None:
    first = parties.box.key_id
    rotate_box_keys(parties.box_folder, NOW)
    second = parties.box.key_id
    rotate_box_keys(parties.box_folder, NOW + timedelta(days=40))

    (fact,) = key_facts(parties.box_file)
    retired = {each.key_id: each.retired_at for each in fact.generations}
    assert retired == {
        first: NOW,
        second: NOW + timedelta(days=40),
        parties.box.key_id: None,
    }


def test_a_revoked_key_is_no_longer_the_boxs(parties: Parties) -> None:
    stolen = parties.box

    rotate_box_keys(parties.box_folder, NOW, disown=True)

    assert not parties.box_public.knows(stolen.key_id)
    assert not parties.box_public.verify(stolen.key_id, stolen.sign(b"forged"), b"forged")
    assert parties.box_public.verify(parties.box.key_id, parties.box.sign(b"own"), b"own")


def test_a_rotated_authority_keeps_its_old_private_keys(parties: Parties) -> None:
    old = parties.authority_public.key_id

    rotate_authority_keys(parties.authority_folder, NOW)

    new = parties.authority_public.key_id
    assert new != old
    assert parties.authority.generation(old) is not None
    assert parties.authority.generation(new) is not None


def test_a_rotation_killed_before_the_public_file_leaves_the_old_key_in_use(
    parties: Parties, tmp_path: Path
) -> None:
    old = parties.box.key_id
    public = parties.box_file.read_bytes()
    private = private_file(parties.box_folder)
    kept = private.read_bytes()
    rotate_box_keys(parties.box_folder, NOW)
    # The state between the two steps: a new private file, the rest as before.
    parties.box_file.write_bytes(public)
    private.write_bytes(kept)
    private.chmod(0o600)

    assert parties.box.key_id == old

    rotate_box_keys(parties.box_folder, NOW)
    assert private_file(parties.box_folder).name == f"{parties.box.key_id}.private.json"


def test_there_is_nothing_to_rotate_without_keys(tmp_path: Path) -> None:
    refused(lambda: rotate_box_keys(tmp_path / "none", NOW), "keys new")
    refused(lambda: rotate_authority_keys(tmp_path / "none", NOW), "keys new")


# --- what is shown ------------------------------------------------------------------------------


def test_facts_name_owner_and_ids_and_no_private_key(parties: Parties) -> None:
    facts = key_facts(parties.box_folder)

    assert {fact.kind for fact in facts} == {"a box's private file", "a box's public file"}
    assert {fact.owner for fact in facts} == {f"box {BOX} at {SITE}"}
    signing = json.loads(private_file(parties.box_folder).read_text())["signing"]
    assert signing not in repr(facts)
    refused(lambda: key_facts(parties.box_folder / "none"), "no such key file")
