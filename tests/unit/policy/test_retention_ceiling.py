"""P10: how long a hit may wait is capped by the law that governs; a policy can only shorten it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.formats.problems import MistakesError
from edge.policy.legal import RETENTION_CEILING_HOURS
from edge.site.folder import load_site_folder
from tests.support.product import product
from tests.support.sites import hotlist_rule, make_site, policy, site


def policy_of(regime: str, hours: int) -> dict[str, object]:
    content = policy(rules=[hotlist_rule(min_posterior=0.95)])  # enough under every regime
    content["legal"]["regime"] = regime
    content["purposes"]["wanted-vehicles"]["retention_hours"] = hours
    return content


def test_p10_the_retention_ceilings_are_those_of_the_law() -> None:
    assert RETENTION_CEILING_HOURS == {
        "camera_act": 720,
        "gas_speed": 720,
        "police_function_act": 720,
        "other": 72,
    }


@pytest.mark.parametrize("regime", RETENTION_CEILING_HOURS)
def test_p10_the_ceiling_itself_is_allowed_and_an_hour_more_is_not(
    regime: str, tmp_path: Path
) -> None:
    ceiling = RETENTION_CEILING_HOURS[regime]
    allowed = make_site(tmp_path / "allowed", policy_yaml=policy_of(regime, ceiling))
    load_site_folder(allowed.folder)

    over = make_site(tmp_path / "over", policy_yaml=policy_of(regime, ceiling + 1))
    with pytest.raises(MistakesError) as refused:
        load_site_folder(over.folder)
    assert refused.value.code == "E_RETENTION_CEILING"
    assert "retention_hours" in refused.value.message


def test_p10_31_days_under_the_camera_act_are_refused_before_anything_runs(tmp_path: Path) -> None:
    made = make_site(tmp_path, policy_yaml=policy_of("camera_act", 31 * 24))
    done = product("run", "--site", made.folder, "--source", made.folder / "site.yaml")

    assert done.status == 3
    assert done.error_lines[0].startswith("error: E_RETENTION_CEILING: ")
    assert not made.state.exists()


@pytest.mark.parametrize(
    ("state", "keyring"),
    [
        ("state", "state"),
        ("state", "state/keyring"),
        ("state", "./state/../state/keys"),
        ("box/state", "box"),
    ],
)
def test_p10_the_keyring_never_lies_inside_the_state_folder(
    state: str, keyring: str, tmp_path: Path
) -> None:
    folders = {"state": state, "keyring": keyring}
    made = make_site(tmp_path, site_yaml=site(folders=folders))

    with pytest.raises(ConfigError, match="outside the state folder"):
        load_site_folder(made.folder)
