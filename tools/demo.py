"""The proof, for a person to watch: real registries, wrong and right logins, real pulls.

    make demo        (or: python tools/demo.py [--keep])

Everything runs on loopback out of one temporary folder, which is removed at the end; every program
started here is stopped here. Ends non-zero if a step does not behave.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.tools.canary import Canary, Scanner
from tests.tools.programs import Finished, NotReady, ProgramMissing, find
from tests.tools.world import OTHER, Mode, World, running

_TITLES: dict[Mode, str] = {
    "htpasswd": "A registry with a password file",
    "token": "A registry with a token server on another port",
}


class Story:
    """Says what happens and keeps count of what did not happen as it should."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.steps = 0
        self.failures: list[str] = []

    def chapter(self, title: str) -> None:
        self._console.print()
        self._console.rule(f"[bold]{escape(title)}")

    def say(self, text: str) -> None:
        self._console.print(Padding(Text(text, "dim"), (0, 0, 0, 2)))

    def command(self, text: str) -> None:
        self._console.print(f"  [cyan]$ {escape(text)}", highlight=False, soft_wrap=True)

    def quote(self, text: str) -> None:
        """Show what a program said, a little further in."""
        self._console.print(Padding(Text(text.strip(), "italic"), (0, 0, 0, 4)))

    def expect(self, claim: str, behaves: bool, seen: str = "") -> None:
        """State a claim, and whether it held; `seen` is what was there instead."""
        self.steps += 1
        mark = "[bold green]✓" if behaves else "[bold red]✗"
        line = Text.from_markup(f"{mark}[/] {escape(claim)}")
        self._console.print(Padding(line, (0, 0, 0, 2)))
        if not behaves:
            self.failures.append(claim)
            self._console.print(escape(seen.strip()), style="red", highlight=False)

    def verdict(self, expected: str, verdict: dict[str, str], about: str) -> None:
        self.expect(
            f"{about}: the registry's verdict is {verdict['verdict']!r}",
            verdict["verdict"] == expected,
            f"expected {expected!r}: {json.dumps(verdict, indent=2)}",
        )
        self.quote(verdict["next_step"])

    def program(self, claim: str, done: Finished, *, fails: bool = False) -> None:
        self.expect(claim, (done.code != 0) is fails, f"exit code {done.code}\n{done.text}")


def judge(story: Story, world: World) -> None:
    """Let the registry say what it thinks of several logins."""
    story.say(f"The private image is {world.image()}.")
    login = {
        "registry_url": world.registry.address,
        "username": "puller",
        "image": world.image(),
    }
    if world.tokens is not None:
        before = len(world.tokens.with_authorization)
        unpinned = world.api.verify_login(**login, password=world.passwords["puller"])
        story.verdict("untrusted_realm", unpinned, "A realm on another port, not pinned")
        story.expect(
            "The token server was sent no password",
            len(world.tokens.with_authorization) == before,
        )
    world.add("demo", password="a wrong password")  # noqa: S106 - it is wrong on purpose
    story.verdict("rejected", world.api.verify("demo", world.image()), "A wrong password")
    world.api.set_password("demo", world.passwords["puller"])
    if world.tokens is not None:
        denied = world.api.verify("demo", world.image(OTHER))
        story.verdict("denied", denied, "The right login, a repository it may not read")
    missing = world.api.verify("demo", world.image(tag="v9"))
    story.verdict("missing", missing, "The right login, a tag that is not there")
    story.verdict("ok", world.api.verify("demo", world.image()), "The right login, the image")


def pull(story: Story, world: World) -> None:
    """Pull the image with whatever pulls here, through the helper."""
    machine, key_id = world.machine("laptop")
    image = world.image()
    story.say("A machine has the helper and a key of its own. It has no password.")
    story.command(f"skopeo inspect docker://{image}")
    story.program("skopeo reads the image", machine.skopeo_inspect(image))
    story.command(f"skopeo copy docker://{image} oci:pulled:v1")
    story.program("skopeo copies it", machine.skopeo_copy(image, machine.home / "pulled"))
    for name, command, call in (
        ("podman", f"podman pull {image}", machine.podman_pull),
        ("docker", f"docker manifest inspect --insecure {image}", machine.docker_manifest),
    ):
        if _installed(name):
            story.command(command)
            story.program(f"{name} gets it", call(image))
        else:
            story.say(f"{name} is not installed: skipped")

    story.say("Somebody changes the password at the registry.")
    world.passwords["old"] = world.passwords["puller"]
    world.passwords["puller"] = f"new-{world.passwords['guest']}"
    world.set_password("puller", world.passwords["puller"])
    story.program("The next pull fails", machine.skopeo_inspect(image), fails=True)
    world.api.set_password("demo", world.passwords["puller"])
    story.say("The new password is stored in regcred, once. The machine is not touched.")
    story.program("The next pull works", machine.skopeo_inspect(image))

    world.api.revoke(key_id)
    story.say("The machine's key is revoked.")
    after = machine.skopeo_inspect(image)
    story.program("The next pull fails", after, fails=True)
    story.expect("It says why", "unknown or was revoked" in after.text, after.text)
    story.quote(after.err)


def search(story: Story, world: World) -> None:
    """Look for the passwords in every file that all this left behind."""
    scanner = Scanner(Canary(name, secret, "puller") for name, secret in world.passwords.items())
    hits = scanner.scan_tree(world.mode, world.folder)
    story.expect(
        f"No password stands in any of {len(scanner.read)} files "
        f"({sum(scanner.read.values()) // 1024:,} KiB): raw, base64, URL, hex or JSON",
        not hits,
        "\n".join(map(str, hits)),
    )


CHAPTERS: tuple[Callable[[Story, World], None], ...] = (judge, pull, search)


def tell(story: Story, folder: Path) -> None:
    for mode, title in _TITLES.items():
        story.chapter(title)
        with running(folder / mode, mode) as world:
            for chapter in CHAPTERS:
                chapter(story, world)


@contextlib.contextmanager
def temporary_folder(keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="regcred-demo-"))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Watch regcred store, judge and hand out logins.")
    parser.add_argument("--keep", action="store_true", help="leave the files behind")
    # A stop from outside must end what was started here, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    keep: bool = parser.parse_args().keep
    console = Console()
    story = Story(console)
    with temporary_folder(keep) as folder:
        try:
            for name in ("docker-registry", "htpasswd", "skopeo"):
                find(name)
            tell(story, folder)
        except ProgramMissing as missing:
            console.print(f"{missing} is not installed; make test-programs gets it", style="red")
            return 2
        except NotReady as why:
            console.print(escape(str(why)), style="red")
            return 1
        except KeyboardInterrupt:
            return 130
        except Exception:  # noqa: BLE001 - whatever broke, the programs are down and it is told
            console.print(escape(traceback.format_exc()), style="red", highlight=False)
            return 1
        if keep:
            console.print(f"\nThe files are in {folder}")
    console.print()
    if story.failures:
        console.print(f"{len(story.failures)} of {story.steps} steps did not behave", style="red")
        return 1
    console.print(f"All {story.steps} steps behaved as they should.", style="bold green")
    return 0


def _installed(name: str) -> bool:
    try:
        find(name)
    except ProgramMissing:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
