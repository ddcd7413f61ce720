"""Regular expressions of MongoDB, which are PCRE's, rewritten for the library ``regex``.

Most of both languages is the same. What differs is rewritten, so that a pattern finds the same strings on every store:

- ``\\w``, ``\\d``, ``\\s``, ``\\b`` and the POSIX classes know ASCII only, unless the pattern starts with ``(*UCP)``;
- options in the middle hold for the rest of their group;
- ``\\Q…\\E``, ``\\Z``, ``\\z``, ``\\x{…}``, ``\\o{…}``, ``\\e``, ``\\h``, ``\\v``, ``\\N``, ``\\R``, ``\\k`` and
  ``\\g`` mean what they do there;
- braces that are no repetition are themselves.

A pattern that repeats its way to a great size is refused, as it is by servers: both libraries write repetitions out,
and twenty characters could take all memory.
"""

from __future__ import annotations

import re
from typing import Final

#: Items that a pattern may have when its repetitions are written out; PCRE2 as servers have it takes about as many.
MAX_ITEMS: Final = 65_535

_WORD = "0-9A-Za-z_"
# Without the two characters that are letters of ASCII in another case, which ignoring case would bring back.
_NO_WORD = "\\x00-/:-@\\[-\\^`{-\\u017e\\u0180-\\u2129\\u212b-\\U0010ffff"
_DIGIT = "0-9"
_NO_DIGIT = "\\x00-/:-\\U0010ffff"
_SPACE = " \\t\\n\\x0b\\f\\r"
_NO_SPACE = "\\x00-\\x08\\x0e-\\x1f!-\\U0010ffff"
_HORIZONTAL = " \\t\\xa0\\u1680\\u180e\\u2000-\\u200a\\u202f\\u205f\\u3000"
_VERTICAL = "\\n\\x0b\\f\\r\\x85\\u2028\\u2029"

#: What escapes stand for inside of brackets; outside they are put in brackets, where those in capitals can be exact.
_ASCII_SETS: Final = {
    "w": _WORD,
    "W": _NO_WORD,
    "d": _DIGIT,
    "D": _NO_DIGIT,
    "s": _SPACE,
    "S": _NO_SPACE,
}
_SET_NEGATIONS: Final = {"W": "w", "D": "d", "S": "s"}
_SETS: Final = {"h": _HORIZONTAL, "v": _VERTICAL}
_NEGATIONS: Final = {"H": _HORIZONTAL, "V": _VERTICAL, "N": "\\n"}
_POSIX: Final = {
    "alpha": "A-Za-z",
    "lower": "a-z",
    "upper": "A-Z",
    "digit": _DIGIT,
    "alnum": "0-9A-Za-z",
    "word": _WORD,
    "xdigit": "0-9A-Fa-f",
    "space": _SPACE,
    "blank": " \\t",
    "punct": "!-/:-@\\[-`{-~",
    "graph": "!-~",
    "print": " -~",
    "cntrl": "\\x00-\\x1f\\x7f",
    "ascii": "\\x00-\\x7f",
}
# In the way that the library is fastest with.
_IS_WORD = "(?a:\\w)"
_BOUNDARY = f"(?(?={_IS_WORD})(?<!{_IS_WORD})|(?<={_IS_WORD}))"
_NO_BOUNDARY = f"(?(?={_IS_WORD})(?<={_IS_WORD})|(?<!{_IS_WORD}))"
_ESCAPES: Final = {
    "Z": "(?=\\n?\\Z)",
    "z": "\\Z",
    "e": "\\x1b",
    "R": f"(?>\\r\\n|[{_VERTICAL}])",
}
_ASCII_ESCAPES: Final = {**_ESCAPES, "b": _BOUNDARY, "B": _NO_BOUNDARY}

_VERB = re.compile(r"\(\*(UCP|UTF8?|NO_START_OPT|NO_AUTO_POSSESS)\)")
_OPTIONS = re.compile(r"\(\?([imsx]*)(?:-([imsx]+))?\)")
_REPETITION = re.compile(r"\{(\d+)(,(\d*))?\}")
_CODE_POINT = re.compile(r"x\{([0-9A-Fa-f]{1,8})\}|o\{([0-7]{1,11})\}")
_CONTROL = re.compile(r"c([ -~])")
_PROPERTY = re.compile(r"[pP]\{[^{}]*\}")
_REFERENCE = re.compile(r"k(?:<(\w+)>|\{(\w+)\}|'(\w+)')|g(?:\{(\w+)\}|(\d+))")
_CALL = re.compile(r"g<(\w+)>|g'(\w+)'")
_POSIX_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]")


