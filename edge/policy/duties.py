"""What the law asks before a camera may work, in the words of those who have to do it.

`WHY` says why the supervisory authority asks it, by requirement (P1 to P21). `DUTIES` are the
fields that must be filled in; `FAULTS` what is wrong with a field that is. All texts are plain
Dutch, French, German and English; `{…}` stands for a date or a number, never for what a person
wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from edge.policy.fields import Language

Pattern = tuple[str, ...]
"""A place in the policy; `*` stands for any name or position."""


@dataclass(frozen=True, slots=True)
class Words:
    """One sentence in four languages."""

    nl: str
    fr: str
    de: str
    en: str

    def of(self, language: Language) -> str:
        """The sentence in one language."""
        text: str = getattr(self, language)
        return text


class Severity(Enum):
    """How much a finding matters."""

    MISSING = "missing"
    WRONG = "wrong"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Duty:
    """A field that must be filled in."""

    field: Pattern
    requirement: str
    words: Words
    code: str = "E_HOMEWORK"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with what was filled in."""

    code: str
    requirement: str
    words: Words
    severity: Severity = Severity.WRONG


WHY: Mapping[str, Words] = {
    "P1": Words(
        "Eerst het recht, dan de camera: besluit, advies en effectbeoordeling gaan vooraf.",
        "D'abord le droit, ensuite la caméra : décision, avis et analyse d'impact précèdent.",
        "Erst das Recht, dann die Kamera: Beschluss, Stellungnahme und Abschätzung gehen voraus.",
        "Law first, camera second: decision, advice and impact assessment come before.",
    ),
    "P2": Words(
        "Zonder grondige effectbeoordeling zijn de risico's voor mensen niet gekend en beperkt.",
        "Sans analyse d'impact approfondie, les risques pour les personnes restent inconnus.",
        "Ohne gründliche Folgenabschätzung sind die Risiken für Menschen weder bekannt noch "
        "begrenzt.",
        "Without a thorough impact assessment the risks to people are neither known nor limited.",
    ),
    "P3": Words(
        "Elk doel wordt apart beoordeeld; er komt er geen stilzwijgend bij.",
        "Chaque finalité est évaluée à part ; aucune ne s'ajoute en silence.",
        "Jeder Zweck wird für sich geprüft; keiner kommt stillschweigend hinzu.",
        "Each purpose is assessed by itself; none is added in silence.",
    ),
    "P4": Words(
        "Wat verruimt, moet door allen gezien en ondertekend zijn.",
        "Ce qui élargit doit être vu et signé par tous.",
        "Was ausweitet, müssen alle gesehen und unterschrieben haben.",
        "What widens must have been seen and signed by all.",
    ),
    "P6": Words(
        "Inzittenden en voorbijgangers horen niet herkenbaar in beeld te komen.",
        "Les occupants et les passants n'ont pas à être reconnaissables.",
        "Insassen und Passanten sollen nicht erkennbar sein.",
        "Occupants and passers-by should not be recognisable.",
    ),
    "P10": Words(
        "Gegevens blijven niet langer dan nodig en nooit langer dan de wet toelaat.",
        "Les données ne sont pas gardées plus longtemps que nécessaire, ni que la loi ne permet.",
        "Daten bleiben nicht länger als nötig und nie länger, als das Gesetz erlaubt.",
        "Data stays no longer than needed, and never longer than the law allows.",
    ),
    "P11": Words(
        "Toezicht is begrensd in plaats, uren en duur; anders wordt het overmatig.",
        "La surveillance est limitée en lieu, en heures et en durée, sinon elle est excessive.",
        "Überwachung ist nach Ort, Stunden und Dauer begrenzt; sonst wird sie übermäßig.",
        "Monitoring is limited in place, hours and duration; otherwise it becomes excessive.",
    ),
    "P12": Words(
        "Een fout gelezen plaat treft een onschuldige: de foutmarge moet gemeten zijn.",
        "Une plaque mal lue touche un innocent : la marge d'erreur doit être mesurée.",
        "Ein falsch gelesenes Kennzeichen trifft Unschuldige: Die Fehlerquote muss gemessen sein.",
        "A misread plate hits an innocent person: the margin of error must be measured.",
    ),
    "P13": Words(
        "Lijsten hebben een uitgever, een grens en een einde; permanente lijsten zijn verboden.",
        "Les listes ont un émetteur, une limite et une fin ; pas de liste permanente.",
        "Listen haben einen Herausgeber, eine Grenze und ein Ende; keine ist dauerhaft.",
        "Lists have an issuer, a cap and an end; there are no permanent lists.",
    ),
    "P14": Words(
        "Mensen moeten in hun taal kunnen lezen wie hier wat doet, en overal hetzelfde.",
        "Chacun doit pouvoir lire dans sa langue qui fait quoi ici, et partout la même chose.",
        "Alle müssen in ihrer Sprache lesen können, wer hier was tut, und überall dasselbe.",
        "People must be able to read in their language who does what here, the same everywhere.",
    ),
    "P15": Words(
        "Inkomsten zijn geen doel; er moet een bewezen veiligheidsprobleem zijn.",
        "Les recettes ne sont pas une finalité ; il faut un problème de sécurité prouvé.",
        "Einnahmen sind kein Zweck; es muss ein belegtes Sicherheitsproblem geben.",
        "Income is no purpose; there must be a proven safety problem.",
    ),
    "P16": Words(
        "Een camera komt pas na fysieke maatregelen, bewustmaking en gerichte controles.",
        "Une caméra vient après les mesures physiques, la sensibilisation et les contrôles ciblés.",
        "Eine Kamera kommt erst nach baulichen Maßnahmen, Aufklärung und gezielten Kontrollen.",
        "A camera comes after physical measures, awareness and targeted checks.",
    ),
    "P17": Words(
        "De toezichthouder kan het gebruik schorsen; dat moet technisch mogelijk zijn.",
        "L'autorité peut suspendre l'usage ; cela doit être techniquement possible.",
        "Die Aufsicht kann den Einsatz aussetzen; das muss technisch möglich sein.",
        "The authority may suspend the use; that must be technically possible.",
    ),
    "P19": Words(
        "Wie gefilmd wordt, moet weten waar hij met vragen en klachten terechtkan.",
        "Toute personne filmée doit savoir où adresser questions et plaintes.",
        "Wer gefilmt wird, muss wissen, wohin Fragen und Beschwerden gehen.",
        "Whoever is filmed must know where to take questions and complaints.",
    ),
    "P20": Words(
        "Alleen wat nodig blijkt, mag blijven; dat wordt geregeld geëvalueerd.",
        "Seul ce qui se révèle nécessaire peut rester ; cela s'évalue régulièrement.",
        "Nur was sich als nötig erweist, darf bleiben; das wird regelmäßig bewertet.",
        "Only what proves necessary may stay; that is evaluated regularly.",
    ),
}


