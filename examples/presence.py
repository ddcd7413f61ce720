"""Who is in the room: several processes share live objects through Redis.

``python examples/presence.py`` starts a Redis server of its own and a process for each guest, watches the room for some
seconds and ends. ``--store`` takes the URL of a server that is there already (``redis://localhost``), or of any other
store that processes can share.

* A guest is there while its heart beats: ``Meta.ttl`` lets its document expire when its process is silent for too long.
  Nobody has to clean up after one that was killed.
* What is said is counted by an atomic increment in the store, so that no two processes overwrite each other's.
* Everybody follows the change log and refreshes the objects it holds in place, so that their observers fire: a topic
  that one process sets is an attribute that changes in all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from atom.api import Int, Str
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from atomodm import AtomodmError, NoSQLModel, Store, connect

#: Seconds of silence after which a guest is not there any more.
LIFETIME = 1.5
#: Seconds between two looks at the change log.
PAUSE = 0.05
#: Where a guest's process finds the store: in the command line everybody on the machine could read its password.
STORE = "PRESENCE_STORE"

NAMES = ("Ada", "Bo", "Chandra", "Dario", "Emeka", "Fumiko", "Grace", "Hedy", "Ines", "Juan")
TOPICS = ("tea", "the weather", "Bach", "cable cars", "mushrooms", "the sea", "sorting networks")
REMARKS = ("I could talk about {} for hours.", "Did somebody say {}?", "{}, of all things!", "My aunt is into {}.")

console = Console(highlight=False, width=min(Console().width, 100))


# -- the model ---------------------------------------------------------------------------------------------------------


class Room(NoSQLModel):
    """A room that guests are in."""

    class Meta:
        app_label = "presence"

    name = Str().tag(primary_key=True)
    topic = Str()
    said = Int()
    last = Str()


class Guest(NoSQLModel):
    """Somebody who is in a room, as long as it is saved again before its time is over."""

    class Meta:
        app_label = "presence"
        ttl = LIFETIME
        ordering = ("name",)

    name = Str().tag(primary_key=True)
    room = Str().tag(index=True)
    doing = Str()
    process = Int()
    remarks = Int()


# -- following ---------------------------------------------------------------------------------------------------------


async def follow(store: Store, *models: type[NoSQLModel]) -> None:
    """Refresh in place the objects of this process whose documents change, for ever."""
    by_collection = {model.objects.table.name: model for model in models}
    position = await store.position()
    while True:
        page = await store.changes(position)
        position = page.position
        changed: dict[type[NoSQLModel], set[Any]] = defaultdict(set)
        for entry in page.entries:
            model = by_collection.get(entry.collection)
            if model is not None and entry.id in model.objects.cache:
                changed[model].add(entry.id)
        for model, ids in changed.items():
            await model.objects.filter(_id__in=list(ids))  # one request; what it finds are the objects that we hold
        if not page.entries:
            await asyncio.sleep(PAUSE)


@contextlib.asynccontextmanager
async def following(store: Store, *models: type[NoSQLModel]) -> AsyncIterator[None]:
    """Follow the change log until the block ends; what goes wrong meanwhile is raised then."""
    task = asyncio.create_task(follow(store, *models))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


# -- a guest, in a process of its own ----------------------------------------------------------------------------------


async def visit(name: str, room_name: str, seconds: float, *, killed: bool) -> None:
    """Be in the room for some seconds; prints how many remarks the guest made."""
    async with connect(os.environ[STORE]) as store:
        room, _ = await Room.objects.get_or_create(name=room_name)
        guest = Guest(name=name, room=room_name, doing="just came in", process=os.getpid())
        await guest.save()
        room.observe("topic", lambda change: setattr(guest, "doing", f"thinking of {change['value']}"))
        ends = time.monotonic() + seconds
        async with following(store, Room):
            while time.monotonic() < ends:
                await speak(guest, room)
                await guest.save(replace=True)  # renews its time, also when that was over already
                await asyncio.sleep(random.uniform(0.1, 0.5))
        print(guest.remarks, flush=True)
        if killed:
            os.kill(os.getpid(), signal.SIGKILL)
        await room.update(last=f"{name}: Goodbye!")
        await guest.delete()


async def speak(guest: Guest, room: Room) -> None:
    """Say something, or begin to talk of something else."""
    if not room.topic or random.random() < 0.1:
        room.topic = random.choice([topic for topic in TOPICS if topic != room.topic])
        # Writes this member only. Where somebody else set a topic at the same moment, that one stays.
        await room.save(on_conflict="remote")
    remark = random.choice(REMARKS).format(room.topic)
    await room.update(said__inc=1, last=f"{guest.name}: {remark[0].upper()}{remark[1:]}")
    guest.remarks += 1
    guest.doing = f"talking of {room.topic}"


# -- the doorkeeper, who watches ---------------------------------------------------------------------------------------


class Door:
    """Shows who is there and what is said, as the observers of this process's objects see it.

    Parameters
    ----------
    room : Room
    say : callable
        Shows a line.
    """

    def __init__(self, room: Room, say: Callable[[str], None]) -> None:
        self.guests: dict[str, Guest] = {}
        self.seen: set[str] = set()
        self._room = room
        self._say = say
        self._began = time.monotonic()
        room.observe("topic", lambda change: self._tell(f"[cyan]── now it is about {escape(change['value'])} ──[/]"))
        room.observe("last", lambda change: self._tell(f"[dim]{escape(change['value'])}[/]"))

    async def look(self) -> None:
        """Ask who is there, by the index on rooms."""
        there = {guest.name: guest for guest in await Guest.objects.filter(room=self._room.name)}
        for name in sorted(there.keys() - self.guests.keys()):
            self._tell(f"[bold green]{escape(name)} comes in[/], process {there[name].process}")
        for name in sorted(self.guests.keys() - there.keys()):
            self._tell(f"[bold yellow]{escape(name)} is gone[/]")
        self.guests = there
        self.seen |= there.keys()

    def _tell(self, text: str) -> None:
        self._say(f"[dim]{time.monotonic() - self._began:5.2f} s[/]  {text}")

    def __rich__(self) -> Table:
        title = Text(f"{self._room.name}: {self._room.topic}, {self._room.said} remarks", style="bold")
        table = Table(title=title, title_justify="left", box=None, padding=(0, 2), header_style="dim")
        for column in ("guest", "process", "remarks", ""):
            table.add_column(column, justify="right" if column in ("process", "remarks") else "left")
        for guest in self.guests.values():
            table.add_row(guest.name, str(guest.process), str(guest.remarks), guest.doing, style="green")
        return table


async def watch(url: str, room_name: str, visits: Mapping[str, float]) -> int:
    """Let the guests in, each for its seconds and in a process of its own, and watch until nobody is there."""
    async with connect(url) as store, contextlib.AsyncExitStack() as stack:
        if not store.capabilities.shared:
            raise InputError(f"{store.url} cannot be shared by processes")
        room, _ = await Room.objects.get_or_create(name=room_name)
        before = room.said
        await Guest.objects.ready()
        await stack.enter_async_context(following(store, Room, Guest))
        live = stack.enter_context(Live(console=console, auto_refresh=False, transient=True))
        door = Door(room, live.console.print)
        unlucky = next(iter(visits))
        processes = [
            await stack.enter_async_context(guest_process(url, name, room_name, seconds, killed=name == unlucky))
            for name, seconds in visits.items()
        ]
        over = time.monotonic() + max(visits.values()) + 20
        while door.guests or any(process.returncode is None for process in processes):
            if time.monotonic() > over:
                raise InputError("the guests do not leave")
            await door.look()
            live.update(door, refresh=True)
            await asyncio.sleep(PAUSE)
        spoken = [int(output) for process in processes if (output := await read_all(process))]
        await room.refresh()
        live.stop()
    if len(spoken) < len(visits):
        raise InputError("not all guests could come in")
    console.print(
        f"\n[bold]{len(visits)}[/] processes made [bold]{sum(spoken)}[/] remarks, and the room counted "
        f"[bold]{room.said - before}[/].\n"
        f"{escape(unlucky)}'s process was killed: {LIFETIME:g} seconds later its document had expired.",
        soft_wrap=True,
    )
    return 0


@contextlib.asynccontextmanager
async def guest_process(
    url: str, name: str, room_name: str, seconds: float, *, killed: bool
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A guest's process, which does not outlive the block."""
    command = [sys.executable, __file__, "--visit", name, "--room", room_name, "--seconds", str(seconds)]
    process = await asyncio.create_subprocess_exec(
        *command, *(["--killed"] if killed else []), env={**os.environ, STORE: url}, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def read_all(process: asyncio.subprocess.Process) -> bytes:
    """What a process has printed."""
    return b"" if process.stdout is None else await process.stdout.read()


# -- the program -------------------------------------------------------------------------------------------------------


class InputError(Exception):
    """What the program was given cannot be used; the message says why."""


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", metavar="URL", help="default: a Redis server of its own, which goes in the end")
    parser.add_argument("--guests", type=int, default=5, metavar="N", help=f"2 to {len(NAMES)}, default: 5")
    parser.add_argument("--seconds", type=float, default=5, metavar="S", help="how long the last one stays, default: 5")
    parser.add_argument("--room", default="the kitchen", metavar="NAME", help="default: the kitchen")
    parser.add_argument("--visit", metavar="NAME", help=argparse.SUPPRESS)
    parser.add_argument("--killed", action="store_true", help=argparse.SUPPRESS)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; gives its exit code, 2 for input that cannot be used."""
    options = arguments().parse_args(argv)
    try:
        if options.visit:
            asyncio.run(visit(options.visit, options.room, options.seconds, killed=options.killed))
            return 0
        if not 2 <= options.guests <= len(NAMES):
            raise InputError(f"there can be 2 to {len(NAMES)} guests")
        # The first is killed halfway; the others leave one after the other.
        stays = [options.seconds * (0.5 + 0.5 * number / (options.guests - 1)) for number in range(options.guests)]
        visits = dict(zip(NAMES, stays, strict=False))
        with contextlib.ExitStack() as stack:
            url = options.store
            if url is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "redis"
                url = f"redis+local://{quote(str(folder))}?expire_interval=1"
            return asyncio.run(watch(url, options.room, visits))
    except (InputError, AtomodmError) as error:
        Console(stderr=True, highlight=False).print(f"[bold red]presence:[/] {escape(str(error))}", soft_wrap=True)
        return 2


if __name__ == "__main__":
    sys.exit(main())