class PatternTooLarge(ValueError):
    """A pattern has too many items when its repetitions are written out."""


def rewrite_pattern(pattern: str, *, verbose: bool = False, ascii_text: bool = False) -> str:
    """Rewrite a pattern of PCRE for ``regex``.

    Parameters
    ----------
    pattern : str
    verbose : bool
        Whether blanks and comments are left out of account, MongoDB's option ``x``.
    ascii_text : bool
        Whether the pattern will see ASCII only, for which less has to be rewritten.

    Returns
    -------
    str
        A pattern that is as good or bad as the given one: what is wrong with it ``regex`` says.

    Raises
    ------
    PatternTooLarge
        Repetitions in it are too many.
    """
    return _Rewriter(pattern, verbose, ascii_text).rewrite()


class _Group:
    """A group that is open: what it counts up to, and the options that were given inside of it."""

    def __init__(self, verbose: bool) -> None:
        self.verbose = verbose
        #: Items before the last one, and those that the last one stands for.
        self.items, self.last = 0, 0
        #: Each group of options that was opened for the rest of this one.
        self.options: list[str] = []

    def add(self, items: int) -> None:
        self.items += self.last
        self.last = items
        if self.items + items > MAX_ITEMS:
            raise PatternTooLarge

    def repeat(self, times: int) -> None:
        self.last *= max(times, 1)
        if self.items + self.last > MAX_ITEMS:
            raise PatternTooLarge


