"""The account: rights, passkeys, one-time codes, recovery codes and passphrase of the reader."""

from __future__ import annotations

from functools import wraps

import segno
from markupsafe import Markup
from starlette.responses import Response

from edge.desk.passkeys import LONGEST_NAME, require_name
from edge.desk.personal_keys import PersonalKey
from edge.desk.rights import JUDGES
from edge.desk.sealed_keys import signs_here
from edge.desk.sign_in import LoginWay
from edge.desk.web.calls import Call, WebPage, see
from edge.desk.web.login import not_proved_again, refused_again, too_many
from edge.desk.web.pages import whom_to_ask
from edge.errors import AccessError, KeyFileError, UsageError
from edge.privacy.protected_keys import SHORTEST


def show_account(call: Call) -> Response:
    """The reader's name, rights and ways to log in."""
    return _account(call)


def to_account(call: Call) -> Response:
    """Lead to the account from the address of a form that was sent."""
    del call
    return see("/account")


def _again(act: WebPage) -> WebPage:
    """A page that does something only after the reader has proved again who she is."""

    @wraps(act)
    def proved(call: Call) -> Response:
        refused = not_proved_again(call)
        return act(call) if refused is None else _account(call, *refused)

    return proved


# --- passkeys -------------------------------------------------------------------------------------


@_again
def begin_passkey(call: Call) -> Response:
    """Ask the browser to make a passkey."""
    called = call.form.get("called", "")
    try:
        require_name(called)
    except UsageError:
        return _account(call, 400, call.words("passkey.name_hint"))
    options = call.desk.sign_in.creation(call.reader.acting, call.secret, call.desk.authority)
    return call.page(
        "passkey",
        options=options,
        action="/account/passkey/made",
        fields={"called": called},
        line="",
    )


def finish_passkey(call: Call) -> Response:
    """Keep the passkey that the browser has made."""
    try:
        codes = call.desk.sign_in.add_passkey(
            call.reader.acting,
            call.form.get("called", ""),
            call.form.get("answer", ""),
            call.secret,
        )
    except AccessError:
        return _account(call, 403, call.words("passkey.refused"))
    except UsageError:
        return _account(call, 400, call.words("passkey.name_hint"))
    return _recovery(call, codes, call.words("passkey.added"))


@_again
def remove_passkey(call: Call) -> Response:
    """Remove a passkey."""
    try:
        call.desk.sign_in.remove_passkey(call.reader.acting, call.form.get("key", ""))
    except AccessError:
        return _account(call, 403, call.words("passkey.last"))
    return _account(call, line=call.words("passkey.removed"))


# --- codes ----------------------------------------------------------------------------------------


@_again
def begin_codes(call: Call) -> Response:
    """Show a new secret for one-time codes, once."""
    secret, address = call.desk.sign_in.begin_codes(call.reader.acting, call.desk.authority)
    drawn = segno.make(address, error="m", micro=False).svg_inline(scale=4, border=4, light="#fff")
    return call.page(
        "codes",
        line="",
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        address=address,
        drawn=Markup(drawn),  # noqa: S704 - a drawing of squares
    )


def confirm_codes(call: Call) -> Response:
    """Confirm the secret with a code of it."""
    if not call.desk.limits.begin(call.address):
        return _account(call, 429, too_many(call))
    codes = call.desk.sign_in.confirm_codes(call.reader.acting, call.form.get("code", ""))
    if codes is None:
        return _account(call, 403, call.words("codes.wrong"))
    call.desk.limits.succeeded(call.address)
    return _recovery(call, codes, call.words("codes.added"))


@_again
def remove_codes(call: Call) -> Response:
    """Remove the one-time codes."""
    call.desk.sign_in.remove_codes(call.reader.acting)
    return _account(call, line=call.words("codes.removed"))


@_again
def new_recovery_codes(call: Call) -> Response:
    """Show new recovery codes, once."""
    codes = call.desk.sign_in.new_recovery_codes(call.reader.acting)
    return _recovery(call, codes, "")


def _recovery(call: Call, codes: tuple[str, ...], line: str) -> Response:
    return call.page("recovery", codes=codes, line=line) if codes else _account(call, line=line)


# --- keys for findings ----------------------------------------------------------------------------


def make_key(call: Call) -> Response:
    """Make the reader's key for signing findings, under her passphrase."""
    desk, passphrase = call.desk, call.form.get("passphrase", "")
    call.rights_of(*JUDGES)
    try:
        acting = desk.people.prove(call.reader.acting.name, passphrase)
    except AccessError:
        desk.sessions.refused(call.reader.acting.name)
        return _account(call, 403, refused_again(call))
    key_id = desk.people.make_key(acting, passphrase)
    return _account(call, line=call.words("account.key_made", id=key_id))


@_again
def revoke_own_key(call: Call) -> Response:
    """Revoke a key of the reader."""
    key_id = call.form.get("key", "")
    if key_id not in {one.key.key_id for one in _signing_keys(call)}:
        return _account(call, 403, call.words("error.refused"))
    call.desk.keys.revoke(call.reader.acting, key_id)
    return _account(call, line=call.words("keys.revoked"))


def _signing_keys(call: Call) -> list[PersonalKey]:
    """The reader's keys that sign, without her passkeys."""
    return [
        one
        for one in call.desk.keys.all(call.reader.acting.name)
        if one.revoked_at is None and not one.name
    ]


# --- the passphrase -------------------------------------------------------------------------------


def change_passphrase(call: Call) -> Response:
    """Change the reader's passphrase, and end her other sessions."""
    if call.form.get("new", "") != call.form.get("again", ""):
        return _account(call, 400, call.words("account.differs"))
    return _changed(call)


@_again
def _changed(call: Call) -> Response:
    try:
        call.desk.people.set_passphrase(
            call.reader.acting, call.form.get("new", ""), before=call.form.get("current", "")
        )
    except KeyFileError:
        return _account(call, 400, call.words("account.hint", count=SHORTEST))
    call.desk.sessions.end_others(call.reader)
    return _account(call, line=call.words("account.changed"))


def _lacks(call: Call) -> str:
    """The text that says what the reader's rights need besides; empty if nothing."""
    way = call.reader.way
    if not call.desk.sign_in.lacks(call.reader.acting, way):
        return ""
    return "account.lacks" if way is LoginWay.OWN else "oidc.lacks"


def _account(call: Call, status: int = 200, line: str = "") -> Response:
    rights, sign_in, acting = call.rights(), call.desk.sign_in, call.reader.acting
    ways, party = sign_in.ways(acting), sign_in.party
    return call.page(
        "account",
        status,
        line=line,
        rights=rights,
        whom="" if rights else whom_to_ask(call),
        least=SHORTEST,
        ways=ways,
        lacks=_lacks(call),
        links=[one for one in call.desk.links.all(acting.name) if one.approved_at is not None],
        origin="" if party is None else party.origin,
        again="" if ways.passphrase else sign_in.again_options(acting, call.secret),
        longest=LONGEST_NAME,
        keys=_signing_keys(call),
        signs=signs_here(call.desk.database, acting.name),
        officer=any(right.terms.role in JUDGES for right in rights),
    )
