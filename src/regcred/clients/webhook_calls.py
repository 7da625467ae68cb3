"""The native API's calls about webhooks."""

from __future__ import annotations

from collections.abc import Iterator

from regcred.clients.calls import Calls, Json, segment


class WebhookCalls(Calls):
    """What RegcredClient has to say about webhooks."""

    def webhooks(self) -> Iterator[Json]:
        """Yield the project's webhooks."""
        return self._pages(f"{self._project}/webhooks")

    def webhook(self, webhook: str) -> Json:
        """Return one by its id."""
        return self._call("GET", self._webhook(webhook))

    def create_webhook(self, webhook: Json) -> Json:
        """Have events sent somewhere; a secret that was made is in the answer, this once."""
        return self._call("POST", f"{self._project}/webhooks", webhook)

    def update_webhook(self, webhook: Json, changes: Json) -> Json:
        """Change one that was read before."""
        path = self._webhook(webhook["id"])
        return self._call("PATCH", path, changes, version=webhook.get("version"))

    def delete_webhook(self, webhook: Json) -> None:
        """Delete one that was read before."""
        self._call("DELETE", self._webhook(webhook["id"]), version=webhook.get("version"))

    def rotate_webhook_secret(self, webhook: str, given: Json) -> Json:
        """Sign with another secret; one that was made is in the answer, this once."""
        return self._call("POST", f"{self._webhook(webhook)}:rotate-secret", given)

    def test_webhook(self, webhook: str) -> Json:
        """Send a test message now and return what came of it."""
        return self._call("POST", f"{self._webhook(webhook)}:test")

    def _webhook(self, webhook: str) -> str:
        return f"{self._project}/webhooks/{segment(webhook)}"
