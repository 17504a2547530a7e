"""The public notice in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.policy.notice.words import Words
from edge.site.folder import read_policy
from edge.texts import LANGUAGES
from tests.support.browser import CHROMIUM, Browser, browser
from tests.support.product import REPOSITORY, product

CONFIG = REPOSITORY / "config"
BOARDS = {f"information-board.{language}.svg" for language in LANGUAGES}

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)"
)


# --- a real browser --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def notice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notice of the demo site, whose policy has two cameras and every kind of rule."""
    site = tmp_path_factory.mktemp("site") / "demo"
    shutil.copytree(CONFIG / "demo", site)
    quarters = [
        {"quarter": "2026-Q1", "vehicles": 41230, "reports": {"school-street": 131, "stolen": 2}},
        {
            "quarter": "2026-Q2",
            "vehicles": 39870,
            "reports": {"school-street": 88, "stolen": "<10"},
        },
    ]
    (site / "counts.json").write_text(json.dumps({"site": "demo-street", "quarters": quarters}))
    out = tmp_path_factory.mktemp("notice")
    done = product("notice", site, "--out", out)
    assert done.status == 0, done.err
    return out


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


def address(notice: Path, fragment: str = "") -> str:
    return (notice / "index.html").as_uri() + (f"#{fragment}" if fragment else "")


def seen(tab: Browser) -> list[str]:
    found: list[str] = tab.value(
        "[...document.querySelectorAll('article')].filter(one => one.checkVisibility())"
        ".map(one => one.lang)"
    )
    return found


@needs_chromium
def test_p14_each_language_is_shown_alone_and_all_together(tab: Browser, notice: Path) -> None:
    shown = {}
    for fragment in ("", *LANGUAGES, "all", "fr-rights"):
        tab.open(address(notice, fragment))
        shown[fragment] = seen(tab)

    assert shown == {
        "": ["nl"],
        "nl": ["nl"],
        "fr": ["fr"],
        "de": ["de"],
        "en": ["en"],
        "all": ["nl", "fr", "de", "en"],
        "fr-rights": ["fr"],
    }


@needs_chromium
def test_p14_each_language_shows_only_its_own_text(tab: Browser, notice: Path) -> None:
    for language in LANGUAGES:
        tab.open(address(notice, language))
        told = tab.value("document.body.innerText")

        assert Words(language)("records.heading") in told
        for other in LANGUAGES:
            assert (Words(other)("records.heading") in told) is (other == language)


@needs_chromium
def test_a_page_makes_no_other_request(tab: Browser, notice: Path) -> None:
    for fragment in ("", "en", "all"):
        tab.open(address(notice, fragment))
        tab.picture()

        assert {one.partition("#")[0] for one in tab.requests} == {address(notice)}
        assert tab.blocked == []
        assert tab.log == []


