"""List bundles whose entries state kind and colour of their vehicles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from edge.domain.appearance import NOTHING_STATED, Colour, Description, VehicleKind
from edge.errors import EdgeError
from edge.policy.bundles import ListContent, open_bundle, parse_bundle, written
from tests.support import plate_lists
from tests.support.parties import Parties, make_parties
from tests.support.plate_lists import ISSUED

NOW = ISSUED + timedelta(hours=1)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


def opened(parties: Parties, data: bytes, **terms: Any) -> ListContent:
    return open_bundle(parse_bundle(data), parties.box, plate_lists.terms(**terms), now=NOW)


@pytest.mark.parametrize("kind", [None, *VehicleKind])
@pytest.mark.parametrize("colour", [None, *Colour])
def test_p13_the_box_reads_what_the_issuer_states_of_a_vehicle(
    parties: Parties, kind: VehicleKind | None, colour: Colour | None
) -> None:
    stated = Description(kind, colour)
    one, other = plate_lists.entry(1, stated=stated), plate_lists.entry(2, "1QQQ778")

    found = opened(parties, plate_lists.bundle(parties.box_public, one, other)).entries

    assert found == (one, other)
    assert [each.stated for each in found] == [stated, NOTHING_STATED]


def test_p13_a_list_that_states_nothing_has_the_bytes_that_it_had_before() -> None:
    """So a box of an earlier version still reads it."""
    entry = written(plate_lists.entry(1))
    assert sorted(entry.model_dump(by_alias=True)) == [
        "basis", "end", "id", "issuer", "plate", "reason", "start",
    ]  # fmt: skip


def test_p13_what_is_stated_has_the_form_of_the_document() -> None:
    entry = plate_lists.entry(1, stated=Description(VehicleKind.VAN, Colour.RED))
    only = plate_lists.entry(1, stated=Description(None, Colour.RED))

    documents = [written(one).model_dump(by_alias=True) for one in (entry, only)]

    assert (documents[0]["kind"], documents[0]["colour"]) == ("van", "red")
    assert "kind" not in documents[1]


def test_p13_a_permit_list_that_states_looks_is_refused(parties: Parties) -> None:
    data = plate_lists.bundle(
        parties.box_public, plate_lists.entry(1, stated=Description(VehicleKind.VAN))
    )
    with pytest.raises(EdgeError) as refused:
        opened(parties, data, exempt=True)

    assert refused.value.code == "E_LIST_BUNDLE"
    assert "entries[0].kind and colour: a permit list states neither" in refused.value.message
    assert "delete the two columns" in refused.value.message
