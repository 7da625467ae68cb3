"""Each provider's verdicts, from exchanges as its registry has them; and none is left out."""

from __future__ import annotations

import json
import ssl
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from regcred.adapters.registries import providers
from regcred.domain.verdict import VerdictKind
from tests.adapters.registries.replay import FOLDER, SECRET, Transcript, replay, transcripts

ALL = transcripts()
NEVER = json.loads((Path(__file__).parent / "never_given.json").read_text())
"""By provider and verdict: why that family never gives it."""


@pytest.mark.parametrize("transcript", ALL, ids=str)
async def test_what_a_registry_said_has_this_verdict(transcript: Transcript) -> None:
    pem = trustme.CA().cert_pem.bytes().decode()
    settings = {
        name: pem if value == "$ca" else value for name, value in transcript.settings.items()
    }

    verdict, wire = await replay(transcript, settings)

    assert verdict.kind is transcript.verdict
    assert wire.played_out
    for name, value in transcript.evidence.items():
        told = verdict.evidence.get(name)
        assert (list(told) if isinstance(told, tuple) else told) == value, name
    assert verdict.evidence.get("note", "") == transcript.note
    shown = repr(verdict)
    assert not any(secret in shown for secret in (SECRET, *wire.issued))
    # A certificate authority of the credential's own counts for it, and for no other.
    trusted = {one for c in wire.authorities for one in c.get_ca_certs(binary_form=True)}
    assert ("ca_bundle" in settings) == (ssl.PEM_cert_to_DER_cert(pem) in trusted)


def changed(step: int, **fields: object) -> Transcript:
    """Return a transcript of Docker Hub in which one step is written down otherwise."""
    (whole,) = [one for one in ALL if one.name == "a private image, with the pull limit read"]
    exchange = list(whole.exchange)
    exchange[step] = {**exchange[step], **fields}
    return replace(whole, exchange=tuple(exchange))


@pytest.mark.parametrize(
    "false",
    [
        changed(0, **{"with": "login"}),
        changed(1, **{"with": "nothing"}),
        changed(1, ask="GET https://auth.docker.io/token?service=registry.docker.io"),
        changed(2, **{"with": "login"}),
        changed(2, ask="GET https://registry-1.docker.io/v2/team/app/manifests/v1"),
        changed(2, ask="HEAD https://registry-2.docker.io/v2/team/app/manifests/v1"),
        changed(3, **{"with": "login"}),
        changed(4, **{"with": "nothing"}),
        changed(5, form="scope=x"),
    ],
)
async def test_a_transcript_that_is_not_what_happens_is_found(false: Transcript) -> None:
    with pytest.raises(AssertionError):
        await replay(false, false.settings)


async def test_what_was_not_asked_for_is_found() -> None:
    whole = changed(0)
    _, longer = await replay(replace(whole, exchange=(*whole.exchange, whole.exchange[0])), {})

    assert not longer.played_out
    with pytest.raises(AssertionError):
        await replay(replace(whole, exchange=whole.exchange[:-1]), {})


def gaps(
    slugs: set[str],
    kinds: set[str],
    shown: Counter[tuple[str, str]],
    never: dict[str, dict[str, str]],
) -> list[str]:
    """Return every cell of the table that is neither shown nor argued away, or both."""
    return [
        f"{slug}: {kind}"
        for slug in sorted(slugs)
        for kind in sorted(kinds)
        if bool(shown[slug, kind]) == bool(never.get(slug, {}).get(kind))
    ]


SLUGS = {provider.slug for provider in providers.PROVIDERS}
KINDS = {kind.value for kind in VerdictKind}
SHOWN = Counter((one.provider, one.verdict.value) for one in ALL)


def test_every_verdict_of_every_provider_is_shown_or_argued_away() -> None:
    assert gaps(SLUGS, KINDS, SHOWN, NEVER) == []
    assert {path.stem for path in FOLDER.glob("*.json")} == SLUGS


def test_a_new_provider_or_verdict_would_be_missed() -> None:
    assert len(gaps(SLUGS | {"newcomer"}, KINDS, SHOWN, NEVER)) == len(KINDS)
    assert len(gaps(SLUGS, KINDS | {"unheard_of"}, SHOWN, NEVER)) == len(SLUGS)
    assert gaps(SLUGS, KINDS, Counter(), NEVER)
    assert gaps(SLUGS, KINDS, SHOWN, {})


def test_every_transcript_says_where_it_is_known_from() -> None:
    for transcript in ALL:
        assert transcript.source.startswith("https://"), transcript
    names = Counter(map(str, ALL))
    assert [name for name, count in names.items() if count > 1] == []
