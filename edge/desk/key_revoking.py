"""Revoking the keys and passkeys of people, which then sign no more findings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select

from edge.desk import passkeys
from edge.desk.accounts import ActingPerson
from edge.desk.keeping import keep_hers
from edge.desk.people import require_supervisor
from edge.desk.personal_keys import PersonalKey, all_keys
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import PERSONAL_KEY, SESSION
from edge.errors import AccessError
from edge.formats.identifiers import shown_id
from edge.formats.timestamps import utc_text
from edge.privacy.audit_events import Event, PasskeyChanged, PersonKeyRevoked


class DeskKeys:
    """The keys and passkeys of a desk's people.

    Args:
        database: of the desk.
        record: adds an event to the desk's audit log; raises if it cannot.
        utc: the wall clock.
    """

    def __init__(
        self,
        database: DeskDatabase,
        record: Callable[[Event], object],
        utc: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._record = record
        self._utc = utc
        self._authority = database.authority()

    def all(self, person: str | None = None) -> tuple[PersonalKey, ...]:
        """All keys, also those that were revoked; of one person if she is named."""
        return all_keys(self._database, person)

    def revoke(self, acting: ActingPerson, key_id: str) -> str:
        """Let a key or passkey sign no more, and a passkey log nobody in; returns whose it was.

        Its person or one supervisor is enough, because it takes something away. The sessions of
        the person end with a passkey, because somebody else may have begun them. What she has
        signed before is logged and stored first, so that it stays proven.

        Raises:
            AccessError: it is not hers and she is no supervisor; it is unknown or revoked already;
                it is a passkey of hers, and her last way to log in.
        """
        now = self._utc()
        with self._database.writing(alone=True) as connection:
            passkey = passkeys.of_key(connection, key_id)
            row = connection.execute(
                select(PERSONAL_KEY).where(PERSONAL_KEY.c.key_id == key_id)
            ).one_or_none()
            person = passkey.person if passkey is not None else None if row is None else row.person
            if person != acting.name:
                require_supervisor(
                    connection, acting, now.date(), "revoke the key of somebody else"
                )
            if passkey is not None and passkey.removed_at is None:
                if person == acting.name:
                    passkeys.require_other_way(connection, acting.name)
                keep_hers(connection, self._record, self._authority, passkey.person, now)
                passkeys.write_removed(connection, passkey, acting.name, now)
                connection.execute(SESSION.delete().where(SESSION.c.person == passkey.person))
                event: Event = PasskeyChanged(
                    "removed", passkey.person, passkey.key.sha256(), acting.name
                )
            elif row is not None and row.revoked_at is None:
                keep_hers(connection, self._record, self._authority, row.person, now)
                connection.execute(
                    PERSONAL_KEY.update()
                    .where(PERSONAL_KEY.c.key_id == key_id)
                    .values(revoked_at=utc_text(now), revoked_by=acting.name)
                )
                event = PersonKeyRevoked(row.person, key_id, acting.name)
            else:
                raise AccessError(
                    f"{shown_id(key_id)}: there is no such key, or it is revoked already; see "
                    "`edge-anpr desk people keys`"
                )
            self._record(event)
            return str(person)
