"""Send one signed message to an address that a tenant chose: the port `WebhookSender`.

The same client, guard and bounds as for registries: one look-up, every address checked, nothing
followed, ten seconds in all. What comes back is a status class or a fixed reason. The answer's
body is never read, so it can be neither kept nor shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime

import orjson

from regcred.adapters.registries.addresses import IPNetwork
from regcred.adapters.registries.client import RegistryClient
from regcred.adapters.registries.limits import HostRate, Places
from regcred.adapters.registries.messages import Dialogue, Request, Unanswered, Unreadable
from regcred.adapters.registries.origins import HttpHosts, Origin, parse_url
from regcred.adapters.registries.transport import GuardedBackend
from regcred.domain.errors import InvalidInput, QuotaExceeded
from regcred.domain.secret import Secret
from regcred.domain.webhook import DeliveryStatus, Message

Sign = Callable[[Secret, str, int, bytes], str]
"""(secret, message id, seconds since 1970, body) -> the signature header."""

_GONE = 410
_CLASSES = {
    2: DeliveryStatus.DELIVERED,
    3: DeliveryStatus.REDIRECTED,
    4: DeliveryStatus.REFUSED,
    5: DeliveryStatus.FAILED,
}
_SILENCE = {
    "dns": DeliveryStatus.DNS,
    "connect": DeliveryStatus.UNREACHABLE,
    "tls": DeliveryStatus.TLS,
    "timeout": DeliveryStatus.TIMEOUT,
}


class GuardedSender:
    """Sends messages, bounded by host and in all."""

    def __init__(
        self,
        sign: Sign,
        monotonic: Callable[[], float],
        *,
        allow_networks: Iterable[str | IPNetwork] = (),
        allow_http: Iterable[str] = (),
        ports: Collection[int] | None = None,
        deadline: float = 10.0,
        max_concurrency: int = 32,
        per_host_rate: int = 300,
    ) -> None:
        """Take what the operator allows and how much may happen at once.

        The parameters are those of `RealRegistries`. Raise ValueError for an unreadable network
        or host.
        """
        self._sign = sign
        self._http_hosts = HttpHosts(allow_http)
        backend = GuardedBackend(allow_networks, ports, any_port=self._http_hosts.cover)
        self._client = RegistryClient(backend, deadline)
        self._places = Places(max_concurrency, deadline)
        self._rate = HostRate(per_host_rate, monotonic)

    def check(self, url: str) -> None:
        """Pass if the address may be sent to, as far as that can be said before.

        Raise InvalidInput.
        """
        try:
            origin, _ = parse_url(url)
        except ValueError:
            rule = "must be https://, a DNS name or a canonical IP address, and a port or none"
            raise InvalidInput("url", rule) from None
        if not self._allowed(origin):
            rule = "must be https: http only to a host that the operator allows it for"
            raise InvalidInput("url", rule)

    async def send(
        self, url: str, secret: Secret, message: Message, sent_at: datetime
    ) -> DeliveryStatus:
        """Sign a message, send it once, and say what came. Raise QuotaExceeded."""
        try:
            origin, target = parse_url(url)
        except ValueError:
            return DeliveryStatus.UNREACHABLE  # stored before a rule was made that it breaks
        if not self._allowed(origin):
            return DeliveryStatus.PLAIN_HTTP
        request = self._signed(origin, target, secret, message, sent_at)
        try:
            self._rate.take(origin.host)
            async with self._places.one():
                return await self._client.run(_post(request))
        except QuotaExceeded as refused:
            # The bounds speak of checks.
            raise QuotaExceeded("messages to webhooks", refused.retry_after) from None

    def _signed(
        self, origin: Origin, target: str, secret: Secret, message: Message, sent_at: datetime
    ) -> Request:
        body, seconds = _rendered(message), int(sent_at.timestamp())
        headers = (
            ("Content-Type", "application/json"),
            ("webhook-id", message.id),
            ("webhook-timestamp", str(seconds)),
            ("webhook-signature", self._sign(secret, message.id, seconds, body)),
        )
        return Request(
            "POST", origin, target, ("*/*",), headers=headers, content=body, status_only=True
        )

    def _allowed(self, origin: Origin) -> bool:
        return origin.encrypted or self._http_hosts.cover(*origin.place)


def _post(request: Request) -> Dialogue[DeliveryStatus]:
    try:
        reply = yield request
    except Unanswered as failure:
        return _SILENCE[failure.cause]
    except Unreadable:
        return DeliveryStatus.NOT_HTTP
    if reply.status == _GONE:
        return DeliveryStatus.GONE
    return _CLASSES.get(reply.status // 100, DeliveryStatus.NOT_HTTP)


def _rendered(message: Message) -> bytes:
    at = message.happened_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return orjson.dumps({"type": message.kind, "timestamp": at, "data": dict(message.data)})
