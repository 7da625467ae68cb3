"""Every operation of the native API with what it needs and a request that succeeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.web.world import Reply, World, credential

ANYONE, READ, WRITE, VERIFY, REVEAL, ADMINISTER, OPERATE = (
    "anyone", "read", "write", "verify", "reveal", "administer", "operate",
)  # fmt: skip

MAY: Mapping[str, frozenset[str]] = {
    ANYONE: frozenset({"viewer", "puller", "editor", "admin", "operator"}),
    READ: frozenset({"viewer", "puller", "editor", "admin", "operator"}),
    WRITE: frozenset({"editor", "admin", "operator"}),
    VERIFY: frozenset({"editor", "admin", "operator"}),
    REVEAL: frozenset({"puller", "admin", "operator"}),
    ADMINISTER: frozenset({"admin", "operator"}),
    OPERATE: frozenset({"operator"}),
}
"""The table of roles of the design, written down a second time on purpose."""

IMAGE = "registry.example.com/team/app"
HOOK = "https://hooks.example.com/in"
CLUSTER = "prod-1"
SERVER = "https://docker-host.example.com"
_P = "/v1/projects/{project}"
_W = f"{_P}/webhooks/{{webhook}}"
_C = f"{_P}/credentials/{{credential}}"
_MINE = "?credential={credential}"


@dataclass(frozen=True)
class Operation:
    """One operation; `body` is JSON, or text for docker's own bodies."""

    id: str
    method: str
    path: str
    needs: str
    body: Any = None
    status: int = 200
    query: str = ""
    """Asked for by `perform`; the document has the path alone."""

    def at(self, **names: str) -> str:
        """Return the path with its parameters filled in."""
        filled = {"project": "-", "kind": "deployment", "name": "web", "provider": "ghcr"}
        return self.path.format_map({**filled, **names})


