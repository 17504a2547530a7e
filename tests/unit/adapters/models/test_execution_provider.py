"""A session that fell back to the CPU is refused."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from edge.adapters.models.session import PROVIDERS, check_provider, session_options
from edge.errors import ModelError


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session as ONNX Runtime returns it, which silently drops a provider whose driver fails."""

    providers: tuple[str, ...]

    def get_providers(self) -> list[str]:
        return list(self.providers)


@pytest.mark.parametrize("provider", list(PROVIDERS))
def test_a_session_on_the_requested_provider_is_accepted(provider: str) -> None:
    check_provider(OpenedSession(PROVIDERS[provider]), provider)


@pytest.mark.parametrize(
    ("provider", "running"),
    [
        ("cuda", ("CPUExecutionProvider",)),
        ("tensorrt", ("CPUExecutionProvider",)),
        ("tensorrt", ("CUDAExecutionProvider", "CPUExecutionProvider")),
        ("cuda", ()),
    ],
)
def test_a_session_that_fell_back_is_refused(provider: str, running: tuple[str, ...]) -> None:
    with pytest.raises(ModelError, match=f"{provider} is not supported") as refused:
        check_provider(OpenedSession(running), provider)

    assert "choose cpu" in refused.value.message


def test_threads_do_not_spin_while_idle() -> None:
    options = session_options(2)
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"
