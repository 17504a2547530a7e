"""HTML and SVG out of values: a plain string is escaped, so no policy can add markup."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

_VOID = frozenset(
    {"br", "circle", "col", "hr", "image", "line", "link", "meta", "path", "polygon", "rect"}
)
# After these a line ends, so that two pages can be compared by eye.
_BLOCKS = frozenset(
    {
        "article", "aside", "body", "caption", "dd", "div", "dl", "dt", "figcaption", "figure",
        "footer", "g", "h1", "h2", "h3", "head", "header", "html", "li", "link", "main", "meta",
        "nav", "ol", "p", "section", "style", "svg", "table", "tbody", "td", "th", "thead",
        "title", "tr", "ul",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Markup:
    """Text that is markup already."""

    text: str


Child = Markup | str | None


def element(tag: str, *children: Child, **attributes: str | float | None) -> Markup:
    """One element; None among children or attributes is left out.

    Names of attributes may end in an underscore (`class_`), and others become hyphens
    (`aria_labelledby`).
    """
    opening = tag + "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    end = "\n" if tag in _BLOCKS else ""
    if tag in _VOID:
        return Markup(f"<{opening}/>{end}")
    return Markup(f"<{opening}>{join(children).text}</{tag}>{end}")


def join(children: Iterable[Child]) -> Markup:
    """Several pieces as one."""
    return Markup(
        "".join(
            child.text if isinstance(child, Markup) else escape(child, quote=False)
            for child in children
            if child is not None
        )
    )
