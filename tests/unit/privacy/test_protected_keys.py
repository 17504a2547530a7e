"""Private keys under a passphrase: only it opens them, and nothing else in the file can change."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from rfc8785 import dumps

from edge.adapters.state.key_files import (
    key_facts,
    load_authority_private_keys,
    load_box_keys,
    load_signer_key,
)
from edge.adapters.state.key_making import (
    new_authority_keys,
    new_box_keys,
    new_signer_key,
    protect_key_file,
    rotate_authority_keys,
)
from edge.errors import KeyFileError
from edge.privacy import protected_keys
from edge.privacy.key_formats import ProtectedFile
from edge.privacy.protected_keys import require_strong
from tests.support.policies import NOON

PASSPHRASE = "correct horse battery staple é"
SHORT = "elevenchars"


def says(text: str) -> Callable[[Path], str]:
    return lambda _file: text


def refused(ask: Callable[[], object]) -> KeyFileError:
    with pytest.raises(KeyFileError) as caught:
        ask()
    assert caught.value.code == "E_PASSPHRASE"
    assert int(caught.value.exit_code) == 7
    assert "horse" not in caught.value.message
    return caught.value


@pytest.fixture(scope="module", autouse=True)
def once_for_each_passphrase() -> Iterator[None]:
    """Each key is derived at the product's cost, but a second time it is only looked up."""
    patch = pytest.MonkeyPatch()
    real, known = protected_keys._key, dict[tuple[str, int, int, int, str], bytes]()

    def key(content: ProtectedFile, passphrase: str) -> bytes:
        made = content.passphrase
        asked = (made.salt, made.n, made.r, made.p, passphrase)
        if asked not in known:
            known[asked] = real(content, passphrase)
        return known[asked]

    patch.setattr(protected_keys, "_key", key)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def mayor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_signer_key(tmp_path_factory.mktemp("k"), "mayor", NOON, passphrase=PASSPHRASE)


def test_p1_a_protected_key_signs_with_its_passphrase_and_not_without(mayor: Path) -> None:
    key = load_signer_key(mayor, says(PASSPHRASE))

    assert key.public.verify(key.sign(b"message"), b"message")
    assert "--passphrase-file" in refused(lambda: load_signer_key(mayor)).message
    for wrong in ("", PASSPHRASE + " ", PASSPHRASE.upper(), PASSPHRASE.replace("é", "e")):
        told = refused(partial(load_signer_key, mayor, says(wrong)))
        assert "wrong passphrase" in told.message
    decomposed = unicodedata.normalize("NFD", PASSPHRASE)
    assert decomposed != PASSPHRASE
    assert load_signer_key(mayor, says(decomposed)) == key  # typed on another system


def test_p1_the_private_key_is_nowhere_in_a_protected_file(mayor: Path) -> None:
    key = load_signer_key(mayor, says(PASSPHRASE))
    content = mayor.read_bytes()

    for form in (key.raw(), base64.b64encode(key.raw()), key.raw().hex().encode()):
        assert form not in content
    assert mayor.stat().st_mode & 0o777 == 0o600
    assert json.loads(content)["public"] == key.public.text
    (facts,) = key_facts(mayor)  # without the passphrase
    assert (facts.owner, facts.generations[0].key_id) == ("signer mayor", key.public.key_id)


def test_the_scheme_is_the_documented_one(mayor: Path) -> None:
    """Opened here with the library alone, from the fields of the file."""
    fields = json.loads(mayor.read_text())
    encrypted = base64.b64decode(fields.pop("encrypted"))
    made = fields["passphrase"]
    assert (made["kdf"], made["n"], made["r"], made["p"]) == ("scrypt", 2**17, 8, 1)
    salt, nonce = (base64.b64decode(made[name]) for name in ("salt", "nonce"))

    key = Scrypt(salt, 32, made["n"], made["r"], made["p"]).derive(PASSPHRASE.encode())
    plain = json.loads(ChaCha20Poly1305(key).decrypt(nonce, encrypted, dumps(fields)))

    assert plain["schema"] == "edge-anpr/signer-private-key/1"
    assert plain["public"] == fields["public"]


