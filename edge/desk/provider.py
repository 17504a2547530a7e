"""A provider of OpenID Connect: its metadata and keys, and what its tokens prove.

Authorization code flow with PKCE (S256), state and nonce: OpenID Connect Core 1.0, RFC 7636, RFC
9207. Signatures are verified by `joserfc`, with public keys of the provider only. Metadata, keys
and tokens come over TLS, verified against the trust store of this machine; `http` is accepted on
this machine only, and no redirect is followed. No error quotes anything of a token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ConfigDict, ValidationError

from edge.desk.provider_config import ProviderConfig, is_safe_address, origin_of

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
)  # fmt: skip
"""Signatures with a key pair only: `none` proves nothing, and HS256 would need a shared secret."""

_KEY_TYPES: Final = ("RSA", "EC")
_LEEWAY_S: Final = 60
_WAIT_S: Final = 5
_LARGEST: Final = 256 * 1024
_FRESH_FOR: Final = timedelta(hours=1)
_READ_AGAIN_AFTER: Final = timedelta(minutes=1)
_LONGEST_SUBJECT: Final = 255


class ProviderFault(Exception):  # noqa: N818 - no error of the product; it becomes a page
    """The provider cannot be reached, or what it says is not valid. Its text is of the product."""


@dataclass(frozen=True, slots=True)
class ProviderLogin:
    """What a token proves.

    Attributes:
        subject: of the account at the provider.
        amr: how it was proved (RFC 8176).
        acr: the class of it; None if the provider names none.
    """

    subject: str = field(repr=False)
    amr: tuple[str, ...]
    acr: str | None


class _Metadata(BaseModel):
    """What this program reads of a provider's metadata (OpenID Connect Discovery 1.0)."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]
    authorization_response_iss_parameter_supported: bool = False


