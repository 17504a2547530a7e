"""P17, P13, P4, P1: no file that is deleted or replaced by an older copy reopens a box.

The gate compares the state folder, the audit log in it, the log's anchor outside it, and the keys.

Longer than 500 lines because each protective file is lost in each way.
"""

from __future__ import annotations

import base64
import itertools
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from edge.adapters.state.anchor import ANCHOR_NAME, FIRST_START_NAME
from edge.adapters.state.audit_log import CHECKPOINT_NAME, FILE_NAME, AuditTrail
from edge.adapters.state.key_files import (
    load_box_keys,
    load_box_public_keys,
    load_signer_key,
)
from edge.adapters.state.key_making import new_box_keys, new_signer_key, rotate_box_keys
from edge.adapters.state.list_counters import COUNTERS_NAME
from edge.adapters.state.policy_state import ACTIVATION, CLOCK, POLICIES
from edge.adapters.state.suspension_store import FILE_NAME as SUSPENSION
from edge.box import Recording
from edge.box.gate import require_open
from edge.errors import EdgeError, ExitCode
from edge.formats.signing import SigningKey
from edge.policy.suspension import Action, new_order
from edge.privacy.audit_events import Stopped
from edge.privacy.checkpoints import box_log
from edge.site.folder import load_site_folder
from tests.support.product import CLIPS, product, verb
from tests.support.sites import (
    BOX,
    CAMERA,
    SITE,
    MadeSite,
    make_real,
    make_site,
    sign_site,
    write_yaml,
)

CLIP = CLIPS / "street_day.mp4"
PROTECTS = (SUSPENSION, COUNTERS_NAME, ACTIVATION, POLICIES, CLOCK, FILE_NAME)
"""The parts of the state folder that protect people from the operator."""
BEHIND, TRUNCATED, ANCHOR = "E_STATE_BEHIND", "E_AUDIT_TRUNCATED", "E_ANCHOR"


@dataclass(frozen=True)
class Town:
    """A site with real keys, the signers' keys, and copies of its state after each step."""

    made: MadeSite
    keys: dict[str, SigningKey] = field(repr=False)
    mayor: Path
    office: Path
    copies: dict[str, Path]

    def activate(self) -> None:
        done = verb("policy", "activate", self.made.folder, "--key", self.mayor)
        assert done.status == 0, done.err

    def new_list(self, name: str) -> Path:
        out = self.made.folder.parent / f"{name}.bundle"
        arguments = (
            "lists", "build", self.made.folder / "lists" / "stolen.csv",
            "--issuer-key", self.office, "--box-public", self.made.box_keys, "--list", "stolen",
            "--purpose", "wanted-vehicles", "--out", out,
        )  # fmt: skip
        done = verb(*arguments)
        assert done.status == 0, done.err
        return out

    def install(self, bundle: Path) -> None:
        done = verb("lists", "install", bundle, "--site", self.made.folder)
        assert done.status == 0, done.err

    def order(self, action: Action, name: str) -> Path:
        order = new_order(SITE, action, "no-dpia", datetime.now(timezone.utc))
        for signer in ("vtc",) if action == "suspend" else ("vtc", "mayor"):
            order = order.signed_by(self.keys[signer])
        file = self.made.folder.parent / f"{name}.order.json"
        file.write_bytes(order.to_bytes())
        return file

    def obey(self, order: Path) -> None:
        done = verb("suspend", "install", order, "--site", self.made.folder)
        assert done.status == 0, done.err

    def keep(self, name: str) -> None:
        self.copies[name] = self.made.folder.parent / f"copy-{name}"
        shutil.copytree(self.made.state, self.copies[name])

    def next_policy(self) -> None:
        """A second version of the policy that narrows the first, signed and in force."""
        path = self.made.folder / "policy.yaml"
        content = yaml.safe_load(path.read_text())
        content["version"] = 2
        content["purposes"]["wanted-vehicles"]["retention_hours"] = 12
        write_yaml(path, content)
        sign_site(self.made.folder, keys=self.keys)
        self.activate()


