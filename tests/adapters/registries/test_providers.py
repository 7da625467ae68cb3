from __future__ import annotations

import base64
import json

import pytest
import trustme

from regcred.adapters.registries import providers
from regcred.adapters.registries.provider import Provider
from regcred.domain.credential import Delivery
from regcred.domain.errors import InvalidInput
from tests.adapters.registries.asking import draft, registries


def fields(error: InvalidInput) -> list[str]:
    return [violation.field for violation in error.violations]


def test_slugs_are_unique_and_helpful() -> None:
    slugs = [provider.slug for provider in providers.PROVIDERS]

    assert len(set(slugs)) == len(slugs)
    assert slugs[-1] == "generic"
    for family in registries().catalogue():
        assert family.title
        assert family.help.endswith(".")
        assert family.lifetime.endswith(".")
        assert family.link.startswith("https://") or family.slug == "generic"


def test_no_host_belongs_to_two_families() -> None:
    hosts = [host for provider in providers.PROVIDERS for host in provider.hosts]

    assert len(set(hosts)) == len(hosts)
    assert all(host == host.lower().removesuffix(".") for host in hosts)


@pytest.mark.parametrize(
    ("slug", "host", "found"),
    [
        ("generic", "docker.io", "docker_hub"),
        ("generic", "registry-1.docker.io", "docker_hub"),
        ("generic", "docker.io.evil.example", "generic"),
        ("generic", "xdocker.io", "generic"),
        ("generic", "reg.example", "generic"),
        ("generic", "ghcr.io", "ghcr"),
        ("generic", "registry.gitlab.com", "gitlab"),
        ("generic", "gcr.io", "gcp"),
        ("generic", "eu.gcr.io", "gcp"),
        ("generic", "europe-west1-docker.pkg.dev", "gcp"),
        ("generic", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "ecr"),
        ("generic", "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "ecr"),
        ("generic", "123456789012.dkr-ecr.eu-west-1.on.aws", "ecr"),
        ("generic", "public.ecr.aws", "ecr"),
        ("generic", "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "ecr"),
        ("generic", "123456789012.dkr-ecr-fips.us-gov-west-1.on.aws", "ecr"),
        ("generic", "123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "ecr"),
        ("generic", "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov", "ecr"),
        ("generic", "acme.azurecr.io", "acr"),
        ("generic", "quay.io", "quay"),
        ("generic", "quay.io.evil.example", "generic"),
        ("generic", "registry.digitalocean.com", "digitalocean"),
        ("generic", "dkr.ecr.eu-west-1.amazonaws.com", "generic"),
        ("generic", "a.b.dkr.ecr.eu-west-1.amazonaws.com", "generic"),
        ("generic", "1.dkr.ecr.eu-west-1.amazonaws.com.evil.example", "generic"),
        ("generic", "s3.eu-west-1.amazonaws.com", "generic"),
        ("generic", "azurecr.io", "generic"),
        ("generic", "acme.azurecr.io.evil.example", "generic"),
        ("generic", "evilgcr.io", "generic"),
        ("generic", "pkg.dev", "generic"),
        ("generic", "ghcr.io.evil.example", "generic"),
        ("docker_hub", "reg.example", "docker_hub"),
    ],
)
def test_a_generic_login_at_a_familys_host_is_the_familys(slug: str, host: str, found: str) -> None:
    assert providers.for_host(slug, host).slug == found


def test_a_family_owns_the_hosts_below_a_wildcard() -> None:
    family = Provider("family", "A family", hosts=("*.cloud.example",))

    assert family.takes("a.cloud.example")
    assert not family.takes("a.b.cloud.example")
    assert not family.takes("cloud.example")
    assert not family.takes("evilcloud.example")
    assert not family.takes("a.cloud.example.evil")


def test_an_unknown_provider_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        InvalidInput, match="docker_hub, ecr, gcp, generic, ghcr, gitlab, harbor, quay"
    ) as refused:
        registries().check(draft("reg.example", provider="nobody"))

    assert fields(refused.value) == ["provider"]


def test_every_unknown_setting_is_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        registries().check(draft("reg.example", region="x", role="y", realm="tokens.example"))

    assert fields(refused.value) == ["settings.region", "settings.role"]


@pytest.mark.parametrize("realm", ["https://tokens.example/t", "tokens.example", "[::1]:5000"])
def test_a_realm_may_be_pinned(realm: str) -> None:
    registries().check(draft("reg.example", realm=realm))


@pytest.mark.parametrize("realm", ["", "ftp://x.example", "https://u@x.example", "127.1", "a/b"])
def test_an_unreadable_realm_is_refused_and_not_repeated(realm: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        registries().check(draft("reg.example", realm=realm))

    assert fields(refused.value) == ["settings.realm"]
    assert not realm or realm not in str(refused.value)


def test_a_bundle_of_certificates_is_taken() -> None:
    pem = trustme.CA().cert_pem.bytes().decode()

    registries().check(draft("reg.example", ca_bundle=pem * 3))


@pytest.mark.parametrize(
    "bundle",
    [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n" * 33,
        "-----BEGIN CERTIFICATE-----\nü\n-----END CERTIFICATE-----\n",
    ],
)
def test_an_unreadable_bundle_is_refused(bundle: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        registries().check(draft("reg.example", ca_bundle=bundle))

    assert fields(refused.value) == ["settings.ca_bundle"]


def test_a_private_key_is_not_kept_as_a_certificate() -> None:
    ca = trustme.CA()
    both = ca.cert_pem.bytes().decode() + ca.private_key_pem.bytes().decode()

    with pytest.raises(InvalidInput, match="private key"):
        registries().check(draft("reg.example", ca_bundle=both))


@pytest.mark.parametrize(
    "url", [None, "docker.io", "https://index.docker.io/v1/", "registry-1.docker.io/team"]
)
def test_docker_hub_takes_all_its_names(url: str | None) -> None:
    registries().check(draft(url, provider="docker_hub"))


@pytest.mark.parametrize(
    ("slug", "url"),
    [
        ("ghcr", "ghcr.io/acme"),
        ("gitlab", "registry.gitlab.com/group"),
        ("gitlab", "https://registry.example.com:5050/group"),
        ("gcp", "europe-docker.pkg.dev/project/repository"),
        ("ecr", "1.dkr.ecr.eu-west-1.amazonaws.com"),
        ("ecr", "*.dkr.ecr.eu-west-1.amazonaws.com"),
        ("acr", "acme.azurecr.io"),
        ("digitalocean", "registry.digitalocean.com/acme"),
    ],
)
def test_a_family_takes_its_own_registries(slug: str, url: str) -> None:
    asked = registries()

    checked = asked.check(draft(url, provider=slug))

    assert asked.family(checked.delivery) == slug


@pytest.mark.parametrize("slug", ["ghcr", "gcp", "ecr", "acr", "digitalocean"])
@pytest.mark.parametrize("url", ["registry.example.com", "*.example.com", "ghcr.io:5000", "??"])
def test_a_family_is_nowhere_else(slug: str, url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        registries().check(draft(url, provider=slug))

    assert fields(refused.value) == ["registry_url"]


@pytest.mark.parametrize(
    "provider",
    [provider for provider in providers.PROVIDERS if provider.scopes()],
    ids=lambda provider: provider.slug,
)
def test_a_login_without_a_registry_is_for_its_familys(provider: Provider) -> None:
    asked = registries()

    checked = asked.check(draft(None, provider=provider.slug))

    assert tuple(map(str, checked.scopes)) == (provider.registries or provider.hosts)
    assert checked.scopes
    assert asked.family(checked.delivery) == provider.slug


@pytest.mark.parametrize("slug", ["generic", "harbor"])
def test_a_login_of_no_place_in_particular_is_for_none_without_a_registry(slug: str) -> None:
    asked = registries()

    checked = asked.check(draft(None, provider=slug))

    assert checked.scopes == ()
    assert asked.family(checked.delivery) == slug


def test_a_family_that_is_not_known_here_is_still_named() -> None:
    delivery = Delivery("of_a_newer_program", None, ("docker.io",), "u", {})

    assert registries().family(delivery) == "of_a_newer_program"


@pytest.mark.parametrize(
    ("slug", "url", "fits"),
    [
        ("ghcr", "ghcr.io/acme", "ghcr"),
        ("ghcr", "registry.example.com", "generic"),
        ("ghcr", "no address at all", "generic"),
        ("ghcr", None, "ghcr"),
        ("gitlab", "registry.example.com", "gitlab"),
        ("gitlab", "registry.gitlab.com/group", "gitlab"),
        ("gitlab", "docker.io", "generic"),
        ("harbor", "ghcr.io/acme", "generic"),
        ("quay", "quay.io", "quay"),
        ("gitlab", "no address at all", "generic"),
        ("of_a_newer_program", None, "generic"),
        ("generic", "anything at all", "generic"),
        ("of_a_newer_program", "ghcr.io", "generic"),
    ],
)
def test_a_provider_stays_where_it_has_logins(slug: str, url: str | None, fits: str) -> None:
    assert registries().fitting(slug, url) == fits


def test_a_login_at_hosts_of_two_families_stays_what_it_was_called() -> None:
    delivery = Delivery("generic", None, ("ghcr.io", "docker.io"), "u", {})

    assert registries().family(delivery) == "generic"


KEY = json.dumps({"type": "service_account", "client_email": "e", "private_key": "k"})


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("_json_key", KEY),
        ("_json_key_base64", base64.b64encode(KEY.encode()).decode()),
        ("_json_key_base64", base64.encodebytes(KEY.encode()).decode()),
        ("oauth2accesstoken", "ya29.a0"),
        ("somebody", "something"),
    ],
)
def test_google_takes_its_keys_whole(username: str, password: str) -> None:
    registries().check(draft(None, provider="gcp", username=username, password=password))


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("_json_key", "not JSON"),
        ("_json_key", "[]"),
        ("_json_key", '{"client_email": "e"}'),
        ("_json_key", "[" * 5000),
        ("_json_key", base64.b64encode(KEY.encode()).decode()),
        ("_json_key_base64", KEY),
        ("_json_key_base64", "%%%"),
        ("_json_key_base64", base64.b64encode(b"\xff{}").decode()),
    ],
)
def test_half_a_google_key_is_refused_and_not_repeated(username: str, password: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        registries().check(draft(None, provider="gcp", username=username, password=password))

    assert fields(refused.value) == ["password"]
    assert password not in str(refused.value)


@pytest.mark.parametrize(
    ("slug", "username", "said"),
    [
        ("docker_hub", "me@example.com", "not the e-mail address"),
        ("docker_hub", "me", "access token"),
        ("ghcr", "me", "classic personal access token with read:packages"),
        ("gitlab", "gitlab-ci-token", "ends with its job"),
        ("gitlab", "gitlab+deploy-token-1", "read_registry"),
        ("gcp", "oauth2accesstoken", "an hour"),
        ("gcp", "_json_key", "make a new key"),
        ("gcp", "me@example.com", "three user names"),
        ("ecr", "aws", "AWS, in capitals"),
        ("ecr", "AWS", "the registry's region"),
        ("acr", "00000000-0000-0000-0000-000000000000", "three hours"),
        ("acr", "ci", "past its date"),
        ("digitalocean", "me@example.com", "registry:read"),
        ("digitalocean", "made-up", "download new ones"),
        ("quay", "robot", "NAMESPACE+NAME"),
        ("quay", "team+robot", "made anew"),
        ("quay", "$oauthtoken", "generate a new one"),
        ("harbor", "robotteam+ci", "robot$"),
        ("harbor", "robot$team+ci", "verify again"),
        ("generic", "robot", ""),
        ("generic", "<token>", "log in for a new one"),
    ],
)
def test_a_rejected_login_is_told_what_to_do(slug: str, username: str, said: str) -> None:
    note = providers.find(slug).quirks.rejected_note(username)

    assert said in note
    assert bool(said) == bool(note)


@pytest.mark.parametrize("provider", providers.PROVIDERS, ids=lambda provider: provider.slug)
def test_every_note_is_a_sentence_that_names_no_one(provider: Provider) -> None:
    quirks = provider.quirks
    notes = [quirks.rejected_note("canary"), quirks.denied_note]
    notes += [row.judgement.note for row in quirks.rows]

    assert provider.slug == "generic" or all(notes[:2])
    assert all(note == "" or note.endswith(".") for note in notes)
    assert "canary" not in "".join(notes)


@pytest.mark.parametrize("url", ["ghcr.io", "docker.io:5000", "docker.io.evil.example", "??"])
def test_docker_hub_is_nowhere_else(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        registries().check(draft(url, provider="docker_hub"))

    assert fields(refused.value) == ["registry_url"]
