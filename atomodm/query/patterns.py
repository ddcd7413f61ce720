"""Text and regular expressions, on strings only.

Ignoring case has one meaning on every store, that of the option ``i`` of MongoDB's regular expressions: Unicode's
simple case folding, one character for one. The long s (U+017F) is an ``S`` and the Kelvin sign (U+212A) a ``k``; the
sharp s (U+00DF) is not ``ss``, as it is for `str.casefold`; and the Turkish letters U+0130 and U+0131 are no ``i``. In
regular expressions proper the library ``regex`` decides, for which these two letters are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from time import perf_counter, thread_time
from typing import Any, Final

import regex

from ..errors import InvalidQuery
from .dialect import MAX_ITEMS, PatternTooLarge, rewrite_pattern
from .nodes import ELEMENT, Regex, TextKind

#: Options of MongoDB's regular expressions: ignore case, ``^`` and ``$`` at lines, blanks and comments, dot for all.
OPTIONS: Final = "imsx"
#: Bytes of a pattern that a MongoDB server accepts.
MAX_PATTERN: Final = 32_764

#: Characters that the patterns of one filter may have together as they are written for the library, ``\\b`` with about
#: forty of them; and what each pattern counts for besides. The library takes some microseconds for each.
MAX_SIZE: Final = 40_000
_PATTERN_SIZE: Final = 20

#: The server's code for what is no regular expression.
_BAD_PATTERN = 51091
#: Seconds of processor time that one string may take.
_SEARCH_LIMIT = 0.1
#: Seconds by which all searches of one filter together may exceed what is usual: nobody gives way between those of one
#: page of documents, so this is how long the event loop may stand still.
_CREDIT = 0.15
#: Seconds that a search may usually take, and more for each character.
_USUAL_SEARCH, _USUAL_CHARACTER = 10e-6, 0.1e-6
#: Seconds after which a search is suspected of having lost the processor to others, and how many searches it then is at
#: most since the processor's time was read, which costs more than most searches do.
_SUSPECT, _READINGS = 1e-3, 64

_FLAGS: dict[str, int] = {
    "i": regex.IGNORECASE,
    "m": regex.MULTILINE,
    "s": regex.DOTALL,
    "x": regex.VERBOSE,
}


class SearchTime:
    """The time that all searches of one filter may take together: nobody gives way between those of one page."""

    def __init__(self) -> None:
        self._credit = _CREDIT
        self._searches, self._processor = 0, thread_time()

    def search(self, pattern: Any, text: str) -> bool:
        """Say whether a compiled pattern is found in `text`.

        Raises
        ------
        TimeoutError
            One text takes too long, or all of them took much longer than is usual.
        """
        start = perf_counter()
        found = pattern.search(text, timeout=min(_SEARCH_LIMIT, self._credit)) is not None
        usual = _USUAL_SEARCH + _USUAL_CHARACTER * len(text)
        spent = perf_counter() - start
        self._searches += 1
        if spent > _SUSPECT or self._searches % _READINGS == 0:
            # On a busy machine time goes by in which this thread does not run.
            before, self._processor = self._processor, thread_time()
            spent = min(spent, max(0.0, self._processor - before))
        self._credit = min(_CREDIT, self._credit + usual - spent)
        if self._credit <= 0.0:
            raise TimeoutError
        return found


def compile_pattern(
    pattern: str, options: str = "", *, path: str | None = None, time: SearchTime | None = None
) -> Callable[[str], bool]:
    """Make a function that searches a string for a regular expression.

    The searches have a budget, so that a hostile pattern cannot hold the event loop: one string may take a tenth of a
    second, and all of them together a little more than ordinary patterns take on the same text.

    Parameters
    ----------
    pattern : str
        A regular expression of PCRE, as far as the library ``regex`` has it; see `atomodm.query.dialect`.
    options : str
        Letters of `OPTIONS`.
    path : str, optional
        For messages.
    time : SearchTime, optional
        What other patterns of the same filter use as well; its own by default.

    Returns
    -------
    callable
        ``f(text) -> bool``; raises `InvalidQuery` when the budget is used up.

    Raises
    ------
    InvalidQuery
        It is no regular expression, or has an unknown option.
    """
    of_any, of_ascii = _compile(pattern, options, path)
    time = time or SearchTime()

    def matches(text: str) -> bool:
        try:
            return time.search(of_ascii if text.isascii() else of_any, text)
        except TimeoutError:
            raise InvalidQuery("the regular expression takes too long; make it simpler", path=path) from None

    return matches


def check_patterns(patterns: Iterable[Regex]) -> None:
    """Raise unless all regular expressions of a filter are good, and are not too much together.

    Raises
    ------
    InvalidQuery
    """
    size = 0
    for node in patterns:
        path = None if node.path == ELEMENT else node.path
        size += _PATTERN_SIZE + sum(map(len, _rewrite(node.pattern, node.options, path)))
        if size > MAX_SIZE:
            raise InvalidQuery(
                f"the regular expressions of a filter have more than {MAX_SIZE:,} characters when they are written out",
                path=path,
                server_code=_BAD_PATTERN,
            )
        _compile(node.pattern, node.options, path)


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


def _compile(pattern: str, options: str, path: str | None) -> tuple[Any, Any]:
    """Compile a pattern for any text, and for text that is ASCII: there the library's own way means the same.

    Looking for the ends of words is many times faster so.
    """
    written = _rewrite(pattern, options, path)
    try:
        return _compile_written(written, options)
    except (regex.error, ValueError, OverflowError, RecursionError, IndexError, KeyError, TypeError) as error:
        raise InvalidQuery(
            f"this is no regular expression ({type(error).__name__})", path=path, server_code=_BAD_PATTERN
        ) from None


@lru_cache(maxsize=128)
def _compile_written(written: tuple[str, ...], options: str) -> tuple[Any, Any]:
    flags = 0
    for option in options:
        flags |= _FLAGS[option]
    compiled = [regex.compile(text, flags, cache_pattern=False) for text in written]
    return compiled[0], compiled[-1]


def _rewrite(pattern: str, options: str, path: str | None) -> tuple[str, ...]:
    """Write a pattern for the library, for any text and for ASCII text; once where that is the same."""
    for option in options:
        if option not in _FLAGS:
            raise InvalidQuery(
                f"a regular expression has no option {option!r}, only those of {OPTIONS!r}",
                path=path,
                server_code=51108,
            )
    if len(pattern.encode("utf-8", "surrogatepass")) > MAX_PATTERN:
        raise InvalidQuery(
            f"a regular expression has at most {MAX_PATTERN:,} bytes", path=path, server_code=_BAD_PATTERN
        )
    try:
        written = _rewritten(pattern, "x" in options)
    except PatternTooLarge:
        raise InvalidQuery(
            f"a regular expression has more than {MAX_ITEMS:,} items when its repetitions are written out",
            path=path,
            server_code=_BAD_PATTERN,
        ) from None
    if sum(map(len, written)) > MAX_SIZE:
        raise InvalidQuery(
            f"a regular expression has more than {MAX_SIZE:,} characters when it is written out",
            path=path,
            server_code=_BAD_PATTERN,
        )
    return written


@lru_cache(maxsize=128)
def _rewritten(pattern: str, verbose: bool) -> tuple[str, ...]:
    of_any, of_ascii = (
        rewrite_pattern(pattern, verbose=verbose, ascii_text=ascii_text) for ascii_text in (False, True)
    )
    return (of_any,) if of_any == of_ascii else (of_any, of_ascii)
