"""regcred-kubelet-provider: hands the kubelet's questions to regcred, and its answers back.

The kubelet writes one CredentialProviderRequest to stdin and reads one CredentialProviderResponse
of the same version from stdout. Both are the service's business: they pass through here as they
come, and no answer that succeeds is parsed. Its settings are the environment's and `--config`'s:
what some user of this node has logged in with is none of a pod's business. When it fails, stdout
stays empty, stderr has one line for the kubelet's log, and nothing that was read from stdin is
said: it may hold a pod's token.
"""

import os
import sys
from time import monotonic
from typing import TYPE_CHECKING

from regcred.clients.node.answers import (
    FORBIDDEN,
    OK,
    SERVER_ERROR,
    UNAUTHORIZED,
    Answer,
    problem_of,
)
from regcred.clients.node.deadline import read_all
from regcred.clients.node.service import Question, ask, is_key
from regcred.clients.node.settings import Settings, read_file, read_settings, with_environment
from regcred.clients.node.words import TOTAL_SECONDS, VERSION, Down, Refused, end, is_clean_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    Environment = Mapping[str, str]

NAME = "regcred-kubelet-provider"
USAGE = f"Usage: {NAME} [--config FILE] [--on-error fail|anonymous] [--version]"

MAX_REQUEST = 65536
API = "credentialprovider.kubelet.k8s.io/"
VERSIONS = (API + "v1", API + "v1beta1", API + "v1alpha1")

_RESPONSE = b'"CredentialProviderResponse"'


def told(env: "Environment", path: str) -> Settings:
    """Return what the environment says, and what it leaves open from a file that was named.

    Raise Refused.
    """
    found: Settings = {}
    if path:
        try:
            read_file(path, False)
        except FileNotFoundError:
            raise Refused(f"there is no {path}: --config names it") from None
        found = {**read_settings(path), "from": path}
    found = with_environment(found, env)
    if not found.get("url"):
        raise Refused(
            "no service is set: set REGCRED_URL in the provider's env (the kubelet's configuration)"
        )
    if not is_key(found.get("key", "")):
        raise Refused("what is set as the node's key is no regcred key: see REGCRED_KEY_FILE")
    return found


def provide(found: Settings, request: bytes, until: float) -> bytes:
    """Return the response to a request, as the service gave it. Raise Refused, Down."""
    question = Question(NAME, "POST", "kubelet-credential", request)
    answer = ask(found, question, until)
    status, kind, body = answer
    if status != OK:
        raise problem(answer, bool(found.get("key")), has_token(request))
    text = body.strip()
    if kind == b"application/json" and is_clean_object(text) and _RESPONSE in text:
        return text
    raise Refused("the answer is not regcred's: check the service's URL")


def problem(answer: Answer, keyed: bool, token: bool) -> Refused:
    """Return the refusal that an answer above 299 stands for."""
    status = answer[0]
    slug, detail = problem_of(answer)
    if not detail:
        if status >= SERVER_ERROR:
            return Down(f"regcred is not there: what answers at its URL says {status}")
        return Refused(f"what answers there is not regcred ({status}): check the service's URL")
    if status == UNAUTHORIZED and token:
        return Refused(
            "this pod's token was refused: compare issuer and audience with `regcred cluster ls` "
            "(the service's log says which)"
        )
    if status == UNAUTHORIZED and keyed:
        return Refused(
            f"regcred refused this node: {detail}. Put a valid key where REGCRED_KEY_FILE points"
        )
    if status == UNAUTHORIZED:
        return Refused(
            f"regcred knows neither a key nor a pod here: {detail}. Set REGCRED_KEY_FILE, or "
            "tokenAttributes in the kubelet's configuration"
        )
    if status == FORBIDDEN:
        return Refused(f"regcred does not let this node pull: {detail}")
    if slug == "project-not-found":
        return Refused("this key reaches no such project: check REGCRED_PROJECT")
    if status >= SERVER_ERROR:
        return Down(f"regcred cannot answer now: {detail}")
    return Refused(f"regcred refused the kubelet's request: {detail}")


