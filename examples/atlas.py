"""An atlas: 250 countries and their land borders, kept as one graph of live objects.

``python examples/atlas.py`` imports the countries into a store in one batch, opens the store again in a new process,
restores every country that can be reached over land from one of them, asks a few questions, changes one member and
shows the write that results. ``--store`` takes any store's URL, ``--start`` a country's code or name.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from atom.api import Bool, Dict, Float, ForwardInstance, Instance, List, Str
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from atomodm import AtomodmError, Explanation, JSONModel, NoSQLModel, Query, Store, connect, save_all

DATA = Path(__file__).parent / "data" / "countries.json"
console = Console(highlight=False, width=min(Console().width, 100))


class InputError(Exception):
    """What the program was given cannot be used; the message says why."""


# -- the model ---------------------------------------------------------------------------------------------------------


class Currency(JSONModel):
    """Money; stored inside its country."""

    class Meta:
        app_label = "atlas"

    code = Str()
    name = Str()
    symbol = Str()


class Country(NoSQLModel):
    """A country or territory; its borders are references to other countries."""

    class Meta:
        app_label = "atlas"  # "atlas.Country" in documents, whatever file this class is in
        ordering = ("name",)

    cca3 = Str().tag(primary_key=True)
    cca2 = Str()
    name = Str().tag(index=True)
    official_name = Str()
    native_names = Dict(Str(), Str())
    capital = List(Str())
    region = Str().tag(index=True)
    subregion = Str()
    languages = List(Str()).tag(index=True)
    currencies = List(Currency)
    tld = List(Str())
    latlng = List(Float())
    area = Float().tag(index=True)
    landlocked = Bool()
    independent = Instance(bool)  # None where it is disputed
    un_member = Bool()
    borders = List(ForwardInstance(lambda: Country, optional=False)).tag(index=True)
    flag = Str()


# -- importing ---------------------------------------------------------------------------------------------------------


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read and check the countries in a JSON file."""
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    if not isinstance(records, list) or not all(
        isinstance(r, dict) and isinstance(r.get("cca3"), str) for r in records
    ):
        raise InputError(f"{path} is no list of countries: each must be an object with a cca3 code")
    codes = {record["cca3"] for record in records}
    if len(codes) < len(records):
        raise InputError(f"{path} has several countries with one cca3 code")
    for record in records:
        borders = record.setdefault("borders", [])
        if not isinstance(borders, list) or not all(isinstance(code, str) for code in borders):
            raise InputError(f"{path}: the borders of {record['cca3']} are no list of codes")
        if unknown := sorted(set(borders) - codes):
            raise InputError(f"{path}: {record['cca3']} borders {', '.join(unknown)}, which the file does not have")
    return records


def find_code(records: Sequence[dict[str, Any]], wanted: str) -> str:
    """The code of a country that is given by its code or its name."""
    names: dict[str, str] = {record["cca3"]: str(record.get("name", record["cca3"])) for record in records}
    codes = {text.casefold(): code for code, name in names.items() for text in (code, name)}
    if wanted.casefold() in codes:
        return codes[wanted.casefold()]
    near = dict.fromkeys(codes[text] for text in difflib.get_close_matches(wanted.casefold(), codes))
    hint = "; did you mean " + " or ".join(f"{names[code]} ({code})" for code in near) + "?" if near else ""
    raise InputError(f"there is no country {wanted!r}{hint}")


def make_country(record: dict[str, Any]) -> Country:
    """A country without its borders."""
    values = {name: value for name, value in record.items() if name in Country.__fields__ and name != "borders"}
    try:
        values["languages"] = list(record.get("languages", {}).values())
        values["currencies"] = [Currency(**currency) for currency in record.get("currencies", [])]
        return Country(**values)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{record['cca3']} has a value of the wrong type: {error}") from None


