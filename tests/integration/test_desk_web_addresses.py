"""Addresses of the desk's pages: of forms that are only opened, and of the choice of a language."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from edge.desk.web.app import desk_app
from tests.support.desk_web import OFFICER, Web, opened, says
from tests.support.desks import NOW, added, make_desk


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    desk = make_desk(tmp_path / "desk")
    with opened(desk, lambda: NOW) as shared:
        client = TestClient(desk_app(shared), headers={"accept-language": "en"})
        added(shared.people, OFFICER)
        yield Web(desk, shared.database, shared.people, NOW, client)


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("/people", "/people"),
        ("/people/approve", "/people"),  # the answer to a form, which may be a mistake
        ("/case/claim", "/queue"),
        (f"/case/{'ab' * 16}/judge", f"/case/{'ab' * 16}/judge"),
        ("/boxes/b/box-1", "/boxes/b/box-1"),
    ],
)
def test_whoever_chooses_a_language_stays_on_the_page(web: Web, path: str, back: str) -> None:
    web.log_in()
    page = web.client.get(path).text
    link = f'href="/language/fr?back={back}"'
    assert link in page
    web.client.get(link[6:-1])
    assert web.client.get(back).text.count('<html lang="fr">') == 1
    answer = web.client.get(link[6:-1], follow_redirects=False)
    assert answer.headers["location"] == back


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "/a?b=c", "a", "/A\n", ""]
)
def test_a_language_leads_to_no_other_site(web: Web, back: str) -> None:
    answer = web.client.get("/language/fr", params={"back": back}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_the_address_of_a_form_that_is_opened_leads_to_its_page(web: Web) -> None:
    """After a mistake the browser shows the address of the form, and a reload opens it."""
    web.log_in()
    application: Any = web.client.app
    routes: list[Route] = application._application.routes
    get, post = (
        {one.path.replace("{hit_id}", "ab" * 16) for one in routes if method in (one.methods or ())}
        for method in ("GET", "POST")
    )
    assert len(post) > 20
    assert post - get == set()
    for path in post:
        assert says("error.missing") not in unescape(web.client.get(path).text), path
