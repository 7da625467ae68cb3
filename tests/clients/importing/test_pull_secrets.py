"""Pull secrets out of manifests."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from regcred.clients.importing.found import Found, Skipped
from regcred.clients.importing.pull_secrets import read_manifests

SECRET = "canary-in-a-manifest"
AUTHS = {"ghcr.io": {"username": "bot", "password": SECRET}}


def b64(content: object) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return base64.b64encode(text.encode()).decode()


def secret(name: str = "pull", **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "shop"},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": b64({"auths": AUTHS})},
        **more,
    }


QUAY = {"quay.io": AUTHS["ghcr.io"]}
OLD = secret("old", type="kubernetes.io/dockercfg", data={".dockercfg": b64(QUAY)})
OPAQUE = secret("opaque", type="Opaque", data={"password": b64(SECRET)})
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "no"}}


def read(tmp_path: Path, text: str) -> list[Found | Skipped]:
    file = tmp_path / "manifests"
    file.write_text(text)
    return list(read_manifests(file))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"kind": "List", "items": [secret(), OLD, OPAQUE, {"kind": "List"}]}),
        json.dumps({"kind": "SecretList", "items": [secret(), OLD, 3]}),
        yaml.safe_dump_all([secret(), DEPLOYMENT, OLD, OPAQUE, None, ["a"]]),
        json.dumps(secret()) + "\n---\n" + json.dumps(OLD),
    ],
    ids=["list", "secret list", "yaml", "several"],
)
def test_pull_secrets_are_found_among_other_manifests(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)

    logins = [(one.registry, one.secret) for one in found if isinstance(one, Found)]
    assert logins == [("ghcr.io", SECRET), ("quay.io", SECRET)]
    assert len(found) == 2
    assert found[0].source.where.endswith("manifests, shop/pull")


def test_string_data_wins_over_data(tmp_path: Path) -> None:
    plain = json.dumps({"auths": {"a.example": {"auth": b64("u:plain")}}})

    (found,) = read(tmp_path, json.dumps(secret(stringData={".dockerconfigjson": plain})))

    assert isinstance(found, Found)
    assert (found.registry, found.secret) == ("a.example", "plain")


def test_what_kubelet_reads_in_a_key_is_kept(tmp_path: Path) -> None:
    keys = ("https://a.example/v1/", "https://a.example/team", "*.b.example", "c*.example")
    auths = dict.fromkeys(keys, AUTHS["ghcr.io"])

    found = read(tmp_path, json.dumps(secret(data={".dockerconfigjson": b64({"auths": auths})})))

    assert [one.registry for one in found if isinstance(one, Found)] == [
        "a.example",
        "a.example/team",
        "*.b.example",
    ]
    assert isinstance(found[3], Skipped)
    assert "less than a whole label" in found[3].why


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({}, "has no .dockerconfigjson"),
        ({".dockerconfigjson": "ENC[" + SECRET}, "no base64"),
        ({".dockerconfigjson": b64(SECRET)}, "broken JSON"),
        ({".dockerconfigjson": b64([])}, "no object"),
        ({".dockerconfigjson": b64({"auths": [SECRET]})}, "its auths is no object"),
        ([SECRET], "its data is no object"),
    ],
)
def test_a_broken_secret_is_named_and_the_rest_goes_on(
    tmp_path: Path, data: object, why: str
) -> None:
    broken = secret("broken", data=data, metadata={"name": "broken"})

    skipped, found = read(tmp_path, yaml.safe_dump_all([broken, secret()]))

    assert isinstance(skipped, Skipped)
    assert isinstance(found, Found)
    assert skipped.source.where.endswith("manifests, broken")
    assert why in skipped.why
    assert SECRET not in repr(skipped)


def test_string_data_that_is_no_text_is_named(tmp_path: Path) -> None:
    odd = secret(stringData={".dockerconfigjson": [SECRET]}, metadata=3)

    (one,) = read(tmp_path, json.dumps(odd))

    assert isinstance(one, Skipped)
    assert "no text" in one.why
    assert "without a name" in one.source.where


_PAIRS = zip("abcdefgh", "bcdefghi", strict=True)
LAUGHS = "a: &a [x]\n" + "\n".join(f"{b}: &{b} [*{a}, *{a}]" for a, b in _PAIRS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (LAUGHS, "aliases"),
        ("[" * 100_000, "neither JSON nor YAML"),
        ("[" * 900, "too deep"),
        ("{" * 100, "too deep"),
        (f"a: [{SECRET}\nb: }}", "broken at line 2"),
        (f"a: \x00{SECRET}", "neither JSON nor YAML"),
        (f"? [{SECRET}]\n: b", "broken at line"),
        ("[" + "1," * 200_001 + "]", "too much"),
    ],
)
def test_what_could_grow_or_break_is_refused_and_not_quoted(
    tmp_path: Path, text: str, why: str
) -> None:
    (one,) = read(tmp_path, text)

    assert isinstance(one, Skipped)
    assert why in one.why
    assert SECRET not in repr(one)


def test_tags_make_nothing(tmp_path: Path) -> None:
    data = f"data: !!python/object/apply:os.system [{SECRET}]"
    text = f"kind: Secret\ntype: kubernetes.io/dockercfg\n{data}\n"

    (one,) = read(tmp_path, text)

    assert isinstance(one, Skipped)
    assert one.why == "its data is no object"
