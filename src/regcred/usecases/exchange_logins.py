"""Exchange stored secrets for short-lived logins: once for all workers, ahead of their end.

A pull exchanges nothing itself. It takes the login that is kept, or says what it wants and waits a
little; `renew`, beside the server, claims what is due and asks the cloud, so that a pull that is
given up spoils no exchange and a slow cloud holds up no pull for long. The one thing you would get
wrong: a secret that a cloud refused is not tried again by pulls, or a fleet of nodes that wants an
image locks the account.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from regcred.domain.audit import Action, AuditEvent
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import (
    CredentialNotFound,
    KeyringUnavailable,
    QuotaExceeded,
    StoreUnavailable,
)
from regcred.domain.event import Event, EventKind
from regcred.domain.fresh_login import FreshLogin, retry_at
from regcred.domain.ports import (
    UNKNOWN_PLACE,
    Allowance,
    Bell,
    Clock,
    KeptLogin,
    LoginPlace,
    PlaceBells,
    RandomBytes,
    Registries,
    SealedLogin,
    Sealer,
    Store,
)
from regcred.domain.ports.measuring import UNMEASURED, Meter
from regcred.domain.registry import RegistryAddress
from regcred.domain.verdict import DEAD, Verdict, VerdictKind
from regcred.usecases.kept_login import (
    REFUSED,
    Exchangeable,
    NoLogin,
    Patience,
    put_off,
    resting,
    seal_place,
)
from regcred.usecases.seal_secret import open_current
from regcred.usecases.waiting_pulls import ROOM, WaitingPulls

PRINCIPAL = "system:exchange"
PATIENCE = timedelta(seconds=8)
"""How long a pull waits for its first login: docker's helper and kubelet's plugin give up at 10."""

CLAIMED_FOR = timedelta(seconds=30)
"""More than the longest exchange takes; a worker that died is replaced after it."""

_BROKEN_FOR = timedelta(minutes=5)
"""After what should not have happened."""

_AWAY_FOR = timedelta(seconds=5)
"""After the store or the keyring was away."""

_TURNS = 4
"""What is told to come again comes within so many times the wait, or all of it would at once."""

_BUSY = "The exchange of this login is still under way: try again."
_CHANGED = "The credential was changed meanwhile: try again."
_NO_ROOM = "The credential was changed meanwhile, or is used in too many regions."


class ExchangeLogins:
    """Keeps short-lived logins ready for pulls."""

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        registries: Registries,
        clock: Clock,
        random: RandomBytes,
        allowance: Allowance,
        due: Bell,
        done: PlaceBells,
        meter: Meter = UNMEASURED,
        room: int = ROOM,
    ) -> None:
        """Take bells for what is due and what is done, and how many requests may be under way."""
        self._store, self._sealer = store, sealer
        self._registries = registries
        self._clock, self._random = clock, random
        self._allowance = allowance
        self._due = due
        self._done = done
        self._meter = meter
        self._waiting = WaitingPulls(done, room)
        self._planning: set[LoginPlace] = set()

    async def login(self, wanted: Exchangeable, patience: Patience) -> FreshLogin | NoLogin:
        """Return a login that works now, waiting with patience for one that does not exist yet.

        Raise SealBroken, KeyringUnavailable, StoreUnavailable.
        """
        planned, until = False, patience.until
        while True:
            kept = await self._store.find_login(wanted.place)
            if kept is not None and kept.secret_version != wanted.secret_version:
                return NoLogin(VerdictKind.UNREACHABLE, _CHANGED)
            login = await self._open(wanted, kept)
            if login is not None:
                self._done.ring(wanted.place)  # another process may have got it
                return login
            now = self._clock()
            if failed := resting(wanted.standing, kept, now) or put_off(kept, until, now):
                return failed
            # Of a rollout's pulls one plans, and the others wait for what comes of it.
            first = kept is None or kept.refresh_at is None
            if first and wanted.place not in self._planning:
                if planned:
                    # Its secret is another now, or whoever exchanges knows that it is dead.
                    return REFUSED if kept else NoLogin(VerdictKind.UNREACHABLE, _CHANGED)
                planned = True
                if failed := await self._plan(wanted.place, wanted.secret_version):
                    return failed
            if now >= until or not await self._waiting.turn(wanted.place, until - now):
                return NoLogin(VerdictKind.UNREACHABLE, _BUSY)
            patience.waited = True

    async def _plan(self, place: LoginPlace, secret_version: int) -> NoLogin | None:
        """Have a place exchanged that never was, or say why not."""
        try:
            # Whoever pulls names places: what that may cost is bounded here.
            self._allowance.take(UUID(place.project_id))
        except QuotaExceeded as full:
            return NoLogin(VerdictKind.RATE_LIMITED, f"There were {full}.")
        self._planning.add(place)
        try:
            if not await self._store.plan_login(place, secret_version, self._clock()):
                return NoLogin(VerdictKind.UNSUPPORTED, _NO_ROOM)
        finally:
            self._planning.discard(place)
        self._due.ring()
        return None

    async def prepare(
        self, credential: RegistryCredential, registry: RegistryAddress | None = None
    ) -> None:
        """Have the login of a credential that was stored or verified made ready for its pulls.

        Nothing happens where it was planned before, and where it is not known yet at which place
        the secret will be exchanged. What the project's allowance has no room for, the first pull
        asks for.
        """
        name = self._registries.place(credential.delivery, registry)
        if name is None or name == UNKNOWN_PLACE:
            return
        place = LoginPlace(str(credential.project_id), str(credential.id), name)
        if await self._store.find_login(place) is None:
            await self._plan(place, credential.secret_version)

    async def claim_due(self, limit: int) -> Sequence[tuple[LoginPlace, str]]:
        """Claim up to `limit` places whose login is due; each goes to `renew` with its claim."""
        now, claim = self._clock(), self._claim()
        due = await self._store.claim_due_logins(claim, now, now + CLAIMED_FOR, limit)
        return [(place, claim) for place in due]

    async def renew(self, place: LoginPlace, claim: str) -> None:
        """Exchange a place that was claimed, and wake the pulls that wait for it.

        A secret that is known to be dead rests instead, and what our own bounds hold up is due
        again later. Raise SealBroken, KeyringUnavailable, StoreUnavailable.
        """
        try:
            await self._renew(place, claim)
        except CredentialNotFound:
            return  # and with it what was claimed
        except QuotaExceeded as full:
            wait = timedelta(seconds=full.retry_after) * (1 + (_TURNS - 1) * self._spread())
            await self._store.put_off_login(place, claim, self._clock() + wait)
        except (StoreUnavailable, KeyringUnavailable):
            await self._store.put_off_login(place, claim, self._clock() + _AWAY_FOR)
            raise
        except Exception:
            await self._store.put_off_login(place, claim, self._clock() + _BROKEN_FOR)
            raise
        finally:
            self._done.ring(place)

    async def _renew(self, place: LoginPlace, claim: str) -> None:
        ids = UUID(place.project_id), UUID(place.credential_id)
        credential, secret = await open_current(self._store, self._sealer, *ids)
        if credential.standing.withheld:
            await self._store.put_off_login(place, claim, None)
            return
        kept = await self._store.find_login(place)
        outcome = await self._registries.exchange(credential.delivery, secret, place.place)
        if isinstance(outcome, Verdict):
            await self._failed(place, claim, credential, kept, outcome)
        else:
            await self._keep(place, claim, credential, outcome)

    async def _keep(
        self, place: LoginPlace, claim: str, credential: RegistryCredential, login: FreshLogin
    ) -> None:
        """Keep a login, unless its secret was replaced while it was got."""
        seed = await self._store.project_seed(credential.project_id)
        context = seal_place(place, credential.secret_version, credential.delivery)
        sealed = SealedLogin(
            credential.secret_version,
            seed,
            await self._sealer.seal(seed, context, login.packed()),
            login.expires_at,
            login.renew_at(self._spread()),
        )
        event = self._event(credential, place, expires_at=login.expires_at.isoformat())
        await self._store.keep_login(place, claim, sealed, event)

    async def _failed(
        self,
        place: LoginPlace,
        claim: str,
        credential: RegistryCredential,
        kept: KeptLogin | None,
        failure: Verdict,
    ) -> None:
        failures, earlier = (1, None) if kept is None else (kept.failures + 1, kept.failure)
        event = self._event(credential, place, verdict=str(failure.kind))
        worked = kept is not None and kept.sealed is not None
        again = retry_at(failure, earlier, failures, self._spread(), worked=worked)
        own = self._registries.place(credential.delivery, None) == place.place
        # What goes on failing is no news, nor what becomes of places that only pulls have named.
        told = failures == 1 and (worked or own)
        news = self._news(credential, place, failure) if told else None
        stands = await self._store.fail_login(place, claim, failure, again, event, news)
        if stands and news is not None:
            self._meter.told([news])
        if stands and failure.kind in DEAD:
            # The same words as after a check: two of them and the login is withheld.
            await self._record(credential, place, failure)

    async def _record(
        self, credential: RegistryCredential, place: LoginPlace, failure: Verdict
    ) -> None:
        event = self._event(
            credential, place, Action.CREDENTIAL_VERIFIED, verdict=str(failure.kind)
        )
        told = await self._store.record_verdict(
            credential.project_id,
            credential.id,
            credential.secret_version,
            failure,
            event,
            automatic=True,
        )
        self._meter.told(told)

    async def _open(self, wanted: Exchangeable, kept: KeptLogin | None) -> FreshLogin | None:
        """Return the login that is kept, if it works still."""
        if kept is None or kept.seed is None or kept.sealed is None:
            return None
        context = seal_place(wanted.place, kept.secret_version, wanted.delivery)
        login = FreshLogin.unpacked(await self._sealer.open(kept.seed, context, kept.sealed))
        return login if login.usable(self._clock()) else None

    def _event(
        self,
        credential: RegistryCredential,
        place: LoginPlace,
        action: Action = Action.CREDENTIAL_EXCHANGED,
        **details: str,
    ) -> AuditEvent:
        return AuditEvent(
            action,
            credential.project_id,
            PRINCIPAL,
            self._clock(),
            str(credential.id),
            credential.secret_version,
            details={"name": credential.name, "place": place.place, **details},
        )

    def _news(self, credential: RegistryCredential, place: LoginPlace, failure: Verdict) -> Event:
        return Event(
            credential.project_id,
            failure.checked_at,
            EventKind.EXCHANGE_FAILED,
            credential.id,
            credential.name,
            {"verdict": str(failure.kind), "place": place.place, "next_step": failure.reason},
        )

    def _claim(self) -> str:
        return self._random(16).hex()

    def _spread(self) -> float:
        return int.from_bytes(self._random(2)) / 2**16