DUTIES: tuple[Duty, ...] = (
    # In the order in which they are done: the law, then the people, then the technique.
    Duty(
        ("legal", "regime"),
        "P1",
        Words(
            "Kies de wet waaronder de camera werkt.",
            "Choisissez la loi qui régit la caméra.",
            "Wählen Sie das Gesetz, unter dem die Kamera arbeitet.",
            "Choose the act that governs the camera.",
        ),
        "E_SEQUENCE",
    ),
    Duty(
        ("legal", "basis"),
        "P1",
        Words(
            "Leg de rechtsgrond uit in vier talen.",
            "Expliquez la base légale en quatre langues.",
            "Erklären Sie die Rechtsgrundlage in vier Sprachen.",
            "Explain the legal basis in four languages.",
        ),
        "E_SEQUENCE",
    ),
    Duty(
        ("legal", "council_decision"),
        "P1",
        Words(
            "Vermeld het gemeenteraadsbesluit met referentie en datum.",
            "Indiquez la décision du conseil communal, avec référence et date.",
            "Nennen Sie den Ratsbeschluss mit Aktenzeichen und Datum.",
            "Give the council's decision with reference and date.",
        ),
        "E_SEQUENCE",
    ),
    Duty(
        ("legal", "police_advice"),
        "P1",
        Words(
            "Vermeld het advies van de korpschef met referentie en datum.",
            "Indiquez l'avis du chef de corps, avec référence et date.",
            "Nennen Sie die Stellungnahme der Polizei mit Aktenzeichen und Datum.",
            "Give the advice of the chief of police with reference and date.",
        ),
        "E_SEQUENCE",
    ),
    Duty(
        ("legal", "camera_declaration"),
        "P1",
        Words(
            "Vermeld de aangifte van de camera met referentie en datum.",
            "Indiquez la déclaration de la caméra, avec référence et date.",
            "Nennen Sie die Meldung der Kamera mit Aktenzeichen und Datum.",
            "Give the camera's declaration with reference and date.",
        ),
        "E_SEQUENCE",
    ),
    Duty(
        ("purposes",),
        "P3",
        Words(
            "Noem elk doel van de camera.",
            "Nommez chaque finalité de la caméra.",
            "Nennen Sie jeden Zweck der Kamera.",
            "Name each purpose of the camera.",
        ),
    ),
    Duty(
        ("purposes", "*", "text"),
        "P14",
        Words(
            "Beschrijf het doel in vier talen.",
            "Décrivez la finalité en quatre langues.",
            "Beschreiben Sie den Zweck in vier Sprachen.",
            "Describe the purpose in four languages.",
        ),
    ),
    Duty(
        ("purposes", "*", "necessity"),
        "P20",
        Words(
            "Leg uit waarom minder niet volstaat.",
            "Expliquez pourquoi moins ne suffit pas.",
            "Erklären Sie, warum weniger nicht genügt.",
            "Explain why nothing less will do.",
        ),
    ),
    Duty(
        ("purposes", "*", "safety_evidence"),
        "P15",
        Words(
            "Toon het veiligheidsprobleem aan: referentie, datum en bevinding.",
            "Prouvez le problème de sécurité : référence, date et constat.",
            "Belegen Sie das Sicherheitsproblem: Quelle, Datum und Befund.",
            "Prove the safety problem: reference, date and finding.",
        ),
        "E_FINANCIAL_MOTIVE",
    ),
    Duty(
        ("purposes", "*", "retention_hours"),
        "P10",
        Words(
            "Bepaal hoeveel uur een niet afgeleverde treffer mag blijven.",
            "Fixez le nombre d'heures qu'un résultat non livré peut rester.",
            "Legen Sie fest, wie viele Stunden ein nicht zugestellter Treffer bleiben darf.",
            "Set how many hours an undelivered hit may stay.",
        ),
        "E_RETENTION_CEILING",
    ),
    Duty(
        ("finance", "vendor_paid_per_fine"),
        "P15",
        Words(
            "Verklaar dat niemand per boete betaald wordt (false).",
            "Déclarez que personne n'est payé par amende (false).",
            "Erklären Sie, dass niemand je Bußgeld bezahlt wird (false).",
            "Declare that nobody is paid per fine (false).",
        ),
        "E_FINANCIAL_MOTIVE",
    ),
    Duty(
        ("alternatives", "physical"),
        "P16",
        Words(
            "Vermeld welke fysieke maatregelen zijn geprobeerd of onderzocht.",
            "Indiquez les mesures physiques essayées ou examinées.",
            "Nennen Sie die versuchten oder geprüften baulichen Maßnahmen.",
            "Say which physical measures were tried or studied.",
        ),
        "E_ALTERNATIVES",
    ),
    Duty(
        ("alternatives", "awareness"),
        "P16",
        Words(
            "Vermeld welke bewustmaking is gedaan.",
            "Indiquez la sensibilisation menée.",
            "Nennen Sie die erfolgte Aufklärung.",
            "Say what was done to raise awareness.",
        ),
        "E_ALTERNATIVES",
    ),
    Duty(
        ("alternatives", "targeted"),
        "P16",
        Words(
            "Vermeld welke gerichte controles er waren.",
            "Indiquez les contrôles ciblés effectués.",
            "Nennen Sie die erfolgten gezielten Kontrollen.",
            "Say which targeted checks were made.",
        ),
        "E_ALTERNATIVES",
    ),
    Duty(
        ("dpia", "reference"),
        "P2",
        Words(
            "Geef de referentie van de gegevensbeschermingseffectbeoordeling (GEB).",
            "Donnez la référence de l'analyse d'impact (AIPD).",
            "Geben Sie das Aktenzeichen der Datenschutz-Folgenabschätzung an.",
            "Give the reference of the data protection impact assessment (DPIA).",
        ),
        "E_DPIA",
    ),
    Duty(
        ("dpia", "version"),
        "P2",
        Words(
            "Geef de versie van de GEB.",
            "Donnez la version de l'AIPD.",
            "Geben Sie die Fassung der Folgenabschätzung an.",
            "Give the DPIA's version.",
        ),
        "E_DPIA",
    ),
    Duty(
        ("dpia", "date"),
        "P1",
        Words(
            "Geef de datum van de GEB.",
            "Donnez la date de l'AIPD.",
            "Geben Sie das Datum der Folgenabschätzung an.",
            "Give the DPIA's date.",
        ),
        "E_SEQUENCE",
    ),
    Duty(
        ("dpia", "file"),
        "P2",
        Words(
            "Leg het document van de GEB in de map en noem het hier.",
            "Placez le document de l'AIPD dans le dossier et nommez-le ici.",
            "Legen Sie das Dokument der Folgenabschätzung in den Ordner und nennen Sie es hier.",
            "Put the DPIA's document into the folder and name it here.",
        ),
        "E_DPIA_HASH",
    ),
    Duty(
        ("dpia", "sha256"),
        "P2",
        Words(
            "Zet hier de SHA-256 van dat document.",
            "Mettez ici le SHA-256 de ce document.",
            "Tragen Sie hier den SHA-256 dieses Dokuments ein.",
            "Put that document's SHA-256 here.",
        ),
        "E_DPIA_HASH",
    ),
    Duty(
        ("dpia", "review_date"),
        "P2",
        Words(
            "Bepaal wanneer de GEB wordt herzien.",
            "Fixez la date de révision de l'AIPD.",
            "Legen Sie fest, wann die Folgenabschätzung überprüft wird.",
            "Set when the DPIA is reviewed.",
        ),
        "E_DPIA_REVIEW",
    ),
    Duty(
        ("dpia", "dpo_opinion"),
        "P2",
        Words(
            "Neem het advies van de functionaris voor gegevensbescherming op, met datum.",
            "Reprenez l'avis du délégué à la protection des données, avec sa date.",
            "Nehmen Sie die Stellungnahme der Datenschutzbeauftragten mit Datum auf.",
            "Give the data protection officer's opinion, with its date.",
        ),
        "E_DPIA",
    ),
    Duty(
        ("dpia", "risks"),
        "P2",
        Words(
            "Noem elk risico met een maatregel.",
            "Nommez chaque risque avec une mesure.",
            "Nennen Sie jedes Risiko mit einer Maßnahme.",
            "Name each risk with a measure.",
        ),
        "E_DPIA",
    ),
    Duty(
        ("dpia", "purposes"),
        "P3",
        Words(
            "Noem de doelen die de GEB beoordeelt.",
            "Nommez les finalités que l'AIPD évalue.",
            "Nennen Sie die Zwecke, die die Folgenabschätzung prüft.",
            "Name the purposes that the DPIA assesses.",
        ),
        "E_PURPOSE_NOT_IN_DPIA",
    ),
    Duty(
        ("accuracy",),
        "P12",
        Words(
            "Meet de nauwkeurigheid op eigen beelden, met 95 %-interval.",
            "Mesurez la précision sur vos propres images, avec intervalle à 95 %.",
            "Messen Sie die Genauigkeit an eigenen Bildern, mit 95-%-Intervall.",
            "Measure the accuracy on footage of your own, with a 95 % interval.",
        ),
        "E_ACCURACY",
    ),
    Duty(
        ("activation", "not_before"),
        "P1",
        Words(
            "Bepaal vanaf welke dag de camera mag werken.",
            "Fixez le jour à partir duquel la caméra peut fonctionner.",
            "Legen Sie fest, ab welchem Tag die Kamera arbeiten darf.",
            "Set the day from which the camera may work.",
        ),
        "E_SEQUENCE",
    ),
    Duty(
        ("activation", "sunset"),
        "P11",
        Words(
            "Bepaal de einddatum; zonder einde is er geen beleid.",
            "Fixez la date de fin ; sans fin, pas de politique.",
            "Legen Sie das Ende fest; ohne Ende gibt es keine Richtlinie.",
            "Set the last day; there is no policy without an end.",
        ),
        "E_SUNSET",
    ),
    Duty(
        ("evaluation", "next_due"),
        "P20",
        Words(
            "Bepaal wanneer de camera wordt geëvalueerd.",
            "Fixez la date de l'évaluation de la caméra.",
            "Legen Sie fest, wann die Kamera bewertet wird.",
            "Set when the camera is evaluated.",
        ),
        "E_EVALUATION",
    ),
    Duty(
        ("controller",),
        "P14",
        Words(
            "Noem de verwerkingsverantwoordelijke met contactgegevens.",
            "Nommez le responsable du traitement et ses coordonnées.",
            "Nennen Sie die Verantwortlichen mit Kontaktdaten.",
            "Name the controller with contact details.",
        ),
    ),
    Duty(
        ("dpo",),
        "P14",
        Words(
            "Noem de functionaris voor gegevensbescherming met contactgegevens.",
            "Nommez le délégué à la protection des données et ses coordonnées.",
            "Nennen Sie die Datenschutzbeauftragten mit Kontaktdaten.",
            "Name the data protection officer with contact details.",
        ),
    ),
    Duty(
        ("supervisory_authorities",),
        "P19",
        Words(
            "Noem de toezichthoudende autoriteit met contactgegevens.",
            "Nommez l'autorité de contrôle et ses coordonnées.",
            "Nennen Sie die Aufsichtsbehörde mit Kontaktdaten.",
            "Name the supervisory authority with contact details.",
        ),
    ),
    Duty(
        ("rights", "text"),
        "P19",
        Words(
            "Leg in vier talen uit welke rechten mensen hebben.",
            "Expliquez en quatre langues les droits des personnes.",
            "Erklären Sie in vier Sprachen, welche Rechte Menschen haben.",
            "Explain in four languages which rights people have.",
        ),
    ),
    Duty(
        ("rights", "contact"),
        "P19",
        Words(
            "Zeg waar mensen hun rechten uitoefenen.",
            "Indiquez où exercer ces droits.",
            "Sagen Sie, wo Menschen ihre Rechte ausüben.",
            "Say where people exercise their rights.",
        ),
    ),
    Duty(
        ("rights", "complaint"),
        "P19",
        Words(
            "Zeg wie klachten behandelt.",
            "Indiquez qui traite les plaintes.",
            "Sagen Sie, wer Beschwerden bearbeitet.",
            "Say who handles complaints.",
        ),
    ),
    Duty(
        ("information_board",),
        "P14",
        Words(
            "Zeg waar de informatieborden staan en waar de kennisgeving te lezen is.",
            "Indiquez où sont les panneaux et où se lit l'avis public.",
            "Sagen Sie, wo die Hinweisschilder stehen und wo die Bekanntmachung zu lesen ist.",
            "Say where the information boards are and where the public notice is.",
        ),
    ),
    Duty(
        ("suspension", "keys"),
        "P17",
        Words(
            "Noem wie de camera kan schorsen, met een sleutel.",
            "Nommez qui peut suspendre la caméra, avec une clé.",
            "Nennen Sie, wer die Kamera aussetzen kann, mit einem Schlüssel.",
            "Name who can suspend the camera, with a key.",
        ),
    ),
    Duty(
        ("approvals", "quorum"),
        "P1",
        Words(
            "Schrijf voor dat verantwoordelijke, politie en functionaris tekenen.",
            "Exigez la signature du responsable, de la police et du délégué.",
            "Verlangen Sie die Unterschrift von Verantwortlichen, Polizei und "
            "Datenschutzbeauftragten.",
            "Require the signatures of controller, police and DPO.",
        ),
        "E_QUORUM",
    ),
    Duty(
        ("approvals", "signers"),
        "P1",
        Words(
            "Noem wie tekent, in welke rol en met welke sleutel.",
            "Nommez qui signe, à quel titre et avec quelle clé.",
            "Nennen Sie, wer unterschreibt, in welcher Rolle und mit welchem Schlüssel.",
            "Name who signs, as whom and with which key.",
        ),
        "E_QUORUM",
    ),
    Duty(
        ("cameras",),
        "P11",
        Words(
            "Noem elke camera.",
            "Nommez chaque caméra.",
            "Nennen Sie jede Kamera.",
            "Name each camera.",
        ),
    ),
    Duty(
        ("cameras", "*", "place"),
        "P14",
        Words(
            "Zeg waar de camera staat.",
            "Indiquez où se trouve la caméra.",
            "Sagen Sie, wo die Kamera steht.",
            "Say where the camera stands.",
        ),
    ),
    Duty(
        ("cameras", "*", "field_of_view"),
        "P11",
        Words(
            "Beschrijf wat de camera ziet: richting, hoek en bereik.",
            "Décrivez ce que voit la caméra : direction, angle et portée.",
            "Beschreiben Sie, was die Kamera sieht: Richtung, Winkel und Reichweite.",
            "Describe what the camera sees: bearing, angle and reach.",
        ),
    ),
    Duty(
        ("cameras", "*", "hours"),
        "P11",
        Words(
            "Bepaal de uren waarin de camera open is.",
            "Fixez les heures d'ouverture de la caméra.",
            "Legen Sie die Stunden fest, in denen die Kamera offen ist.",
            "Set the hours in which the camera is open.",
        ),
    ),
    Duty(
        ("authorities",),
        "P4",
        Words(
            "Noem wie treffers mag openen.",
            "Nommez qui peut ouvrir les résultats.",
            "Nennen Sie, wer Treffer öffnen darf.",
            "Name who may open hits.",
        ),
    ),
    Duty(
        ("authorities", "*", "valid"),
        "P4",
        Words(
            "Bepaal van wanneer tot wanneer deze instantie bevoegd is.",
            "Fixez la période de compétence de cette autorité.",
            "Legen Sie fest, von wann bis wann diese Stelle zuständig ist.",
            "Set from when until when this authority is competent.",
        ),
    ),
    Duty(
        ("authorities", "*", "competence"),
        "P4",
        Words(
            "Bepaal voor welke regels en camera's deze instantie bevoegd is.",
            "Fixez les règles et caméras de la compétence de cette autorité.",
            "Legen Sie fest, für welche Regeln und Kameras diese Stelle zuständig ist.",
            "Set for which rules and cameras this authority is competent.",
        ),
    ),
    Duty(
        ("lists", "*", "text"),
        "P14",
        Words(
            "Beschrijf in vier talen wie op de lijst staat.",
            "Décrivez en quatre langues qui figure sur la liste.",
            "Beschreiben Sie in vier Sprachen, wer auf der Liste steht.",
            "Describe in four languages whom the list is about.",
        ),
    ),
    Duty(
        ("lists", "*", "issuers"),
        "P13",
        Words(
            "Noem wie de lijst uitgeeft.",
            "Nommez l'émetteur de la liste.",
            "Nennen Sie, wer die Liste herausgibt.",
            "Name who issues the list.",
        ),
    ),
    Duty(
        ("lists", "*", "max_entries"),
        "P13",
        Words(
            "Begrens de lengte van de lijst.",
            "Limitez la longueur de la liste.",
            "Begrenzen Sie die Länge der Liste.",
            "Cap the list's length.",
        ),
    ),
    Duty(
        ("lists", "*", "max_entry_days"),
        "P13",
        Words(
            "Begrens hoe lang een vermelding geldt.",
            "Limitez la durée d'une inscription.",
            "Begrenzen Sie, wie lange ein Eintrag gilt.",
            "Cap how long an entry lasts.",
        ),
    ),
    Duty(
        ("rules",),
        "P3",
        Words(
            "Schrijf de regels: doel, bevoegde instantie, drempels en wat zichtbaar wordt.",
            "Écrivez les règles : finalité, autorité, seuils et ce qui devient visible.",
            "Schreiben Sie die Regeln: Zweck, zuständige Stelle, Schwellen und was sichtbar wird.",
            "Write the rules: purpose, authority, thresholds and what is shown.",
        ),
    ),
    Duty(
        ("site",),
        "P14",
        Words(
            "Geef de plaats een naam.",
            "Donnez un nom au site.",
            "Geben Sie dem Standort einen Namen.",
            "Give the site its id.",
        ),
    ),
    Duty(
        ("version",),
        "P4",
        Words(
            "Nummer deze versie van het beleid.",
            "Numérotez cette version de la politique.",
            "Nummerieren Sie diese Fassung der Richtlinie.",
            "Number this version of the policy.",
        ),
    ),
    Duty(
        ("schema",),
        "P4",
        Words(
            "Begin met schema: edge-anpr/policy/2.",
            "Commencez par schema: edge-anpr/policy/2.",
            "Beginnen Sie mit schema: edge-anpr/policy/2.",
            "Begin with schema: edge-anpr/policy/2.",
        ),
    ),
)


