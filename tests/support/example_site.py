"""A small, complete site folder that tests can modify."""

from __future__ import annotations

from pathlib import Path

from tests.support.assessments import assessment

POLICY = """\
schema: edge-anpr/policy/3
site: square
version: 1
timezone: Europe/Brussels
legal:
  regime: police_function_act
  basis:
    {nl: "Camerawet, artikel 5", fr: "Loi caméras, article 5",
      de: "Kameragesetz, Artikel 5", en: "Camera act, article 5"}
  council_decision: {reference: Council 1, date: 2025-11-24}
  police_advice: {reference: Police 1, date: 2025-11-07}
  camera_declaration: {reference: Declaration 1, date: 2025-12-15}
purposes:
  quiet:
    text: {nl: Rust, fr: Calme, de: Ruhe, en: "A quiet square"}
    necessity:
      {nl: Borden hielpen niet, fr: Les panneaux n'ont pas aidé,
        de: Schilder halfen nicht, en: Signs did not help}
    safety_evidence:
      {reference: Count 1, date: 2025-10-02,
       finding: {nl: Veel te snel, fr: Beaucoup trop vite,
         de: Viel zu schnell, en: Many drive too fast}}
    retention_hours: 72
finance: {vendor_paid_per_fine: false}
alternatives:
  physical: {date: 2025-03-31, evidence: Report 1,
    outcome: {nl: Geen effect, fr: Sans effet, de: Ohne Wirkung, en: No effect}}
  awareness: {date: 2025-06-27, evidence: Report 2,
    outcome: {nl: Geen effect, fr: Sans effet, de: Ohne Wirkung, en: No effect}}
  targeted: {date: 2025-09-26, evidence: Report 3,
    outcome: {nl: Geen effect, fr: Sans effet, de: Ohne Wirkung, en: No effect}}
dpia:
  reference: Assessment 1
  version: "1"
  date: 2025-10-20
  file: dpia.md
  sha256: 3d607d88050739a80069c35e9aa9ce238ab5d167f3c16d9f28ee76b33ba6b1f1
  review_date: 2027-10-20
  dpo_opinion: {date: 2025-10-27,
    text: {nl: Gunstig advies, fr: Avis favorable,
      de: Zustimmende Stellungnahme, en: Favourable opinion}}
  risks:
    - {risk: excessive-monitoring, measure: {nl: Beperkte uren, fr: Heures limitées,
      de: Begrenzte Zeiten, en: Limited hours}}
    - {risk: error-margins, measure: {nl: Menselijke controle, fr: Contrôle humain,
      de: Menschliche Prüfung, en: Human checks}}
    - {risk: permanent-lists, measure: {nl: Elke lijst eindigt, fr: Chaque liste a une fin,
      de: Jede Liste endet, en: Every list ends}}
  "purposes": [quiet]
accuracy: {date: 2025-10-13, vehicles: 25, exact: 25, interval: [0.867, 1],
  method: {nl: Gerenderde filmpjes, fr: Séquences de synthèse,
    de: Gerenderte Clips, en: Rendered clips}}
activation: {not_before: 2026-01-05, sunset: 2028-12-31}
evaluation: {next_due: 2027-01-04}
controller: {name: Town, contact: town@square.example}
dpo: {name: Officer, contact: officer@square.example}
supervisory_authorities: [{name: Commission, contact: vtc@square.example}]
rights:
  text: {nl: U mag inzage vragen, fr: Vous pouvez demander l'accès,
    de: Sie können Auskunft verlangen, en: You may ask for access}
  contact: rights@square.example
  complaint: {name: Ombudsman, contact: ombudsman@square.example}
information_board:
  places: [{nl: Elke ingang, fr: Chaque entrée, de: Jede Einfahrt, en: Each entrance}]
  website: "https://square.example"
approvals:
  quorum: [controller, police, dpo]
  signers:
    mayor: {role: controller, name: Mayor, demo: true,
      key: "ed25519:qQsNC1/rtslCef6p4rG7vGq/iqOBP3rCnGkhGhLleu8="}
    chief: {role: police, name: Chief, demo: true,
      key: "ed25519:KcEQAWvHNHdXGfUAbIClHZD79OJXH3RLXTp+DT/Oj44="}
    officer: {role: dpo, name: Officer, demo: true,
      key: "ed25519:cM/pu/Hk7KGv7SqiSN+O7SjP1wFo+/SpiumxxZMdK6E="}
suspension:
  keys:
    vtc: {name: Commission, demo: true,
      key: "ed25519:W6uVL234ZshkzHYqU5zTADiGGKTxlp5POuSQt0zmfJI="}
authorities:
  police:
    name: Police
    keys: keys/police.public.json
    receipts: required
    valid: {from: 2026-01-01, until: 2028-12-31}
    competence: {"rules": [zone, looked-for, one-way], cameras: [north, south]}
issuers:
  office: {name: Office, demo: true,
      key: "ed25519:dr1qTKc2A3RIN96DShTzQLeG3kA6BLJwtsocV2QjQxw="}
lists:
  permits:
    kind: exempt
    text: {nl: Bewoners, fr: Riverains, de: Anwohner, en: Residents}
    file: lists/permits.csv
    issuers: [office]
    max_entry_days: 366
    max_entries: 3
  stolen:
    kind: alert
    text: {nl: Gestolen, fr: Voles, de: Gestohlen, en: Stolen}
    file: lists/stolen.csv
    issuers: [office]
    max_entry_days: 92
    max_entries: 4
cameras:
  north:
    place: {nl: De noordhoek, fr: Le coin nord, de: Die Nordecke, en: The north corner}
    field_of_view: {text: {nl: Rijstrook, fr: Voie, de: Fahrspur, en: Lane}, bearing_degrees: 10,
      angle_degrees: 40, reach_m: 30}
    hours: {weekly: {mon: ["06:00-22:00"], tue: ["06:00-22:00"], sat: ["00:00-24:00"]}}
  south:
    place: {nl: De zuidhoek, fr: Le coin sud, de: Die Südecke, en: The south corner}
    field_of_view: {text: {nl: Rijstrook, fr: Voie, de: Fahrspur, en: Lane}, bearing_degrees: 190,
      angle_degrees: 40, reach_m: 30}
    privacy_masks: [[[0, 0], [0.2, 0], [0.2, 0.3]]]
    hours: {weekly: {mon: ["06:00-22:00"], tue: ["06:00-22:00"], sat: ["00:00-24:00"]}}
rules:
  - id: zone
    type: permit_zone
    purpose: quiet
    authority: police
    reveal: vehicle
    list: permits
    min_posterior: 0.95
    min_margin: 0.5
    schedule:
      weekly: {mon: ["08:15-08:45"], sat: ["22:00-06:00"]}
      holidays: [2026-12-25, "2026-07-01..2026-08-31"]
      exceptions: [{date: 2026-11-30, hours: ["09:00-10:00"]}]
  - id: looked-for
    type: hotlist
    purpose: quiet
    authority: police
    reveal: plate
    cameras: [north]
    list: stolen
    min_posterior: 0.97
    min_margin: 0.6
    human_check: false
    hours_justification:
      nl: Een voertuig kan hier op elk uur van de dag voorbijrijden.
      fr: Un véhicule peut passer ici à toute heure du jour et de la nuit.
      de: Ein Fahrzeug kann hier zu jeder Stunde des Tages vorbeifahren.
      en: A vehicle may pass here at any hour of the day.
  - id: one-way
    type: wrong_way
    purpose: quiet
    authority: police
    reveal: occupants
    line: {from: [0.1, 0.6], to: [0.9, 0.6]}
    allowed: left_to_right
    hours_justification:
      nl: Een voertuig kan hier op elk uur van de dag voorbijrijden.
      fr: Un véhicule peut passer ici à toute heure du jour et de la nuit.
      de: Ein Fahrzeug kann hier zu jeder Stunde des Tages vorbeifahren.
      en: A vehicle may pass here at any hour of the day.
    min_posterior: 0.9
    min_margin: 0.5
"""