@pytest.mark.parametrize(
    "change",
    [
        {"owner": "chief"},
        {"holds": "authority"},
        {"trial": True},
        {"key_id": "0" * 16},
        {"created_at": "2020-01-01T00:00:00Z"},
        {"encrypted": ""},
        {"encrypted": "AAAA"},
    ],
    ids=str,
)
def test_p1_no_field_of_a_protected_file_can_be_changed(
    mayor: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    file = tmp_path / mayor.name
    file.write_text(json.dumps({**json.loads(mayor.read_text()), **change}))
    file.chmod(0o600)

    refused(lambda: load_signer_key(file, says(PASSPHRASE)))


@pytest.mark.parametrize("weaker", [{"n": 1024}, {"r": 1}, {"p": 0}, {"kdf": "none"}], ids=str)
def test_p1_weaker_parameters_are_refused_before_anything_is_computed(
    mayor: Path, tmp_path: Path, weaker: dict[str, object]
) -> None:
    fields = json.loads(mayor.read_text())
    fields["passphrase"].update(weaker)
    file = tmp_path / mayor.name
    file.write_text(json.dumps(fields))
    file.chmod(0o600)

    with pytest.raises(KeyFileError, match="damaged"):
        load_signer_key(file, says(PASSPHRASE))


def test_an_authoritys_generations_have_the_same_passphrase(tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    new_authority_keys(folder, "police", NOON, passphrase=PASSPHRASE)
    first = load_authority_private_keys(folder, says(PASSPHRASE)).newest.key_id
    refused(lambda: rotate_authority_keys(folder, NOON))
    refused(lambda: rotate_authority_keys(folder, NOON, says("another passphrase")))
    assert len(list(folder.glob("*.private.json"))) == 1

    rotate_authority_keys(folder, NOON, says(PASSPHRASE))

    own = load_authority_private_keys(folder, says(PASSPHRASE))
    assert own.generation(first) is not None
    assert len(list(folder.glob("*.private.json"))) == 2
    refused(lambda: load_authority_private_keys(folder))


def test_a_passphrase_is_added_changed_and_removed_and_the_key_stays(tmp_path: Path) -> None:
    file = new_signer_key(tmp_path, "mayor", NOON)
    plain, key = file.read_bytes(), load_signer_key(file)

    protect_key_file(file, says("not asked"), lambda: PASSPHRASE)
    assert load_signer_key(file, says(PASSPHRASE)) == key
    refused(lambda: protect_key_file(file, says("wrong"), lambda: "another passphrase"))
    assert load_signer_key(file, says(PASSPHRASE)) == key
    protect_key_file(file, says(PASSPHRASE), lambda: "another passphrase")
    refused(lambda: load_signer_key(file, says(PASSPHRASE)))
    assert load_signer_key(file, says("another passphrase")) == key
    protect_key_file(file, says("another passphrase"), None)

    assert file.read_bytes() == plain
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_box_never_has_a_passphrase(tmp_path: Path) -> None:
    public = new_box_keys(tmp_path, "street", "box-1", NOON)
    (private,) = tmp_path.glob("*.private.json")

    for file in (public, private):
        refused(partial(protect_key_file, file, says(""), lambda: PASSPHRASE))
    assert load_box_keys(tmp_path).box == "box-1"


def test_a_protected_authoritys_key_on_a_box_is_refused(tmp_path: Path) -> None:
    new_box_keys(tmp_path, "street", "box-1", NOON)
    new_authority_keys(tmp_path / "a", "police", NOON, passphrase=PASSPHRASE)
    (private,) = (tmp_path / "a").glob("*.private.json")
    private.rename(tmp_path / private.name)

    with pytest.raises(KeyFileError, match="never be on a box"):
        load_box_keys(tmp_path)


@pytest.mark.parametrize("weak", ["", SHORT, " " * 20, f"  {SHORT}   "])
def test_a_short_passphrase_is_refused(weak: str) -> None:
    refused(lambda: require_strong(weak))
    require_strong(SHORT + "x")
