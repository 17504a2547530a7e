"""P13 over the real process: with real keys a list is a sealed bundle and nothing else."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.state.audit_log import read_log
from edge.errors import ExitCode
from edge.privacy.audit_events import ListChanged
from tests.support.canary import needles, sweep_bytes, sweep_tree
from tests.support.product import CLIPS, Finished, product, start, verb
from tests.support.real_site import RealSite, make_real_site
from tests.support.sites import BOX, SITE, MadeSite, list_csv, make_site, outbox_of

CLIP = "street_day.mp4"
TOPIC = BoxTopics(SITE, BOX, frozenset(), frozenset({"stolen"})).bundle("stolen")


def plates_of(clip: str) -> list[str]:
    with (CLIPS / "labels.csv").open(newline="") as file:
        return [row["plate"] for row in csv.DictReader(file) if row["clip"] == clip]


@pytest.fixture
def made(tmp_path: Path) -> RealSite:
    return make_real_site(tmp_path)


def run(made: RealSite, *arguments: str | Path, clip: Path = CLIPS / CLIP) -> Finished:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return product(
        "run", "--site", made.folder, "--source", clip, "--recorded-at", now, "--drain", "0",
        "--json", *arguments,
    )  # fmt: skip


def refused(done: Finished, code: str) -> None:
    assert "Traceback" not in done.err
    assert (done.status, len(done.error_lines)) == (ExitCode.CONFIG, 1), done.err
    assert done.error_lines[0].startswith(f"error: {code}: ")


def succeeded(done: Finished) -> Finished:
    assert done.status == 0, done.err
    return done


def hits_on(made: RealSite) -> int:
    """The hits that wait on the box; no run with real keys states a small number."""
    with outbox_of(MadeSite(made.folder, made.folder.parent / "authority")) as outbox:
        return outbox.depth()


# --- the verbs ----------------------------------------------------------------------------------


def test_p13_an_issuers_file_becomes_a_list_in_force(made: RealSite, tmp_path: Path) -> None:
    built = succeeded(verb(*made.build(made.csv(["1QQQ777", "1QQQ778"])), "--json"))
    bundle = tmp_path / "stolen.bundle"
    seen = succeeded(verb("lists", "inspect", bundle))
    examined = succeeded(verb("lists", "inspect", bundle, "--site", made.folder, "--json"))
    assert not (made.state / "lists").exists()
    installed = succeeded(verb("lists", "install", bundle, "--site", made.folder, "--json"))
    in_force = succeeded(verb("lists", "inspect", "--site", made.folder, "--json"))

    assert built.json["notes"] == []
    facts_of_built = {name: value for name, value in built.json.items() if name != "notes"}
    assert facts_of_built == examined.json == installed.json == in_force.json
    (facts,) = in_force.json["lists"]
    assert (facts["entries"], facts["issuer"], facts["list_id"]) == (2, "office", "stolen")
    assert facts["sha256"] in seen.out
    recorded = ListChanged("installed", "stolen", facts["counter"], facts["sha256"])
    assert [entry.event for entry in read_log(made.state).entries][1:] == [recorded]
    assert "2 entries" not in seen.out, "outside the seal nobody can count them"
    for plate in ("1QQQ777", "1QQQ778"):
        wanted = needles(plate)
        assert sweep_tree([made.folder, bundle.parent / "signers"], wanted) == []
        for one in (built, seen, examined, installed, in_force):
            assert list(sweep_bytes("streams", (one.out + one.err).encode(), wanted)) == []


def test_p13_build_says_what_it_made_of_a_spreadsheet_and_shows_no_plate(
    made: RealSite, tmp_path: Path
) -> None:
    file = made.csv(["MÜ-QQ 777", "1\u2011QQQ\u2011777", "1QQQ777"])
    file.write_bytes(file.read_text().replace(",", ";").encode("utf-8-sig") + b";;;;;;\r\n")
    shown = succeeded(verb(*made.build(file, "shown.bundle")))
    built = succeeded(verb(*made.build(file, "stolen.bundle"), "--json"))
    succeeded(verb("lists", "install", tmp_path / "stolen.bundle", "--site", made.folder))

    assert {one["what"]: one["lines"] for one in built.json["notes"]} == {
        "delimiter": [],
        "typography": [3],
        "folded": [2],
        "same-plate": [3, 4],
        "empty-rows": [5],
    }
    assert "the columns are separated by semicolons" in shown.out
    assert "were read as A to Z (1 line: 2)" in shown.out
    for plate in ("MUQQ777", "MÜQQ777", "MÜ-QQ 777", "1QQQ777"):
        for one in (shown, built):
            assert list(sweep_bytes("streams", (one.out + one.err).encode(), needles(plate))) == []


def test_ends_are_shown_in_local_time_and_a_list_that_is_over_gets_a_note(
    made: RealSite, tmp_path: Path
) -> None:
    year = datetime.now(timezone.utc).year
    header, row = list_csv(["1QQQ777"], f"{year + 1}-06-30T00:00").splitlines()
    file = tmp_path / "stolen.csv"
    file.write_text(f"{header}\n{row}\n")
    one = succeeded(verb(*made.build(file, "one.bundle"))).out
    file.write_text(f"{header}\n")
    none = succeeded(verb(*made.build(file, "none.bundle"))).out
    file.write_text(f"{header}\np1,1QQQ777,2020-01-01,2020-12-31,Order 2020-12,Stolen,Zone\n")
    over = succeeded(verb(*made.build(file, "over.bundle"))).out

    assert ": 1 entry for" in one
    end = f"{year + 1}-06-30 00:00"
    assert f"its entries end {end} (Europe/Brussels)" in one
    assert "note: there is no entry: a box takes this" not in one
    assert "note: there is no entry: a box takes this as a permit list only if" in none
    assert "note: every entry has ended: a box takes this as a permit list only if" in over


def test_p13_one_bad_line_builds_nothing(made: RealSite, tmp_path: Path) -> None:
    file = made.csv(["1QQQ777"])
    file.write_text(file.read_text() + "e2,1QQQ778,2026-01-01,9999-12-31,law,stolen,office\n")
    done = verb(*made.build(file))
    refused(done, "E_LIST")
    assert "office.csv:3: end: more than 5 years" in done.err
    assert "1QQQ77" not in done.err
    assert not (tmp_path / "stolen.bundle").exists()


def test_p13_a_list_that_the_policy_does_not_allow_is_not_installed(made: RealSite) -> None:
    succeeded(verb(*made.build(made.csv(["1QQQ777"]))))
    succeeded(verb("lists", "install", made.folder.parent / "stolen.bundle", "--site", made.folder))
    before = (made.state / "lists" / "stolen.bundle").read_bytes()

    too_many = made.csv([f"1QQQ{number:03}" for number in range(51)])
    succeeded(verb(*made.build(too_many, "long.bundle")))
    long = verb("lists", "install", made.folder.parent / "long.bundle", "--site", made.folder)
    refused(long, "E_LIST_BUNDLE")
    assert "the policy allows 50" in long.err

    (made.folder.parent / "none.bundle").write_bytes(b"\xff" * 5000)
    garbage = verb("lists", "install", made.folder.parent / "none.bundle", "--site", made.folder)
    refused(garbage, "E_LIST_BUNDLE")
    assert (made.state / "lists" / "stolen.bundle").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["lists", "inspect"], "give a bundle"),
        (["lists", "inspect", "gone.bundle"], "no such file"),
        (["suspend", "sign", "gone.json", "--key", "gone.key"], "no such file"),
    ],
)
def test_a_mistake_gives_one_line(arguments: list[str], says: str) -> None:
    done = verb(*arguments)
    assert done.status in {ExitCode.USAGE, ExitCode.CONFIG}
    assert len(done.error_lines) == 1
    assert says in done.err


def test_counters_and_zones_are_checked(made: RealSite) -> None:
    build = made.build(made.csv(["1QQQ777"]))
    for option, value in (("--counter", "0"), ("--counter", "9" * 400), ("--timezone", "Mars/X")):
        done = verb(*build, option, value)
        assert done.status == ExitCode.USAGE, done.err
        assert f"{option}: " in done.err


# --- the running box ----------------------------------------------------------------------------


def test_p13_no_camera_opens_without_a_sealed_list(made: RealSite) -> None:
    (made.folder / "lists" / "stolen.csv").write_text(list_csv(plates_of(CLIP), "2030-01-01"))
    never_opened = made.folder.parent / "clip.mp4"
    never_opened.write_bytes(b"never opened")
    done = run(made, clip=never_opened)
    refused(done, "E_LIST_MISSING")
    assert "stolen" in done.err


def test_p13_a_list_received_by_mqtt_makes_a_hit_and_leaves_no_plate(tmp_path: Path) -> None:
    listed, other = plates_of(CLIP)[:2]
    with EmbeddedBroker() as broker:
        made = make_real_site(tmp_path, port=broker.port)
        succeeded(verb(*made.build(made.csv([listed]))))
        bundle = (tmp_path / "stolen.bundle").read_bytes()
        with BrokerLink.open(BrokerOptions("127.0.0.1", broker.port, "office")) as link:
            link.publish(TOPIC, bundle, retain=True)
        (tmp_path / "office.csv").unlink()
        done = run(made)
    assert done.status == ExitCode.BROKER, done.err  # no authority sends a receipt
    assert hits_on(made) == 1
    assert (made.state / "lists" / "stolen.bundle").read_bytes() == bundle
    for plate in (listed, other):
        wanted = needles(plate)
        assert sweep_tree([made.folder], wanted) == []
        assert list(sweep_bytes("streams", (done.out + done.err).encode(), wanted)) == []


def test_p13_send_waits_for_the_box_that_waits_for_its_list(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        made = make_real_site(tmp_path, port=broker.port)
        succeeded(verb(*made.build(made.csv(plates_of(CLIP)[:1]))))
        sending = start([
            "lists", "send", tmp_path / "stolen.bundle", "--broker", f"127.0.0.1:{broker.port}",
            "--box-public", made.box_public, "--timeout", "60", "--json",
        ])  # fmt: skip
        done = run(made, "--drain", "10")
        out, err = sending.communicate(timeout=60)

    assert sending.returncode == 0, err
    answer = json.loads(out)["answer"]
    assert (answer["state"], answer["list"], answer["box"]) == ("in-force", "stolen", BOX)
    assert done.status == ExitCode.BROKER, done.err
    assert hits_on(made) == 1


def test_p13_an_expired_entry_makes_no_hit_whatever_the_recordings_date(
    tmp_path: Path,
) -> None:
    with EmbeddedBroker() as broker:
        made = make_real_site(tmp_path, port=broker.port)
        file = made.csv(plates_of(CLIP)[:1])
        now = datetime.now(timezone.utc)
        ended = (now - timedelta(minutes=1)).isoformat(timespec="seconds")
        lines = file.read_text().splitlines()
        cells = lines[1].split(",")
        cells[2], cells[3] = (now - timedelta(hours=6)).isoformat(timespec="seconds"), ended
        file.write_text("\n".join([lines[0], ",".join(cells)]) + "\n")
        succeeded(verb(*made.build(file)))
        succeeded(verb("lists", "install", tmp_path / "stolen.bundle", "--site", made.folder))
        while_valid = (now - timedelta(hours=1)).isoformat(timespec="seconds")
        done = product(
            "run", "--site", made.folder, "--source", CLIPS / CLIP, "--recorded-at", while_valid,
            "--json",
        )  # fmt: skip
    succeeded(done)
    assert hits_on(made) == 0


def test_p13_with_demo_keys_a_plain_file_is_accepted(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        made = make_site(tmp_path, stolen=plates_of(CLIP)[:1], port=broker.port)
        done = product(
            "run", "--site", made.folder, "--source", CLIPS / CLIP, "--json", "--drain", "0"
        )
    assert done.json["hits"] == 1