FAULTS: Mapping[str, Fault] = {
    "sequence": Fault(
        "E_SEQUENCE",
        "P1",
        Words(
            "Gedateerd {date}, niet vóór activation.not_before ({limit}); eerst het document, dan "
            "de camera.",
            "Daté du {date}, pas avant activation.not_before ({limit}) ; d'abord le document, "
            "ensuite la caméra.",
            "Vom {date}, nicht vor activation.not_before ({limit}); erst das Dokument, dann die "
            "Kamera.",
            "dated {date}, not before activation.not_before ({limit}); first the document, then "
            "the camera",
        ),
    ),
    "alternatives_after_decision": Fault(
        "E_SEQUENCE",
        "P16",
        Words(
            "Gedateerd {date}, na het raadsbesluit ({limit}); alternatieven komen eerst.",
            "Daté du {date}, après la décision du conseil ({limit}) ; d'abord les alternatives.",
            "Vom {date}, nach dem Ratsbeschluss ({limit}); Alternativen kommen zuerst.",
            "dated {date}, after the council's decision ({limit}); alternatives come first",
        ),
    ),
    "dpia_risk": Fault(
        "E_DPIA",
        "P2",
        Words(
            "Geen maatregel voor het risico {risk}; voeg hem toe.",
            "Pas de mesure pour le risque {risk} ; ajoutez-la.",
            "Keine Maßnahme zum Risiko {risk}; ergänzen Sie sie.",
            "no measure for the risk {risk}; add it",
        ),
    ),
    "dpia_review_order": Fault(
        "E_DPIA_REVIEW",
        "P2",
        Words(
            "De herziening moet na de datum van de GEB liggen.",
            "La révision doit suivre la date de l'AIPD.",
            "Die Überprüfung muss nach dem Datum der Folgenabschätzung liegen.",
            "must lie after the DPIA's date",
        ),
    ),
    "dpia_review_passed": Fault(
        "E_DPIA_REVIEW",
        "P2",
        Words(
            "De GEB moest op {date} herzien zijn; herzie ze en vul de nieuwe in.",
            "L'AIPD devait être révisée le {date} ; révisez-la et indiquez la nouvelle.",
            "Die Folgenabschätzung war am {date} zu überprüfen; tun Sie es und tragen Sie die neue "
            "ein.",
            "the DPIA was due for review on {date}; review it and fill in the new one",
        ),
    ),
    "dpia_file": Fault(
        "E_DPIA_HASH",
        "P2",
        Words(
            "Het document van de GEB is er niet of kan niet gelezen worden.",
            "Le document de l'AIPD manque ou ne peut être lu.",
            "Das Dokument der Folgenabschätzung fehlt oder ist nicht lesbar.",
            "the DPIA's document is not there or cannot be read; put it into the site folder",
        ),
    ),
    "dpia_hash": Fault(
        "E_DPIA_HASH",
        "P2",
        Words(
            "Het document van de GEB is een ander dan vastgelegd; het heeft SHA-256 {sha256}.",
            "Le document de l'AIPD n'est pas celui qui est fixé ; son SHA-256 est {sha256}.",
            "Das Dokument der Folgenabschätzung ist ein anderes als festgehalten; sein SHA-256 ist "
            "{sha256}.",
            "the DPIA's document is not the one pinned; its SHA-256 is {sha256}: restore it, or "
            "have the new one signed",
        ),
    ),
    "purpose_not_in_dpia": Fault(
        "E_PURPOSE_NOT_IN_DPIA",
        "P3",
        Words(
            "De GEB beoordeelt dit doel niet; breid ze uit en noem het in dpia.purposes.",
            "L'AIPD n'évalue pas cette finalité ; complétez-la et nommez-la dans dpia.purposes.",
            "Die Folgenabschätzung prüft diesen Zweck nicht; ergänzen Sie sie und nennen Sie ihn "
            "in dpia.purposes.",
            "the DPIA does not cover this purpose; extend it and name it in dpia.purposes",
        ),
    ),
    "paid_per_fine": Fault(
        "E_FINANCIAL_MOTIVE",
        "P15",
        Words(
            "Betaling per boete wordt geweigerd; spreek een vast bedrag af.",
            "Un paiement par amende est refusé ; convenez d'un montant fixe.",
            "Bezahlung je Bußgeld wird abgelehnt; vereinbaren Sie einen festen Betrag.",
            "paying a vendor per fine is refused; agree on a fixed price",
        ),
    ),
    "retention": Fault(
        "E_RETENTION_CEILING",
        "P10",
        Words(
            "{hours} uur is meer dan de {ceiling} uur van dit regime; verkort het.",
            "{hours} heures dépassent les {ceiling} heures de ce régime ; raccourcissez.",
            "{hours} Stunden sind mehr als die {ceiling} Stunden dieser Regelung; kürzen Sie.",
            "{hours} hours are more than the {ceiling} of this regime; shorten it",
        ),
    ),
    "sunset_order": Fault(
        "E_SUNSET",
        "P11",
        Words(
            "De einddatum moet na activation.not_before liggen.",
            "La date de fin doit suivre activation.not_before.",
            "Das Ende muss nach activation.not_before liegen.",
            "must lie after activation.not_before",
        ),
    ),
    "sunset_far": Fault(
        "E_SUNSET",
        "P11",
        Words(
            "Meer dan {years} jaar na het begin is permanent; kies een vroegere dag.",
            "Plus de {years} ans après le début, c'est permanent ; choisissez plus tôt.",
            "Mehr als {years} Jahre nach Beginn ist dauerhaft; wählen Sie einen früheren Tag.",
            "more than {years} years after the start is permanent; choose an earlier day",
        ),
    ),
    "sunset_passed": Fault(
        "E_SUNSET",
        "P11",
        Words(
            "Het beleid liep tot {date}; alleen een nieuw, ondertekend beleid opent de camera.",
            "La politique a pris fin le {date} ; seule une nouvelle politique signée ouvre la "
            "caméra.",
            "Die Richtlinie galt bis {date}; nur eine neue, unterschriebene öffnet die Kamera.",
            "the policy ended on {date}; only a new, signed one opens the camera",
        ),
    ),
    "not_yet": Fault(
        "E_SEQUENCE",
        "P1",
        Words(
            "De camera mag pas vanaf {date} werken.",
            "La caméra ne peut fonctionner qu'à partir du {date}.",
            "Die Kamera darf erst ab {date} arbeiten.",
            "the camera may work from {date} on; wait until then",
        ),
    ),
    "evaluation_far": Fault(
        "E_EVALUATION",
        "P20",
        Words(
            "Later dan {limit}; een evaluatie komt binnen het jaar na het begin of de vorige.",
            "Après le {limit} ; une évaluation vient dans l'année du début ou de la précédente.",
            "Nach dem {limit}; bewertet wird binnen eines Jahres nach Beginn oder der letzten.",
            "later than {limit}; an evaluation is due within a year of the start or the last one",
        ),
    ),
    "evaluation_order": Fault(
        "E_EVALUATION",
        "P20",
        Words(
            "Moet na de laatste evaluatie liggen.",
            "Doit suivre la dernière évaluation.",
            "Muss nach der letzten Bewertung liegen.",
            "must lie after the last evaluation",
        ),
    ),
    "evaluation_overdue": Fault(
        "E_EVALUATION",
        "P20",
        Words(
            "De evaluatie moest er op {date} zijn; evalueer en onderteken een nieuwe versie.",
            "L'évaluation était due le {date} ; évaluez et signez une nouvelle version.",
            "Die Bewertung war am {date} fällig; bewerten Sie und unterschreiben Sie eine neue "
            "Fassung.",
            "the evaluation was due on {date}; evaluate, and sign a new version that says so",
        ),
    ),
    "quorum": Fault(
        "E_QUORUM",
        "P1",
        Words(
            "De rol {role} ontbreekt; alle drie de rollen tekenen.",
            "Le rôle {role} manque ; les trois rôles signent.",
            "Die Rolle {role} fehlt; alle drei Rollen unterschreiben.",
            "the role {role} is missing; all three roles sign",
        ),
    ),
    "accuracy": Fault(
        "E_ACCURACY",
        "P12",
        Words(
            "Het interval volgt niet uit de tellingen; Wilson geeft {low} tot {high}.",
            "L'intervalle ne découle pas des comptes ; Wilson donne {low} à {high}.",
            "Das Intervall folgt nicht aus den Zahlen; nach Wilson {low} bis {high}.",
            "does not follow from the counts; Wilson's interval is {low} to {high}",
        ),
    ),
    "accuracy_counts": Fault(
        "E_ACCURACY",
        "P12",
        Words(
            "Meer juist gelezen dan er voertuigen waren.",
            "Plus de lectures exactes que de véhicules.",
            "Mehr richtig gelesen, als Fahrzeuge da waren.",
            "more read right than there were vehicles",
        ),
    ),
    "no_human_check": Fault(
        "W_HUMAN_CHECK",
        "P12",
        Words(
            "Niemand kijkt een treffer van deze regel na.",
            "Personne ne vérifie un résultat de cette règle.",
            "Niemand prüft einen Treffer dieser Regel nach.",
            "nobody checks a hit of this rule",
        ),
        Severity.WARNING,
    ),
    "occupants": Fault(
        "W_OCCUPANTS",
        "P6",
        Words(
            "Treffers van deze regel tonen inzittenden.",
            "Les résultats de cette règle montrent les occupants.",
            "Treffer dieser Regel zeigen Insassen.",
            "hits of this rule show occupants",
        ),
        Severity.WARNING,
    ),
    "always_open": Fault(
        "W_ALWAYS_OPEN",
        "P11",
        Words(
            "Deze camera is dag en nacht open.",
            "Cette caméra est ouverte jour et nuit.",
            "Diese Kamera ist Tag und Nacht offen.",
            "this camera is open day and night",
        ),
        Severity.WARNING,
    ),
    "demo_key": Fault(
        "W_DEMO_KEYS",
        "P1",
        Words(
            "Een demosleutel, die iedereen heeft: alleen opnames worden gelezen.",
            "Une clé de démonstration, que tous possèdent : seuls des enregistrements sont lus.",
            "Ein Demo-Schlüssel, den alle haben: Nur Aufnahmen werden gelesen.",
            "a demo key, which everybody has: recordings are all that is read",
        ),
        Severity.WARNING,
    ),
}
