"""A login with an account of a provider, in a real browser, which has rules of its own.

It sends a strict cookie only where a page of the desk leads on, and lets a form lead to another
host only if the policy of its page says so.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

from edge.desk.accounts import ActingPerson
from edge.desk.rights import DeskRole
from edge.desk.web.calls import WebDesk
from tests.e2e.test_desk_page import at, look, needs_chromium, utc
from tests.support.browser import Browser, browser
from tests.support.desk_web import OFFICER, opened, says
from tests.support.desks import FIRST, added, make_desk, terms
from tests.support.product import start
from tests.support.provider import SECRET, provider


def linked(desk: WebDesk, issuer: str) -> None:
    added(desk.people, OFFICER)
    today = utc().date()
    for person, role in ((OFFICER, DeskRole.SUPERVISOR), (FIRST, DeskRole.OFFICER)):
        right = desk.people.propose(ActingPerson(FIRST), terms(person, role, first=today))
        desk.people.approve(ActingPerson(OFFICER), right.right_id)
    link = desk.links.propose(ActingPerson(FIRST), OFFICER, issuer, "subject-1")
    desk.links.approve(ActingPerson(OFFICER), link.link_id)
    desk.links.propose(ActingPerson(OFFICER), FIRST, issuer, "subject-2")


def said(tab: Browser) -> str:
    return str(tab.value("document.querySelector('main')?.innerText"))


@needs_chromium
def test_p4_a_browser_goes_to_the_provider_and_comes_back_logged_in(tmp_path: Path) -> None:
    folder = make_desk(tmp_path / "desk", utc=utc)
    secret, file = folder.path / "oidc.secret", folder.path / "desk.json"
    secret.write_text(SECRET, encoding="utf-8")
    secret.chmod(0o600)
    with provider(utc) as town, browser(tmp_path / "profile") as tab:
        with opened(folder, utc) as desk:
            linked(desk, town.issuer)
        content = json.loads(file.read_text("utf-8")) | {"oidc": town.config(amr=["mfa"])}
        file.write_text(json.dumps(content), encoding="utf-8")
        process = start(["desk", "serve", "--desk", folder.path, "--port", "0"])
        try:
            page = process.stderr.readline().split()[-1]
            button = "document.querySelector('form[action=\"/login/oidc\"] button')"
            for proved, path in (("pwd", "/login/oidc/back"), ("mfa", "/people")):
                town.claims = {"amr": [proved]}
                tab.open(f"{page}login")
                look(tab, "login-oidc")
                tab.value(f"{button}.click()")
                assert at(tab, path), tab.value("document.body.innerText")
                assert tab.blocked == []
            look(tab, "links")
            assert "subject-2" in tab.value("document.querySelector('main').innerText")
            assert town.asked["redirect_uri"] == f"{page}login/oidc/back"

            for changed, text in (
                ({"answer": {"state": "another"}}, "oidc.again"),
                ({"answer": {"code": "another"}}, "oidc.away"),
                ({"claims": {"amr": ["mfa"], "nonce": "another"}}, "oidc.away"),
                ({"subject": "subject-2"}, "oidc.unknown"),  # only one person has linked it
                ({"subject": "somebody"}, "oidc.unknown"),
            ):
                town.reset()
                vars(town).update({"claims": {"amr": ["mfa"]}} | changed)
                tab.send("Network.clearBrowserCookies")
                tab.open(f"{page}login")
                tab.value(f"{button}.click()")
                assert at(tab, "/login/oidc/back"), changed
                assert says(text).format(label="Town login") in said(tab), changed
                tab.open(f"{page}people")
                assert tab.value("document.querySelectorAll('nav').length") == 1, "logged out"

            town.reset()
            town.claims = {"amr": ["mfa"]}
            with opened(folder, utc) as desk:
                for right in desk.people.rights(OFFICER):
                    desk.people.revoke(ActingPerson(FIRST), right.right_id)
            tab.open(f"{page}login")
            tab.value(f"{button}.click()")
            assert at(tab, "/account"), "her rights have ended, and only her account is left"
            assert says("account.none") in said(tab)
            links = "[...document.querySelectorAll('nav a')].map(one => one.pathname)"
            assert [one for one in tab.value(links) if "language" not in one] == ["/account"]
            tab.open(f"{page}people")
            assert says("error.lacking") in said(tab)
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.communicate(timeout=60)[1]
        lines = [line.split("edge.desk: ")[1] for line in rest.splitlines()]
        assert lines == [
            "oidc: the token endpoint: status 400",
            "oidc: the id_token: it answers another login (nonce)",
        ], "only what the administrator must know, and no token"
