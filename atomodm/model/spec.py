"""`ModelSpec`: what is known about a model class, computed once and never changed.

Serializers, queries, indexes and the tools above read this description; nobody else looks at members.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from atom.api import Constant, Event, Member, Property, ReadOnly, Signal
from atom.catom import DefaultValue

from ..errors import ModelDefinitionError
from .expiry import EXPIRES, LONGEST, OWN_TTL
from .names import is_key
from .options import Options
from .types import FieldType, ModelType, ScalarType, field_type, takes_none

#: Keys that documents keep for atomodm; no member may be stored under one of them.
RESERVED_KEYS = frozenset({"_id", "__model__", "__ref__", "__py__", "__dt__", "__rev__", EXPIRES, OWN_TTL})
#: The static observer that signals edits, see `Model.__changed__`.
TRACKER = "__changed__"
#: What happens to references when the document they name is deleted.
ON_DELETE = ("keep", "nullify", "cascade", "deny")

_TAGS_OF_BOOL = ("store", "unique", "sparse", "primary_key", "required", "embed")


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One stored member.

    Attributes
    ----------
    name : str
        The member's name.
    stored_name : str
        The key in documents; ``"_id"`` for the primary key.
    aliases : tuple of str
        Former stored names, read where the stored name is missing.
    type : FieldType
        What it may hold.
    member : Member
        The atom member.
    order : float
        ``setstate_order``: ascending order in which a restore sets and announces members.
    index : int
        The direction of the index that its tags declare, 1 or -1; 0 where there is none.
    unique, sparse, required : bool
        As tagged.
    expires : int or None
        Seconds after the member's date when the document is gone.
    on_delete : str
        One of `ON_DELETE`.
    flatten, unflatten : callable or None
        ``f(value, scope)`` of the tags, in place of the generated conversion.
    settable : bool
        False for constants and properties without setter: stored, but never restored.
    write_once : bool
        True for read-only members, which atom lets nobody set twice.
    opens_unset : bool
        True for a read-only member without default: reading it would use up the one time that it can be set.
    observers : tuple
        The class's own static observers, without the one that tracks edits.
    """

    name: str
    stored_name: str
    aliases: tuple[str, ...]
    type: FieldType
    member: Member[Any, Any]
    order: float
    index: int
    unique: bool
    sparse: bool
    expires: int | None
    required: bool
    on_delete: str
    flatten: Callable[[Any, Any], Any] | None
    unflatten: Callable[[Any, Any], Any] | None
    settable: bool
    write_once: bool
    opens_unset: bool
    observers: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model class.

    Attributes
    ----------
    model : type
        The class.
    tag : str
        ``__model__``: what documents and references name it by.
    collection : str
        Where its documents are.
    owner : type
        The class of the hierarchy that owns the collection; a document without a tag is one of its.
    fields : tuple of FieldSpec
        Stored members in the order in which they are declared.
    ordered_fields : tuple of FieldSpec
        The same in ``setstate_order``.
    by_name, by_stored_name : mapping
        The same by member name and by stored name.
    primary_key : FieldSpec or None
        The member that is the ``_id``; None where ``_id`` is an id of its own.
    extra_members : tuple of str
        Members that are not stored and that a state may set nevertheless.
    embedded : bool
        Instances are stored inside other documents.
    options : Options
        ``class Meta``.
    keys : frozenset of str
        What a document may have as far as the model knows: stored names, former ones, and atomodm's own keys.
    """

    model: Any
    tag: str
    collection: str
    owner: Any
    fields: tuple[FieldSpec, ...]
    ordered_fields: tuple[FieldSpec, ...]
    by_name: Mapping[str, FieldSpec]
    by_stored_name: Mapping[str, FieldSpec]
    primary_key: FieldSpec | None
    extra_members: tuple[str, ...]
    embedded: bool
    options: Options
    keys: frozenset[str]

    def __repr__(self) -> str:
        return f"<ModelSpec {self.tag}>"


def spec_of(model: Any) -> ModelSpec:
    """Give the description of a model class, made at first use because references may name later classes.

    Raises
    ------
    ModelDefinitionError
        The class declares something that cannot work, or refers to a class that does not exist.
    """
    spec: ModelSpec | None = model.__dict__.get("__atomodm_spec__")
    if spec is None:
        spec = _describe(model)
        model.__atomodm_spec__ = spec
    return spec


def is_db_field(member: Member[Any, Any]) -> bool:
    """Whether a member is stored: by its tag ``store``, else unless it is private or a Property.

    Events and signals hold no value and are never stored.
    """
    if isinstance(member, Event | Signal):
        return False
    tags = member.metadata or {}
    default = not member.name.startswith("_") and not isinstance(member, Property)
    return bool(tags.get("store", default))


def _describe(model: Any) -> ModelSpec:
    members: dict[str, Member[Any, Any]] = model.members()
    options: Options = model.__options__
    fields = [_describe_field(model, members[name]) for name in model.__fields__]
    by_stored_name: dict[str, FieldSpec] = {}
    for field in fields:
        for key in (field.stored_name, *field.aliases):
            if key in by_stored_name:
                raise ModelDefinitionError(
                    f"two members are stored as {key!r}: {by_stored_name[key].name} and {field.name}",
                    model=model.__model__,
                )
            by_stored_name[key] = field
    by_name = {field.name: field for field in fields}
    _check_indexes(model, options.indexes, by_name)
    keys = [field for field in fields if field.stored_name == "_id"]
    collection = options.name or model.__model__
    return ModelSpec(
        model=model,
        tag=model.__model__,
        collection=collection,
        owner=_owner(model, options.name),
        fields=tuple(fields),
        ordered_fields=tuple(sorted(fields, key=lambda field: field.order)),
        by_name=by_name,
        by_stored_name={field.stored_name: field for field in fields},
        primary_key=keys[0] if keys else None,
        extra_members=tuple(name for name in members if name not in by_name and not name.startswith("_")),
        embedded=model.__atomodm_embedded__,
        options=options,
        keys=RESERVED_KEYS.union(by_stored_name),
    )


def _check_indexes(model: Any, indexes: Sequence[Any], by_name: Mapping[str, FieldSpec]) -> None:
    for index in indexes:
        names = [index] if isinstance(index, str) else index if isinstance(index, Sequence) else []
        for name in names:
            member = name.removeprefix("-").partition("__")[0] or "_id"
            if member not in by_name and member not in ("_id", "pk"):
                raise ModelDefinitionError(
                    f"Meta.indexes names {name!r}, which is no stored member", model=model.__model__
                )


def _owner(model: Any, name: str | None) -> type:
    if name is None:
        return model  # type: ignore[no-any-return]
    owner = model
    for base in model.__mro__:
        options = base.__dict__.get("__options__")
        if options is not None and options.name == name:
            owner = base
    return owner  # type: ignore[no-any-return]


def _describe_field(model: Any, member: Member[Any, Any]) -> FieldSpec:
    tags: dict[str, Any] = member.metadata or {}
    name = member.name
    where = {"model": model.__model__, "path": name}
    for tag in _TAGS_OF_BOOL:
        if not isinstance(tags.get(tag, False), bool):
            raise ModelDefinitionError(f"tag({tag}=…) takes a bool", **where)
    primary_key = tags.get("primary_key", False)
    stored_name = "_id" if primary_key else tags.get("name", name)
    aliases = tags.get("alias", ())
    aliases = tuple(aliases) if isinstance(aliases, Sequence) and not isinstance(aliases, str) else (aliases,)
    for key in (*aliases, stored_name):
        if not (primary_key and key == "_id"):
            _check_stored_name(key, where)
    order = tags.get("setstate_order", 1000)
    if not isinstance(order, int | float):
        raise ModelDefinitionError("tag(setstate_order=…) takes a number", **where)
    on_delete = tags.get("on_delete", "keep")
    if on_delete not in ON_DELETE:
        raise ModelDefinitionError(f"tag(on_delete=…) takes one of {', '.join(ON_DELETE)}", **where)
    for tag in ("flatten", "unflatten"):
        if tags.get(tag) is not None and not callable(tags[tag]):
            raise ModelDefinitionError(f"tag({tag}=…) takes a function of (value, scope)", **where)
    try:
        kind = field_type(member, embed=tags.get("embed", False))
    except NameError as error:
        raise ModelDefinitionError(f"a forward reference cannot be resolved ({error})", **where) from None
    if on_delete != "keep" and not (isinstance(kind, ModelType) and not kind.embedded):
        raise ModelDefinitionError("tag(on_delete=…) needs a member that holds one reference", **where)
    if on_delete != "keep" and model.__atomodm_embedded__:
        raise ModelDefinitionError("tag(on_delete=…) is for members of documents, and this model is embedded", **where)
    if on_delete == "nullify" and (tags.get("required", False) or not takes_none(member)):
        raise ModelDefinitionError("tag(on_delete='nullify') needs a member that takes None", **where)
    return FieldSpec(
        name=name,
        stored_name=stored_name,
        aliases=aliases,
        type=kind,
        member=member,
        order=order,
        index=_index_direction(tags, where),
        unique=tags.get("unique", False),
        sparse=tags.get("sparse", False),
        expires=_expiry(tags, kind, where),
        required=tags.get("required", False),
        on_delete=on_delete,
        flatten=tags.get("flatten"),
        unflatten=tags.get("unflatten"),
        settable=_is_settable(model, member),
        write_once=isinstance(member, ReadOnly),
        opens_unset=isinstance(member, ReadOnly) and member.default_value_mode == (DefaultValue.Static, None),
        observers=tuple(observer for observer in member.static_observers() if observer != TRACKER),
    )


def _index_direction(tags: Mapping[str, Any], where: Mapping[str, str]) -> int:
    index = tags.get("index", False)
    if not isinstance(index, int) or index not in (False, True, -1):
        raise ModelDefinitionError("tag(index=…) takes a bool, or -1 for a descending index", **where)
    if tags.get("primary_key", False):
        if tags.get("sparse", False) or tags.get("expires") is not None:
            raise ModelDefinitionError(
                "the index of the primary key is neither sparse nor do documents expire by it", **where
            )
        return 0
    if tags.get("sparse", False) and not index and not tags.get("unique", False) and tags.get("expires") is None:
        raise ModelDefinitionError("tag(sparse=True) needs an index: index=True or unique=True", **where)
    return int(index) or int(tags.get("unique", False) or tags.get("expires") is not None)


def _expiry(tags: Mapping[str, Any], kind: FieldType, where: Mapping[str, str]) -> int | None:
    expires = tags.get("expires")
    if expires is None:
        return None
    seconds = expires.total_seconds() if isinstance(expires, timedelta) else expires
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST:
        raise ModelDefinitionError(f"tag(expires=…) takes a timedelta, or seconds from 0 to {LONGEST}", **where)
    if isinstance(kind, ScalarType) and not any(issubclass(type_, date) for type_ in kind.types):
        raise ModelDefinitionError("tag(expires=…) needs a member that holds a date", **where)
    return int(seconds)


def _is_settable(model: Any, member: Member[Any, Any]) -> bool:
    """Whether a restore can set a member; atom looks a property's setter up by its name where none was given."""
    if isinstance(member, Property):
        return member.fset is not None or hasattr(model, f"_set_{member.name}")
    return not isinstance(member, Constant)


def _check_stored_name(key: Any, where: Mapping[str, str]) -> None:
    if not isinstance(key, str) or not is_key(key) or key in RESERVED_KEYS:
        raise ModelDefinitionError(
            f"{key!r} cannot name a stored field: not empty, no '.', no NUL, no lone surrogate, no leading '$', "
            f"and none of {', '.join(sorted(RESERVED_KEYS))}",
            **where,
        )
