"""Logging in with an account of a provider: one login, one browser, ten minutes, once.

The state of a login is a challenge of the desk (`edge.desk.challenges`), bound to a secret in a
cookie of the browser that began it. Nonce and PKCE verifier are derived from the same secret, so
nothing is kept until the provider has answered, and no answer counts in another browser.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.desk.account_links import linked_person
from edge.desk.accounts import ActingPerson
from edge.desk.provider import LoginProvider, ProviderFault, ProviderLogin
from edge.desk.relying_party import b64, from_b64
from edge.desk.sign_in import DeskSignIn, LoginWay
from edge.desk.store.database import DeskDatabase
from edge.privacy.audit_events import Event, SessionChanged

_LOG = logging.getLogger("edge.desk")
_PURPOSE = "provider"

RefusalReason = Literal["again", "away", "refused", "unknown", "weak"]
"""Why a login was refused; each has a text."""


class ProviderRefusal(Exception):  # noqa: N818 - no error of the product; it becomes a page
    """A login that is refused.

    Attributes:
        reason: `again`: it is no answer to a login of this browser, or a late or second one;
            `away`: the provider cannot be reached, or what it says is not valid; `refused`: the
            provider refuses; `unknown`: its account is linked with nobody; `weak`: it proves no
            second factor.
    """

    def __init__(self, reason: RefusalReason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ProviderStart:
    """A login that begins.

    Attributes:
        address: where the browser is led.
        secret: of this login, for a cookie of the browser.
    """

    address: str
    secret: str = field(repr=False)


class ProviderSignIn:
    """Logins of a desk with accounts of a provider.

    Args:
        database: of the desk.
        record: adds an event to the desk's audit log; raises if it cannot.
        sign_in: of the desk.
        provider: the provider.
    """

    def __init__(
        self,
        database: DeskDatabase,
        record: Callable[[Event], object],
        sign_in: DeskSignIn,
        provider: LoginProvider,
    ) -> None:
        self._database = database
        self._record = record
        self._sign_in = sign_in
        self._provider = provider

    @property
    def label(self) -> str:
        """How the login page calls the provider."""
        return self._provider.config.label

    @property
    def origin(self) -> str:
        """The origin to which the form of the login page leads."""
        return self._provider.origin

    @property
    def issuer(self) -> str:
        """The issuer that links name."""
        return self._provider.config.issuer

    def begin(self) -> ProviderStart:
        """Begin a login.

        Raises:
            ProviderRefusal: the provider cannot be reached.
        """
        secret = secrets.token_urlsafe(32)
        state = b64(self._sign_in.challenges.new(_PURPOSE, secret))
        nonce, verifier = _derived(secret, state)
        try:
            address = self._provider.address(state, nonce, verifier)
        except ProviderFault as fault:
            raise _away(fault) from None
        return ProviderStart(address, secret)

    def finish(
        self, answer: Mapping[str, str], secret: str | None
    ) -> tuple[ActingPerson, LoginWay]:
        """Return the person whom the provider's answer logs in, and how strong that is.

        Args:
            answer: the parameters with which the provider led the browser back.
            secret: of the login, from the browser's cookie; None: there is none.

        Raises:
            ProviderRefusal: says why; the audit log has it, unless it answers no login that this
                browser has begun: any page could make browsers send such answers.
        """
        given = self._answered(answer, secret or "")
        person: str | None = None
        try:
            login = self._login(answer, *given)
            person = self._person(login)
            way = self._way(ActingPerson(person), login)
        except ProviderRefusal:
            self._record(SessionChanged("refused", person))
            raise
        return ActingPerson(person), way

    def _login(
        self, answer: Mapping[str, str], code: str, nonce: str, verifier: str
    ) -> ProviderLogin:
        try:
            self._provider.require_own_answer(answer.get("iss"))
            if code:
                return self._provider.login(code, nonce, verifier)
        except ProviderFault as fault:
            raise _away(fault) from None
        raise ProviderRefusal("refused")

    def _person(self, login: ProviderLogin) -> str:
        with self._database.reading() as connection:
            person = linked_person(connection, self.issuer, login.subject)
        if person is None:
            raise ProviderRefusal("unknown")
        return person

    def _way(self, acting: ActingPerson, login: ProviderLogin) -> LoginWay:
        config = self._provider.config
        if not config.met(login.amr, login.acr):
            raise ProviderRefusal("weak")
        if config.demands:
            return LoginWay.PROVIDER_STRONG
        if self._sign_in.lacks(acting, LoginWay.PROVIDER):
            raise ProviderRefusal("weak")
        return LoginWay.PROVIDER

    def _answered(self, answer: Mapping[str, str], secret: str) -> tuple[str, str, str]:
        """Code, nonce and verifier of an answer to a login of this browser, which is then spent."""
        state = answer.get("state", "")
        try:
            challenge = from_b64(state)
        except ValueError:
            challenge = b""
        if not secret or not self._sign_in.challenges.spend(challenge, _PURPOSE, secret):
            raise ProviderRefusal("again")
        return ("" if "error" in answer else answer.get("code", ""), *_derived(secret, state))


def _derived(secret: str, state: str) -> tuple[str, str]:
    """Nonce and verifier of a login."""
    first, second = (
        b64(hmac.digest(secret.encode(), f"{label} {state}".encode(), "sha256"))
        for label in ("nonce", "verifier")
    )
    return first, second


def _away(fault: ProviderFault) -> ProviderRefusal:
    _LOG.error("oidc: %s", fault)
    return ProviderRefusal("away")
