"""The box's side of MQTT: broker options, topics, the publisher, and handlers of messages."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from edge.adapters.broker.list_parts import MqttBodies
from edge.adapters.broker.options import BrokerOptions, TlsFiles
from edge.adapters.broker.publisher import Publisher, PublisherLimits
from edge.adapters.broker.reception import MessageHandler
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.state.key_sealing import key_password
from edge.adapters.state.list_bodies import BodySource, FolderBodies, HttpsBodies
from edge.adapters.state.list_process import OpenedApart
from edge.adapters.state.list_store import ListStore
from edge.adapters.state.suspension_store import SuspensionStore
from edge.box.list_receiving import ListReceiver
from edge.box.storage import Storage
from edge.errors import EdgeError, PublishError
from edge.policy.bundles import MAX_BUNDLE_BYTES, list_terms
from edge.policy.model import Policy
from edge.policy.suspension import SuspensionTerms, suspension_terms
from edge.privacy.hit import ReceiptVerifier
from edge.privacy.keys import AuthorityPublicKeys, BoxKeys
from edge.site.folder import SiteFolder, resolved
from edge.site.list_source import FolderLists, HttpsLists, MqttLists
from edge.site.settings import Broker, Site

PACKET_OVERHEAD_BYTES = 1024
"""Space in the largest packet from the broker besides a list's bundle."""


def broker_options(settings: Site, folder: Path, password: str | None) -> BrokerOptions:
    """Broker address and credentials of this box.

    Args:
        settings: site.yaml.
        folder: the site folder; TLS files are relative to it.
        password: the broker's password, if it needs one.
    """
    broker = settings.broker
    address = broker.address(settings.site)
    return BrokerOptions(
        host=address.host,
        port=address.port,
        client_id=f"edge-anpr-{settings.site}-{settings.box}",
        username=broker.username,
        password=password,
        tls=_tls_files(broker, folder),
        largest_packet_bytes=MAX_BUNDLE_BYTES + PACKET_OVERHEAD_BYTES,
    )


def _tls_files(broker: Broker, folder: Path) -> TlsFiles | None:
    tls = broker.tls
    if tls is None:
        return None
    named = (tls.ca, tls.certificate, tls.key)
    ca, certificate, key = (None if one is None else resolved(folder, one) for one in named)
    # A key that `fleet enrol` has made is encrypted if the box has a TPM.
    password = None if key is None else partial(key_password, key.parent)
    return TlsFiles(ca, certificate, key, password)


def box_topics(settings: Site, policy: Policy) -> BoxTopics:
    """All topics of this box.

    Raises:
        ConfigError: an id cannot be part of a topic.
    """
    return BoxTopics(
        settings.site,
        settings.box,
        frozenset(policy.cameras),
        frozenset(policy.lists),
        home_assistant=settings.broker.home_assistant,
    )


@dataclass(frozen=True, slots=True)
class Delivery:
    """The box's side of MQTT.

    Attributes:
        publisher: delivers hits, and receives lists, orders and receipts; not started yet.
        receiver: installs lists. Close it when the publisher has stopped.
    """

    publisher: Publisher
    receiver: ListReceiver


def build_delivery(
    site: SiteFolder,
    options: BrokerOptions,
    storage: Storage,
    authorities: Iterable[AuthorityPublicKeys],
    box_keys: BoxKeys,
) -> Delivery:
    """The publisher of this box's hits, and what installs the lists that it receives.

    Args:
        site: the checked site folder.
        options: broker address and credentials.
        storage: the outbox to deliver, and the state folder's other files.
        authorities: the authorities' public keys, which verify receipts.
        box_keys: the box's keys, which open lists.
    """
    settings, policy = site.settings, site.policy
    topics = box_topics(settings, policy)
    record, proven = storage.audit.append, storage.audit.proven
    lists = ListStore(
        storage.folder,
        box_keys,
        list_terms(policy),
        storage.clock.utc,
        record,
        proven,
        opener=OpenedApart(),
    )

    def answer_issuer(list_id: str, answer: bytes) -> None:
        # Called by the publisher itself, so it is made by then.
        publisher.publish_list_answer(list_id, answer)

    receiver = ListReceiver(
        lists, box_keys, storage.clock, answer_issuer, list_source(settings, site.folder, options)
    )
    publisher = Publisher(
        storage.outbox,
        options,
        topics,
        ReceiptVerifier(authorities, storage.outbox.find),
        clock=storage.clock,
        jitter=random.random,
        limits=PublisherLimits(
            payload_cap_bytes=settings.broker.payload_cap_kib * 1024,
            message_expiry_s=settings.broker.message_expiry_s,
        ),
        handlers=message_handlers(
            topics,
            receiver,
            SuspensionStore(storage.folder, record, proven),
            suspension_terms(policy, settings.box),
        ),
    )
    return Delivery(publisher, receiver)


def list_source(settings: Site, folder: Path, broker: BrokerOptions) -> BodySource | None:
    """Where the box fetches lists that many boxes share; None if site.yaml does not say.

    Args:
        settings: site.yaml.
        folder: the site folder; a folder and a PEM file are relative to it.
        broker: broker address and credentials.
    """
    match settings.lists:
        case HttpsLists(url=url, tls_ca=tls_ca):
            return HttpsBodies(url, None if tls_ca is None else resolved(folder, tls_ca))
        case FolderLists(folder=bodies):
            return FolderBodies(resolved(folder, bodies))
        case MqttLists():
            return MqttBodies(broker)
        case None:
            return None


def message_handlers(
    topics: BoxTopics,
    receiver: ListReceiver,
    suspensions: SuspensionStore,
    terms: SuspensionTerms,
) -> dict[str, MessageHandler]:
    """Handlers of the messages that the box receives other than receipts, by topic.

    Args:
        topics: this box's topics.
        receiver: installs lists.
        suspensions: applies orders to suspend and to resume.
        terms: the keys whose orders are accepted.
    """
    handlers: dict[str, MessageHandler] = {
        topics.bundle(list_id): partial(receiver.take, list_id) for list_id in topics.lists
    }
    handlers[topics.command] = lambda payload: suspensions.take(payload, terms)
    return handlers


def follow_audit_log(storage: Storage, publisher: Publisher) -> None:
    """Publish the audit log's newest checkpoint, now and after each entry."""
    storage.audit.follow(lambda checkpoint: publisher.publish_checkpoint(checkpoint.note()))


def hits_kept(
    kept: int | Literal["<10"], problem: EdgeError | None, settings: Site, state_folder: Path
) -> PublishError:
    """The error of a run that ends with hits in the outbox.

    Args:
        kept: how many hits, as they may be shown.
        problem: why the publisher could not deliver them, if known.
        settings: site.yaml.
        state_folder: where the hits are kept.
    """
    why = (
        problem.message
        if problem is not None
        else (
            f"broker {settings.broker.address(settings.site)}: the authority's receipts have not "
            "come; check that `edge-anpr hits tail` runs there"
        )
    )
    number = "fewer than 10" if kept == "<10" else str(kept)
    hits = "1 hit is" if kept == 1 else f"{number} hits are"
    return PublishError(
        f"{hits} kept in {state_folder} and the next run delivers what is left ({why})",
        code="E_HITS_KEPT",
    )
