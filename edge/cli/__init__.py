"""The command line, one small module per family of verbs."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import resource
import signal
import sys
import threading
from enum import Enum
from typing import Annotated

import typer

from edge.cli.audit import app as audit
from edge.cli.check import check
from edge.cli.demo import demo
from edge.cli.doctor import doctor
from edge.cli.erase import erase
from edge.cli.evaluate import app as evaluate
from edge.cli.evidence_pack import app as evidence_pack
from edge.cli.hits import app as hits
from edge.cli.keys import app as keys
from edge.cli.lists import app as lists
from edge.cli.logs import LogFormat, place_of, set_up, tell_refusal
from edge.cli.models import app as models
from edge.cli.notice import app as notice
from edge.cli.policy import app as policy
from edge.cli.read import read
from edge.cli.redact import redact
from edge.cli.run import run
from edge.cli.schema import schema
from edge.cli.stats import stats
from edge.cli.status import status
from edge.cli.suspend import app as suspend
from edge.errors import EdgeError, NoMemoryError

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
    log_format: Annotated[
        LogFormat, typer.Option(help="How to log: for a person, or one JSON object a line.")
    ] = LogFormat.CONSOLE,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
) -> None:
    """Options of every verb."""
    if show_version:
        from edge.adapters.host.system import product_version

        typer.echo(f"edge-anpr {product_version()}")
        raise typer.Exit
    set_up(log_level.value.upper(), log_format)


app.command()(run)
app.command()(demo)
app.command()(check)
app.command()(doctor)
app.command()(status)
app.add_typer(policy, name="policy")
app.add_typer(evaluate, name="evaluate")
app.command()(read)
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
        tell_refusal(str(error))
        sys.exit(int(error.exit_code))
    except Exception as error:  # noqa: BLE001 - told without its text, see above
        _report(error)
        sys.exit(int(NoMemoryError.exit_code) if _is_for_want_of_memory(error) else 1)


def _forbid_core_dumps() -> None:
    """A core dump would put every plate in memory on the disk."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A pipe as core pattern ignores that limit; a process that is not dumpable has no core.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _is_for_want_of_memory(error: BaseException | None) -> bool:
    """Whether the system gave no memory: to Python, to a call of the kernel, or for a library."""
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, ImportError) and "failed to map segment" in str(error))
    )


def _report(error: BaseException | None) -> None:
    if _is_for_want_of_memory(error):
        message = f"no memory is left at {place_of(error)}; give this box, or its service, more"
        tell_refusal(str(NoMemoryError(message)))
        return
    tell_refusal(
        f"E_INTERNAL: {type(error).__name__} at {place_of(error)}; this is a mistake of "
        "the program, please report this line"
    )