OPERATIONS: tuple[Operation, ...] = (
    Operation("whoAmI", "GET", "/v1/whoami", ANYONE),
    Operation("listProjects", "GET", "/v1/projects", ANYONE),
    Operation("createProject", "POST", "/v1/projects", OPERATE, {"name": "new"}, 201),
    Operation("getProject", "GET", _P, READ),
    Operation("updateProject", "PATCH", _P, ADMINISTER, {"require_if_match": True}),
    Operation("deleteProject", "DELETE", _P, OPERATE, status=204),
    Operation("listKeys", "GET", f"{_P}/keys", ADMINISTER),
    Operation("createKey", "POST", f"{_P}/keys", ADMINISTER, {"name": "k", "role": "puller"}, 201),
    Operation("getKey", "GET", f"{_P}/keys/{{key}}", ADMINISTER),
    Operation("updateKey", "PATCH", f"{_P}/keys/{{key}}", ADMINISTER, {"disabled": True}),
    Operation("deleteKey", "DELETE", f"{_P}/keys/{{key}}", ADMINISTER, status=204),
    Operation("listCredentials", "GET", f"{_P}/credentials", READ),
    Operation("createCredential", "POST", f"{_P}/credentials", WRITE, credential(name="new"), 201),
    Operation("getCredential", "GET", _C, READ),
    Operation("replaceCredential", "PUT", _C, WRITE, credential(name="replaced")),
    Operation("updateCredential", "PATCH", _C, WRITE, {"description": "patched"}),
    Operation("deleteCredential", "DELETE", f"{_C}", WRITE, status=204),
    Operation("verifyLogin", "POST", f"{_P}/credentials:verify", VERIFY,
              {"registry_url": "r.example.com", "username": "u", "password": "p"}),
    Operation("verifyCredential", "POST", f"{_C}:verify", VERIFY, {"image": IMAGE}),
    Operation("listVerdicts", "GET", f"{_C}/verdicts", READ),
    Operation("listFetches", "GET", f"{_C}/fetches", READ),
    Operation("listUses", "GET", f"{_C}/uses", READ),
    Operation("putUse", "PUT", f"{_C}/uses/{{kind}}/{{name}}", WRITE, {"lease_seconds": 60}),
    Operation("deleteUse", "DELETE", f"{_C}/uses/{{kind}}/{{name}}", WRITE, status=204),
    Operation("probeRegistry", "POST", f"{_P}/registries:probe", VERIFY,
              {"registry_url": "r.example.com"}),
    Operation("explainImage", "POST", f"{_P}/explain", READ, {"image": IMAGE}),
    Operation("resolveImage", "POST", f"{_P}/resolve", REVEAL, {"image": IMAGE}),
    Operation("dockerCredentialGet", "POST", f"{_P}/docker-credential/get", REVEAL, SERVER),
    Operation("kubeletCredential", "POST", f"{_P}/kubelet-credential", REVEAL, {
        "kind": "CredentialProviderRequest",
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "image": IMAGE,
    }),
    Operation("dockerCredentialList", "GET", f"{_P}/docker-credential/list", READ),
    Operation("dockerCredentialStore", "POST", f"{_P}/docker-credential/store", WRITE,
              {"ServerURL": SERVER, "Username": "u", "Secret": "s"}, 204),
    Operation("dockerCredentialErase", "POST", f"{_P}/docker-credential/erase", WRITE, SERVER, 204),
    Operation("getDockerConfig", "GET", f"{_P}/dockerconfigjson", REVEAL, query=_MINE),
    Operation("getAuthFile", "GET", f"{_P}/auth.json", REVEAL, query=_MINE),
    Operation("getDockerAuthConfig", "GET", f"{_P}/docker-auth-config", REVEAL, query=_MINE),
    Operation("getKubernetesSecret", "GET", f"{_P}/kubernetes-secret", REVEAL, query=_MINE),
    Operation("getExternalSecret", "GET", f"{_P}/external-secrets", REVEAL, query=_MINE),
    Operation("getArgoCd", "GET", f"{_P}/argocd", REVEAL, query=_MINE),
    Operation("getNomad", "GET", f"{_P}/nomad", REVEAL, query=_MINE),
    Operation("getHostsToml", "GET", f"{_P}/hosts.toml", REVEAL, query=_MINE),
    Operation("listAudit", "GET", f"{_P}/audit", ADMINISTER),
    Operation("listEvents", "GET", f"{_P}/events", READ),
    Operation("listWebhooks", "GET", f"{_P}/webhooks", ADMINISTER),
    Operation("createWebhook", "POST", f"{_P}/webhooks", ADMINISTER, {"url": HOOK}, 201),
    Operation("getWebhook", "GET", _W, ADMINISTER),
    Operation("updateWebhook", "PATCH", _W, ADMINISTER, {"kinds": ["expiry.near"]}),
    Operation("deleteWebhook", "DELETE", _W, ADMINISTER, status=204),
    Operation("rotateWebhookSecret", "POST", f"{_W}:rotate-secret", ADMINISTER,
              {"secret": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"}),
    Operation("testWebhook", "POST", f"{_W}:test", ADMINISTER),
    Operation("listWorkloads", "GET", f"{_P}/workloads", ADMINISTER),
    Operation("allowWorkload", "POST", f"{_P}/workloads", ADMINISTER,
              {"cluster": CLUSTER, "namespace": "shop", "service_account": "web",
               "image_patterns": [IMAGE]}, 201),
    Operation("getWorkload", "GET", f"{_P}/workloads/{{workload}}", ADMINISTER),
    Operation("withdrawWorkload", "DELETE", f"{_P}/workloads/{{workload}}", ADMINISTER, status=204),
    Operation("listClusters", "GET", "/v1/clusters", OPERATE),
    Operation("putCluster", "PUT", "/v1/clusters/{cluster}", OPERATE,
              {"issuer": "https://issuer.example.com", "audience": "regcred"}),
    Operation("getCluster", "GET", "/v1/clusters/{cluster}", OPERATE),
    Operation("deleteCluster", "DELETE", "/v1/clusters/{cluster}", OPERATE, status=204),
    Operation("listProviders", "GET", "/v1/providers", ANYONE),
    Operation("getProvider", "GET", "/v1/providers/{provider}", ANYONE),
)  # fmt: skip

BY_ID = {operation.id: operation for operation in OPERATIONS}
WITH_JSON = tuple(op for op in OPERATIONS if isinstance(op.body, dict))


async def perform(
    world: World, operation: Operation, *, who: str | None = "admin", body: Any = ..., **names: str
) -> Reply:
    """Send an operation's request, with its own body unless another is given."""
    sent = operation.body if body is ... else body
    # The same id on every request: answers can be compared byte for byte.
    headers = {"X-Request-Id": "the-same-id"}
    path = operation.at(**names) + operation.query.format_map(names)
    if isinstance(sent, str):
        headers["Content-Type"] = "text/plain"
        return await world.send(operation.method, path, content=sent, key=who, headers=headers)
    return await world.send(operation.method, path, sent, key=who, headers=headers)


async def targets(world: World, label: str, *, key: str = "admin") -> dict[str, str]:
    """Make a credential with a use, a key, a docker login, a webhook, a workload and a cluster.

    Return what paths name them by.
    """
    name = f"target-{label}"
    await world.add(name, key=key)
    use = BY_ID["putUse"].at(credential=name)
    assert (await world.send("PUT", use, key=key)).status_code == 200
    made = await world.send(
        "POST", "/v1/projects/-/keys", {"name": label, "role": "viewer"}, key=key
    )
    await perform(world, BY_ID["dockerCredentialStore"], who=key)
    hook = await perform(world, BY_ID["createWebhook"], who=key)
    await world.set_up_cluster(CLUSTER)
    cluster = f"spare-{label}"
    await world.set_up_cluster(cluster, f"audience of {label}")
    body = {**BY_ID["allowWorkload"].body, "service_account": f"target-{label}"}
    workload = await perform(world, BY_ID["allowWorkload"], who=key, body=body)
    return {
        "credential": name,
        "key": made.json()["id"],
        "webhook": hook.json()["id"],
        "workload": workload.json()["id"],
        "cluster": cluster,
    }
