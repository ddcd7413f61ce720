"""References that close a cycle, in stores that cannot write all of it at once: which may come after the document."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

from ..breathing import Breather
from ..contract.indexes import IndexSpec
from ..contract.store import Store
from ..encoding import decode, encode, id_key, same
from ..model import spec_of
from ..model.types import takes_none
from ..query.changes import Changes
from ..serializer import hooks_of
from .fill import has_number
from .indexes import declared_indexes
from .plan import Write, WriteKind

#: How a reference names a document: tag of its model, key of its id.
Target = tuple[Any, Hashable]


class Closing:
    """What some writes of new documents refer to among each other, field by field.

    A field is left out of a document only as a whole, so that nobody ever reads half a list. It stays where the
    document would not be a valid one without it: where the member is tagged ``required`` or takes no None, where a
    unique index would count the documents without it as equal, and where code of the program's makes or reads the
    stored form. Such a reference is *firm*: if a cycle has no other, it is written ahead of what it refers to.

    Parameters
    ----------
    writes : sequence of Write
        By their numbers.
    """

    def __init__(self, writes: Sequence[Write]) -> None:
        self._writes = writes
        self._numbers: dict[Target, int] = {
            (write.obj.__model__, id_key(write.id)): number for number, write in enumerate(writes)
        }
        self._fields: dict[int, dict[int, set[str]]] = {}
        self._unique: dict[tuple[Store, str], list[IndexSpec]] = {}
        self._firm: dict[tuple[Store, Any, str], bool] = {}

    async def learn(self, numbers: Iterable[int]) -> None:
        """Find out which unique indexes there are, and where the references are, as `Needs.learn`."""
        breather = Breather()
        for number in numbers:
            self._fields_of(number)
            await breather.breathe()
            cache = self._writes[number].cache
            place = (cache.store, cache.collection)
            if place not in self._unique:
                indexes = await cache.store.list_indexes(cache.collection)
                self._unique[place] = [index for index in indexes if index.unique]

    def is_firm(self, number: int, needed: int) -> bool:
        """Whether a document cannot do without a reference for a while, as `Needs.is_firm`."""
        fields = self._fields_of(number).get(needed)
        # A reference in a form of the program's own is written as it is.
        return fields is None or any(self._is_firm_field(self._writes[number], name) for name in fields)

    def _is_firm_field(self, write: Write, name: str) -> bool:
        key = (write.cache.store, type(write.obj), name)
        if key not in self._firm:
            self._firm[key] = self._must_be_there(write, name)
        return self._firm[key]

    def _must_be_there(self, write: Write, name: str) -> bool:
        spec = spec_of(type(write.obj))
        field = spec.by_stored_name.get(name)
        hooks = hooks_of(spec.model)
        if field is None or field.required or not takes_none(field.member) or hooks.getstate or hooks.restorestate:
            return True
        known = self._unique[write.cache.store, write.cache.collection]
        declared = (index for index in declared_indexes(spec) if index.unique)
        return any(_would_meet(index, name) for index in (*known, *declared))

    def _fields_of(self, number: int) -> dict[int, set[str]]:
        """By the number of each write that a document refers to, the fields in which it does so."""
        found = self._fields.get(number)
        if found is None:
            found = self._fields[number] = {}
            data = self._writes[number].data
            assert data is not None
            for name, value in decode(data).items():
                for target in _references_in(value):
                    other = self._numbers.get(target)
                    if other is not None:
                        found.setdefault(other, set()).add(name)
        return found

    def leave_out(self, number: int, needed: Iterable[int]) -> Write | None:
        """Leave references out of a document as far as they may come later; gives the write that adds them.

        Parameters
        ----------
        number : int
        needed : iterable of int
            The writes that the references are to.

        Returns
        -------
        Write or None
            None where the references are firm.
        """
        write = self._writes[number]
        fields = self._fields_of(number)
        names = {name for other in needed if not self.is_firm(number, other) for name in fields[other]}
        if not names:
            return None
        assert write.data is not None
        whole = decode(write.data)
        if any(has_number(whole[name]) for name in names):
            # Only together do they share their embedded objects.
            names |= {name for name, value in whole.items() if has_number(value)}
            if any(self._is_firm_field(write, name) for name in names):
                return None
        document = {}
        for name, value in whole.items():
            if name == "__dt__" and not names.isdisjoint(value):
                value = {noted: note for noted, note in value.items() if noted not in names}
            if name not in names:
                document[name] = value
        data = encode(document)
        changes = Changes(set={name: value for name, value in whole.items() if not same(value, document.get(name))})
        write.link = Write(write.obj, WriteKind.UPDATE, write.cache, write.id, write.data, changes, data)
        write.data, write.later = data, frozenset(names)
        return write.link


def _would_meet(index: IndexSpec, name: str) -> bool:
    """Whether documents that lack a field may be equal ones for a unique index although they are not with it."""
    if not any(path == name or path.startswith(f"{name}.") for path, _ in index.fields):
        return False
    return not index.sparse or len(index.fields) > 1


def _references_in(value: Any) -> Iterator[Target]:
    """All references in a stored value."""
    places = [value]
    while places:
        place = places.pop()
        if place.__class__ is dict:
            if "_id" in place and "__model__" in place:
                yield place["__model__"], id_key(place["_id"])
            places.extend(place.values())
        elif place.__class__ is list:
            places.extend(place)
