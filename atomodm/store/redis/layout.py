"""Names of the keys in Redis, and how index entries are written; ``docs/redis-layout.md`` describes all of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from struct import Struct
from typing import Final

from ...engine.driver import EntryRow, Place

#: Bytes that names keep; all others are written as ``%XX``, so that no name has what separates the parts of a key.
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
_WRITTEN: Final = tuple(f"{byte:c}" if byte in _PLAIN else f"%{byte:02X}" for byte in range(256))
_ESCAPED: Final = re.compile(r"%([0-9A-F]{2})")

#: The only partition that there is yet: a cluster spreads collections, and not one collection.
_PARTITION: Final = 0

_LENGTH: Final = Struct(">I")
#: What marks the end of an entry whose id is so long that its length takes four bytes before this one.
_LONG: Final = 0xFF
_SUFFIXES: Final = tuple(bytes([length]) for length in range(_LONG))

#: Collections whose keys are kept at hand.
_KEPT: Final = 1024


def encode_name(name: str) -> str:
    """Write a name without any character that has a meaning in keys."""
    return "".join([_WRITTEN[byte] for byte in name.encode()])


def decode_name(written: str) -> str | None:
    """Read what `encode_name` wrote; None where it wrote no such thing."""
    try:
        name = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), written).encode("latin-1").decode()
    except UnicodeError:
        return None
    return name if encode_name(name) == written else None


def entry_suffix(id: bytes) -> bytes:
    """What follows key and id in an index entry: how long the id is, so that an entry can be read from its end."""
    length = len(id)
    return _SUFFIXES[length] if length < _LONG else _LENGTH.pack(length) + b"\xff"


def entry(key: bytes, id: bytes) -> bytes:
    """The member of an index for a key and an id."""
    return key + id + entry_suffix(id)


def place(entry: bytes) -> Place:
    """The key and the id of an index entry; of what is none, all of it and no id."""
    length, end = (entry[-1] if entry else 0), len(entry) - 1
    if length == _LONG:
        end -= _LENGTH.size
        length = _LENGTH.unpack_from(entry, end)[0] if end >= 0 else 0
    if not 0 < length <= end:
        return entry, b""
    return entry[: end - length], entry[end - length : end]


def places(entries: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Keys and ids of index entries."""
    keys: list[bytes] = []
    ids: list[bytes] = []
    for member in entries:
        # As `place` does, without a call for each.
        length = member[-1] if member else 0
        if 0 < length < _LONG and length < len(member):
            keys.append(member[: -1 - length])
            ids.append(member[-1 - length : -1])
        else:
            key, id = place(member)
            keys.append(key)
            ids.append(id)
    return keys, ids


def members_of(rows: Iterable[EntryRow]) -> dict[int, list[bytes]]:
    """The members of indexes for some entries, by the indexes' numbers."""
    members: dict[int, list[bytes]] = {}
    for number, key, id in rows:
        some = members.get(number)
        if some is None:
            some = members[number] = []
        # As `entry` does, without a call for each.
        length = len(id)
        some.append(key + id + (_SUFFIXES[length] if length < _LONG else entry_suffix(id)))
    return members


class CollectionKeys:
    """The keys of one collection.

    Attributes
    ----------
    name : str
        The collection's.
    encoded_name : bytes
    documents, ids, meta : bytes
    log, operations, head : bytes
        The change log that the collection's commits are written to.
    """

    def __init__(self, name: str, prefix: str, logged: str) -> None:
        self.name = name
        self.encoded_name = name.encode()
        self.documents = f"{prefix}:documents".encode()
        self.ids = f"{prefix}:ids".encode()
        self.meta = f"{prefix}:meta".encode()
        self.log = f"{logged}:log".encode()
        self.operations = f"{logged}:operations".encode()
        self.head = f"{logged}:head".encode()
        self._prefix = prefix

    def index(self, number: int, unique: bool) -> bytes:
        """The key of an index."""
        return f"{self._prefix}:{'unique' if unique else 'index'}:{number}".encode()

    def indexes(self, highest: int) -> list[bytes]:
        """The keys of all indexes with numbers up to `highest`."""
        return [self.index(number, unique) for number in range(1, highest + 1) for unique in (False, True)]


class Layout:
    """The names of all keys of one namespace.

    Parameters
    ----------
    namespace : str
        What all keys begin with, so that several stores and other programs can share one database.
    clustered : bool
        Each collection has a change log of its own, beside its documents; otherwise there is one for all.

    Attributes
    ----------
    collections : bytes
        The key of the set of collections.
    """

    def __init__(self, namespace: str, *, clustered: bool = False) -> None:
        self._namespace = encode_name(namespace)
        self._clustered = clustered
        self.collections = f"{self._namespace}:collections".encode()
        self.collection = lru_cache(_KEPT)(self._collection)

    def _collection(self, name: str) -> CollectionKeys:
        """The keys of a collection."""
        prefix = f"{self._namespace}:{{{encode_name(name)}:{_PARTITION}}}"
        return CollectionKeys(name, prefix, prefix if self._clustered else self._namespace)

    @property
    def pattern(self) -> bytes:
        """What SCAN matches the keys of collections with."""
        # None of the characters that a name can have means anything in a pattern.
        return f"{self._namespace}:{{*:{_PARTITION}}}:*".encode()

    def parse(self, key: bytes) -> tuple[str, str] | None:
        """The collection and the rest of a key; None for a key that is no collection's."""
        before, brace, rest = key.decode("latin-1").partition("{")
        written, brace, after = rest.partition(f":{_PARTITION}}}:")
        if before != f"{self._namespace}:" or not brace or (name := decode_name(written)) is None:
            return None
        return name, after
