"""`edge-anpr hits` as a process: receive, list, open, review and purge."""

from __future__ import annotations

import json
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.authority.store import HitStore
from edge.domain.reveal import MaskMethod, RevealLevel
from edge.privacy.sealing import Picture
from tests.integration.conftest import needs_mosquitto
from tests.support.brokers import Broker, Mosquitto, TestAuthority
from tests.support.parties import AUTHORITY, MORNING, Parties, evidence, make_parties
from tests.support.product import product, start, verb
from tests.support.receiving import (
    publish,
    utc,
)


def tail_arguments(parties: Parties, store: Path, broker: Broker, *more: str) -> list[str]:
    return [
        *("hits", "tail", "--broker", f"{broker.host}:{broker.port}", "--store", str(store)),
        *("--box-keys", str(parties.box_file), "--keys", str(parties.authority_folder), *more),
    ]


def test_a_hit_can_be_received_listed_opened_reviewed_and_purged(
    broker: Broker, parties: Parties, tmp_path: Path
) -> None:
    folder, out = tmp_path / "verbs", tmp_path / "opened"
    arguments = tail_arguments(parties, folder, broker, "--json")
    assert product(*arguments, "--idle", "0").json["stored"] == 0
    hits = [parties.hit(observed_at=utc() - timedelta(days=1, hours=1)) for _ in range(2)]
    publish(broker, *hits)

    received = product(*arguments, "--once", "2")
    listed = product("hits", "list", "--store", folder, "--json")
    opened = product(
        *("hits", "open", "--all", "--store", folder, "--out", out, "--json"),
        *("--box-keys", parties.box_file, "--keys", parties.authority_folder),
    )
    rejected = product(
        "hits", "review", hits[0].hit_id[:8], "--reject", "misread", "--store", folder
    )
    confirmed = product("hits", "review", hits[1].hit_id, "--confirm", "--store", folder)
    overturned = product("hits", "review", hits[1].hit_id, "--reject", "exempt", "--store", folder)
    repeated = product("hits", "review", hits[1].hit_id, "--confirm", "--again", "--store", folder)
    stats = product("hits", "stats", "--store", folder, "--json")
    kept, purged = (
        product("hits", "purge", "--older-than", days, "--store", folder, "--json")
        for days in ("2", "1")
    )

    assert overturned.status == 2
    assert f"hit {hits[1].hit_id} was confirmed at 20" in overturned.err
    done = (received, listed, opened, rejected, confirmed, repeated, stats)
    assert [each.status for each in done] == [0] * len(done), [each.err for each in done]
    assert received.json["stored"] == 2
    assert sorted(received.json["hits"]) == sorted(hit.hit_id for hit in hits)
    assert {row["state"] for row in listed.json["hits"]} == {"to be reviewed"}
    assert {row["plate"] for row in opened.json["opened"]} == {"1ABC123"}
    assert stats.json["rules"]["stolen"]["error_rate"] == 0.5
    schema = {"schema": "edge-anpr/hits-purge/1", "clock": "trusted"}
    assert [kept.json, purged.json] == [{**schema, "purged": 0}, {**schema, "purged": 2}]
    for each in (received, listed, rejected, confirmed, stats):
        assert "1ABC123" not in each.out + each.err


def test_p10_a_purge_says_that_the_clock_may_be_wrong(parties: Parties, tmp_path: Path) -> None:
    hit = parties.hit(observed_at=utc() - timedelta(days=40))
    with HitStore.open(tmp_path, create=True) as store:
        store.put(hit, hit.to_payload(), utc())
    purge = ("hits", "purge", "--older-than", "30", "--store", tmp_path)

    doubted = verb(*purge)
    assert (doubted.status, doubted.out) == (8, "0 hits deleted\n")
    assert "E_RETENTION_CLOCK" in doubted.err
    assert "`edge-anpr hits purge --older-than 30 --clock-is-right`" in doubted.err
    assert verb(*purge, "--clock-is-right").out == "1 hit deleted\n"
    assert verb(*purge).status == 0


@pytest.mark.parametrize("shows", [None, RevealLevel.VEHICLE])
def test_opening_says_that_no_driver_could_be_shown(
    broker: Broker, parties: Parties, tmp_path: Path, shows: RevealLevel | None
) -> None:
    folder, out = tmp_path / "verbs", tmp_path / "opened"
    arguments = tail_arguments(parties, folder, broker)
    assert product(*arguments, "--idle", "0").status == 0
    hit = parties.hit(
        evidence(
            Picture("plate", b"plate", MaskMethod.GEOMETRY),
            Picture("vehicle", b"vehicle", MaskMethod.MEANING, None, shows),
        )
    )
    publish(broker, hit)
    assert product(*arguments, "--once", "1").status == 0

    opened = product(
        *("hits", "open", "--all", "--store", folder, "--out", out),
        *("--box-keys", parties.box_file, "--keys", parties.authority_folder),
    )

    assert opened.status == 0, opened.err
    told = ", at level vehicle: no driver could be shown  "
    assert f"vehicle shown by meaning{told if shows else '  '}" in opened.out
    content = json.loads((out / hit.hit_id / "hit.json").read_text("utf-8"))
    assert content["shows"] == {
        "plate.jpg": None,
        "vehicle.jpg": None if shows is None else "vehicle",
    }


