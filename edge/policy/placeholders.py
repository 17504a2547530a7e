"""Texts that say nothing: placeholders, promises to write later, and names of fields.

A text says nothing if all its words are of these kinds: a phrase that promises or refers, and the
small words and bodies around it ("nog te bepalen door de raad"). One more word makes it a text.
Phrases are compared in small letters without accents and signs.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_WORD = re.compile(r"[^\W_]+")


def is_placeholder(text: str) -> bool:
    """Whether a text is a placeholder, a promise, or a reference to another place."""
    words = _WORD.findall(text.casefold())
    characters = compared(text)
    repeated = len(set(characters)) == 1 and len(characters) > 2 and not "1" <= characters[0] <= "9"
    return (
        characters in _PLACEHOLDERS
        or repeated
        or (len(words) > 1 and all(word.isalpha() and _is_repeated(word) for word in words))
        or (len(set(words)) == 1 and (len(words) > 2 or words[0] in _PLACEHOLDERS))
        or _STILL_TO_WRITE.search(text) is not None
        or _TEMPLATE.search(text) is not None
        or any(compared(inside) in _PLACEHOLDERS for inside in _IN_BRACKETS.findall(text))
        or _says_nothing(text)
        or _is_typed_by_rows(words)
    )


def is_no_name(text: str) -> bool:
    """Whether a text that is no placeholder elsewhere names nobody."""
    words = _plain(text).split()
    return (
        compared(text) in _NOT_NAMES
        or text == "ab"
        or _LEFT_OPEN.search(text) is not None
        # Le Van is a Vietnamese name.
        or (_SMALL.issuperset(words) and (len(words) == 1 or text == text.lower()))
    )


def is_no_reference(text: str) -> bool:
    """Whether a text that is no placeholder elsewhere refers to nothing."""
    return (
        _NOT_REFERENCES.search(text) is not None
        or _ASKED.search(text) is not None
        or is_numbered_placeholder(text)
    )


def is_numbered_placeholder(text: str) -> bool:
    """Whether a text is a phrase that says nothing, with a number behind it: "onbekend 1".

    The name of a field with a number says something: "Nummer 12".
    """
    bare = _NUMBER_BEHIND.sub("", text)
    return bare != text and _says_nothing(bare, fields=False)


def is_to_come(text: str) -> bool:
    """Whether a technical text is still to be written."""
    return compared(text) in _TO_COME or _PLACE_TO_FILL_IN.search(text) is not None


def compared(text: str) -> str:
    """Small letters and digits only."""
    return "".join(_WORD.findall(text.casefold()))


def _plain(text: str) -> str:
    """The words in small letters without accents, with one space between them."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(one for one in letters if not unicodedata.combining(one))
    return " ".join(_WORD.findall(bare))


def _says_nothing(text: str, *, fields: bool = True) -> bool:
    """Whether all words belong to a phrase that says nothing, or are small words around it.

    Args:
        text: the text.
        fields: whether the name of a field is such a phrase.
    """
    plain = _plain(text)
    phrases = (_PROMISE, _ELSEWHERE, _NOTHING, _TEST) + ((_FIELDS,) if fields else ())
    left, found = plain, 0
    for phrase in phrases:
        left, times = phrase.subn(" ", left)
        found += times
    if found and all(word in _AROUND for word in left.split()):
        return True
    words = plain.split()
    return sum(word in _FILLER_TEXT for word in words) > 1 or "aap noot mies" in plain


def _is_typed_by_rows(words: list[str]) -> bool:
    """Whether all words are keys that lie beside each other, or letters in their order."""
    return (
        bool(words)
        and all(len(word) > 2 and any(word in row for row in _ROWS) for word in words)
        and (max(map(len, words)) > 4 or sum(map(len, words)) > 7)
    )


def _is_repeated(word: str) -> bool:
    return len(word) > 2 and len(set(word)) == 1


