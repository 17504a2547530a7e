"""Plate lists as an issuer makes them, and the limits that a policy sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from edge.adapters.state.list_store import ListStore
from edge.domain.lists import ListEntry
from edge.domain.plates import PlateText
from edge.domain.rules import ListTokens
from edge.formats.signing import SigningKey
from edge.policy.bundles import (
    ListContent,
    ListTerms,
    build_bundle,
    open_bundle,
    parse_bundle,
)
from edge.privacy.keys import BoxPublicKeys
from edge.privacy.pseudonyms import listed_under
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


def in_clear(
    entries: Callable[[str], Sequence[ListEntry]],
) -> Callable[[str, bytearray], ListTokens]:
    """Lists for a rule book, from a function that returns a list's entries."""
    return lambda list_id, key: listed_under(key, entries(list_id))


def entries_of(store: ListStore, list_id: str = LIST) -> tuple[ListEntry, ...]:
    """The entries of the list in force; raises as `ListStore.listed`."""
    bundle, terms = parse_bundle(store.in_force(list_id)), store._terms[list_id]
    return open_bundle(bundle, store._keys, terms, now=store.now()).entries
