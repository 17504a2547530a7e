"""The pages for who is not logged in: login with a passkey or a passphrase, and enrolment."""

from __future__ import annotations

from starlette.responses import Response

from edge.desk.accounts import LOCKED_FOR, MAX_FAILURES, ActingPerson
from edge.desk.sign_in import LoginWay
from edge.desk.web.calls import CONTENT_POLICY, Call, case_of, see
from edge.desk.web.limits import WITHIN
from edge.errors import AccessError, UsageError


def show_login(call: Call) -> Response:
    """The login form."""
    return see("/") if call.session is not None else login_page(call)


def log_in_first(call: Call) -> Response:
    """What somebody sees who is not logged in, or whose session has ended."""
    if call.request.method == "GET" and call.request.url.path == "/":
        return see("/login")
    line = "login.ended"
    if case_of(call.request.url.path):
        line = "login.ended_look" if call.request.method == "GET" else "login.ended_case"
    return login_page(call, 401, call.words(line))


def log_in(call: Call) -> Response:
    """Open a session for a passphrase, or refuse without telling who exists."""
    name = call.form.get("name", "")
    if not call.desk.limits.begin(call.address):
        return login_page(call, 429, too_many(call))
    try:
        acting = call.desk.sign_in.with_passphrase(
            name, call.form.get("passphrase", ""), call.form.get("code", "")
        )
    except AccessError:
        call.desk.sessions.refused(name)
        return login_page(call, 403, refusal(call))
    return opened(call, acting, see(f"/case/{_case(call)}" if _case(call) else "/"))


def log_in_with_passkey(call: Call) -> Response:
    """Open a session for a passkey."""
    if not call.desk.limits.begin(call.address):
        return login_page(call, 429, too_many(call))
    try:
        acting = call.desk.sign_in.with_passkey(call.form.get("answer", ""), call.secret)
    except AccessError:
        return login_page(call, 403, call.words("passkey.refused"))
    return opened(call, acting, see(f"/case/{_case(call)}" if _case(call) else "/"))


def log_out(call: Call) -> Response:
    """End the session."""
    call.desk.sessions.end(call.reader)
    response = see("/login")
    call.desk.drop_cookie(response, "session")
    return response


def show_enrolment(call: Call) -> Response:
    """The form for a code for enrolment."""
    return _enrolment(call)


def begin_enrolment(call: Call) -> Response:
    """Check the code, and ask the browser to make a passkey."""
    name, code = call.form.get("name", ""), call.form.get("code", "")
    if not call.desk.limits.begin(call.address):
        return _enrolment(call, 429, too_many(call))
    try:
        options = call.desk.enrolments.begin(name, code, call.secret, call.desk.authority)
    except AccessError:
        call.desk.sessions.refused(name)
        return _enrolment(call, 403, call.words("enrol.refused"))
    call.desk.limits.succeeded(call.address)
    fields = {"name": name, "code": code, "called": call.form.get("called", "")}
    return call.page("passkey", options=options, action="/enrol/passkey", fields=fields, line="")


def finish_enrolment(call: Call) -> Response:
    """Keep the passkey; the person then logs in with it."""
    form = call.form
    try:
        call.desk.enrolments.finish(
            form.get("name", ""),
            form.get("code", ""),
            form.get("called", ""),
            form.get("answer", ""),
            call.secret,
        )
    except AccessError:
        return _enrolment(call, 403, call.words("enrol.refused"))
    except UsageError:
        return _enrolment(call, 400, call.words("passkey.name_hint"))
    return login_page(call, line=call.words("enrol.done"))


def not_proved_again(call: Call) -> tuple[int, str] | None:
    """Require that the reader proves again who she is, with `current` or `answer` of her form.

    Returns:
        None if she has; else status and line of the refusal, which is in the audit log.
    """
    acting, form = call.reader.acting, call.form
    if not call.desk.limits.begin(call.address):
        return 429, too_many(call)
    try:
        call.desk.sign_in.again(
            acting, form.get("current", ""), form.get("answer", ""), call.secret
        )
    except AccessError as error:
        call.desk.sessions.refused(acting.name)
        by_passkey = error.code == "E_PASSKEY"
        return 403, call.words("passkey.refused") if by_passkey else refused_again(call)
    call.desk.limits.succeeded(call.address)
    return None


def refusal(call: Call) -> str:
    """The line of a refused login."""
    return _refused(call, "login.refused")


def refused_again(call: Call) -> str:
    """The line of a wrong passphrase, where only this was asked of who has logged in."""
    return _refused(call, "account.refused")


def _refused(call: Call, key: str) -> str:
    return call.words(key, count=MAX_FAILURES, minutes=LOCKED_FOR.seconds // 60)


def too_many(call: Call) -> str:
    """The line of an address from which too many logins failed."""
    return call.words("login.address", minutes=WITHIN.seconds // 60)


def opened(
    call: Call, acting: ActingPerson, response: Response, way: LoginWay = LoginWay.OWN
) -> Response:
    """The answer, which opens a session in the browser."""
    call.desk.limits.succeeded(call.address)
    call.desk.set_cookie(response, "session", call.desk.sessions.begin(acting, way))
    call.desk.drop_cookie(response, "form")
    return response


def login_page(call: Call, status: int = 200, line: str = "") -> Response:
    """The login form, from which a form may lead to the provider, and from no other page."""
    party, provider = call.desk.sign_in.party, call.desk.provider
    page = call.page(
        "login",
        status,
        line=line,
        case=_case(call),
        origin="" if party is None else party.origin,
        options="" if party is None else call.desk.sign_in.login_options(call.secret),
        provider="" if provider is None else provider.label,
    )
    if provider is not None:
        allowed = f"form-action 'self' {provider.origin}"
        policy = CONTENT_POLICY.replace("form-action 'self'", allowed)
        page.headers["Content-Security-Policy"] = policy
    return page


def _case(call: Call) -> str:
    """The hit whose case the login leads back to; empty if there is none."""
    asked = call.form.get("case") or case_of(call.request.url.path)
    return case_of(f"/case/{asked}")


def _enrolment(call: Call, status: int = 200, line: str = "") -> Response:
    party = call.desk.sign_in.party
    return call.page("enrol", status, line=line, origin="" if party is None else party.origin)
