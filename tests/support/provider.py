"""A small provider of OpenID Connect for tests: a real server on loopback, with real keys."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from edge.desk.folder import DeskFolder
from edge.desk.provider_config import ProviderConfig

CLIENT, SECRET = "the-desk", "a secret/of: the desk"

Key = RSAKey | ECKey


def rsa(name: str) -> RSAKey:
    made: RSAKey = RSAKey.generate_key(2048, {"kid": name, "use": "sig"})
    return made


def ec(name: str) -> ECKey:
    made: ECKey = ECKey.generate_key("P-256", {"kid": name, "use": "sig"})
    return made


@dataclass
class Grant:
    """What the provider remembers of a login until its code is used."""

    nonce: str
    challenge: str
    back: str


@dataclass
class Provider:
    """What the provider does; tests change it.

    Attributes:
        claims: added to each token, or instead of its own claims; None leaves one out.
        sign: makes the token of its claims.
        answer: added to the parameters with which browsers are led back; None leaves one out.
        metadata: instead of its own.
        asked: the parameters of the last login.
        tokens: those that were given.
    """

    utc: Callable[[], datetime]
    keys: list[Key]
    issuer: str = ""
    subject: str = "subject-1"
    claims: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any]], str] | None = None
    answer: dict[str, str | None] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    grants: dict[str, Grant] = field(default_factory=dict)

    def reset(self) -> None:
        self.subject, self.sign = "subject-1", None
        self.claims, self.answer, self.metadata = {}, {}, {}

    def config(self, **more: object) -> dict[str, object]:
        """The section `oidc` of a desk for this provider."""
        return {
            "issuer": self.issuer, "client_id": CLIENT, "client_secret_file": "oidc.secret",
            "label": "Town login", **more,
        }  # fmt: skip

    def signed(self, claims: dict[str, Any], key: Key | None = None) -> str:
        by = key or self.keys[0]
        algorithm = "RS256" if isinstance(by, RSAKey) else "ES256"
        return jwt.encode({"alg": algorithm, "kid": by.kid}, claims, by)

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser is led back."""
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["scope"] == "openid"
        assert asked["code_challenge_method"] == "S256"
        self.asked = asked
        code = secrets.token_urlsafe(16)
        back = asked["redirect_uri"]
        self.grants[code] = Grant(asked["nonce"], asked["code_challenge"], back)
        answer = {"code": code, "state": asked["state"], "iss": self.issuer} | self.answer
        return f"{back}?{urlencode({name: one for name, one in answer.items() if one is not None})}"

    def token(self, form: dict[str, str], authorization: str) -> dict[str, str] | None:
        """The answer of the token endpoint; None: it refuses."""
        pair = f"{CLIENT}:{'a+secret%2Fof%3A+the+desk'}"
        grant = self.grants.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            grant is None
            or authorization != f"Basic {base64.b64encode(pair.encode()).decode()}"
            or (grant.challenge, grant.back) != (challenge, form["redirect_uri"])
        ):
            return None
        now = int(self.utc().timestamp())
        claims = {
            "iss": self.issuer, "sub": self.subject, "aud": CLIENT, "iat": now, "exp": now + 300,
            "nonce": grant.nonce,
        } | self.claims  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        self.tokens.append((self.sign or self.signed)(claims))
        return {"token_type": "Bearer", "access_token": "unused", "id_token": self.tokens[-1]}


def with_section(folder: DeskFolder, config: dict[str, object], **more: str) -> DeskFolder:
    """The desk with this section `oidc`, and other fields of `desk.json`."""
    section = ProviderConfig.model_validate_json(json.dumps(config))
    changed = folder.config.model_copy(update={"oidc": section, **more})
    return DeskFolder(folder.path, changed)


class _Handler(BaseHTTPRequestHandler):
    provider: ClassVar[Provider]

    def do_GET(self) -> None:
        parts, one = urlsplit(self.path), self.provider
        if parts.path == "/.well-known/openid-configuration":
            own = {
                "issuer": one.issuer,
                "authorization_endpoint": f"{one.issuer}/authorize",
                "token_endpoint": f"{one.issuer}/token",
                "jwks_uri": f"{one.issuer}/jwks",
                "authorization_response_iss_parameter_supported": True,
            }
            self._json(200, own | one.metadata)
        elif parts.path == "/jwks":
            self._json(200, {"keys": [key.as_dict(private=False) for key in one.keys]})
        elif parts.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", one.authorize(dict(parse_qsl(parts.query))))
            self.end_headers()
        else:
            self._json(404, {})

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        form = {name: one[0] for name, one in parse_qs(self.rfile.read(length).decode()).items()}
        answer = self.provider.token(form, self.headers.get("Authorization", ""))
        self._json(400 if answer is None else 200, answer or {"error": "invalid_grant"})

    def _json(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def provider(utc: Callable[[], datetime]) -> Iterator[Provider]:
    """A provider that runs, with an RSA and an EC key."""
    made = Provider(utc, [rsa("rsa-1"), ec("ec-1")])
    handler = type("Handler", (_Handler,), {"provider": made})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    made.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)
