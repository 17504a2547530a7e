"""HTML and SVG pages from Jinja2 templates, which lie beside the code that fills them.

A template may be indented freely. A line break and the space around it are no part of the page;
inside a tag they are one space. In the page a line ends after each block element, so that two
pages can be compared line by line.

Each value is escaped: `&`, `<` and `>` in text, and quotes as well inside a tag. This is decided
by where the `{{ … }}` stands in the template, so a template cannot forget it.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined
from jinja2.ext import Extension
from markupsafe import Markup

_PART = re.compile(
    r"\{\{(?P<value>.*?)\}\}|(?P<code>\{%.*?%\}|\{#.*?#\})|(?P<tag>[<>])|(?P<gap>\s*\n\s*)",
    re.DOTALL,
)
_BLOCK_END = re.compile(
    r"</(?:article|aside|body|caption|dd|div|dl|dt|figcaption|figure|footer|g|h[1-3]|head|header"
    r"|html|li|main|nav|ol|p|section|style|svg|table|tbody|td|th|thead|title|tr|ul)>"
    r"|<(?:meta|link)\b[^>]*/>"
)

_COMMAND = re.compile(r"`([^`]*)`")


def render(package: str, template: str, **values: object) -> str:
    """Render a page.

    Args:
        package: the package whose folder `templates` holds the template.
        template: its file name.
        values: the template's variables; a missing one raises an error.
    """
    return _of_package(package).get_template(template).render(values)


@cache
def _of_package(package: str) -> Environment:
    return environment(PackageLoader(package))


def environment(loader: BaseLoader) -> Environment:
    """The Jinja2 environment for the templates of a loader."""
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=in_text,
        extensions=[_Layout],
        keep_trailing_newline=True,
        auto_reload=False,
    )
    made.filters["in_tag"] = in_tag
    made.filters["with_commands"] = with_commands
    return made


def in_text(value: object) -> Markup:
    """A value as the text of an element.

    Raises:
        TypeError: it is None, which must not appear on a page.
    """
    if value is None:
        raise TypeError("a template writes None")
    if isinstance(value, Markup):
        return value
    return Markup(escape(str(value), quote=False))  # noqa: S704 - the value is escaped here


def with_commands(text: str) -> Markup:
    """A text of our own in which commands stand between backquotes, as on the terminal."""
    escaped = str(in_text(text))  # of a plain string, because `re` would escape twice
    return Markup(_COMMAND.sub(r"<code>\1</code>", escaped))  # noqa: S704 - the text is escaped


def in_tag(value: object) -> Markup:
    """A value inside the quotes of an attribute.

    Raises:
        TypeError: it is None, which must not appear on a page.
    """
    if value is None:
        raise TypeError("a template writes None")
    return Markup(escape(str(value)))  # noqa: S704 - the value is escaped here


class _Layout(Extension):
    """Takes a template's own line breaks out, and escapes by where a value stands."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """The template as Jinja2 compiles it."""
        del name, filename
        inside = False

        def replaced(part: re.Match[str]) -> str:
            nonlocal inside
            if part["tag"]:
                inside = part["tag"] == "<"
            elif part["gap"]:
                return " " if inside else ""
            elif part["value"] and inside:
                return f"{{{{ ({part['value'].strip()})|in_tag }}}}"
            return part.group()

        return _BLOCK_END.sub(lambda end: f"{end.group()}\n", _PART.sub(replaced, source.strip()))
