"""Which texts can name something in Python code and in documents."""

from __future__ import annotations

import keyword
import unicodedata


def is_name(text: str) -> bool:
    """Whether `text` is a Python name, and the very one that code which contains it means.

    Python reads names in their compatibility form: code with a ligature in a name means the name without.
    """
    return text.isidentifier() and not keyword.iskeyword(text) and unicodedata.normalize("NFKC", text) == text


def is_key(text: str) -> bool:
    """Whether documents can have a field called `text` that paths and queries can name."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return text != "" and "\0" not in text and "." not in text and not text.startswith("$")
