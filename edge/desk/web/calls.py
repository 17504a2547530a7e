"""What a page gets: the desk, the reader's session and language, and the form that was sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from edge.desk.account_links import AccountLinks
from edge.desk.court.making import CaseSources
from edge.desk.enrolling import Enrolments
from edge.desk.key_revoking import DeskKeys
from edge.desk.log_search import DeskLog
from edge.desk.passkey_signing import PasskeySigning
from edge.desk.people import DeskPeople
from edge.desk.provider_sign_in import ProviderSignIn
from edge.desk.requests import PersonRequests
from edge.desk.retention_terms import RetentionTerms
from edge.desk.reviewing import CaseReviews
from edge.desk.rights import (
    APPROVERS,
    JUDGES,
    READERS,
    WATCHERS,
    DeskRight,
    DeskRole,
    RightScope,
)
from edge.desk.sign_in import DeskSignIn
from edge.desk.store.database import DeskDatabase
from edge.desk.web.limits import AddressLimits, client_address
from edge.desk.web.sessions import WebSession, WebSessions, form_token
from edge.desk.web.words import DeskWords
from edge.errors import OutboxError
from edge.formats.identifiers import typed_id
from edge.formats.timestamps import UTC_PATTERN, parse_utc
from edge.policy.model import Policy
from edge.texts import LANGUAGES
from edge.texts.pages import render

CONTENT_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""The content security policy of each page."""

LARGEST_FORM: Final = 16 * 1024
_FIELDS: Final = 20

MENU: Final[Mapping[str, tuple[DeskRole, ...]]] = {
    "queue": JUDGES,
    "decided": JUDGES,
    "people": APPROVERS,
    "approvals": APPROVERS,
    "figures": READERS,
    "boxes": READERS,
    "log": WATCHERS,
}
"""The pages that need a right, in the order of the menu, each with the roles that may open it."""


class WrongForm(Exception):  # noqa: N818 - no error of the product; it becomes a page
    """A form that is too large, is no form, or lacks the token of the reader's browser."""


class MissingRole(Exception):  # noqa: N818 - likewise
    """The reader has none of the roles that a page needs.

    Attributes:
        roles: one of these is enough.
    """

    def __init__(self, roles: tuple[DeskRole, ...]) -> None:
        super().__init__()
        self.roles = roles


