"""The content of a notice: the signed policy, its history, and the controller's counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.policy.model import Policy, Role
from edge.policy.notice.counts import PublishedCounts
from edge.policy.notice.history import Version
from edge.privacy.deletions import DeletionStatement


@dataclass(frozen=True, slots=True)
class NoticeContent:
    """The content of a notice; the same content gives the same bytes.

    Attributes:
        policy: the signed policy.
        signed: the roles that have signed it.
        versions: this version and earlier ones, newest first.
        counts: what the controller publishes by quarter.
        draft: whether signatures are missing.
        made_by: the version of the product.
        deletions: signed statements of the authority's desk about what it deleted.
    """

    policy: Policy
    signed: frozenset[Role]
    versions: Sequence[Version]
    counts: PublishedCounts | None
    draft: bool
    made_by: str
    deletions: tuple[DeletionStatement, ...] = ()

    @property
    def sha256(self) -> str:
        """The policy's SHA-256, hex."""
        return self.versions[0].sha256

    @property
    def mark(self) -> str:
        """The text of the QR code."""
        return f"edge-anpr policy {self.policy.site} {self.policy.version} sha256:{self.sha256}"
