"""`edge-anpr keys` as a process: new, trial, rotated and shown keys."""

from __future__ import annotations

import base64
import shutil
import stat
from pathlib import Path

import pytest

from edge.adapters.state.key_files import (
    load_authority_private_keys,
    load_authority_public_keys,
    load_box_keys,
    load_box_public_keys,
    load_signer_key,
)
from edge.formats.signing import SigningKey
from tests.support.product import REPOSITORY, product

EXAMPLE = REPOSITORY / "config" / "school-street"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "site"))


def test_a_box_s_keys_are_made_for_the_box_that_site_yaml_names(site: Path) -> None:
    made = product("keys", "new", "box", "--site", site)
    again = product("keys", "new", "box", "--site", site)

    assert made.status == 0, made.err
    public = site / "keys" / "school-street.box-1.public.json"
    assert str(public) in made.out
    assert load_box_keys(site / "keys").site == "school-street"
    assert not load_box_keys(site / "keys").trial
    assert again.status == 7
    assert len(again.error_lines) == 1
    assert "keys rotate box" in again.err


def test_an_authoritys_keys_are_made_in_the_given_folder(tmp_path: Path) -> None:
    made = product("keys", "new", "authority", "police-zone", "--out", tmp_path / "a", "--json")

    assert made.status == 0, made.err
    (fact,) = made.json["keys"]
    public = load_authority_public_keys(Path(fact["file"]), authority="police-zone")
    assert fact["generations"][0]["key_id"] == public.key_id
    assert load_authority_private_keys(tmp_path / "a").generation(public.key_id) is not None
    assert product("keys", "new", "authority", "Police", "--out", tmp_path / "b").status == 2


def test_trial_keys_make_a_site_that_can_run(site: Path) -> None:
    made = product("keys", "new", "trial", "--site", site)
    again = product("keys", "new", "trial", "--site", site)

    assert made.status == 0, made.err
    assert "trial" in made.out
    assert load_box_keys(site / "keys").trial
    public = load_authority_public_keys(site / "keys" / "police-zone.public.json")
    private = load_authority_private_keys(site / "keys" / "authority-trial" / "police-zone")
    assert private.trial
    assert private.generation(public.key_id) is not None
    assert again.status == 7
    for file in site.rglob("*.private.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_command_line_rotates_keys(site: Path, tmp_path: Path) -> None:
    product("keys", "new", "box", "--site", site)
    product("keys", "new", "authority", "police-zone", "--out", tmp_path / "a")
    first = load_box_keys(site / "keys").key_id
    file = site / "keys" / "school-street.box-1.public.json"

    rotated = product("keys", "rotate", "box", "--site", site)
    after_first = load_box_public_keys(file)
    stolen = product("keys", "rotate", "box", "--site", site, "--stolen")
    authority = product("keys", "rotate", "authority", "--keys", tmp_path / "a", "--json")

    assert [rotated.status, stolen.status, authority.status] == [0, 0, 0]
    assert after_first.knows(first)
    assert not load_box_public_keys(file).knows(first)
    assert len(authority.json["keys"][0]["generations"]) == 2
    assert len(list((tmp_path / "a").glob("*.private.json"))) == 2


def test_show_prints_ids_and_never_a_private_key(site: Path) -> None:
    product("keys", "new", "trial", "--site", site)
    shown = product("keys", "show", site / "keys")
    as_json = product("keys", "show", site / "keys", "--json")

    assert shown.status == 0
    assert "FOR TRIAL" in shown.out
    assert {fact["owner"] for fact in as_json.json["keys"]} == {
        "box box-1 at school-street",
        "authority police-zone",
    }
    for file in (site / "keys").glob("*.private.json"):
        secret = file.read_text().split('"signing": "')[1].split('"')[0]
        assert secret not in shown.out + as_json.out


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["rotate", "box", "--site", "{site}"], 7),
        (["rotate", "authority", "--keys", "{site}"], 7),
        (["show", "{site}"], 7),
        (["new", "box", "--site", "{site}/nowhere"], 3),
    ],
)
def test_a_refused_request_is_explained_in_one_line(
    site: Path, arguments: list[str], status: int
) -> None:
    done = product("keys", *(argument.format(site=site) for argument in arguments))

    assert (done.status, len(done.error_lines)) == (status, 1), done.err
    assert "Traceback" not in done.err


def test_a_signers_public_key_is_printed_in_the_policys_form_and_its_private_key_never(
    tmp_path: Path,
) -> None:
    made = product("keys", "new", "signer", "dpo", "--out", tmp_path, "--json")
    demo = product("keys", "new", "signer", "police", "--out", tmp_path, "--demo")
    again = product("keys", "new", "signer", "dpo", "--out", tmp_path)

    assert made.status == 0, made.err
    key = load_signer_key(Path(made.json["signer"]["file"]))
    assert made.json["signer"]["key"] == key.public.text
    assert not key.demo
    assert stat.S_IMODE(Path(made.json["signer"]["file"]).stat().st_mode) == 0o600
    assert "FOR DEMO ONLY" in demo.out
    assert SigningKey.demo_of("police").public.text in demo.out
    assert base64.b64encode(key.raw()).decode() not in made.out
    assert again.status == 7
    assert product("keys", "new", "signer", "D P O", "--out", tmp_path).status == 2
    shown = product("keys", "show", tmp_path)
    assert "a signer's private file of signer dpo" in shown.out
    assert f"  for the policy: key: {key.public.text}\n" in shown.out
    as_json = product("keys", "show", made.json["signer"]["file"], "--json")
    assert [one["key"] for one in as_json.json["keys"]] == [key.public.text]
    assert base64.b64encode(key.raw()).decode() not in shown.out
