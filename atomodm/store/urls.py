"""Store URLs: reading them, and writing them without what must not be shown."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import InvalidURL

#: Stands for what is not shown.
HIDDEN = "***"

_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|auth|cred|user|sign", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # urlsplit leaves some of them out
_ADDRESS = re.compile(r"(?:(?P<name>[^\s:/@\[\]]+)|\[(?P<v6>[0-9a-fA-F:.%\w]+)\])(?::(?P<port>[0-9]{1,5}))?")
_PARTS = re.compile(
    r"(?P<scheme>[^:/?#]*://)?(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<fragment>#.*)?", re.DOTALL
)


def redact(url: str) -> str:
    """Give a URL without user names, passwords and query values whose names look secret.

    It works on whatever text stands for a URL, well-formed or not.
    """
    found = _PARTS.fullmatch(url)
    assert found is not None, "every part of the pattern may be empty"
    scheme, authority, path = found["scheme"] or "", found["authority"], found["path"]
    query, fragment = found["query"] or "", found["fragment"] or ""
    if "@" in query + fragment:
        # A password may have an unescaped '?' or '#' in it, or a value in the query an '@': nothing can be told apart.
        return scheme + HIDDEN
    before, _, rest = (authority + path).rpartition("@")
    if "@" in authority or (before and (authority or ":" in before)):
        # Up to the last '@', because a password may have a '/' or '@' in it; without a host, a file's name may too.
        authority, path = f"{HIDDEN}@", rest
    items = [item.partition("=") for item in query[1:].split("&")] if query else []
    shown = [f"{name}{mark}{HIDDEN if mark and _SECRET_NAME.search(name) else value}" for name, mark, value in items]
    return scheme + authority + path + ("?" + "&".join(shown) if query else "")


@dataclass(frozen=True, slots=True)
class StoreURL:
    """A store's address, taken apart.

    Attributes
    ----------
    shown : str
        The whole URL without what must not be shown.
    scheme : str
    host : str
        What stands between ``//`` and the next slash, without user name and password.
    path : str
        From the slash on.
    options : mapping of str to str
        The query.
    user, password : str or None
        What stands before the last ``@``; None where it does not.
    """

    shown: str
    scheme: str
    host: str
    path: str
    options: Mapping[str, str] = field(repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, options: Collection[str] = ()) -> StoreURL:
        """Take a URL apart; `options` are the names that its query may have.

        Raises
        ------
        InvalidURL
            It is malformed, or has an option that is not known; the message shows no credentials.
        """
        shown = redact(url)
        if _CONTROL.search(url):
            raise InvalidURL("line breaks and other control characters are written with %, as %0A", store=shown)
        try:
            parts = urlsplit(url)
            query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
            credentials, _, host = parts.netloc.rpartition("@")
            user, _, password = credentials.partition(":")
            host = unquote(host)
        except ValueError:
            # The reason may show a part of the URL.
            raise InvalidURL("the URL cannot be read", store=shown) from None
        if parts.fragment:
            raise InvalidURL("a '#' has no meaning in a store's URL; in names it is written as %23", store=shown)
        found: dict[str, str] = {}
        for name, value in query:
            if name not in options:
                known = ", ".join(sorted(options)) or "none"
                raise InvalidURL(f"unknown option {name!r}; known are: {known}", store=shown)
            if name in found:
                raise InvalidURL(f"option {name!r} is given twice", store=shown)
            found[name] = value
        return cls(
            shown,
            parts.scheme,
            host,
            unquote(parts.path),
            found,
            unquote(user) or None,
            unquote(password) or None,
        )

    def addresses(self, default_port: int) -> list[tuple[str, int]]:
        """The hosts and ports that the URL names, with commas between them; IPv6 addresses stand in brackets.

        Raises
        ------
        InvalidURL
            One of them is none.
        """
        found = []
        for address in self.host.split(","):
            parts = _ADDRESS.fullmatch(address)
            port = int(parts["port"] or default_port) if parts is not None else 0
            if parts is None or not 0 < port < 65536:
                raise InvalidURL("a host is written as host, host:port or [IPv6 address]:port", store=self.shown)
            found.append((parts["name"] or parts["v6"], port))
        return found

    def number(self, name: str, default: float, *, least: float) -> float:
        """Read an option that is a number.

        Raises
        ------
        InvalidURL
            It is none, or is less than `least`.
        """
        text = self.options.get(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value < float("inf"):
            raise InvalidURL(f"option {name!r} must be a number, {least:g} or more", store=self.shown)
        return value

    def flag(self, name: str, default: bool) -> bool:
        """Read an option that is ``yes`` or ``no``; ``true``, ``1``, ``false`` and ``0`` mean them too.

        Raises
        ------
        InvalidURL
            It is another word.
        """
        word = self.choice(name, "yes" if default else "no", ["yes", "no", "true", "false", "1", "0"])
        return word in ("yes", "true", "1")

    def choice(self, name: str, default: str, choices: Collection[str]) -> str:
        """Read an option that is one of some words.

        Raises
        ------
        InvalidURL
            It is another one.
        """
        value = self.options.get(name, default)
        if value not in choices:
            raise InvalidURL(f"option {name!r} must be one of: {', '.join(choices)}", store=self.shown)
        return value
