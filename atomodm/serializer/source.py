"""Generated functions: text built from checked names, everything else bound through the namespace."""

from __future__ import annotations

import itertools
import linecache
from typing import Any

_numbers = itertools.count(1)


class Source:
    """Text of functions for one class, with the constants that it names.

    Names of members enter the text only as identifiers that were checked, stored names only as quoted literals.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.namespace: dict[str, Any] = {}

    def add(self, *lines: str, indent: int = 0) -> None:
        """Add lines, indented by so many levels."""
        self.lines.extend("    " * indent + line if line else "" for line in lines)

    def bind(self, name: str, value: Any) -> str:
        """Make a constant available as `name`, and give the name."""
        bound = self.namespace.setdefault(name, value)
        if bound is not value:
            raise RuntimeError(f"{name} is bound twice")
        return name

    @property
    def text(self) -> str:
        """The functions' text."""
        return "\n".join(self.lines).rstrip() + "\n"

    def compile(self, title: str) -> dict[str, Any]:
        """Compile the text; tracebacks and debuggers show it.

        Parameters
        ----------
        title : str
            Names the text in tracebacks; not part of the code.
        """
        filename = f"<atomodm {title!r} {next(_numbers)}>"
        namespace = dict(self.namespace)
        exec(compile(self.text, filename, "exec"), namespace)
        linecache.cache[filename] = (len(self.text), None, self.text.splitlines(keepends=True), filename)
        return namespace