@dataclass(frozen=True, slots=True)
class WebDesk:
    """What all pages of a desk share.

    Attributes:
        tls: browsers reach the desk over TLS only, here or at a proxy in front.
        behind_proxy: a proxy on this machine says from which address a browser comes.
        reviews: None where the authority's keys are not here, so that no hit can be opened.
        signing: signs findings with passkeys, where there are reviews.
        policies: those of the sites, by SHA-256.
        court: from which the packages of cases are made; None: no case is exported here.
        provider: logs in with accounts of a provider; None: `desk.json` names none.
    """

    authority: str
    database: DeskDatabase
    people: DeskPeople
    sessions: WebSessions
    log: DeskLog
    utc: Callable[[], datetime]
    tls: bool
    sign_in: DeskSignIn
    enrolments: Enrolments
    keys: DeskKeys
    terms: RetentionTerms
    requests: PersonRequests
    links: AccountLinks
    limits: AddressLimits
    behind_proxy: bool = False
    reviews: CaseReviews | None = None
    signing: PasskeySigning | None = None
    policies: Mapping[str, Policy] = field(default_factory=dict)
    court: CaseSources | None = None
    provider: ProviderSignIn | None = None

    def cookie(self, name: str) -> str:
        """The name of a cookie; with TLS, no other host can have set it."""
        return f"__Host-desk-{name}" if self.tls else f"desk-{name}"

    def set_cookie(
        self,
        response: Response,
        name: str,
        value: str,
        samesite: Literal["strict", "lax"] = "strict",
    ) -> None:
        """Set a cookie until the browser is closed."""
        response.set_cookie(
            self.cookie(name), value, path="/", secure=self.tls, httponly=True, samesite=samesite
        )

    def drop_cookie(self, response: Response, name: str) -> None:
        """Remove a cookie."""
        response.delete_cookie(
            self.cookie(name), path="/", secure=self.tls, httponly=True, samesite="strict"
        )


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        secret: from which the form token of the reader's browser is derived.
    """

    desk: WebDesk
    request: Request
    words: DeskWords
    session: WebSession | None
    secret: str
    form: Mapping[str, str] = field(repr=False)

    @property
    def reader(self) -> WebSession:
        """The session; only pages for people who are logged in ask for it."""
        if self.session is None:
            raise WrongForm
        return self.session

    @property
    def address(self) -> str:
        """The reader's address, for counting failed logins."""
        return client_address(self.request, behind_proxy=self.desk.behind_proxy)

    @property
    def hit_id(self) -> str:
        """The hit that the address names; empty if that is no id."""
        named = typed_id(str(self.request.path_params["hit_id"]))
        return named if _is_hit_id(named) else ""

    def after(self) -> tuple[datetime, str] | None:
        """The moment and the hit after which this page of a list begins; None: the first page.

        Raises:
            WrongForm: the address names something else.
        """
        text = self.request.query_params.get("after")
        if text is None:
            return None
        moment, _, hit_id = text.rpartition(".")
        if not _is_hit_id(hit_id):
            raise WrongForm
        return sent_moment(moment), hit_id

    def rights(self) -> tuple[DeskRight, ...]:
        """The reader's rights in force."""
        day, name = self.desk.utc().date(), self.reader.acting.name
        return tuple(right for right in self.desk.people.rights(name) if right.in_force(day))

    def rights_of(self, *roles: DeskRole) -> tuple[DeskRight, ...]:
        """The reader's rights in force of these roles, at least one.

        Raises:
            MissingRole: she has none.
        """
        found = tuple(right for right in self.rights() if right.terms.role in roles)
        if not found:
            raise MissingRole(roles)
        return found

    def menu(self) -> tuple[str, ...]:
        """The pages that the reader may open, in order; the last is her account.

        This is only what she is shown: each page checks her rights itself.

        Raises:
            OutboxError: the database cannot be used.
        """
        rights, sign_in = self.rights(), self.desk.sign_in
        if not rights or sign_in.lacks(self.reader.acting, self.reader.way):
            return ("account",)
        mine = {right.terms.role for right in rights}
        names = [name for name, roles in MENU.items() if mine & set(roles)]
        whole = RightScope(self.desk.authority)
        if mine & set(JUDGES) or not any(
            right.terms.role in WATCHERS and right.terms.scope == whole for right in rights
        ):  # only who sees the whole desk and judges no hits searches its log
            names = [name for name in names if name != "log"]
        return (*names, "account")

    def page(self, name: str, status: int = 200, **values: object) -> Response:
        """The answer with a page."""
        content = render(
            __package__,
            f"{name}.html.j2",
            t=self.words,
            desk=self.desk.authority,
            languages=LANGUAGES,
            session=self.session,
            menu=self._shown_menu(),
            here=self.request.url.path,
            shown=own_path(self.request.url.path),
            form_token=form_token(self.secret),
            **values,
        )
        return HTMLResponse(content, status)

    def _shown_menu(self) -> tuple[str, ...]:
        if self.session is None:
            return ()
        try:
            return self.menu()
        except OutboxError:
            return ("account",)  # the page may just say that the database is away

    def line(self, status: int, line: str, more: str = "", back: str = "/") -> Response:
        """The answer with one line, at most one more that says whom to ask, and a way back."""
        return self.page("line", status, line=line, more=more, back=back)


def _is_hit_id(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{32}", text) is not None


def case_of(path: str) -> str:
    """The id of the hit whose case an address names; empty if it names none."""
    found = re.match("/case/([0-9a-fA-F]{32})(?:/|$)", path)
    return "" if found is None else typed_id(found[1])


def own_path(path: str) -> str:
    """An address of a page of the desk without what is asked of it; `/` if it is none."""
    return path if re.fullmatch("(/[a-z0-9_-]+)+", path, re.ASCII) else "/"


class WebPage(Protocol):
    """Makes a page."""

    __name__: str

    def __call__(self, call: Call) -> Response: ...


def sent_moment(text: str) -> datetime:
    """A moment as documents write it.

    Raises:
        WrongForm: it is none.
    """
    try:
        moment = parse_utc(text) if re.fullmatch(UTC_PATTERN, text) else None
    except ValueError:
        moment = None
    if moment is None:
        raise WrongForm
    return moment


def see(path: str) -> Response:
    """The answer that leads to another page."""
    return RedirectResponse(path, 303)


async def sent_form(request: Request) -> dict[str, str]:
    """The fields of the form that was sent.

    Raises:
        WrongForm: it is too large, or no form of this application: of another media type, with a
            field twice, or with a NUL.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise WrongForm
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_FORM:
            raise WrongForm
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_FIELDS,
        )
    except ValueError:
        raise WrongForm from None
    # PostgreSQL keeps no NUL in a text, and no page sends one.
    if len({name for name, _ in pairs}) != len(pairs) or "\0" in "".join(map("".join, pairs)):
        raise WrongForm
    return dict(pairs)
