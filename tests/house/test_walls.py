"""The second wall: each read and write says whose rows it is about, or was reviewed."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.house.source import SRC

NOUNS = SRC / "regcred" / "adapters" / "storage" / "sql"
REACHES = {"_all", "_one", "_write", "_write_rows"}

# (file, function): why it sees more than one project's rows.
REVIEWED = {
    # Whoever asks is not known before the answer.
    ("keys.py", "Keys.key_for_authentication"): "a key by its public id alone",
    ("resolve.py", "Resolving._rows"): "SQLite's; PostgreSQL has the reviewed function",
    ("workloads.py", "Workloads.read_for_pod"): "a token names its cluster and not its project",
    ("access.py", "Access._one"): "hands on what it is told",
    # Operators' lists, whose use cases ask for an operator's key.
    ("projects.py", "Projects.find_project"): "by number, which is how its id is found",
    ("projects.py", "Projects.list_projects"): "every project",
    # What is due by the clock, of whichever project: claims, which hand each its own place.
    ("checks.py", "Checks.claim_checks"): "claims",
    ("checks.py", "Checks.plan_checks"): "claims",
    ("checks.py", "Checks.checks_due"): "a count",
    ("checks.py", "Checks.claim_expiry_notices"): "claims",
    ("deliveries.py", "Deliveries.claim_deliveries"): "claims",
    ("logins.py", "Logins.claim_due_logins"): "claims",
    # The chain over every project's audit rows, and what was put back into the store.
    ("audit.py", "AuditLog.macs_after"): "the chain",
    ("audit.py", "AuditLog.last_number"): "the chain",
    ("set_back.py", "SetBack.acceptance"): "looks",
    ("set_back.py", "SetBack.edited_after"): "looks",
    ("set_back.py", "SetBack._pairs"): "looks",
    ("set_back.py", "SetBack._keys"): "looks",
    # No project's: the service's own keys, and which wrapping keys are in use.
    ("service_keys.py", "ServiceKeys.service_key"): "of no project",
    ("service_keys.py", "ServiceKeys.put_service_key"): "of no project",
    ("service_keys.py", "ServiceKeys.kids_in_use"): "every seed's",
    ("service_keys.py", "ServiceKeys.is_empty"): "whether anything is there",
    # Rotations go from project to project; each of their writes is one batch of any.
    ("seeds.py", "Seeds.wrapped_by"): "a count",
    ("seeds.py", "Seeds.unused_since"): "of no project",
    ("seeds.py", "Seeds.seeds"): "rotation",
    ("seeds.py", "Seeds.service_keys"): "of no project",
    ("leases.py", "LeaseRows.take_lease"): "of no project",
    ("leases.py", "LeaseRows.give_lease"): "of no project",
    ("seeds.py", "Seeds.swap_seeds"): "rotation",
    ("seeds.py", "Seeds.swap_service_key"): "of no project",
    ("seeds.py", "Seeds.note_unused"): "whether any project's seed hangs on a key",
    ("sealed_rows.py", "SealedRows.sealed_rows"): "opened or sealed anew, and shown to nobody",
    ("sealed_rows.py", "SealedRows.reseal"): "rotation",
    ("clusters.py", "Clusters.create_cluster"): "of no project",
    ("clusters.py", "Clusters.update_cluster"): "of no project",
    ("clusters.py", "Clusters.find_cluster"): "of no project",
    ("clusters.py", "Clusters.list_clusters"): "of no project",
    ("clusters.py", "Clusters.delete_cluster"): "in use by any project's workloads",
    ("wrong_keys.py", "WrongKeyCounts.count_wrong_key"): "of no project",
    # The chain is over the rows of every project; none of it leaves the process.
    ("checkpoints.py", "Checkpoints.checkpoints"): "of no project",
    ("checkpoints.py", "Checkpoints.put_checkpoint"): "of no project",
    ("checkpoints.py", "Checkpoints.forget_checkpoints"): "of no project",
    ("checkpoints.py", "Checkpoints.links_after"): "the audit's chain",
    ("checkpoints.py", "Checkpoints.deciding_macs_after"): "the audit's chain",
    ("checkpoints.py", "Checkpoints.begin_pruning"): "an operator's setting, for the whole audit",
    ("checkpoints.py", "Checkpoints.prune"): "an operator's setting, for the whole audit",
}


def unwalled(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (file, function) around each read or write that names no project."""

    def walk(node: ast.AST, inside: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            named = getattr(child, "name", "")
            if isinstance(child, ast.Call) and reaches(child) and not of_a_project(child):
                yield inside
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from walk(child, f"{inside}.{named}" if inside else named)
            else:
                yield from walk(child, inside)

    for function in walk(ast.parse(path.read_text()), ""):
        yield path.name, function


def reaches(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in REACHES


def of_a_project(call: ast.Call) -> bool:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "of"]
    return bool(given) and not any(
        (isinstance(value, ast.Name) and value.id in {"NO_PROJECT", "of"})
        or isinstance(value, ast.Constant)
        for value in given
    )


def test_whatever_sees_more_than_one_project_was_reviewed() -> None:
    found = Counter(site for path in NOUNS.glob("*.py") for site in unwalled(path))

    assert set(found) == set(REVIEWED)


def test_one_that_names_no_project_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(
        "class Planted:\n"
        "    async def one(self):\n        return await self._one('SELECT 1')\n"
        "    async def every(self):\n        return await self._all('SELECT 1', of=None)\n"
        "    async def own(self, project_id):\n"
        "        return await self._write(work, of=project_id)\n"
    )

    assert list(unwalled(planted)) == [
        ("planted.py", "Planted.one"),
        ("planted.py", "Planted.every"),
    ]
