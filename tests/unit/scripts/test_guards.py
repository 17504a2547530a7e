"""The list of guards is correct, and scripts/guards detects a test that needs no guard."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pytest
from jinja2 import Environment

from scripts.maintenance.guards import (
    LIST,
    REQUIREMENTS,
    Guard,
    PytestRun,
    Verdict,
    judge,
    main,
    read_guards,
)
from tests.support.source_tree import ROOT

GUARDS = read_guards(ROOT)


@lru_cache
def statements(source: str) -> tuple[tuple[str, ast.stmt], ...]:
    """The text and tree of each statement of a file; most files have several guards."""
    lines, found, end = source.splitlines(), [], 0
    for one in ast.parse(source).body:
        assert one.end_lineno is not None
        found.append(("\n".join(lines[end : one.end_lineno]), one))
        end = one.end_lineno
    return tuple(found)


def differ(one: str, other: str) -> bool:
    """Whether two sources differ in more than layout and comments.

    A statement with the same text has the same tree, which is long to write out.
    """
    ours, theirs = statements(one), statements(other)
    return len(ours) != len(theirs) or any(
        text != changed and ast.dump(tree) != ast.dump(after)
        for (text, tree), (changed, after) in zip(ours, theirs, strict=True)
    )


@pytest.fixture(autouse=True)
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the many pytest processes of this file without plugins: that takes half the time."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


# --- the list ---------------------------------------------------------------------------------


def test_every_requirement_has_a_guard() -> None:
    assert {guard.requirement for guard in GUARDS} == set(REQUIREMENTS)


def test_no_guard_is_listed_twice() -> None:
    assert len({guard.guard for guard in GUARDS}) == len(GUARDS)
    assert all(guard.guard.endswith(".") for guard in GUARDS)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda one: f"{one.requirement} {one.guard}")
def test_each_guards_text_occurs_once_and_the_file_parses_without_it(guard: Guard) -> None:
    whole = (ROOT / guard.file).read_text("utf-8")

    rest = guard.taken_out_of(whole)

    assert guard.file.startswith("edge/")
    if guard.file.endswith(".py"):
        assert differ(whole, rest)
    else:
        assert guard.file.endswith(".j2")
        template = Environment(autoescape=True)
        assert template.parse(rest) != template.parse(whole)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda one: f"{one.requirement} {one.guard}")
def test_the_tests_of_a_guard_carry_the_number_of_its_requirement(guard: Guard) -> None:
    for test in guard.tests:
        name = test.partition("[")[0].split("::")[-1]
        numbers = re.findall(r"(?<=_)p[0-9]+(?=_)", name)
        if name.startswith("test_p1_to_p20_"):  # each of its cases says which
            numbers = [test.partition("[")[2].split(" ")[0].lower()]
        assert guard.requirement.lower() in numbers, test


def test_every_test_that_the_list_names_exists(request: pytest.FixtureRequest) -> None:
    # A run of all tests has found them already; otherwise another process looks for them.
    found = {item.nodeid for item in request.session.items}
    found |= {name.partition("[")[0] for name in found}
    named = sorted({test for guard in GUARDS for test in guard.tests} - found)

    assert not named or collect(named) == ""


def collect(named: Sequence[str]) -> str:
    """What pytest says of tests that it does not find; empty if it finds all."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout[-2000:] if done.returncode else ""


# --- the program, on a house of its own -------------------------------------------------------

HOUSE = """\
def may_enter(age, ticket):
    if age < 18:
        return False
    if not ticket:
        return False
    return True
"""

TESTS = """\
import pytest
from house import may_enter


@pytest.mark.parametrize("age", [3, 17, 30])
def test_children_stay_outside(age):
    assert may_enter(age, True) is (age >= 18)


class TestTickets:
    def test_nobody_enters_without_one(self):
        assert may_enter(30, False) is False


def test_nothing_at_all():
    may_enter(30, True)


def test_red():
    assert may_enter(30, True) is False


@pytest.mark.skip
def test_another_day():
    assert not may_enter(3, True)
"""

AGE = ("    if age < 18:", "    if False:")
FILE = "tests/test_house.py"
CHILDREN = f"{FILE}::test_children_stay_outside"
TICKETS = f"{FILE}::TestTickets::test_nobody_enters_without_one"

