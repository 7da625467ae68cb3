"""docker-credential-regcred: hands docker's questions to regcred, and regcred's answers to docker.

It knows no rules: the service answers with the finished text, so `get` parses no JSON. `assembly`
makes the program of it; what runs on every pull imports little, because a start costs more than
the request does.

Docker shows a helper's stdout to the user when it fails, so every text goes there, stderr stays
empty, and nothing that was read from stdin is ever said back.
"""

import os
import sys
from time import monotonic
from typing import TYPE_CHECKING

from regcred.clients.node.agent_door import NOT_FOUND, is_login
from regcred.clients.node.answers import (
    FORBIDDEN,
    NO_CONTENT,
    OK,
    SERVER_ERROR,
    UNAUTHORIZED,
    Answer,
    parse,
    problem_of,
)
from regcred.clients.node.deadline import read_all, read_part
from regcred.clients.node.service import MAX_ANSWER, Question, ask
from regcred.clients.node.settings import Settings, settings
from regcred.clients.node.words import TOTAL_SECONDS, VERSION, Down, Refused, end, is_clean_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    Environment = Mapping[str, str]

NAME = "docker-credential-regcred"
USAGE = f"Usage: {NAME} <get|store|erase|list|version>"

# Clients compare these two whole, as they do NOT_FOUND.
NO_SERVER = "no credentials server URL"
NO_USERNAME = "no credentials username"
NO_END = "standard input did not end: whoever runs this must close it"

MAX_SERVER = 2048
MAX_STORE = MAX_ANSWER
MAX_LIST = 4194304

_SPACE, _DELETE = 0x20, 0x7F


class Asked:
    """What a verb works on: where its input is, what was read of it, and until when."""

    def __init__(
        self, stdin: int, begun: bytes = b"", heard: bytes = b"", until: "float | None" = None
    ) -> None:
        self.stdin = stdin
        self.begun = begun
        self.heard = heard
        """An agent's answer that decided nothing, empty without one."""
        self.until = monotonic() + TOTAL_SECONDS if until is None else until

    def read(self, limit: int) -> bytes:
        """Return all of stdin, which must not be longer than `limit`. Raise Refused."""
        try:
            text = read_all(self.stdin, limit, self.until, self.begun)
        except TimeoutError:
            raise Refused(NO_END) from None
        if len(text) > limit:
            raise Refused(f"more than {limit} bytes on standard input")
        return text

    def pass_over(self) -> None:
        """Read stdin to its end. Raise Refused."""
        try:
            while read_part(self.stdin, 65536, self.until):
                pass
        except TimeoutError:
            raise Refused(NO_END) from None


# The verbs: each returns what to print


def get(found: Settings, asked: Asked) -> bytes:
    """Print the login for a server."""
    server = one_line(asked.read(MAX_SERVER + 2))
    if asked.heard:
        answer = parse(asked.heard, True)
        if answer is not None:
            return answered("get", answer)
    return answered("get", put(found, asked, "get", server))


def list_servers(found: Settings, asked: Asked) -> bytes:
    """Print which servers there are logins for, and the users."""
    asked.pass_over()
    question = Question(NAME, "GET", "docker-credential/list")
    question.limit = MAX_LIST
    return answered("list", ask(with_key(found), question, asked.until))


def store(found: Settings, asked: Asked) -> bytes:
    """Keep what `docker login` was given."""
    import json  # no successful get needs it

    try:
        given = json.loads(asked.read(MAX_STORE))
        parts = [given[name] for name in ("ServerURL", "Username", "Secret")]
    except (ValueError, TypeError, KeyError, RecursionError):
        parts = [None]
    if not all(isinstance(part, str) for part in parts):
        raise Refused("what was given to store is not the JSON of a docker login")
    server, user, secret = parts
    checked_server(server.encode(errors="surrogatepass"))
    if not user:
        raise Refused(NO_USERNAME)
    body = json.dumps({"ServerURL": server, "Username": user, "Secret": secret}).encode()
    return answered("store", put(found, asked, "store", body))


def erase(found: Settings, asked: Asked) -> bytes:
    """Delete what `docker login` stored."""
    return answered("erase", put(found, asked, "erase", one_line(asked.read(MAX_SERVER + 2))))


