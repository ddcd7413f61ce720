"""Text and regular expressions, on strings only.

Ignoring case has one meaning on every store, that of the option ``i`` of MongoDB's regular expressions: Unicode's
simple case folding, one character for one. The long s (U+017F) is an ``S`` and the Kelvin sign (U+212A) a ``k``; the
sharp s (U+00DF) is not ``ss``, as it is for `str.casefold`; and the Turkish letters U+0130 and U+0131 are no ``i``. In
regular expressions proper the library ``regex`` decides, for which these two letters are.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import regex

from ..errors import InvalidQuery
from .nodes import TextKind

#: Options of MongoDB's regular expressions: ignore case, ``^`` and ``$`` at lines, blanks and comments, dot for all.
OPTIONS: Final = "imsx"
#: Bytes of a pattern that a MongoDB server accepts.
MAX_PATTERN: Final = 32_764

#: Seconds of processor time that one string may take.
_SEARCH_LIMIT = 0.1
#: Seconds by which all searches of one filter together may exceed what is usual.
_CREDIT = 0.5
#: Seconds that a search may usually take, and more for each character.
_USUAL_SEARCH, _USUAL_CHARACTER = 10e-6, 0.1e-6

_FLAGS: dict[str, int] = {
    "i": regex.IGNORECASE,
    "m": regex.MULTILINE,
    "s": regex.DOTALL,
    "x": regex.VERBOSE,
}


def compile_pattern(pattern: str, options: str = "", *, path: str | None = None) -> Callable[[str], bool]:
    """Make a function that searches a string for a regular expression.

    The searches have a budget, so that a hostile pattern cannot hold the event loop: one string may take a tenth of a
    second, and all of them together half a second more than ordinary patterns take on the same text.

    Parameters
    ----------
    pattern : str
        A regular expression in the dialect of the library ``regex``, which has nearly all of PCRE's.
    options : str
        Letters of `OPTIONS`.
    path : str, optional
        For messages.

    Returns
    -------
    callable
        ``f(text) -> bool``; raises `InvalidQuery` when the budget is used up.

    Raises
    ------
    InvalidQuery
        It is no regular expression, or has an unknown option.
    """
    compiled = _compile(pattern, options, path)
    search = compiled.search
    credit = _CREDIT

    def matches(text: str) -> bool:
        nonlocal credit
        start = perf_counter()
        try:
            found = search(text, timeout=min(_SEARCH_LIMIT, credit)) is not None
        except TimeoutError:
            raise InvalidQuery("the regular expression takes too long; make it simpler", path=path) from None
        usual = _USUAL_SEARCH + _USUAL_CHARACTER * len(text)
        credit = min(_CREDIT, credit + usual - (perf_counter() - start))
        if credit <= 0.0:
            raise InvalidQuery("the regular expression takes too long; make it simpler", path=path)
        return found

    return matches


def text_test(kind: TextKind, text: str, ignore_case: bool) -> Callable[[str], bool]:
    """Make a function that says whether a string contains, starts or ends with `text`."""
    if ignore_case:
        exact = text_test(kind, fold_case(text), False)
        return lambda value: exact(fold_case(value))
    match kind:
        case TextKind.CONTAINS:
            return lambda value: text in value
        case TextKind.STARTSWITH:
            return lambda value: value.startswith(text)
        case TextKind.ENDSWITH:
            return lambda value: value.endswith(text)


def fold_case(text: str) -> str:
    """Give `text` with each character replaced by its simple case folding."""
    return text.lower() if text.isascii() else text.translate(_FOLDS)


class _Folds(dict[int, int]):
    """The simple case folding of characters, worked out when first needed."""

    def __missing__(self, code: int) -> int:
        character = chr(code)
        # The full folding, and where that is several characters the simple lower case.
        folded = next((form for form in (character.casefold(), character.lower()) if len(form) == 1), character)
        self[code] = ord(folded)
        return self[code]


_FOLDS = _Folds()


def literal_pattern(kind: TextKind, text: str) -> str:
    """Write the regular expression that means `text` itself, for our engine and MongoDB's alike."""
    literal = "".join(_literal_character(character) for character in text)
    match kind:
        case TextKind.STARTSWITH:
            return f"^{literal}"
        case TextKind.ENDSWITH:
            # Not "$", which also matches before a last newline, nor "\\Z", which means that in PCRE only.
            return f"{literal}(?![\\s\\S])"
        case TextKind.CONTAINS:
            return literal


def _literal_character(character: str) -> str:
    if character == "\0":
        return "\\x00"
    return f"\\{character}" if character in "\\^$.|?*+()[]{}-/#&~ " else character


def _compile(pattern: str, options: str, path: str | None) -> Any:
    flags = 0
    for option in options:
        if option not in _FLAGS:
            raise InvalidQuery(f"a regular expression has no option {option!r}, only those of {OPTIONS!r}", path=path)
        flags |= _FLAGS[option]
    if len(pattern.encode("utf-8", "surrogatepass")) > MAX_PATTERN:
        raise InvalidQuery(f"a regular expression has at most {MAX_PATTERN:,} bytes", path=path)
    try:
        return regex.compile(pattern, flags)
    except (regex.error, ValueError, OverflowError, RecursionError, IndexError, KeyError, TypeError) as error:
        raise InvalidQuery(f"this is no regular expression ({type(error).__name__})", path=path) from None
