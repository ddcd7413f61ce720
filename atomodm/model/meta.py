"""The metaclass of models: options, tags, identity, and the observer that signals edits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from atom.api import AtomMeta, Member, Property
from atom.catom import CAtom
from atom.meta.atom_meta import clone_if_needed

from ..errors import ModelDefinitionError
from .names import is_name
from .options import Options, read_options
from .registry import REGISTRY
from .spec import TRACKER, is_db_field

#: Names that mean something else on every model.
API_NAMES = frozenset(name for name in dir(CAtom) if not name.startswith("_")) | {
    "delete",
    "expire",
    "load",
    "members",
    "objects",
    "observe",
    "refresh",
    "restore",
    "revert",
    "save",
    "serializer",
    "update",
}


class ModelMeta(AtomMeta):
    """Makes model classes.

    Each stored member gets a static observer, which costs nothing per object. A tag that a subclass body adds to an
    inherited member applies to a copy of it, so that the base class stays as it is.
    """

    __options__: Options
    __model__: str
    __fields__: list[str]
    __atomodm_embedded__: bool

    if TYPE_CHECKING:

        def members(cls) -> dict[str, Member[Any, Any]]: ...

    def __new__(
        meta: type[ModelMeta],
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        ghost: bool = False,
        **kwargs: Any,
    ) -> ModelMeta:
        if ghost:
            return cast(ModelMeta, super().__new__(meta, name, bases, namespace, **kwargs))
        declared = namespace.pop("Meta", None)
        _separate_inherited_members(bases, namespace)
        _alias_primary_key(name, namespace)
        cls = cast(ModelMeta, super().__new__(meta, name, bases, namespace, **kwargs))
        inherited = next((base.__options__ for base in bases if isinstance(base, ModelMeta)), Options())
        cls.__options__ = read_options(name, declared, inherited)
        _remember_tags(cls)
        if "__model__" not in namespace:
            cls.__model__ = f"{cls.__options__.app_label or cls.__module__}.{name}"
        if "__fields__" not in namespace:
            cls.__fields__ = [key for key, member in cls.members().items() if is_db_field(member)]
        _check_names(cls)
        if cls.__options__.ttl is not None and cls.__atomodm_embedded__ and not cls.__options__.abstract:
            raise ModelDefinitionError("Meta.ttl is for documents, and this model is embedded", model=cls.__model__)
        _observe_stored_members(cls)
        if not cls.__options__.abstract:
            REGISTRY[cls.__model__] = cls
        return cls


def _separate_inherited_members(bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
    """Give the class its own copy where its body tags a member of a base, and the base its former tags back."""
    for base in bases:
        if not isinstance(base, ModelMeta):
            continue
        for key, value in list(namespace.items()):
            if isinstance(value, Member) and base.members().get(key) is value:
                namespace[key] = value.clone()
                value.metadata = _tags_when_made(base, key)


def _remember_tags(cls: ModelMeta) -> None:
    tags = {key: dict(member.metadata) for key, member in cls.members().items() if member.metadata}
    cls.__atomodm_tags__ = tags  # type: ignore[attr-defined]


def _tags_when_made(cls: Any, key: str) -> dict[str, Any] | None:
    tags: dict[str, Any] | None = cls.__atomodm_tags__.get(key)
    return None if tags is None else dict(tags)


def _alias_primary_key(class_name: str, namespace: dict[str, Any]) -> None:
    """Make ``_id`` and the member tagged ``primary_key`` one value."""
    keys = [
        key
        for key, value in namespace.items()
        if isinstance(value, Member) and (value.metadata or {}).get("primary_key", False)
    ]
    if len(keys) > 1:
        raise ModelDefinitionError(f"several members are primary keys: {', '.join(keys)}", model=class_name)
    if keys and keys[0] != "_id":
        (key,) = keys

        def read(obj: Any) -> Any:
            return getattr(obj, key)

        def write(obj: Any, value: Any) -> None:
            setattr(obj, key, value)

        namespace["_id"] = Property(read, write)


def _check_names(cls: ModelMeta) -> None:
    members = cls.members()
    for key in cls.__fields__:
        if key not in members:
            raise ModelDefinitionError(f"__fields__ names {key!r}, which is no member", model=cls.__model__)
        if not is_name(key):
            raise ModelDefinitionError(f"a member is named {key!r}, which is no Python name", model=cls.__model__)
        if "__" in key:
            raise ModelDefinitionError(
                "'__' separates the parts of a lookup and cannot be in a name", model=cls.__model__, path=key
            )
    for key in members:
        if key in API_NAMES:
            raise ModelDefinitionError("the name belongs to the model's own interface", model=cls.__model__, path=key)


def _observe_stored_members(cls: ModelMeta) -> None:
    for key in cls.__fields__:
        member = cls.members()[key]
        if TRACKER not in member.static_observers():
            clone_if_needed(cls, member).add_static_observer(TRACKER)
