"""Mutated files are read correctly or refused with a code."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import ConfigError, EdgeError
from edge.formats.yaml_document import parse_document, parse_draft
from edge.policy.activation import read_activation, read_in_force, require_lease
from edge.policy.checklist import checklist
from edge.policy.contradictions import contradictions
from edge.policy.diff import changes
from edge.policy.gate import refusal
from edge.policy.model import Policy
from edge.policy.signatures import parse_signatures, signers_of
from edge.site.folder import load_site_folder
from tests.support.example_site import POLICY, SITE, write_site
from tests.support.policies import DOCUMENT, NOON, facts, in_force, policy, signed

EXAMPLE = policy()
SIGNATURES = signed(EXAMPLE).text()
REAL = policy(real=True)
IN_FORCE = in_force(REAL)

# Difficult inputs for YAML, the models and the file system.
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


def outcome(text: str) -> Policy | None:
    try:
        return parse_document(text, Path("policy.yaml"), Policy).model
    except ConfigError:
        return None


@given(bent(POLICY))
@settings(max_examples=300, deadline=None)
def test_a_mutated_policy_is_read_or_refused(text: str) -> None:
    read = outcome(text)
    if read is not None:
        assert len(read.sha256()) == 64


@given(bent(POLICY))
@settings(max_examples=150, deadline=None)
def test_p18_a_mutated_policy_gives_a_checklist(text: str) -> None:
    try:
        draft = parse_draft(text, Path("policy.yaml"), Policy)
    except ConfigError:
        return
    for finding in checklist(draft, moment=NOON, dpia=DOCUMENT):
        assert finding.line >= 1
        assert "\n" not in finding.sentences["fr"]


@given(bent(POLICY))
@settings(max_examples=100, deadline=None)
def test_p4_a_difference_of_a_mutated_policy_is_never_silent(text: str) -> None:
    after = outcome(text)
    if after is None or list(contradictions(after)):
        return
    assert bool(changes(EXAMPLE, after)) == (EXAMPLE.document() != after.document())


@given(bent(SIGNATURES))
@settings(max_examples=200, deadline=None)
def test_p1_mutated_signatures_are_refused_or_unchanged(text: str) -> None:
    try:
        read = parse_signatures(text, Path("policy.signatures.json"))
        signed_by = signers_of(EXAMPLE, read)
    except EdgeError as error:
        assert error.code == "E_SIGNATURE"  # noqa: PT017 - both outcomes are right
        return
    assert signed_by <= {"mayor", "chief", "officer"}
    good = signed(EXAMPLE).signatures
    assert all(read.signatures[name] == good[name] for name in signed_by)


@given(bent(IN_FORCE.text()))
@settings(max_examples=200, deadline=None)
def test_p20_a_mutated_activation_opens_nothing_new(text: str) -> None:
    try:
        read = read_in_force(text, Path("activation.json"))
    except EdgeError as error:
        assert error.code == "E_LEASE"  # noqa: PT017 - both outcomes are right
        return
    late = IN_FORCE.activation.expires
    for now in (NOON, late):
        refused = refusal(facts(REAL, in_force=read), now)
        assert refused is None or refused.code.startswith("E_")
        if refused is None:
            assert now < late
            assert read.activation.lease == IN_FORCE.activation.lease


@given(bent(IN_FORCE.activation.text()))
@settings(max_examples=100, deadline=None)
def test_p20_a_mutated_record_is_refused_or_unchanged(text: str) -> None:
    try:
        read = read_activation(text, Path("record.json"))
        require_lease(REAL, "box-1", read, NOON)
    except EdgeError as error:
        assert error.code in {"E_LEASE", "E_SIGNATURE"}  # noqa: PT017 - both outcomes are right
    else:
        assert read.lease == IN_FORCE.activation.lease


@given(st.text(max_size=200) | st.lists(TROUBLE, max_size=12).map("".join))
@settings(deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    assert outcome(text) is None  # nothing so short is a policy


@given(policy=st.just(POLICY) | bent(POLICY), site=st.just(SITE) | bent(SITE))
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_mutated_site_folder_is_loaded_or_refused(
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
