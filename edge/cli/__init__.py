"""The command line, one small module per family of verbs."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import resource
import signal
import sys
import threading
import traceback
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from edge.cli.audit import app as audit
from edge.cli.check import check
from edge.cli.demo import demo
from edge.cli.erase import erase
from edge.cli.evaluate import app as evaluate
from edge.cli.evidence_pack import app as evidence_pack
from edge.cli.hits import app as hits
from edge.cli.keys import app as keys
from edge.cli.lists import app as lists
from edge.cli.models import app as models
from edge.cli.notice import app as notice
from edge.cli.policy import app as policy
from edge.cli.redact import redact
from edge.cli.run import run
from edge.cli.schema import schema
from edge.cli.stats import stats
from edge.cli.suspend import app as suspend
from edge.errors import EdgeError

PR_SET_DUMPABLE = 4  # linux/prctl.h


class LogLevel(str, Enum):
    """How much to say on standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"


app = typer.Typer(
    name="edge-anpr",
    no_args_is_help=True,
    add_completion=False,
    # A pretty traceback prints local variables, and one of those could be a plate.
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Number plate recognition that keeps hits and forgets everyone else.\n\n"
    "Start with [bold]edge-anpr demo[/bold]: it needs nothing but this package.",
    epilog="Exit status: 0 done, 2 usage, 3 configuration or policy, 4 weights, 5 source, "
    "6 broker or hits kept, 7 keys, 8 storage.",
)


@app.callback()
def options(
    log_level: Annotated[
        LogLevel, typer.Option(help="How much to log on standard error; never a plate.")
    ] = LogLevel.WARNING,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
) -> None:
    """Options of every verb."""
    if show_version:
        from edge.adapters.system import product_version

        typer.echo(f"edge-anpr {product_version()}")
        raise typer.Exit
    logging.basicConfig(
        level=log_level.value.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


app.command()(run)
app.command()(demo)
app.command()(check)
app.add_typer(policy, name="policy")
app.add_typer(evaluate, name="evaluate")
app.command()(redact)
app.add_typer(hits, name="hits")
app.add_typer(keys, name="keys")
app.add_typer(models, name="models")
app.add_typer(lists, name="lists")
app.add_typer(suspend, name="suspend")
app.add_typer(audit, name="audit")
app.add_typer(evidence_pack, name="evidence-pack")
app.command()(erase)
app.command()(stats)
app.add_typer(notice, name="notice")
app.command()(schema)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave the process with a meaningful status.

    A refusal is one line on standard error: `error: E_CODE: what, where, cure`. A mistake of
    the program itself ends with status 1 and says where it happened, but not what the
    exception says: its text could quote the plate or the key that it choked on.
    """
    _forbid_core_dumps()
    # A stop by the service manager is as orderly as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.excepthook = lambda crash: _report(crash.exc_value)
    try:
        app(args=arguments, prog_name="edge-anpr")
    except EdgeError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(int(error.exit_code))
    except Exception as error:  # noqa: BLE001 - told without its text, see above
        _report(error)
        sys.exit(1)


def _forbid_core_dumps() -> None:
    """A core dump would put every plate in memory on the disk."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A pipe as core pattern ignores that limit; a process that is not dumpable has no core.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _report(error: BaseException | None) -> None:
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    path = " < ".join(f"{Path(one.filename).name}:{one.lineno}" for one in reversed(frames[-6:]))
    sys.stderr.write(
        f"error: E_INTERNAL: {type(error).__name__} at {path}; this is a mistake of the program, "
        "please report this line\n"
    )
