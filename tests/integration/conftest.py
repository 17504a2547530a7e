"""Fixtures that several integration tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.publisher import PublisherLimits
from edge.authority.store import HitStore
from edge.desk import accounts
from edge.desk.folder import DeskFolder
from edge.desk.store import database
from tests.support.brokers import MOSQUITTO, Broker, Mosquitto
from tests.support.desk_tables import QuickTables
from tests.support.desk_web import opened
from tests.support.desks import make_desk
from tests.support.disks import small_tmpfs
from tests.support.parties import Parties, make_parties
from tests.support.postgres import Postgres, running, why_not
from tests.support.publishing import LIMITS, Box
from tests.support.retention import Disk
from tests.support.reviews import ReviewRoom
from tests.support.sign_ins import SignInPlace

needs_mosquitto = pytest.mark.skipif(
    MOSQUITTO is None, reason="mosquitto is not installed (apt-get install mosquitto)"
)


@pytest.fixture(
    params=["embedded", pytest.param("mosquitto", marks=needs_mosquitto)],
)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """A running broker: the embedded one, then mosquitto."""
    kind: Broker = EmbeddedBroker() if request.param == "embedded" else Mosquitto(tmp_path)
    kind.start()
    yield kind
    kind.stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running mosquitto, with its files in the test's folder."""
    with Mosquitto(tmp_path) as running_broker:
        yield running_broker


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out PostgreSQL where a module says in `ON_BOTH` which of its tests need both databases.

    Making a database takes longer than most tests.
    """
    items[:] = [item for item in items if not _needs_no_postgresql(item)]


def _needs_no_postgresql(item: pytest.Item) -> bool:
    on_both = getattr(getattr(item, "module", None), "ON_BOTH", None)
    if on_both is None or not isinstance(item, pytest.Function) or item.originalname in on_both:
        return False
    return "[postgresql" in item.name


@pytest.fixture(scope="session", autouse=True)
def quick_passphrases() -> Iterator[None]:
    """Hashes of passphrases that cost little; each names its cost, also for other processes."""
    with pytest.MonkeyPatch.context() as patch:
        hash_with(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1), patch)
        yield


@pytest.fixture
def real_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of passphrases at the cost that the product uses."""
    hash_with(PasswordHasher(), monkeypatch)


def hash_with(hasher: PasswordHasher, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(accounts, "_HASHER", hasher)
    patch.setattr(accounts, "_NOBODYS_HASH", hasher.hash("the passphrase of nobody"))


@pytest.fixture(scope="session", autouse=True)
def quick_tables() -> Iterator[None]:
    """The tables of desks, made by all their versions once, and then used again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_upgrade", QuickTables(database._upgrade))
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A running PostgreSQL; skips where there is none."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with running() as server:
        yield server


@pytest.fixture
def postgres(postgres_server: Postgres) -> Iterator[Postgres]:
    """A running PostgreSQL that empties the test's databases when the test ends."""
    yield postgres_server
    postgres_server.clear_databases()


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> DeskFolder:
    """A desk with its first account: its store in a file, then in PostgreSQL."""
    address = None
    if request.param == "postgresql":
        address = request.getfixturevalue("postgres").new_database()
    return make_desk(tmp_path / "desk", address)


@pytest.fixture
def open_box(tmp_path: Path) -> Iterator[Callable[..., Box]]:
    """Opens boxes with one state folder, and closes them at the end."""
    with ExitStack() as stack:

        def make(broker: Broker, limits: PublisherLimits = LIMITS) -> Box:
            box = Box(tmp_path, broker, limits)
            stack.callback(box.close)
            return box

        yield make


@pytest.fixture
def parties(tmp_path: Path) -> Parties:
    """A box and an authority with new keys."""
    return make_parties(tmp_path)


@pytest.fixture
def room(tmp_path: Path, parties: Parties) -> Iterator[ReviewRoom]:
    """A desk on SQLite with officers, their keys and a stored hit."""
    with ReviewRoom.of(make_desk(tmp_path / "desk"), parties) as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HitStore]:
    """An authority's empty store."""
    with HitStore.open(tmp_path / "store", create=True) as opened:
        yield opened


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 14 MiB."""
    with small_tmpfs(tmp_path / "disk", "14m") as place:
        yield place


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignInPlace]:
    """A desk that is served, and asks for more than a passphrase."""
    folder = make_desk(tmp_path_factory.mktemp("sign-in") / "desk")
    demanding = folder.config.model_copy(update={"second_factor": "required"})
    made = SignInPlace(DeskFolder(folder.path, demanding))
    with opened(made.folder, made.utc) as made.web:
        yield made


@pytest.fixture
def place(served: SignInPlace) -> SignInPlace:
    """The same, an hour later than in the test before, so that no count of that one holds."""
    served.now += timedelta(hours=1)
    return served
