"""P11: a rule that makes an offender of everybody stops itself, on real video."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from edge.adapters.state.audit_log import read_log
from edge.domain.hit_share import LEAST_JUDGED
from edge.errors import ExitCode
from edge.privacy.audit_events import RuleStopped, StateChanged
from tests.support.notices import said
from tests.support.product import CLIPS, product
from tests.support.sites import hotlist_rule, list_csv, make_site, outbox_of, policy

COPIES = 12
"""Recordings of one street, with six vehicles each: enough to prove it."""


def test_p11_a_permit_list_of_strangers_stops_the_rule_and_shuts_the_cameras(
    tmp_path: Path,
) -> None:
    content = policy(
        rules=[
            hotlist_rule(
                id="zone",
                reveal="plate",
                type="permit_zone",
                hours_justification=said("The zone is closed at every hour of the day"),
            )
        ]
    )
    content["lists"]["stolen"]["kind"] = "exempt"
    made = make_site(tmp_path, policy_yaml=content)
    (made.folder / "lists" / "stolen.csv").write_text(list_csv(["9ZZZ999"]))
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for number in range(COPIES):
        shutil.copy(CLIPS / "street_day.mp4", recordings / f"{number:02}.mp4")

    done = product(
        "run", "--site", made.folder, "--source", recordings, "--drain", "0", "--json",
        "--recorded-at", "2026-03-10T08:25:00+01:00", timeout_s=600,
    )  # fmt: skip

    assert done.status == ExitCode.CONFIG, done.err
    assert [line for line in done.error_lines if line.startswith("error: E_HIT_SHARE: rule zone")]
    assert "9ZZZ999" not in done.err
    counts = json.loads(done.out)
    assert LEAST_JUDGED <= counts["vehicles"] < COPIES * 6, "the cameras were closed"
    with outbox_of(made) as outbox:
        assert 0 < outbox.depth() == counts["hits"] < counts["vehicles"], "earlier hits are kept"
    events = [entry.event for entry in read_log(made.state).entries]
    assert events.count(RuleStopped("zone", "E_HIT_SHARE")) == 1
    assert StateChanged("safe", "E_HIT_SHARE") in events
