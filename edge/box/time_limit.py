"""A limit on the time that one piece of work may take, even if it hangs in a library."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def within(limit_s: float, work: Callable[[], Result]) -> Result:
    """The result of `work`, which runs in a thread of its own.

    A thread cannot be ended from outside: if the work hangs, its thread stays until the process
    ends, which does not wait for it.

    Args:
        limit_s: how long it may take, in seconds.
        work: what to do; its error is raised here.

    Raises:
        TimeoutError: it was not done in time.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, name="within", daemon=True)
    thread.start()
    thread.join(limit_s)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError
    return results[0]
