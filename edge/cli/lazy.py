"""Commands that are imported when they are used, so that `--help` and completion are quick."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from functools import cache
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command


class VerbGroup(TyperGroup):
    """A group that imports the module of a verb when that verb is asked for.

    Attributes:
        verbs: `module:name` of a function or a `typer.Typer`, by verb, in the order of the help.
    """

    verbs: ClassVar[Mapping[str, str]] = {}

    # typer has its own copy of click, whose names are private: hence no types.
    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401
        super().__init__(**attributes)
        self.commands = _Commands(self.verbs, self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - see above
        _name_no_type(self)
        super().format_help(ctx, formatter)


class MakeByDefault(TyperGroup):
    """A group whose command `make` may be left out: `notice SITE` runs `notice make SITE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - see above
        if args and args[0] not in self.commands and args[0] not in {"--help", "-h"}:
            args = ["make", *args]
        return super().parse_args(ctx, args)


class RunByDefault(TyperGroup):
    """A group whose command `run` may be left out: `retain --desk D` runs `retain run --desk D`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - see above
        if not args or (args[0] not in self.commands and args[0] not in {"--help", "-h"}):
            args = ["run", *args]
        return super().parse_args(ctx, args)


class _Commands(MutableMapping[str, Any]):
    """Commands by name; those of `lazy` are imported when they are first read."""

    def __init__(self, lazy: Mapping[str, str], ready: Mapping[str, Any]) -> None:
        self._lazy = dict(lazy)
        self._ready = dict(ready)

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - see above
        if name not in self._ready and name in self._lazy:
            self._ready[name] = _load(name, self._lazy[name])
        return self._ready[name]

    def __setitem__(self, name: str, command: Any) -> None:  # noqa: ANN401 - see above
        self._ready[name] = command

    def __delitem__(self, name: str) -> None:
        self._lazy.pop(name, None)
        del self._ready[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._lazy, *self._ready]))

    def __len__(self) -> int:
        return len({*self._lazy, *self._ready})


@cache
def _load(name: str, place: str) -> Any:  # noqa: ANN401 - see above
    module, _, attribute = place.partition(":")
    found: typer.Typer | Callable[..., None] = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False)
        found.command(name)(function)
    command: Any = get_command(found)
    command.name = name
    # The whole program completes, not each of its verbs.
    command.params = [one for one in command.params if not one.name.endswith("_completion")]
    _wrap(command)
    return command


def _name_no_type(command: Any) -> None:  # noqa: ANN401 - see above
    """Leave the type out of the help of each flag, because a flag takes no value."""
    for one in (*command.params, command.get_help_option(typer.Context(command))):
        if getattr(one, "is_flag", False):
            one.metavar = ""


def _wrap(command: Any) -> None:  # noqa: ANN401 - see above
    """Join the lines of each paragraph of a help, so that the terminal's width wraps them."""
    _name_no_type(command)
    if command.help:
        paragraphs = command.help.split("\n\n")
        command.help = "\n\n".join(" ".join(one.split()) for one in paragraphs)
    for inner in getattr(command, "commands", {}).values():
        _wrap(inner)