def make_town(base: Path) -> Town:
    """A site with two lists, two orders and two policies behind it: it may open."""
    made = make_site(base, stolen=["1ABC123"])
    mayor = new_signer_key(base / "office", "mayor", datetime.now(timezone.utc))
    office = new_signer_key(base / "office", "office", datetime.now(timezone.utc))
    keys = {"mayor": load_signer_key(mayor), "office": load_signer_key(office)}
    make_real(made, keys, with_list=False)
    town = Town(made, keys, mayor, office, {})
    town.activate()
    town.install(town.new_list("first"))
    town.keep("first list")
    town.install(town.new_list("second"))
    town.obey(town.order("suspend", "first-suspend"))
    town.keep("first order")
    town.obey(town.order("resume", "first-resume"))
    town.keep("resumed")
    town.next_policy()
    town.keep("second policy")
    return town


def copied(town: Town, to: Path) -> Town:
    """The same town in a folder of its own, to be damaged."""
    shutil.copytree(town.made.folder.parent, to)
    moved = {name: to / path.name for name, path in town.copies.items()}
    made = MadeSite(to / town.made.folder.name, town.made.authority_keys)
    base = town.made.folder.parent
    mayor, office = (to / one.relative_to(base) for one in (town.mayor, town.office))
    return Town(made, town.keys, mayor, office, moved)


def site_copied(town: Town, to: Path) -> Town:
    """The town with a copy of its site alone, to be damaged; its other files are the town's."""
    folder = Path(shutil.copytree(town.made.folder, to / "damaged"))
    return replace(town, made=MadeSite(folder, town.made.authority_keys))


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """A town whose box may open its cameras."""
    town = make_town(tmp_path_factory.mktemp("resumed") / "town")
    assert refusal(town) is None
    return town


@pytest.fixture(scope="module")
def suspended(resumed: Town, tmp_path_factory: pytest.TempPathFactory) -> Town:
    """The same town after an order that closes its cameras."""
    town = copied(resumed, tmp_path_factory.mktemp("suspended") / "town")
    town.obey(town.order("suspend", "last-suspend"))
    assert refusal(town) == "E_SUSPENDED"
    return town


@pytest.fixture
def box(resumed: Town, tmp_path: Path) -> Town:
    return copied(resumed, tmp_path / "town")


@pytest.fixture
def shut_box(suspended: Town, tmp_path: Path) -> Town:
    return copied(suspended, tmp_path / "town")


