"""The example sites in config/ load and are up to date."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

import pytest

from edge.policy.signatures import SIGNATURES_FILE, read_signatures, require_quorum
from edge.site.folder import SiteFolder, load_site_folder

CONFIG = Path(__file__).parents[3] / "config"
EXAMPLES = sorted(file.parent.name for file in CONFIG.glob("*/policy.yaml"))

# When the bundled clips were recorded: examples are judged at that time.
RECORDED = datetime.fromisoformat("2026-03-10T08:25:00+01:00")


def example(name: str) -> SiteFolder:
    return load_site_folder(CONFIG / name)


def test_every_example_of_the_documentation_exists() -> None:
    assert EXAMPLES == ["car-free-zone", "demo", "school-street"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_loads(name: str) -> None:
    assert example(name).rules


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_covers_every_camera_of_its_policy(name: str) -> None:
    loaded = example(name)
    assert set(loaded.settings.cameras) == set(loaded.policy.cameras)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_lists_of_an_example_have_entries_valid_at_the_clips_recording_time(
    name: str,
) -> None:
    loaded = example(name)
    for list_id in loaded.policy.lists:
        trial = loaded.trial_list(list_id)
        entries = () if trial is None else trial.read()
        assert any(entry.start <= RECORDED < entry.end for entry in entries), list_id


def test_the_school_street_schedule_includes_the_clips_recording_time() -> None:
    (rule,) = example("school-street").rules
    assert rule.schedule is not None
    assert rule.schedule.is_active(RECORDED)
    assert not rule.schedule.is_active(datetime.fromisoformat("2026-04-07T08:25:00+02:00"))
    assert not rule.schedule.is_active(datetime.fromisoformat("2026-03-10T08:50:00+01:00"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_p1_an_example_is_signed_by_every_role_with_demo_keys_and_says_so(name: str) -> None:
    policy = example(name).policy

    require_quorum(policy, read_signatures(CONFIG / name / SIGNATURES_FILE))
    assert policy.demo
    assert all(holder.demo for _, _, holder in policy.key_holders())


@pytest.mark.parametrize("name", EXAMPLES)
def test_p2_the_dpia_of_an_example_has_the_signed_digest(name: str) -> None:
    dpia = example(name).policy.dpia

    assert hashlib.sha256((CONFIG / name / dpia.file).read_bytes()).hexdigest() == dpia.sha256


@pytest.mark.parametrize("name", EXAMPLES)
def test_p14_an_examples_texts_differ_in_each_language(name: str) -> None:
    for purpose in example(name).policy.purposes.values():
        texts = {purpose.text.nl, purpose.text.fr, purpose.text.de, purpose.text.en}
        assert len(texts) == 4
