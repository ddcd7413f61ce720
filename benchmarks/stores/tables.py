"""Tables of times: fastest run, its multiple of the floor, and the median over the rounds of that multiple."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from .tasks import Task

#: The contestant whose line stands out.
OURS = "atomodm"

#: Seconds of each round, by contestant.
Seconds = dict[str, list[float]]


def figures(task: Task, floor: str, seconds: Seconds) -> Iterator[tuple[str, float, float, float]]:
    """Name, microseconds, multiple of the floor, and the median of that multiple, for each contestant."""
    base = seconds[floor]
    for name, times in seconds.items():
        median = statistics.median(time / other for time, other in zip(times, base, strict=True))
        yield name, min(times) / task.count * 1e6, min(times) / min(base), median


def print_task(task: Task, floor: str, goal: float | None, seconds: Seconds) -> None:
    """Print one table."""
    aim = "" if goal is None else f"{OURS}'s goal is {goal:g} × {floor}"
    print(f"\n{task.title:<44}{'µs per ' + task.each:>14}{'× floor':>10}{'median ×':>10}   {aim}")
    for name, each, ratio, median in figures(task, floor, seconds):
        print(f"  {name:<42}{each:>14.1f}{ratio:>10.2f}{median:>10.2f}")


def print_markdown(task: Task, floor: str, goal: float | None, seconds: Seconds) -> None:
    """Print one table as the documentation has it."""
    aim = "" if goal is None else f" Goal: {goal:g}."
    print(f"\n**{task.title}.**{aim}\n\n| | µs per {task.each} | × {floor} | median × |\n| --- | --- | --- | --- |")
    for name, each, ratio, median in figures(task, floor, seconds):
        ours = "**" if name == OURS else ""
        print(f"| {ours}{name}{ours} | {each:.{1 if each < 100 else 0}f} | {ours}{ratio:.2f}{ours} | {median:.2f} |")
