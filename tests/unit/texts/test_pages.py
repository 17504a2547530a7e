"""Templates: values are escaped for their context, and a missing value is an error."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import DictLoader, UndefinedError

from edge.texts import LANGUAGES, Language, catalogue
from edge.texts.pages import environment, in_tag, in_text
from tests.support.product import REPOSITORY

TEMPLATES = sorted((REPOSITORY / "edge").rglob("templates/*.j2"))
ATTRIBUTE = re.compile(r'\s[\w:-]+="[^"]*"')
VALUE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
CODE = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)


def rendered(source: str, **values: object) -> str:
    return environment(DictLoader({"page": source})).get_template("page").render(values)


def test_a_value_in_text_and_in_an_attribute_is_escaped() -> None:
    hostile = """"'><script>x</script>&"""

    text = rendered('<a href="{{ x }}" title="a {{ x }}">{{ x }}</a>', x=hostile)

    attribute = "&quot;&#x27;&gt;&lt;script&gt;x&lt;/script&gt;&amp;"
    assert text == (
        f'<a href="{attribute}" title="a {attribute}">'
        """"'&gt;&lt;script&gt;x&lt;/script&gt;&amp;</a>"""
    )


def test_a_value_is_escaped_in_loops_conditions_macros_and_calls() -> None:
    text = rendered(
        """{% macro cell(one) %}<td title="{{ one }}">{{ one }}{{ caller() }}</td>{% endmacro %}
        {% for one in many %}
        {% if one > "" %}
        {% call cell(one) %}<b class="{{ one }}">{{ one }}</b>{% endcall %}
        {% endif %}
        {% endfor %}""",
        many=['<"'],
    )

    assert text == '<td title="&lt;&quot;">&lt;"<b class="&lt;&quot;">&lt;"</b></td>\n'


def test_a_missing_value_is_refused() -> None:
    with pytest.raises(UndefinedError, match="missing"):
        rendered("<p>{{ missing }}</p>")


@pytest.mark.parametrize("source", ["<p>{{ x }}</p>", '<p id="{{ x }}"></p>'])
def test_none_is_refused_as_text(source: str) -> None:
    with pytest.raises(TypeError, match="None"):
        rendered(source, x=None)


def test_indentation_of_a_template_is_not_in_the_page() -> None:
    text = rendered(
        """
        <ul
          id="{{ x }}">
          <li>one <b>two</b>
            three</li>
          <li>four<br/></li>
        </ul>
        """,
        x="a\n b",
    )

    assert text == '<ul id="a\n b"><li>one <b>two</b>three</li>\n<li>four<br/></li>\n</ul>\n'


@given(st.text())
def test_texts_are_escaped(text: str) -> None:
    told: list[str] = []
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            told.extend([tag, *(f"{name}={value}" for name, value in attrs)])

        def handle_data(self, data: str) -> None:
            found.append(data)

    reader = Reader()
    reader.feed(f'<p title="{in_tag(text)}">{in_text(text)}</p>')
    reader.close()

    assert told == ["p", f"title={text}"]
    assert "".join(found) == text


# --- the product's own templates --------------------------------------------------------------


def test_the_template_folder_is_not_empty() -> None:
    assert {"page.html.j2", "article.html.j2", "board.svg.j2"} <= {one.name for one in TEMPLATES}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_value_in_a_tag_is_a_quoted_attribute(template: Path) -> None:
    source = CODE.sub("", VALUE.sub("VALUE", template.read_text(encoding="utf-8")))
    tags = re.findall(r"<[^<>]*>", source)

    assert source.count("<") == len(tags)
    assert [tag for tag in tags if "VALUE" in ATTRIBUTE.sub("", tag)] == []


def test_commands_in_a_text_are_set_apart_and_escaped() -> None:
    text = rendered("<p>{{ x|with_commands }}</p>", x="Run `desk <b>` & `desk`, or ` alone.")

    assert text == ("<p>Run <code>desk &lt;b&gt;</code> &amp; <code>desk</code>, or ` alone.</p>\n")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_of_the_desk_with_a_command_is_shown_with_it_set_apart(language: Language) -> None:
    texts = catalogue(language)
    pages = [one for one in TEMPLATES if "desk" in one.parts]
    shown = [
        (template.name, key)
        for template in pages
        for key in re.findall(r't\("([\w.]+)"[^|]*?\)\s*\}\}', template.read_text(encoding="utf-8"))
    ]

    assert len(shown) > 100
    assert [(name, key) for name, key in shown if "`" in texts.get(f"desk.{key}", "")] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_only_the_style_sheet_is_not_escaped(template: Path) -> None:
    raw = re.findall(r"\{\{[^}]*\|\s*safe[^}]*\}\}", template.read_text(encoding="utf-8"))

    assert set(raw) <= {"{{ style|safe }}"}
    assert "autoescape" not in template.read_text(encoding="utf-8")