def has_token(request: bytes) -> bool:
    """Whether a request carries a pod's token, which the service then takes for who asks."""
    asked = parsed(request)
    return isinstance(asked, dict) and bool(asked.get("serviceAccountToken"))


def parsed(request: bytes) -> "Any":
    """Return a request's JSON, None if it is broken."""
    import json  # no request that the service answers needs it

    try:
        return json.loads(request)
    except (ValueError, RecursionError):
        return None


def read_request(stdin: int, until: float) -> bytes:
    """Return the kubelet's request, which is one JSON object. Raise Refused."""
    try:
        text = read_all(stdin, MAX_REQUEST, until)
    except TimeoutError:
        raise Refused("standard input did not end: this is run by the kubelet") from None
    if len(text) > MAX_REQUEST:
        raise Refused(f"more than {MAX_REQUEST} bytes on standard input")
    text = text.strip()
    if not text:
        raise Refused("nothing on standard input: this is run by the kubelet")
    if not is_clean_object(text):
        raise Refused("standard input is not one CredentialProviderRequest in JSON")
    return text


def nothing_fits(request: bytes) -> bytes:
    """Return the response that lets the kubelet try without a login. Raise Refused.

    It is not kept, so that the next pull asks again.
    """
    import json

    asked = parsed(request)
    version = asked.get("apiVersion") if isinstance(asked, dict) else None
    if version not in VERSIONS or asked.get("kind") != "CredentialProviderRequest":
        raise Refused("standard input is not one CredentialProviderRequest in JSON")
    response = {
        "kind": "CredentialProviderResponse",
        "apiVersion": version,
        "cacheKeyType": "Image",
        "cacheDuration": "0s",
        "auth": None,
    }
    return json.dumps(response, separators=(",", ":")).encode()


def options(arguments: list[str]) -> Settings:
    """Return what the kubelet's `args` say: `config`, `on_error`. Raise Refused."""
    given: Settings = {}
    rest = list(arguments)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name not in ("--config", "--on-error"):
            raise Refused(USAGE)
        if not equals:
            value = rest.pop(0) if rest else ""
        if not value:
            raise Refused(f"{name} needs a value. {USAGE}")
        given[name[2:].replace("-", "_")] = value
    return given


def main(arguments: list[str], env: "Environment", stdin: int) -> tuple[bytes, str]:
    """Answer one request; return (bytes for stdout, why it failed), one of them empty."""
    if arguments in (["--version"], ["-v"]):
        return f"{NAME} (regcred) {VERSION}".encode(), ""
    if arguments in (["--help"], ["-h"]):
        return USAGE.encode(), ""
    try:
        return run(options(arguments), env, stdin), ""
    except Refused as error:
        return b"", str(error)
    except Exception as error:  # noqa: BLE001  a traceback in the kubelet's log could say anything
        return b"", f"failed ({type(error).__name__}): please report this"


def run(given: Settings, env: "Environment", stdin: int) -> bytes:
    """Return the response to print. Raise Refused."""
    until = monotonic() + TOTAL_SECONDS
    found = told(env, given.get("config", ""))
    on_error = given.get("on_error") or found.get("on_error", "fail")
    if on_error not in ("fail", "anonymous"):
        raise Refused("on_error must be fail or anonymous")
    request = read_request(stdin, until)
    try:
        return provide(found, request, until)
    except Down:
        if on_error == "anonymous":
            return nothing_fits(request)
        raise


def start() -> "NoReturn":
    """Be the program."""
    try:
        text, why = main(sys.argv[1:], os.environ, 0)
        if why:
            os.write(2, f"{NAME}: {why}\n".encode(errors="replace"))
    except (OSError, KeyboardInterrupt):
        end(1, b"")
    end(1 if why else 0, text)
