"""A real PostgreSQL for tests: a new cluster in a temporary folder, on a free port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support.brokers import free_port, wait_until
from tests.support.desk_tables import emptied

USER = "desk"
PASSWORD = "only-for-tests"
_END_SESSIONS = "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = %s"

_PLACES = [os.environ.get("PATH", ""), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))]
INITDB, PG_CTL = (
    shutil.which(name, path=os.pathsep.join(_PLACES)) for name in ("initdb", "pg_ctl")
)


def why_not() -> str | None:
    """Why no PostgreSQL can be started here; None if it can."""
    if INITDB is None or PG_CTL is None:
        return "PostgreSQL is not installed (apt-get install postgresql)"
    if os.geteuid() == 0 and (server_account() is None or shutil.which("setpriv") is None):
        return "PostgreSQL refuses root, and there is no other user or no setpriv to become it"
    return None


def server_account() -> pwd.struct_passwd | None:
    """The user whom the server runs as where root runs the tests."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


class Postgres:
    """A PostgreSQL server; each test asks it for an empty database of its own.

    Args:
        folder: the cluster; must not exist.
        settings: further lines of its configuration.
    """

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self.folder = folder
        self._databases = 0
        self._made: list[str] = []
        self._empty: list[str] = []
        self._tablespaces: list[str] = []
        password = folder.with_suffix(".password")
        password.write_text(PASSWORD, encoding="utf-8")
        folder.mkdir()
        account = server_account() if os.geteuid() == 0 else None
        self._become: list[str] = []
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
            os.chown(password, account.pw_uid, account.pw_gid)
            self._become = [
                "setpriv",
                f"--reuid={account.pw_uid}",
                f"--regid={account.pw_gid}",
                "--clear-groups",
            ]
        self._run(
            str(INITDB), "--pgdata", str(folder), "--username", USER, "--pwfile", str(password),
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C",
        )  # fmt: skip
        with (folder / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(
                "\n".join(
                    [
                        "",
                        "listen_addresses = '127.0.0.1'",
                        f"port = {self.port}",
                        "unix_socket_directories = ''",
                        # Its log of changes would keep a gigabyte.
                        "min_wal_size = 32MB",
                        "max_wal_size = 64MB",
                        *settings,
                        "",
                    ]
                )
            )

    def start(self) -> None:
        self._run(
            str(PG_CTL), "start", "--wait", "--timeout", "60", "--silent", "--pgdata",
            str(self.folder), "--log", str(self.folder / "log"),
        )  # fmt: skip

    def kill(self) -> None:
        """End it by SIGKILL; its children see that and end too. It recovers at its next start."""
        pid_file = self.folder / "postmaster.pid"
        main = int(pid_file.read_text("utf-8").splitlines()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text("utf-8").split()
        os.kill(main, signal.SIGKILL)
        assert wait_until(lambda: not any(map(_runs, (main, *map(int, children)))))
        # A container whose first process adopts no orphans keeps the dead one's number.
        pid_file.unlink()

    def stop(self, how: str = "fast") -> None:
        """Stop it; after `immediate` it recovers at its next start, as after a crash."""
        self._run(
            str(PG_CTL), "stop", "--wait", "--silent", "--mode", how, "--pgdata",
            str(self.folder),
        )  # fmt: skip

    def address(self, database: str, password: str = PASSWORD) -> str:
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self, tablespace: Path | None = None) -> str:
        """The address of an empty database; its files are in `tablespace`, if one is given."""
        if tablespace is None and self._empty:
            self._made.append(self._empty.pop())
            return self.address(self._made[-1])
        self._databases += 1
        name = f"desk_{self._databases}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            where = ""
            if tablespace is not None:
                connection.execute(f"CREATE TABLESPACE {name} LOCATION '{tablespace}'".encode())
                self._tablespaces.append(name)
                where = f" TABLESPACE {name}"
            connection.execute(f"CREATE DATABASE {name}{where}".encode())
        self._made.append(name)
        return self.address(name)

    def clear_databases(self) -> None:
        """Empty the databases that were asked for, whoever still uses them.

        Making one takes longer than that. One that cannot be emptied is removed.
        """
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            while self._made:
                name = self._made.pop()
                connection.execute(_END_SESSIONS, [name])
                if name not in self._tablespaces and self._is_emptied(name):
                    self._empty.append(name)
                else:
                    connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            while self._tablespaces:
                connection.execute(f"DROP TABLESPACE {self._tablespaces.pop()}".encode())

    def _is_emptied(self, name: str) -> bool:
        with psycopg.connect(self.address(name), autocommit=True) as connection:
            return emptied(connection)

    def _run(self, *words: str) -> None:
        done = subprocess.run(
            [*self._become, *words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout


def _runs(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@contextmanager
def running(settings: Sequence[str] = ()) -> Iterator[Postgres]:
    """A server that runs until the block ends, in a folder that its own user can reach."""
    # A test's own folder has mode 0700 of the user that runs the tests.
    with tempfile.TemporaryDirectory(prefix="pg") as base:
        Path(base).chmod(0o711)
        server = Postgres(Path(base) / "cluster", *settings)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
