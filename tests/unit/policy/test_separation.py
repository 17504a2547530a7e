"""One key, one duty; one person, no two duties that exclude each other; receipts with real keys."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge.formats.signing import SigningKey
from edge.formats.yaml_document import read_document
from edge.policy.checklist import problems, unready
from edge.policy.contradictions import contradictions
from edge.policy.flaws import flaws
from edge.policy.model import Policy
from edge.policy.separation import EXAMPLE_SIGNERS, OtherKey, folded, keys_of_others
from tests.support.policies import DOCUMENT, KEYS, document, policy, write
from tests.support.product import REPOSITORY

PLACES = {
    "controller": ("approvals", "signers", "mayor"),
    "police": ("approvals", "signers", "chief"),
    "dpo": ("approvals", "signers", "officer"),
    "suspension": ("suspension", "keys", "vtc"),
    "issuer": ("issuers", "office"),
}
PAIRS = list(itertools.combinations(PLACES, 2))
TOGETHER = {("dpo", "suspension"), ("controller", "issuer"), ("police", "issuer")}

# One person, written in other ways: case, spaces, accents and punctuation. Invisible and
# compatible characters are refused in names; `folded` knows them nevertheless.
SPELLINGS = [
    "René Müller-Devos",
    "rené müller-devos",
    "RENÉ MÜLLER-DEVOS",
    "  René   Müller-Devos ",
    "René\u00a0Müller\u2011Devos",
    "Rene\u0301 Mu\u0308ller Devos",
    "Rene Muller Devos",
    "René, Müller (Devos)",
]
UNSEEN = ["Ren\u200bé Müller-Devos\u202e", "Ｒｅｎé Müller–Devos", "René Müller\u00ad-Devos"]


def at(content: dict[str, Any], duty: str) -> dict[str, Any]:
    found = content
    for step in PLACES[duty]:
        found = found[step]
    return found


def codes(what: Policy) -> list[str]:
    """The codes of the flaws that refuse the policy."""
    return [flaw.code for flaw in flaws(what) if flaw.code.startswith("E_")]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_p1_two_duties_never_share_a_key(one: str, other: str, tmp_path: Path) -> None:
    def same(content: dict[str, Any]) -> None:
        at(content, other)["key"] = at(content, one)["key"]

    shared = policy(same, real=True)

    (flaw,) = [flaw for flaw in flaws(shared) if flaw.code == "E_DUTIES"]
    assert flaw.location == (*PLACES[other], "key")
    assert ".".join(PLACES[one]) in flaw.text("en")
    assert codes(policy(real=True)) == []
    file = write(tmp_path, document(same, real=True))
    (problem,) = problems(read_document(file, Policy))  # refused by every verb that loads it
    assert problem.code == "E_DUTIES"
    refusal = unready(shared, DOCUMENT)  # and by sign, activate and the gate
    assert refusal is not None
    assert refusal.code == "E_DUTIES"


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_p1_one_person_has_no_two_duties_that_exclude_each_other(
    one: str, other: str, spelling: str
) -> None:
    def same(content: dict[str, Any]) -> None:
        at(content, one)["name"] = SPELLINGS[0]
        at(content, other)["name"] = spelling

    found = codes(policy(same, real=True))

    assert found == ([] if (one, other) in TOGETHER else ["E_DUTIES"])


def test_a_second_key_of_a_person_for_the_same_duty_is_allowed() -> None:
    def spare(content: dict[str, Any]) -> None:
        signers = content["approvals"]["signers"]
        key = SigningKey.generate("mayor-spare").public.text
        signers["mayor-spare"] = {**signers["mayor"], "key": key}

    assert codes(policy(spare, real=True)) == []


@pytest.mark.parametrize("spelling", [*SPELLINGS, *UNSEEN])
def test_every_spelling_of_a_name_is_folded_alike(spelling: str) -> None:
    assert folded(spelling) == "renemullerdevos"


def test_one_language_is_enough_to_recognise_a_person() -> None:
    def same(content: dict[str, Any]) -> None:
        names = {"nl": "Jan Peeters", "fr": "Autre", "de": "Andere", "en": "Other"}
        at(content, "controller")["name"] = {**names, "fr": "Jean Pierre"}
        at(content, "police")["name"] = {
            **names,
            "nl": "JEAN PIERRE",
            "de": "Klaus Weber",
            "en": "Anna Smith",
        }

    assert "E_DUTIES" in codes(policy(same, real=True))


ONE_PERSON = [
    *("Jan Peeters", "Peeters Jan", "PEETERS, Jan", "jan  peeters", "Jan-Peeters"),
    *("dhr. Jan Peeters", "Dhr Peeters, Jan", "de heer Jan Peeters", "M. Jan Peeters"),
    *("Mr. Jan Peeters", "Herr Jan Peeters", "Dr. ir. Jan Peeters", "prof. dr. Jan PEETERS"),
    *("ing. Jan Peeters", "Monsieur Jan Peeters", "Jan Peeters, MSc", "Jan Peeters (schepen)"),
    *("(burgemeester) Jan Peeters", "Jan [wnd.] Peeters", "Jan (J.) Peeters", "Mevr. Peeters Jan"),
    *("Burgemeester Jan Peeters", "Jan Peeters, burgemeester", "M. le bourgmestre Jan Peeters"),
    *("Eerste hoofdcommissaris Jan Peeters", "Jan Peeters, algemeen directeur", "HINP Jan Peeters"),
    *("Waarnemend burgemeester Jan Peeters", "wnd. korpschef Jan Peeters", "Graaf Jan Peeters"),
    *("Jan Peeters - politie", "Jan Peeters, korpschef PZ Voorbeeld", "Commandant Jan Peeters"),
    *("advocaat Jan Peeters", "Jan Peeters (DPO) extern", "Jan Peeters namens de korpschef"),
    *("Jan Peeters | stad Gent", "Jan Peeters, premier échevin", "Maître Jan Peeters, avocat"),
    *("Bürgermeister Jan Peeters", "Polizeikommissar Jan Peeters", "First alderman Jan Peeters"),
    *("Korpschef Peeters Jan", "Peeters Jan, Generaldirektor", "Jan Peeters on behalf of PZ A"),
    *("directeur général Jan Peeters", "Jan Peeters (\u0428)"),
]
MAYBE_ONE_PERSON = [
    *("J. Peeters", "Peeters J.", "J Peeters", "dhr. J. Peeters", "J. P. Peeters", "JP Peeters"),
    *("Jan A. Peeters", "J. (Jan) Peeters", "Dhr. Peeters", "M. Peeters", "Mevrouw Peeters"),
    *("Jan P.", "burgemeester J. Peeters", "j.peeters"),
    *("Jan Peeters jr.", "Jan Peeters II", "Jan Peeters Junior", "Jan Karel Peeters"),
    *("Jan Peeters en Maria Jansen", "Kabinet van Jan Peeters", "Jan Peeters-Jansen"),
    "Jan Peeters 2",
]
OTHERS = [
    *("An Peeters", "Jan Peters", "Jana Peeters", "A. Peeters", "J. Peters", "Peeters en Jansen"),
    *("Burgemeester van Peeters", "Maria Jansen", "Commune d'Anvers", "Karel Jan Jansen"),
    *("Jan van den Berg", "Burgemeester Karel Peeters", "Peeters-Jansen Maria", "PZ Peeters"),
]


def named(one: str, other: str) -> list[str]:
    """The refusals of a policy whose controller and police have these names."""

    def change(content: dict[str, Any]) -> None:
        at(content, "controller")["name"], at(content, "police")["name"] = one, other

    found = [flaw for flaw in flaws(policy(change, real=True)) if flaw.code.startswith("E_")]
    assert all(flaw.code == "E_DUTIES" for flaw in found)
    assert all("approvals.signers.mayor" in flaw.text("en") for flaw in found)
    return [flaw.fault for flaw in found]


@pytest.mark.parametrize("spelling", ONE_PERSON)
def test_p1_order_titles_and_brackets_make_no_other_person(spelling: str) -> None:
    for other in ONE_PERSON[::5]:
        assert named(spelling, other) == ["two_duties"], other


@pytest.mark.parametrize("spelling", MAYBE_ONE_PERSON)
def test_p1_an_initial_beside_the_same_family_name_asks_for_the_full_name(spelling: str) -> None:
    assert named(spelling, "Jan Peeters") == ["short_name"]
    assert named("Jan Peeters", spelling) == ["short_name"]


@pytest.mark.parametrize("other", OTHERS)
def test_p1_people_and_offices_with_other_names_are_not_refused(other: str) -> None:
    assert named("Jan Peeters", other) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("René Müller", "Mueller Rene"),
        ("Jørgen Åberg", "Joergen Aaberg"),
        ("Seán O'Brien", "OBRIEN Sean"),
        ("Jan D\u2019Hondt", "Jan D'Hondt"),
        ("Jan D'Hondt", "d'hondt, jan"),
        ("Joke Moes", "\u0408\u043e\u043a\u0435 Moes"),
        ("Joke Moes", "\u0408\u043e\u043a\u0435 \u041c\u043e\u0435\u0455"),
        ("Anna Tito", "Anna \u03a4\u03b9\u03c4\u03bf"),
    ],
)
def test_p1_letters_of_the_same_shape_and_apostrophes_make_no_other_person(
    one: str, other: str
) -> None:
    assert named(one, other) == ["two_duties"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Stad Gent", "Functionaris voor gegevensbescherming van de stad Gent"),
        ("Commune d'Anvers", "Police d'Anvers"),
        ("Burgemeester van Voorbeeldgem", "Korpschef van Voorbeeldgem"),
        ("Ville de Liège", "Zone de police Liège"),
        ("Politiezone A", "Politiezone B"),
        ("Burgemeester Stad Gent", "DPO Stad Gent"),
        ("Burgemeester Gent", "Korpschef Gent"),
        ("Burgemeester van Sint-Niklaas", "Korpschef van Sint-Niklaas"),
        ("Burgemeester Sint-Niklaas", "Korpschef Sint-Niklaas"),
        ("Stad Sint-Niklaas", "DPO van de stad Sint-Niklaas"),
        ("Commune de Braine-le-Comte", "Zone de police de Braine-le-Comte"),
        ("Gemeente Sint-Martens-Latem", "Politie Sint-Martens-Latem"),
        ("Bürgermeisterin von Sankt Vith", "Polizeizone Eifel, Sankt Vith"),
        ("Bourgmestre de La Louvière", "Chef de corps de La Louvière"),
        ("Mayor of Old Town", "Chief of police of Old Town"),
        ("Jan Karel Peeters", "Jan Frans Peeters"),
        ("Jan Peeters jr.", "Jan Peeters sr."),
        ("Jan Peeters senior", "Jan Karel Peeters"),
        ("Burgemeester Jan Peeters", "Korpschef Karel Janssens"),
    ],
)
def test_p1_offices_of_one_town_are_not_one_person(one: str, other: str) -> None:
    assert named(one, other) == []


@pytest.mark.parametrize(
    "spelling",
    [
        *("De burgemeester van Gent", "Burgemeester Gent", "Burgemeester van de stad Gent"),
        *("burgemeester, Gent", "Burgemeester Stad Gent", "Gent, burgemeester"),
    ],
)
def test_p1_articles_and_prepositions_make_no_other_office(spelling: str) -> None:
    assert named("Burgemeester van Gent", spelling) == ["two_duties"]


def of_controller(duty: str, name: str, controller: str = "Gemeente Voorbeeldgem") -> list[str]:
    """The refusals of a policy whose controller has a name that stands for a duty too."""

    def change(content: dict[str, Any]) -> None:
        content["controller"]["name"] = controller
        at(content, duty)["name"] = name

    return [flaw.fault for flaw in flaws(policy(change, real=True)) if flaw.code == "E_DUTIES"]


@pytest.mark.parametrize(
    "name",
    [
        *("Gemeente Voorbeeldgem", "De gemeente Voorbeeldgem", "Gemeentebestuur Voorbeeldgem"),
        *("Kabinet van de burgemeester van Voorbeeldgem", "De burgemeester", "Voorbeeldgem"),
        *("College van burgemeester en schepenen", "Korpschef van Voorbeeldgem", "Politiezone A"),
        *("Bourgmestre de Voorbeeldgem", "Bürgermeister Jan Peeters", "The Mayor's office"),
        *("Commune de Voorbeeldgem", "Chef de corps, police locale", "Polizeizone Eifel"),
    ],
)
def test_p17_no_suspension_key_is_held_by_the_controller_its_offices_or_the_police(
    name: str,
) -> None:
    assert of_controller("suspension", name) == ["of_controller"]


@pytest.mark.parametrize(
    "name",
    [
        *("Functionaris voor gegevensbescherming van Voorbeeldgem", "Toezichtcommissie", "VTC"),
        *("Délégué à la protection des données de Voorbeeldgem", "Maria Jansen", "GBA"),
        *("Datenschutzbeauftragte der Gemeinde Voorbeeldgem", "Ombudsdienst van Voorbeeldgem"),
        *("Supervisory Body for Police Information (COC)", "Médiatrice de la ville de Liège"),
        *("Controleorgaan op de politionele informatie", "Information Commissioner"),
        *("Organe de contrôle de la police", "Kontrollorgan für polizeiliche Informationen"),
    ],
)
def test_p17_a_supervisor_may_hold_a_suspension_key(name: str) -> None:
    assert of_controller("suspension", name) == []


@pytest.mark.parametrize("duty", ["police", "dpo", "suspension"])
def test_p1_the_controllers_own_name_stands_for_no_other_duty(duty: str) -> None:
    for name in ("Stad Gent", "De stad Gent", "STAD GENT (mobiliteit)"):
        assert "of_controller" in of_controller(duty, name, controller="Stad Gent")
    assert of_controller("controller", "Stad Gent", controller="Stad Gent") == []


def test_p1_words_of_the_controllers_place_are_no_person() -> None:
    def change(content: dict[str, Any]) -> None:
        content["controller"]["name"] = "Stad Oude Haven"
        at(content, "controller")["name"] = "Burgemeester Oude Haven"
        at(content, "police")["name"] = "Korpschef Oude Haven"

    assert codes(policy(change, real=True)) == []


def test_different_people_are_told_apart() -> None:
    names = ["Jan Peeters", "Jan Peters", "Jana Peeters", "An Peeters", "Jan Peeters 2", "李伟"]
    assert len({folded(name) for name in names}) == len(names)
    assert folded(" .-\u200b") == ""


def test_p1_a_demo_key_of_any_name_in_the_policy_or_the_examples_must_be_marked() -> None:
    for name, (duty, place) in itertools.product((*EXAMPLE_SIGNERS, *KEYS), PLACES.items()):

        def mixed(content: dict[str, Any], duty: str = duty, name: str = name) -> None:
            at(content, duty)["key"] = SigningKey.demo_of(name).public.text

        (found,) = contradictions(policy(mixed, real=True))
        assert found[0] == (*place, "key")
        assert "demo: true" in found[1]


def test_the_names_of_every_example_site_are_known_as_demo_keys() -> None:
    files = sorted((REPOSITORY / "config").glob("*/policy.yaml"))
    assert files
    for file in files:
        example = read_document(file, Policy).model
        assert {name for _, name, _ in example.key_holders()} <= set(EXAMPLE_SIGNERS)


def test_p1_a_key_of_box_or_authority_is_recognised_among_those_of_the_policy() -> None:
    real = policy(real=True)
    other = OtherKey("somebody", SigningKey.generate("x").public.raw())
    assert list(keys_of_others(real, [other])) == []
    for duty, name in zip(PLACES, KEYS, strict=True):
        for raw in (KEYS[name].public.raw(), as_x25519(KEYS[name])):
            found = list(keys_of_others(real, [other, OtherKey("the box", raw)]))
            assert found == [(PLACES[duty], "the box")]


def as_x25519(key: SigningKey) -> bytes:
    """The public key that libsodium and OpenSSL make of the same secret for X25519."""
    secret = hashlib.sha512(key.raw()).digest()[:32]
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


@pytest.mark.parametrize("real", [True, False])
def test_p10_hits_without_receipts_are_for_demo_keys_only(real: bool, tmp_path: Path) -> None:
    def without(content: dict[str, Any]) -> None:
        for authority in content["authorities"].values():
            authority["receipts"] = "none"

    file = write(tmp_path, document(without, real=real))
    found = list(problems(read_document(file, Policy)))

    if not real:
        assert found == []
        return
    (problem,) = found
    assert problem.code == "E_RECEIPTS"
    assert problem.location[-1] == "receipts"
    assert "required" in problem.message
    refusal = unready(policy(without, real=True), DOCUMENT)
    assert refusal is not None
    assert refusal.code == "E_RECEIPTS"
