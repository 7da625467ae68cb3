"""The hot read: key, project, seed and every login for an image, in one indexed statement.

The one thing you would get wrong: trusting the matching index. It only finds; what counts is the
credential's own list of scopes, which its sealed secret is bound to, and the scope's own rule.
An index row edited to point a login at another registry is dropped here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from uuid import UUID

from regcred.adapters.storage.sql.access import Access
from regcred.adapters.storage.sql.rows import (
    KEY,
    KEY_WIDTH,
    Row,
    as_written,
    delivery,
    instant,
    instant_or_none,
    lookups,
    parse_scope,
    standing,
    stored_key,
)
from regcred.domain.errors import InvalidInput, RegcredError
from regcred.domain.ports import (
    Candidate,
    ProjectRef,
    ResolveQuestion,
    ResolveRead,
    WrappedSeed,
)
from regcred.domain.registry import RegistryAddress, path_prefixes

MAX_FOR_IMAGE = 64
MAX_FOR_HOST = 256

_MAX_ROWS = 1024
"""What one question looks at. Exact hosts come first, so a crowd of patterns hides none."""

CANDIDATE = (
    "c.id, c.name, c.created_at, c.expires_at, c.provider, c.registry_url, c.scopes, "
    "c.username, c.settings, c.verdict, c.verdict_at, c.dead_since, c.dead_last, "
    "x.secret_version, x.sealed, g.kid, g.generation, g.wrapped"
)
SECRETS = """LEFT JOIN credential_secrets x
            ON x.project_id = c.project_id AND x.credential_id = c.id AND x.state = 'current'
        LEFT JOIN project_seeds g
            ON g.project_id = x.project_id AND g.generation = x.seed_generation"""
"""Joins a login `c` with its present secret and the seed that it opens under."""

_SCOPE = KEY_WIDTH + 1
_HOSTS = 2
"""Of the places: the exact host, and where patterns stand that could match it."""

# A pattern stands among those of as many labels, so no * can match more than the one label.
_FOR_IT = "AND rtrim(? || '/' || s.path, '/') LIKE replace(s.scope, '*', '%')"
_NO_KEY = ", ".join(["NULL"] * KEY_WIDTH)

_HOME, _ID, _NUMBER = "p.id = k.project_id", "p.id = ?", "p.number = ?"

# Nothing of another's project is read: what was read and then refused would show in the time.
_REACHED = "(p.id = k.project_id OR k.operator = 1)"

# The order is the index's own, read backwards: no sorting, and the limit keeps the best.
_FOR_IMAGE = "s.lookup DESC, s.path DESC, s.number DESC"
_FOR_HOST = "s.lookup DESC, s.whole DESC, s.number DESC"

_NOTHING = ResolveRead(None, None, ())


class Resolving(Access):
    """The port's hot read."""

    async def read_for_resolve(
        self,
        key_id: str | None,
        project: ProjectRef | None,
        address: RegistryAddress,
        repository: str | None,
    ) -> ResolveRead:
        """Read everything that one resolve needs; see the port."""
        question = ResolveQuestion(key_id, project, address, repository)
        most = most_for(repository)
        rows = await self._rows(question)
        read = found(rows, address, repository)
        if len(rows) < most or len(read.candidates) == most:
            return read
        # Patterns for other hosts were among them: whoever has hundreds of those asks twice.
        return found(await self._rows(question, crowded=True), address, repository)

    async def _rows(self, question: ResolveQuestion, *, crowded: bool = False) -> list[Row]:
        """Return the best, of as many as can be used; crowded: of as many as are looked at."""
        key_id, project, address, repository = question
        which, ref = _project(project)
        places = places_of(address, repository)
        asked = (*places, places[0]) if crowded else places
        statement = _statement(which, len(places), key=key_id is not None, crowded=crowded)
        if key_id is not None:
            return await self._all(statement, (*ref, *asked, key_id))
        return await self._all(statement, (*asked, *ref)) if ref else []

    async def read_for_resolves(
        self, questions: Sequence[ResolveQuestion]
    ) -> Sequence[ResolveRead | RegcredError]:
        """Read for many, one after the other, and for those alike once; see the port."""
        read: dict[ResolveQuestion, ResolveRead | RegcredError] = {}
        for question in questions:
            if question not in read:
                try:
                    read[question] = await self.read_for_resolve(*question)
                except RegcredError as error:
                    read[question] = error
        return [read[question] for question in questions]


