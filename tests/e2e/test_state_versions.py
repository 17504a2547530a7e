"""State of another version: an older one is migrated, a newer one is refused unchanged."""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.adapters.host.system import SystemClock
from edge.adapters.state import outbox_file
from edge.adapters.state.key_files import load_signer_key
from edge.adapters.state.key_making import new_signer_key
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.list_counters import COUNTERS_NAME
from edge.adapters.state.outbox import Outbox
from edge.adapters.state.policy_state import ACTIVATION, CLOCK, PolicyState, SteadyClock
from edge.adapters.state.state_version import KNOWN, require_known
from edge.adapters.state.statistics import FILE_NAME as STATISTICS
from edge.adapters.state.statistics import EpochStatistics, StatisticsFile
from edge.adapters.state.suspension_store import FILE_NAME as SUSPENSION
from edge.adapters.state.suspension_store import SuspensionStore
from edge.errors import EdgeError, ExitCode
from edge.policy.suspension import SuspensionState
from tests.support.old_state import VERSION_1
from tests.support.product import REPOSITORY, product, verb
from tests.support.sites import MadeSite, make_real, make_site, outbox_of

FILES = (ACTIVATION, CLOCK, COUNTERS_NAME, STATISTICS, SUSPENSION, "policies/1.json")
HITS = 150


@pytest.fixture(scope="module")
def used_site(tmp_path_factory: pytest.TempPathFactory) -> MadeSite:
    """A site whose state has every kind of file, made by the product's own code."""
    base = tmp_path_factory.mktemp("lived-in")
    made = make_site(base)
    key = new_signer_key(base / "signer", "mayor", datetime.now(timezone.utc))
    make_real(made, {"mayor": load_signer_key(key)})
    assert verb("policy", "activate", made.folder, "--key", key).status == 0
    with outbox_of(made):
        pass
    now = datetime.now(timezone.utc)
    StatisticsFile(made.state).append(EpochStatistics.of(now, {}, {}))
    (made.state / SUSPENSION).write_bytes(SuspensionState().to_bytes())
    return made


def copied(used_site: MadeSite, to: Path) -> MadeSite:
    shutil.copytree(used_site.folder, to)
    return MadeSite(to, used_site.authority_keys)


def made_newer(made: MadeSite, name: str) -> None:
    file = made.state / name
    if name == outbox_file.FILE_NAME:
        with closing(sqlite3.connect(file)) as database:
            database.execute(f"PRAGMA user_version = {outbox_file.VERSION + 1}")
        return
    text = file.read_text()
    newer = re.sub(r'("schema":\s*"edge-anpr/[a-z-]+/)\d+', r"\g<1>9", text, count=1)
    assert newer != text
    file.write_text(newer)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_file_with_a_schema_version_is_covered(used_site: MadeSite) -> None:
    found = set()
    for name in FILES:
        text = (used_site.state / name).read_text()
        said = json.loads(text.splitlines()[0] if name == STATISTICS else text)
        found.add(said["schema"])
    assert found == {f"edge-anpr/{name}/{version}" for name, version in KNOWN.items()}
    require_known(used_site.state)


@pytest.mark.parametrize("name", [*FILES, outbox_file.FILE_NAME])
def test_a_file_of_a_newer_version_is_refused_and_nothing_changes(
    used_site: MadeSite, tmp_path: Path, name: str
) -> None:
    made = copied(used_site, tmp_path / "site")
    made_newer(made, name)
    before = content(made.state)

    for open_it in (
        PolicyState,
        StatisticsFile,
        SuspensionStore,
        lambda folder: SteadyClock(SystemClock(), folder),
    ):
        with pytest.raises(EdgeError, match="run the version that made it") as refused:
            open_it(made.state)
        assert refused.value.code == "E_STATE_VERSION"
        assert str(made.state / name) in refused.value.message
        assert "\n" not in refused.value.message
    assert content(made.state) == before


