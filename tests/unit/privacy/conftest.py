"""Fixtures that several tests of this folder share."""

from __future__ import annotations

import pytest

from edge.privacy.hit import Hit
from tests.support.parties import Parties, make_parties


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    """A box and an authority with new keys."""
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture(scope="module")
def hit(parties: Parties) -> Hit:
    return parties.hit()