def found(rows: Sequence[Row], address: RegistryAddress, repository: str | None) -> ResolveRead:
    """Return what rows say: KEY's columns, the project's id, the scope, CANDIDATE's; best first."""
    if not rows:
        return _NOTHING
    first = rows[0]
    key = None if first[0] is None else stored_key(first[:KEY_WIDTH])
    project_id = first[KEY_WIDTH]
    if first[_SCOPE] is None:
        return ResolveRead(key, project_id, ())
    return ResolveRead(
        key, project_id, logins_of([row[_SCOPE:] for row in rows], address, repository)
    )


def logins_of(
    rows: Iterable[Row], address: RegistryAddress, repository: str | None
) -> Sequence[Candidate]:
    """Return what rows of (scope, *CANDIDATE) say, in their order."""
    # Of a pattern for other hosts nothing but the scope was read: it is not worth the question.
    logins = (
        candidate(row)
        for row in rows
        if row[-1] is not None and _covers(row[0], address, repository)
    )
    usable = (login for login in logins if login is not None)
    return list(islice(usable, most_for(repository)))


def most_for(repository: str | None) -> int:
    """Return how many logins answer at most a question about an image, or a host alone."""
    return MAX_FOR_HOST if repository is None else MAX_FOR_IMAGE


def _project(ref: ProjectRef | None) -> tuple[str, tuple[object, ...]]:
    if ref is None:
        return _HOME, ()
    if isinstance(ref, UUID):
        return _ID, (str(ref),)
    # A number beyond 64 bits is a number that no project has.
    return _NUMBER, (ref if -(2**63) <= ref < 2**63 else 0,)


@lru_cache(maxsize=2048)
def places_of(address: RegistryAddress, repository: str | None) -> tuple[str, ...]:
    """Return what the matching index is asked for: two lookups, then every path prefix."""
    prefixes = () if repository is None else path_prefixes(repository)
    return (*lookups(address), *prefixes)


@lru_cache(maxsize=1024)
def _statement(project: str, places: int, *, key: bool, crowded: bool = False) -> str:
    """Build the statement for so many places; texts are made once and prepared once.

    Who asks without a key always names the project. `crowded` looks at many, and takes the exact
    host once more after the places: the secrets of patterns that are for others are not read.
    """
    logins, order = _joined(places, _FOR_IT if crowded else "")
    most = MAX_FOR_HOST if places == _HOSTS else MAX_FOR_IMAGE
    if key:
        reached = project if project == _HOME else f"{project} AND {_REACHED}"
        columns, which = KEY, "k.id = ?"
        found = f"api_keys k LEFT JOIN projects p ON {reached}"
    else:
        columns, found, which = _NO_KEY, "projects p", project
    return f"""
        SELECT {columns}, p.id, s.scope, {CANDIDATE}
        FROM {found}
        {logins}
        WHERE {which}
        ORDER BY {order}
        LIMIT {_MAX_ROWS if crowded else most}
    """  # noqa: S608  constants and question marks alone


def _joined(places: int, only: str) -> tuple[str, str]:
    """Return the joins that find a project's logins, and the order of what they find."""
    prefixes = places - _HOSTS
    paths = f"AND s.path IN ({', '.join('?' * prefixes)})" if prefixes else ""
    logins = f"""
        LEFT JOIN credential_scopes s ON s.project_id = p.id AND s.lookup IN (?, ?) {paths}
        LEFT JOIN credentials c ON c.project_id = s.project_id AND c.number = s.number {only}
        {SECRETS}
    """
    return logins, _FOR_IMAGE if prefixes else _FOR_HOST


@lru_cache(maxsize=1024)
@as_written("a credential")
def candidate(row: Row) -> Candidate | None:
    """Return the login of (scope, *CANDIDATE), or None for a row that does not belong here.

    A pure function of what was just read: the same row makes the same login, sealed as it is.
    """
    (
        matched, id_, name, created_at, expires_at, provider, registry_url, scopes, username,
        settings, verdict, verdict_at, dead_since, dead_last, secret_version, sealed, kid,
        generation, wrapped,
    ) = row  # fmt: skip
    if wrapped is None:
        return None
    bound = delivery(provider, registry_url, scopes, username, settings)
    # A login without a registry has no scope, which only those who name it ask about.
    if matched not in (bound.scopes or ("",)):
        return None
    return Candidate(
        id_,
        name,
        instant(created_at),
        instant_or_none(expires_at),
        matched,
        bound,
        standing(verdict, verdict_at, dead_since, dead_last),
        secret_version,
        WrappedSeed(kid, generation, wrapped),
        sealed,
    )


@lru_cache(maxsize=16384)
def _covers(matched: str, address: RegistryAddress, repository: str | None) -> bool:
    try:
        scope = parse_scope(matched)
    except InvalidInput:
        return False  # only an edited row holds what is no scope
    if repository is None:
        return scope.covers_registry(address)
    return scope.covers(address, repository)
