"""Curves over the number of documents, as an SVG file that can be read on light and on dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Inches; 72 points each.
SIZE = (9.0, 3.6)
#: Halfway between black and white, so that it stands out from either.
GREY = "#808080"
COLOURS = ("#2f83d0", "#d9731a", "#2a9d63")
MARKERS = ("o", "s", "^")


@dataclass(frozen=True)
class Curve:
    """One line: microseconds at each number of documents."""

    label: str
    microseconds: Sequence[float]


def draw(path: Path, documents: Sequence[int], requests: Sequence[Curve], each: Sequence[Curve]) -> None:
    """Draw the times of one request and the times of one document side by side.

    The file is the same for the same figures: no date, no random names.
    """
    with mpl.rc_context({"svg.hashsalt": "atomodm", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=SIZE, layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_side(left, "one request", documents, requests)
        _draw_side(right, "each document", documents, each)
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})


def _draw_side(axes: Axes, title: str, documents: Sequence[int], curves: Sequence[Curve]) -> None:
    for curve, colour, marker in zip(curves, COLOURS, MARKERS, strict=False):
        axes.plot(documents, curve.microseconds, color=colour, marker=marker, label=curve.label)
    axes.set_xscale("log")
    axes.set_ylim(0, 1.6 * max(value for curve in curves for value in curve.microseconds))
    axes.set_title(title, color=GREY, fontsize=11)
    axes.set_xlabel("documents in the collection", color=GREY)
    axes.set_ylabel("µs", color=GREY)
    axes.tick_params(which="both", colors=GREY)
    axes.grid(color=GREY, alpha=0.25)
    for side in axes.spines.values():
        side.set_color(GREY)
    legend = axes.legend(loc="upper left", frameon=False, labelcolor=GREY, fontsize=9)
    legend.set_zorder(3)
