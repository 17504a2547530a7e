"""Serves the desk's web application with uvicorn, on one address, until it is told to end."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from edge.desk.account_links import AccountLinks
from edge.desk.court.making import CaseSources
from edge.desk.enrolling import Enrolments
from edge.desk.folder import DeskFolder
from edge.desk.keeping import keep_all
from edge.desk.key_revoking import DeskKeys
from edge.desk.log_search import DeskLog
from edge.desk.passkey_keys import RelyingParty
from edge.desk.passkey_signing import PasskeySigning
from edge.desk.people import DeskPeople
from edge.desk.policies import compared_with
from edge.desk.provider import LoginProvider
from edge.desk.provider_sign_in import ProviderSignIn
from edge.desk.requests import PersonRequests
from edge.desk.retention_terms import RetentionTerms
from edge.desk.reviewing import CaseReviews
from edge.desk.sign_in import DeskSignIn
from edge.desk.store.database import DeskDatabase
from edge.desk.web.app import desk_app
from edge.desk.web.calls import WebDesk
from edge.desk.web.limits import AddressLimits
from edge.desk.web.provider_login import BACK
from edge.desk.web.sessions import WebSessions
from edge.errors import KeyFileError, UsageError
from edge.policy.model import Policy
from edge.privacy.audit_events import Event
from edge.privacy.keys import AuthorityPrivateKeys, BoxPublicKeys

_SECONDS_TO_END = 5


@dataclass(frozen=True, slots=True)
class WhereToServe:
    """Address, port, and how browsers reach them.

    Attributes:
        certificate: PEM file with the certificate chain; None: no TLS here.
        key: PEM file with its private key.
        behind_proxy: a proxy with TLS is in front.
        origin: what browsers show of the address, for passkeys; None: `http://localhost` and the
            port, if there is no TLS.
    """

    address: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False
    origin: str | None = None

    @property
    def tls(self) -> bool:
        """Whether browsers reach the desk over TLS only."""
        return self.certificate is not None or self.behind_proxy

    def require_safe(self) -> None:
        """Refuse what would send passphrases in clear over a network.

        Raises:
            UsageError: names the option and the cure.
        """
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            raise UsageError("--address: write an IP address such as 127.0.0.1 or ::1") from None
        if (self.certificate is None) != (self.key is None):
            raise UsageError("give --tls-cert and --tls-key together")
        if not address.is_loopback and not self.tls:
            raise UsageError(
                "--address: passphrases would cross the network in clear; give --tls-cert and "
                "--tls-key, or --behind-tls-proxy if a proxy with TLS is in front, or 127.0.0.1"
            )
        if self.origin is not None:
            scheme = urlsplit(RelyingParty.parse(self.origin).origin).scheme
            if (scheme == "https") is not self.tls:
                raise UsageError(
                    "--origin: begins with https exactly if browsers reach the desk over TLS; give "
                    "--tls-cert and --tls-key, or --behind-tls-proxy, or another origin"
                )
        if self.certificate is not None and self.key is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                    self.certificate, self.key, password=lambda: ""
                )
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"--tls-cert, --tls-key: {self.certificate} and {self.key} cannot be used "
                    f"({type(error).__name__}); give a certificate and its key without "
                    "passphrase, as PEM files"
                ) from None

    def party(self, port: int) -> RelyingParty | None:
        """Where passkeys are valid, at the port that is really used; None: nowhere."""
        if self.origin is not None:
            return RelyingParty.parse(self.origin)
        # An IP address cannot be the host of a passkey.
        if self.tls:
            return None
        return RelyingParty.parse("http://localhost" + ("" if port == 80 else f":{port}"))


@dataclass(frozen=True, slots=True)
class CaseFolders:
    """Where the public files lie that go into the package of a case.

    Attributes:
        keys: the authority's folder, with its public file.
        box_keys: the public file of a box, or a folder with those of all.
        policies: signed policies, see `find_policy`; None: no case is exported here.
    """

    keys: Path
    box_keys: Path
    policies: Path | None


@dataclass(frozen=True, slots=True)
class WhatOpensHits:
    """What a desk needs to review hits; it stays in the process that serves.

    Attributes:
        keys: the authority's private keys.
        boxes: the public keys of the boxes, by site and box.
        policies: those of the sites, by SHA-256; without one, a rule is shown by its id only.
        folders: for the packages of cases.
    """

    keys: AuthorityPrivateKeys = field(repr=False)
    boxes: Mapping[tuple[str, str], BoxPublicKeys] = field(repr=False)
    policies: Mapping[str, Policy] = field(repr=False)
    folders: CaseFolders


def serve(
    folder: DeskFolder,
    where: WhereToServe,
    opens: WhatOpensHits | None,
    utc: Callable[[], datetime],
    ready: Callable[[str], None],
) -> None:
    """Serve a desk until SIGINT or SIGTERM.

    Args:
        folder: of the desk.
        where: address and TLS.
        opens: what opens hits; None: no hit is reviewed here.
        utc: the wall clock.
        ready: is called with the page's address once connections are accepted.

    Raises:
        UsageError: the address is not safe, or cannot be used.
        OutboxError: the database is away.
        AuditError: the audit log cannot be written, or was altered.
        KeyFileError: the keys are those of another authority.
    """
    where.require_safe()
    if opens is not None and opens.keys.authority != folder.config.authority:
        raise KeyFileError(
            f"--keys: these are the keys of authority {opens.keys.authority}, and the desk is that "
            f"of {folder.config.authority}; name the folder with its keys"
        )
    with folder.open_database() as database, folder.open_audit(utc) as audit, _bound(where) as own:
        keep_all(database, audit.append, folder.config.authority, utc)
        port = own.getsockname()[1]
        party = where.party(port)
        desk = web_desk(folder, database, audit.append, utc, party, where, opens)
        server = uvicorn.Server(
            uvicorn.Config(
                desk_app(desk),
                ssl_certfile=where.certificate,
                ssl_keyfile=where.key,
                access_log=False,  # an address must not be kept with the time of a visit
                log_config=None,
                lifespan="off",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_SECONDS_TO_END,
                ws="none",
            )
        )
        host = f"[{where.address}]" if ":" in where.address else where.address
        scheme = "http" if where.certificate is None else "https"
        here = f"{scheme}://{host}:{port}"
        ready(f"{here if where.tls or party is None else party.origin}/")
        server.run(sockets=[own])


def web_desk(
    folder: DeskFolder,
    database: DeskDatabase,
    record: Callable[[Event], object],
    utc: Callable[[], datetime],
    party: RelyingParty | None,
    where: WhereToServe,
    opens: WhatOpensHits | None = None,
) -> WebDesk:
    """What the pages of a desk share.

    Args:
        folder: of the desk.
        database: its open database.
        record: adds an event to its audit log.
        utc: the wall clock.
        party: where passkeys are valid.
        where: how browsers reach it.
        opens: what opens hits; None: no hit is reviewed here.

    Raises:
        OutboxError: the key of the one-time codes cannot be read or made.
        ConfigError: the secret at the provider cannot be read, or others can read it.
        UsageError: there is a provider, and no host name to which it leads browsers back.
    """
    sign_in = DeskSignIn(
        database,
        record,
        utc,
        party,
        folder.codes_key(database),
        required=folder.config.second_factor == "required",
    )
    reviews = court = None
    secret = folder.typing_secret(database)
    if opens is not None:
        compare = compared_with(opens.policies)
        reviews = CaseReviews(database, record, utc, opens.boxes, opens.keys, secret, compare)
        if opens.folders.policies is not None:
            court = CaseSources(
                desk=folder,
                database=database,
                record=record,
                keys=opens.keys,
                keys_folder=opens.folders.keys,
                box_keys=opens.folders.box_keys,
                policy=opens.folders.policies,
                reviews=reviews,
            )
    return WebDesk(
        folder.config.authority,
        database,
        DeskPeople(database, record, utc),
        WebSessions(database, record, utc),
        DeskLog(folder.path, database, record, utc),
        utc,
        tls=where.tls,
        sign_in=sign_in,
        keys=DeskKeys(database, record, utc),
        terms=RetentionTerms(database, record, utc),
        requests=PersonRequests(database, record, utc, secret),
        enrolments=Enrolments(database, record, utc, sign_in),
        links=AccountLinks(database, record, utc),
        limits=AddressLimits(utc),
        behind_proxy=where.behind_proxy,
        reviews=reviews,
        signing=None if reviews is None else PasskeySigning(reviews, utc, party),
        policies={} if opens is None else opens.policies,
        court=court,
        provider=_provider(folder, database, record, utc, sign_in),
    )


def _provider(
    folder: DeskFolder,
    database: DeskDatabase,
    record: Callable[[Event], object],
    utc: Callable[[], datetime],
    sign_in: DeskSignIn,
) -> ProviderSignIn | None:
    config, party = folder.config.oidc, sign_in.party
    if config is None:
        return None
    if party is None:
        raise UsageError(
            "--origin: the provider in section oidc of desk.json leads browsers back to it; give "
            "the desk's address as browsers show it"
        )
    provider = LoginProvider(config, folder.provider_secret(), f"{party.origin}{BACK}", utc)
    return ProviderSignIn(database, record, sign_in, provider)


def _bound(where: WhereToServe) -> socket.socket:
    family = socket.AF_INET6 if ":" in where.address else socket.AF_INET
    own = socket.socket(family, socket.SOCK_STREAM)
    try:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind((where.address, where.port))
        own.listen(128)
    except OSError as error:
        own.close()
        raise UsageError(
            f"--address, --port: {where.address} port {where.port} cannot be used "
            f"({error.strerror}); name another port, or end the program that has it"
        ) from None
    return own
