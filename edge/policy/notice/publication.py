"""Writes the files of a notice from a signed policy, and verifies such files."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files

from edge.errors import PolicyError
from edge.policy.model import Policy, Role
from edge.policy.notice.content import NoticeContent
from edge.policy.notice.counts import PublishedCounts
from edge.policy.notice.history import versions
from edge.policy.notice.view.article import SECTIONS, article
from edge.policy.notice.view.board import board
from edge.policy.notice.words import Words
from edge.privacy.deletions import DeletionStatement
from edge.texts import LANGUAGES, Language
from edge.texts.pages import render

PAGE_FILE = "index.html"
BOARD_FILE = "information-board.{language}.svg"

_POLICY = re.compile(
    r'<meta name="edge-anpr-policy" content="([a-z0-9_-]+) ([0-9]+) ([0-9a-f]{64})"/>'
)
_GENERATOR = re.compile(r'<meta name="generator" content="edge-anpr ([^"<>]{1,60})"/>')
_SECTION = re.compile(r'<(?:section|article|footer|head|body)\b[^>]*?(?: id="([a-z-]+)")?[^>]*>')
_DRAFT = '<body id="all" class="draft">'
_QUOTABLE = re.compile(r"[0-9A-Za-z.+() -]{1,60}")


def notice_content(
    policy: Policy,
    signed: frozenset[Role],
    *,
    earlier: Sequence[Policy] = (),
    counts: PublishedCounts | None = None,
    draft: bool = False,
    made_by: str,
    deletions: tuple[DeletionStatement, ...] = (),
) -> NoticeContent:
    """The content of a notice.

    Args:
        policy: the signed policy.
        signed: the roles that have signed it.
        earlier: versions that were in force before it.
        counts: what the controller publishes by quarter.
        draft: mark it as a draft everywhere.
        made_by: the version of the product.
        deletions: signed statements of the authority's desk about what it deleted.
    """
    before = versions(policy, earlier)
    return NoticeContent(policy, signed, before, counts, draft, made_by, deletions)


def publication(
    notice: NoticeContent, words: Callable[[Language], Words] = Words
) -> Mapping[str, str]:
    """Every file of the notice, by its name."""
    every = [words(language) for language in LANGUAGES]
    boards = {
        BOARD_FILE.format(language=one.language): render(
            __package__, "board.svg.j2", board=board(notice, one)
        )
        for one in every
    }
    return {PAGE_FILE: _page(notice, every), **boards}


def _page(notice: NoticeContent, every: Sequence[Words]) -> str:
    """The page in all languages: no script, nothing loaded from elsewhere."""
    policy, style = notice.policy, _style()
    return render(
        __package__,
        "page.html.j2",
        articles=[article(notice, words) for words in every],
        sections=SECTIONS,
        site=policy.site,
        version=policy.version,
        owners=dict.fromkeys(policy.controller.name.of(words.language) for words in every),
        controller=policy.controller.name,
        sha256=notice.sha256,
        made_by=notice.made_by,
        draft=notice.draft,
        style=style,
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii"),
    )


@cache
def _style() -> str:
    return (files(__package__) / "page.css").read_text(encoding="utf-8")


def require_genuine(content: str, name: str, notice: NoticeContent) -> str:
    """Refuse a file that differs from the signed policy's notice.

    Args:
        content: its text.
        name: its name in error messages.
        notice: the content of the signed policy's notice.

    Returns:
        Which file of the publication it is.

    Raises:
        PolicyError: `E_NOTICE`: it differs; the message says where.
    """
    made = publication(notice)
    for kind, text in made.items():
        if content == text:
            return kind
    if _DRAFT in content:
        raise _refused(f"{name}: a draft, which is not signed; publish it without --draft")
    found, maker = _POLICY.search(content), _GENERATOR.search(content)
    if maker is not None and maker[1] != notice.made_by and _QUOTABLE.fullmatch(maker[1]):
        raise _refused(
            f"{name}: made by edge-anpr {maker[1]}, but this is {notice.made_by}; verify it with "
            "that version, or publish it again"
        )
    if found is not None and found[3] != notice.sha256:
        raise _refused(
            f"{name}: of another policy, version {found[2]}, and not of version "
            f"{notice.policy.version} as it was signed; publish it again"
        )
    if found is None:
        raise _refused(
            f"{name}: not a notice of this policy, or altered; publish it again with "
            "`edge-anpr notice`"
        )
    where = _first_difference(content, made[PAGE_FILE])
    raise _refused(
        f"{name}:{where}: differs from the policy, its earlier versions, counts.json and "
        "deletions.jsonl; publish it again with `edge-anpr notice`"
    )


def _first_difference(content: str, expected: str) -> str:
    """The line of the first difference, and the section that it is in."""
    end = min(len(content), len(expected))
    at = next((i for i in range(end) if content[i] != expected[i]), end)
    line = expected.count("\n", 0, at) + 1
    before = [match[1] for match in _SECTION.finditer(expected, 0, at) if match[1]]
    return f"{line}: section {before[-1]}" if before else f"{line}: head of the page"


def _refused(why: str) -> PolicyError:
    return PolicyError(why, code="E_NOTICE")
