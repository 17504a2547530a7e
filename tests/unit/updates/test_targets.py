"""Names, versions and platforms of archives, and what an archive may hold."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root, TargetFile

from edge.errors import KeyFileError
from edge.formats.signing import SigningKey
from edge.updates.archive import REQUIREMENTS, pack_files, pack_release, unpack
from edge.updates.problems import UpdateError
from edge.updates.signing import sign_metadata
from edge.updates.targets import (
    LARGEST_BYTES,
    Offer,
    TargetFacts,
    newest,
    offers_in,
    this_platform,
    version_key,
)


def offer(version: str, kind: str = "release", platform: str = "any") -> Offer:
    facts = TargetFacts.model_validate({"kind": kind, "version": version, "platform": platform})
    return Offer(facts, TargetFile(1, {"sha256": "00"}, facts.path))


def test_a_demo_key_signs_no_metadata() -> None:
    with pytest.raises(KeyFileError, match="demo key"):
        sign_metadata(Metadata(Root()), SigningKey.demo_of("vendor"))


def test_versions_are_compared_as_numbers() -> None:
    assert version_key("0.10.0") > version_key("0.9.9")
    for wrong in ("", "1", "1.0", "1.0.0rc1", "../1.0.0", "1.0.0\n", "v1.0.0"):
        with pytest.raises(UpdateError):
            version_key(wrong)


def test_the_newest_for_this_box_is_chosen() -> None:
    offers = [offer("0.2.0"), offer("0.10.0"), offer("0.11.0", platform="cp399-x")]
    offers.append(offer("9.0.0", kind="weights"))
    chosen = newest(offers, "release", above="0.1.0", platforms={"any", this_platform()})
    assert chosen is offers[1]
    assert newest(offers, "release", above="0.10.0", platforms={"any"}) is None
    assert newest(offers, "words", above=None, platforms={"any"}) is None


def test_what_other_programs_offer_is_left_out_and_a_wrong_entry_is_refused() -> None:
    facts = TargetFacts(kind="words", version="1.0.0")
    good = TargetFile(1, {"sha256": "00"}, facts.path, {"custom": facts.model_dump()})
    assert len(offers_in([("other/thing", good), (facts.path, good)])) == 1
    with pytest.raises(UpdateError, match="no usable facts"):
        offers_in([(facts.path, TargetFile(1, {"sha256": "00"}, facts.path))])
    good.length = LARGEST_BYTES + 1
    with pytest.raises(UpdateError, match="over the limit"):
        offers_in([(facts.path, good)])


def test_an_archive_has_the_same_bytes_each_time_and_comes_back(tmp_path: Path) -> None:
    for name, content in (("b.txt", "second"), ("a.txt", "first")):
        (tmp_path / name).write_text(content)
    files = [tmp_path / "b.txt", tmp_path / "a.txt"]
    pack_files(files, tmp_path / "1.zip")
    pack_files(files[::-1], tmp_path / "2.zip")
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    assert unpack(tmp_path / "1.zip", tmp_path / "out") == ("a.txt", "b.txt")
    assert (tmp_path / "out" / "a.txt").read_text() == "first"


def test_the_archive_of_a_release_names_every_wheel_with_its_digest(tmp_path: Path) -> None:
    wheels = [
        tmp_path / "edge_anpr-0.2.0-py3-none-any.whl",
        tmp_path / "PyYAML-6.0.2-cp311-cp311-manylinux_2_17_x86_64.whl",
    ]
    for wheel in wheels:
        wheel.write_bytes(wheel.name.encode())
    pack_release(wheels, "0.2.0", tmp_path / "release.zip")
    unpack(tmp_path / "release.zip", tmp_path / "out")
    lines = (tmp_path / "out" / REQUIREMENTS).read_text().splitlines()
    assert [line.split(" --hash=sha256:")[0] for line in lines] == [
        "pyyaml==6.0.2",
        "edge-anpr==0.2.0",
    ]
    with pytest.raises(UpdateError, match=r"no wheel of edge_anpr 0\.3\.0"):
        pack_release(wheels, "0.3.0", tmp_path / "release.zip")
    with pytest.raises(UpdateError, match="no wheel"):
        pack_release([*wheels, tmp_path / "setup.py"], "0.2.0", tmp_path / "release.zip")
    second = tmp_path / "pyyaml-6.0.1-py3-none-any.whl"
    second.write_bytes(b"")
    with pytest.raises(UpdateError, match="a second wheel of pyyaml"):
        pack_release([*wheels, second], "0.2.0", tmp_path / "release.zip")


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "folder/evil", ".hidden", "a\\b", ""])
def test_an_archive_with_a_path_writes_nothing(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as packed:
        packed.writestr("good.txt", "good")
        packed.writestr(zipfile.ZipInfo(name or "\N{SNOWMAN}"), "evil")
    with pytest.raises(UpdateError, match="odd name"):
        unpack(tmp_path / "evil.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\3\4" + bytes(40)])
def test_a_damaged_archive_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.zip").write_bytes(content)
    with pytest.raises(UpdateError, match=r"bad\.zip: not an archive of updates"):
        unpack(tmp_path / "bad.zip", tmp_path / "out")


def test_an_archive_that_would_fill_the_disk_is_refused_before_it_is_unpacked(
    tmp_path: Path,
) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("big", bytes(1000))
    data = (tmp_path / "bomb.zip").read_bytes()
    size = (1000).to_bytes(4, "little")
    (tmp_path / "bomb.zip").write_bytes(
        data.replace(size, (LARGEST_BYTES + 1).to_bytes(4, "little"))
    )
    with pytest.raises(UpdateError, match="more than"):
        unpack(tmp_path / "bomb.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()
