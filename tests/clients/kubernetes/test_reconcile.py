"""What a pass writes, what it leaves alone, and what it takes away."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from regcred.clients.kubernetes.reconcile import Stopped
from regcred.clients.kubernetes.refusals import ClusterUnreachable
from regcred.clients.kubernetes.wanted import ACCOUNTS, KEY, LABEL, MAX_ACCOUNTS
from tests.clients.kubernetes.conftest import SYNC, Bench, logins, told
from tests.tools.kube_api import Key, nothing
from tests.tools.kube_rules import Act, Refusal


def busy(code: int, reason: str, **where: str) -> Any:
    """Return a trip that refuses the acts with these parts."""

    def trip(act: Act) -> None:
        if all(getattr(act, name) == value for name, value in where.items()):
            raise Refusal(code, reason, "the cluster's own words")

    return trip


# Writing


def test_the_selected_namespaces_get_the_secret_and_no_other_does(bench: Bench) -> None:
    assert bench.run() == {"team-a": "written", "team-b": "written"}

    made = bench.kube.secret("team-a")
    assert made is not None
    assert made["type"] == "kubernetes.io/dockerconfigjson"
    assert made["data"] == {KEY: logins().data}
    assert made["metadata"]["labels"] == {LABEL: "regcred"}
    assert made["metadata"]["annotations"] == {
        "regcred.dev/project": "0199-project",
        "regcred.dev/sync": "pulls",
        "regcred.dev/service-accounts": "default",
    }
    assert [entry["manager"] for entry in made["metadata"]["managedFields"]] == ["regcred"]
    assert bench.kube.secret("elsewhere") is None
    assert bench.kube.pull_secrets("team-a") == ["regcred"]
    assert bench.kube.pull_secrets("elsewhere") == []


def test_named_namespaces_are_not_looked_for(bench: Bench) -> None:
    bench.set(selector="", namespaces=("elsewhere", "team-b", "elsewhere"), accounts=())

    assert bench.run() == {"elsewhere": "written", "team-b": "written"}
    assert {act.resource for act in bench.kube.acts("list")} == {"secrets"}
    assert bench.kube.acts("get", "list", "patch") == bench.kube.acts(
        "get", "list", "patch", "create", "update", "delete"
    )


def test_what_stands_already_is_not_written_again(bench: Bench) -> None:
    bench.set(accounts=())
    bench.run()
    before = len(bench.kube.asked)

    assert bench.run() == {"team-a": "unchanged", "team-b": "unchanged"}
    # However many namespaces there are, it costs two lists.
    assert [(a.act.verb, a.act.resource) for a in bench.kube.asked[before:]] == [
        ("list", "namespaces"),
        ("list", "secrets"),
    ]


def test_new_logins_are_written_in_place(bench: Bench) -> None:
    bench.run()
    was = bench.kube.secret("team-a")
    assert was is not None

    assert bench.run(logins("n3w"))["team-a"] == "written"

    now = bench.kube.secret("team-a")
    assert now is not None
    assert now["metadata"]["uid"] == was["metadata"]["uid"]
    assert now["data"] == {KEY: logins("n3w").data}
    assert bench.kube.acts("delete", "create") == []


@pytest.mark.parametrize(
    "change",
    [
        {"data": {KEY: base64.b64encode(b"{}").decode()}},
        {"metadata": {"annotations": {"regcred.dev/service-accounts": "default,other"}}},
    ],
)
def test_what_somebody_changed_is_taken_back(bench: Bench, change: Any) -> None:
    bench.run()
    bench.kube.edit("secrets", "team-a", "regcred", **change)

    assert bench.run() == {"team-a": "written", "team-b": "unchanged"}
    assert bench.run() == {"team-a": "unchanged", "team-b": "unchanged"}
    made = bench.kube.secret("team-a")
    assert made is not None
    assert made["data"] == {KEY: logins().data}


def test_what_somebody_added_stays(bench: Bench) -> None:
    bench.run()
    bench.kube.edit("secrets", "team-a", "regcred", metadata={"labels": {"team": "a"}})

    assert bench.run()["team-a"] == "unchanged"
    assert bench.run(logins("n3w"))["team-a"] == "written"
    made = bench.kube.secret("team-a")
    assert made is not None
    assert made["metadata"]["labels"] == {LABEL: "regcred", "team": "a"}


def test_a_deleted_secret_comes_back(bench: Bench) -> None:
    bench.run()
    del bench.kube.things[Key("secrets", "team-a", "regcred")]
    del bench.kube.owned[Key("secrets", "team-a", "regcred")]

    assert bench.run()["team-a"] == "written"


def test_lists_of_many_pages_are_read_to_their_end(bench: Bench) -> None:
    bench.kube.page = 2
    for number in range(5):
        bench.kube.add_namespace(f"more-{number}", pull="true")

    assert len(bench.run()) == 7
    bench.set(selector="pull=never")
    assert set(bench.run().values()) == {"removed"}


def test_without_logins_nothing_is_written_and_what_is_there_stays(bench: Bench) -> None:
    bench.run()
    bench.kube.add_namespace("team-c", pull="true")
    before = len(bench.writes())

    assert bench.reconciler.reconcile(None) == []
    assert len(bench.writes()) == before


# What is not its own


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"labels": {LABEL: "helm"}},
        {"labels": {LABEL: "regcred"}},
        {
            "labels": {LABEL: "regcred"},
            "annotations": {"regcred.dev/project": "another", "regcred.dev/sync": "pulls"},
        },
        {
            "labels": {LABEL: "regcred"},
            "annotations": {"regcred.dev/project": SYNC.project, "regcred.dev/sync": "another"},
        },
        {
            "annotations": {"regcred.dev/project": SYNC.project, "regcred.dev/sync": "pulls"},
        },
    ],
)
def test_nothing_is_adopted_and_the_others_go_on(bench: Bench, metadata: Any) -> None:
    theirs = {
        "metadata": {"name": "regcred", **metadata},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {KEY: logins().data},
    }
    before = dict(bench.kube.put("secrets", "team-a", theirs))

    outcomes = bench.run()

    assert outcomes["team-a"].startswith("failed: the Secret regcred is not this sync's own")
    assert outcomes["team-b"] == "written"
    assert bench.kube.secret("team-a") == before
    assert bench.kube.pull_secrets("team-a") == []
    assert told(bench.reconciler.remove()) == {"team-b": "removed"}
    assert bench.kube.secret("team-a") == before


def test_what_somebody_made_in_between_stays_theirs(bench: Bench) -> None:
    theirs = {"metadata": {"name": "regcred"}, "type": "Opaque", "data": {"key": "dGhlaXJz"}}

    def faster(act: Act) -> None:
        if act.verb == "patch" and act.namespace == "team-a" and not bench.kube.secret("team-a"):
            bench.kube.put("secrets", "team-a", theirs)

    bench.kube.trip = faster

    outcomes = bench.run()

    assert "is not this sync's own" in outcomes["team-a"]
    made = bench.kube.secret("team-a")
    assert made is not None
    assert (made["type"], made["data"]) == ("Opaque", {"key": "dGhlaXJz"})


def test_a_change_in_between_is_looked_at_again(bench: Bench) -> None:
    bench.run()
    faster = iter([True])

    def trip(act: Act) -> None:
        if act == Act("patch", "", "secrets", "team-a", "regcred") and next(faster, False):
            bench.kube.edit("secrets", "team-a", "regcred", metadata={"labels": {"team": "a"}})

    bench.kube.trip = trip

    assert bench.run(logins("n3w"))["team-a"] == "written"


def test_what_was_replaced_in_between_is_not_written_over(bench: Bench) -> None:
    bench.run()
    theirs = {"metadata": {"name": "regcred"}, "type": "Opaque", "data": {"key": "dGhlaXJz"}}

    def faster(act: Act) -> None:
        if act.verb == "patch" and act.resource == "secrets" and act.namespace == "team-a":
            bench.kube.put("secrets", "team-a", theirs)

    bench.kube.trip = faster

    assert "is not this sync's own" in bench.run(logins("n3w"))["team-a"]
    made = bench.kube.secret("team-a")
    assert made is not None
    assert made["data"] == {"key": "dGhlaXJz"}


def test_who_is_never_fast_enough_says_so(bench: Bench) -> None:
    bench.kube.trip = busy(409, "Conflict", verb="patch", namespace="team-a")

    assert bench.run() == {
        "team-a": "failed: could not patch secrets in team-a: 409 Conflict",
        "team-b": "written",
    }


def test_a_type_that_cannot_be_changed_is_refused_with_what_to_do(bench: Bench) -> None:
    bench.run()
    bench.kube.edit("secrets", "team-a", "regcred", type="Opaque")

    told_a = bench.run()["team-a"]

    assert "has the type Opaque, which cannot be changed: delete it" in told_a
    assert len(bench.kube.acts("delete")) == 0


def test_an_immutable_secret_is_left_and_said_so(bench: Bench) -> None:
    bench.run()
    bench.kube.edit("secrets", "team-a", "regcred", immutable=True)

    assert bench.run() == {"team-a": "unchanged", "team-b": "unchanged"}
    assert "was made immutable and holds other logins" in bench.run(logins("n3w"))["team-a"]


# Service accounts


def test_entries_of_others_stay_in_their_order(bench: Bench) -> None:
    listed = [{"name": "theirs"}, {"name": "more"}]
    bench.kube.edit("serviceaccounts", "team-a", "default", imagePullSecrets=listed)

    bench.run()
    assert bench.kube.pull_secrets("team-a") == ["theirs", "more", "regcred"]

    bench.reconciler.remove()
    assert bench.kube.pull_secrets("team-a") == ["theirs", "more"]
    assert bench.kube.pull_secrets("team-b") == []


def test_an_entry_that_somebody_made_before_is_theirs(bench: Bench) -> None:
    listed = [{"name": "regcred"}]
    bench.kube.edit("serviceaccounts", "team-a", "default", imagePullSecrets=listed)

    bench.run()
    made = bench.kube.secret("team-a")
    assert made is not None
    assert "regcred.dev/service-accounts" not in made["metadata"]["annotations"]
    bench.reconciler.remove()

    assert bench.kube.pull_secrets("team-a") == ["regcred"]


def test_an_entry_added_in_between_is_not_lost(bench: Bench) -> None:
    faster = iter([True])

    def trip(act: Act) -> None:
        if act.verb == "patch" and act.resource == "serviceaccounts" and next(faster, False):
            listed = [{"name": "theirs"}]
            bench.kube.edit("serviceaccounts", act.namespace, "default", imagePullSecrets=listed)

    bench.kube.trip = trip

    assert bench.run()["team-a"] == "written"
    assert bench.kube.pull_secrets("team-a") == ["theirs", "regcred"]


def test_an_account_that_is_no_longer_named_loses_the_entry(bench: Bench) -> None:
    bench.kube.put("serviceaccounts", "team-a", {"metadata": {"name": "builder"}})
    bench.set(selector="", namespaces=("team-a",), accounts=("builder", "default"))
    bench.run()

    bench.set(accounts=("builder",))

    assert bench.run() == {"team-a": "written"}
    assert bench.kube.pull_secrets("team-a") == []
    assert bench.kube.pull_secrets("team-a", "builder") == ["regcred"]
    bench.run()
    assert bench.run() == {"team-a": "unchanged"}
    made = bench.kube.secret("team-a")
    assert made is not None
    assert made["metadata"]["annotations"]["regcred.dev/service-accounts"] == "builder"


def test_an_account_that_is_not_there_is_named_and_the_secret_written(bench: Bench) -> None:
    bench.set(accounts=("default", "missing"))

    assert bench.run()["team-a"] == "failed: there is no service account missing"
    assert bench.kube.secret("team-a") is not None
    assert bench.kube.pull_secrets("team-a") == ["regcred"]


def test_a_stop_after_the_secret_loses_no_entry(bench: Bench) -> None:
    bench.kube.trip = busy(500, "InternalError", verb="patch", resource="serviceaccounts")
    assert bench.run()["team-a"].startswith("failed: could not patch serviceaccounts in team-a")
    bench.kube.trip = nothing

    bench.run()
    bench.reconciler.remove()

    assert bench.kube.pull_secrets("team-a") == []


# Taking away


def test_a_namespace_that_matches_no_longer_loses_what_it_got(bench: Bench) -> None:
    bench.run()
    bench.kube.edit("namespaces", "", "team-a", metadata={"labels": {"pull": "false"}})

    assert bench.run() == {"team-b": "unchanged", "team-a": "removed"}
    assert bench.kube.secret("team-a") is None
    assert bench.kube.pull_secrets("team-a") == []
    assert bench.kube.pull_secrets("team-b") == ["regcred"]


def test_the_entry_goes_before_the_secret(bench: Bench) -> None:
    bench.run()
    before = len(bench.writes())

    assert told(bench.reconciler.remove()) == {"team-a": "removed", "team-b": "removed"}

    assert bench.writes()[before:] == [
        ("patch", "serviceaccounts", "team-a"),
        ("delete", "secrets", "team-a"),
        ("patch", "serviceaccounts", "team-b"),
        ("delete", "secrets", "team-b"),
    ]


def test_an_account_that_went_does_not_hold_up_the_removal(bench: Bench) -> None:
    bench.run()
    del bench.kube.things[Key("serviceaccounts", "team-a", "default")]

    assert told(bench.reconciler.remove())["team-a"] == "removed"


def test_a_secret_that_went_by_itself_counts_as_removed(bench: Bench) -> None:
    bench.run()

    def trip(act: Act) -> None:
        if act.verb == "delete" and act.namespace == "team-a":
            raise Refusal(404, "NotFound", "gone")

    bench.kube.trip = trip

    assert told(bench.reconciler.remove())["team-a"] == "removed"


def test_what_was_replaced_since_the_pass_began_is_not_deleted(bench: Bench) -> None:
    bench.set(accounts=())
    bench.run()
    theirs = {"metadata": {"name": "regcred"}, "type": "Opaque", "data": {"key": "dGhlaXJz"}}
    at = {"get": "team-a", "delete": "team-b"}

    def faster(act: Act) -> None:
        if at.get(act.verb) == act.namespace:
            key = Key("secrets", act.namespace, "regcred")
            del at[act.verb], bench.kube.things[key], bench.kube.owned[key]
            bench.kube.put("secrets", act.namespace, dict(theirs, metadata={"name": "regcred"}))

    bench.kube.trip = faster

    assert told(bench.reconciler.remove()) == {
        "team-a": "skipped: somebody replaced it meanwhile",
        "team-b": "skipped: somebody replaced it meanwhile",
    }
    for namespace in ("team-a", "team-b"):
        there = bench.kube.secret(namespace)
        assert there is not None
        assert there["data"] == theirs["data"]


def test_what_was_changed_since_it_was_read_is_read_again(bench: Bench) -> None:
    bench.run()
    faster = iter([True])

    def trip(act: Act) -> None:
        if act.verb == "delete" and next(faster, False):
            bench.kube.edit("secrets", act.namespace, "regcred", metadata={"labels": {"a": "b"}})

    bench.kube.trip = trip

    assert told(bench.reconciler.remove()) == {"team-a": "removed", "team-b": "removed"}


@pytest.mark.parametrize("wish", [("nope",), ("nope", "team-b")])
def test_a_misspelt_name_takes_nothing_away(bench: Bench, wish: tuple[str, ...]) -> None:
    bench.set(selector="", namespaces=("team-a",))
    bench.run()
    bench.set(namespaces=wish)

    outcomes = bench.run()

    assert outcomes["nope"] == "failed: there is no namespace nope"
    assert outcomes["team-a"].startswith("skipped: it is not named, and stays until")
    assert bench.kube.secret("team-a") is not None
    assert bench.kube.pull_secrets("team-a") == ["regcred"]


def test_names_that_nothing_was_written_to_take_nothing_away(bench: Bench) -> None:
    bench.set(selector="", namespaces=("team-a",))
    bench.run()
    bench.set(namespaces=("nope",))

    assert told(bench.reconciler.reconcile(None))["team-a"].startswith("skipped")
    assert bench.kube.secret("team-a") is not None


def test_a_name_less_is_removed_when_every_other_is_as_it_should_be(bench: Bench) -> None:
    bench.set(selector="", namespaces=("team-a", "team-b"))
    bench.run()
    bench.set(namespaces=("team-b",))

    assert bench.run() == {"team-b": "unchanged", "team-a": "removed"}


def test_who_breaks_one_selected_namespace_keeps_no_login_in_another(bench: Bench) -> None:
    bench.run()
    bench.kube.edit("secrets", "team-b", "regcred", metadata={"labels": {LABEL: "theirs"}})
    bench.kube.edit("namespaces", "", "team-a", metadata={"labels": {"pull": "false"}})

    outcomes = bench.run()

    assert outcomes["team-a"] == "removed"
    assert outcomes["team-b"].startswith("failed")


def test_another_sync_of_the_project_is_not_taken_away(bench: Bench) -> None:
    bench.run()
    bench.set(name="another", selector="none=here")

    assert bench.run() == {}
    assert bench.kube.secret("team-a") is not None


# What goes wrong


def test_terminating_namespaces_are_skipped(bench: Bench) -> None:
    bench.run()
    for name in ("team-a", "elsewhere"):
        bench.kube.edit("namespaces", "", name, status={"phase": "Terminating"})
    before = len(bench.writes())

    assert bench.run(logins()) == {
        "team-a": "skipped: it is terminating",
        "team-b": "unchanged",
    }
    bench.set(selector="", namespaces=("elsewhere", "team-b"), accounts=())
    assert bench.run()["elsewhere"] == "skipped: it is terminating"
    assert ("patch", "secrets", "elsewhere") in bench.writes()[before:]


def test_a_namespace_that_is_not_there_stops_no_other(bench: Bench) -> None:
    bench.set(selector="", namespaces=("none", "team-b"), accounts=())

    assert bench.run() == {
        "none": "failed: there is no namespace none",
        "team-b": "written",
    }


@pytest.mark.parametrize("verb", ["get", "patch"])
def test_a_right_that_is_missing_in_one_namespace_stops_no_other(bench: Bench, verb: str) -> None:
    bench.set(accounts=())
    bench.kube.trip = busy(403, "Forbidden", verb=verb, namespace="team-a")

    outcomes = bench.run()

    assert outcomes["team-b"] == "written"
    # A write's refusal may quote what was written: it is not repeated.
    assert outcomes["team-a"] == (
        "failed: this client may not patch secrets in team-a"
        if verb == "patch"
        else "failed: could not get secrets in team-a: the cluster's own words"
    )


def test_without_the_list_of_namespaces_nothing_is_touched(bench: Bench) -> None:
    bench.run()
    before = len(bench.writes())
    bench.kube.trip = busy(403, "Forbidden", verb="list", resource="namespaces")

    assert list(bench.run()) == [""]
    assert len(bench.writes()) == before


def test_a_selector_that_is_none_touches_nothing(bench: Bench) -> None:
    bench.run()
    bench.set(selector="pull in true")

    assert bench.run() == {
        "": "failed: could not list namespaces: unable to parse requirement: 'pull in true'"
    }


def test_what_cannot_be_looked_for_is_not_removed_and_said_so(bench: Bench) -> None:
    bench.kube.trip = busy(403, "Forbidden", verb="list", resource="secrets")

    outcomes = bench.run()

    assert outcomes["team-a"] == "written"
    assert outcomes[""].startswith("failed: what no longer matches was not looked for")


@pytest.mark.parametrize(("code", "reason"), [(401, "Unauthorized"), (429, "TooManyRequests")])
def test_an_api_server_that_answers_nobody_ends_the_pass(
    bench: Bench, code: int, reason: str
) -> None:
    bench.kube.trip = busy(code, reason, namespace="team-a")

    with pytest.raises(ClusterUnreachable, match=reason):
        bench.run()


def test_nothing_is_written_after_the_word_to_stop(bench: Bench) -> None:
    bench.run()
    before = len(bench.writes())
    bench.going = False

    for act in (lambda: bench.run(logins("n3w")), bench.reconciler.remove):
        with pytest.raises(Stopped):
            act()

    assert len(bench.writes()) == before


# What somebody else may write


def note(bench: Bench, namespace: str, accounts: str) -> None:
    """Write what the Secret says about service accounts, as whoever may edit it can."""
    annotations = {ACCOUNTS: accounts}
    bench.kube.edit("secrets", namespace, "regcred", metadata={"annotations": annotations})


ELSEWHERE = "../../team-b/serviceaccounts/default"


@pytest.mark.parametrize("listed", [f"default,{ELSEWHERE}", ELSEWHERE])
def test_a_name_that_is_a_path_leads_into_no_other_namespace(bench: Bench, listed: str) -> None:
    bench.run()
    note(bench, "team-a", listed)
    before = len(bench.writes())

    outcomes = bench.run()

    assert "named what is no service account" in outcomes["team-a"]
    assert outcomes["team-b"] == "unchanged"
    assert bench.kube.pull_secrets("team-b") == ["regcred"]
    assert {namespace for _, _, namespace in bench.writes()[before:]} <= {"team-a"}
    assert bench.run()["team-b"] == "unchanged"


def test_taking_a_secret_away_leads_into_no_other_namespace(bench: Bench) -> None:
    bench.run()
    note(bench, "team-a", ELSEWHERE)
    bench.kube.edit("namespaces", "", "team-a", metadata={"labels": {"pull": "false"}})

    outcomes = bench.run()

    assert "named what is no service account" in outcomes["team-a"]
    assert bench.kube.secret("team-a") is None
    assert bench.kube.pull_secrets("team-b") == ["regcred"]


def test_a_list_that_no_sync_makes_costs_no_requests(bench: Bench) -> None:
    bench.run()
    note(bench, "team-a", ",".join(f"a{number}" for number in range(MAX_ACCOUNTS + 1)))
    before = len(bench.kube.asked)

    outcomes = bench.run()

    assert "not this sync's own" in outcomes["team-a"]
    assert len(bench.kube.asked) - before < 10


@pytest.mark.parametrize("resource", ["secrets", "serviceaccounts"])
def test_an_answer_about_another_thing_is_not_acted_on(bench: Bench, resource: str) -> None:
    bench.set(selector="", namespaces=("team-a",))
    bench.kube.put("secrets", "team-a", {"metadata": {"name": "regcred"}})
    if resource == "serviceaccounts":
        bench.kube.things.pop(Key("secrets", "team-a", "regcred"))
    name = "regcred" if resource == "secrets" else "default"
    bench.kube.things[Key(resource, "team-a", name)]["metadata"]["namespace"] = "team-b"

    outcomes = bench.run()

    assert f"could not get {resource} in team-a: the answer is not about" in outcomes["team-a"]
    assert bench.writes() == []


@pytest.mark.parametrize("name", ["..", "team-a/secrets/regcred", "a?b", "A", "", "a" * 254])
def test_what_is_no_name_is_asked_for_nowhere(bench: Bench, name: str) -> None:
    bench.set(selector="", namespaces=(name,))
    before = len(bench.kube.asked)

    outcomes = bench.run()

    assert "is no name in Kubernetes" in outcomes[name]
    assert {one.act.verb for one in bench.kube.asked[before:]} == {"list"}
