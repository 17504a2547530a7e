"""The command line, one small module per family of verbs."""

from __future__ import annotations

import errno
import itertools
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from edge.cli.lazy import VerbGroup
from edge.cli.logs import LogFormat, errors_as_json, place_of, print_error, set_up
from edge.errors import (
    EdgeError,
    InternalError,
    MissingExtraError,
    NoMemoryError,
    OutboxError,
    UsageError,
)

_WRONG_ARGUMENTS: Any = typer.BadParameter.__bases__[0]
"""What typer raises for wrong arguments of any kind; it has no public name."""


class LogLevel(str, Enum):
    """Log levels for standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"


class Verbs(VerbGroup):
    """Every verb of `edge-anpr`, and the module that holds it."""

    verbs: ClassVar[Mapping[str, str]] = {
        "run": "edge.cli.run:run",
        "demo": "edge.cli.demo:demo",
        "check": "edge.cli.check:check",
        "doctor": "edge.cli.doctor:doctor",
        "status": "edge.cli.status:status",
        "policy": "edge.cli.policy:app",
        "evaluate": "edge.cli.evaluate:app",
        "read": "edge.cli.read:read",
        "redact": "edge.cli.redact:redact",
        "hits": "edge.cli.hits:app",
        "desk": "edge.cli.desk:app",
        "case": "edge.cli.case:app",
        "update": "edge.cli.update:app",
        "fleet": "edge.cli.fleet:app",
        "keys": "edge.cli.keys:app",
        "models": "edge.cli.models:app",
        "lists": "edge.cli.lists:app",
        "suspend": "edge.cli.suspend:app",
        "audit": "edge.cli.audit:app",
        "evidence-pack": "edge.cli.evidence_pack:app",
        "erase": "edge.cli.erase:erase",
        "stats": "edge.cli.stats:stats",
        "notice": "edge.cli.notice:app",
        "schema": "edge.cli.schema:schema",
    }


app = typer.Typer(
    name="edge-anpr",
    cls=Verbs,
    no_args_is_help=True,
    # A pretty traceback prints local variables, and one of those could be a plate.
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Number plate recognition that reports hits and only counts everyone else.\n\n"
    "Start with [bold]edge-anpr demo[/bold]: it needs no camera and no broker.",
    epilog="Exit status: 0 done, 2 usage, 3 configuration or policy, 4 weights, 5 source, "
    "6 broker or undelivered hits, 7 keys, 8 storage.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from edge.adapters.host.system import product_version

        typer.echo(f"edge-anpr {product_version()}")
        raise typer.Exit


@app.callback()
def options(
    log_level: Annotated[
        LogLevel, typer.Option(help="Log level on standard error. A plate is never logged.")
    ] = LogLevel.WARNING,
    log_format: Annotated[
        LogFormat, typer.Option(help="Log format: lines of text, or one JSON object per line.")
    ] = LogFormat.CONSOLE,
    show_version: Annotated[  # noqa: ARG001 - its callback does it
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Options of every verb."""
    set_up(log_level.value.upper(), log_format)


def main(arguments: list[str] | None = None) -> None:
    """Run one command line in this process and exit with its status."""
    from edge.adapters.host.machine import forbid_core_dumps, open_standard_streams

    open_standard_streams()
    forbid_core_dumps()
    # SIGTERM from the service manager stops the program in the same way as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.excepthook = lambda crash: _report(crash.exc_value)
    sys.exit(execute(sys.argv[1:] if arguments is None else arguments))


def execute(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status.

    An error is one line on standard error: `error: E_CODE: what, where, cure`; one for each mistake
    of a file that no command lists. With `--json` it
    is one JSON object. A bug ends with status 1. Its line says where it happened, without
    the text of the exception, which could quote a plate or a key.
    """
    as_json = _wants_json(arguments)
    errors_as_json(as_json)
    try:
        return _invoke(list(arguments), as_json=as_json)
    except EdgeError as error:
        print_error(error)
        return int(error.exit_code)
    except Exception as error:  # noqa: BLE001 - reported without its text, see above
        return _report(error)


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether `--json` is among the options."""
    return "--json" in itertools.takewhile(lambda word: word != "--", arguments)


def _invoke(arguments: list[str], *, as_json: bool) -> int:
    """The exit status of one command line.

    Raises:
        EdgeError: the command refuses; with `as_json` also where the arguments are wrong.
    """
    try:
        return app(args=arguments, prog_name="edge-anpr", standalone_mode=not as_json) or 0
    except SystemExit as left:
        return int(left.code or 0)
    except typer.Abort:
        return 1
    except ModuleNotFoundError as error:
        missing = MissingExtraError.of(error)
        if missing is None:
            raise
        raise missing from None
    except PermissionError as error:
        raise OutboxError(
            f"{error.filename}: permission denied; run this as the user that owns it"
        ) from None
    except _WRONG_ARGUMENTS as error:
        raise UsageError(" ".join(error.format_message().split())) from None


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Whether memory ran out: in Python, in a system call, or while loading a library."""
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, ImportError) and "failed to map segment" in str(error))
    )


def _disk_full(error: BaseException | None) -> OutboxError | None:
    """The error if a file, such as the one of standard output, found no room; else None.

    What commands write to by name has its own error; standard output has no name here.
    """
    from edge.formats.atomic_files import disk_full

    if not isinstance(error, OSError):
        return None
    full = disk_full(Path(error.filename or "standard output"), error)
    if full is None:
        return None
    return OutboxError(
        f"{full.message}. What the command has changed before stays, so look at that before you "
        "run it again",
        code=full.code,
    )


def _report(error: BaseException | None) -> int:
    """Print that the program has a bug or ran out of memory; return the exit status."""
    reported: EdgeError = InternalError(
        f"{type(error).__name__} at {place_of(error)}; this is a bug in the program, please "
        "report this line"
    )
    full = _disk_full(error)
    if full is not None:
        reported = full
    elif _is_out_of_memory(error):
        reported = NoMemoryError(
            f"out of memory at {place_of(error)}; give this box, or its service, more memory"
        )
    print_error(reported)
    return int(reported.exit_code)
