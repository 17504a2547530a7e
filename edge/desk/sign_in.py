"""How people log in on the web: passkeys first, else a passphrase and a one-time code.

Each change is one transaction with its entry in the audit log; if the entry cannot be written,
nothing changes. A refusal never says who exists, nor which of name, passphrase and code was wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from sqlalchemy import Connection

from edge.desk import accounts, passkeys, second_factor
from edge.desk.accounts import ActingPerson
from edge.desk.challenges import Challenges
from edge.desk.keeping import keep_hers
from edge.desk.passkey_keys import RelyingParty, refused
from edge.desk.passkeys import Passkey
from edge.desk.people import has_role
from edge.desk.relying_party import (
    PasskeyAnswer,
    creation_options,
    parse_assertion,
    parse_creation,
    request_options,
    verified_assertion,
    verified_creation,
)
from edge.desk.rights import DeskRole
from edge.desk.store.database import DeskDatabase
from edge.errors import AccessError
from edge.privacy.audit_events import (
    Event,
    PasskeyChanged,
    SecondFactorChanged,
    SessionChanged,
)

NEED_MORE: Final = (
    DeskRole.OFFICER,
    DeskRole.SECOND_OFFICER,
    DeskRole.SUPERVISOR,
    DeskRole.DATA_PROTECTION_OFFICER,
)
"""Who judges hits or gives rights needs more than a passphrase, unless the desk says otherwise."""


class LoginWay(str, Enum):
    """How a session began."""

    OWN = "own"
    """With a passkey, or a passphrase and what the desk asks beside it."""

    PROVIDER = "provider"
    """With an account of a provider, which proves no second factor."""

    PROVIDER_STRONG = "provider-strong"
    """With an account of a provider, which has proved what `desk.json` demands."""


@dataclass(frozen=True, slots=True)
class SignInWays:
    """How a person can log in.

    Attributes:
        passphrase: she has one.
        passkeys: those that are accepted, oldest first.
        codes: she has one-time codes.
        recovery: how many recovery codes are left.
    """

    passphrase: bool
    passkeys: tuple[Passkey, ...]
    codes: bool
    recovery: int

    @property
    def strong(self) -> bool:
        """Whether she has more than a passphrase."""
        return bool(self.passkeys) or self.codes


class DeskSignIn:
    """Logins, passkeys and one-time codes of a desk.

    Args:
        database: of the desk.
        record: adds an event to the desk's audit log; raises if it cannot.
        utc: the wall clock.
        party: where passkeys are valid; None: the desk has no host name, so none are.
        key: secret of the desk, 32 bytes, which seals the secrets of one-time codes.
        required: a passphrase alone is not enough for who has a passkey, and who judges or gives
            rights must have more than a passphrase.
    """

    def __init__(
        self,
        database: DeskDatabase,
        record: Callable[[Event], object],
        utc: Callable[[], datetime],
        party: RelyingParty | None,
        key: bytes,
        *,
        required: bool,
    ) -> None:
        self._database = database
        self._record = record
        self._utc = utc
        self.party = party
        self._key = key
        self._required = required
        self.challenges = Challenges(utc)

    # --- logging in -------------------------------------------------------------------------------

    def with_passphrase(self, name: str, passphrase: str, code: str) -> ActingPerson:
        """Return the person if passphrase and one-time code are hers.

        Args:
            name: of the account.
            passphrase: what was typed.
            code: a one-time code or recovery code; empty if she has none.

        Raises:
            AccessError: `E_LOGIN`.
        """
        return accounts.prove(
            self._database,
            name,
            passphrase,
            self._utc,
            lambda connection: self._enough(connection, name, code),
        )

    def _enough(self, connection: Connection, name: str, code: str) -> bool:
        """Whether a right passphrase and this code log a person in; the code is then spent."""
        by_codes = second_factor.has_codes(connection, name)
        if by_codes and second_factor.spend_code(connection, name, code, self._key, self._utc()):
            return True
        if not by_codes and not (self._required and passkeys.of_person(connection, name)):
            return True
        if not second_factor.spend_recovery_code(connection, name, code):
            return False
        self._record(SecondFactorChanged("recovered", name))
        return True

    def login_options(self, secret: str) -> str:
        """What a browser is asked for a login: any passkey of this host name.

        Args:
            secret: of the browser.
        """
        return request_options(self._party(), self.challenges.new("login", secret))

    def with_passkey(self, answer: str, secret: str) -> ActingPerson:
        """Return the person whose passkey answers; a refusal is in the audit log.

        Raises:
            AccessError: `E_PASSKEY`.
        """
        person: str | None = None
        try:
            given = parse_assertion(answer)
            with self._database.writing() as connection:
                known = passkeys.of_credential(connection, given.credential)
                if known is None:
                    raise refused()
                person = known.person
                if given.handle is not None and given.handle != known.handle:
                    raise refused()
                self._accept(connection, known, given, "login", secret)
        except AccessError:
            self._record(SessionChanged("refused", person))
            raise
        return ActingPerson(known.person)

    def again_options(self, acting: ActingPerson, secret: str) -> str:
        """What a browser is asked so that a person who is logged in proves again who she is."""
        with self._database.reading() as connection:
            known = [one.key.credential for one in passkeys.of_person(connection, acting.name)]
        challenge = self.challenges.new(f"again {acting.name}", secret)
        return request_options(self._party(), challenge, known)

    def again(self, acting: ActingPerson, passphrase: str, answer: str, secret: str) -> None:
        """Require that a person who is logged in proves again who she is.

        Args:
            acting: she.
            passphrase: what she typed.
            answer: of her passkey; empty: the passphrase is checked.
            secret: of her browser.

        Raises:
            AccessError: `E_LOGIN` or `E_PASSKEY`.
        """
        if not answer:
            accounts.prove(self._database, acting.name, passphrase, self._utc)
            return
        given = parse_assertion(answer)
        with self._database.writing() as connection:
            known = passkeys.of_credential(connection, given.credential)
            if known is None or known.person != acting.name:
                raise refused()
            self._accept(connection, known, given, f"again {acting.name}", secret)

    def _accept(
        self,
        connection: Connection,
        known: Passkey,
        given: PasskeyAnswer,
        purpose: str,
        secret: str,
    ) -> None:
        """Verify an answer to one of this desk's challenges, which is then spent."""
        if known.key.party != self.party:
            raise refused()
        count = verified_assertion(given, known.key, known.sign_count)
        if not self.challenges.spend(given.challenge, purpose, secret):
            raise refused()
        passkeys.write_count(connection, known, count)

    # --- what a person has ------------------------------------------------------------------------

    def ways(self, acting: ActingPerson) -> SignInWays:
        """How a person can log in."""
        with self._database.reading() as connection:
            return _ways(connection, acting.name)

    def lacks(self, acting: ActingPerson, way: LoginWay = LoginWay.OWN) -> bool:
        """Whether the rights of a person need more than how she has logged in, or can log in.

        Args:
            acting: she.
            way: how her session began. With an account of a provider, that login itself counts.
        """
        if not self._required or way is LoginWay.PROVIDER_STRONG:
            return False
        day = self._utc().date()
        with self._database.reading() as connection:
            enough = way is LoginWay.OWN and _ways(connection, acting.name).strong
            return not enough and has_role(connection, acting.name, NEED_MORE, day)

    # --- passkeys ---------------------------------------------------------------------------------

    def creation(self, acting: ActingPerson, secret: str, desk: str) -> str:
        """What a browser is asked to make a passkey for a person who has just proved herself.

        Args:
            acting: she.
            secret: of her browser.
            desk: whose desk it is, shown by the browser.
        """
        challenge = self.challenges.new(f"add {acting.name}", secret)
        return self.creation_with(acting.name, challenge, desk)

    def creation_with(self, name: str, challenge: bytes, desk: str) -> str:
        """What a browser is asked to make a passkey, with this challenge."""
        with self._database.reading() as connection:
            person = accounts.find_person(connection, name)
            if person is None:
                raise accounts.login_refused()
            known = [one.key.credential for one in passkeys.of_person(connection, name)]
            handle = passkeys.handle_of(connection, name, self._key)
        them = (name, person.full_name, handle)
        return creation_options(self._party(), challenge, desk, them, known)

    def add_passkey(
        self, acting: ActingPerson, name: str, answer: str, secret: str
    ) -> tuple[str, ...]:
        """Add a passkey; returns recovery codes if this is her first second factor.

        Args:
            acting: a person who was given `creation`.
            name: how she calls it.
            answer: of her browser.
            secret: of her browser.

        Raises:
            AccessError: `E_PASSKEY`.
            UsageError: its name has a wrong form, or she has too many.
        """
        given = parse_creation(answer)
        if not self.challenges.spend(given.challenge, f"add {acting.name}", secret):
            raise refused()
        with self._database.writing(alone=True) as connection:
            before = _ways(connection, acting.name)
            self.keep_passkey(connection, acting, name, given)
            return self._first_recovery(connection, acting.name, before)

    def keep_passkey(
        self, connection: Connection, acting: ActingPerson, name: str, given: PasskeyAnswer
    ) -> None:
        """Verify a new passkey, whose challenge was checked, and keep it."""
        key, count = verified_creation(given, self._party())
        handle = passkeys.handle_of(connection, acting.name, self._key)
        now = self._utc()
        passkeys.insert(connection, key, acting.name, name, handle, count, now)
        self._record(PasskeyChanged("added", acting.name, key.sha256(), acting.name))

    def remove_passkey(self, acting: ActingPerson, key_id: str) -> None:
        """Remove an own passkey, after she has proved herself again.

        Raises:
            AccessError: she has no such passkey, or no other way to log in.
        """
        authority = self._database.authority()
        with self._database.writing(alone=True) as connection:
            ways = _ways(connection, acting.name)
            own = [one for one in ways.passkeys if one.key.key_id == key_id]
            if not own:
                raise AccessError(f"{acting.name} has no such passkey; open the page again")
            passkeys.require_other_way(connection, acting.name)
            keep_hers(connection, self._record, authority, acting.name, self._utc())
            passkeys.write_removed(connection, own[0], acting.name, self._utc())
            self._forget_recovery_if_alone(connection, acting.name)
            self._record(PasskeyChanged("removed", acting.name, own[0].key.sha256(), acting.name))

    # --- one-time codes ---------------------------------------------------------------------------

    def begin_codes(self, acting: ActingPerson, desk: str) -> tuple[str, str]:
        """Make a secret for one-time codes; it counts once `confirm_codes` got a code of it.

        Args:
            acting: a person who has just proved herself, and has a passphrase but no codes.
            desk: whose desk it is, shown by the app.

        Returns:
            The secret in base32, and the `otpauth` address of it. Both are shown once.

        Raises:
            AccessError: she has codes already, or no passphrase.
        """
        with self._database.writing(alone=True) as connection:
            ways = _ways(connection, acting.name)
            if ways.codes or not ways.passphrase:
                raise AccessError(
                    f"{acting.name} has one-time codes already, or no passphrase beside which they "
                    "count; remove the codes first, or set a passphrase"
                )
            totp = second_factor.begin_codes(connection, acting.name, self._key)
        return totp.secret, totp.provisioning_uri(name=acting.name, issuer_name=desk)

    def confirm_codes(self, acting: ActingPerson, code: str) -> tuple[str, ...] | None:
        """Confirm the new secret with a code of it; returns recovery codes if she had none.

        Returns:
            None if the code is not of the secret that was begun.
        """
        with self._database.writing(alone=True) as connection:
            before = _ways(connection, acting.name)
            if not second_factor.spend_code(
                connection, acting.name, code, self._key, self._utc(), confirmed=False
            ):
                return None
            self._record(SecondFactorChanged("set-up", acting.name))
            return self._first_recovery(connection, acting.name, before)

    def remove_codes(self, acting: ActingPerson) -> None:
        """Remove the one-time codes of a person who has just proved herself again."""
        with self._database.writing(alone=True) as connection:
            second_factor.drop_codes(connection, acting.name)
            self._forget_recovery_if_alone(connection, acting.name)
            self._record(SecondFactorChanged("removed", acting.name))

    def new_recovery_codes(self, acting: ActingPerson) -> tuple[str, ...]:
        """New recovery codes for a person who has just proved herself again; earlier ones end."""
        with self._database.writing(alone=True) as connection:
            return self._recovery(connection, acting.name)

    def _first_recovery(
        self, connection: Connection, person: str, before: SignInWays
    ) -> tuple[str, ...]:
        """Recovery codes for who has more than a passphrase now, and had not before."""
        if before.strong or not before.passphrase:
            return ()
        return self._recovery(connection, person)

    def _recovery(self, connection: Connection, person: str) -> tuple[str, ...]:
        codes = second_factor.new_recovery_codes(connection, person)
        self._record(SecondFactorChanged("recovery-codes", person))
        return codes

    def _forget_recovery_if_alone(self, connection: Connection, person: str) -> None:
        if not _ways(connection, person).strong:
            second_factor.drop_recovery_codes(connection, person)

    def _party(self) -> RelyingParty:
        if self.party is None:
            raise refused()
        return self.party


def _ways(connection: Connection, person: str) -> SignInWays:
    return SignInWays(
        accounts.has_password(connection, person),
        passkeys.of_person(connection, person),
        second_factor.has_codes(connection, person),
        second_factor.recovery_codes_left(connection, person),
    )
