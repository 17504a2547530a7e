"""Site folders: their content, and errors that name file, position and remedy."""

from __future__ import annotations

import json
import os
import pickle
import re
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from edge.domain.geometry import Direction, Line
from edge.domain.reveal import RevealLevel
from edge.domain.rules import RuleKind
from edge.errors import ConfigError, ExitCode
from edge.formats.model_problems import FORMS
from edge.formats.signing import PUBLIC_KEY_PATTERN
from edge.policy.model import Policy
from edge.site.folder import load_site_folder
from edge.site.settings import Site, Tiles
from tests.support.example_site import HEADER, PERMITS, POLICY, SITE, changed, write_site


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_site_folder(folder)
    assert caught.value.exit_code is ExitCode.CONFIG
    return caught.value.message


# --- what a good one says -------------------------------------------------------------------


def test_rules_are_loaded_as_domain_rules(tmp_path: Path) -> None:
    zone, looked_for, one_way = load_site_folder(write_site(tmp_path / "square")).rules

    assert (zone.id, zone.kind, zone.list_id) == ("zone", RuleKind.PERMIT_ZONE, "permits")
    assert (zone.purpose, zone.authority, zone.reveal) == ("quiet", "police", RevealLevel.VEHICLE)
    assert (zone.min_posterior, zone.min_margin, zone.human_check) == (0.95, 0.5, True)
    assert zone.cameras == frozenset()
    assert zone.schedule is not None
    assert zone.schedule.is_active(datetime.fromisoformat("2026-03-09T08:15:00+01:00"))
    assert not zone.schedule.is_active(datetime.fromisoformat("2026-07-06T08:15:00+02:00"))
    assert zone.schedule.is_active(datetime.fromisoformat("2026-11-30T09:30:00+01:00"))

    assert (looked_for.kind, looked_for.list_id) == (RuleKind.HOTLIST, "stolen")
    assert (looked_for.cameras, looked_for.human_check) == (frozenset({"north"}), False)
    assert looked_for.schedule is None

    assert one_way.kind is RuleKind.WRONG_WAY
    assert one_way.line == Line((0.1, 0.6), (0.9, 0.6))
    assert one_way.allowed is Direction.LEFT_TO_RIGHT
    assert one_way.list_id is None


def test_the_defaults_are_the_documented_ones(tmp_path: Path) -> None:
    loaded = load_site_folder(write_site(tmp_path / "square"))
    assert loaded.policy.epoch_minutes == 15
    assert loaded.settings.models.provider == "cpu"
    assert loaded.settings.broker.port == 1883
    assert loaded.settings.broker.message_expiry_s == 604800
    assert loaded.settings.broker.payload_cap_kib == 112
    assert loaded.settings.outbox.reserve_mib == 64
    assert loaded.settings.cameras["north"].second_look.mode == "none"
    assert loaded.settings.cameras["south"].second_look == Tiles(mode="tiles", columns=3)


def test_paths_are_absolute_and_relative_ones_start_at_the_site_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_site(tmp_path / "square")
    monkeypatch.chdir(tmp_path)
    loaded = load_site_folder(Path("square"))
    assert loaded.state_folder == tmp_path / "square/state"
    assert loaded.keys_folder == tmp_path / "square/keys"
    assert loaded.source("north") == tmp_path / "square/clips/north.mp4"
    assert loaded.source("south") is None
    assert loaded.authority_keys("police") == tmp_path / "square/keys/police.public.json"


