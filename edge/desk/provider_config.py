"""The section `oidc` of `desk.json`: a municipality's own accounts (OpenID Connect)."""

from __future__ import annotations

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from edge.formats.strict import StrictMessage
from edge.formats.visible import unseen_at

_LONGEST = 255


def is_safe_address(address: str) -> bool:
    """Whether an address is `https`, or `http` on this machine, without user, password and `#`."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or "#" in address or not _is_line(address):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host))


def origin_of(address: str) -> str:
    """Scheme, host and port of an address that is safe."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_line(text: str) -> bool:
    return text.isascii() and text.isprintable() and not set(text) & set(" \"'<>\\;,")


def _issuer(text: str) -> str:
    if len(text) > _LONGEST or "?" in text or not is_safe_address(text):
        raise PydanticCustomError(
            "issuer",
            "write the issuer as its provider does, such as https://login.example/tenant; http is "
            "accepted on this machine only",
        )
    return text


def _visible(text: str) -> str:
    if not 0 < len(text.strip()) <= len(text) <= _LONGEST or (
        unseen_at(text) is not None or set(text) & set("\t\r\n")
    ):
        raise PydanticCustomError(
            "visible", f"write 1 to {_LONGEST} visible characters on one line"
        )
    return text


_Visible = Annotated[str, AfterValidator(_visible)]


class ProviderConfig(StrictMessage):
    """The section `oidc`.

    Attributes:
        issuer: of the provider, exactly as it names itself.
        client_id: of the desk at the provider.
        client_secret_file: relative to the desk's folder, mode 0600.
        label: how the login page calls the provider.
        amr: methods that a login must have used, all of them, such as `mfa` (RFC 8176).
        acr: classes of which a login must have one.
    """

    issuer: Annotated[str, AfterValidator(_issuer)]
    client_id: _Visible
    client_secret_file: _Visible
    label: Annotated[_Visible, Field(max_length=60)]
    amr: tuple[_Visible, ...] = ()
    acr: tuple[_Visible, ...] = ()

    @property
    def demands(self) -> bool:
        """Whether it says what proves a second factor."""
        return bool(self.amr or self.acr)

    def met(self, amr: tuple[str, ...], acr: str | None) -> bool:
        """Whether a login with these methods and this class has what is demanded."""
        return set(self.amr) <= set(amr) and (not self.acr or acr in self.acr)
