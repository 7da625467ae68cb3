"""The native API, as calls that return its JSON objects or raise what the service refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from regcred.clients.calls import Handed, Json, Query, segment
from regcred.clients.cluster_calls import ClusterCalls
from regcred.clients.problems import ApiProblem
from regcred.clients.webhook_calls import WebhookCalls

_PROVEN = {"verify": "require"}


class RegcredClient(WebhookCalls, ClusterCalls):
    """One service with one key, in one project.

    Every call may raise ApiProblem, ServiceUnreachable, NotRegcred; one that puts a name into a
    path, InvalidName.
    """

    # Projects

    def whoami(self) -> Json:
        """Return who this key is and what it may do."""
        return self._call("GET", "whoami")

    def projects(self) -> Iterator[Json]:
        """Yield every project that this key reaches."""
        return self._pages("projects")

    def project(self, project: str | None = None) -> Json:
        """Return one project, this client's own by default."""
        return self._call("GET", self._project_path(project))

    def create_project(self, name: str) -> Json:
        """Make a project."""
        return self._call("POST", "projects", {"name": name})

    def update_project(self, project: str, changes: Json, version: int | None) -> Json:
        """Change the given settings of a project; the rest stays."""
        return self._call("PATCH", self._project_path(project), changes, version=version)

    def delete_project(self, project: str, version: int | None = None) -> None:
        """Delete an empty project."""
        self._call("DELETE", self._project_path(project), version=version)

    # Keys

    def keys(self) -> Iterator[Json]:
        """Yield the project's keys."""
        return self._pages(f"{self._project}/keys")

    def find_key(self, key: str) -> Json:
        """Return a key by its id, or by a name that only one key has."""
        try:
            return self._call("GET", f"{self._project}/keys/{segment(key)}")
        except ApiProblem as problem:
            named = [one for one in self.keys() if one.get("name") == key]
            if problem.slug != "key-not-found" or len(named) != 1:
                raise
            return named[0]

    def create_key(self, key: Json) -> Json:
        """Make a key; its text is in `key` of the answer, this once."""
        return self._call("POST", f"{self._project}/keys", key)

    def update_key(self, key: Json, changes: Json) -> Json:
        """Change a key that was read before."""
        path = f"{self._project}/keys/{segment(key['id'])}"
        return self._call("PATCH", path, changes, version=key.get("version"))

    def delete_key(self, key: Json) -> None:
        """Revoke a key that was read before."""
        path = f"{self._project}/keys/{segment(key['id'])}"
        self._call("DELETE", path, version=key.get("version"))

    # Credentials

    def credentials(self, filters: Query) -> Iterator[Json]:
        """Yield the project's credentials that pass the filters."""
        return self._pages(f"{self._project}/credentials", filters)

    def credential(self, name: str) -> Json:
        """Return a credential by name or id."""
        return self._call("GET", self._credential(name))

    def create_credential(self, credential: Json, *, proven: bool = False) -> Json:
        """Store a login, with `proven` only if its registry accepts it."""
        path = f"{self._project}/credentials"
        return self._call("POST", path, credential, query=_PROVEN if proven else {})

    def update_credential(
        self, name: str, changes: Json, version: int | None, *, proven: bool = False
    ) -> Json:
        """Change the given fields; the rest stays. `proven` as above."""
        query = _PROVEN if proven else {}
        return self._call("PATCH", self._credential(name), changes, query=query, version=version)

    def delete_credential(self, name: str, version: int | None, *, force: bool = False) -> None:
        """Delete a credential, with `force` its uses too."""
        query = {"force": "true"} if force else {}
        self._call("DELETE", self._credential(name), query=query, version=version)

    def verify_login(self, login: Json) -> Json:
        """Ask a registry about a login that is not stored, and return its verdict."""
        return self._call("POST", f"{self._project}/credentials:verify", login)

    def verify(self, name: str, image: str | None) -> Json:
        """Ask the registry about a stored login and return its verdict."""
        body = {} if image is None else {"image": image}
        return self._call("POST", f"{self._credential(name)}:verify", body)

    def verdicts(self, name: str) -> Iterator[Json]:
        """Yield a credential's verdicts, newest first."""
        return self._pages(f"{self._credential(name)}/verdicts")

    def fetches(self, name: str, since: str | None, most: int | None = None) -> Json:
        """Return who fetched a credential, newest first, and whether anybody may be missing.

        Pages are asked for until there are more than `most`; None for all of them.
        """
        items: list[Json] = []
        found: Json = {}
        for page in self._whole_pages(f"{self._credential(name)}/fetches", {"since": since}):
            items += self._items(page)
            found = page
            if most is not None and len(items) > most:
                break
        told = {part: found.get(part) for part in ("complete", "complete_since")}
        return {**told, "items": items}

    # Providers

    def providers(self) -> Iterator[Json]:
        """Yield what is known of each family of registries."""
        # They come on one page, and the service takes no limit for it.
        yield from self._items(self._call("GET", "providers"))

    def provider(self, slug: str) -> Json:
        """Return what is known of one family."""
        return self._call("GET", f"providers/{segment(slug)}")

    # Registries, images and the trail

    def probe_registry(self, registry_url: str, settings: Mapping[str, str]) -> Json:
        """Ask a registry what it wants of a login, and return what was found."""
        body = {"registry_url": registry_url, "settings": dict(settings)}
        return self._call("POST", f"{self._project}/registries:probe", body)

    def resolve(self, image: str, *, force: bool = False) -> Json:
        """Return the logins for an image, secrets included."""
        body = {"image": image, "client": "regcred-cli", "force": force}
        return self._call("POST", f"{self._project}/resolve", body)

    def hand_out(
        self, form: str, query: Mapping[str, str | list[str]], etag: str | None = None
    ) -> Handed:
        """Return logins in one of the service's forms, or that those of `etag` are still they."""
        return self._hand_out(f"{self._project}/{form}", query, etag)

    def explain(self, image: str) -> Json:
        """Return which login an image would get on each client, and why."""
        return self._call("POST", f"{self._project}/explain", {"image": image})

    def events(self, filters: Query) -> Iterator[Json]:
        """Yield what there is to hear of in the project, newest first."""
        return self._pages(f"{self._project}/events", filters)

    def audit(self, filters: Query) -> Iterator[Json]:
        """Yield the project's audit rows that pass the filters."""
        return self._pages(f"{self._project}/audit", filters)

    # Paths

    def _project_path(self, project: str | None) -> str:
        return self._project if project is None else f"projects/{segment(project)}"

    def _credential(self, name: str) -> str:
        return f"{self._project}/credentials/{segment(name)}"
