"""Clusters and workloads: which names are taken, and what a pod is narrowed to."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from regcred.domain import workload
from regcred.domain.errors import InvalidInput
from regcred.domain.registry import ImagePattern
from regcred.domain.workload import EVERY_IMAGE, Workload

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def a_workload(*patterns: str) -> Workload:
    id_ = UUID(int=1)
    images = workload.image_patterns(patterns)
    return Workload(id_, id_, id_, "prod-1", "shop", "web", images, NOON)


@pytest.mark.parametrize("name", ["a", "prod-1", "0", "a" * 63])
def test_a_cluster_is_named_as_a_label(name: str) -> None:
    assert workload.cluster_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "a/b", "a.b", "-a", "a-", "a" * 64, "*", "é", "a\n"])
def test_no_other_name_is_a_clusters(name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        workload.cluster_name(name)


@pytest.mark.parametrize(
    "url",
    [
        "https://kubernetes.default.svc",
        "https://kubernetes.default.svc.cluster.local",
        "https://oidc.eks.eu-west-1.amazonaws.com/id/ABCDEF",
        "https://container.googleapis.com/v1/projects/p/locations/l/clusters/c",
        "https://10.0.0.1:6443/",
        "https://[2001:db8::1]:6443",
    ],
)
def test_an_issuer_stays_as_it_is_written(url: str) -> None:
    assert workload.issuer(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "kubernetes/serviceaccount",
        "http://issuer.example",
        "https://",
        "https:///path",
        "https://user@issuer.example",
        "https://issuer.example?x",
        "https://issuer.example#x",
        "https://issuer.example/\n",
        "https://issuer.example:0",
        "https://issuer.example:99999",
        "https://[::1",
        "https://é.example",
        "https://issuer.example/" + "a" * 1024,
    ],
)
def test_what_is_no_plain_https_url_is_no_issuer(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        workload.issuer(url)
    assert caught.value.violations[0].field == "issuer"


@pytest.mark.parametrize("audience", ["", "a" * 256, "a\nb", "a\u202eb"])
def test_an_audience_is_short_and_shows_itself(audience: str) -> None:
    with pytest.raises(InvalidInput, match="audience"):
        workload.audience(audience)


def test_names_are_whole_or_a_star_alone() -> None:
    assert [workload.namespace(name) for name in ("shop", "*")] == ["shop", "*"]
    assert [workload.service_account(name) for name in ("web", "a.b-c.d", "*")] == [
        "web",
        "a.b-c.d",
        "*",
    ]


@pytest.mark.parametrize("name", ["", "shop*", "*shop", "**", "a.b", "Shop", "a" * 64, "a\n"])
def test_half_a_namespace_is_none(name: str) -> None:
    with pytest.raises(InvalidInput, match="namespace"):
        workload.namespace(name)


@pytest.mark.parametrize(
    "name", ["", "web*", "**", "*.web", "a..b", "a.-b", "a-.b", ".a", "a.", "W", "a" * 254, "a\n"]
)
def test_half_a_service_account_is_none(name: str) -> None:
    with pytest.raises(InvalidInput, match="service_account"):
        workload.service_account(name)


def test_a_workloads_images_are_named() -> None:
    given = ["r.example/shop/*", "r.example/shop", "*.example:5000"]

    patterns = workload.image_patterns(given)

    assert list(map(str, patterns)) == ["r.example/shop", "*.example:5000"]


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["r.example"] * 65,
        ["*", "r.example"],
        ["r.example", "*/*"],
        ["*/*"],
        ["https://*"],
        ["*:443"],
        ["not a pattern"],
    ],
    ids=range(8),
)
def test_every_image_is_one_spelling_and_nothing_else_means_it(given: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        workload.image_patterns(given)
    assert caught.value.violations[0].field.startswith("image_patterns")


def test_a_pod_is_narrowed_to_all_that_its_workloads_name() -> None:
    both = workload.pod_patterns([a_workload("r.example/a"), a_workload("r.example/b")])

    assert both == (ImagePattern.parse("r.example/a"), ImagePattern.parse("r.example/b"))


def test_every_image_is_only_for_who_was_given_it() -> None:
    everything = a_workload("*")

    assert everything.image_patterns == (EVERY_IMAGE,)
    assert workload.pod_patterns([a_workload("r.example/a"), everything]) == ()
    with pytest.raises(ValueError, match="names its images"):
        workload.pod_patterns([])


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("a.b.c", True),
        ("..", True),
        ("rgc_abc_def", False),
        ("a.b", False),
        ("a.b.c.d", False),
        ("", False),
    ],
)
def test_a_token_is_told_from_a_key_by_its_dots(text: str, *, token: bool) -> None:
    assert workload.is_pod_token(text) is token
