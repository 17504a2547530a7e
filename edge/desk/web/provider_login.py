"""The pages of a login with an account of a provider (OpenID Connect)."""

from __future__ import annotations

from starlette.responses import Response

from edge.desk.provider_sign_in import ProviderRefusal, ProviderSignIn
from edge.desk.web.calls import Call, see
from edge.desk.web.login import login_page, opened, too_many

BACK = "/login/oidc/back"
"""Where the provider leads browsers back."""

_COOKIE = "provider"
_LINES = {
    "again": "oidc.again",
    "away": "oidc.away",
    "refused": "oidc.refused",
    "unknown": "oidc.unknown",
    "weak": "oidc.weak",
}
"""What the login page says, by the reason of a refusal."""


def begin_at_provider(call: Call) -> Response:
    """Lead the browser to the provider."""
    provider = call.desk.provider
    if provider is None:
        return _missing(call)
    if not call.desk.limits.begin(call.address):
        return login_page(call, 429, too_many(call))
    try:
        start = provider.begin()
    except ProviderRefusal as refusal:
        return _refused(call, provider, refusal)
    # It counts as failed until the browser is back: a page elsewhere cannot make it fail.
    response = see(start.address)
    # Lax, because the provider leads the browser back from another site.
    call.desk.set_cookie(response, _COOKIE, start.secret, samesite="lax")
    return response


def back_from_provider(call: Call) -> Response:
    """Open a session for the account that the provider has proved."""
    provider, request = call.desk.provider, call.request
    if provider is None:
        return _missing(call)
    pairs = request.query_params.multi_items()
    answer = dict(pairs) if len({name for name, _ in pairs}) == len(pairs) else {}
    try:
        acting, way = provider.finish(answer, request.cookies.get(call.desk.cookie(_COOKIE)))
    except ProviderRefusal as refusal:
        return _refused(call, provider, refusal)
    # The cookie of the session is sent only if a page of the desk leads on, which this one does.
    page = call.page("welcome", label=provider.label)
    page.headers["Refresh"] = "0; url=/"
    return _done(call, opened(call, acting, page, way))


def _refused(call: Call, provider: ProviderSignIn, refusal: ProviderRefusal) -> Response:
    line = call.words(_LINES[refusal.reason], label=provider.label)
    response = login_page(call, 503 if refusal.reason == "away" else 403, line)
    return response if refusal.reason == "again" else _done(call, response)


def _done(call: Call, response: Response) -> Response:
    call.desk.drop_cookie(response, _COOKIE)
    return response


def _missing(call: Call) -> Response:
    return call.line(404, call.words("error.missing"))