async def import_countries(records: Sequence[dict[str, Any]], url: str, code: str) -> bool:
    """Save all countries in one batch; gives whether another process can go on, and goes on here otherwise."""
    progress = Progress(
        TextColumn("  {task.description:<22}"),
        BarColumn(40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    async with connect(url) as store:
        with progress:
            countries: dict[str, Country] = {}
            for record in progress.track(records, description="making objects"):
                countries[record["cca3"]] = make_country(record)
            references = 0
            for record in progress.track(records, description="drawing borders"):
                countries[record["cca3"]].borders = [countries[code] for code in record["borders"]]
                references += len(record["borders"])
            await Country.objects.drop()
            await Country.objects.ready()  # the indexes that the model declares
            saving = progress.add_task("saving in one batch", total=len(countries))
            cost = Cost(store)
            await save_all(countries.values())
            cost.stop()
            progress.update(saving, completed=len(countries))
        say(
            f"[bold]{len(countries)}[/] countries with [bold]{references}[/] references to each other, in {cost}, "
            f"are stored in [bold]{escape(store.url)}[/]\n"
        )
        if store.capabilities.durable and store.capabilities.shared:
            return True
        say("[dim]What this store has ends with its process, so the rest runs in this one.[/]\n")
        del countries
        Country.objects.cache.clear()
        await explore_store(store, code)
        return False


# -- exploring ---------------------------------------------------------------------------------------------------------


async def explore(url: str, code: str) -> None:
    """Explore a store that has the countries."""
    async with connect(url) as store:
        await explore_store(store, code)


async def explore_store(store: Store, code: str) -> None:
    """Restore what can be reached over land, ask questions, and change one member."""
    await Country.objects.ready()
    heading("A whole land mass is restored")
    cost = Cost(store)
    start = Country(cca3=code)
    await start.load()
    cost.stop()
    if not start.__restored__:
        raise InputError(f"the store has no country {code}")
    show_land_mass(start, cost)
    await ask_questions(start, store)
    await change_one_member(start, store)


def walk(start: Country) -> dict[Country, Country | None]:
    """Every country that can be reached over land, nearest first, with the one that it is reached from."""
    reached: dict[Country, Country | None] = {start: None}
    frontier = [start]
    while frontier:
        following = []
        for country in frontier:
            for neighbour in country.borders:
                if neighbour not in reached:
                    reached[neighbour] = country
                    following.append(neighbour)
        frontier = following
    return reached


def route(reached: dict[Country, Country | None], goal: Country) -> list[Country]:
    """The way from the start to `goal`, over the fewest borders."""
    way: list[Country] = []
    step: Country | None = goal
    while step is not None:
        way.append(step)
        step = reached[step]
    return way[::-1]


def show_land_mass(start: Country, cost: Cost) -> None:
    reached = walk(start)
    distance = {country: len(route(reached, country)) - 1 for country in reached}
    references = sum(len(country.borders) for country in reached)
    table = Table(box=None, padding=(0, 1), header_style="dim", show_edge=False)
    table.add_column("borders", justify="right")
    table.add_column("countries", justify="right")
    table.add_column("")
    room = (console.width - 25) // 4
    for steps in range(max(distance.values()) + 1):
        there = sorted(country.cca3 for country in reached if distance[country] == steps)
        codes = " ".join(there if len(there) <= room else [*there[: room - 1], "…"])
        table.add_row(str(steps), str(len(there)), codes, style="cyan" if steps % 2 else None)
    console.print(table)
    say(
        f"\nFrom {escape(start.name)} over land: [bold green]{count(len(reached), 'object')}[/] with "
        f"{count(references, 'reference')} in {cost}.\n"
        f"One request for each level; one for each reference would have been {references}.\n"
    )
    far = max(reached, key=lambda country: (distance[country], country.name))
    if far is not start:
        way = " → ".join(escape(country.name) for country in route(reached, far))
        console.print(Panel(way, title=f"{distance[far]} borders", title_align="left", border_style="dim"))
        console.print()


async def ask_questions(start: Country, store: Store) -> None:
    heading("Questions to the store")
    neighbours = [country.cca3 for country in start.borders]
    near = Country.objects.filter(borders__cca3__in=neighbours).exclude(cca3__in=[start.cca3, *neighbours])
    await show_answer(f"Neighbours of {start.name}'s neighbours", near, store, lambda country: country.subregion)

    landlocked = Country.objects.filter(landlocked=True).order_by("-area")[:8]
    largest = await landlocked.first()
    scale = largest.area if largest is not None else 1.0
    await show_answer(
        "The largest countries without a coast",
        landlocked,
        store,
        lambda country: f"{country.area:>10,.0f} km²  {'█' * max(1, round(country.area / scale * 24))}",
    )

    speakers = {language: await Country.objects.filter(languages=language).count() for language in start.languages}
    if speakers:
        language = max(speakers, key=lambda name: speakers[name])
        sharing = Country.objects.filter(languages=language).exclude(cca3=start.cca3)
        await show_answer(
            f"Countries that share {language} with {start.name}",
            sharing,
            store,
            lambda country: ", ".join(country.languages),
        )


async def show_answer(
    title: str, query: Query[Country], store: Store, describe: Callable[[Country], str], rows: int = 8
) -> None:
    cost = Cost(store)
    countries = await query.to_list()
    cost.stop()
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(style="cyan", width=5, justify="right")
    table.add_column(width=32, no_wrap=True)
    table.add_column(style="dim", no_wrap=True, overflow="ellipsis")
    for country in countries[:rows]:
        table.add_row(country.cca3, escape(country.name), escape(describe(country)))
    say(f"[bold]{escape(title)}[/]: {len(countries)}, in {cost}")
    console.print(table)
    if len(countries) > rows:
        say(f"[dim]    … and {len(countries) - rows} more[/]")
    say(f"[dim]{escape(explained(await query.explain()))}[/]\n")


def explained(explanation: Explanation) -> str:
    """How a query was answered, in words."""
    way = f"index {explanation.index}: {explanation.bounds}" if explanation.index else "the whole collection"
    rest = f"; evaluated on each: {explanation.residual}" if explanation.residual else ""
    numbers = f"scanned {explanation.scanned}, read {explanation.fetched}, gave {explanation.returned}"
    return f"{way}; {numbers}{rest}"


async def change_one_member(start: Country, store: Store) -> None:
    heading("One member changes, in place")
    console.print(f"  [cyan]>>>[/] {start.cca3.lower()}.languages.append('Esperanto')")
    start.languages.append("Esperanto")
    console.print(
        "  [cyan]>>>[/] print(country.__state__.changes().as_update())".replace("country", start.cca3.lower())
    )
    console.print(f"  [bold green]{escape(str(start.__state__.changes().as_update()))}[/]")
    cost = Cost(store)
    await start.save()
    cost.stop()
    say(f"That is what save() sent, in {cost}; the rest of the graph was neither read nor written.")


# -- showing -----------------------------------------------------------------------------------------------------------


class Cost:
    """How many requests and how much time something takes, from here to `stop`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._requests = store.requests
        self._began = time.perf_counter()

    def stop(self) -> None:
        self._requests = self._store.requests - self._requests
        self._milliseconds = (time.perf_counter() - self._began) * 1e3

    def __str__(self) -> str:
        return f"[bold green]{count(self._requests, 'request')}[/] and [bold green]{self._milliseconds:.1f} ms[/]"


def count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def heading(text: str) -> None:
    console.rule(f"[bold]{escape(text)}[/]", align="left", style="cyan")


def say(text: str) -> None:
    console.print(Padding(text, (0, 2)))


# -- the program -------------------------------------------------------------------------------------------------------


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", default="sqlite:///atlas.db", metavar="URL", help="default: sqlite:///atlas.db")
    parser.add_argument(
        "--data", type=Path, default=DATA, metavar="FILE", help="the countries, default: beside this file"
    )
    parser.add_argument(
        "--start", default="ZAF", metavar="COUNTRY", help="where the way over land begins, default: ZAF"
    )
    parser.add_argument("--explore", action="store_true", help="only explore a store that has the countries already")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; gives its exit code, 2 for input that cannot be used."""
    options = arguments().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what a terminal cannot show is no reason to stop
    try:
        if options.explore:
            asyncio.run(explore(options.store, options.start.upper()))
            return 0
        records = read_records(options.data)
        code = find_code(records, options.start)
        heading(f"{options.data.name} becomes one graph of objects")
        if not asyncio.run(import_countries(records, options.store, code)):
            return 0
        command = [sys.executable, __file__, "--explore", "--store", options.store, "--start", code]
        return subprocess.run(command, check=False).returncode
    except (InputError, AtomodmError) as error:
        Console(stderr=True, highlight=False).print(f"[bold red]atlas:[/] {escape(str(error))}", soft_wrap=True)
        return 2


if __name__ == "__main__":
    sys.exit(main())
