"""Plate lists as an issuer makes them, and the limits that a policy sets."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from edge.domain.lists import ListEntry
from edge.domain.plates import PlateText
from edge.formats.signing import SigningKey
from edge.policy.bundles import ListContent, ListTerms, build_bundle
from edge.privacy.keys import BoxPublicKeys
from tests.support.parties import BOX, SITE

ISSUED = datetime(2026, 3, 1, 9, 0, tzinfo=timezone.utc)
LIST, PURPOSE, ISSUER = "stolen", "wanted-vehicles", "control-room"
ISSUER_KEY = SigningKey.generate(ISSUER)
COUNTER = 7


def entry(number: int = 1, plate: str = "1QQQ777", **changed: Any) -> ListEntry:
    whole = ListEntry(
        entry_id=f"signal-{number}",
        plate=PlateText(plate),
        start=ISSUED,
        end=ISSUED + timedelta(days=30),
        basis="Police function act art. 44/2",
        reason="stolen",
        issuer="Control room",
    )
    return replace(whole, **changed)


def content(*entries: ListEntry, **changed: Any) -> ListContent:
    whole = ListContent(
        list_id=LIST,
        site=SITE,
        box=BOX,
        issuer=ISSUER,
        purpose=PURPOSE,
        counter=COUNTER,
        issued_at=ISSUED,
        entries=entries or (entry(),),
    )
    return replace(whole, **changed)


def terms(**changed: Any) -> ListTerms:
    whole = ListTerms(
        list_id=LIST,
        issuers={ISSUER: ISSUER_KEY.public},
        purposes=frozenset({PURPOSE}),
        max_entries=50,
        max_entry_days=90,
    )
    return replace(whole, **changed)


def bundle(
    public: BoxPublicKeys, *entries: ListEntry, key: SigningKey = ISSUER_KEY, **changed: Any
) -> bytes:
    return build_bundle(content(*entries, **changed), key, public)
