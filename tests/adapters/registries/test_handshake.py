"""Verdicts by feeding replies to the generator: no sockets, no loop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.adapters.registries.handshake import MANIFEST_TYPES, Question, verify
from regcred.adapters.registries.judgement import Judgement, Row, Step, says
from regcred.adapters.registries.messages import (
    Attach,
    Finding,
    Reply,
    Request,
    Unanswered,
    Unreadable,
)
from regcred.adapters.registries.origins import HttpHosts, Origin
from regcred.adapters.registries.provider import Quirks
from regcred.adapters.registries.realm import RealmRule
from regcred.domain.secret import Secret
from regcred.domain.verdict import VerdictKind as V
from tests.adapters.registries.scripted import grant, jwt

REGISTRY = Origin("https", "reg.example", 443)
DIGEST = "sha256:" + "a" * 64
Said = Reply | Unanswered | Unreadable


def asked(image: str | None = None, **changes: object) -> Question:
    question = Question(
        REGISTRY, RealmRule(REGISTRY, HttpHosts()), "puller", Secret("canary"), image
    )
    return replace(question, **changes)  # type: ignore[arg-type]  # tests vary one field at a time


def play(question: Question, replies: Sequence[Said]) -> tuple[Finding, list[Request]]:
    """Feed replies until the verdict; every one of them must be asked for, and no more."""
    handshake = verify(question)
    request = next(handshake)
    sent = [request]
    rest = list(replies)
    while True:
        said = rest.pop(0)
        try:
            request = handshake.send(said) if isinstance(said, Reply) else handshake.throw(said)
        except StopIteration as end:
            assert rest == []
            return end.value, sent
        sent.append(request)


def challenge(*headers: str, status: int = 401) -> Reply:
    return Reply(status, tuple(("www-authenticate", header) for header in headers))


BEARER = challenge('Bearer realm="https://reg.example/token",service="reg"')
BASIC = challenge('Basic realm="x"')
OPAQUE = Reply(200, body=b'{"token": "opaque"}')
OK, UNAUTHORIZED, FORBIDDEN, MISSING = Reply(200), Reply(401), Reply(403), Reply(404)
LIMITED = Reply(429)


def tokens(text: str) -> Reply:
    return Reply(200, body=json.dumps({"token": text}).encode())


GRANTED = tokens(grant("team/app", "pull"))
NOT_GRANTED = tokens(grant("team/app"))

STALE = challenge('Bearer realm="https://reg.example/token",error="invalid_token"')
GARBLED = challenge('Bearer realm="')
EXPIRED = Reply(403, body=b'{"message": "Your authorization token has expired."}')

WITHOUT_IMAGE = [
    ("basic, right", [BASIC, OK], V.OK),
    ("basic, wrong", [BASIC, UNAUTHORIZED], V.REJECTED),
    ("basic, forbidden", [BASIC, FORBIDDEN], V.DENIED),
    (
        "basic, expired",
        [BASIC, Reply(403, body=b"Your authorization token has expired.")],
        V.EXPIRED,
    ),
    ("basic, limited", [BASIC, LIMITED], V.RATE_LIMITED),
    ("bearer, right", [BEARER, OPAQUE], V.OK),
    ("bearer, wrong", [BEARER, UNAUTHORIZED], V.REJECTED),
    ("bearer, wrong at GitHub", [BEARER, FORBIDDEN], V.REJECTED),
    ("bearer, limited", [BEARER, LIMITED], V.RATE_LIMITED),
    ("bearer, expired", [BEARER, EXPIRED], V.EXPIRED),
    ("bearer, no token", [BEARER, Reply(200, body=b"{}")], V.UNSUPPORTED),
    ("bearer, no such endpoint", [BEARER, MISSING], V.UNSUPPORTED),
    ("bearer, redirected", [BEARER, Reply(302)], V.UNSUPPORTED),
    ("bearer, broken", [BEARER, Reply(502)], V.UNREACHABLE),
    ("open", [OK], V.PUBLIC),
    ("web site", [Reply(200, body=b"<html>")], V.NOT_A_REGISTRY),
    ("nothing there", [MISSING], V.NOT_A_REGISTRY),
    ("moved", [Reply(301)], V.NOT_A_REGISTRY),
    ("limited at once", [LIMITED], V.RATE_LIMITED),
    ("broken", [Reply(500)], V.UNREACHABLE),
    ("401 without a word", [UNAUTHORIZED], V.UNSUPPORTED),
    ("401 with garbage", [challenge('Bearer realm="')], V.UNSUPPORTED),
    ("only other schemes", [challenge("Negotiate", 'Digest realm="x"')], V.UNSUPPORTED),
    ("realm elsewhere", [challenge('Bearer realm="https://evil.example/t"')], V.UNTRUSTED_REALM),
    ("relative realm", [challenge('Bearer realm="/token"')], V.UNTRUSTED_REALM),
    ("no realm", [challenge('Bearer service="x"')], V.UNTRUSTED_REALM),
    (
        "two realms",
        [challenge('Bearer realm="https://reg.example/t",realm="https://evil.example/t"')],
        V.UNTRUSTED_REALM,
    ),
    (
        "two token servers",
        [challenge('Bearer realm="https://reg.example/t", Bearer realm="https://evil.example/t"')],
        V.UNTRUSTED_REALM,
    ),
    (
        "two services",
        [challenge('Bearer realm="https://reg.example/t",service="a",service="b"')],
        V.UNSUPPORTED,
    ),
    (
        "bearer beats basic",
        [challenge('Basic realm="x"', 'Bearer realm="https://reg.example/t"'), OPAQUE],
        V.OK,
    ),
    (
        "an untrusted bearer is not traded for basic",
        [challenge('Basic realm="x", Bearer realm="https://evil.example/t"')],
        V.UNTRUSTED_REALM,
    ),
    ("dns", [Unanswered("dns")], V.UNREACHABLE),
    ("dead on the way", [BEARER, Unanswered("timeout")], V.UNREACHABLE),
    ("no http", [Unreadable("x")], V.NOT_A_REGISTRY),
    ("unreadable later", [BEARER, Unreadable("x")], V.UNSUPPORTED),
]

WITH_IMAGE = [
    ("basic, private", [BASIC, OK, OK, UNAUTHORIZED], V.OK),
    ("basic, public", [BASIC, OK, OK, OK], V.PUBLIC),
    ("basic, absent", [BASIC, OK, MISSING], V.MISSING),
    ("basic, no rights", [BASIC, OK, UNAUTHORIZED], V.DENIED),
    ("basic, wrong", [BASIC, UNAUTHORIZED], V.REJECTED),
    ("bearer, private", [BEARER, GRANTED, OK, NOT_GRANTED, UNAUTHORIZED, GRANTED], V.OK),
    ("bearer, private, no anonymous token", [BEARER, OPAQUE, OK, FORBIDDEN], V.OK),
    ("bearer, public", [BEARER, GRANTED, OK, GRANTED, OK], V.PUBLIC),
    ("bearer, absent", [BEARER, GRANTED, MISSING, OPAQUE], V.MISSING),
    ("bearer, absent, opaque", [BEARER, OPAQUE, MISSING, OPAQUE], V.MISSING),
    ("bearer, absent, wrong", [BEARER, GRANTED, MISSING, UNAUTHORIZED], V.REJECTED),
    ("bearer, hidden", [BEARER, NOT_GRANTED, MISSING, OPAQUE], V.DENIED),
    ("bearer, no rights", [BEARER, NOT_GRANTED, UNAUTHORIZED, OPAQUE], V.DENIED),
    ("bearer, no rights at GitHub", [BEARER, FORBIDDEN, OPAQUE], V.DENIED),
    ("bearer, wrong at GitHub", [BEARER, FORBIDDEN, FORBIDDEN], V.REJECTED),
    ("bearer, wrong at Harbor", [BEARER, NOT_GRANTED, UNAUTHORIZED, UNAUTHORIZED], V.REJECTED),
    ("bearer, denied, then limited", [BEARER, FORBIDDEN, LIMITED], V.RATE_LIMITED),
    ("bearer, denied, then silent", [BEARER, FORBIDDEN, Unanswered("timeout")], V.UNREACHABLE),
    ("bearer, denied, scope wanted", [BEARER, FORBIDDEN, Reply(400)], V.DENIED),
    ("bearer, own token refused", [BEARER, GRANTED, STALE], V.UNSUPPORTED),
    ("bearer, nothing granted, stale", [BEARER, NOT_GRANTED, STALE, OPAQUE], V.DENIED),
    ("bearer, opaque and stale", [BEARER, OPAQUE, STALE, OPAQUE], V.DENIED),
    ("bearer, garbled refusal", [BEARER, GRANTED, GARBLED, OPAQUE], V.DENIED),
    ("bearer, expired at the token server", [BEARER, EXPIRED], V.EXPIRED),
    ("bearer, no token for the image", [BEARER, Reply(200, body=b"{}")], V.UNSUPPORTED),
    ("bearer, wrong", [BEARER, UNAUTHORIZED], V.REJECTED),
    ("bearer, limited at the manifest", [BEARER, GRANTED, LIMITED], V.RATE_LIMITED),
    ("control limited", [BEARER, GRANTED, OK, LIMITED, GRANTED], V.OK),
    ("control silent", [BEARER, GRANTED, OK, Unanswered("timeout"), GRANTED], V.OK),
    ("control unreadable", [BEARER, GRANTED, OK, OPAQUE, Unreadable("x"), GRANTED], V.OK),
    ("control without a token", [BEARER, GRANTED, OK, Reply(200, body=b"{}"), GRANTED], V.OK),
    ("open, there", [OK, OK], V.PUBLIC),
    ("open, absent", [OK, MISSING], V.MISSING),
    ("open, forbidden", [OK, FORBIDDEN], V.UNSUPPORTED),
    ("open door, closed room", [OK, BASIC, OK, OK, UNAUTHORIZED], V.OK),
]


@pytest.mark.parametrize(
    ("replies", "kind"), [c[1:] for c in WITHOUT_IMAGE], ids=[c[0] for c in WITHOUT_IMAGE]
)
def test_verdicts_about_acceptance(replies: list[Said], kind: V) -> None:
    finding, _ = play(asked(), replies)

    assert finding.kind is kind


@pytest.mark.parametrize(
    ("replies", "kind"), [c[1:] for c in WITH_IMAGE], ids=[c[0] for c in WITH_IMAGE]
)
def test_verdicts_about_a_pull(replies: list[Said], kind: V) -> None:
    finding, _ = play(asked("team/app"), replies)

    assert finding.kind is kind


def test_the_first_question_carries_no_login() -> None:
    for question in (asked(), asked("team/app")):
        assert next(verify(question)) == Request("GET", REGISTRY, "/v2/", ("application/json",))


def test_a_token_is_asked_for_by_service_scope_and_account() -> None:
    realm = challenge('Bearer realm="https://reg.example/t?x=1",service="a&b",scope="evil"')
    _, sent = play(asked("team/app", username="robot+x y"), [realm, UNAUTHORIZED])
    token = sent[1]

    assert (token.method, token.origin, urlsplit(token.target).path) == ("GET", REGISTRY, "/t")
    assert parse_qs(urlsplit(token.target).query) == {
        "x": ["1"],
        "service": ["a&b"],
        "scope": ["repository:team/app:pull"],
        "account": ["robot+x y"],
    }
    assert token.proof is not None
    assert token.proof.attach is Attach.BASIC


def test_without_an_image_no_scope_is_asked_for() -> None:
    _, sent = play(asked(), [challenge('Bearer realm="https://reg.example/t"'), OPAQUE])

    assert sent[1].target == "/t?account=puller"


def test_a_manifest_is_asked_for_in_all_its_types_with_the_token_alone() -> None:
    _, sent = play(asked("team/app", reference=DIGEST), [BEARER, OPAQUE, MISSING, OPAQUE])
    head = sent[2]

    assert (head.method, head.origin) == ("HEAD", REGISTRY)
    assert head.target == f"/v2/team/app/manifests/{DIGEST}"
    assert head.accept == MANIFEST_TYPES
    assert len(MANIFEST_TYPES) == 4
    assert head.proof is not None
    assert (head.proof.attach, head.proof.secret) == (Attach.BEARER, Secret("opaque"))


def test_the_control_carries_no_login() -> None:
    _, bearer = play(asked("team/app"), [BEARER, GRANTED, OK, tokens("anyones"), OK])
    _, basic = play(asked("team/app"), [BASIC, OK, OK, OK])

    assert bearer[3].proof is None
    assert "account" not in bearer[3].target
    assert bearer[4].proof is not None
    assert bearer[4].proof.secret == Secret("anyones")
    assert basic[3].proof is None


PULLED = [BEARER, GRANTED, OK, NOT_GRANTED, UNAUTHORIZED]


@pytest.mark.parametrize(
    ("said", "could_push"),
    [
        (tokens(grant("team/app", "pull", "push")), True),
        (tokens(grant("team/app", "*")), True),
        (GRANTED, False),
        (NOT_GRANTED, False),
        (OPAQUE, None),
        (UNAUTHORIZED, None),
        (FORBIDDEN, None),
        (LIMITED, None),
        (Reply(200, body=b"{}"), None),
        (Unanswered("timeout"), None),
        (Unreadable("x"), None),
    ],
)
def test_a_login_that_could_push_is_said_so(said: Said, could_push: object) -> None:
    """Asked of the token server alone, and whatever it says, the verdict stands."""
    finding, sent = play(asked("team/app"), [*PULLED, said])
    pull, push = sent[1], sent[-1]

    assert finding.kind is V.OK
    assert finding.evidence.get("could_push") == could_push
    assert finding.evidence["token_status"] == 200
    assert push.target == pull.target.replace("%3Apull", "%3Apull%2Cpush")
    assert (push.method, push.origin, push.proof) == (pull.method, pull.origin, pull.proof)


def test_whether_it_could_push_is_asked_only_of_who_can_tell_and_may_pull() -> None:
    for replies in (
        [BEARER, OPAQUE, OK, FORBIDDEN],
        [BEARER, GRANTED, OK, GRANTED, OK],
        [BEARER, GRANTED, MISSING, OPAQUE],
        [BASIC, OK, OK, UNAUTHORIZED],
    ):
        finding, sent = play(asked("team/app"), replies)
        assert len(sent) == len(replies)
        assert "could_push" not in finding.evidence


def test_the_control_is_asked_only_after_success() -> None:
    _, sent = play(asked("team/app"), [BEARER, NOT_GRANTED, UNAUTHORIZED, OPAQUE])

    assert [request.method for request in sent] == ["GET", "GET", "HEAD", "GET"]
    assert all(request.proof for request in sent[1:])


def test_a_denied_login_is_asked_about_alone() -> None:
    """`denied` says that the login is accepted, which such an answer does not show."""
    for username in ("puller", "<token>"):
        finding, sent = play(
            asked("team/app", username=username), [BEARER, FORBIDDEN, UNAUTHORIZED]
        )
        scoped, alone = sent[1], sent[2]

        assert finding.kind is V.REJECTED
        assert finding.evidence["token_status"] == 403
        assert finding.evidence["login_status"] == 401
        assert (alone.method, alone.origin, alone.proof) == (
            scoped.method,
            scoped.origin,
            scoped.proof,
        )
        assert "scope" in f"{scoped.target}{scoped.form}"
        assert "scope" not in f"{alone.target}{alone.form}"


def test_an_acceptance_that_cannot_be_found_out_is_said() -> None:
    finding, _ = play(asked("team/app"), [BEARER, FORBIDDEN, Reply(404)])

    assert finding.kind is V.DENIED
    assert "could not be found out" in str(finding.evidence["note"])


def test_a_familys_own_rows_stand_before_the_table() -> None:
    own = Row(Step.TOKEN, {403}, Judgement(V.RATE_LIMITED, "Locked out."), says("slow down"))
    quirks = Quirks(rejected_note=lambda _: "Wrong.", rows=(own,))

    locked, _ = play(asked(quirks=quirks), [BEARER, Reply(403, body=b"Slow down!")])
    wrong, _ = play(asked(quirks=quirks), [BEARER, Reply(403, body=b"No.")])

    assert (locked.kind, locked.evidence["note"]) == (V.RATE_LIMITED, "Locked out.")
    assert (wrong.kind, wrong.evidence["note"]) == (V.REJECTED, "Wrong.")


def test_a_familys_note_explains_a_denied_login() -> None:
    quirks = Quirks(denied_note="Ask for the right.")
    denied, _ = play(asked("team/app", quirks=quirks), [BASIC, OK, FORBIDDEN])

    assert (denied.kind, denied.evidence["note"]) == (V.DENIED, "Ask for the right.")


def test_an_identity_token_is_posted_as_a_refresh_grant() -> None:
    finding, sent = play(asked("team/app", username="<token>"), [BEARER, Reply(400)])
    post = sent[1]

    assert finding.kind is V.REJECTED
    assert post.method == "POST"
    assert dict(post.form or ()) == {
        "grant_type": "refresh_token",
        "client_id": "regcred",
        "service": "reg",
        "scope": "repository:team/app:pull",
    }
    assert post.proof is not None
    assert (post.proof.attach, post.proof.origin) == (Attach.REFRESH_GRANT, REGISTRY)


def test_an_identity_token_means_nothing_to_basic() -> None:
    finding, sent = play(asked(username="<token>"), [BASIC])

    assert finding.kind is V.UNSUPPORTED
    assert len(sent) == 1


def test_a_family_may_want_its_tokens_asked_for_by_post() -> None:
    finding, sent = play(asked(quirks=Quirks(token_by_post=True)), [BEARER, OPAQUE])

    assert finding.kind is V.OK
    assert sent[1].method == "POST"
    assert dict(sent[1].form or ())["grant_type"] == "password"
    assert sent[1].proof is not None
    assert sent[1].proof.attach is Attach.PASSWORD_GRANT


def test_nothing_is_sent_to_an_untrusted_realm() -> None:
    finding, sent = play(
        asked("team/app"), [challenge('Bearer realm="https://evil.example:8443/t"')]
    )

    assert len(sent) == 1
    assert finding.evidence["realm_host"] == "evil.example:8443"
    assert finding.evidence["note"]


def test_docker_hubs_realm_stands_in_the_shipped_table() -> None:
    hub = Origin("https", "registry-1.docker.io", 443)
    realm = challenge('Bearer realm="https://auth.docker.io/token",service="registry.docker.io"')
    limits = (
        ("docker-content-digest", DIGEST),
        ("ratelimit-limit", "100;w=21600"),
        ("ratelimit-remaining", "76;w=21600"),
    )
    finding, sent = play(
        asked("library/x", registry=hub, realms=RealmRule(hub, HttpHosts())),
        [
            realm,
            tokens(grant("library/x", "pull")),
            Reply(200, limits),
            tokens(jwt([])),
            MISSING,
            tokens(grant("library/x", "pull")),
        ],
    )

    assert finding == Finding(
        V.OK,
        {
            "ping_status": 401,
            "scheme": "bearer",
            "realm_host": "auth.docker.io",
            "token_status": 200,
            "granted": ("pull",),
            "manifest_status": 200,
            "digest": DIGEST,
            "ratelimit_limit": "100;w=21600",
            "ratelimit_remaining": "76;w=21600",
            "anonymous_token_status": 200,
            "anonymous_status": 404,
            "could_push": False,
        },
    )
    assert [request.origin.host for request in sent] == [
        "registry-1.docker.io",
        "auth.docker.io",
        "registry-1.docker.io",
        "auth.docker.io",
        "registry-1.docker.io",
        "auth.docker.io",
    ]


def test_headers_that_are_not_what_they_should_be_are_not_shown() -> None:
    noise = (
        ("docker-content-digest", "<script>"),
        ("ratelimit-limit", "canary"),
        ("location", "//x"),
    )
    finding, _ = play(asked("team/app"), [BEARER, GRANTED, Reply(307, noise)])

    assert set(finding.evidence) & {"digest", "ratelimit_limit", "redirect_host"} == set()


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("30", 30), (" 86400 ", 86400), ("86401", None), ("0", None), ("-1", None), ("1.5", None),
        ("", None), ("9" * 400, None), ("\u0661", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [429, 503])
def test_how_long_to_wait_is_evidence_in_sane_seconds(
    status: int, said: str, seconds: int | None
) -> None:
    finding, _ = play(asked(), [Reply(status, (("retry-after", said),))])

    assert finding.evidence.get("retry_after") == seconds


def test_only_who_has_too_much_to_do_says_when_to_come_again() -> None:
    finding, _ = play(asked(), [Reply(404, (("retry-after", "30"),))])

    assert "retry_after" not in finding.evidence


def test_a_redirects_host_is_evidence() -> None:
    finding, _ = play(asked(), [Reply(302, (("location", "https://Login.example/x?y"),))])

    assert finding.evidence["redirect_host"] == "login.example"


def test_causes_and_notes_are_kept() -> None:
    cases: list[tuple[Said, tuple[str, str]]] = [
        (Unanswered("tls"), ("cause", "tls")),
        (Unreadable("a fixed sentence"), ("note", "a fixed sentence")),
        (Reply(503), ("cause", "server_error")),
    ]
    for said, expected in cases:
        finding, _ = play(asked(), [said])
        assert expected in finding.evidence.items()


def test_a_familys_note_explains_a_rejected_login() -> None:
    quirks = Quirks(rejected_note=lambda username: f"not {len(username)}")

    assert play(asked(quirks=quirks), [BASIC, UNAUTHORIZED])[0].evidence["note"] == "not 6"
    assert "note" not in play(asked(quirks=quirks), [BASIC, OK])[0].evidence


HEADER = st.sampled_from(
    ["www-authenticate", "location", "docker-content-digest", "ratelimit-limit", "x"]
)
VALUE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ['Bearer realm="https://reg.example/token"', 'Basic realm="x"', "https://a", "Bearer"]
    ),
)
REPLY = st.builds(
    Reply,
    st.one_of(st.sampled_from([200, 401, 403, 404, 429]), st.integers(100, 599)),
    st.lists(st.tuples(HEADER, VALUE), max_size=4).map(tuple),
    st.one_of(st.binary(max_size=40), st.sampled_from([OPAQUE.body, GRANTED.body, b"{}"])),
)
SAID = st.one_of(REPLY, st.sampled_from(["dns", "connect", "tls", "timeout"]).map(Unanswered))


@given(st.lists(SAID, min_size=8, max_size=8), st.sampled_from([None, "team/app"]))
def test_whatever_is_said_there_is_a_verdict_and_secrets_go_to_two_origins_at_most(
    replies: list[Said], image: str | None
) -> None:
    handshake = verify(asked(image))
    request = next(handshake)
    try:
        for said in replies:
            assert request.origin == REGISTRY
            assert request.proof is None or request.proof.origin == request.origin
            request = handshake.send(said) if isinstance(said, Reply) else handshake.throw(said)
    except StopIteration as end:
        finding: Finding = end.value
        assert finding.kind in V
        assert "canary" not in repr(finding)
    else:
        pytest.fail("eight answers and no verdict")
