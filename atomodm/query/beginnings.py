"""What all strings begin with that a regular expression matches."""

from __future__ import annotations

_SPECIAL = frozenset(".^$*+?{}[]|()\\")
_QUANTIFIERS = frozenset("*?{+")


def literal_beginning(pattern: str, options: str = "") -> str:
    """Give text that every string which `pattern` matches begins with.

    Parameters
    ----------
    pattern, options : str
        As in `atomodm.query.nodes.Regex`.

    Returns
    -------
    str
        Empty where the pattern does not say.
    """
    # An alternative may begin otherwise, and options inside of a pattern hold for all of it.
    if not pattern.startswith("^") or "|" in pattern or "(?" in pattern or not set(options) <= {"s"}:
        return ""
    found: list[str] = []
    place = 1
    while place < len(pattern):
        character = pattern[place]
        if character == "\\" and place + 1 < len(pattern) and not _is_word(pattern[place + 1]):
            character = pattern[place + 1]
            place += 2
        elif character in _SPECIAL:
            break
        else:
            place += 1
        found.append(character)
    if place < len(pattern) and pattern[place] in _QUANTIFIERS:
        # The last character may be missing, or be there several times.
        found = found[:-1]
    return "".join(found)


def _is_word(character: str) -> bool:
    # A backslash gives these a meaning.
    return character.isalnum() or character == "_"
