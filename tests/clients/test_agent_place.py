"""Where an agent listens: one agent a user, and nobody else's way in."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from regcred.clients.agent_place import CannotListen, listening, socket_path
from tests.clients.agents import runtime_folder


@pytest.fixture
def place() -> Iterator[Path]:
    with runtime_folder() as runtime:
        yield socket_path({"XDG_RUNTIME_DIR": str(runtime)})


def test_the_socket_is_its_user_s_alone(place: Path) -> None:
    with listening(place):
        assert place.parent.stat().st_mode & 0o777 == 0o700
        assert place.stat().st_mode & 0o777 == 0o600
    assert not place.exists()


def test_a_second_agent_is_refused(place: Path) -> None:
    with listening(place), pytest.raises(CannotListen, match="another agent"), listening(place):
        pass
    with listening(place):
        assert place.is_socket()


def test_what_an_agent_left_behind_is_replaced(place: Path) -> None:
    place.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(place))

    with listening(place), socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(place))


def test_a_socket_that_was_deleted_meanwhile_is_no_trouble(place: Path) -> None:
    with listening(place):
        place.unlink()


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777])
def test_a_folder_that_others_may_enter_is_refused(place: Path, mode: int) -> None:
    place.parent.mkdir()
    place.parent.chmod(mode)

    with pytest.raises(CannotListen, match="chmod 700"), listening(place):
        pass
    assert not place.exists()


def test_a_folder_that_is_no_folder_of_the_user_s_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = place.parent.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    place.parent.symlink_to(elsewhere)

    with pytest.raises(CannotListen, match="own folder"), listening(place):
        pass
    place.parent.unlink()
    place.parent.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with pytest.raises(CannotListen, match="own folder"), listening(place):
        pass


def test_a_place_that_cannot_be_used_is_said_so(place: Path) -> None:
    long = place.with_name("s" * 200)
    long_socket = place.parent / ("d" * 100) / "agent.sock"

    with pytest.raises(CannotListen, match="cannot be listened at"), listening(long_socket):
        pass
    with pytest.raises(CannotListen, match="too long"), listening(long):
        pass


@pytest.mark.parametrize("folder", ["", "relative"])
def test_without_a_folder_of_the_user_s_there_is_no_place(folder: str) -> None:
    with pytest.raises(CannotListen, match="XDG_RUNTIME_DIR"):
        socket_path({"XDG_RUNTIME_DIR": folder})
