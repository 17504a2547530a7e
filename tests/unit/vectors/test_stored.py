"""What was made before still opens and verifies: keys, hits, lists, databases, packs."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest

from edge.errors import EdgeError
from tests.support.fakes import SetClock
from tests.unit.vectors.cast import (
    AUTHORITY,
    BOX,
    CAMERA,
    COMPUTED,
    EXPIRES,
    HIT_IDS,
    INPUT,
    KEY_MADE,
    KEY_ROTATED,
    LIST,
    NOW,
    SITE,
    STORED,
    Keys,
    context,
    evidence,
    policy,
    stored_keys,
    unpacked,
    unpadded,
)
from tests.unit.vectors.product import (
    PASSKEY_SCHEMA,
    HitStore,
    KeyFileError,
    Keyring,
    Outbox,
    PublicKey,
    ReviewReason,
    Signature,
    SigningKey,
    StoredItem,
    list_terms,
    load_box_keys,
    load_box_public_keys,
    load_signer_key,
    open_bundle,
    open_sealed,
    parse_bundle,
    parse_checkpoints,
    parse_finding_key,
    parse_order,
    parse_signatures,
    read_activation,
    read_box_folders,
    read_in_force,
    require_lease,
    require_quorum,
    rotate_box_keys,
    signing_keys,
    verify_findings,
    verify_hit,
    verify_log,
    verify_pack,
    verify_receipt,
)
from tests.unit.vectors.stored import HIT_TOPIC, ITEM, TOO_OLD, retention_key


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return stored_keys(tmp_path)


def computed(name: str) -> bytes:
    return (COMPUTED / name).read_bytes()


def test_stored_key_files_can_be_loaded(keys: Keys) -> None:
    box, authority = keys.box_public, keys.authority

    assert (box.site, box.box, box.trial) == (SITE, BOX, False)
    assert len(box.public_keys()) == 2
    assert box.current == keys.box.key_id
    assert keys.box.lists.public_key() == box.lists
    assert len(authority.public_keys()) == 2
    assert authority.newest.key_id == keys.authority_public.key_id
    assert authority.newest.created_at == KEY_ROTATED
    assert set(signing_keys(keys.authority_file)) == set(authority.public_keys())


def test_the_stored_signer_key_verifies_the_stored_signature(keys: Keys) -> None:
    signer = load_signer_key(keys.signer_file)
    signature = base64.b64decode(
        Signature.model_validate_json(computed("signing/signature.json")).signature
    )

    assert (signer.signer, signer.demo) == ("editor", False)
    assert signer.public.verify(signature, computed("signing/canonical.bin"))


def test_stored_box_keys_without_a_list_key_can_be_loaded(keys: Keys) -> None:
    folder = keys.folder / "first-box-key-files"
    box = load_box_keys(folder)

    assert load_box_public_keys(folder / f"{SITE}.{BOX}.public.json").current == box.key_id
    with pytest.raises(KeyFileError):
        _ = box.lists
    public = load_box_public_keys(rotate_box_keys(folder, NOW))
    assert load_box_keys(folder).lists.public_key() == public.lists


@pytest.mark.parametrize("number", range(3))
def test_a_stored_hit_of_the_earlier_schema_verifies_and_opens(keys: Keys, number: int) -> None:
    payload = (STORED / f"hit-{number}.json").read_bytes()
    hit = verify_hit(payload, keys.box_public)
    about = hit.seal_context()
    opened = open_sealed(hit.sealed_bytes, about, authority=keys.authority, box=keys.box_public)
    wanted = evidence(number)

    assert payload == computed(f"hits/{number}-pictures.payload.json") == hit.to_payload()
    assert opened.plate.reveal() == wanted.plate.reveal()
    assert [each.text.reveal() for each in opened.alternatives] == ["1A8C123", "1ABC128"]
    assert [(each.name, each.jpeg, each.mask) for each in opened.pictures] == [
        (each.name, each.jpeg, None) for each in wanted.pictures
    ]


def test_a_stored_hit_verifies_and_opens_to_the_byte(keys: Keys) -> None:
    hit = verify_hit((STORED / "hit-2.evidence-2.json").read_bytes(), keys.box_public)
    about = hit.seal_context()
    opened = open_sealed(hit.sealed_bytes, about, authority=keys.authority, box=keys.box_public)

    assert about.info() == computed("hits/2-pictures.info.json") == context(keys, 2).info()
    assert opened.pictures == evidence(2).pictures
    body = unpadded(hit.sealed_bytes, keys.authority.newest.sealing, about.info())
    assert body == computed("hits/2-pictures.body.bin")


@pytest.mark.parametrize("number", range(3))
def test_a_stored_receipt_confirms_its_hit(keys: Keys, number: int) -> None:
    receipt = verify_receipt(
        computed(f"hits/{number}-pictures.receipt.json"), keys.authority_public
    )

    assert receipt.authority == AUTHORITY
    assert receipt.confirms((STORED / f"hit-{number}.json").read_bytes())


@pytest.mark.parametrize("name", ["stolen.bundle", "stolen.shared", "stolen.body-2.shared"])
def test_a_stored_list_bundle_opens(keys: Keys, name: str) -> None:
    bundle = parse_bundle((STORED / name).read_bytes())
    content = open_bundle(bundle, keys.box, list_terms(policy())["stolen"], now=NOW)

    assert (content.list_id, content.issuer, content.counter) == (
        LIST.list_id,
        LIST.issuer,
        LIST.counter,
    )
    assert [
        (each.entry_id, each.plate.reveal(), each.start, each.end, each.basis, each.issuer)
        for each in content.entries
    ] == [
        (each.entry_id, each.plate.reveal(), each.start, each.end, each.basis, each.issuer)
        for each in LIST.entries
    ]


def test_the_document_in_a_stored_list_bundle_is_that_of_today(keys: Keys) -> None:
    bundle = parse_bundle((STORED / "stolen.bundle").read_bytes())
    document = unpadded(bundle.sealed, keys.box.lists, computed("lists/info.json"))
    assert document == computed("lists/document.bin")


def test_a_stored_item_opens_under_its_retention_key() -> None:
    parts = json.loads((STORED / "item.json").read_bytes())
    item = StoredItem(*(base64.b64decode(parts[name]) for name in ("wrapped_key", "body")))

    assert retention_key().open("item-1", item) == ITEM
    assert retention_key().open("item-2", item) is None


def test_a_stored_outbox_and_its_keyring_open_to_their_hits(tmp_path: Path) -> None:
    unpacked("keyring.bin.gz", tmp_path / "ring" / "keyring.bin")
    unpacked("outbox.sqlite3.gz", tmp_path / "box" / "outbox.sqlite3")
    clock = SetClock(NOW + timedelta(hours=1))

    with (
        Keyring.open(tmp_path / "ring", clock) as ring,
        Outbox.open(tmp_path / "box", ring, reserve_mib=0) as outbox,
    ):
        hit = outbox.next_pending()
        assert hit is not None
        assert (hit.hit_id, hit.camera, hit.topic) == (HIT_IDS[1], CAMERA, HIT_TOPIC)
        assert not hit.receipt_required
        assert hit.expires_at <= EXPIRES
        assert hit.payload == (STORED / "hit-1.json").read_bytes()
        assert outbox.find(HIT_IDS[0]) == (STORED / "hit-0.json").read_bytes()
        assert outbox.hit_ids() == HIT_IDS[:2]
        assert (outbox.expired, outbox.unreadable) == (0, 0)
        assert outbox.next_counter() == 3


def test_a_stored_keyring_destroys_its_expired_keys(tmp_path: Path) -> None:
    file = unpacked("keyring.bin.gz", tmp_path / "ring" / "keyring.bin")

    with Keyring.open(file.parent, SetClock(EXPIRES)) as ring:
        assert ring.key_ids() == frozenset()
    assert not any(file.read_bytes()[3 * 128 :])


def test_a_stored_inbox_gives_its_hits(tmp_path: Path) -> None:
    unpacked("inbox.sqlite3.gz", tmp_path / "inbox" / "inbox.sqlite3")

    with HitStore.open(tmp_path / "inbox") as store:
        rejected, waiting = store.hits()
        assert (rejected.hit_id, rejected.reason) == (HIT_IDS[0], ReviewReason.MISREAD)
        assert (waiting.hit_id, waiting.reviewed) == (HIT_IDS[1], False)
        assert waiting.counter == 4712
        assert waiting.human_check_required
        assert store.payload(HIT_IDS[1]) == (STORED / "hit-1.json").read_bytes()
        (aside,) = store.aside()
        assert (aside.topic, aside.why, aside.payload) == (HIT_TOPIC, "E_SIGNATURE", TOO_OLD)


def test_a_stored_evidence_pack_verifies(keys: Keys) -> None:
    pack = verify_pack((STORED / "pack.zip").read_bytes(), keys=keys.box_public.public_keys())

    assert (pack.manifest.site, pack.manifest.box) == (SITE, BOX)
    assert len(pack.log.entries) == 5
    assert [(one.sha256, one.lacking) for one in pack.policies] == [(policy().sha256(), ())]
    assert pack.accuracy is not None
    assert pack.accuracy.exact_count == 24


@pytest.mark.parametrize("name", ["box", "authority"])
def test_a_stored_log_verifies_against_its_checkpoints(keys: Keys, name: str) -> None:
    notes = parse_checkpoints(computed(f"audit/{name}.checkpoints.txt"))
    file = keys.box_file if name == "box" else keys.authority_file
    verified = verify_log(computed(f"audit/{name}.log"), keys=signing_keys(file), witness=notes)

    assert verified.witnessed == len(verified.entries) == 59
    assert verified.vouched


def test_stored_findings_verify_with_the_keys_of_their_people() -> None:
    signers = {one: (SigningKey.demo_of(one).public,) for one in ("els", "tom")}
    both = [computed(f"findings/{name}.json") for name in ("first", "second")]
    assert [one.outcome.value for one in verify_findings(both, signers)] == [
        "referred",
        "confirmed",
    ]

    passkey = parse_finding_key(computed("findings/passkey.key.txt").decode().strip())
    (finding,) = verify_findings([computed("findings/passkey.json")], {"tom": (passkey,)})
    assert (finding.schema_, finding.person.name) == (PASSKEY_SCHEMA, "tom")


def test_a_pack_with_a_policy_of_format_2_is_refused_and_says_which_version_verifies_it() -> None:
    with pytest.raises(EdgeError, match="verify the pack with the version that made it") as caught:
        verify_pack((STORED / "pack.policy-2.zip").read_bytes())
    assert caught.value.code == "E_PACK"


def test_a_stored_policy_is_signed_and_in_force() -> None:
    text = computed("box-state/activation.json").decode()
    in_force = read_in_force(text, Path("activation.json"))
    signed = parse_signatures(computed("policy/policy.signatures.json").decode(), Path("s.json"))
    lease = read_activation(computed("activation/activation.json").decode(), Path("a.json"))

    assert in_force.policy == policy()
    assert in_force.activation == lease
    require_quorum(policy(), signed)
    require_lease(policy(), BOX, lease, NOW)


@pytest.mark.parametrize("name", ["suspend-site", "suspend-box", "resume-box"])
def test_a_stored_order_is_signed(name: str) -> None:
    order = parse_order(computed(f"orders/{name}.json"))
    key = PublicKey.parse(policy().suspension.keys["vtc"].key)

    assert order.is_signed_by(key)


def test_a_stored_site_file_is_read() -> None:
    box = read_box_folders(INPUT)

    assert (box.site, box.box) == (SITE, BOX)
    assert box.public_keys.name == f"{SITE}.{BOX}.public.json"


def test_stored_keys_have_the_creation_time_of_the_vectors(keys: Keys) -> None:
    content = json.loads(keys.box_file.read_bytes())

    assert [each["created_at"] for each in content["generations"]] == [
        each.isoformat().replace("+00:00", "Z") for each in (KEY_MADE, KEY_ROTATED)
    ]