CASES: dict[str, tuple[str, str, tuple[str, ...], str, str]] = {
    "every case of a test": (*AGE, (CHILDREN,), "proved", ""),
    "one case of a test": (*AGE, (f"{CHILDREN}[17]",), "proved", ""),
    "in a class": ("    if not ticket:", "    if False:", (TICKETS,), "proved", ""),
    "a test without a check": (*AGE, (CHILDREN, f"{FILE}::test_nothing_at_all"), "unproved",
                               f"{FILE}::test_nothing_at_all: still passes"),
    "a case that shows nothing": (*AGE, (CHILDREN, f"{CHILDREN}[30]"), "unproved",
                                  f"{CHILDREN}[30]: still passes"),
    "no such text": ("    if age < 81:", "", (CHILDREN,), "fault", "occurs 0 times"),
    "a text twice": ("        return False\n", "", (CHILDREN,), "fault", "occurs 2 times"),
    "red before": (*AGE, (f"{FILE}::test_red",), "fault", "fails with the guard in its place"),
    "skipped": (*AGE, (f"{FILE}::test_another_day",), "fault", "is skipped here"),
    "no Python": (AGE[0], "    if age <:", (CHILDREN,), "fault", "correct `new`"),
    "no such name": (AGE[0], "    if agee < 0:", (CHILDREN,), "fault", "the code does not run"),
}  # fmt: skip

NO_SUCH_TEST: dict[str, tuple[str, str, tuple[str, ...], str, str]] = {
    "one that is there": (*AGE, (CHILDREN,), "proved", ""),
    "no such test": (*AGE, (f"{FILE}::test_gone",), "fault", "there is no such test"),
    "no such file": (*AGE, ("tests/test_gone.py::test_gone",), "fault", "there is no such test"),
    "no such case": (*AGE, (f"{CHILDREN}[19]",), "fault", "there is no such test"),
}


def make_checkout(
    folder: Path, cases: dict[str, tuple[str, str, tuple[str, ...], str, str]] | None = None
) -> Path:
    """A checkout with these guards on its list; with one when none is given."""
    (folder / "tests").mkdir(parents=True)
    (folder / "house.py").write_text(HOUSE)
    (folder / FILE).write_text(TESTS)
    lines = []
    for name, (old, new, tests, *_) in (cases or {"age": (*AGE, (CHILDREN,), "", "")}).items():
        values = {"requirement": "P1", "guard": name, "file": "house.py", "old": old, "new": new}
        lines += ["[[guard]]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        lines += [f"tests = {json.dumps(tests)}"]
    (folder / LIST).write_text("\n".join(lines))
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    subprocess.run(["git", "-C", folder, "add", "."], check=True)
    return folder


@pytest.mark.parametrize("cases", [CASES, NO_SUCH_TEST], ids=["tests", "no such test"])
def test_a_guard_is_proved_only_if_each_of_its_tests_fails_without_it(
    cases: dict[str, tuple[str, str, tuple[str, ...], str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = make_checkout(tmp_path, cases)

    status = main(["--json"], root)

    told = json.loads(capsys.readouterr().out)
    assert (status, told["all_proved"]) == (1, False)
    assert [one["guard"] for one in told["guards"]] == list(cases)
    for one in told["guards"]:
        *_, verdict, says = cases[one["guard"]]
        assert one["verdict"] == verdict, one
        assert (says in one["why"]) if says else (one["why"] == "")
    # The checkout is as it was.
    assert (root / "house.py").read_text() == HOUSE
    assert sorted(path.name for path in root.iterdir()) == [".git", "house.py", "tests"]


def test_a_run_that_hits_the_time_limit_is_a_fault() -> None:
    outcome = judge(PytestRun(None), GUARDS[0])

    assert outcome.verdict is Verdict.FAULT
    assert "no result within" in outcome.why


def test_only_the_guards_of_the_selected_requirements_are_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_checkout(tmp_path)

    assert main(["P2"], root) == 1  # none is not all
    assert "0 of 0 guards proved" in capsys.readouterr().out
    assert main(["p1"], root) == 0
    assert "1 of 1 guards proved, of 1 requirements." in capsys.readouterr().out
    with pytest.raises(SystemExit) as wrong:
        main(["P22"], root)
    assert wrong.value.code == 2
    assert "P22: no such requirement" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[[guard]]", "guard = 1", "[["])
def test_an_invalid_list_is_reported_in_one_line(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_checkout(tmp_path)
    (root / LIST).write_text(text)

    assert main([], root) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {root / LIST}: ")


def test_outside_a_checkout_nothing_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / LIST).write_text((ROOT / LIST).read_text("utf-8"))

    assert main([], tmp_path) == 1
    assert "no git checkout" in capsys.readouterr().err
