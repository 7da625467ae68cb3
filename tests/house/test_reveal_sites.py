"""Every place where a secret leaves its wrapper has been looked at, and stands here."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.house.source import SRC, modules, tree

# (file under src/regcred, function): how often it reveals there, and why it may.
REVIEWED: dict[tuple[str, str], tuple[int, str]] = {
    # Into the seal.
    ("adapters/sealing/sealer.py", "EnvelopeSealer._seal"): (1, "plaintext of the sealed value"),
    # Towards the registry, on the one origin that the guard let through.
    ("adapters/registries/rendering.py", "_basic"): (1, "Authorization of one request"),
    ("adapters/registries/rendering.py", "_bearer"): (1, "Authorization of one request"),
    ("adapters/registries/rendering.py", "_grant_fields"): (4, "body of one token request"),
    ("adapters/registries/bearer.py", "_claims"): (1, "a token's own claims, for what it grants"),
    # Into a signature: what is sent is what the key signed.
    ("adapters/registries/signing.py", "aws_headers"): (2, "Signature Version 4 of one request"),
    ("adapters/registries/signing.py", "google_assertion"): (1, "a service account's assertion"),
    # From one Secret to another: a key out of the text that it was typed in as.
    ("adapters/registries/aws.py", "stored_key"): (1, "the parts of what `aws sts` prints"),
    ("adapters/registries/providers/gcp.py", "_stored_key"): (1, "a key out of its base64"),
    ("domain/fresh_login.py", "FreshLogin.packed"): (1, "into the seal, with its times"),
    ("domain/fresh_login.py", "FreshLogin.unpacked"): (1, "out of the seal"),
    # Looked at where it is typed in, and not kept.
    ("adapters/registries/providers/gcp.py", "_check"): (1, "is it the whole key that it must be"),
    ("adapters/registries/providers/ecr.py", "_check"): (1, "is it a whole session"),
    ("adapters/registries/providers/ecr.py", "_expiry"): (1, "when does it say that it ends"),
    ("adapters/registries/providers/digitalocean.py", "_check"): (1, "is it an API token"),
    ("domain/webhook.py", "signing_secret"): (1, "is it a secret that can sign"),
    # Into a signature on a webhook's message; the secret itself is never sent.
    ("adapters/sealing/webhook_signature.py", "sign_message"): (1, "the HMAC's key"),
    # The database's own password, to the driver alone.
    ("adapters/storage/postgres/address.py", "Address.connect"): (1, "who connects"),
    ("adapters/storage/postgres/copying.py", "_pass_line"): (1, "a private file for pg_dump"),
    # Answers that exist to reveal, after their audit row is durable.
    ("web/delivery/resolve.py", "_login"): (1, "a login in resolve's answer"),
    ("web/delivery/docker_credential.py", "DockerCredential.__call__"): (1, "a login for docker"),
    # A pod's token, to be verified; it is not kept.
    ("web/delivery/kubelet.py", "_identity"): (1, "in the place of the key that was presented"),
    ("web/delivery/kubelet.py", "token_in"): (1, "likewise, where something else is wrong"),
    ("web/delivery/kubelet.py", "_rendered"): (1, "a login for the kubelet's plugin"),
    # Hand-outs, likewise after their audit row; a 304 throws what was rendered away.
    ("domain/handout.py", "Opened.flaw"): (1, "can it stand in a form at all"),
    ("domain/handout.py", "Opened.size"): (1, "how long is it"),
    ("web/delivery/forms/quoting.py", "basic"): (1, "base64 of user:password"),
    ("web/delivery/forms/docker.py", "_whole"): (1, "a login in a pull secret"),
    ("web/delivery/forms/docker.py", "_auth"): (1, "an identity token in an auth.json"),
    ("web/delivery/forms/kubernetes.py", "external_secrets"): (1, "the one login, flat"),
    ("web/delivery/forms/single.py", "argocd"): (1, "user:password"),
    ("web/delivery/forms/single.py", "nomad"): (1, "a task's auth block"),
    # A new API key, shown once to whoever made it.
    ("usecases/manage_keys.py", "ManageKeys.create"): (1, "from token to Secret"),
    ("web/dialects/native/wire/keys.py", "MadeKey.made"): (1, "the answer that shows a new key"),
    # A new signing secret, shown once to whoever made it.
    ("web/dialects/native/wire/webhooks.py", "MadeWebhook.made"): (1, "the answer that shows it"),
    ("bootstrap/first_run.py", "make_operator_key"): (1, "from token to Secret"),
    ("bootstrap/operator.py", "_init"): (2, "the operator's terminal: text or JSON"),
    ("bootstrap/operator.py", "_operator_key.make"): (1, "the operator's terminal"),
    ("bootstrap/operator.py", "_welcome"): (1, "the operator's terminal, at the first start"),
}


def sites(path: Path) -> Iterator[str]:
    """Yield the function around each mention of `.reveal`, called or handed on."""

    def walk(node: ast.AST, inside: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Attribute) and child.attr == "reveal":
                yield inside
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from walk(child, f"{inside}.{child.name}" if inside else child.name)
            else:
                yield from walk(child, inside)

    yield from walk(tree(path), "")


def test_every_reveal_was_reviewed() -> None:
    found = Counter(
        (path.relative_to(SRC / "regcred").as_posix(), function)
        for path in modules()
        for function in sites(path)
    )

    assert dict(found) == {site: count for site, (count, _) in REVIEWED.items()}


def test_a_planted_reveal_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("class A:\n    def f(self, s):\n        return [s.reveal, s.reveal()]\n")

    assert list(sites(planted)) == ["A.f", "A.f"]


def test_nothing_reaches_around_the_wrapper() -> None:
    # `Secret` keeps its text under a mangled name; only secret.py may know it.
    around = [path.name for path in modules() if "_Secret__text" in path.read_text()]

    assert around == []