class _Rewriter:
    def __init__(self, pattern: str, verbose: bool, ascii_text: bool) -> None:
        self.pattern = pattern
        self.ascii_text = ascii_text
        self.place = 0
        self.out: list[str] = []
        self.groups = [_Group(verbose)]
        self.unicode = False

    def rewrite(self) -> str:
        while verb := _VERB.match(self.pattern, self.place):
            self.unicode |= verb[1] == "UCP"
            self.place = verb.end()
        while self.place < len(self.pattern):
            self.step()
        self.out.append(")" * len(self.groups[0].options))
        return "".join(self.out)

    def step(self) -> None:
        """Take one item of the pattern."""
        character = self.pattern[self.place]
        match character:
            case "\\":
                self.escape()
            case "[":
                self.brackets()
            case "(":
                self.open()
            case ")":
                self.close()
            case "|":
                options = self.groups[-1].options
                self.put(")" * len(options) + "|" + "".join(options))
            case "{":
                self.brace()
            case "#" if self.groups[-1].verbose:
                end = self.pattern.find("\n", self.place)
                # The comment itself is left out: what looks like a group in it is none.
                self.put("", (end if end >= 0 else len(self.pattern)) - self.place)
            case "*" | "+" | "?":
                self.put(character)
            case _:
                self.put(character)
                self.groups[-1].add(1)

    def put(self, text: str, length: int = 1) -> None:
        """Write `text` for the next `length` characters of the pattern."""
        self.out.append(text)
        self.place += length

    # -- groups and repetitions ----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Take the beginning of a group, or options, or a comment."""
        options = _OPTIONS.match(self.pattern, self.place)
        group = self.groups[-1]
        if options is not None:
            on, off = options[1], options[2] or ""
            # They hold for the rest of the group, in its other alternatives too.
            group.options.append(f"(?{on}{'-' if off else ''}{off}:")
            group.verbose = (group.verbose or "x" in on) and "x" not in off
            self.put(group.options[-1], len(options[0]))
        elif self.pattern.startswith("(?#", self.place):
            end = self.pattern.find(")", self.place)
            self.put("" if end >= 0 else "(?#", end + 1 - self.place if end >= 0 else 3)
        else:
            self.groups.append(_Group(group.verbose))
            self.put("(")

    def close(self) -> None:
        """Take the end of a group."""
        if len(self.groups) > 1:
            group = self.groups.pop()
            self.groups[-1].add(group.items + group.last + 1)
            self.put(")" * len(group.options) + ")")
        else:
            self.put(")")

    def brace(self) -> None:
        """Take a repetition, or a brace that is none."""
        repetition = _REPETITION.match(self.pattern, self.place)
        if repetition is None:
            self.groups[-1].add(1)
            self.put("\\{")
            return
        digits = repetition[3] or repetition[1]
        self.groups[-1].repeat(int(digits) if len(digits) <= 6 else MAX_ITEMS + 1)
        self.put(repetition[0], len(repetition[0]))

    # -- escapes -------------------------------------------------------------------------------------------------------

    def escape(self) -> None:
        """Take a backslash and what belongs to it, outside of brackets."""
        letter = self.pattern[self.place + 1 : self.place + 2]
        if letter in ("Q", "E"):
            self.groups[-1].add(self.quoted())
            return
        self.groups[-1].add(1)
        inside = self.set_of(letter)
        after = self.place + 1
        if (code := _CODE_POINT.match(self.pattern, after)) is not None:
            self.put(_code_point(code), 1 + len(code[0]))
        elif (control := _CONTROL.match(self.pattern, after)) is not None:
            self.put(f"\\x{ord(control[1].upper()) ^ 64:02x}", 3)
        elif (whole := _PROPERTY.match(self.pattern, after)) is not None:
            self.put(f"\\{whole[0]}", 1 + len(whole[0]))
        elif (reference := _REFERENCE.match(self.pattern, after)) is not None:
            self.put(f"(?P={reference[reference.lastindex or 0]})", 1 + len(reference[0]))
        elif (call := _CALL.match(self.pattern, after)) is not None:
            name = call[call.lastindex or 0]
            self.put(f"(?{'' if name.isdigit() else '&'}{name})", 1 + len(call[0]))
        elif inside is not None:
            negative = _SET_NEGATIONS.get(letter)
            self.put(f"(?-i:[{inside}])" if negative is None else f"(?-i:[^{self.set_of(negative)}])", 2)
        elif letter in _NEGATIONS:
            self.put(f"[^{_NEGATIONS[letter]}]", 2)
        else:
            plain = _ESCAPES if self.unicode or self.ascii_text else _ASCII_ESCAPES
            self.put(plain.get(letter, f"\\{letter}"), 2)

    def quoted(self) -> int:
        """Take a text between ``\\Q`` and ``\\E``, and give its length."""
        if self.pattern[self.place + 1] == "E":
            self.put("", 2)
            return 0
        text, end, _ = self.pattern[self.place + 2 :].partition("\\E")
        self.put("".join(map(_literal, text)), 2 + len(text) + len(end))
        return len(text)

    def set_of(self, letter: str) -> str | None:
        """Give what an escape stands for inside of brackets, if it has to be written out."""
        return _SETS.get(letter) or (None if self.unicode else _ASCII_SETS.get(letter))

    # -- brackets ------------------------------------------------------------------------------------------------------

    def brackets(self) -> None:
        """Take a set of characters."""
        self.groups[-1].add(1)
        start = self.place
        opening = "[^" if self.pattern.startswith("[^", start) else "["
        self.put(opening, len(opening))
        if self.pattern.startswith("]", self.place):
            self.put("\\]")
        while self.place < len(self.pattern):
            character = self.pattern[self.place]
            posix = _POSIX_CLASS.match(self.pattern, self.place)
            if character == "]":
                self.put("]")
                return
            if character == "\\":
                self.escape_in_brackets()
            elif posix is not None and not posix[1] and not self.unicode and posix[2] in _POSIX:
                self.put(_POSIX[posix[2]], len(posix[0]))
            elif posix is not None:
                self.put(posix[0], len(posix[0]))
            else:
                self.put("\\[" if character == "[" else character)

    def escape_in_brackets(self) -> None:
        """Take a backslash and what belongs to it."""
        letter = self.pattern[self.place + 1 : self.place + 2]
        if letter in ("Q", "E"):
            self.quoted()
        elif (code := _CODE_POINT.match(self.pattern, self.place + 1)) is not None:
            self.put(_code_point(code), 1 + len(code[0]))
        else:
            self.put(self.set_of(letter) or {"e": "\\x1b"}.get(letter, f"\\{letter}"), 2)


def _code_point(code: re.Match[str]) -> str:
    number = int(code[1], 16) if code[1] else int(code[2], 8)
    # What is no character is left as it was, for the library to refuse.
    return f"\\U{number:08x}" if number <= 0x10FFFF else f"\\{code[0]}"


def _literal(character: str) -> str:
    return character if character.isalnum() or character == "_" else f"\\U{ord(character):08x}"
