"""The attacks of the TUF specification, each against a box that asks a real HTTPS server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from securesystemslib.signer import Signature
from tuf.api.exceptions import SlowRetrievalError
from tuf.api.metadata import Metadata, MetaFile, Targets

from edge.formats.signing import SigningKey
from edge.updates.client import TrustedUpdates
from edge.updates.fetching import HttpsFetcher
from edge.updates.problems import UpdateError, UpdateFetchError, UpdateSignatureError
from edge.updates.signing import sign_metadata
from edge.updates.targets import TargetFacts, newest
from edge.updates.waves import OpenWave, WavesDocument, is_open
from tests.support.brokers import TestAuthority
from tests.support.list_server import Bodies
from tests.support.releases import (
    ALL,
    RELEASE,
    ReleaseOffice,
    asking,
    published,
    release_server,
    upload,
)

NEXT = TargetFacts(kind="release", version="0.3.0")


@dataclass
class Ground:
    """An office, its server, and one box."""

    office: ReleaseOffice
    server: Bodies
    work: Path
    ca: Path

    def box(self) -> TrustedUpdates:
        return asking(self.office, self.server, self.work, self.ca)

    def upload(self) -> None:
        upload(self.office, self.server)

    def names(self) -> list[str]:
        """What the box is offered now."""
        return [one.facts.name for one in self.box().refresh()]


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    authority = TestAuthority(tmp_path, "authority")
    office = ReleaseOffice(tmp_path / "releases")
    office.offer(b"the good release")
    with release_server(office, authority.issue("server")) as server:
        yield Ground(office, server, tmp_path / "work", authority.path)


def test_an_archive_that_both_have_signed_arrives_as_it_was_signed(
    ground: Ground, tmp_path: Path
) -> None:
    box = ground.box()
    (offer,) = box.refresh()
    box.download(offer, tmp_path / "release.zip")
    assert (tmp_path / "release.zip").read_bytes() == b"the good release"
    assert is_open(box.waves(), RELEASE.name, "school-street", "box-1")


def test_arbitrary_software_another_archive_under_the_signed_name_is_refused(
    ground: Ground, tmp_path: Path
) -> None:
    for path in ground.server.files:
        if path.endswith(".zip"):
            ground.server.files[path] = b"the evil release"  # of the same length
    box = ground.box()
    (offer,) = box.refresh()
    with pytest.raises(UpdateSignatureError, match="not the file that was signed"):
        box.download(offer, tmp_path / "release.zip")
    assert not (tmp_path / "release.zip").exists()


def test_arbitrary_software_targets_that_a_stranger_signed_are_refused(ground: Ground) -> None:
    assert ground.names() == [RELEASE.name]
    stranger = SigningKey.generate("vendor")
    office = ground.office
    office.forge("targets", stranger, version=3, targets={})
    meta = {"targets.json": MetaFile(3), "waves.json": MetaFile(2)}
    office.forge("snapshot", office.online, version=9, meta=meta)
    office.forge("timestamp", office.online, version=9, snapshot_meta=MetaFile(9))
    ground.upload()
    with pytest.raises(UpdateSignatureError, match="targets was signed by 0/2 keys"):
        ground.names()


def test_rollback_older_metadata_is_refused_after_newer_was_seen(ground: Ground) -> None:
    older = published(ground.office)
    ground.office.offer(b"the next release", NEXT)
    ground.upload()
    assert ground.names() == [RELEASE.name, NEXT.name]
    ground.server.files = older
    with pytest.raises(UpdateSignatureError, match="refused"):
        ground.names()


def test_rollback_an_older_version_of_an_archive_is_never_chosen(ground: Ground) -> None:
    offers = ground.box().refresh()
    assert newest(offers, "release", above="0.2.0", platforms={"any"}) is None
    assert newest(offers, "release", above="0.10.0", platforms={"any"}) is None
    assert newest(offers, "release", above="0.1.9", platforms={"any"}) is not None


def test_indefinite_freeze_metadata_whose_time_is_over_is_refused(ground: Ground) -> None:
    ground.office.publish(days_ago=8)
    ground.upload()
    with pytest.raises(UpdateSignatureError, match="validity of the metadata has ended"):
        ground.names()


def test_indefinite_freeze_a_box_that_saw_it_before_notices_it_too(ground: Ground) -> None:
    assert ground.names() == [RELEASE.name]
    over = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(seconds=1)
    ground.office.publish()
    ground.office.forge("timestamp", ground.office.online, expires=over)
    ground.upload()
    with pytest.raises(UpdateSignatureError, match="validity of the metadata has ended"):
        ground.names()


@pytest.mark.parametrize("path", ["metadata/timestamp.json", "metadata/2.root.json"])
def test_endless_data_metadata_without_an_end_is_given_up(ground: Ground, path: str) -> None:
    ground.server.files[f"/anpr/{path}"] = b"{" + b" " * 600_000
    with pytest.raises(UpdateError):
        ground.names()


def test_endless_data_an_archive_longer_than_signed_is_given_up(
    ground: Ground, tmp_path: Path
) -> None:
    box = ground.box()
    (offer,) = box.refresh()
    ground.server.drip(
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", b"x" * 4096, pause_s=0.001
    )
    with pytest.raises(UpdateSignatureError, match="not the file that was signed"):
        box.download(offer, tmp_path / "release.zip")


def test_endless_data_an_answer_without_a_length_is_not_read(ground: Ground) -> None:
    ground.server.raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"
    with pytest.raises(UpdateFetchError, match="without its length"):
        ground.names()


def test_slow_retrieval_an_archive_that_only_drips_is_given_up(
    ground: Ground, tmp_path: Path
) -> None:
    box = ground.box()
    (offer,) = box.refresh()
    ground.server.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n", b"")
    with pytest.raises(UpdateFetchError, match="sends nothing"):
        box.download(offer, tmp_path / "release.zip")


@pytest.mark.parametrize(
    ("first", "each"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"b"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"x"),
    ],
    ids=["headers", "one header", "body"],
)
def test_slow_retrieval_all_files_together_have_one_deadline(
    ground: Ground, first: bytes, each: bytes
) -> None:
    fetcher = HttpsFetcher(ground.ca, idle_s=2, longest_s=0.4)
    url = f"{ground.server.url}/metadata/timestamp.json"
    assert b"".join(fetcher.fetch(url)).startswith(b"{")
    ground.server.drip(first, each, pause_s=0.02)
    with pytest.raises(SlowRetrievalError, match="when time was over"):
        list(fetcher.fetch(url))
    ground.server.answer = None
    asked = len(ground.server.asked)
    with pytest.raises(SlowRetrievalError, match="0 bytes had come when time was over"):
        list(fetcher.fetch(url))
    assert len(ground.server.asked) == asked, "no further file is begun"


def test_mix_and_match_a_snapshot_of_another_time_is_refused(ground: Ground) -> None:
    older = ground.office.newest("snapshot").read_bytes()
    ground.office.offer(b"the next release", NEXT)
    ground.office.newest("snapshot").write_bytes(older)
    ground.upload()
    with pytest.raises(UpdateSignatureError, match="refused"):
        ground.names()


def test_mix_and_match_targets_of_another_time_are_refused(ground: Ground) -> None:
    older = ground.office.newest("targets").read_bytes()
    ground.office.offer(b"the next release", NEXT)
    ground.office.newest("targets").write_bytes(older)
    ground.upload()
    with pytest.raises(UpdateSignatureError, match="refused"):
        ground.names()


def test_wrong_software_an_archive_of_another_name_or_platform_is_not_installed(
    ground: Ground, tmp_path: Path
) -> None:
    other = TargetFacts(kind="release", version="0.4.0", platform="cp399-linux_riscv64")
    ground.office.offer(b"for another machine", other)
    ground.upload()
    offers = ground.box().refresh()
    chosen = newest(offers, "release", above=None, platforms={"any"})
    assert chosen is not None
    assert chosen.facts == RELEASE


def test_wrong_software_facts_that_contradict_the_path_are_refused(ground: Ground) -> None:
    repository = ground.office.repository()
    pending = repository.renew()[0]
    metadata = Metadata[Targets].from_bytes(pending.read_bytes())
    file = metadata.signed.targets.pop(RELEASE.path)
    metadata.signed.targets["release/9.9.9/any.zip"] = file
    pending.write_bytes(metadata.to_bytes())
    ground.office.sign(pending)
    served = ground.office.public / "targets" / "release" / "9.9.9"
    served.mkdir()
    (served / f"{file.hashes['sha256']}.any.zip").write_bytes(b"the good release")
    ground.office.publish(ALL)
    ground.upload()
    with pytest.raises(UpdateError, match=r"calls 'release/9\.9\.9"):
        ground.names()


def test_extraneous_files_that_nobody_signed_are_not_even_asked_for(ground: Ground) -> None:
    ground.server.files["/anpr/targets/release/9.9.9/any.zip"] = b"extra"
    assert ground.names() == [RELEASE.name]
    assert not any("9.9.9" in path for path in ground.server.asked)


def test_malicious_mirror_that_answers_nothing_or_another_page_changes_nothing(
    ground: Ground,
) -> None:
    assert ground.names() == [RELEASE.name]
    for answer in (
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html>no!",
        b"",
    ):
        ground.server.raw = answer
        with pytest.raises(UpdateError):
            ground.names()
    ground.server.raw = None
    assert ground.names() == [RELEASE.name]


def test_malicious_mirror_with_another_certificate_is_not_spoken_to(
    ground: Ground, tmp_path: Path
) -> None:
    stranger = asking(ground.office, ground.server, tmp_path / "other", Path("/etc/hostname"))
    with pytest.raises(UpdateFetchError, match="tls_ca"):
        stranger.refresh()


def test_half_written_upload_the_box_keeps_what_it_had(ground: Ground) -> None:
    assert ground.names() == [RELEASE.name]
    before = published(ground.office)
    ground.office.offer(b"the next release", NEXT)
    after = published(ground.office)
    cut = {path: content[: len(content) // 2] for path, content in after.items()}
    ground.server.files = {**cut, **before}  # timestamp.json comes last
    assert ground.names() == [RELEASE.name]
    ground.server.files = {
        **cut,
        "/anpr/metadata/timestamp.json": after["/anpr/metadata/timestamp.json"],
    }
    with pytest.raises(UpdateError):
        ground.names()
    ground.server.files = after
    assert ground.names() == [RELEASE.name, NEXT.name]


# --- stolen keys ----------------------------------------------------------------------------


@pytest.mark.parametrize("thief", ["vendor", "controller", "online"])
def test_p4_key_compromise_one_key_alone_offers_nothing(ground: Ground, thief: str) -> None:
    key: SigningKey = getattr(ground.office, thief)
    ground.office.offer(b"evil", NEXT, key, publish=False)
    done = ground.office.repository().publish(ground.office.online, ALL)
    assert len(done.waiting) == 1
    ground.upload()
    assert ground.names() == [RELEASE.name]


@pytest.mark.parametrize("thief", ["vendor", "controller"])
def test_p4_key_compromise_one_key_with_the_online_key_still_offers_nothing(
    ground: Ground, thief: str
) -> None:
    office = ground.office
    assert ground.names() == [RELEASE.name]
    office.forge("targets", getattr(office, thief), version=3, targets={})
    meta = {"targets.json": MetaFile(3), "waves.json": MetaFile(2)}
    office.forge("snapshot", office.online, version=9, meta=meta)
    office.forge("timestamp", office.online, version=9, snapshot_meta=MetaFile(9))
    ground.upload()
    with pytest.raises(UpdateSignatureError, match="targets was signed by 1/2 keys"):
        ground.names()


def test_p4_key_compromise_the_same_key_twice_is_one_signature(ground: Ground) -> None:
    office = ground.office
    pending = office.offer(b"evil", NEXT, office.vendor, office.vendor, publish=False)
    metadata = Metadata[Targets].from_bytes(pending.read_bytes())
    (signature,) = metadata.signatures.values()
    metadata.signatures["0" * 16] = Signature("0" * 16, signature.signature)
    pending.write_bytes(metadata.to_bytes())
    assert office.repository().publish(office.online, ALL).waiting
    assert pending.exists()


def test_a_pending_file_that_was_cut_off_does_not_stop_what_is_published(ground: Ground) -> None:
    pending = ground.office.offer(b"the next release", NEXT, publish=False)
    pending.write_bytes(pending.read_bytes()[:200])
    halted = WavesDocument(waves={RELEASE.name: OpenWave(percent=100, halted=True)})
    done = ground.office.repository().publish(ground.office.online, halted)
    assert "no metadata of updates" in done.waiting[0]
    ground.upload()
    box = ground.box()
    box.refresh()
    assert not is_open(box.waves(), RELEASE.name, "school-street", "box-1")


def test_p4_key_compromise_waves_offer_nothing_that_both_have_not_signed(ground: Ground) -> None:
    office = ground.office
    role = Metadata[Targets].from_bytes(office.newest("waves").read_bytes())
    good = Metadata[Targets].from_bytes(office.newest("targets").read_bytes())
    stolen = dict(good.signed.targets)[RELEASE.path]
    forged = Targets(version=role.signed.version, expires=role.signed.expires)
    forged.targets = {**role.signed.targets, NEXT.path: stolen, "waves/release.zip": stolen}
    signed = Metadata(forged)
    sign_metadata(signed, office.online)
    office.newest("waves").write_bytes(signed.to_bytes())
    ground.upload()
    box = ground.box()
    assert [one.facts.name for one in box.refresh()] == [RELEASE.name]
    assert box.waves() == ALL
    assert box._updater.get_targetinfo(NEXT.path) is None  # not by python-tuf's own search either


def test_p4_waves_of_an_archive_that_is_not_offered_open_nothing(ground: Ground) -> None:
    ground.office.publish(WavesDocument(waves={NEXT.name: OpenWave(percent=100)}))
    ground.upload()
    box = ground.box()
    (offer,) = box.refresh()
    assert not is_open(box.waves(), offer.facts.name, "school-street", "box-1")


def test_fast_forward_attack_ends_with_a_new_online_key(ground: Ground) -> None:
    office = ground.office
    office.forge("snapshot", office.online, version=2_000_000_000)
    office.forge(
        "timestamp",
        office.online,
        version=2_000_000_000,
        snapshot_meta=MetaFile(2_000_000_000),
    )
    ground.upload()
    assert ground.names() == [RELEASE.name]  # and now no honest number is ever higher
    for file in office.public.glob("metadata/2000000000.*"):
        file.unlink()
    office.newest("timestamp").unlink()
    new = SigningKey.generate("online")
    files = office.repository().rotate(office.online.public, new.public, online=True)
    office.sign(*files)
    office.online = new
    office.publish(ALL)
    office.offer(b"the next release", NEXT)
    ground.upload()
    assert ground.names() == [RELEASE.name, NEXT.name]


def test_a_replaced_key_signs_no_more_and_the_new_one_does(ground: Ground) -> None:
    office = ground.office
    assert ground.names() == [RELEASE.name]
    thief, new = office.vendor, SigningKey.generate("vendor")
    root, targets = office.repository().rotate(thief.public, new.public)
    office.sign(root, keys=(thief, office.controller, new))
    office.vendor = new
    office.sign(targets)
    office.publish(ALL)
    ground.upload()
    assert ground.names() == [RELEASE.name]
    office.offer(b"evil", NEXT, thief, office.controller, publish=False)
    assert office.repository().publish(office.online, ALL).waiting
    office.repository().pending.joinpath("targets.json").unlink()
    office.offer(b"good", NEXT)
    ground.upload()
    assert ground.names() == [RELEASE.name, NEXT.name]


def test_a_new_root_needs_both_old_keys_and_both_new_ones(ground: Ground) -> None:
    office = ground.office
    new = SigningKey.generate("vendor")
    for keys in (
        (office.vendor, office.controller),
        (office.controller, new),
        (office.vendor, new),
    ):
        root, _targets = office.repository().rotate(office.vendor.public, new.public)
        office.sign(root, keys=keys)
        assert office.repository().publish(office.online).waiting
        for file in office.repository().pending.iterdir():
            file.unlink()


def test_a_server_that_is_away_is_said_in_one_line(ground: Ground, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        ground.server.port = free.getsockname()[1]
    with pytest.raises(UpdateFetchError) as said:
        ground.names()
    assert "\n" not in said.value.message
    assert "Connection refused" in said.value.message


def test_a_root_without_its_targets_stops_neither_boxes_nor_a_halt(ground: Ground) -> None:
    office = ground.office
    new = SigningKey.generate("vendor-2")
    root, targets = office.repository().rotate(office.vendor.public, new.public)
    office.sign(root, keys=(office.vendor, office.controller, new))
    office.sign(targets, keys=(office.controller,))
    halted = WavesDocument(waves={RELEASE.name: OpenWave(percent=100, halted=True)})
    done = office.repository().publish(office.online, halted)
    assert any("missing" in line for line in done.waiting)
    ground.upload()
    box = ground.box()
    assert [one.facts for one in box.refresh()] == [RELEASE]
    assert box.waves() == halted
    office.sign(targets, keys=(new,))
    assert office.repository().publish(office.online).waiting == ()
    ground.upload()
    assert ground.names() == [RELEASE.name]


def test_a_timer_with_the_old_online_key_stops_no_box(ground: Ground) -> None:
    office = ground.office
    new = SigningKey.generate("online-2")
    office.sign(*office.repository().rotate(office.online.public, new.public, online=True))
    done = office.repository().publish(office.online)
    assert any("is another one" in line for line in done.waiting)
    ground.upload()
    assert ground.names() == [RELEASE.name]
    assert office.repository().publish(new).waiting == ()
    ground.upload()
    assert ground.names() == [RELEASE.name]