@pytest.mark.parametrize("name", [STATISTICS, SUSPENSION])
def test_every_verb_refuses_a_newer_state(used_site: MadeSite, tmp_path: Path, name: str) -> None:
    made = copied(used_site, tmp_path / "site")
    made_newer(made, name)
    before = content(made.state)

    done = product("run", "--site", made.folder)
    assert done.status == ExitCode.STORAGE, done.err
    assert [line.split(": ")[1] for line in done.error_lines] == ["E_STATE_VERSION"], done.err
    assert name in done.error_lines[0]
    assert content(made.state) == before


def test_the_error_for_a_newer_keyring_names_its_version(
    used_site: MadeSite, tmp_path: Path
) -> None:
    made = copied(used_site, tmp_path / "site")
    file = made.keyring / "keyring.bin"
    data = bytearray(file.read_bytes())
    place = data.index(b"edge-anpr/keyring/1") + len(b"edge-anpr/keyring/")
    data[place : place + 1] = b"2"
    padded = bytes(data[:124])
    data[124:128] = (zlib.crc32(padded) ^ 0xFFFFFFFF).to_bytes(4, "big")
    file.write_bytes(data)

    with pytest.raises(EdgeError, match="keyring of version 2") as refused:
        Keyring.open(made.keyring, SystemClock())
    assert refused.value.code == "E_STATE_VERSION"
    assert file.read_bytes() == bytes(data)


def test_a_clock_file_without_a_schema_version_is_read_and_the_older_version_reads_ours(
    tmp_path: Path,
) -> None:
    later = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=3)
    (tmp_path / CLOCK).write_text(json.dumps({"latest": f"{later:%Y-%m-%dT%H:%M:%S}.000Z"}))

    assert SteadyClock(SystemClock(), tmp_path).utc() == later
    written = json.loads((tmp_path / CLOCK).read_text())
    # The previous version reads this one member and ignores all others.
    assert written["latest"] == f"{later:%Y-%m-%dT%H:%M:%S}.000Z"
    assert written["schema"] == "edge-anpr/clock/1"


UPGRADE = """
import sys
from pathlib import Path
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.outbox import Outbox
from edge.adapters.host.system import SystemClock
folder = Path(sys.argv[1])
make_key = Keyring.key
def key(*arguments):
    print("a hit is next", flush=True)
    return make_key(*arguments)
Keyring.key = key
with Keyring.open(folder / "keyring", SystemClock()) as keyring:
    with Outbox.open(folder / "state", keyring, reserve_mib=8):
        pass
"""


def test_kill_9_at_random_moments_of_an_upgrade_loses_no_hit(tmp_path: Path) -> None:
    noise = random.Random(5)
    sealed = {str(number): bytes([number]) * 2000 for number in range(HITS)}
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    ends = int((datetime.now(timezone.utc) + timedelta(days=1)).timestamp())
    with closing(sqlite3.connect(state / outbox_file.FILE_NAME)) as database:
        database.executescript(VERSION_1)
        database.executemany(
            "INSERT INTO hit (hit_id, camera, topic, receipt_required, expires_at, payload)"
            " VALUES (?, 'cam-1', 't/1', 1, ?, ?)",
            [(hit_id, ends, payload) for hit_id, payload in sealed.items()],
        )
        database.commit()

    half_way = 0
    for _kill in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", UPGRADE, str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
        )
        assert process.stdout is not None
        for _hit in range(noise.randint(1, HITS // 8)):
            assert process.stdout.readline() == b"a hit is next\n"
        time.sleep(noise.uniform(0, 0.005))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with closing(sqlite3.connect(state / outbox_file.FILE_NAME)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            assert database.execute("SELECT count(*) FROM hit").fetchone() == (HITS,)
            tables = database.execute("SELECT name FROM sqlite_schema").fetchall()
            if version == 1 and ("item_key",) in tables:
                (moved,) = database.execute("SELECT count(*) FROM item_key").fetchone()
                half_way += 0 < moved < HITS
    with (
        Keyring.open(tmp_path / "keyring", SystemClock()) as keyring,
        Outbox.open(state, keyring, reserve_mib=8) as upgraded,
    ):
        assert {hit_id: upgraded.find(hit_id) for hit_id in upgraded.hit_ids()} == sealed
    assert half_way > 0, "no kill came in the middle"
