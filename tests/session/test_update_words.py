"""The words of updates: one for each operator, and all of them documented."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from atom.api import Int, List, Typed

from atomodm import NoSQLModel
from atomodm.model import spec_of
from atomodm.query.updates import UPDATE_OPERATORS
from atomodm.session.updates import compile_update
from atomodm.session.updates.words import WORDS

PAGE = Path(__file__).parents[2] / "docs" / "updates.md"


class Worded(NoSQLModel):
    """Has a member for each word."""

    number = Int()
    other = Int()
    items = List(Int())
    at = Typed(datetime)

    class Meta:
        app_label = "words"


OPERANDS: dict[str, tuple[str, Any]] = {
    "set": ("number", 1),
    "unset": ("number", True),
    "inc": ("number", 1),
    "mul": ("number", 1),
    "min": ("number", 1),
    "max": ("number", 1),
    "current_date": ("at", True),
    "rename": ("number", "other"),
    "bit": ("number", {"or": 1}),
    "push": ("items", 1),
    "add_to_set": ("items", 1),
    "pull": ("items", 1),
    "pull_all": ("items", [1]),
    "pop": ("items", 1),
}


def test_each_operator_has_a_word_unless_it_is_for_inserts() -> None:
    assert OPERANDS.keys() == WORDS.keys()
    operators = set()
    for word, (member, operand) in OPERANDS.items():
        document = compile_update(spec_of(Worded), None, {f"{member}__{word}": operand}).operators.document
        operators.add(next(iter(document)))
    assert operators == UPDATE_OPERATORS - {"$setOnInsert"}


def test_the_page_of_updates_lists_each_word() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [word for row in rows for word in re.findall(r"\w+", row)] == list(WORDS)
