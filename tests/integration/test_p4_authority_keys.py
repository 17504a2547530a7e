"""P4: a signed policy may name the keys of its authorities; a box then seals to no others."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.state.key_making import new_authority_keys, rotate_authority_keys
from edge.box import Recording, require_startable
from edge.box.assembly import load_parts
from edge.errors import KeyFileError
from edge.policy.change import ChangeEffect
from edge.policy.diff import changes
from edge.policy.duties import Severity
from edge.policy.flaws import flaws
from edge.policy.model import Policy
from edge.site.folder import load_site_folder, read_policy
from tests.support.policies import document, write
from tests.support.product import CLIPS, verb
from tests.support.sites import (
    AUTHORITY,
    CAMERA,
    MadeSite,
    make_site,
    policy,
    sign_site,
    write_yaml,
)

NOW = datetime(2026, 11, 29, tzinfo=timezone.utc)


@pytest.fixture
def made(tmp_path: Path) -> MadeSite:
    return make_site(tmp_path)


def shown(folder: Path) -> list[str]:
    """The digests that `keys show` prints of an authority's public file."""
    (file,) = folder.glob("*.public.json")
    (fact,) = verb("keys", "show", file, "--json").json["keys"]
    printed = verb("keys", "show", file).out
    assert f"for the policy: key_sha256: [{', '.join(fact['key_sha256'])}]" in printed
    return [str(one) for one in fact["key_sha256"]]


def naming(*digests: str) -> dict[str, Any]:
    content = copy.deepcopy(policy())
    content["authorities"][AUTHORITY]["key_sha256"] = list(digests)
    return content


def put(made: MadeSite, content: dict[str, Any]) -> Policy:
    """Let all three sign a policy."""
    write_yaml(made.folder / "policy.yaml", content)
    sign_site(made.folder)
    return read_policy(made.folder / "policy.yaml").model


def require_refused(made: MadeSite, *names: str) -> None:
    """A start and every look at the policy refuse the keys that lie there."""
    with pytest.raises(KeyFileError) as refused:
        load_parts(load_site_folder(made.folder))
    told = [refused.value.message, verb("check", made.folder).err]
    assert refused.value.code == "E_AUTHORITY_KEYS"
    assert "E_AUTHORITY_KEYS" in told[1]
    for name in names:
        assert all(name in one for one in told)


def test_p4_a_box_takes_no_key_of_an_authority_that_the_signed_policy_does_not_name(
    made: MadeSite, tmp_path: Path
) -> None:
    (genuine,) = shown(made.authority_keys)
    put(made, naming(genuine))
    assert load_parts(load_site_folder(made.folder)).authorities[AUTHORITY].digests == (genuine,)
    assert "E_AUTHORITY_KEYS" not in verb("check", made.folder).err

    there = made.folder / "keys" / f"{AUTHORITY}.public.json"
    stranger = new_authority_keys(tmp_path / "stranger", AUTHORITY, NOW)
    shutil.copy(stranger, there)
    require_refused(made, f"authorities.{AUTHORITY}.key_sha256", *shown(tmp_path / "stranger"))

    rotated = rotate_authority_keys(made.authority_keys, NOW)
    shutil.copy(rotated, there)
    both = shown(made.authority_keys)
    assert both[0] == genuine
    require_refused(made, both[1])
    put(made, naming(both[1]))
    require_refused(made, genuine)
    put(made, naming(*both))
    assert load_parts(load_site_folder(made.folder)).authorities[AUTHORITY].digests == tuple(both)


def test_p4_a_running_box_keeps_its_keys_when_the_new_ones_are_not_named(
    made: MadeSite, tmp_path: Path
) -> None:
    put(made, naming(*shown(made.authority_keys)))
    sources = [Recording(CAMERA, CLIPS / "street_day.mp4", None)]
    running = load_site_folder(made.folder)
    require_startable(running, sources, running)
    stranger = new_authority_keys(tmp_path / "stranger", AUTHORITY, NOW)
    shutil.copy(stranger, made.folder / "keys" / f"{AUTHORITY}.public.json")
    with pytest.raises(KeyFileError) as refused:
        require_startable(load_site_folder(made.folder), sources, running)
    assert refused.value.code == "E_AUTHORITY_KEYS"


def test_p4_a_policy_that_leaves_open_who_opens_its_hits_is_warned_of(tmp_path: Path) -> None:
    """With demo keys, which are public, it makes no difference."""

    def named(content: dict[str, Any]) -> None:
        content["authorities"]["police"]["key_sha256"] = ["ab" * 32]

    def warned(*changes: Callable[[dict[str, Any]], None], real: bool) -> bool:
        found = list(flaws(Policy.model_validate(document(*changes, real=real))))
        about = [one for one in found if one.code == "W_AUTHORITY_KEYS"]
        assert all(one.severity is Severity.WARNING for one in about)
        assert [one.location for one in about] in (
            [], [("authorities", "police", "key_sha256")],
        )  # fmt: skip
        return bool(about)

    assert warned(real=True)
    assert not warned(named, real=True)
    assert not warned(real=False)
    content = document(real=True)
    write(tmp_path, content)
    for language, words in (
        ("en", "chooses who opens the hits"), ("nl", "kiest dus wie de treffers opent"),
        ("fr", "choisit donc qui ouvre"), ("de", "bestimmt also, wer die Treffer"),
    ):  # fmt: skip
        assert words in verb("check", tmp_path, "--lang", language).out


def test_p4_naming_the_keys_of_an_authority_needs_the_signatures_of_a_widening(
    made: MadeSite,
) -> None:
    before = put(made, policy())
    assert "key_sha256" not in before.document()["authorities"][AUTHORITY], "its digest stays"
    one, two = (put(made, naming(*some)) for some in (["ab" * 32], ["ab" * 32, "cd" * 32]))
    for old, new in ((before, one), (one, two), (two, one), (one, before)):
        (change,) = changes(old, new)
        assert change.direction is ChangeEffect.WIDENING
        assert change.location == ("authorities", AUTHORITY, "key_sha256")
        assert "key_sha256" in change.text("en")
