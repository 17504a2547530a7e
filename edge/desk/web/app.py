"""The application: which page answers which address, with what checks, headers and errors.

Nothing of a request is logged, and no error shows more than one line of the desk's own texts.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import Enum, auto
from importlib.resources import files

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.desk.web import (
    account,
    approvals,
    case_files,
    fleet,
    log_page,
    login,
    pages,
    provider_login,
    reviews,
    supervision,
)
from edge.desk.web.calls import (
    CONTENT_POLICY,
    Call,
    MissingRole,
    WebDesk,
    WebPage,
    WrongForm,
    case_of,
    own_path,
    see,
    sent_form,
)
from edge.desk.web.sessions import is_form_token
from edge.desk.web.words import DeskWords, preferred
from edge.errors import AccessError, AuditError, EdgeError, OutboxError
from edge.texts import LANGUAGES

_LOG = logging.getLogger("edge.desk")


class _Who(Enum):
    """Who may use a page: anyone, who is logged in, or who needs no stronger login besides."""

    ANYONE = auto()
    READER = auto()
    STRONG = auto()


_ACCOUNT: dict[str, WebPage] = {
    "": account.change_passphrase,
    "/passkey": account.begin_passkey,
    "/passkey/made": account.finish_passkey,
    "/passkey/remove": account.remove_passkey,
    "/codes": account.begin_codes,
    "/codes/confirm": account.confirm_codes,
    "/codes/remove": account.remove_codes,
    "/recovery": account.new_recovery_codes,
    "/key": account.make_key,
    "/key/revoke": account.revoke_own_key,
}
"""What the forms of the account do."""

_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


_LEADS = {
    "/logout": "/",
    "/case/claim": "/queue",
    "/case/next": "/queue",
    "/people/approve": "/people",
    "/people/revoke": "/people",
    "/people/key": "/people",
    "/people/link/approve": "/people",
    "/people/link/remove": "/people",
    "/approvals/term": "/approvals",
    "/approvals/request": "/approvals",
}
"""Where the address of a form leads that is only opened, as with a reload of the answer to it."""


def desk_app(desk: WebDesk) -> ASGIApp:
    """The web application of a desk."""

    def route(path: str, view: WebPage, *methods: str, who: _Who = _Who.STRONG) -> Route:
        return Route(path, _endpoint(desk, view, who), methods=list(methods or ("GET",)))

    def file(name: str, media_type: str) -> Route:
        content = (files(__package__) / name).read_bytes()

        async def sent(_: Request) -> Response:
            return Response(content, media_type=media_type)

        return Route(f"/{name}", sent)

    async def other(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return await run_in_threadpool(_missing, desk, request, status)

    application = Starlette(
        routes=[
            route("/", pages.start),
            route("/login", login.show_login, who=_Who.ANYONE),
            route("/login", login.log_in, "POST", who=_Who.ANYONE),
            route("/login/passkey", login.log_in_with_passkey, "POST", who=_Who.ANYONE),
            route("/login/passkey", login.show_login, who=_Who.ANYONE),
            route("/login/oidc", provider_login.begin_at_provider, "POST", who=_Who.ANYONE),
            route("/login/oidc", login.show_login, who=_Who.ANYONE),
            route(provider_login.BACK, provider_login.back_from_provider, who=_Who.ANYONE),
            route("/enrol", login.show_enrolment, who=_Who.ANYONE),
            route("/enrol", login.begin_enrolment, "POST", who=_Who.ANYONE),
            route("/enrol/passkey", login.finish_enrolment, "POST", who=_Who.ANYONE),
            route("/enrol/passkey", login.show_enrolment, who=_Who.ANYONE),
            route("/logout", login.log_out, "POST", who=_Who.READER),
            route("/language/{language}", _choose_language, who=_Who.ANYONE),
            *(route(path, _leads_to(to), who=_Who.READER) for path, to in _LEADS.items()),
            route("/queue", pages.queue),
            route("/case/claim", reviews.claim, "POST"),
            route("/case/next", reviews.claim_next, "POST"),
            route("/case/{hit_id}", reviews.case),
            route("/case/{hit_id}/ready", reviews.ready),
            route("/case/{hit_id}/judge", reviews.judge, "POST"),
            route("/case/{hit_id}/judge", reviews.case),
            route("/case/{hit_id}/decide", reviews.decide, "POST"),
            route("/case/{hit_id}/decide", reviews.case),
            route("/case/{hit_id}/sign", reviews.sign, "POST"),
            route("/case/{hit_id}/sign", reviews.case),
            route("/decided", case_files.show_decided),
            route("/case/{hit_id}/file", case_files.show_case_file),
            route("/case/{hit_id}/export", case_files.export, "POST"),
            route("/case/{hit_id}/export", case_files.to_case_file),
            route("/people", pages.people),
            route("/people/approve", pages.approve, "POST"),
            route("/people/revoke", pages.revoke, "POST"),
            route("/people/key", pages.revoke_key, "POST"),
            route("/approvals", approvals.show_approvals),
            route("/approvals/term", approvals.approve_term, "POST"),
            route("/approvals/request", approvals.approve_request, "POST"),
            route("/people/link/approve", pages.approve_link, "POST"),
            route("/people/link/remove", pages.remove_link, "POST"),
            route("/figures", supervision.show_figures),
            route("/boxes", fleet.show_boxes),
            route("/boxes/{site}/{box}", fleet.show_box),
            route("/log", log_page.ask),
            route("/log", log_page.search, "POST"),
            route("/account", account.show_account, who=_Who.READER),
            *(
                route(f"/account{path}", view, "POST", who=_Who.READER)
                for path, view in _ACCOUNT.items()
            ),
            *(
                route(f"/account{path}", account.to_account, who=_Who.READER)
                for path in _ACCOUNT
                if path
            ),
            file("desk.css", "text/css"),
            file("desk.js", "text/javascript"),
        ],
        exception_handlers={HTTPException: other},
    )
    return _Headers(application, tls=desk.tls)


class _Headers:
    """Adds the headers that each answer has."""

    def __init__(self, application: ASGIApp, *, tls: bool) -> None:
        self._application = application
        self._headers = dict(_HEADERS)
        if tls:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    given.setdefault(name, value)
            await send(message)

        await self._application(scope, receive, sending)


def _endpoint(desk: WebDesk, view: WebPage, who: _Who) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        form: dict[str, str] | None = {}
        if request.method == "POST":
            try:
                form = await sent_form(request)
            except WrongForm:
                form = None
        return await run_in_threadpool(_answer, desk, request, form, view, who)

    return endpoint


def _answer(
    desk: WebDesk, request: Request, form: dict[str, str] | None, view: WebPage, who: _Who
) -> Response:
    """The answer to a request, whatever goes wrong."""
    call = _call(desk, request, form or {})
    try:
        session = desk.sessions.find(request.cookies.get(desk.cookie("session")))
        if session is not None:
            call = replace(call, session=session, secret=session.token)
        elif who is not _Who.ANYONE:
            return _with_secret(call, login.log_in_first(call))
        if request.method == "POST":
            _require_own_form(call, form)
        if who is _Who.STRONG and desk.sign_in.lacks(call.reader.acting, call.reader.way):
            return see("/account")
        return _with_secret(call, view(call))
    except MissingRole as error:
        return _lacking(call, error)
    except WrongForm:
        return call.line(400, call.words("error.form"))
    except Exception as error:  # noqa: BLE001 - a traceback could quote what a form held
        return _failed(call, view, error)


def _failed(call: Call, view: WebPage, error: Exception) -> Response:
    if isinstance(error, AccessError):
        four_eyes = error.code == "E_FOUR_EYES"
        return call.line(403, call.words("error.four_eyes" if four_eyes else "error.refused"))
    if isinstance(error, (OutboxError, AuditError)):
        _LOG.error("%s", error)  # one line, which holds no value of a row
        full = error.code == "E_DISK_FULL"
        said = call.words("error.disk_full" if full else "error.unavailable")
        found = case_of(call.request.url.path)
        return call.line(503, said, back=f"/case/{found}" if found else "/")
    code = error.code if isinstance(error, EdgeError) else type(error).__name__
    _LOG.error("%s: %s", view.__name__, code)
    return call.line(500, call.words("error.broken"))


def _call(desk: WebDesk, request: Request, form: dict[str, str]) -> Call:
    language = preferred(
        request.cookies.get(desk.cookie("language")), request.headers.get("accept-language", "")
    )
    secret = request.cookies.get(desk.cookie("form")) or secrets.token_urlsafe(32)
    return Call(desk, request, DeskWords(language), None, secret, form)


def _with_secret(call: Call, response: Response) -> Response:
    """The answer, which gives a browser without session the secret of its forms."""
    if call.session is None and call.desk.cookie("form") not in call.request.cookies:
        call.desk.set_cookie(response, "form", call.secret)
    return response


def _require_own_form(call: Call, form: dict[str, str] | None) -> None:
    """Refuse a form that another site, or an earlier session, has made."""
    from_elsewhere = call.request.headers.get("sec-fetch-site", "same-origin") != "same-origin"
    if form is None or from_elsewhere or not is_form_token(form.get("token", ""), call.secret):
        raise WrongForm


def _lacking(call: Call, error: MissingRole) -> Response:
    roles = ", ".join(call.words(f"role.{role.value}") for role in error.roles)
    try:
        more = pages.whom_to_ask(call)
    except OutboxError:
        return call.line(503, call.words("error.unavailable"))
    return call.line(403, call.words("error.lacking", roles=roles), more)


def _missing(desk: WebDesk, request: Request, status: int) -> Response:
    call = _call(desk, request, {})
    return call.line(status, call.words("error.missing"))


def _leads_to(page: str) -> WebPage:
    def lead(call: Call) -> Response:
        del call
        return see(page)

    return lead


def _choose_language(call: Call) -> Response:
    """Keep the language, and lead back to the page on which it was chosen."""
    response = see(own_path(call.request.query_params.get("back", "")))
    chosen = call.request.path_params["language"]
    if chosen not in LANGUAGES:
        return call.line(404, call.words("error.missing"))
    call.desk.set_cookie(response, "language", chosen)
    return response
