"""The page of operators lists what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from atomodm.errors import InvalidQuery, InvalidUpdate
from atomodm.query.filters import FILTER_OPERATORS, parse_filter
from atomodm.query.nodes import ALL
from atomodm.query.projection import compile_projection
from atomodm.query.projection.parser import PROJECTION_OPERATORS
from atomodm.query.updates import parse_update
from atomodm.query.updates.parsing import UPDATE_OPERATORS
from atomodm.query.updates.push import PUSH_MODIFIERS

PAGE = (Path(__file__).parents[2] / "docs" / "operators.md").read_text(encoding="utf-8")
NAME = re.compile(r"`(\.?\$\w*)`")


def section(title: str) -> str:
    _, _, text = PAGE.partition(f"\n## {title}\n")
    return text.partition("\n## ")[0]


def listed(title: str) -> list[str]:
    """The names in the first column of a section's table."""
    rows = [line.split("|")[1] for line in section(title).splitlines() if line.startswith("| `")]
    return [name for row in rows for name in NAME.findall(row)]


@pytest.mark.parametrize(
    ("title", "operators"),
    [
        ("Filters", FILTER_OPERATORS),
        ("Updates", UPDATE_OPERATORS),
        ("Projections", {*PROJECTION_OPERATORS, ".$"}),
    ],
)
def test_the_page_lists_each_operator_of_the_code_once_and_no_other(title: str, operators: set[str]) -> None:
    names = listed(title)
    assert sorted(names) == sorted(operators)


def test_the_page_names_the_modifiers_of_push() -> None:
    (row,) = [line for line in section("Updates").splitlines() if line.startswith("| `$push`")]
    assert set(NAME.findall(row)) == {"$push", *PUSH_MODIFIERS}


def refused(place: str) -> list[str]:
    (row,) = [line for line in section("What is refused").splitlines() if line.startswith(f"| in {place} ")]
    return [name for name in NAME.findall(row) if name not in UPDATE_OPERATORS]


@pytest.mark.parametrize("operator", refused("filters"))
def test_what_the_page_says_is_refused_in_filters_is(operator: str) -> None:
    for filter in ({operator: 1}, {"a": {operator: 1}}, {"$or": [{"a": {"$not": {operator: 1}}}]}):
        with pytest.raises(InvalidQuery, match=re.escape(operator)):
            parse_filter(filter)


@pytest.mark.parametrize("operator", refused("updates"))
def test_what_the_page_says_is_refused_in_updates_is(operator: str) -> None:
    with pytest.raises(InvalidUpdate, match=re.escape(operator)):
        parse_update({operator: {"a": 1}})


@pytest.mark.parametrize("operator", [*refused("projections"), "$add"])
def test_what_the_page_says_is_refused_in_projections_is(operator: str) -> None:
    with pytest.raises(InvalidQuery, match=re.escape(operator)):
        compile_projection({"a": {operator: 1}}, ALL)
