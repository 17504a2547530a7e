"""Take out each guard once and check that its tests fail.

Guards enforce the requirements P1 to P21 (docs/dpia.md): they are the places in the code without
which a requirement would not hold. tests/guards.toml lists them: what each one enforces, in which
file, and which tests check it. A test that still passes without its guard proves nothing. So:

  1. the files that git tracks are copied, as they are now, into a temporary folder;
  2. the tests of the chosen guards run there unchanged, and must pass;
  3. one guard at a time is taken out of the copy, and each of its tests must fail.

Nothing in the checkout is changed. The result for each guard:

  proved    every test named for it fails without it
  unproved  a test still passes without it: the test is missing or weak
  fault     the list is wrong, or a test cannot run here; a line says what to correct
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET  # what is read was written by pytest, a moment ago
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console
from rich.table import Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
LIST = Path("tests") / "guards.toml"
REQUIREMENTS = tuple(f"P{number}" for number in range(1, 22))

NO_RESULT_AFTER_S = 600
"""Time limit of a test run: a test may wait for something that no longer happens."""

BROKEN = ("NameError", "ImportError", "ModuleNotFoundError", "SyntaxError", "IndentationError")
"""A failure with one of these means that the code no longer runs, not that a test noticed."""


class GuardsError(Exception):
    """An error of the list or the checkout: one line with the place and the cure."""


class Guard(BaseModel):
    """One guard of tests/guards.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requirement: Annotated[str, Field(pattern=r"^P([1-9]|1[0-9]|2[01])$")]
    guard: str = Field(min_length=1, description="What it enforces, in one plain sentence.")
    file: str = Field(min_length=1, description="Its file, from the root.")
    old: str = Field(min_length=1, description="The guard's text; occurs in the file once.")
    new: str = Field(description="The text that replaces it.")
    tests: tuple[str, ...] = Field(min_length=1, description="As pytest names them.")

    def taken_out_of(self, text: str) -> str:
        """The file's text without the guard.

        Raises:
            GuardsError: the text does not hold the guard exactly once.
        """
        times = text.count(self.old)
        if times != 1:
            raise GuardsError(
                f"{self.file}: the guard's text occurs {times} times and must occur once; "
                f"correct `old` in {LIST}"
            )
        return text.replace(self.old, self.new)