SITE = """\
schema: edge-anpr/site/1
site: square
box: box-1
cameras:
  north: {source: clips/north.mp4}
  south: {second_look: {mode: tiles, columns: 3}}
models: {detector: detector-a, reader: reader-b}
broker:
  host: 127.0.0.1
  username: box-1
  password_env: SQUARE_PASSWORD
"""

HEADER = "id,plate,start,end,basis,reason,issuer\n"
PERMITS = HEADER + "p1,1-ABC-123,2026-01-01,2026-12-31,Decision 12,resident,Mobility office\n"
STOLEN = HEADER + "s1,2-XYZ-987,2026-03-01T08:00:00+01:00,2026-05-01T08:00:00Z,Act,stolen,Police\n"


DPIA = assessment("quiet", "more").decode()
SIGNERS = ("mayor", "chief", "officer")


def write_site(
    folder: Path,
    *,
    policy: str = POLICY,
    site: str = SITE,
    permits: str = PERMITS,
    stolen: str = STOLEN,
) -> Path:
    """A site folder with these files."""
    (folder / "lists").mkdir(parents=True)
    (folder / "policy.yaml").write_text(policy, encoding="utf-8")
    (folder / "dpia.md").write_text(DPIA, encoding="utf-8")
    (folder / "site.yaml").write_text(site, encoding="utf-8")
    (folder / "lists/permits.csv").write_text(permits, encoding="utf-8")
    (folder / "lists/stolen.csv").write_text(stolen, encoding="utf-8")
    return folder


def changed(text: str, old: str, new: str) -> str:
    """The text with one part replaced, which must be there exactly once."""
    assert text.count(old) == 1, old
    return text.replace(old, new)