def put(found: Settings, asked: Asked, action: str, body: bytes) -> Answer:
    """Send what was given. Raise Refused, Down."""
    question = Question(NAME, "POST", "docker-credential/" + action, body)
    if action != "store":
        question.kind = "text/plain"
    return ask(with_key(found), question, asked.until)


def with_key(found: Settings) -> Settings:
    """Return the settings, which must hold a key once they hold a service. Raise Refused."""
    if found.get("url") and not found.get("key"):
        raise Refused("no key is set: run `regcred login`, or set REGCRED_KEY_FILE")
    return found


def one_line(text: bytes) -> bytes:
    """Return the server that docker asks about: one line. Raise Refused."""
    if text[-1:] == b"\n":
        text = text[: -2 if text[-2:] == b"\r\n" else -1]
    return checked_server(text)


def checked_server(text: bytes) -> bytes:
    """Return a server key as it may be sent on. Raise Refused.

    Two lines are never joined: upstream's helpers read `good.example` and `.evil.example` below
    it as one host.
    """
    text = text.strip(b" ")
    if not text:
        raise Refused(NO_SERVER)
    if len(text) > MAX_SERVER or not all(_SPACE < byte < _DELETE for byte in text):
        raise Refused(f"the server URL must be one line of at most {MAX_SERVER} plain characters")
    return text


def answered(action: str, answer: Answer) -> bytes:
    """Return what to print for an answer. Raise Refused with the problem's text, Down."""
    status, kind, body = answer
    if status == NO_CONTENT:
        if action == "get":
            raise Refused(NOT_FOUND)
        return b""
    if status != OK:
        raise problem(action, answer)
    if action not in ("get", "list"):
        return b""
    text = body.strip()
    if kind == b"application/json" and (is_clean_object if action == "list" else is_login)(text):
        return text
    raise Refused("the answer is not regcred's: check the service's URL")


def problem(action: str, answer: Answer) -> Refused:
    """Return the refusal that an answer above 299 stands for."""
    status = answer[0]
    slug, detail = problem_of(answer)
    if not detail:
        if status >= SERVER_ERROR:
            return Down(f"regcred is not there: what answers at its URL says {status}. Try again")
        return Refused(f"what answers there is not regcred ({status}): check the service's URL")
    if slug == "credential-not-found":
        return Refused(NOT_FOUND)
    if status == UNAUTHORIZED:
        return Refused(
            f"regcred refused this key: {detail}. Get a valid one and run `regcred login`"
        )
    if status == FORBIDDEN:
        return Refused(f"regcred does not let this key {action}: {detail}")
    if slug == "project-not-found":
        return Refused("this key reaches no such project: check REGCRED_PROJECT or log in again")
    if status >= SERVER_ERROR:
        return Down(f"regcred cannot answer now: {detail}. Try again")
    return Refused(f"regcred refused to {action}: {detail}")


VERBS = {"get": get, "store": store, "erase": erase, "list": list_servers}


def main(arguments: list[str], env: "Environment", asked: Asked) -> tuple[int, bytes]:
    """Run one verb; return (exit code, bytes for stdout)."""
    verb = arguments[0] if len(arguments) == 1 else ""
    if verb in ("version", "--version", "-v"):
        return 0, f"{NAME} (regcred) {VERSION}".encode()
    if verb in ("--help", "-h"):
        return 0, USAGE.encode()
    if verb not in VERBS:
        return 1, USAGE.encode()
    try:
        return 0, run(verb, env, asked)
    except Refused as error:
        text = str(error)
    except Exception as error:  # noqa: BLE001  a traceback on stderr would help nobody
        text = f"{NAME} failed ({type(error).__name__}): please report this"
    return 1, text.encode(errors="replace")


def run(verb: str, env: "Environment", asked: Asked) -> bytes:
    """Return what a verb prints. Raise Refused."""
    found = settings(env)
    on_error = found.get("on_error", "fail")
    if on_error not in ("fail", "anonymous"):
        raise Refused("on_error must be fail or anonymous")
    try:
        return VERBS[verb](found, asked)
    except Down:
        if verb == "get" and on_error == "anonymous":
            raise Refused(NOT_FOUND) from None
        raise


def start(begun: bytes, heard: bytes, until: "float | None") -> "NoReturn":
    """Be the program, after what the agent's door has done."""
    try:
        said = main(sys.argv[1:], os.environ, Asked(0, begun, heard, until))
    except KeyboardInterrupt:
        said = 1, b""
    end(*said)