def test_opening_writes_all_pictures_of_a_path_and_says_their_times(
    broker: Broker, parties: Parties, tmp_path: Path
) -> None:
    folder, out = tmp_path / "verbs", tmp_path / "opened"
    arguments = tail_arguments(parties, folder, broker)
    assert product(*arguments, "--idle", "0").status == 0
    moments = {"plate": 1, "vehicle": 1, "first": 0, "last": 2}
    pictures = [
        Picture(name, name.encode(), MaskMethod.MEANING, MORNING + timedelta(seconds=at))
        for name, at in moments.items()
    ]
    still = Picture("place", b"place", None, approved="2026-01-10")
    moving = parties.hit(evidence(*pictures, still))
    standing = parties.hit(evidence(*pictures[:2]))
    publish(broker, moving, standing)
    assert product(*arguments, "--once", "2").status == 0

    opened = product(
        *("hits", "open", "--all", "--store", folder, "--out", out),
        *("--box-keys", parties.box_file, "--keys", parties.authority_folder),
    )

    assert opened.status == 0, opened.err
    assert [line for line in opened.out.splitlines() if line.startswith("  ")] == [
        "  2026-11-30T07:16:05.123Z  first.jpg",
        "  2026-11-30T07:16:06.123Z  plate.jpg",
        "  2026-11-30T07:16:06.123Z  vehicle.jpg",
        "  2026-11-30T07:16:07.123Z  last.jpg",
        "  place.jpg: the place, approved on 2026-01-10; not from the moment of the hit",
    ]
    for name in (*moments, "place"):
        assert (out / moving.hit_id / f"{name}.jpg").read_bytes() == name.encode()


def test_a_stopped_tail_ends_with_status_0_and_a_summary(parties: Parties, tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        arguments = tail_arguments(parties, tmp_path / "verbs", broker)
        product(*arguments, "--idle", "0")
        hit = parties.hit()
        publish(broker, hit)
        process = start(arguments)
        assert hit.hit_id in process.stdout.readline()

        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "1 stored" in err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["hits", "tail", "--broker", "127.0.0.1:1"], 6),
        (["hits", "tail", "--broker", "host:99999"], 2),
        (["hits", "tail", "--broker", "127.0.0.1:1", "--password-env", "NOT_SET"], 3),
        (["hits", "tail", "--broker", "127.0.0.1:1", "--site", "NO/SITE"], 3),
    ],
)
def test_a_tail_that_cannot_start_reports_it_in_one_line(
    parties: Parties, tmp_path: Path, arguments: list[str], status: int
) -> None:
    done = product(
        *arguments,
        *("--store", tmp_path / "s", "--box-keys", parties.box_file),
        *("--keys", parties.authority_folder),
    )

    assert done.status == status
    assert status == 2 or len(done.error_lines) == 1
    assert "Traceback" not in done.err


def test_the_other_verbs_refuse_bad_input(parties: Parties, tmp_path: Path) -> None:
    folder = tmp_path / "verbs"
    hit = parties.hit()
    with HitStore.open(folder, create=True) as opened:
        opened.put(hit, hit.to_payload(), utc())
    stranger = make_parties(tmp_path / "stranger")
    keys: list[str | Path] = [
        "--store",
        folder,
        "--out",
        tmp_path / "o",
        "--box-keys",
        parties.box_file,
        "--keys",
    ]

    wrong_key = product("hits", "open", "--all", *keys, stranger.authority_folder)
    keys[keys.index("--box-keys") + 1] = stranger.box_file
    wrong_box = product("hits", "open", "--all", *keys, parties.authority_folder)
    keys[keys.index("--box-keys") + 1] = parties.box_file
    nothing_named = product("hits", "open", *keys, parties.authority_folder)
    unknown_hit = product("hits", "open", "ffff", *keys, parties.authority_folder)
    free_text = product(
        "hits", "review", hit.hit_id, "--reject", "it was 1ABC123", "--store", folder
    )
    both = product(
        "hits", "review", hit.hit_id, "--confirm", "--reject", "exempt", "--store", folder
    )

    refused = (wrong_key, nothing_named, unknown_hit, free_text, both)
    assert [each.status for each in refused] == [7, 2, 8, 2, 2]
    assert f"or --box-keys ({stranger.box_file}) names the keys of another box" in wrong_box.err
    assert not (tmp_path / "o").exists()


@needs_mosquitto
def test_the_command_line_supports_mutual_tls(parties: Parties, tmp_path: Path) -> None:
    ours = TestAuthority(tmp_path, "ours")
    server, client = ours.issue("broker"), ours.issue(AUTHORITY)
    broker = Mosquitto(
        tmp_path,
        f"cafile {ours.path}",
        f"certfile {server.certificate}",
        f"keyfile {server.key}",
        "require_certificate true",
        "use_identity_as_username true",
    )
    with broker:
        arguments = tail_arguments(parties, tmp_path / "s", broker, "--idle", "0", "--json")
        shown = product(
            *arguments,
            *("--tls-ca", ours.path, "--tls-cert", client.certificate, "--tls-key", client.key),
        )
        not_shown = product(*arguments, "--tls-ca", ours.path)

    assert (shown.status, not_shown.status) == (0, 6), shown.err