def refusal(town: Town) -> str | None:
    """The code with which the real gate refuses a recording now; None if it opens."""
    try:
        now = datetime.now(timezone.utc)
        require_open(load_site_folder(town.made.folder), [Recording(CAMERA, CLIP, now)])
    except EdgeError as error:
        return error.code
    return None


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def subsets(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    names = tuple(names)
    for size in range(1, len(names) + 1):
        yield from itertools.combinations(names, size)


def replace_by(town: Town, copy: Path, names: Iterable[str]) -> None:
    for name in names:
        if (town.made.state / name).exists():
            remove(town.made.state / name)
        source = copy / name
        if source.exists():
            shutil.copytree(source, town.made.state / name) if source.is_dir() else shutil.copy(
                source, town.made.state / name
            )


def test_p17_no_deletion_of_any_set_of_files_reopens_a_suspended_box(
    suspended: Town, tmp_path: Path
) -> None:
    names = sorted(path.name for path in suspended.made.state.iterdir())
    assert set(PROTECTS) < set(names)
    others = [name for name in names if name not in PROTECTS]
    for gone in subsets(PROTECTS):
        for more in ((), others):
            town = site_copied(suspended, tmp_path)
            for name in (*gone, *more):
                remove(town.made.state / name)
            assert refusal(town) is not None, f"without {gone} and {more} it reopened"
            shutil.rmtree(town.made.folder)


@pytest.mark.parametrize("gone", ["state", "state and keyring"])
@pytest.mark.parametrize("again", ["nothing", "activate", "list", "old orders", "rotate"])
def test_p17_wiping_the_state_and_beginning_again_lifts_no_order(
    shut_box: Town, gone: str, again: str
) -> None:
    shutil.rmtree(shut_box.made.state)
    if gone == "state and keyring":
        shutil.rmtree(shut_box.made.keyring)
    folder = shut_box.made.folder
    if again == "activate":
        verb("policy", "activate", folder, "--key", shut_box.mayor)
    elif again == "list":
        verb("lists", "install", folder.parent / "second.bundle", "--site", folder)
        verb("policy", "activate", folder, "--key", shut_box.mayor)
    elif again == "old orders":
        for order in ("first-suspend", "first-resume"):
            verb("suspend", "install", folder.parent / f"{order}.order.json", "--site", folder)
        verb("policy", "activate", folder, "--key", shut_box.mayor)
    elif again == "rotate" and gone == "state":
        # New keys are a new box. With the anchor there, not even those are made.
        before = sorted(path.name for path in (folder / "keys").iterdir())
        done = verb("keys", "rotate", "box", "--site", folder)
        assert TRUNCATED in done.err
        assert sorted(path.name for path in (folder / "keys").iterdir()) == before
    assert refusal(shut_box) in {TRUNCATED, ANCHOR, "E_LEASE", "E_SUSPENDED"}
    done = verb("run", "--site", folder, "--source", CLIP, "--drain", "0")
    assert done.status in {ExitCode.STORAGE, ExitCode.CONFIG}, done.err


@pytest.mark.parametrize(
    ("gone", "code"),
    [
        (SUSPENSION, BEHIND),
        (COUNTERS_NAME, BEHIND),
        (POLICIES, BEHIND),
        (f"{POLICIES}/1.json", BEHIND),
        (f"{POLICIES}/2.json", BEHIND),
        (CLOCK, BEHIND),
        (FILE_NAME, TRUNCATED),
        (ACTIVATION, "E_LEASE"),
        (f"../keyring/{ANCHOR_NAME}", ANCHOR),
    ],
)
def test_p17_each_missing_part_shuts_the_box_with_a_code(box: Town, gone: str, code: str) -> None:
    remove(box.made.state / gone)
    assert refusal(box) == code


@pytest.mark.parametrize("copy", ["first list", "first order", "resumed"])
def test_p4_p13_p17_no_older_copy_of_any_set_of_files_is_accepted(
    resumed: Town, tmp_path: Path, copy: str
) -> None:
    for older in subsets(PROTECTS):
        changed = [
            name
            for name in older
            if name not in {CLOCK, POLICIES}  # an older clock counts as little as none
            and (copy, name) not in {("resumed", SUSPENSION), ("resumed", COUNTERS_NAME),
                                     ("first order", COUNTERS_NAME)}
        ]  # fmt: skip
        if changed or POLICIES in older:
            town = site_copied(resumed, tmp_path)
            replace_by(town, town.copies[copy], older)
            assert refusal(town) is not None, f"an older copy of {older} was accepted"
            shutil.rmtree(town.made.folder)


def test_p17_a_copy_of_the_whole_folder_from_before_an_order_is_refused(shut_box: Town) -> None:
    before = shut_box.copies["second policy"]
    shutil.rmtree(shut_box.made.state)
    shutil.copytree(before, shut_box.made.state)
    assert refusal(shut_box) == TRUNCATED
    (shut_box.made.keyring / ANCHOR_NAME).unlink()
    assert refusal(shut_box) == ANCHOR


def test_p17_another_log_of_the_same_length_is_not_the_one_that_the_anchor_saw(
    shut_box: Town,
) -> None:
    before = shut_box.copies["second policy"]
    shutil.rmtree(shut_box.made.state)
    shutil.copytree(before, shut_box.made.state)
    # Whoever has the box's key can continue the older copy, but not to the same entries.
    keys = load_box_keys(shut_box.made.folder / "keys")
    now = datetime.now(timezone.utc)
    log = box_log(SITE, BOX)
    with AuditTrail.open(shut_box.made.state, log, keys, lambda: now) as trail:
        for _ in range(3):
            trail.append(Stopped("end"))
    assert refusal(shut_box) == "E_AUDIT_FORK"


def test_p17_the_lost_orders_are_accepted_again_and_earlier_ones_are_not(box: Town) -> None:
    base = box.made.folder.parent
    (box.made.state / SUSPENSION).unlink()
    refused = verb("suspend", "install", base / "first-suspend.order.json", "--site", base / "site")
    assert "E_SUSPENSION_REPLAY" in refused.err
    assert refusal(box) == BEHIND
    box.obey(base / "first-resume.order.json")
    assert refusal(box) is None


def test_p17_replaying_an_earlier_pair_of_orders_does_not_lift_a_later_one(shut_box: Town) -> None:
    base = shut_box.made.folder.parent
    (shut_box.made.state / SUSPENSION).unlink()
    for name in ("first-suspend", "first-resume"):
        done = verb("suspend", "install", base / f"{name}.order.json", "--site", base / "site")
        assert "E_SUSPENSION_REPLAY" in done.err
    assert refusal(shut_box) == BEHIND
    shut_box.obey(base / "last-suspend.order.json")
    assert refusal(shut_box) == "E_SUSPENDED"
    shut_box.obey(shut_box.order("resume", "last-resume"))
    assert refusal(shut_box) is None


def test_p13_lost_counters_come_back_with_the_latest_list_only(box: Town) -> None:
    base = box.made.folder.parent
    shutil.rmtree(box.made.state / "lists")
    (box.made.state / COUNTERS_NAME).unlink()
    older = verb("lists", "install", base / "first.bundle", "--site", box.made.folder)
    assert "E_LIST_REPLAY" in older.err
    assert refusal(box) == BEHIND
    box.install(base / "second.bundle")
    assert refusal(box) is None


def test_p4_a_policy_that_was_replaced_is_not_activated_after_its_successor_was_deleted(
    box: Town,
) -> None:
    """Without the narrower version 2, version 3 would be compared with version 1."""
    replace_by(box, box.copies["resumed"], [ACTIVATION, POLICIES])
    path = box.made.folder / "policy.yaml"
    content = yaml.safe_load(path.read_text())
    content["version"] = 3
    content["purposes"]["wanted-vehicles"]["retention_hours"] = 24
    write_yaml(path, content)
    sign_site(box.made.folder, "mayor", keys=box.keys)
    done = verb("policy", "activate", box.made.folder, "--key", box.mayor)
    assert BEHIND in done.err
    assert refusal(box) is not None


def test_p4_an_activation_that_was_lost_is_made_again(box: Town) -> None:
    (box.made.state / ACTIVATION).unlink()
    (box.made.state / POLICIES / "2.json").unlink()  # killed between the log and the files
    box.activate()
    assert refusal(box) is None


def test_p1_a_clock_that_is_set_back_and_deleted_revives_nothing(box: Town) -> None:
    """The log has an entry of a day on which the activation was over."""
    keys = load_box_keys(box.made.folder / "keys")
    later = datetime.now(timezone.utc) + timedelta(days=400)
    with AuditTrail.open(box.made.state, box_log(SITE, BOX), keys, lambda: later) as trail:
        trail.append(Stopped("end"))
    older = '{"latest": "2026-01-01T00:00:00.000Z"}'
    for content in (None, older):
        (box.made.state / CLOCK).unlink(missing_ok=True)
        if content is not None:
            (box.made.state / CLOCK).write_text(content)
        done = verb("run", "--site", box.made.folder, "--source", CLIP, "--drain", "0")
        wanted = BEHIND if content is None else "E_SUNSET"
        assert [line.split(": ")[1] for line in done.error_lines] == [wanted], done.err
    (box.made.state / CLOCK).unlink()
    for name in ("renew", "activate"):
        done = verb("policy", name, box.made.folder, "--key", box.mayor)
        assert done.status != 0
        assert "E_SUNSET" in done.err, done.err


def test_p17_a_restored_first_start_file_opens_nothing(shut_box: Town) -> None:
    """It counts only while there is no anchor, and goes as soon as there is one."""
    token = shut_box.made.folder / "keys" / FIRST_START_NAME
    assert not token.exists()
    token.write_bytes(b"")
    shutil.rmtree(shut_box.made.state)
    assert refusal(shut_box) == TRUNCATED
    done = verb("policy", "activate", shut_box.made.folder, "--key", shut_box.mayor)
    assert TRUNCATED in done.err


def first_starts(town: Town, tmp_path: Path) -> dict[str, bytes]:
    """What somebody who can write to the keys folder can put into `first-start`."""
    keys = load_box_keys(town.made.folder / "keys")
    private = town.made.folder / "keys" / f"{keys.key_id}.private.json"
    halves = yaml.safe_load(private.read_text())
    new_box_keys(tmp_path / "other", SITE, BOX, datetime.now(timezone.utc))
    another = (tmp_path / "other" / FIRST_START_NAME).read_bytes()
    public = base64.b64encode(keys.public.raw())
    return {
        "empty": b"",
        "words": another[: another.index(b"\n") + 1],
        "of another key": another,
        "random": base64.b64encode(bytes(range(32))),
        "the private key": halves["signing"].encode(),
        "the key of lists": halves["lists"].encode(),
        "the public key": public,
        "a signature": base64.b64encode(keys.sign(b"first-start")),
        "the whole private file": private.read_bytes(),
    }


def test_p17_nobody_makes_the_first_start_file_again(shut_box: Town, tmp_path: Path) -> None:
    """Not even with the box's private key: without log and anchor the box stays shut."""
    folder = shut_box.made.folder
    token = folder / "keys" / FIRST_START_NAME
    shutil.rmtree(shut_box.made.state)
    shutil.rmtree(shut_box.made.keyring)
    commands = (
        ("policy", "activate", folder, "--key", shut_box.mayor),
        ("lists", "install", folder.parent / "second.bundle", "--site", folder),
        ("keys", "rotate", "box", "--site", folder),
        ("suspend", "status", "--site", folder),
    )
    for name, content in first_starts(shut_box, tmp_path).items():
        token.write_bytes(content)
        token.chmod(0o600)
        for command in commands:
            done = verb(*command)
            assert "not suspended" not in done.out, (name, command)
            assert command[0] == "lists" or ANCHOR in done.err, (name, command)
        assert refusal(shut_box) in {ANCHOR, "E_LEASE"}, name
        done = verb("run", "--site", folder, "--source", CLIP, "--drain", "0")
        assert done.status == ExitCode.STORAGE, (name, done.err)
        assert not (shut_box.made.keyring / ANCHOR_NAME).exists(), name


def test_p17_the_first_start_file_of_retired_keys_opens_nothing(
    shut_box: Town, tmp_path: Path
) -> None:
    folder = shut_box.made.folder
    shutil.rmtree(shut_box.made.state)
    shutil.rmtree(shut_box.made.keyring)
    shutil.rmtree(folder / "keys")
    now = datetime.now(timezone.utc)
    new_box_keys(folder / "keys", SITE, BOX, now)
    kept = (folder / "keys" / FIRST_START_NAME).read_bytes()
    rotate_box_keys(folder / "keys", now)
    fresh = (folder / "keys" / FIRST_START_NAME).read_bytes()
    assert fresh != kept
    (folder / "keys" / FIRST_START_NAME).write_bytes(kept)
    assert ANCHOR in verb("policy", "activate", folder, "--key", shut_box.mayor).err
    (folder / "keys" / FIRST_START_NAME).write_bytes(fresh)
    shut_box.activate()  # keys that were never used may be replaced before the first use


def test_p17_no_copy_of_the_first_start_file_outlasts_the_first_use(tmp_path: Path) -> None:
    """A process that is killed while it writes the file leaves one under another name."""
    made = make_site(tmp_path, stolen=["1ABC123"])
    mayor = new_signer_key(tmp_path / "office", "mayor", datetime.now(timezone.utc))
    keys = {"mayor": load_signer_key(mayor)}
    make_real(made, keys, with_list=False)
    folder = made.folder / "keys"
    token = folder / FIRST_START_NAME
    left = [folder / f".{FIRST_START_NAME}.{ending}" for ending in ("new", "0123abcd")]
    for path in left:
        path.write_bytes(token.read_bytes())
    done = verb("policy", "activate", made.folder, "--key", mayor)
    assert done.status == 0, done.err
    assert not [path for path in (token, *left) if path.exists()]


def test_p17_new_keys_under_the_same_id_open_no_list_and_sign_no_hit_of_the_old_ones(
    shut_box: Town,
) -> None:
    """Whoever deletes the keys too has a box that authority and issuers do not know."""
    folder = shut_box.made.folder
    known = load_box_public_keys(shut_box.made.box_keys)
    for path in [*(folder / "keys").glob("*.private.json"), shut_box.made.box_keys]:
        path.unlink()
    shutil.rmtree(shut_box.made.state)
    shutil.rmtree(shut_box.made.keyring)
    assert verb("keys", "new", "box", "--site", folder).status == 0
    shut_box.activate()
    done = verb("lists", "install", folder.parent / "second.bundle", "--site", folder)
    assert done.status != 0
    keys = load_box_keys(folder / "keys")
    assert not known.knows(keys.key_id)
    assert not known.accepts(keys.key_id, datetime.now(timezone.utc))


def test_p17_a_first_start_file_that_cannot_be_deleted_is_named_with_its_cure(box: Town) -> None:
    """As in a container whose keys folder is mounted read-only."""
    token = box.made.folder / "keys" / FIRST_START_NAME
    token.mkdir()
    done = verb("run", "--site", box.made.folder, "--source", CLIP, "--drain", "0")
    assert [line.split(": ")[1] for line in done.error_lines] == [ANCHOR], done.err
    assert f"rm {token}" in done.err
    token.rmdir()
    assert refusal(box) is None


def test_p17_another_box_id_in_site_yaml_is_named_before_anyone_restores_an_anchor(
    box: Town,
) -> None:
    site = box.made.folder / "site.yaml"
    site.write_text(site.read_text().replace(BOX, "box-9"))
    done = verb("run", "--site", box.made.folder, "--source", CLIP, "--drain", "0")
    assert [line.split(": ")[1] for line in done.error_lines] == [ANCHOR], done.err
    assert "of another box than site.yaml names; correct `site` and `box` there" in done.err
    assert "start again" not in done.err


def test_p17_the_status_does_not_call_a_box_free_that_lost_its_order(shut_box: Town) -> None:
    status = ("suspend", "status", "--site", shut_box.made.folder)
    assert "suspended: the cameras stay shut" in verb(*status).out
    (shut_box.made.state / SUSPENSION).unlink()
    assert BEHIND in verb(*status).err
    shutil.rmtree(shut_box.made.state)
    assert TRUNCATED in verb(*status).err
    shutil.rmtree(shut_box.made.keyring)
    assert ANCHOR in verb(*status).err


def test_p17_a_kill_between_log_and_anchor_shuts_nothing(box: Town) -> None:
    """The anchor may be behind the log; the next entry brings it up to date."""
    anchor = box.made.keyring / ANCHOR_NAME
    before = anchor.read_bytes()
    box.obey(box.order("suspend", "more-suspend"))
    box.obey(box.order("resume", "more-resume"))
    assert anchor.read_bytes() != before
    anchor.write_bytes(before)
    assert refusal(box) is None
    box.install(box.new_list("third"))
    assert anchor.read_bytes() == (box.made.state / CHECKPOINT_NAME).read_bytes()
    assert refusal(box) is None


@pytest.mark.parametrize(
    ("gone", "code"),
    [("state and anchor", ANCHOR), ("anchor", ANCHOR), ("state", TRUNCATED), ("older", TRUNCATED)],
)
def test_p17_no_new_keys_for_a_box_whose_anchor_or_log_is_lost(
    shut_box: Town, gone: str, code: str
) -> None:
    folder = shut_box.made.folder
    if "anchor" in gone:
        (shut_box.made.keyring / ANCHOR_NAME).unlink()
    if "state" in gone:
        shutil.rmtree(shut_box.made.state)
    if gone == "older":
        shutil.rmtree(shut_box.made.state)
        shutil.copytree(shut_box.copies["second policy"], shut_box.made.state)
    before = sorted(path.name for path in (folder / "keys").iterdir())
    for option in ((), ("--stolen",)):
        done = verb("keys", "rotate", "box", "--site", folder, *option)
        assert code in done.err
        assert "rotate" not in done.err
        assert "another id" in done.err
    assert sorted(path.name for path in (folder / "keys").iterdir()) == before
    assert refusal(shut_box) in {ANCHOR, TRUNCATED, "E_LEASE", "E_SUSPENDED"}


@pytest.mark.parametrize("left", [FILE_NAME, ACTIVATION, SUSPENSION, "anchor"])
def test_p17_no_first_keys_while_a_trace_of_a_box_in_use_is_left(shut_box: Town, left: str) -> None:
    folder, anchor = shut_box.made.folder, shut_box.made.keyring / ANCHOR_NAME
    for path in [*(folder / "keys").glob("*.private.json"), shut_box.made.box_keys]:
        path.unlink()
    for path in [*shut_box.made.state.iterdir(), anchor]:
        if path.name != left and not (left == "anchor" and path == anchor):
            remove(path)
    done = verb("keys", "new", "box", "--site", folder)
    assert ANCHOR in done.err
    assert "an id in site.yaml" in done.err
    assert not list((folder / "keys").glob("*.private.json"))


def test_p17_a_lost_anchor_is_not_begun_again_by_any_other_command(shut_box: Town) -> None:
    (shut_box.made.keyring / ANCHOR_NAME).unlink()
    replace_by(shut_box, shut_box.copies["second policy"], PROTECTS)
    (shut_box.made.state / CHECKPOINT_NAME).unlink()
    shut_box.install(shut_box.new_list("another"))
    verb("policy", "activate", shut_box.made.folder, "--key", shut_box.mayor)
    done = verb("run", "--site", shut_box.made.folder, "--source", CLIP, "--drain", "0")
    assert [line.split(": ")[1] for line in done.error_lines] == [ANCHOR], done.err
    assert refusal(shut_box) == ANCHOR


def test_p17_a_new_box_takes_another_id_and_knows_nothing(shut_box: Town) -> None:
    """What replaces a broken disk; authority, issuers and witness see the new box."""
    folder = shut_box.made.folder
    for path in [*(folder / "keys").glob("*.private.json"), shut_box.made.box_keys]:
        path.unlink()
    shutil.rmtree(shut_box.made.state)
    (shut_box.made.keyring / ANCHOR_NAME).unlink()
    settings = yaml.safe_load((folder / "site.yaml").read_text())
    write_yaml(folder / "site.yaml", {**settings, "box": "box-2"})
    assert verb("keys", "new", "box", "--site", folder).status == 0
    shut_box.activate()
    order = shut_box.order("suspend", "again")
    shut_box.obey(order)  # for all boxes of the site
    assert refusal(shut_box) == "E_SUSPENDED"


def test_p17_an_unsigned_policy_names_no_controller_who_resumes(shut_box: Town) -> None:
    folder, mallory = shut_box.made.folder, SigningKey.generate("mallory")
    path = folder / "policy.yaml"
    signed = path.read_bytes()
    content = yaml.safe_load(signed)
    content["approvals"]["signers"]["mayor"]["key"] = mallory.public.text
    write_yaml(path, content)
    order = new_order(SITE, "resume", "done", datetime.now(timezone.utc))
    order = order.signed_by(shut_box.keys["vtc"]).signed_by(mallory)
    file = folder.parent / "mallory.order.json"
    file.write_bytes(order.to_bytes())
    assert "E_SIGNATURE" in verb("suspend", "install", file, "--site", folder).err
    path.write_bytes(signed)
    assert refusal(shut_box) == "E_SUSPENDED"
    shut_box.obey(shut_box.order("resume", "rightly"))
    assert refusal(shut_box) is None


def test_p13_an_unsigned_policy_names_no_issuer(box: Town) -> None:
    bundle = box.new_list("third")
    path = box.made.folder / "policy.yaml"
    content = yaml.safe_load(path.read_text())
    content["lists"]["stolen"]["max_entries"] += 1
    write_yaml(path, content)
    assert "E_VERSION" in verb("lists", "install", bundle, "--site", box.made.folder).err
    content["version"] += 1
    write_yaml(path, content)
    assert "E_SIGNATURE" in verb("lists", "install", bundle, "--site", box.made.folder).err


def test_recordings_under_demo_keys_need_no_state(tmp_path: Path) -> None:
    made = make_site(tmp_path, stolen=["1ABC123"])
    town = Town(made, {}, tmp_path, tmp_path, {})
    assert refusal(town) is None
    (made.folder / "keys" / FIRST_START_NAME).unlink()
    assert refusal(town) is None
    assert not made.state.exists()


def test_p17_the_product_refuses_a_box_whose_order_was_deleted(shut_box: Town) -> None:
    (shut_box.made.state / SUSPENSION).unlink()
    run = ("run", "--site", shut_box.made.folder, "--source", CLIP, "--drain", "0")
    done = product(*run)
    assert done.status == ExitCode.STORAGE
    assert [line.split(": ")[1] for line in done.error_lines] == [BEHIND], done.err
    assert "suspend install" in done.err
    shutil.rmtree(shut_box.made.state)
    done = product(*run)
    assert done.status == ExitCode.STORAGE
    assert [line.split(": ")[1] for line in done.error_lines] == [TRUNCATED], done.err
