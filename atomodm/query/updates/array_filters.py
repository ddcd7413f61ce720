"""Array filters: the conditions that ``$[name]`` in a path stands for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...errors import InvalidQuery, describe_type
from ..evaluator import compile_filter
from ..filters import parse_filter
from ..server_codes import ServerCode
from .codes import invalid_update

_NAME = re.compile("[a-z][a-zA-Z0-9]*")
_LOGIC = ("$and", "$or", "$nor")


def parse_array_filters(filters: Sequence[Mapping[str, Any]] | None) -> dict[str, Callable[[Any], bool]]:
    """Make the tests of elements.

    Parameters
    ----------
    filters : sequence of mapping, or None
        Filters all of whose paths start with one name, which stands for the element.

    Returns
    -------
    dict of str to callable
        By these names, ``f(element) -> bool``.

    Raises
    ------
    InvalidUpdate
        A filter has several names or none, or a name is used twice or is none.
    """
    tests: dict[str, Callable[[Any], bool]] = {}
    for filter in filters or ():
        if not isinstance(filter, Mapping):
            raise invalid_update(
                f"an array filter is a document, not {describe_type(filter)}", code=ServerCode.TYPE_MISMATCH
            )
        try:
            matches = compile_filter(parse_filter(filter))
        except InvalidQuery as error:
            message = f"an array filter is refused: {error.message}"
            raise invalid_update(message, path=error.path, code=error.server_code) from None
        name = _name_of(filter)
        if name in tests:
            raise invalid_update(f"there are two array filters for {name}", code=ServerCode.FAILED_TO_PARSE)
        tests[name] = _on_element(name, matches)
    return tests


def _name_of(filter: Mapping[str, Any]) -> str:
    names = list(dict.fromkeys(_names(filter)))
    if not names:
        raise invalid_update("an array filter has no field name to be known by", code=ServerCode.FAILED_TO_PARSE)
    if len(names) > 1:
        message = f"an array filter has one name for the element, not {' and '.join(names[:2])}"
        raise invalid_update(message, code=ServerCode.FAILED_TO_PARSE)
    if _NAME.fullmatch(names[0]) is None:
        raise invalid_update(
            f"the name of an array filter starts with a small letter and has letters and digits only, not {names[0]!r}"
        )
    return names[0]


def _names(filter: Mapping[str, Any]) -> Iterator[str]:
    for key, value in filter.items():
        if key in _LOGIC:
            if isinstance(value, list | tuple):
                for clause in value:
                    if isinstance(clause, Mapping):
                        yield from _names(clause)
        elif not str(key).startswith("$"):
            yield str(key).partition(".")[0]


def _on_element(name: str, matches: Callable[[Mapping[str, Any]], bool]) -> Callable[[Any], bool]:
    return lambda element: matches({name: element})