class LoginProvider:
    """One provider.

    Args:
        config: the section `oidc`.
        secret: of the desk at the provider.
        back: the address of the desk to which the provider leads browsers back.
        utc: the wall clock.
    """

    def __init__(
        self, config: ProviderConfig, secret: str, back: str, utc: Callable[[], datetime]
    ) -> None:
        self.config = config
        self.origin = origin_of(config.issuer)
        self._secret = secret
        self._back = back
        self._utc = utc
        self._lock = threading.Lock()
        self._known: tuple[datetime, _Metadata] | None = None
        self._keys: tuple[datetime, KeySet] | None = None
        self._opener = _opener(local=self.origin.startswith("http:"))

    def address(self, state: str, nonce: str, verifier: str) -> str:
        """Where a browser is led to log in.

        Args:
            state: comes back with the answer.
            nonce: comes back in the token.
            verifier: of PKCE; only its digest is in the address.

        Raises:
            ProviderFault: the provider cannot be reached, or its metadata are not valid.
        """
        asked = {
            "response_type": "code",
            "client_id": self.config.client_id,
            "redirect_uri": self._back,
            "scope": "openid",
            "state": state,
            "nonce": nonce,
            "code_challenge": _unpadded(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "prompt": "login",  # a session of the desk is short; one of the provider may be long
        }
        if self.config.acr:
            asked["acr_values"] = " ".join(self.config.acr)
        endpoint = self._metadata().authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def require_own_answer(self, issuer: str | None) -> None:
        """Refuse an answer that names another issuer, or none where the provider names itself.

        Args:
            issuer: the parameter `iss` of the answer (RFC 9207); None: it has none.

        Raises:
            ProviderFault: it is of another provider.
        """
        expected = self._metadata().authorization_response_iss_parameter_supported
        if issuer != self.config.issuer and (expected or issuer is not None):
            raise ProviderFault("the answer names another issuer, or none")

    def login(self, code: str, nonce: str, verifier: str) -> ProviderLogin:
        """What the token says that the provider gives for this code.

        Raises:
            ProviderFault: the provider refuses the code, or its token is not valid.
        """
        known = self._metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": verifier,
        }
        headers = {}
        if "client_secret_basic" in known.token_endpoint_auth_methods_supported:
            pair = f"{quote_plus(self.config.client_id)}:{quote_plus(self._secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self.config.client_id, "client_secret": self._secret}
        answer = self._read("the token endpoint", known.token_endpoint, form, headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderFault("the token endpoint: no id_token in its answer")
        return self._proved(self._claims(token, nonce))

    def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """The claims of a token whose signature, issuer, times and nonce are right."""
        demanded = jwt.JWTClaimsRegistry(
            now=int(self._utc().timestamp()),
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": self.config.issuer},
            sub={"essential": True},
            aud={"essential": True, "value": self.config.client_id},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            try:
                claims = jwt.decode(token, self._key_set(), algorithms=ALGORITHMS).claims
            except InvalidKeyIdError:  # a new key
                claims = jwt.decode(token, self._key_set(anew=True), algorithms=ALGORITHMS).claims
            demanded.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            claim = getattr(error, "claim", None)
            named = f" ({claim})" if claim in {"iss", "sub", "aud", "exp", "iat", "nbf"} else ""
            raise ProviderFault(f"the id_token: {type(error).__name__}{named}") from None
        if claims["aud"] not in (self.config.client_id, [self.config.client_id]):
            raise ProviderFault("the id_token: it is meant for others too (aud)")
        if claims.get("azp", self.config.client_id) != self.config.client_id:
            raise ProviderFault("the id_token: it was given to somebody else (azp)")
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise ProviderFault("the id_token: it answers another login (nonce)")
        return claims

    @staticmethod
    def _proved(claims: Mapping[str, Any]) -> ProviderLogin:
        subject, amr, acr = claims["sub"], claims.get("amr"), claims.get("acr")
        if not 0 < len(subject) <= _LONGEST_SUBJECT:
            raise ProviderFault("the id_token: its subject is empty or too long (sub)")
        methods = tuple(one for one in amr if isinstance(one, str)) if type(amr) is list else ()
        return ProviderLogin(subject, methods, acr if isinstance(acr, str) else None)

    # --- what the provider publishes --------------------------------------------------------------

    def _metadata(self) -> _Metadata:
        now = self._utc()
        with self._lock:
            if self._known is not None and now - self._known[0] < _FRESH_FOR:
                return self._known[1]
        where = f"{self.config.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            found = _Metadata.model_validate(self._read("the metadata", where))
        except ValidationError as error:
            field = ".".join(map(str, error.errors(include_url=False)[0]["loc"]))
            raise ProviderFault(f"the metadata: {field} is missing or has a wrong form") from None
        if found.issuer != self.config.issuer:
            raise ProviderFault("the metadata: issuer differs from oidc.issuer in desk.json")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not is_safe_address(getattr(found, name)):
                raise ProviderFault(f"the metadata: {name} is no https address")
        if origin_of(found.authorization_endpoint) != self.origin:
            # The login page allows this one origin, before it has asked the provider anything.
            raise ProviderFault("the metadata: authorization_endpoint is not at the issuer's host")
        with self._lock:
            self._known = (now, found)
        return found

    def _key_set(self, *, anew: bool = False) -> KeySet:
        """The public keys of the provider.

        Args:
            anew: a token names a key that is not among those that are known.
        """
        now = self._utc()
        with self._lock:
            known = self._keys
        if known is not None and now - known[0] < (_READ_AGAIN_AFTER if anew else _FRESH_FOR):
            return known[1]
        answer = self._read("the keys", self._metadata().jwks_uri)
        given = answer.get("keys")
        public = [
            one
            for one in (given if isinstance(given, list) else [])
            if isinstance(one, dict) and one.get("kty") in _KEY_TYPES and one.get("use") != "enc"
        ]
        try:
            found: KeySet = KeySet.import_key_set({"keys": public})
        except (JoseError, ValueError, TypeError, KeyError):
            raise ProviderFault("the keys: none can be used (jwks_uri)") from None
        with self._lock:
            self._keys = (now, found)
        return found

    def _read(
        self,
        what: str,
        address: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """A JSON object of the provider."""
        body = None if form is None else urlencode(form).encode()
        accept = {"Accept": "application/json", **(headers or {})}
        request = urllib.request.Request(address, body, accept)  # noqa: S310 - a safe address
        try:
            with self._opener.open(request, timeout=_WAIT_S) as answer:
                content = answer.read(_LARGEST + 1)
        except urllib.error.HTTPError as error:
            error.close()
            raise ProviderFault(f"{what}: status {error.code}") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise ProviderFault(f"{what}: not reached ({type(reason).__name__})") from None
        try:
            found = json.loads(content) if len(content) <= _LARGEST else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ProviderFault(f"{what}: no JSON object")
        return found


def _opener(*, local: bool) -> urllib.request.OpenerDirector:
    """What opens addresses: without files, FTP and redirects; through the proxy of this machine."""
    opener = urllib.request.OpenerDirector()
    opener.addheaders = [("User-Agent", "edge-anpr")]
    for handler in (
        urllib.request.ProxyHandler({} if local else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
