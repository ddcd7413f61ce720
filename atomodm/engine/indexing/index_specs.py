"""Which indexes can be declared, and when two declarations mean the same index: by the rules of MongoDB's servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...contract.indexes import IndexSpec
from ...encoding import encode, read_back
from ...errors import IndexConflict, InvalidQuery, UnsupportedOperation, describe_type
from ...query.filters import parse_filter
from ...query.nodes import All, And, Compare, Exists, In, Node, Nothing, Or, TypeIs
from ...query.server_codes import ServerCode

#: The name of the index that every collection has on its ids.
ID_INDEX = "_id_"
#: Fields of one index at most.
MOST_FIELDS = 32
#: Seconds after which documents can expire at most.
LONGEST_EXPIRY = 2**31 - 1

_ID_FIELDS = (("_id", 1),)
_KINDS = ("text", "2d", "2dsphere", "hashed", "geoHaystack", "columnstore")


def is_id_index(spec: IndexSpec) -> bool:
    """Whether `spec` is the index that every collection has on its ids."""
    return tuple(spec.fields) == _ID_FIELDS


def normal_spec(spec: IndexSpec, url: str) -> IndexSpec:
    """Check a declaration and give it in the form in which it is stored.

    Raises
    ------
    IndexConflict
        Options that do not go together, or a value that has no meaning.
    UnsupportedOperation
        An index of a kind that only a MongoDB server has.
    """
    declaration = _Declaration(spec, url)
    fields = declaration.fields()
    declaration.check_name(fields)
    if fields == _ID_FIELDS:
        declaration.check_id_index()
        return IndexSpec(name=ID_INDEX, fields=fields)
    return IndexSpec(
        name=spec.name,
        fields=fields,
        unique=declaration.flag("unique", spec.unique),
        sparse=declaration.flag("sparse", spec.sparse),
        partial=declaration.partial(),
        expire_after=declaration.expire_after(fields),
    )


class _Declaration:
    """One declaration, being checked."""

    def __init__(self, spec: IndexSpec, url: str) -> None:
        self._spec = spec
        self._url = url

    def _error(self, problem: str, code: ServerCode = ServerCode.CANNOT_CREATE_INDEX) -> IndexConflict:
        return IndexConflict(f"index {self._spec.name}: {problem}", server_code=code, store=self._url)

    def fields(self) -> tuple[tuple[str, int], ...]:
        given: Sequence[Any] = self._spec.fields
        if not all(isinstance(field, list | tuple) and len(field) == 2 for field in given):
            raise self._error("each of its fields is a path with a direction")
        fields = tuple((path, self._direction(path, direction)) for path, direction in given)
        if not fields:
            raise self._error("an index is over one path or more")
        if len(fields) > MOST_FIELDS:
            raise self._error(f"an index is over {MOST_FIELDS} paths at most")
        for path, _ in fields:
            self._check_path(path)
        if len({path for path, _ in fields}) < len(fields):
            raise self._error("a path is named twice")
        return fields

    def _direction(self, path: Any, direction: Any) -> int:
        if direction in _KINDS or (isinstance(path, str) and "$**" in path):
            raise UnsupportedOperation(
                f"index {self._spec.name}: only ascending (1) and descending (-1) indexes are supported",
                store=self._url,
            )
        if isinstance(direction, bool) or direction not in (1, -1):
            raise self._error("a direction is 1 or -1")
        return int(direction)

    def _check_path(self, path: Any) -> None:
        if not isinstance(path, str):
            raise self._error(f"a path is a string, not {describe_type(path)}")
        parts = path.split(".")
        if not all(parts):
            raise self._error("index keys cannot contain an empty field")
        if "\0" in path:
            raise self._error("a path holds a NUL character")
        if any(part.startswith("$") and part not in ("$id", "$ref", "$db") for part in parts):
            raise self._error("index key contains an illegal field name: a field name starts with '$'")
        encode({path: None})

    def check_name(self, fields: Sequence[tuple[str, int]]) -> None:
        name = self._spec.name
        if not isinstance(name, str):
            raise self._error(f"a name is a string, not {describe_type(name)}", ServerCode.TYPE_MISMATCH)
        if not name or "\0" in name:
            raise self._error("index name cannot be empty or hold a NUL character")
        if name == "*" or (name == ID_INDEX and tuple(fields) != _ID_FIELDS):
            raise self._error("the name is reserved", ServerCode.BAD_VALUE)
        encode({name: None})

    def check_id_index(self) -> None:
        spec = self._spec
        given = {
            "unique": spec.unique,
            "sparse": spec.sparse,
            "partialFilterExpression": spec.partial is not None,
            "expireAfterSeconds": spec.expire_after is not None,
        }
        for option, is_given in given.items():
            if is_given:
                raise self._error(
                    f"the field '{option}' is not valid for an _id index specification",
                    ServerCode.INVALID_INDEX_SPECIFICATION_OPTION,
                )

    def flag(self, option: str, value: Any) -> bool:
        # A number is true or false for a server too; text is neither, whatever it says.
        if not isinstance(value, int | float):
            raise self._error(f"{option} is True or False, not {describe_type(value)}", ServerCode.TYPE_MISMATCH)
        return bool(value)

    def partial(self) -> Mapping[str, Any] | None:
        filter = self._spec.partial
        if filter is None:
            return None
        if not isinstance(filter, Mapping):
            raise self._error(
                f"partialFilterExpression is a document, not {describe_type(filter)}", ServerCode.TYPE_MISMATCH
            )
        if self._spec.sparse:
            raise self._error('cannot mix "partialFilterExpression" and "sparse" options')
        try:
            node = parse_filter(filter)
        except InvalidQuery as error:
            raise self._error(f"unsupported expression in partial index: {error.message}") from None
        if not _is_partial_filter(node):
            raise self._error(
                "unsupported expression in partial index; there are $eq, $gt, $gte, $lt, $lte, $in, $exists: true, "
                "$type, $and and $or"
            )
        return read_back(filter)

    def expire_after(self, fields: Sequence[tuple[str, int]]) -> int | None:
        seconds: Any = self._spec.expire_after
        if seconds is None:
            return None
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise self._error(f"expireAfterSeconds is a number, not {describe_type(seconds)}", ServerCode.TYPE_MISMATCH)
        if not 0 <= seconds <= LONGEST_EXPIRY:
            raise self._error(f"expireAfterSeconds must be within 0 and {LONGEST_EXPIRY}")
        if len(fields) > 1:
            raise self._error("TTL indexes are single-field indexes, compound indexes do not support TTL")
        if fields[0][0] == "_id":
            raise self._error("the index on _id does not support TTL")
        return int(seconds)


def _is_partial_filter(node: Node) -> bool:
    match node:
        case And(children) | Or(children):
            return all(map(_is_partial_filter, children))
        case All() | Nothing() | Compare() | In() | Exists(_, True) | TypeIs():
            return True
        case _:
            return False


# -- comparing declarations --------------------------------------------------------------------------------------------


def existing_index(present: Sequence[IndexSpec], spec: IndexSpec, collection: str, url: str) -> IndexSpec | None:
    """The one of `present` that is what `spec` declares; None where it is a new index.

    Fields, `unique`, `sparse` and the partial filter make an index. Two indexes may have the same fields where one of
    the others differs.

    Raises
    ------
    IndexConflict
        There is one of that name, or one with these fields and options, that is not what is declared.
    """
    for other in present:
        alike = _signature(other) == _signature(spec)
        options = other.expire_after == spec.expire_after
        if other.name == spec.name:
            if alike and options:
                return other
            problem = "other options" if alike else "other fields or options"
            code = ServerCode.INDEX_OPTIONS_CONFLICT if alike else ServerCode.INDEX_KEY_SPECS_CONFLICT
            raise IndexConflict(
                f"an index {spec.name} of collection {collection} exists with {problem}; drop_index({spec.name!r}) "
                f"removes it so that it can be created anew",
                server_code=code,
                store=url,
            )
    for other in present:
        if _signature(other) == _signature(spec):
            different = "" if other.expire_after == spec.expire_after else " and other options"
            raise IndexConflict(
                f"index {spec.name} of collection {collection} already exists with a different name{different}: "
                f"{other.name}",
                server_code=ServerCode.INDEX_OPTIONS_CONFLICT,
                store=url,
            )
    return None


def _signature(spec: IndexSpec) -> tuple[Any, ...]:
    partial = None if spec.partial is None else _canonical(parse_filter(spec.partial))
    return tuple(map(tuple, spec.fields)), spec.unique, spec.sparse, partial


def _canonical(node: Node) -> str:
    """A text that is the same for filters that differ only in the order of their conditions."""
    if isinstance(node, And | Or):
        return f"{type(node).__name__}({', '.join(sorted(map(_canonical, node.children)))})"
    return repr(node)
