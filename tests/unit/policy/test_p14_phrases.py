"""Whole texts that promise, refer or name a field say nothing; what an officer writes is kept.

The lists hold families of phrases in four languages, and beside them lawful texts with the same
words in them.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from edge.policy import wording
from edge.policy.model import Policy
from edge.texts import LANGUAGES
from tests.support.policies import document
from tests.support.sites import texts
from tests.unit.policy.test_p14_wording import fault

SAYS_NOTHING = [
    *("wordt later aangevuld", "nog te bepalen door de raad", "to be confirmed"),
    *("to be announced", "à préciser ultérieurement", "sera complété plus tard"),
    *("wird später ergänzt", "same as above", "idem als hierboven", "not relevant"),
    *("geen opmerkingen", "dit is een test", "qwerty asdfgh", "dolor sit amet consectetur"),
    *("{{ placeholder_text }}", "${MEASURE_TEXT}", "Wordt nog aangevuld", "Nader te bepalen"),
    *("zal later worden ingevuld", "komt nog", "volgt later", "nog niet bekend"),
    *("Het antwoord volgt later", "te bepalen door het college", "wordt binnenkort meegedeeld"),
    *("in te vullen door de dienst", "sera précisé ultérieurement"),
    *("à définir par le conseil communal", "suivra plus tard", "pas encore connu"),
    *("doit être complété", "reste à déterminer", "à venir", "wird noch ergänzt"),
    *("noch festzulegen durch den Gemeinderat", "folgt in Kürze", "noch nicht bekannt"),
    *("muss noch bestimmt werden", "wird später nachgereicht", "zu ergänzen durch den Rat"),
    *("to be decided by the council", "will be added later", "to be provided"),
    *("yet to be determined", "comes later", "will follow soon", "not yet known"),
    *("still to be written", "zie dossier", "zie bijlage", "zie hierboven", "cf. DPIA"),
    *("voir le dossier", "voir ci-dessus", "siehe oben", "siehe Akte", "see the file"),
    *("refer to the annex", "idem als boven", "idem", "hetzelfde als hierboven"),
    *("comme ci-dessus", "même que ci-dessus", "wie oben", "zoals hierboven", "as above"),
    *("niet relevant", "geen commentaar", "geen bijzondere opmerkingen", "pas de remarques"),
    *("aucune remarque particulière", "sans commentaire", "keine Bemerkungen"),
    *("nicht relevant", "no comments", "no remarks", "nothing to report", "rien à signaler"),
    *("niets te melden", "nichts zu melden", "ik weet het niet", "je ne sais pas"),
    *("dit is een tekst", "this is a test", "ceci est un test", "das ist ein Test"),
    *("test tekst", "some text here", "hello world foo bar", "azerty qsdfgh", "wxcvbn qsdfg"),
    *("poiuytreza", "abcdefghij", "aap noot mies wim zus jet", "Lorem dolor sit amet"),
    *("[[MAATREGEL]]", "%MEASURE%", "{measure}", "<% text %>", "$MEASURE", "##TEKST##"),
    "[invullen] de maatregel",
]

IMITATES = [
    *("ᵃᵇᶜᵈᵉᶠᵍʰ ᵘᵛʷ", "flıp ʇǝxʇ uoᴉʇdo", "ⓣⓔⓧⓣ of the town", "🅣🅔🅧🅣 of the town"),
    *("de ʇǝxʇ van de raad", "ᵗᵉˣᵗᵉ du conseil"),
]

NO_NAMES = [
    *("Voornaam Achternaam", "Naam van de burgemeester", "N.N.", "Nom Prénom", "First Last"),
    *("Vul hier de naam in", "iemand", "Gemeente ...", "de", "voornaam naam"),
    *("Naam en voornaam", "Vorname Nachname", "Name des Bürgermeisters", "Nom du bourgmestre"),
    *("Name of the mayor", "naam", "Gemeente …", "van de", "le", "n.n.", "N. N.", "quelqu'un"),
    *("jemand", "someone", "Insert name here", "Indiquez le nom", "Bitte Namen eintragen"),
    *("komt later", "{naam}", "{{name}}", "qwerty"),
]

NO_REFERENCES = [
    *("besluit nr. ?", "2025-?", "GR 2025.?"),
    *("komt later", "wordt toegekend", "zonder nummer", "2025-???", "2025-000", "nr. 0", ".1"),
    *("later", "n.n.b.", "XYZ-123", "zie dossier", "wordt later toegekend", "sans numéro"),
    *("ohne Nummer", "no number", "geen nummer", "s.n.", "2026-000", "GR 2025/0", "nnb"),
    *("ABC-123", "XYZ", "later toe te kennen", "numéro suivra", "wird vergeben", "nr 00"),
    *("MOB-???", "2025-...", "referentienummer", "à attribuer", "pas encore attribué"),
    *("nog niet toegekend", "zie nota", "voir annexe"),
]

NO_CONTACTS = [
    *("onbekend 1", "dev null 1", "bel 101 politie", "nobody1@x.be"),
    *("noreply.gemeente@gent.be", "devnull@gent.be", "user@example.com"),
    *("niet van toepassing 1", "zie 1", "123456", "192.168.1.1", "spoed 112 nu", "unknown 1"),
    *("inconnu 1", "unbekannt 2", "nvt 1", "voir 1", "siehe 2", "see above 1", "dev/null 1"),
    *("no.reply@gent.be", "do-not-reply+1@gent.be", "niemand@gent.be", "name@gent.be"),
    *("voornaam.achternaam@gent.be", "test@gent.be", "a@example.org", "654321", "10.0.0.1"),
    *("http://192.168.0.1", "appelez le 112", "notruf 110 polizei", "call 999 now"),
    *("police 101", "urgence 112", "geen adres 12", "kein Kontakt 1", "later 1", "1234567890"),
]

# What officers of Flemish, Walloon, German-speaking and English-speaking places write.
LAWFUL = [
    *("Bevestigd door de gemeenteraad", "Zie bijlage 3 van het collegebesluit"),
    "De bijlage beschrijft de meting van mei 2025",
    *("Geen opmerkingen na controle ter plaatse", "De raad volgt het advies van de politie"),
    "Wordt elk jaar opnieuw gemeten met vrijwilligers",
    "Nog te weinig effect: 38 auto's per ochtend",
    *("Later op de dag rijdt er geen verkeer meer", "Borden en controles volstonden niet"),
    "Test met paaltjes in april, zonder resultaat",
    "Niet relevant voor fietsers, wel voor auto's",
    "Dezelfde maatregel als in de Kerkstraat had geen effect",
    "Het nummer van de woning wordt gemaskeerd",
    *("De naam van de bestuurder wordt niet bewaard", "TBD-campagne van de VSV liep in 2025"),
    *("NTB: nota aan het college", "Gunstig, mits de gezichten worden gemaskeerd"),
    *("Hierboven op de gevel hangt de camera", "Confirmé par le conseil communal"),
    *("Voir l'annexe 2 de la délibération", "Le conseil suivra l'avis de la police"),
    "Sans remarque du voisinage après trois mois",
    "Les contrôles seront complétés par des panneaux",
    *("Plus tard le matin, la rue est calme", "Même mesure que rue de l'Église, sans effet"),
    *("Le numéro de plaque est effacé aussitôt", "À l'heure de l'école, 38 voitures par matin"),
    "Il reste à protéger les élèves du matin",
    "Avis favorable, pour autant que les visages soient masqués",
    *("Vom Gemeinderat bestätigt", "Siehe Anhang 2 des Beschlusses"),
    "Der Rat folgt dem Gutachten der Polizei",
    *("Keine Bemerkungen nach der Kontrolle vor Ort", "Später am Tag ist die Straße leer"),
    *("Wird jedes Jahr mit Freiwilligen neu gemessen", "Noch immer 38 Autos je Morgen"),
    *("Der Test mit Pollern blieb ohne Wirkung", "Die Nummer wird sofort gelöscht"),
    *("Zustimmung, sofern Gesichter verdeckt werden", "Confirmed by the council"),
    *("See annex 2 of the decision", "The council follows the advice of the police"),
    "No comments from residents after three months",
    "To be effective, signs need checks by people",
    "The same street was closed in 2024 without effect",
    *("Later in the day the street is empty", "Text messages to parents did not help"),
    *("A test with bollards changed nothing", "The number is erased at once"),
    *("Nothing else lowered the number of cars", "Favourable, because faces are masked first"),
]

LAWFUL_NAMES = [
    *("Ab", "AB", "Bo", "Ab Last", "Jan Naam", "Le Van", "Du Le", "Namen", "Stad Namen"),
    *("Van Dale", "Noord", "Ville de Nom-sur-Meuse", "Test-Aankoop", "Testaert", "De Post"),
    *("De Lijn", "La Poste", "Jan Wert", "Yıldız Şahin", "NN Group", "Gent", "Mᵐᵉ Dupont"),
    *("Ernst Name-Weber", "Politie", "Gemeente Zonhoven", "Burgemeester", "Raad van State"),
    *("The Office", "Dienst Mobiliteit", "Van den Berg"),
]

LAWFUL_REFERENCES = [
    "https://raad.gent.example/besluit?id=12",
    *("1.0", "2.0", "v2.0", "v3", "2025-10", "2025/200", "ISO 9000", "GR 2025-0100"),
    *("BR.12.F5.012345/2026", "100", "Nr. 10", "123", "ABC-457", "Nota 3", "Zie GR 12/2025"),
    *("Besluit later bekrachtigd op 3 mei 2025", "Zie dossier 2026-114", "dossier MOB"),
    *("bijlage B", "Text 4", "e-dossier 44", "Nummer 12", "Referentie 2025-31", "Numéro 7"),
    "dossiernummer 12",
]

LAWFUL_CONTACTS = [
    *("Geen Eindestraat 12, Lede", "Kein-Weg 3, Eupen", "Keine Straße 12"),
    *("Zonderbroek 3, Gent", "Testelt 4, Scherpenheuvel", "Naamsestraat 12, Leuven"),
    *("Nullens@gent.be", "personnel@liege.be", "personeel@gent.be", "geens@lede.be"),
    *("namen@stad.be", "no.vandamme@gent.be", "testaert@gent.be", "users.desk@gent.be"),
    *("Politie, Marktplein 101", "02 101 23 45", "101 Kerkstraat, Gent", "10.12.2 straat 5"),
    *("Rue de Namur 17, Bruxelles", "Notrufweg 112, Eupen", "26 12 34 56", "26.12.34.56"),
    *("09 123 45 67", "0800 12 345", "1000 Brussel, Wetstraat 16"),
    *("Onbekende Soldaatlaan 4, Aalst", "info@example.be", "dpo@mail.gent.be"),
    *("mailbox@gent.be", "Spoedgevallen 3, Gent", "Urgentiestraat 112", "Adresstraat 3, Gent"),
    *("contact@gent.be", "Telefoon 1700", "Nummer 1733"),
]


@pytest.mark.parametrize("text", SAYS_NOTHING)
def test_p14_a_promise_a_reference_without_number_or_a_template_is_no_statement(text: str) -> None:
    for check in (wording.statement, wording.short_text, wording.reference):
        assert fault(check, text) == "placeholder", check


@pytest.mark.parametrize("text", IMITATES)
def test_p14_letters_that_are_raised_turned_or_boxed_are_refused(text: str) -> None:
    assert fault(wording.statement, text) == "imitation"


@pytest.mark.parametrize("text", NO_NAMES)
def test_p14_the_name_of_a_field_or_of_nobody_is_no_name(text: str) -> None:
    assert fault(wording.name, text) == "placeholder"


@pytest.mark.parametrize("text", NO_REFERENCES)
def test_p14_a_reference_that_is_to_come_or_has_no_number_is_refused(text: str) -> None:
    assert fault(wording.reference, text) == "placeholder"


@pytest.mark.parametrize("text", NO_CONTACTS)
def test_p19_a_placeholder_with_a_number_and_a_mailbox_of_nobody_are_no_contact(text: str) -> None:
    assert fault(wording.contact, text) in {"placeholder", "contact", "emergency", "place"}


@pytest.mark.parametrize("text", LAWFUL)
def test_p14_a_lawful_statement_with_such_words_is_kept(text: str) -> None:
    for check in (wording.statement, wording.short_text, wording.reference):
        assert check(text) == text


@pytest.mark.parametrize("text", LAWFUL_NAMES)
def test_p14_a_lawful_name_with_such_words_is_kept(text: str) -> None:
    assert wording.name(text) == text


@pytest.mark.parametrize("text", LAWFUL_REFERENCES)
def test_p14_a_lawful_reference_with_such_words_is_kept(text: str) -> None:
    assert wording.reference(text) == text


@pytest.mark.parametrize("text", LAWFUL_CONTACTS)
def test_p19_a_lawful_contact_with_such_words_is_kept(text: str) -> None:
    assert wording.contact(text) == text


@pytest.mark.parametrize("text", ["Gunstig.", "Favorable", "Akkoord", "Zustimmung", "Onvoldoende"])
def test_p14_a_verdict_alone_is_refused_with_an_example_of_a_reason(text: str) -> None:
    with pytest.raises(PydanticCustomError, match="because faces are masked"):
        wording.statement(text)


def test_p20_an_evaluation_that_is_to_come_buys_no_year() -> None:
    for reference, outcome in (("komt later", "Still needed"), ("E 12", "idem als hierboven")):
        content = document()
        last = {"reference": reference, "date": "2026-12-15", "outcome": texts(outcome)}
        content["evaluation"]["last"] = last
        with pytest.raises(ValidationError, match="is a placeholder"):
            Policy.model_validate(content)


@pytest.mark.parametrize(
    "written",
    [
        dict.fromkeys(LANGUAGES, "Signs did not help"),
        {"nl": "Signs did not help", "fr": "signs did not help.", "de": "Signs, did not help",
         "en": "SIGNS DID NOT HELP!"},
    ],
)  # fmt: skip
def test_p14_a_statement_that_is_the_same_in_four_languages_is_refused(
    written: dict[str, str],
) -> None:
    for path in (("legal", "basis"), ("rules", 0, "hours_justification"), ("accuracy", "method")):
        content = document()
        node: Any = content
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = written
        with pytest.raises(ValidationError, match="the same text in all four languages"):
            Policy.model_validate(content)
