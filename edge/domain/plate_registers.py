"""The forms of the number plates of 51 European countries, each with its source.

A form is the order of letters and digits: two letters, three digits, two letters. Lower-case
letters stand for a class of characters (`CLASSES`), capitals and digits for themselves; groups,
`[…]`, `?` and `{1,3}` mean what they mean in a regular expression. Separators, coats of arms and
the break of a plate in two lines are no characters, so a plate in two lines has the same form.

Each form was compared with the sources of its country in November 2026; of long texts only
excerpts could be read. Where the plates are `unsourced`, no text was found for the form: it is
common knowledge, or it was in the table before. Rules for the choice:

- A series that is still on the road is included, also if it is no longer issued.
- A letter is excluded only if a source says that the series never had it.
- A plate with a text of the owner's choice has no form, except where the law gives it one.
- Rare plates, such as those of officials, diplomats, mopeds and veterans, are left out if they have
  at most four characters, or look like an ordinary plate of the country without its first or last
  character: a piece of an ordinary plate must not count as a whole one. Rare plates stay in doubt.

Longer than 500 lines because it is the one table of all countries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CLASSES: Mapping[str, str] = {
    "a": "[A-Z]",
    "b": "[ABCEHKMOPTXY]",  # Bulgaria, Russia: the 12 letters that Cyrillic and Latin share
    "c": "[B-DF-HJ-PR-TV-XZ]",  # Netherlands since 1991: no A, E, I, Q, U, Y
    "d": "[0-9]",
    "e": "[ABCEHIKMOPTX]",  # Belarus: the 12 letters that Cyrillic and Latin share
    "f": "[A-HJ-NP-TV-Z]",  # France since 2009: no I, O, U
    "g": "[ABEHIKMNOPTXYZ]",  # Greece: the 14 letters that Greek and Latin share
    "h": "[A-VXZ]",  # Portugal before 2020: no W, Y
    "i": "[A-HJ-NPR-TV-Z]",  # Italy since 1994: no I, O, Q, U
    "j": "[A-PR-VZ]",  # Croatia: no Q, W, X, Y
    "k": "[A-HJ-PR-Z]",  # Netherlands before 1991, United Kingdom: no I, Q
    "l": "[A-HJ-NP-Z]",  # France before 2009: no I, O
    "m": "[AEJKMOT]",  # Bosnia and Herzegovina
    "n": "[1-9]",
    "o": "[A-PR-Z]",  # Austria, Poland, Romania, Serbia: no Q
    "p": "[AC-CE-HJ-NPR-Y]",  # serial letters of Poland since 2000: no B, D, I, O, Q, Z
    "q": "[A-FH-NPR-VX-Z]",  # Czech Republic since 2001: no G, O, Q, W
    "r": "[A-HJ-NPR-Z]",  # Romania, first serial letter; Netherlands 1978: no I, O, Q
    "s": "[BCDF-HJ-NPR-TV-Z]",  # serial letters of Spain since 2000: no vowels, no Q
    "t": "[A-PR-VYZ]",  # Turkey, Lithuania: no Q, W, X
    "u": "[ABCDEHIJKMOPTXYZ]",  # Ukraine: shared letters; D: regions; J, Y, Z: electric
    "v": "[B-DF-HJ-NPR-TV-XZ]",  # Netherlands since 1991, not the first letter: no O either
    "w": "[A-HJ-PR-UW-Z]",  # Sweden: no I, Q, V
    "x": "[0-9A-Z]",
    "y": "[0-9A-HJ-NPR-UW-Z]",  # last character of Sweden since 2019: no O either
    "z": "[0-9A-FH-NPR-VX-Z]",  # third character of the Czech Republic: a digit, no G, O, Q, W
}
"""What the lower-case letters of the forms stand for."""


@dataclass(frozen=True, slots=True)
class PlateRegister:
    """The plates of one country.

    Attributes:
        sources: the texts with which the forms were compared: a law, or the name of a page.
        forms: which plates, and their forms with spaces between.
    """

    sources: tuple[str, ...]
    forms: Mapping[str, str]


_IRISH_COUNTIES = (
    "(?:C[ENW]?|DL?|G|K[EKY]|L[DHKMS]?|M[HNO]|OY|RN|SO|T[NS]?|W[DHWX]?)"  # 1987 and 2014
)
_SWISS_CANTONS = "(?:A[GIR]|B[ELS]|FR|G[ELR]|JU|LU|N[EW]|OW|S[GHOZ]|T[GI]|UR|V[DS]|Z[GH])"


def _page(country: str) -> str:
    return f"Wikipedia: Vehicle registration plates of {country}"


REGISTERS: Mapping[str, PlateRegister] = {
    "Albania": PlateRegister(
        (_page("Albania"),),
        {
            "since 2011; police MB, army MM": "aadddaa",
            "1993 to 2011": "aadddda",
            "taxi": "aadddT",
            "trailer": "aaRddd",
            "motorcycle": "aaddd",
            "diplomatic": "CDdddda",
        },
    ),
    "Andorra": PlateRegister(
        (
            _page("Andorra"),
            "Automòbil Club d'Andorra: Plaques de matrícula",
        ),
        {
            "since 1989": "adddd",
            "1970 to 1989": "ddddd",
            "temporary": "MTdddd",
            "diplomatic": "CDd{3} addda",
        },
    ),
    "Armenia": PlateRegister(
        (_page("Armenia"),),
        {
            "since 1996": "ddaaddd dddaadd",
            "motorcycle and trailer before 2010, unsourced": "ddddaa",
        },
    ),
    "Austria": PlateRegister(
        (
            "KDV 1967: Wunschkennzeichen (letters and digits of the owner's choice)",
            "Wikipedia: Kfz-Kennzeichen (Österreich)",
        ),
        {
            "since 1990; motorcycle, trailer, temporary": "o{1,2}nd{0,5}o{1,3}",
            "owner's choice: letters, then digits": "o{1,2}o{1,5}nd{0,4}",
            "authorities, diplomatic, and series before 1990": "o{1,2}d{2,6}",
        },
    ),
    "Azerbaijan": PlateRegister(
        ("Wikipedia: Tablice rejestracyjne w Azerbejdżanie",),
        {
            "since 1993": "ddaaddd",
            "diplomatic, unsourced": "dddaddd",
        },
    ),
    "Belarus": PlateRegister(
        (
            _page("Belarus"),
            "Wikipedia: Kfz-Kennzeichen (Belarus)",
        ),
        {
            "car, motorcycle since 2004": "ddddeed",
            "electric car": "Edddeed",
            "lorry, bus, tractor since 2004": "eeddddd",
            "trailer since 2004": "edddded",
            "taxi": "dTAXdddd",
            "temporary": "deeTdddd",
            "diplomatic, consular": "(?:CC|CD)ddddd",
            "1992 to 2004; police, army": "dddda{2,3}",
            "lorry before 2004, unsourced": "aadddd",
            "trailer before 2004, unsourced": "adddda",
        },
    ),
    "Belgium": PlateRegister(
        (
            "Ministerial decree of 23 July 2001, articles 4, 10 and 13 (inscriptions)",
            "Royal decree of 20 July 2001, articles 20 and 23",
            "Wikipedia: Kfz-Kennzeichen (Belgien) (1953-2010)",
            "Viapass: plates of the trade since 1 January 2021",
        ),
        {
            "since 2010, index 1 to 9 (9: owner's choice, 8: international)": "naaaddd",
            "since 2014: motorcycle M, W, trailer Q, U, oldtimer O, taxi T": "[MOQTUW]aaaddd",
            "since 2014: moped S, tractor G, trade V, Y, Z; others": "[EGSVXYZ]aaaddd",
            "1973 to 2008; TXA taxi, O oldtimer, Q, U trailer, M, W motorcycle": "aaaddd",
            "2008 to 2010": "dddaaa",
            "1953 to 1962": "adddd daddd ddadd dddad dddda",
            "1962 to 1973": "daadd ddaad addda",
            "temporary, export and national plate, with the year": "[U-Z]addaaa",
            "temporary and export": "aaadd[U-Z]a",
            "diplomatic": "CDaaddd",
            "diplomatic before 2010, unsourced": "CDaddd CDdddd",
        },
    ),
    "Bosnia and Herzegovina": PlateRegister(
        (_page("Bosnia and Herzegovina"),),
        {
            "since 1998": "mddmddd",
            "taxi TA, temporary TT": "T[AT]d{6}",
            "diplomatic before 2009": "dddaddd",
            "army": "ddddda",
        },
    ),
    "Bulgaria": PlateRegister(
        (_page("Bulgaria"),),
        {
            "since 1992; one serial letter: motorcycle; E: trailer": "b{1,2}ddddb{1,2}",
            "army, civil protection": "(?:BA|CP)d{6}",
            "transit T, new vehicle H, trade B": "ddd[BHT]ddd",
        },
    ),
    "Croatia": PlateRegister(
        (_page("Croatia"),),
        {
            "since 1992; army HV": "jjd{3,4}j{1,2}",
            "owner's choice: a word": "jja{4,7}",
            "owner's choice: a word with digits": "jja{4,5}d{1,2}",
            "temporary": "jjd{5}",
            "police": "d{6}",
            "diplomatic, unsourced": "dddaddd",
        },
    ),
    "Cyprus": PlateRegister(
        (_page("Cyprus"),),
        {
            "since 1990": "aaad{1,3}",
            "1956 to 1990; National Guard EF, United Nations UN": "aad{1,4}",
            "taxi T, rental Z before 2013": "[TZ]aaaddd",
            "diplomatic": "dd(?:AT|CC|CD)d{1,3}",
            "trade": "d{6}",
        },
    ),
    "Czech Republic": PlateRegister(
        (
            "Decree 243/2001 Sb. § 16; act 56/2001 Sb. § 7; decree 343/2014 Sb. § 23",
            _page("the Czech Republic"),
            "registr-vozidel.cz: nový formát SPZ v Praze po 21 letech",
        ),
        {
            "since 2001; trailer, export": "dqzdddd",
            "since 2023, Prague": "dqqqddd",
            "motorcycle since 2001": "dqzddd dqdddd",
            "before 2001": "aa{1,2}dddd",
            "electric": "ELdddqq",
            "electric, unsourced": "ELxdddd",
            "historic V, sport R; motorcycle with three digits": "dd[RV]d{3,4}",
            "diplomatic, foreigner": "ddd(?:CD|HC|XS|XX)dd",
            "army": "d{7}",
        },
    ),
    "Denmark": PlateRegister(
        (_page("Denmark"),),
        {
            "car, lorry, motorcycle, taxi, diplomatic since 1976": "aaddddd",
            "trailer, trade, moped": "aadddd",
            "tractor, moped": "aaddd",
            "army, unsourced": "ddddd",
        },
    ),
    "Estonia": PlateRegister(
        (_page("Estonia"),),
        {
            "since 1991, car and trailer": "dddaaa",
            "reduced size": "ddaaa",
            "motorcycle; trailer before 2004": "d{2,3}aa",
            "army, unsourced": "ddddaa",
            "diplomatic": "(?:AT|CD)d{3,4}",
            "head of mission": "CMDd{2,3}",
            "trade": "PROOVdddd",
        },
    ),
    "Finland": PlateRegister(
        (_page("Finland"),),
        {
            "since 1972; D, P, W trailer; Åland AL; as before 1972": "a{2,3}d{1,3}",
            "diplomatic": "CDd{3,4} Cd{4,5}",
        },
    ),
    "France": PlateRegister(
        (
            "Order of 9 February 2009 on registration, as the Gazette des communes reports it",
            "Wikipedia: Kfz-Kennzeichen (Frankreich)",
            "Wikipedia: Plaque d'immatriculation française du corps diplomatique",
        ),
        {
            "since 2009, all vehicles; WW: provisional": "(?!SS)ffddd(?!SS)ff",
            "trade": "Wdddff",
            "1950 to 2009, by department": "nd{0,3}l{1,3}(?:dd|2[AB]|97d)",
            "diplomatic, consular": "[ESU]?d{2,3}(?:CD|CMD|[CK])d{1,4}X?",
            "army, unsourced": "d{7,8}",
        },
    ),
    "Georgia": PlateRegister(
        (
            _page("Georgia (country)"),
            "Wikipedia: Targhe d'immatricolazione della Georgia",
        ),
        {
            "since 2014": "aadddaa",
            "before 2014": "aaaddd",
            "motorcycle": "aadddd",
        },
    ),
    "Germany": PlateRegister(
        (
            "FZV, as kennzeichen-guide.de lists its plates (Deutschland kompakt)",
            "Wikipedia: Kfz-Kennzeichen (Deutschland)",
            "kennzeichenwelt.de: Diplomaten",
            "Allianz: Versicherungskennzeichen (insurance plates, no Q)",
        ),
        {
            "since 1956; E electric, H oldtimer": "a{2,5}nd{0,3}[EH]?",
            "short-term 03, 04, inspection 05, trade 06, oldtimer 07": "a{1,3}0[3-7]d{2,4}",
            "export": "a{1,3}nd{0,3}a",
            "authorities, THW, BP, BD, army Y, NATO X, embassy staff": "a{1,3}nd{0,5}",
            "diplomatic": "0nd{2,5}",
            "insurance plate of a moped": "dddooo",
        },
    ),
    "Gibraltar": PlateRegister(
        (
            _page("Gibraltar"),
            _page("the British Overseas Territories"),
        ),
        {
            "since 2001": "Gdddda",
            "1912 to 2001": "Gd{1,5}",
            "government": "GGd{4,5}",
            "trade": "DLRdddd",
            "navy": "ddRNdd",
        },
    ),
    "Greece": PlateRegister(
        (
            _page("Greece"),
            "Wikipedia: Kfz-Kennzeichen (Griechenland)",
        ),
        {
            "since 1983; motorcycle with up to three digits; taxi TA": "gggd{1,4}",
            "police EA, government; lorry before 1983 and army, unsourced": "aad{4,5}",
            "duty free": "adddd",
            "1960 to 1983": "d{6}",
        },
    ),
    "Guernsey": PlateRegister(
        (_page("the Bailiwick of Guernsey"),),
        {
            "since 1908": "d{1,5}",
            "Alderney": "AYd{1,4}",
        },
    ),
    "Hungary": PlateRegister(
        (
            _page("Hungary"),
            "podalnici.cz: registrační značky vozidel v Maďarsku",
        ),
        {
            "since 2022": "aaaaddd",
            "1990 to 2022; X trailer, U motorcycle": "aaaddd",
            "owner's choice: letters, then digits": "(?=.{6,7}$)a{3,6}d{1,4}",
            "police RA, army HA, ambulance MA, oldtimer OT since 2022": "aaddddd",
            "before 1990; police, army, diplomatic, foreigner before 2022": "aadddd",
            "temporary E, trial P, customs V, export Z": "ad{5}",
            "agricultural": "Md{6}",
            "diplomatic since 2022": "CDd{6}",
            "trade, trial since 2022": "Id{2,3}aa",
        },
    ),
    "Iceland": PlateRegister(
        (
            _page("Iceland"),
            "US.337: License plate variations (Transport Authority)",
        ),
        {
            "since 1989; a letter in third place since 2007": "aaxdd",
            "diplomatic": "CDadd",
            "before 1989": "ad{4,5}",
        },
    ),
    "Ireland": PlateRegister(
        (_page("the Republic of Ireland"),),
        {
            "since 1987; half-year since 2013": f"dd[12]?{_IRISH_COUNTIES}d{{1,6}}",
            "diplomatic": f"dd[12]?{_IRISH_COUNTIES}CDd{{1,4}}",
            "vintage ZV, temporary ZZ": "Z[VZ]d{3,5}",
            "1903 to 1986": "a{2,3}d{1,4} d{1,4}a{2,3}",
        },
    ),
    "Italy": PlateRegister(
        (
            "Wikipedia: Targhe d'immatricolazione dell'Italia",
            "Wikipedia: Sigle automobilistiche italiane",
            "assicurazione.auto.narkive.it: X del nuovo targhino dei ciclomotori",
        ),
        {
            "car since 1994; X trailer since 2013, Y local police, Z square": "iidddii",
            "motorcycle since 1994": "iid{5}",
            "moped since 2006: no vowels, Q, 0, 1": "X[2-9B-DF-HJ-NPR-TV-Z]{5}",
            "1927 to 1994": "(?:aa|ROMA)d{5,6} (?:aa|ROMA)ad{5} (?:aa|ROMA)d{5}a (?:aa|ROMA)dadddd",
            "1927 to 1994, Milan": "(?:aa|ROMA)ddaddd",
            "trade, unsourced": "xxPd{5}",
            "Carabinieri, unsourced": "CCaaddd",
            "Carabinieri, diplomatic, unsourced": "CCdddaa",
            "air force, army, navy, unsourced": "(?:AM|EI|MM)a{1,2}ddd",
            "police, unsourced": "POLIZIAadddd",
        },
    ),
    "Kosovo": PlateRegister(
        (
            _page("Kosovo"),
            "kennzeichen-guide.de: Kosovo",
        ),
        {
            "since 2010, all vehicles": "dddddaa",
            "2000 to 2010": "dddKSddd",
        },
    ),
    "Latvia": PlateRegister(
        (
            _page("Latvia"),
            "Wikipedia: Kfz-Kennzeichen (Lettland)",
        ),
        {
            "since 1993; taxi TX, TE, TQ, motorcycle TA, army LA, diplomatic CD": "aad{1,4}",
            "trailer": "ad{3,4}",
            "temporary": "ad{5}",
        },
    ),
    "Liechtenstein": PlateRegister(
        (_page("Liechtenstein"),),
        {
            "since 1920, all vehicles": "FLd{1,5}",
        },
    ),
    "Lithuania": PlateRegister(
        (
            _page("Lithuania"),
            "Regitra: number plates of diplomatic missions",
            "podalnici.cz: registrační značky vozidel na Litvě",
        ),
        {
            "since 1991": "tttddd",
            "trailer": "ttddd",
            "motorcycle": "dddtt",
            "electric car EV, unsourced": "ttdddd",
            "taxi": "Tddddd",
            "trade, with the year": "ad{6}",
            "export": "d{4,5}tt",
            "diplomatic": "d{6}",
            "army": "ttddda",
        },
    ),
    "Luxembourg": PlateRegister(
        (
            "Grand-ducal regulation of 17 June 2003, as Tageblatt and the page below report it",
            _page("Luxembourg"),
            "podalnici.cz: registrační značky vozidel v Lucembursku (trade)",
        ),
        {
            "since 2003; ZZ trade, CD diplomatic, AA authorities": "aadddd",
            "1978 to 2003": "aaddd",
            "1966 to 1978": "adddd",
            "before 1966, and on request": "d{4,5}",
            "export": "ddddEXP",
            "trade, with the year": "d{6}",
        },
    ),
    "Malta": PlateRegister(
        (_page("Malta"),),
        {
            "since 1995; K, QZ rental, Y bus, GV government, CD diplomatic": "aaaddd",
            "taxi": "TAXIddd[GM]",
        },
    ),
    "Moldova": PlateRegister(
        (_page("Moldova"),),
        {
            "since 2015": "aaaddd",
            "Chișinău before 2015": "[CK]aad{2,3}",
            "regions before 2015": "aaaad{1,3}",
            "diplomatic": "(?:CA|CD|TC|TS)ddda{1,2}",
            "president RM, army FA, border DG": "aadddd",
            "government": "RMaddd",
            "police": "MAIdddd",
        },
    ),
    "Monaco": PlateRegister(
        (_page("Monaco"),),
        {
            "all vehicles: four characters": "xxxx",
            "all vehicles: up to three digits": "ddd",
        },
    ),
    "Montenegro": PlateRegister(
        (
            _page("Montenegro"),
            "Wikipedia: Kfz-Kennzeichen (Montenegro)",
        ),
        {
            "since 2008; temporary RP": "aaaaddd",
            "motorcycle": "aaaadd",
            "trailer": "aadddaa",
            "police": "Paaddd",
            "army, unsourced": "Vd{4,6}",
            "diplomatic": "d{2,3}[ACEMP]ddd",
        },
    ),
    "Netherlands": PlateRegister(
        (
            "RDW: kentekenseries and letters, as nummerborden.info and kentekenkennis.nl list them",
            "Staatscourant 2005, 161 (trade plates, new series)",
            "Wikipedia: Systematik der Kfz-Kennzeichen (Niederlande)",
        ),
        {
            "series 1, 1951; oldtimer, army, CD, GV, OA and HC trade": "kkdddd",
            "series 2, 1965": "ddddkk",
            "series 3, 1973; CD": "ddkkdd",
            "series 4, 1978; O semi-trailer, W trailer, M motorcycle, B, V commercial": "kkddrr",
            "series 5, 1991": "cvvvdd",
            "series 6, 1999": "ddcvvv",
            "series 7, 2005": "ddcvvd",
            "series 8 of RDW's numbering, 2006": "dcvvdd",
            "series 9, 2006": "cvdddv",
            "series 10, 2008": "cdddvv",
            "series 11, 2015": "cvvddv",
            "series 12, 2015": "cddvvv",
            "series 13, 2016": "dcvddd",
            "series 14, reserved": "dddcvd",
            "International Court of Justice": "CDJddd",
        },
    ),
    "North Macedonia": PlateRegister(
        (
            "Wikipedia: Kfz-Kennzeichen (Nordmazedonien)",
            "licenseplatemania.com: Macedonia",
        ),
        {
            "since 1993; four digits since 2012": "aad{3,4}aa",
            "diplomatic, unsourced": "d{2,3}addd",
        },
    ),
    "Norway": PlateRegister(
        (
            _page("Norway"),
            "olavsplates.com: Norway",
            "podalnici.cz: registrační značky vozidel v Norsku (trade)",
        ),
        {
            "car since 1971; EL, EK, EV electric, CD diplomatic": "aaddddd",
            "motorcycle, trailer, tractor": "aadddd",
            "trade; T: trailers": "aaaddT?",
            "army, export": "d{5}",
        },
    ),
    "Poland": PlateRegister(
        (
            "Regulation of 22 July 2002 § 21 (Dz.U. 2016 poz. 1038); of 11 December 2017",
            "Dz.U. 2019 poz. 546 (plates of the trade)",
            "stacja.com.pl: oznaczenia tablic rejestracyjnych",
            "Wikipedia: Kfz-Kennzeichen (Polen)",
        ),
        {
            "since 2000, towns; army U": "ood{5}",
            "since 2000, towns": "ooddddp oodddpp oodpddd oodppdd",
            "motorcycle, towns": "oodddd oodddp oopddd",
            "historic, towns": "ooddp",
            "since 2000, districts; motorcycle": "ooopddd oooddpp ooodpdd oooddpd ooodppd",
            "since 2000, districts": "oooppdd oood{5} oooddddp ooodddpp",
            "historic, districts": "ooodp",
            "before 2000": "ooodddd ooodddo",
            "owner's choice": "odo{3,5}",
            "owner's choice, one digit": "odo{2,4}d",
            "owner's choice, two digits": "odo{1,3}dd",
            "temporary; diplomatic W": "od{6}",
            "trade": "oddddPdd",
            "police": "Hoooddd",
        },
    ),
    "Portugal": PlateRegister(
        (
            _page("Portugal"),
            "Postal: matrículas especiais",
            "memim.com: Portugal (trailers)",
        ),
        {
            "since 2020": "aaddaa",
            "2005 to 2020": "ddhhdd",
            "1992 to 2005": "ddddhh",
            "1937 to 1992; army ME, MG, MX, navy AP, air force AM": "hhdddd",
            "trailer": "a{1,2}d{5,6}",
            "National Guard": "GNRad{2,4}",
            "diplomatic, unsourced": "ddd(?:CC|CD|FM)ddd",
        },
    ),
    "Romania": PlateRegister(
        (_page("Romania"),),
        {
            "since 1992, Bucharest": "Bd{2,3}roo",
            "since 1992, counties": "ooddroo",
            "temporary, leased; diplomatic CD, CO, TC": "o{1,2}d{3,6}",
            "trial": "o{1,2}dddPROBE",
            "army, unsourced": "Ad{4,7}",
            "police, unsourced": "MAId{4,5}",
        },
    ),
    "Russia": PlateRegister(
        (
            _page("Russia"),
            "Wikipedia: Kfz-Kennzeichen (Russland)",
        ),
        {
            "since 1993, region last": "bdddbbd{2,3}",
            "trailer": "bbddddd{2,3}",
            "motorcycle": "ddddbbd{2,3}",
            "taxi and bus, unsourced": "bbdddd{2,3}",
            "police": "bddddd{2,3}",
        },
    ),
    "San Marino": PlateRegister(
        (_page("San Marino"),),
        {
            "all vehicles; motorcycle with three digits; R trailer": "ad{3,4}",
            "diplomatic": "CDd{2,4}",
            "electric": "VEd{3,4}",
            "police": "POLIZIAddd",
        },
    ),
    "Serbia": PlateRegister(
        (
            _page("Serbia"),
            "Wikipedia: Servisch kenteken",
            "Wikipedia: Kfz-Kennzeichen (Serbien)",
        ),
        {
            "since 2011; trailer (region last); taxi TX": "ood{3,4}oo",
            "taxi with five digits": "oodddddTX",
            "motorcycle, moped": "ood{3,5}",
            "agricultural": "ooooodd",
            "agricultural trailer": "ooddooo",
            "temporary, unsourced": "ooRPddd",
            "police, unsourced": "Pd{5,6}",
            "diplomatic": "d{2,3}[ACEMP]ddd",
        },
    ),
    "Slovakia": PlateRegister(
        (
            _page("Slovakia"),
            "wartowiedziec.pl: tablice rejestracyjne świata, Słowacja",
        ),
        {
            "since 1997, all vehicles; Y trailer": "aadddaa",
            "owner's choice, unsourced": "aaaaadd aaaaaad aaaaaaa",
            "diplomatic EE, ZZ, unsourced": "aad{5}",
            "historic, trial, new vehicle, unsourced": "aa[CHMSV]ddd",
            "army, unsourced": "d{7}",
        },
    ),
    "Slovenia": PlateRegister(
        (
            "labys.si: registrske tablice z izbranim delom oznake",
            "Wikipedia: Kfz-Kennzeichen (Slowenien)",
            _page("Slovenia"),
        ),
        {
            "since 1992, also the owner's choice of three to six characters": "aax{3,6}",
            "trailer before 2008": "axdddaa",
            "diplomatic": "(?:CMD|M)dddd",
            "police, unsourced": "Pd{5,6}",
        },
    ),
    "Spain": PlateRegister(
        (
            "kennzeichen-guide.de: Spanien",
            _page("Spain"),
            "Race: matrículas especiales, as Mallorca Zeitung reports it",
            "elcorreoweb.es: todo sobre las matrículas y sus diversos colores (S, V, FV)",
        ),
        {
            "since 2000; taxi": "ddddsss",
            "C moped, E tractor, H historic, P, S, V temporary, R trailer": "[CEHPRSTV]ddddsss",
            "tests of makers": "FVddddsss",
            "1971 to 2000": "a{1,2}dddda{1,2}",
            "before 1971; diplomatic CC, CD, OI, TA; army EA, ET, FN": "a{1,2}d{5,6}",
            "police, authorities": "(?:CGPC|CME|CNP|DGP|FAE|MF|MMA|PGC|PME)d{4,5}a{0,2}",
        },
    ),
    "Sweden": PlateRegister(
        (
            _page("Sweden"),
            "Wikipedia: Kjennemerke for motorkjøretøy i Sverige",
            "podalnici.cz: registrační značky vozidel ve Švédsku",
        ),
        {
            "since 1973, all vehicles; a letter in last place since 2019": "wwwddy",
            "taxi": "wwwddyT",
            "diplomatic": "wwddd[A-I]",
            "army": "d{5,6}",
        },
    ),
    "Switzerland": PlateRegister(
        (_page("Switzerland"),),
        {
            "all vehicles; U trade, V rental, Z customs": f"{_SWISS_CANTONS}d{{1,6}}[UVZ]?",
            "federal administration, army, post": "[AMP]d{4,5}",
        },
    ),
    "Turkey": PlateRegister(
        (_page("Turkey"),),
        {
            "T taxi, G temporary": "ddtd{4,5}",
            "CA to CZ diplomatic, MA to MZ foreigner, AA police": "ddttd{3,4}",
            "GMR customs": "ddtttd{2,3}",
            "army, unsourced": "d{6}",
        },
    ),
    "Ukraine": PlateRegister(
        (_page("Ukraine"),),
        {
            "since 2004, all vehicles": "uudddduu",
            "1995 to 2004": "d{4,5}aa",
            "army, unsourced": "ddddad",
            "diplomatic": "Dd{6} (?:CC|CDP|DP|S)d{4,8}",
            "temporary, unsourced": "Tad{6}",
        },
    ),
    "United Kingdom": PlateRegister(
        (
            _page("the United Kingdom"),
            "drivearchive.co.uk and wolfbane.com: registration letters",
        ),
        {
            "since 2001": "kkddkkk",
            "1983 to 2001; Q: age unknown": "[A-HJ-NP-TV-Y]d{1,3}kkk",
            "1963 to 1982": "kkkd{1,3}[A-HJ-NPR-TV-Y]",
            "1903 to 1963; Northern Ireland": "a{1,3}d{1,4}",
            "1903 to 1963; trade": "d{1,4}a{1,3}",
            "diplomatic": "ddd[DX]ddd",
            "army, unsourced": "ddaadd",
            "trade since 2015, unsourced": "ddddda?",
        },
    ),
}
"""Country, as fast-plate-ocr's readers spell it, to the forms of its plates without separators."""