def test_a_list_is_read_again_each_time(tmp_path: Path) -> None:
    folder = write_site(tmp_path / "square")
    loaded = load_site_folder(folder)
    trial = loaded.trial_list("permits")
    assert trial is not None
    assert [entry.entry_id for entry in trial.read()] == ["p1"]
    (folder / "lists/permits.csv").write_text(PERMITS.replace("p1", "p2"), encoding="utf-8")
    assert [entry.entry_id for entry in trial.read()] == ["p2"]
    (folder / "lists/permits.csv").write_text(HEADER + "x\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"permits\.csv:2"):
        trial.read()


def test_a_site_folder_keeps_no_plate(tmp_path: Path) -> None:
    loaded = load_site_folder(write_site(tmp_path / "square"))
    # A plate refuses to be pickled, so whatever can be pickled holds none.
    assert pickle.dumps(loaded)
    trial = loaded.trial_list("permits")
    assert trial is not None
    entries = trial.read()
    with pytest.raises(TypeError, match="never serialised"):
        pickle.dumps(entries)


def test_the_policy_hash_does_not_depend_on_formatting(tmp_path: Path) -> None:
    plain = load_site_folder(write_site(tmp_path / "a")).policy_sha256
    rewritten = changed(
        changed(POLICY, "timezone: Europe/Brussels\n", ""),
        "receipts: required",
        "receipts: 'required'",
    )
    assert (
        load_site_folder(write_site(tmp_path / "b", policy="# new\n" + rewritten)).policy_sha256
        == plain
    )
    lowered = changed(POLICY, "min_posterior: 0.9\n", "min_posterior: 0.91\n")
    other = load_site_folder(write_site(tmp_path / "c", policy=lowered)).policy_sha256
    assert other != plain
    assert re.fullmatch("[0-9a-f]{64}", other)


def test_the_password_comes_from_the_environment(tmp_path: Path) -> None:
    loaded = load_site_folder(write_site(tmp_path / "square"))
    assert loaded.broker_password({"SQUARE_PASSWORD": "open sesame"}) == "open sesame"
    for environment in ({}, {"SQUARE_PASSWORD": ""}):
        with pytest.raises(ConfigError, match="SQUARE_PASSWORD: holds no password"):
            loaded.broker_password(environment)


def test_the_password_comes_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    site = changed(SITE, "password_env: SQUARE_PASSWORD", "password_file: broker.txt")
    folder = write_site(tmp_path / "square", site=site)
    (folder / "broker.txt").write_text("open sesame\n", encoding="utf-8")
    loaded = load_site_folder(folder)
    assert loaded.broker_password({}) == "open sesame"
    (folder / "broker.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"broker\.txt: holds no password"):
        loaded.broker_password({})
    (folder / "broker.txt").unlink()
    with pytest.raises(ConfigError, match=r"broker\.txt: .*cannot be read"):
        loaded.broker_password({})


def test_without_a_configured_source_there_is_no_password(tmp_path: Path) -> None:
    site = changed(SITE, "  password_env: SQUARE_PASSWORD\n", "")
    assert load_site_folder(write_site(tmp_path / "square", site=site)).broker_password({}) is None


# --- one mistake, one line ------------------------------------------------------------------


def line_of(text: str, part: str) -> tuple[int, int]:
    """Where a part of a text begins; line and column count from 1."""
    before = text[: text.index(part)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


@pytest.mark.parametrize(
    ("old", "new", "at", "says"),
    [
        ("reveal: occupants", "reveel: occupants", "reveel", "did you mean 'reveal'?"),
        ("retention_hours", "retention", "retention", "did you mean 'retention_hours'?"),
        (
            "receipts:",
            "revenue:",
            "revenue",
            "'revenue'; known here: competence, key_sha256, keys, name",
        ),
        ("schema: edge-anpr/policy/3", "schema: edge-anpr/policy/1", "schema", "policy/3"),
        ("site: square", "site: Square", "site", "1 to 40 of a-z, 0-9 and -"),
        ("site: square", f"site: {'s' * 41}", "site", "1 to 40 of a-z, 0-9 and -"),
        ("  north:\n", "  north/1:\n", "north/1", "1 to 40 of a-z, 0-9 and -"),
        ("  north:\n", "  +:\n", "+:", "1 to 40 of a-z, 0-9 and -"),
        ("Europe/Brussels", "Europe/Atlantis", "timezone", "such as Europe/Brussels"),
        ("Europe/Brussels", "../../etc/passwd", "timezone", "such as Europe/Brussels"),
        ("retention_hours: 72", "retention_hours: 721", "retention_hours", "more than the 720"),
        ("retention_hours: 72", "retention_hours: 0", "retention_hours", "or equal to 1"),
        ("retention_hours: 72", 'retention_hours: "72"', "retention_hours", "whole number"),
        ("retention_hours: 72", "retention_hours: 7.5", "retention_hours", "whole number"),
        ("retention_hours: 72", "retention_hours: true", "retention_hours", "whole number"),
        ('en: "A quiet square"}', "}", "text: {nl: Rust", "'en' is missing"),
        ('en: "A quiet square"}', "xx: Word}", "xx", "unknown key 'xx'; known here: de, en"),
        ("min_posterior: 0.9\n", "min_posterior: 0.49\n", "min_posterior: 0.49", "equal to 0.5"),
        ("min_posterior: 0.9\n", "min_posterior: high\n", "min_posterior: high", "a number"),
        ("min_posterior: 0.9\n", "min_posterior: .nan\n", "min_posterior: .nan", "a number"),
        ("min_posterior: 0.9\n", "min_posterior: 1.01\n", "min_posterior: 1.01", "equal to 1"),
        ("min_margin: 0.6", "min_margin: 0", "min_margin: 0\n", "greater than 0"),
        ("human_check: false", "human_check: no", "human_check", "true or false"),
        (
            "reveal: plate",
            "reveal: none",
            "reveal: none",
            "'plate', 'vehicle', 'driver' or 'occupants'",
        ),
        ("type: hotlist", "type: blacklist", "id: looked-for", "'hotlist', 'permit_zone'"),
        ("    type: hotlist\n", "", "id: looked-for", "'type' is missing"),
        ("    list: stolen\n", "", "id: looked-for", "'list' is missing"),
        ("list: stolen", "list: stole", "list: stole", "did you mean 'stolen'?"),
        ("list: stolen", "list: permits", "list: permits\n    min_posterior: 0.97", "kind alert"),
        ("list: permits", "list: stolen", "list: stolen", "kind exempt"),
        ("list: permits", "list: nowhere", "list: nowhere", "there are: permits, stolen"),
        (
            "purpose: quiet\n    authority: police\n    reveal: plate",
            "purpose: quit\n    authority: police\n    reveal: plate",
            "purpose: quit",
            "did you mean 'quiet'?",
        ),
        (
            "authority: police\n    reveal: plate",
            "authority: mayor\n    reveal: plate",
            "authority: mayor",
            "there are: police",
        ),
        ("cameras: [north]", "cameras: [north, east]", "east", "there are: north, south"),
        ("cameras: [north]", "cameras: []", "cameras: []", "at least 1"),
        ("cameras: [north]", "cameras: north", "cameras: north", "must be a list"),
        ("id: one-way", "id: zone", "id: zone\n    type: wrong", "another rule has the same id"),
        ("to: [0.9, 0.6]", "to: [0.1, 0.6]", "line", "two ends of a line"),
        ("to: [0.9, 0.6]", "to: [90, 60]", "90, 60", "or equal to 1"),
        ("to: [0.9, 0.6]", "to: [0.9]", "to: [0.9]", "must have 2 values"),
        ("allowed: left_to_right", "allowed: up", "allowed", "'left_to_right'"),
        ('["08:15-08:45"]', '["8:15-8:45"]', '"8:15', '"08:15-08:45"'),
        ('["08:15-08:45"]', '["08:15-08:45", "08:30-09:00"]', "schedule", "mon 08:15-08:45 over"),
        ('{mon: ["08:15', '{monday: ["08:15', "monday", "'mon'"),
        ("2026-12-25", "2026-12-32", "2026-12-32", "not in the calendar"),
        ("date: 2026-11-30", "date: 2026-11-30..2026-12-01", "date: 2026-11-30..", "one day"),
        ("lists/stolen.csv", "lists/gone.csv", "file: lists/gone", "no such file"),
        ("file: lists/stolen.csv", "file: lists", "file: lists\n", "no such file"),
        ("max_entries: 3\n", "max_entries: 0\n", "max_entries: 0", "equal to 1"),
        ("site: square", "site: square\nsite: square", "site: square\nv", "given twice"),
        ("site: square", "site: &s square", "&s", "anchors (&) and aliases (*)"),
        ("site: square", "site: *s", "*s", "anchors (&) and aliases (*)"),
        ("site: square", "site: !!str square", "!!str", "tags (!)"),
        ("purposes:", "---\npurposes:", "---", "a second document"),
        ("purposes:", "purposes: [", "rules:", None),
        ("site: square", "site: [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", None, "16 deep"),
        ("site: square", '"\\x07site": square', None, "plain text"),
        ("site: square", 'site: "\\x07"', '"\\x07"', "cannot be seen"),
        ("site: square", "? [a]\n: square", "[a]", "plain text"),
        ("site: square", "site:\tsquare\n\tx: 1", None, "not YAML"),
    ],
)
def test_the_error_for_a_mistake_in_the_policy_names_position_and_remedy(
    tmp_path: Path, old: str, new: str, at: str | None, says: str | None
) -> None:
    policy = changed(POLICY, old, new)
    message = refusal(write_site(tmp_path / "square", policy=policy))
    assert f"{tmp_path}/square/policy.yaml:" in message
    if says is not None:
        assert says in message
    if at is not None and says is not None:
        line, column = line_of(policy, at)
        assert re.search(rf"policy\.yaml:{line}:{column}: .*{re.escape(says)}", message)


@pytest.mark.parametrize(
    ("old", "new", "at", "says"),
    [
        ("site: square", "site: circle", "site: circle", "policy.yaml names another site"),
        ("  north: {", "  nort: {", "nort:", "did you mean 'north'?"),
        ("password_env: SQUARE_PASSWORD", "password: hunter2", "password", "password_env: NAME"),
        ("SQUARE_PASSWORD", "$SQUARE", "password_env", "name of an environment variable"),
        ("  username: box-1\n", "", "broker:", "a password without a username"),
        ("host: 127.0.0.1", "host: user:secret@broker", "host", "address of a host alone"),
        ("host: 127.0.0.1", "host: mqtt://broker", "host", "without mqtt:// and port"),
        ("host: 127.0.0.1", "host: mqtt.example:8883", "host", "write the port in `port`"),
        ("host: 127.0.0.1", "host: 10.0.0.1:8883", "host", "write the port in `port`"),
        ("username: box-1", "tls: true", "tls", "hold keys with values; known here: ca, cert"),
        ("  host: 127.0.0.1\n", "", "broker:", "'host' is missing"),
        ("username: box-1", "hosts: [a.example]", "hosts", "host is given too; keep one"),
        ("host: 127.0.0.1", "hosts: [a.example, A.example:1883]", "A.ex", "is given twice"),
        ("host: 127.0.0.1", "hosts: ['a.example:65536']", "'a.ex", "must be 1 to 65535"),
        ("host: 127.0.0.1", "hosts: ['mqtt://a.example']", "'mqtt", "must be HOST or HOST:P"),
        ("username: box-1", "port: 0", "port", "or equal to 1"),
        ("username: box-1", "port: 65536", "port", "or equal to 65535"),
        ("username: box-1", "payload_cap_kib: 4", "payload_cap_kib", "or equal to 8"),
        ("username: box-1", "tls: {ca: ca.pem}", "ca:", "no such file"),
        ("username: box-1", "tls: {certificate: box.pem}", "tls:", "belong together"),
        ("username: box-1", "tls: {cafile: x}", "cafile", "unknown key 'cafile'; known here: ca"),
        ("username: box-1", "password_file: there.txt", "password_file", "keep one"),
        ("columns: 3", "colums: 3", "colums", "did you mean 'columns'?"),
        ("columns: 3", "columns: 9", "columns", "or equal to 8"),
        ("mode: tiles, columns: 3", "mode: tile", "second_look", "'none', 'tiles', 'region'"),
        (
            "mode: tiles, columns: 3",
            "mode: region, box: [0.5, 0, 0.5, 1]",
            "box: [",
            "x1 < x2 and y1 < y2",
        ),
        ("reader: reader-b", "reader: ../b.onnx", "reader", "`edge-anpr models list` shows"),
        ("reader: reader-b", "reader: b, provider: gpu", "provider", "'cpu', 'cuda' or 'tensorrt'"),
        ("box: box-1\n", "", "schema", "'box' is missing"),
        ("box: box-1\n", "box: null\n", "box", "is missing"),
        ("box: box-1\n", "box: 1\n", "box", "must be text"),
        ("models: {", "folders: {stat: x}\nmodels: {", "stat:", "did you mean 'state'?"),
    ],
)
def test_the_error_for_a_mistake_in_the_site_file_names_position_and_remedy(
    tmp_path: Path, old: str, new: str, at: str, says: str
) -> None:
    site = changed(SITE, old, new)
    message = refusal(write_site(tmp_path / "square", site=site))
    line, column = line_of(site, at)
    assert re.search(rf"site\.yaml:{line}:{column}: .*{re.escape(says)}", message), message


@pytest.mark.parametrize("model", [Site, Policy])
def test_every_form_that_a_text_must_have_is_told_in_words(model: type[BaseModel]) -> None:
    schema = json.dumps(model.model_json_schema(by_alias=True))
    asked = {json.loads(one) for one in re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', schema)}
    assert asked
    assert asked - {PUBLIC_KEY_PATTERN} <= FORMS.keys()


def test_a_password_in_the_file_is_not_repeated(tmp_path: Path) -> None:
    site = changed(SITE, "password_env: SQUARE_PASSWORD", "password: hunter2")
    assert "hunter2" not in refusal(write_site(tmp_path / "square", site=site))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("file: lists/permits.csv", "file: lists/permits.csv\n    1-QQQ-777: resident"),
        ("    kind: exempt", "    1-QQQ-777: x\n    kind: exempt"),
        ("list: permits", "list: [1-QQQ-777]"),
        ("list: permits", "list: 1-QQQ-777"),
        ("type: hotlist", "type: 1-QQQ-777"),
        ("site: square", "site: 1-QQQ-777\nsite: 1-QQQ-777"),
        ("site: square", "site: square\n1-qqq-777: x\n1-qqq-777: x"),
        ("site: square", "site: square\n1-qqq-777: x"),
        ("site: square", "site: square\n  1-QQQ-777: x"),
        ("site: square", "1-QQQ-777"),
        ('{mon: ["08:15', '{1-QQQ-777: ["08:15'),
    ],
)
def test_a_plate_in_the_wrong_place_is_not_repeated(tmp_path: Path, old: str, new: str) -> None:
    message = refusal(write_site(tmp_path / "square", policy=changed(POLICY, old, new)))
    assert "qqq" not in message.lower()


def test_all_mistakes_of_both_files_are_reported_at_once(tmp_path: Path) -> None:
    policy = changed(changed(POLICY, "reveal: plate", "reveal: all"), "allowed:", "alowed:")
    site = changed(SITE, "columns: 3", "columns: 0")
    lines = refusal(write_site(tmp_path / "square", policy=policy, site=site)).splitlines()
    assert [re.sub(r".*/(\w+)\.yaml:.*: ([\w.\[\]]+): .*", r"\1 \2", line) for line in lines] == [
        "policy rules[1].reveal",
        "policy rules[2]",
        "policy rules[2].alowed",
        "site cameras.south.second_look.columns",
    ]


def test_after_twenty_mistakes_the_rest_are_counted(tmp_path: Path) -> None:
    more = "".join(f"junk_{letter}: 1\n" for letter in "abcdefghijklmnopqrstuvwxy")
    lines = refusal(write_site(tmp_path / "square", policy=POLICY + more)).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 5 more; correct these first"


def test_an_empty_rule_set_is_refused(tmp_path: Path) -> None:
    head = POLICY[: POLICY.index("rules:")]
    for rules in ("rules: []\n", "rules:\n", ""):
        folder = write_site(tmp_path / f"square-{len(rules)}", policy=head + rules)
        assert "rules" in refusal(folder)


def test_a_schedule_without_any_hours_is_refused(tmp_path: Path) -> None:
    start, end = POLICY.index("    schedule:"), POLICY.index("  - id: looked-for")
    policy = POLICY[:start] + "    schedule: {holidays: [2026-12-25]}\n" + POLICY[end:]
    assert "no hours at all" in refusal(write_site(tmp_path / "square", policy=policy))


def test_two_exceptions_for_one_day_are_refused(tmp_path: Path) -> None:
    policy = changed(POLICY, "[{date:", "[{date: 2026-11-30, hours: []}, {date:")
    message = refusal(write_site(tmp_path / "square", policy=policy))
    assert "two exceptions for 2026-11-30" in message


# --- files that are not what they should be -------------------------------------------------


def test_a_missing_folder_and_a_file_in_its_place_are_refused(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    assert "not a folder" in refusal(tmp_path / "file")


@pytest.mark.parametrize("name", ["policy.yaml", "site.yaml"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        (b"", "empty"),
        (b"# only a comment\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"just words", "must hold keys"),
        (b"- a\n- b\n", "must hold keys"),
        (b"site: \xff\xfe", "not UTF-8"),
        (b"site: a\x00b", "cannot be seen"),
        (b"\x00\x00\x00\x18ftypmp42", "cannot be seen"),
        (b"#" * (256 * 1024 + 1), "larger than 256 KiB"),
        (b"{" * 1000, "deep"),
        (b"a: " * 1000, "not YAML"),
        (b'"unfinished', "not YAML"),
        (b"%YAML 9.9\n---\na: 1\n", "not YAML"),
    ],
)
def test_the_error_names_an_invalid_configuration_file(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    file = write_site(tmp_path / "square") / name
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    message = refusal(tmp_path / "square")
    assert str(file) in message
    assert says in message


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    file = write_site(tmp_path / "square") / "policy.yaml"
    file.unlink()
    os.mkfifo(file)  # reading it would wait for ever
    assert "not a regular file" in refusal(tmp_path / "square")
    file.unlink()
    file.mkdir()
    assert "not a regular file" in refusal(tmp_path / "square")


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    file = write_site(tmp_path / "square") / "policy.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + POLICY.encode())
    assert load_site_folder(tmp_path / "square").policy.site == "square"


def test_words_like_no_and_off_stay_strings(tmp_path: Path) -> None:
    site = changed(SITE, "box: box-1", "box: no")
    assert load_site_folder(write_site(tmp_path / "square", site=site)).settings.box == "no"


def test_all_bad_lists_are_reported_at_once(tmp_path: Path) -> None:
    folder = write_site(tmp_path / "square", permits=HEADER + "x\n", stolen="nothing")
    with pytest.raises(ConfigError) as caught:
        load_site_folder(folder)
    assert caught.value.code == "E_LIST"
    assert [line.split(":")[0].rsplit("/")[-1] for line in caught.value.message.splitlines()] == [
        "permits.csv",
        "stolen.csv",
    ]


def small(address: str) -> str:
    return f"url: 'rtsp://192.0.2.1/x', substream: '{address}'"


@pytest.mark.parametrize(
    ("live", "at", "says"),
    [
        ("url: 'rtsp://192.0.2.1/x', tls_ca: there.pem", "tls_ca", "only rtsps:// and https://"),
        ("url: 'rtsp://192.0.2.1/x', tls_name: cam", "tls_name", "only rtsps:// and https://"),
        ("url: 'rtsps://192.0.2.1/x', tls_ca: gone.pem", "tls_ca", "no such file"),
        ("url: 'rtsps://192.0.2.1/x', transport: udp", "transport", "not be encrypted; use tcp"),
        (small("rtsp://192.0.2.1/x"), "substream", "is the address in url; name the smaller"),
        (small("rtsp://192.0.2.9/y"), "substream", "must be at the host of url"),
        (small("http://192.0.2.1/y"), "substream", "must begin with rtsp:// as url does"),
        (small("rtsps://192.0.2.1/y"), "substream", "must begin with rtsp:// as url does"),
        (small("rtsp://u:p@192.0.2.1/y"), "substream", "a password does not belong in a file"),
        (small("rtsp://192.0.2.1:x/y"), "substream", "not an address; write it like rtsp://"),
        (small("192.0.2.1/y"), "substream", "that begins with rtsp://"),
        (
            small("rtsp://192.0.2.1/y") + ", decoder: 'h264parse ! avdec_h264'",
            "substream",
            "decoder is given too",
        ),
    ],
)
def test_the_error_names_a_camera_whose_settings_contradict_each_other(
    tmp_path: Path, live: str, at: str, says: str
) -> None:
    folder = tmp_path / "square"
    folder.mkdir()
    (folder / "there.pem").write_text("")
    look = "second_look: {mode: tiles, columns: 3}"
    site = changed(SITE, look, f"live: {{type: rtsp, {live}}}")
    message = refusal(write_site(folder, site=site))
    line, _ = line_of(site, at)
    assert re.search(rf"site\.yaml:{line}:\d+: .*{re.escape(says)}", message), message