class _List(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    guard: tuple[Guard, ...] = Field(min_length=1)


class Verdict(Enum):
    """The result of taking out a guard."""

    PROVED = "proved"
    UNPROVED = "unproved"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A guard, its result, and the reason where it is not `PROVED`."""

    guard: Guard
    verdict: Verdict
    why: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PytestRun:
    """The result of a pytest run: its exit status and each test case by name.

    Attributes:
        status: exit status of pytest; None if it did not end in time.
        cases: node id to `passed`, `skipped`, `error`, or the text of its failure.
        output: the end of its output.
    """

    status: int | None
    cases: dict[str, str] = field(default_factory=dict)
    output: str = ""

    def of(self, test: str) -> list[str]:
        """The results of a test, one for each of its parameters."""
        return [
            result
            for case, result in self.cases.items()
            if case == test or case.partition("[")[0] == test
        ]


def read_guards(root: Path) -> tuple[Guard, ...]:
    """The guards that a tree lists.

    Raises:
        GuardsError: the list cannot be read or is not valid.
    """
    path = root / LIST
    try:
        return _List.model_validate(tomllib.loads(path.read_text("utf-8"))).guard
    except OSError as error:
        raise GuardsError(f"{path}: {error.strerror}; restore it") from error
    except tomllib.TOMLDecodeError as error:
        raise GuardsError(f"{path}: {error}; correct it") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"]))
        raise GuardsError(f"{path}: {at}: {first['msg']}; correct it") from error


class Copy:
    """A copy of the tracked files of a tree, to take guards out of and run tests in.

    Args:
        root: the checkout.
        place: an empty folder.

    Raises:
        GuardsError: `root` is no git checkout.
    """

    def __init__(self, root: Path, place: Path) -> None:
        self._tree = place / "tree"
        self._report = place / "report.xml"
        # Seconds since 1970, one more at each change: compiled files are told by them and the size.
        self._changed = int(time.time())
        listed = subprocess.run(
            ["git", "-C", root, "ls-files", "-z"], capture_output=True, text=True, check=False
        )
        if listed.returncode != 0:
            raise GuardsError(f"{root}: no git checkout; run this in a clone of the repository")
        for name in filter(None, listed.stdout.split("\0")):
            if (root / name).is_file():
                (self._tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, self._tree / name)

    def run(self, tests: Sequence[str]) -> PytestRun:
        """Run these tests in the copy as it is now."""
        self._report.unlink(missing_ok=True)
        options = ["-q", "--tb=short", "-p", "no:cacheprovider", f"--junitxml={self._report}"]
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},
            "PYTHONPATH": str(self._tree),  # and not the checkout that .venv has installed
        }
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *options, *tests],
                cwd=self._tree,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=NO_RESULT_AFTER_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return PytestRun(None)
        files = {_dotted(test): test.partition("::")[0] for test in tests}
        return PytestRun(done.returncode, dict(_cases(self._report, files)), done.stdout[-2000:])

    @contextlib.contextmanager
    def without(self, guard: Guard) -> Iterator[None]:
        """Take out a guard while the block runs.

        Raises:
            GuardsError: its file is missing, or does not contain it exactly once.
        """
        path = self._tree / guard.file
        try:
            whole = path.read_text("utf-8")
        except OSError as error:
            raise GuardsError(
                f"{guard.file}: {error.strerror}; correct `file` in {LIST}"
            ) from error
        self._write(path, guard.taken_out_of(whole))
        try:
            yield
        finally:
            self._write(path, whole)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text, "utf-8")
        self._changed += 1
        os.utime(path, (self._changed, self._changed))


def _dotted(test: str) -> str:
    """A test's module and class as pytest's report names them."""
    file, *classes, _ = test.partition("[")[0].split("::")
    return ".".join([file.removesuffix(".py").replace("/", "."), *classes])


def _cases(report: Path, files: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Each test case of a report: its node id and its result."""
    if not report.exists():
        return
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest's own
        dotted, name = case.get("classname", ""), case.get("name", "")
        file = files.get(dotted, "")
        module = file.removesuffix(".py").replace("/", ".")
        classes = dotted.removeprefix(module).strip(".")
        result = "passed"
        for told in case:
            if told.tag == "failure":
                result = told.get("message") or "failed"
            elif told.tag in {"error", "skipped"}:
                result = told.tag
        yield "::".join(filter(None, (file, *classes.split("."), name))), result


def unfit(run: PytestRun, guard: Guard) -> str:
    """Why a guard's tests cannot be used; empty if all of them pass with the guard in place."""
    for test in guard.tests:
        results = run.of(test)
        if not results:
            return f"{test}: there is no such test; correct `tests` in {LIST}"
        if any(result not in {"passed", "skipped"} for result in results):
            return f"{test}: fails with the guard in its place; correct that first"
        if "passed" not in results:
            return f"{test}: is skipped here; scripts/test -rs {test.partition('::')[0]} says why"
    return ""


def judge(run: PytestRun, guard: Guard) -> Outcome:
    """The outcome for a guard, given a run of its tests without it."""

    def fault(why: str) -> Outcome:
        return Outcome(guard, Verdict.FAULT, why)

    if run.status is None:
        return fault(f"no result within {NO_RESULT_AFTER_S} s; name a test that ends")
    if run.status not in {0, 1}:
        return fault(f"pytest ended with {run.status}; correct `new`: {_last_words(run.output)}")
    for test in guard.tests:
        results = run.of(test)
        failures = [one for one in results if one not in {"passed", "skipped", "error"}]
        if "error" in results:
            return fault(f"{test}: could not be set up without the guard; name another test")
        if any(failure.startswith(BROKEN) for failure in failures):
            return fault(f"{test}: the code does not run; correct `new`: {failures[0][:100]}")
        if not failures:
            return Outcome(guard, Verdict.UNPROVED, f"{test}: still passes")
    return Outcome(guard, Verdict.PROVED)


def _last_words(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1].strip("= ") if lines else "it printed nothing"


def prove(root: Path, guards: Sequence[Guard]) -> Iterator[Outcome]:
    """Take out each guard in a copy of a tree.

    Args:
        root: the checkout.
        guards: the guards, in the order of the outcomes.

    Raises:
        GuardsError: the tree cannot be copied.
    """
    with tempfile.TemporaryDirectory(prefix="edge-anpr-guards-") as place:
        copy = Copy(root, Path(place))
        whole = copy.run(list(dict.fromkeys(test for guard in guards for test in guard.tests)))
        for guard in guards:
            started = time.monotonic()
            # A test that does not exist keeps pytest from running any: then each by itself.
            before = whole if whole.status in {0, 1} else copy.run(guard.tests)
            why = unfit(before, guard)
            if why:
                yield Outcome(guard, Verdict.FAULT, why)
                continue
            try:
                with copy.without(guard):
                    outcome = judge(copy.run(guard.tests), guard)
            except GuardsError as error:
                outcome = Outcome(guard, Verdict.FAULT, str(error))
            seconds = round(time.monotonic() - started, 1)
            yield Outcome(guard, outcome.verdict, outcome.why, seconds)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Prove the chosen guards; print one table or one JSON document."""
    parser = argparse.ArgumentParser(
        prog="scripts/guards",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit status: 0 every chosen guard is proved, 1 one is not, 2 wrong usage.\n\n"
        "example:\n  scripts/guards P10 P17",
    )
    parser.add_argument(
        "requirements",
        nargs="*",
        metavar="P1…P21",
        type=str.upper,
        help="requirements whose guards to take out (default: all)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    for name in given.requirements:
        if name not in REQUIREMENTS:
            parser.error(f"{name}: no such requirement; there are P1 to P21")
    try:
        guards = [
            guard
            for guard in read_guards(root)
            if not given.requirements or guard.requirement in given.requirements
        ]
        outcomes = []
        tell(f"{len(guards)} guards; first their tests run unchanged and must pass ...")
        for outcome in prove(root, guards):
            outcomes.append(outcome)
            told = f": {outcome.why}" if outcome.why else f" in {outcome.seconds:.0f} s"
            place = f"[{len(outcomes)}/{len(guards)}] {outcome.guard.requirement}"
            tell(f"{place} {outcome.guard.guard} {outcome.verdict.value}{told}")
    except GuardsError as error:
        tell(f"error: {error}")
        return 1
    every = bool(outcomes) and all(one.verdict is Verdict.PROVED for one in outcomes)
    if given.json:
        print(json.dumps({"all_proved": every, "guards": [told_of(one) for one in outcomes]}))
    else:
        show(outcomes)
    return 0 if every else 1


def tell(line: str) -> None:
    """Print progress on stderr."""
    print(line, file=sys.stderr, flush=True)


def told_of(outcome: Outcome) -> dict[str, object]:
    """An outcome as a JSON object."""
    return {
        **outcome.guard.model_dump(include={"requirement", "guard", "file", "tests"}),
        "verdict": outcome.verdict.value,
        "why": outcome.why,
        "seconds": outcome.seconds,
    }


def show(outcomes: Sequence[Outcome]) -> None:
    """Print the outcomes as a table."""
    table = Table("", "guard", "file", "tests", "taken out", title="guards", show_lines=False)
    for outcome in outcomes:
        guard = outcome.guard
        table.add_row(
            guard.requirement,
            guard.guard,
            guard.file,
            str(len(guard.tests)),
            outcome.verdict.value,
        )
    console = Console()
    console.print(table)
    for outcome in outcomes:
        if outcome.why:
            console.print(f"{outcome.guard.requirement} {outcome.guard.guard}", style="bold")
            console.print(f"  {outcome.verdict.value}: {outcome.why}", markup=False)
    proved = sum(outcome.verdict is Verdict.PROVED for outcome in outcomes)
    console.print(
        f"{proved} of {len(outcomes)} guards proved, of "
        f"{len({outcome.guard.requirement for outcome in outcomes})} requirements."
    )


if __name__ == "__main__":
    sys.exit(main())
