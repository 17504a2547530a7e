"""P1: a key of the box or of an authority is no key of the policy, at each step that knows both."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
import yaml

from edge.adapters.state.key_files import (
    load_authority_public_keys,
    load_box_public_keys,
    load_signer_key,
)
from edge.adapters.state.key_making import new_signer_key
from edge.errors import ExitCode
from edge.formats.signing import PublicKey
from tests.support.product import verb
from tests.support.real_site import NAMES, RealSite
from tests.support.sites import AUTHORITY, BOX, make_real, make_site, policy, sign_site, write_yaml

HOLDERS = {
    "suspension.keys.vtc": ("suspension", "keys", "vtc"),
    "issuers.office": ("issuers", "office"),
}


@pytest.fixture
def real(tmp_path: Path) -> RealSite:
    """A signed site that is not activated yet."""
    now = datetime.now(timezone.utc)
    made = make_site(tmp_path, port=1, policy_yaml=policy())
    files = {name: new_signer_key(tmp_path / "signers", name, now) for name in NAMES}
    make_real(made, {name: load_signer_key(file) for name, file in files.items()}, with_list=False)
    return RealSite(made.folder, files)


def share(real: RealSite, place: tuple[str, ...], key: PublicKey) -> None:
    """Name a key as that of a holder of the policy, and sign it without asking the product."""
    path = real.folder / "policy.yaml"
    content = yaml.safe_load(path.read_text())
    holder = content
    for step in place:
        holder = holder[step]
    holder["key"] = key.text
    write_yaml(path, content)
    sign_site(real.folder, keys={name: load_signer_key(f) for name, f in real.keys.items()})


@pytest.mark.parametrize("place", HOLDERS)
@pytest.mark.parametrize("whose", ["box", "authority"])
def test_p1_a_key_of_box_or_authority_is_refused_at_every_step(
    real: RealSite, place: str, whose: str, tmp_path: Path
) -> None:
    authority = real.folder / "keys" / f"{AUTHORITY}.public.json"
    bundle = real.build(real.csv(["1AAA001"]))
    assert verb(*bundle).status == 0
    if whose == "box":
        key, other = load_box_public_keys(real.box_public).public_keys()[0], f"box {BOX}"
    else:
        key = load_authority_public_keys(authority).public_keys()[0]
        other = f"authorities.{AUTHORITY}.keys"
    share(real, HOLDERS[place], key)
    mayor = real.keys["mayor"]

    checked = verb("check", real.folder)
    assert checked.status == ExitCode.CONFIG
    assert "E_DUTIES" in checked.out + checked.err
    assert other in checked.out
    for done in (
        verb("policy", "sign", real.folder, "--key", mayor),
        verb("policy", "activate", real.folder, "--key", mayor),
        verb("policy", "activate", real.folder, "--key", mayor, "--out", tmp_path / "record"),
        verb("lists", "install", tmp_path / "stolen.bundle", "--site", real.folder),
    ):
        assert done.status == ExitCode.CONFIG
        assert done.error_lines[0].startswith("error: E_DUTIES: "), done.err
        assert place in done.error_lines[0]
        assert other in done.error_lines[0]
        assert "edge-anpr keys new" in done.error_lines[0]
    assert not (tmp_path / "record").exists()
    assert not (real.state / "activation.json").exists()


def test_p1_keys_that_differ_pass_every_step(real: RealSite, tmp_path: Path) -> None:
    bundle = real.build(real.csv(["1AAA001"]))
    for done in (
        verb(*bundle),
        verb("check", real.folder),
        verb("policy", "sign", real.folder, "--key", real.keys["mayor"]),
        verb("policy", "activate", real.folder, "--key", real.keys["mayor"]),
        verb("lists", "install", tmp_path / "stolen.bundle", "--site", real.folder),
    ):
        assert done.status == 0, done.err
