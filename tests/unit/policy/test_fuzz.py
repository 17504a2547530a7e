"""Whatever stands in the two files, the outcome is a site or a `ConfigError`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.policy.document import parse_document
from edge.policy.model import Policy
from edge.policy.site_folder import load_site_folder
from tests.unit.policy.example import POLICY, SITE, write_site

# What YAML, the models and the file system find hardest to swallow.
TROUBLE = st.sampled_from(
    [
        *(
            "\t",
            "\x00",
            "\x85",
            "\u2028",
            "\ud800".encode("utf-8", "surrogatepass").decode("latin1"),
        ),
        *("&a ", "*a", "!!python/object:os.system ", "<<: ", "---\n", "...\n", "%YAML 1.2\n"),
        *("{", "}", "[", "]", "? ", ": ", "- ", "| ", "> ", '"', "'", "#", ",", "\n", "  ", "@"),
        *('"\\ud800"', '"\\0"', "null", "~", "true", ".nan", "1e999", "0x1F", "-1", "1" * 5000),
        *("2026-02-30", "24:00", "../../..", "/dev/zero", "Europe", "", "é", "\U0001f697"),
    ]
)


@st.composite
def bent(draw: st.DrawFn, text: str) -> str:
    """The text with a few parts cut out, doubled or replaced."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        new = draw(st.just("") | TROUBLE | st.just(text[start:end] * 2) | st.text(max_size=5))
        text = text[:start] + new + text[end:]
    return text


def outcome(policy: str) -> Policy | None:
    try:
        return parse_document(policy, Path("policy.yaml"), Policy).model
    except ConfigError:
        return None


@given(bent(POLICY))
@settings(max_examples=300, deadline=None)
def test_a_bent_policy_is_read_or_refused(text: str) -> None:
    policy = outcome(text)
    if policy is not None:
        assert len(policy.sha256()) == 64


@given(st.text(max_size=200) | st.lists(TROUBLE, max_size=12).map("".join))
@settings(deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    assert outcome(text) is None  # nothing so short is a policy


@given(policy=st.just(POLICY) | bent(POLICY), site=st.just(SITE) | bent(SITE))
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_bent_folder_is_loaded_or_refused(
    tmp_path_factory: pytest.TempPathFactory, policy: str, site: str
) -> None:
    folder = write_site(tmp_path_factory.mktemp("fuzz"))
    (folder / "policy.yaml").write_bytes(policy.encode("utf-8", "surrogatepass"))
    (folder / "site.yaml").write_bytes(site.encode("utf-8", "surrogatepass"))
    try:
        loaded = load_site_folder(folder)
    except ConfigError as error:
        assert str(folder) in error.message  # noqa: PT017 - both outcomes are right
    else:
        assert len(loaded.rules) == len(loaded.policy.rules)
