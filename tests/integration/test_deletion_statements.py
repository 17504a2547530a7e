"""Statements of deletion: verified from the file alone, in the evidence pack and on the notice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from edge.adapters.state.evidence_pack import make_pack, verify_pack
from edge.adapters.state.key_files import load_box_keys
from edge.errors import AuditError
from edge.formats.signing import SigningKey
from edge.privacy.deletions import DELETIONS_FILE, verify_deletions
from edge.site.folder import load_site_folder
from tests.integration.test_evidence_pack import ran
from tests.support.deletions import Coarse, statement_lines
from tests.support.product import product
from tests.support.sites import SITE, MadeSite, make_site

KEY = SigningKey.generate("desk")
AUTHORITY = "police-zone"


def lines(counts: Sequence[tuple[Coarse, Coarse]], authority: str = AUTHORITY) -> list[bytes]:
    return statement_lines(counts, authority=authority, site=SITE, key=KEY)


CHAIN = lines([("<10", "<10"), (120, "<10"), (30, "<10")])


def refused(data: bytes, known: Sequence[SigningKey] | None = None) -> None:
    keys = None if known is None else [one.public for one in known]
    with pytest.raises(AuditError) as error:
        verify_deletions(data, keys)
    assert error.value.code == "E_DELETIONS"
    assert "\n" not in error.value.message


def test_p10_statements_verify_with_the_key_of_the_desk() -> None:
    assert len(verify_deletions(b"".join(CHAIN), [KEY.public])) == 3
    assert verify_deletions(b"") == ()
    refused(b"".join(CHAIN), [SigningKey.generate("other")])


@pytest.mark.parametrize(
    "changed",
    [
        CHAIN[1:],
        [CHAIN[0], CHAIN[2]],
        [CHAIN[0], CHAIN[1], CHAIN[1]],
        [CHAIN[1], CHAIN[0]],
        [CHAIN[0], CHAIN[1][:-1]],
        [CHAIN[0], CHAIN[1].replace(b"120", b"110")],
        [CHAIN[0].replace(b'"by":null', b'"by": null')],
        [CHAIN[0], lines([(10, 10), (10, 10)], authority="other")[1]],
        [b"{}\n"],
        [b"\n"],
    ],
)
def test_p10_no_statement_can_be_changed_left_out_or_moved(changed: list[bytes]) -> None:
    refused(b"".join(changed))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeSite:
    return ran(make_site(tmp_path_factory.mktemp("site")))


def test_p10_the_evidence_pack_has_the_statements_and_verifies_them(
    made: MadeSite, tmp_path: Path
) -> None:
    file, out = tmp_path / "stated.jsonl", tmp_path / "pack.zip"
    file.write_bytes(b"".join(CHAIN))
    done = product("evidence-pack", out, "--site", made.folder, "--deletions", file)
    assert done.status == 0, done.err
    words = ("evidence-pack", "verify", out)
    own, other = KEY.public.text, SigningKey.generate("other").public.text

    assert "3 statements of police-zone until 2026-12-03" in product(*words).out
    confirmed = product(*words, "--desk-key", own)
    assert f"{KEY.public.key_id} (confirmed by --desk-key)" in confirmed.out
    wrong = product(*words, "--desk-key", other)
    assert (wrong.status, "E_DELETIONS" in wrong.err) == (8, True)


@pytest.mark.parametrize(
    "stated", [CHAIN[1:], lines([(10, 10)], authority="not-in-the-policy")], ids=["cut", "other"]
)
def test_p10_a_pack_with_statements_that_do_not_hold_is_not_made(
    made: MadeSite, stated: list[bytes]
) -> None:
    site = load_site_folder(made.folder)
    with pytest.raises(AuditError):
        make_pack(site.box, load_box_keys(site.keys_folder), deletions=b"".join(stated))
    pack = make_pack(site.box, load_box_keys(site.keys_folder), deletions=b"".join(CHAIN))
    assert len(verify_pack(pack, desk_keys=[KEY.public]).deletions) == 3


def test_p10_the_notice_says_what_the_authority_deleted_and_no_small_count(
    made: MadeSite, tmp_path: Path
) -> None:
    out = tmp_path / "notice"
    before = product("notice", made.folder, "--out", out)
    assert before.status == 0, before.err
    assert "signed statement" not in (out / "index.html").read_text("utf-8")
    stated = made.folder / DELETIONS_FILE
    stated.write_bytes(b"".join(CHAIN))
    try:
        assert product("notice", "verify", out, "--site", made.folder).status == 3
        assert product("notice", made.folder, "--out", out).status == 0
        assert product("notice", "verify", out, "--site", made.folder).status == 0
        page = (out / "index.html").read_text("utf-8")
        stated.write_bytes(b"".join(CHAIN[1:]))
        cut = product("notice", made.folder, "--out", out)
        assert (cut.status, "E_DELETIONS" in cut.err) == (8, True)
    finally:
        stated.unlink()

    assert "not confirmed at least 150, confirmed fewer than 10" in page
    for words in ("minstens 150", "au moins 150", "mindestens 150", KEY.public.key_id):
        assert words in page