# As a text is compared: small letters and digits only.
_PLACEHOLDERS = frozenset(
    "".join(_WORD.findall(phrase))
    for phrase in (
        *("x", "xx", "na", "n a", "nvt", "tbd", "tba", "tbc", "todo", "fixme", "wip", "ntb"),
        *("placeholder", "unknown", "onbekend", "inconnu", "inconnue", "unbekannt"),
        *("none", "nothing", "nil", "null", "undefined", "geen", "rien", "néant", "aucun"),
        *("aucune", "nichts", "keine", "entfällt", "asdf", "asdfgh", "asdfasdf", "qwerty"),
        *("qwertz", "azerty", "foo", "foobar", "bla", "blabla", "test", "testing", "string"),
        *("text", "tekst", "texte", "name", "naam", "nom", "reference", "referentie"),
        *("référence", "referenz", "aktenzeichen", "contact", "kontakt", "dummy", "sample"),
        *("example", "voorbeeld", "exemple", "beispiel", "pending", "coming soon"),
        *("to be determined", "to be done", "to be defined", "to be completed", "to be added"),
        *("to be filled in", "fill in", "not applicable", "not available", "not yet known"),
        *("niet van toepassing", "nader te bepalen", "nog te bepalen", "nog in te vullen"),
        *("in te vullen", "vul in", "volgt", "nog te doen", "niet beschikbaar"),
        *("sans objet", "à compléter", "a completer", "à définir", "a definir", "à déterminer"),
        *("à remplir", "à faire", "non applicable", "non disponible", "en attente"),
        *("nicht zutreffend", "noch offen", "noch festzulegen", "noch zu bestimmen"),
        *("auszufüllen", "noch auszufüllen", "bitte ausfüllen", "wird ergänzt", "folgt"),
        *("wird nachgereicht", "keine angabe", "nicht anwendbar", "nicht bekannt"),
        *("zie later", "zie hieronder", "zie bijlage", "volgt nog", "volgt later", "aan te vullen"),
        *("nog aan te vullen", "uw tekst hier", "see below", "see above", "see annex", "see later"),
        *("to follow", "insert text here", "your text here", "text here", "voir annexe"),
        *("voir ci-dessous", "voir plus loin", "à suivre", "votre texte ici", "siehe unten"),
        *("siehe anhang", "siehe anlage", "folgt noch", "wird noch nachgereicht"),
        *("wird noch ergänzt", "ihr text hier", "da definire", "da definire più tardi"),
        *("por determinar", "por determinar aún", "do uzupełnienia", "do uzupełnienia później"),
        *("abc", "abcdef", "abc def ghi", "xyz", "invullen", "aanvullen", "ausfüllen", "remplir"),
    )
)
STILL_TO_WRITE = r"\b(?:TODO|TBD|TBC|FIXME)\b(?!-\w)|(?i:\blorem ipsum\b)"
"""Pattern of what marks a part of any text, long or short, as still to be written."""

_STILL_TO_WRITE = re.compile(
    STILL_TO_WRITE + r"|^(?i:todo|tbd|tba|tbc|fixme) ?:|\bXXX+\b(?!-\w)"
    r"|_{3,}|^[\[<{][^\[\]<>{}]*[\]>}]$"
)
_TEMPLATE = re.compile(
    r"\{\{|\}\}|\$\{|\{%|%\}|<%|%>|\[\[|\]\]|%\([A-Za-z_]+\)[sd]|%[A-Z_]{3,}%|\$[A-Z_]{3,}\b|@@|##"
    r"|^<<.*>>$|#[A-Z_]{3,}#"
)
# In technical texts: `test` may be a user's name there, and `none` a folder's.
_TO_COME = frozenset({"todo", "tbd", "tba", "tbc", "fixme", "placeholder", "changeme", "fillin"})
_PLACE_TO_FILL_IN = re.compile(
    r"<[A-Za-z][^<>=]*>|_{3,}|\bX{3,}\b|\b(?:TODO|TBD|FIXME|CHANGE_?ME)\b|^[\[{][^\[\]{}]*[\]}]$"
    r"|\{\{|\$\{"
)
_NOT_NAMES = frozenset(
    "".join(phrase.split())
    for phrase in (
        *("xy", "niemand", "nobody", "personne", "anonymous", "anoniem", "anonyme", "anonym"),
        *("uw naam", "jouw naam", "your name", "votre nom", "ihr name", "full name"),
        *("john doe", "jane doe", "jan modaal", "max mustermann", "erika mustermann"),
        *("nn", "nomen nescio", "iemand", "someone", "somebody", "quelqu un", "jemand", "n n"),
        *("untel", "monsieur untel", "madame unetelle", "first last", "foo bar", "piet snot"),
        *("jan met de pet", "monsieur tout le monde", "joe bloggs", "otto normalverbraucher"),
        *("test persoon", "testpersoon", "test person", "testperson", "personne test", "anybody"),
    )
)
_NOT_REFERENCES = re.compile(
    r"(?:^|[-/_ ]|nr\.|no\.|n°)0+$|\bx{3,}\b|^(?:nr|no|nummer|number|numéro)[.°: ]*$"
    r"|^(?:pending|n[/.]?a|n[.]?v[.]?t|tbd|tba|tbc|todo|volgt)[.: ]*[0-9]*$"
    r"|^\.|^(?:abc|foo|xyz)[-_/ .]?12?3?4?5?6?$|^123[-_/ .]?(?:abc|xyz)$",
    re.IGNORECASE,
)
_LEFT_OPEN = re.compile(r"(?:^|\s)(?:\.{3,}|…)(?:\s|$)|\.{4,}")
_ASKED = re.compile(r"\?\?|(?:^|[\s._-])\?|\?$|\.{3}|…")
_NUMBER_BEHIND = re.compile(r"[\W_]*[0-9]+[\W_]*$")
_IN_BRACKETS = re.compile(r"[\[<{]([^\[\]<>{}]*)[\]>}]")