@needs_chromium
def test_the_request_check_detects_a_request(tab: Browser, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text('<p>x</p><img src="https://elsewhere.invalid/x.png" alt="">')
    tab.open(page.as_uri())

    assert "https://elsewhere.invalid/x.png" in tab.requests


@needs_chromium
def test_the_content_security_policy_forbids_scripts_and_requests(
    tab: Browser, notice: Path, tmp_path: Path
) -> None:
    forged = tmp_path / "index.html"
    forged.write_text(
        (notice / "index.html")
        .read_text()
        .replace(
            "<main>",
            '<main><script>document.title = "run"</script>'
            '<img src="https://elsewhere.invalid/x.png" alt="">',
        )
    )
    tab.open(forged.as_uri())

    assert tab.value("document.title") != "run"
    assert tab.blocked == ["https://elsewhere.invalid/x.png"]
    assert [one for one in tab.requests if "elsewhere" in one] == []
    assert any("Content Security Policy" in one for one in tab.log)


@needs_chromium
def test_on_a_phone_the_summary_comes_before_the_contents(tab: Browser, notice: Path) -> None:
    tops = (
        "(() => { const top = name => document.querySelector(name).getBoundingClientRect(); "
        "const [one, other] = [top('#nl-brief'), top('#nl .contents')]; "
        "return [one.top + scrollY, one.bottom + scrollY, other.top + scrollY] })()"
    )

    tab.open(address(notice))
    tab.size(390, 844)
    begins, ends, contents = tab.value(tops)
    assert begins < 844, "the summary begins on the first screen of a phone"
    assert contents >= ends
    tab.size(1280, 900)
    begins, ends, contents = tab.value(tops)
    assert begins <= contents < ends, "beside the summary where there is room"


@needs_chromium
def test_screenshots_of_every_language_are_complete_and_differ(tab: Browser, notice: Path) -> None:
    pictures = []
    for language in LANGUAGES:
        tab.open(address(notice, language))
        image = decoded(tab.picture())
        assert image.shape[0] > 3000
        assert image.shape[1] == 1280
        # Contrast in every screenful: no part is empty or hidden.
        for start in range(0, image.shape[0] - 900, 900):
            assert image[start : start + 900].std() > 5
        pictures.append(image[:900])

    for number, one in enumerate(pictures):
        for other in pictures[:number]:
            assert not np.array_equal(one, other)


@needs_chromium
def test_the_page_prints_in_the_chosen_language(tab: Browser, notice: Path) -> None:
    tab.open(address(notice, "de"))
    printed = tab.pdf()
    tab.open(address(notice, "all"))
    every = tab.pdf()

    assert printed.startswith(b"%PDF")
    assert pages(printed) >= 4
    assert pages(every) > 3 * pages(printed)
    tab.media(kind="print")
    assert tab.value("getComputedStyle(document.querySelector('.bar nav')).display") == "none"
    tab.media()


@needs_chromium
def test_the_qr_code_holds_the_hash_of_the_signed_policy(tab: Browser, notice: Path) -> None:
    whole = read_policy(CONFIG / "demo" / "policy.yaml").model
    for scheme in ("light", "dark"):
        tab.open(address(notice, "en"))
        tab.media(scheme)
        image = decoded(tab.picture("#en .qr", scale=4))
        told, _, _ = cv2.QRCodeDetector().detectAndDecode(image)
        tab.media()

        assert told == f"edge-anpr policy demo-street 1 sha256:{whole.sha256()}"


@needs_chromium
def test_no_sign_is_cut_off_and_its_qr_code_leads_to_the_page(tab: Browser, notice: Path) -> None:
    for name in sorted(BOARDS):
        tab.open((notice / name).as_uri())
        tab.size(1200, 800)
        boxes = tab.value(
            "[...document.querySelectorAll('text:not([fill-opacity])')]"
            ".map(one => one.getBBox())"
            ".map(box => [box.x, box.y, box.x + box.width, box.y + box.height])"
        )
        image = decoded(tab.picture("svg > svg", scale=2))
        told, _, _ = cv2.QRCodeDetector().detectAndDecode(image)

        assert told == "https://voorbeeldgem.example/cameras/demo-street"
        for left, top, right, bottom in boxes:
            assert 10 <= left < right <= 590, name
            assert 10 <= top < bottom <= 390, name
        tab.size(1280, 900)


# --- accessibility ------------------------------------------------------------------------------


CONTRAST = """
(() => {
  const parse = text => {
    const found = text.match(/[\\d.]+/g).map(Number);
    return found.length < 4 ? [...found, 1] : found;
  };
  const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3]));
  const light = rgb => {
    const [r, g, b] = rgb.map(v => v / 255).map(
      v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = one => {
    const layers = [];
    for (let at = one; at; at = at.parentElement) layers.push(getComputedStyle(at).backgroundColor);
    let colour = [255, 255, 255];
    for (const layer of layers.reverse()) colour = over(parse(layer), colour);
    return colour;
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !one.checkVisibility() || one.closest('svg')) continue;
    const style = getComputedStyle(one);
    const back = behind(one), ink = over(parse(style.color), back);
    const [a, b] = [light(ink), light(back)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    found.push([(a + 0.05) / (b + 0.05), large ? 3 : 4.5, walk.currentNode.data.trim()]);
  }
  return found;
})()
"""


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_requires(
    tab: Browser, notice: Path, scheme: str
) -> None:
    tab.open(address(notice, "all"))
    tab.media(scheme)
    found = tab.value(CONTRAST)
    tab.media()

    assert len(found) > 800
    assert [one for one in found if one[0] < one[1]] == []


@needs_chromium
def test_the_contrast_check_detects_pale_text(tab: Browser, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text('<p style="color: #777; background: #fff">pale</p><p>dark</p>')
    tab.open(page.as_uri())
    ratios = {word: ratio for ratio, _, word in tab.value(CONTRAST)}

    # The two values that WCAG's own formula gives.
    assert ratios["pale"] == pytest.approx(4.48, abs=0.01)
    assert ratios["dark"] == pytest.approx(21, abs=0.01)


@needs_chromium
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_screen_reader_finds_landmarks_headings_and_names(
    tab: Browser, notice: Path, language: Any
) -> None:
    tab.open(address(notice, language))
    told = tab.accessible()
    roles = [one["role"] for one in told]
    levels = [int(one["level"]) for one in told if one["role"] == "heading"]

    for landmark in ("banner", "main", "contentinfo"):
        assert roles.count(landmark) == 1
    assert roles.count("navigation") == 2
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for one in told:
        if one["role"] in {"link", "img", "image", "region", "navigation", "heading"}:
            assert one["name"], one
    assert Words(language)("where.map_text") in [
        one["name"] for one in told if one["role"] in {"img", "image"}
    ]


@needs_chromium
def test_every_table_names_its_columns_and_rows(tab: Browser, notice: Path) -> None:
    tab.open(address(notice, "all"))
    bare = tab.value(
        "[...document.querySelectorAll('table')].filter(one => "
        "[...one.querySelectorAll('tr')].some(row => !row.querySelector('th[scope]'))).length"
    )

    assert tab.value("document.querySelectorAll('table').length") >= 20
    assert bare == 0


@needs_chromium
def test_ids_are_unique_and_every_reference_resolves(tab: Browser, notice: Path) -> None:
    tab.open(address(notice, "all"))
    ids = tab.value("[...document.querySelectorAll('[id]')].map(one => one.id)")
    referred = tab.value(
        "[...document.querySelectorAll('[aria-labelledby]')].map(one => "
        "one.getAttribute('aria-labelledby'))"
    )
    anchors = tab.value(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map(one => "
        "one.getAttribute('href').slice(1))"
    )

    assert len(ids) == len(set(ids))
    assert set(referred) <= set(ids)
    assert set(anchors) <= set(ids)


@needs_chromium
def test_the_first_tab_stop_is_a_skip_link_that_keeps_the_language(
    tab: Browser, notice: Path
) -> None:
    tab.open(address(notice, "de"))
    # Chromium continues from the fragment's position; a reader starts at the top.
    tab.value("document.body.tabIndex = -1, document.body.focus()")
    tab.press("Tab")

    assert tab.value("document.activeElement.textContent") == Words("de")("page.skip")
    assert tab.value("document.activeElement.getBoundingClientRect().top") >= 0
    tab.press("Enter")
    assert tab.value("location.hash") == "#de-brief"
    assert seen(tab) == ["de"]


@needs_chromium
def test_the_keyboard_focus_is_always_visible(tab: Browser, notice: Path) -> None:
    tab.open(address(notice))
    outlines = []
    for _ in range(30):
        tab.press("Tab")
        outlines.append(
            tab.value(
                "(() => {const s = getComputedStyle(document.activeElement);"
                "return document.activeElement.tagName + ' ' + s.outlineStyle + ' ' +"
                "parseFloat(s.outlineWidth)})()"
            )
        )

    assert set(outlines) <= {"A solid 3", "DIV solid 3"}


@needs_chromium
@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_element_is_wider_than_a_small_screen(tab: Browser, notice: Path, width: int) -> None:
    for language in LANGUAGES:
        tab.open(address(notice, language))
        tab.size(width, 800)
        wide = tab.value("document.documentElement.scrollWidth")
        tab.size(1280, 900)

        assert wide <= width, language


def decoded(png: bytes) -> Any:
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))
