"""Chains of statements of deletion for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from edge.formats.signing import SigningKey
from edge.privacy.deletions import DeletedAtSite, DeletionTerms, sign_deletions

Coarse = int | Literal["<10"]


def statement_lines(
    counts: Sequence[tuple[Coarse, Coarse]],
    *,
    authority: str,
    site: str,
    key: SigningKey,
) -> list[bytes]:
    """A chain of statements, one for each pair of counts."""
    made: list[bytes] = []
    before: str | None = None
    for number, (waiting, confirmed) in enumerate(counts, 1):
        statement = sign_deletions(
            DeletionTerms(
                authority=authority,
                number=number,
                predecessor=before,
                made_at=f"2026-12-0{number}T00:05:00.000Z",
                day=f"2026-12-0{number}",
                by=None,
                sites=(
                    DeletedAtSite(
                        site=site,
                        waiting_days=14,
                        kept_days=365,
                        terms_sha256=None,
                        not_confirmed=waiting,
                        confirmed=confirmed,
                    ),
                ),
                key=key.public.text,
            ),
            key,
        )
        made.append(statement.to_payload() + b"\n")
        before = statement.sha256()
    return made