def _any_of(phrases: str) -> re.Pattern[str]:
    """A pattern of phrases, parted by line breaks or by bars with spaces around them."""
    parts = [one.strip() for one in re.split(r"\n| \| ", phrases) if one.strip()]
    return re.compile(rf"\b(?:{'|'.join(sorted(parts, key=len, reverse=True))})\b")


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


# What is done, or is to be done, with a text that is not there yet.
_DONE_NL = (
    "(?:aan|in)gevuld|(?:in|op)geschreven|bepaald|toegekend|bezorgd|meegedeeld|nagestuurd"
    "|vervolledigd|uitgewerkt|aangeleverd|doorgegeven|gepreciseerd|verduidelijkt|bekendgemaakt"
)
_TO_DO_NL = (
    "vullen|bepalen|aanvullen|invullen|bevestigen|preciseren|definieren|schrijven|beslissen"
    "|vervolledigen|verduidelijken|benoemen|bekijken|bespreken|doen|kennen|delen|leggen"
)
_DONE_FR = (
    "completee?s?|precisee?s?|definie?s?|determinee?s?|communiquee?s?|fournie?s?|ajoutee?s?"
    "|attribuee?s?|confirmee?s?|remplie?s?|transmise?s?"
)
_TO_DO_FR = (
    "completer|preciser|definir|determiner|communiquer|confirmer|remplir|fournir|ajouter|venir"
    "|attribuer|decider|rediger|voir|faire"
)
_DONE_DE = (
    "erganzt|nachgereicht|bestimmt|festgelegt|mitgeteilt|ausgefullt|nachgetragen|vergeben"
    "|eingetragen|vervollstandigt|prazisiert|geklart|bestatigt"
)
_TO_DO_DE = (
    "zu erganzen|zu bestimmen|festzulegen|auszufullen|zu klaren|zu bestatigen|zu prazisieren"
    "|einzutragen|nachzutragen|zu definieren|zu vergeben|zu entscheiden|zu benennen"
)
_DONE_EN = (
    "confirmed|announced|determined|defined|decided|completed|added|provided|filled in|supplied"
    "|specified|written|assigned|agreed|done|advised|clarified|discussed|named"
)
_SOON_NL = "(?:nog|later|nader|verder|nadien|binnenkort|straks|spoedig|worden)"
_SOON_FR = "(?:encore|ulterieurement|prochainement|bientot|plus tard)"
_SOON_DE = "(?:noch|spater|demnachst|bald|in kurze)"
_PROMISE: Final = _any_of(
    rf"""
    (?:{_SOON_NL} )*(?:(?:toe|mee|aan|in|uit|vast|op) )?te (?:{_TO_DO_NL})
    (?:wordt|worden|zal|moet)(?: {_SOON_NL})* (?:{_DONE_NL})
    {_SOON_NL} (?:{_DONE_NL})(?: (?:wordt|worden))?
    (?:komt|volgt|komen|volgen) (?:{_SOON_NL}|eraan|er aan|hier|na) | volgt$ | ^later$
    nog (?:niet|onbekend|open)(?: (?:bekend|gekend|toegekend|beslist))?
    n n b | nnb | n n t b | nntb | n o t k | notk | n t b
    (?:sera|seront|(?:doit|devra|reste a) etre)(?: {_SOON_FR})? (?:{_DONE_FR})
    (?:reste )?(?:encore )?a (?:{_TO_DO_FR}) | {_SOON_FR} | suivra | suivront
    pas encore (?:connue?|{_DONE_FR})
    (?:wird|werden|muss)(?: {_SOON_DE})* (?:{_DONE_DE})(?: werden)?
    noch (?:{_TO_DO_DE}|offen|unbekannt) | (?:ist )?(?:{_TO_DO_DE})
    noch nicht (?:bekannt|{_DONE_DE}) | folgt(?: (?:{_SOON_DE}|nach))* | kommt {_SOON_DE}
    (?:yet |still )?(?:to|will|shall|must) be(?: (?:yet|still|later))? (?:{_DONE_EN})
    (?:yet|still) to (?:come|follow|be (?:{_DONE_EN}))
    (?:comes|coming|follows|to follow|will follow)(?: (?:later|soon))?
    not (?:yet )?(?:known|{_DONE_EN})(?: yet)? | watch this space | work in progress
    """
)
_PLACES = (
    "(?:(?:het|de|le|la|l|les|der|die|das|the|ons|notre|in|im|dans|au) )*"
    "(?:dossiers?|bijlagen?|boven|hierboven|hieronder|onder|elders|verder|document|documenten|nota"
    "|verslag|dpia|website|annexes?|annexe|attachment|ci dessus|ci dessous|plus loin|plus haut"
    "|ailleurs|rapport|oben|unten|anhang|anlage|akte|anderswo|above|below|elsewhere|annex"
    "|appendix|file|report|ook|aussi|auch|also|bericht|unterlagen|tekst|texte?|details?|site|aipd"
    "|dsfa)"
)
_ELSEWHERE: Final = _any_of(
    rf"""
    ^(?:zie|cf|cfr|voir|siehe|vgl|see|refer to|raadpleeg|consulter|consultez)(?: {_PLACES})*
    idem(?: (?:als|que|wie|as))?(?: {_PLACES})? | ditto | dito | ibid | ibidem | as {_PLACES}
    (?:same|identical)(?: (?:as|to))?(?: {_PLACES})?
    (?:hetzelfde|dezelfde|zelfde|gelijk|zoals)(?: (?:als|aan))? {_PLACES}
    (?:le |la )?meme(?: chose)? que {_PLACES} | comme {_PLACES}
    wie {_PLACES} | (?:das|der|die)?selbe wie {_PLACES}
    """
)
_REMARKS = (
    "opmerkingen|opmerking|commentaar|comments?|remarks?|remarques?|commentaires?|bemerkung(?:en)?"
    "|anmerkungen|kommentar|angaben?|info|informatie|information|idee|idea|ahnung|nummer|inhoud"
    "|referentie|kenmerk|reference|numero|number|aktenzeichen|gegevens"
)
_APPLIES = (
    "relevant|pertinent|applicable|toepasselijk|zutreffend|anwendbar|available|beschikbaar"
    "|disponible|verfugbar|bekend|known|connue?|bekannt"
)
_NOTHING: Final = _any_of(
    rf"""
    (?:niet|not|non|pas|nicht) (?:{_APPLIES}) | niet van toepassing | sans objet | irrelevant
    (?:geen|no|keine?|aucune?|pas de|sans|zonder|without|ohne)(?: \w+)? (?:{_REMARKS})
    (?:niets|niks|nothing)(?: (?:te|to) (?:melden|report|zeggen|say))? | nvt | n v t
    (?:rien|nichts)(?: (?:a|zu) (?:signaler|declarer|melden|bemerken|sagen))?
    weet (?:ik |het )*niet | je ne sais pas | weiss nicht | (?:i )?don t know | idk | whatever
    maakt niet uit | peu importe | egal | s n | z n | onbekend | unknown | inconnue? | unbekannt
    """
)
_FIELDS: Final = _any_of(
    """
    naam | voornaam | achternaam | familienaam | nom | prenom | name | vorname | nachname
    familienname | surname | firstname | lastname | first name | last name | family name | adres
    adresse | address | anschrift | telefoon | telefoonnummer | telephone | telefon | phone
    telefonnummer | e mail | email | datum | date | referentie | reference | referenz | kenmerk
    aktenzeichen | nummer | number | numero | titel | title | titre | functie | fonction | funktion
    contactgegevens | coordonnees | kontaktdaten | handtekening | signature | referentienummer
    dossiernummer | placeholder | invulveld | omschrijving | beschrijving | description
    beschreibung | (?<=bitte )namen | (?<=ihren )namen
    """
)
_A_TEST = "(?:test|voorbeeld|example|exemple|beispiel|proef|try|essai)"
_TEST: Final = _any_of(
    rf"""
    (?:dit|this|ceci|c|das|dies) (?:is|est|ist) (?:(?:een|a|un|ein|just|maar|only|nur) )*{_A_TEST}
    (?:dit|this|ceci|c|das|dies) (?:is|est|ist) (?:(?:een|a|un|ein) )?(?:tekst|texte?)
    (?:just |een |a |un |ein )?{_A_TEST} ?(?:tekst|texte?|zin|sentence|phrase|satz)
    (?:some|any|een|hier|ici|here|un|ein|my|mijn|mon|mein|your|uw|votre|ihr) (?:tekst|texte?)
    foo bar(?: baz)? | hello world | hallo wereld | bonjour monde | hallo welt
    """
)
_SMALL: Final = _set_of(
    """
    de het een den der van voor en of te ten ter in op aan door bij met le la les l un une du des d
    et ou a au aux par pour dans sur die das dem des ein eine einer von vom zu zum zur im am durch
    fur und oder the an of by and or for to at on with
    """
)
_TOWNS: Final = _set_of("gemeente stad commune ville gemeinde stadt town city")
_AROUND: Final = (
    _SMALL
    | _TOWNS
    | _set_of(
        """
        wordt worden is zal nog later hier dit dat deze nu week maand jaar volgende we wij uw ons
        onze raad gemeenteraad college schepenen burgemeester politie korpschef dienst juridische
        dpo functionaris vul invullen gelieve schrijf noteer typ zet plaats invoegen alstublieft
        tekst inhoud maatregel antwoord uitleg details info na vergadering zonder ik conseil
        communal communale bourgmestre police service sera est ici ce cette votre notre
        veuillez remplir remplissez indiquez inserez ecrivez texte contenu mesure reponse seance
        semaine mois prochain prochaine sans rat gemeinderat gemeinde burgermeister burgermeisters
        polizei dienststelle wird ist bitte eintragen einfugen einsetzen ausfullen angeben
        ihr ihre ihren text inhalt massnahme antwort spater noch nachste woche monat ohne council
        mayor mayors office will be here this that your our please fill enter insert type
        write put add specify content measure answer next month soon without it its
        kein keine geen no voorlopig vooralsnog momenteel actuellement currently derzeit
        zeit moment mr mme dhr mevrouw contact aanvrager persoon person personne
        bijzondere specifieke particuliere particulieres besonderen besondere particular
        """
    )
)
"""Words that add nothing to a phrase: small words, bodies that decide, and verbs of forms."""

# Words of the filler text that printers use, without those that a living language has too.
_FILLER_TEXT: Final = _set_of(
    """
    lorem ipsum dolor amet consectetur adipiscing eiusmod incididunt labore dolore aliqua minim
    veniam nostrud exercitation ullamco laboris aliquip commodo consequat aute irure reprehenderit
    voluptate cillum fugiat pariatur excepteur occaecat cupidatat proident deserunt mollit laborum
    """
)
_KEYS = (
    *("qwertyuiop", "asdfghjkl", "zxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn", "qwertzuiop"),
    *("yxcvbnm", "abcdefghijklmnopqrstuvwxyz"),
)
_ROWS: Final = (*_KEYS, *(row[::-1] for row in _KEYS))
