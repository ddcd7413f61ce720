"""The functions that flatten and restore the instances of one class, generated from its `ModelSpec`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import ref

from atom.api import ContainerList, Dict, List
from bson import ObjectId

from ..encoding import decode_all, id_key
from ..model import FieldSpec, ModelSpec, spec_of
from .carefully import restore_carefully, restore_extras, set_member
from .expressions import flatten_expression, is_datetime, is_encoded_as_is, is_native, restore_expression
from .hooks import Hooks, hooks_of
from .instants import as_date, note_of, note_under, with_note
from .scope import Form
from .source import Source
from .values import check_required

#: Flattens one member's value.
FlattenField = Callable[[Any, Any], Any]
#: Restores one member's value.
RestoreField = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Generated:
    """The generated functions of one class.

    Attributes
    ----------
    flatten : callable
        ``flatten(obj, _id, scope)`` gives the document; for an embedded model its state, without ``_id``.
    restore : callable
        ``restore(obj, document, scope)`` sets all members, falling back to one by one where something is amiss.
    hydrate : callable
        ``hydrate(documents, revisions, cache, scope, meet, fresh)`` makes objects of stored bytes, see `Fetch`.
    flatten_fields : dict
        One function ``f(value, scope)`` for each member, by its name.
    restorers : tuple
        (field, function) for each member that can be set, in ``setstate_order``.
    source : str
        The generated text.
    """

    flatten: Callable[[Any, Any, Any], dict[str, Any]]
    restore: Callable[[Any, dict[str, Any], Any], None]
    hydrate: Callable[..., list[Any]]
    flatten_fields: dict[str, FlattenField]
    restorers: tuple[tuple[FieldSpec, RestoreField], ...]
    source: str


def generated_for(model: Any) -> Generated:
    """The generated functions of a class, made at first use."""
    functions: Generated | None = model.__dict__.get("__atomodm_generated__")
    if functions is None:
        functions = _generate(spec_of(model))
        model.__atomodm_generated__ = functions
    return functions


def json_flatten_for(model: Any) -> Callable[[Any, Any], dict[str, Any]]:
    """The generated function ``flatten(obj, scope)`` that gives what JSON can hold, made at first use."""
    function: Callable[[Any, Any], dict[str, Any]] | None = model.__dict__.get("__atomodm_json__")
    if function is None:
        spec = spec_of(model)
        source = Source()
        _add_flatten(source, spec, hooks_of(model), "flatten(obj, scope)", Form.JSON)
        function = model.__atomodm_json__ = source.compile(f"{spec.tag} as JSON")["flatten"]
    return function


def _generate(spec: ModelSpec) -> Generated:
    source = Source()
    hooks = hooks_of(spec.model)
    ordered = [field for field in spec.ordered_fields if field.settable]
    _add_flatten(source, spec, hooks, "flatten(obj, _id, scope)", Form.DOCUMENT)
    for field in ordered:
        _add_restore_field(source, field, hooks)
    _add_restore(source, spec, ordered, hooks)
    _add_hydrate(source, spec, ordered, hooks)
    functions = source.compile(spec.tag)
    restorers = tuple((field, functions.get(f"restore_{field.name}", _as_is)) for field in ordered)
    functions["_restorers"] = restorers
    return Generated(
        flatten=functions["flatten"],
        restore=functions["restore"],
        hydrate=functions.get("hydrate", _no_documents),
        flatten_fields={field.name: functions.get(f"flatten_{field.name}", _as_is) for field in spec.fields},
        restorers=restorers,
        source=source.text,
    )


def _as_is(value: Any, scope: Any) -> Any:
    """Convert a value that is stored as it is."""
    return value


def _no_documents(*args: Any) -> list[Any]:
    raise TypeError("embedded models have no documents of their own")


# -- flatten -----------------------------------------------------------------------------------------------------------


def _has_note(field: FieldSpec, hooks: Hooks) -> bool:
    """Whether what a Date lacks of the member goes under ``__dt__``."""
    return is_datetime(field.type) and field.flatten is None and not hooks.flatten


def _is_plain(field: FieldSpec, hooks: Hooks, form: Form) -> bool:
    """Whether the member's value is stored as it is."""
    if field.flatten is not None or hooks.flatten:
        return False
    shared = isinstance(field.member, List | ContainerList | Dict) and is_encoded_as_is(field.type, form)
    return shared or is_native(field.type, form)


def _read(source: Source, field: FieldSpec) -> str:
    """The expression that reads the member without changing what may be done with it."""
    if field.opens_unset:
        return f"{source.bind(f'_slot_{field.name}', field.member.get_slot)}(obj)"
    return f"obj.{field.name}"


def _add_flatten_field(source: Source, spec: ModelSpec, field: FieldSpec, hooks: Hooks, form: Form) -> None:
    if field.flatten is not None:
        expression = f"{source.bind(f'_tag_flatten_{field.name}', field.flatten)}(value, scope)"
    elif hooks.flatten:
        expression = f"{source.bind('_serializer', spec.model.serializer)}.flatten(value, scope)"
    elif _has_note(field, hooks) and form is Form.DOCUMENT:
        expression = f"None if value is None else {source.bind('_as_date', as_date)}(value)"
    else:
        expression = flatten_expression(source, field.type, "value", form)
    source.add(f"def flatten_{field.name}(value, scope):", f"    return {expression}", "")


def _add_flatten(source: Source, spec: ModelSpec, hooks: Hooks, signature: str, form: Form) -> None:
    fields = spec.fields
    for field in fields:
        if not _is_plain(field, hooks, form):
            _add_flatten_field(source, spec, field, hooks, form)
    noted = [field for field in fields if form is Form.DOCUMENT and _has_note(field, hooks)]
    # Reading a default announces its creation: nobody is told, and a loaded object has all members set already.
    source.add(
        f"def {signature}:",
        "    muted = None if obj.__snapshot__ is not None else obj.set_notifications_enabled(False)",
        "    try:",
    )
    for field in fields:
        if field.required:
            source.bind("_check_required", check_required)
            source.add(
                f"_check_required({_read(source, field)}, {source.bind('_model', spec.model)}, {field.name!r})",
                indent=2,
            )
    if noted:
        source.bind("_as_date", as_date)
        source.bind("_note_of", note_of)
        source.add("notes = None", indent=2)
    for field in noted:
        value = f"value_{field.name}"
        source.add(
            f"{value} = {_read(source, field)}",
            f"if {value} is not None and ({value}.tzinfo is not None or {value}.microsecond % 1000 or {value}.fold):",
            "    notes = notes or {}",
            f"    notes[{field.stored_name!r}] = _note_of({value})",
            f"    {value} = _as_date({value})",
            indent=2,
        )
    source.add("document = {", indent=2)
    if form is Form.DOCUMENT and not spec.embedded:
        source.add('"_id": _id,', indent=3)
        fields = tuple(field for field in fields if field.stored_name != "_id")
    source.add(f'"__model__": {source.bind("_tag", spec.tag)},', indent=3)
    for field in fields:
        if field in noted:
            expression = f"value_{field.name}"
        elif _is_plain(field, hooks, form):
            expression = _read(source, field)
        else:
            expression = f"flatten_{field.name}({_read(source, field)}, scope)"
        source.add(f"{field.stored_name!r}: {expression},", indent=3)
    source.add("}", indent=2)
    if noted:
        source.add("if notes is not None:", '    document["__dt__"] = notes', indent=2)
    source.add(
        "    finally:",
        "        if muted is not None:",
        "            obj.set_notifications_enabled(muted)",
        "    return document",
        "",
    )


# -- restore -----------------------------------------------------------------------------------------------------------


def _add_restore_field(source: Source, field: FieldSpec, hooks: Hooks) -> None:
    if field.name in hooks.async_unflatten:
        expression = "value.value"  # awaited before, see Hooks
    elif field.unflatten is not None:
        expression = f"{source.bind(f'_tag_unflatten_{field.name}', field.unflatten)}(value, scope)"
    elif is_datetime(field.type):
        note = f"scope.document.get('__dt__', {{}}).get({field.stored_name!r})"
        if field.aliases:
            note = f"{source.bind('_note_under', note_under)}(scope.document, {(field.stored_name, *field.aliases)!r})"
        exact = restore_expression(source, field.type, "value")
        expression = f"{source.bind('_with_note', with_note)}({exact}, {note})"
    else:
        expression = restore_expression(source, field.type, "value")
        if expression == "value":
            return
    source.add(f"def restore_{field.name}(value, scope):", f"    return {expression}", "")


def _is_set_plainly(field: FieldSpec, hooks: Hooks) -> bool:
    """Whether what is stored is what the member takes."""
    converted = field.unflatten is not None or field.name in hooks.async_unflatten
    return not converted and restore_expression(Source(), field.type, "value") == "value"


def _is_date(field: FieldSpec, hooks: Hooks) -> bool:
    return field.unflatten is None and field.name not in hooks.async_unflatten and is_datetime(field.type)


def _assignments(
    source: Source, spec: ModelSpec, fields: Sequence[FieldSpec], hooks: Hooks, *, entered: bool = True
) -> list[str]:
    """Statements that set all members of ``obj`` from ``document``, in ``setstate_order``.

    Unless the scope has `entered` the document, they let it know one that has notes, which restoring dates looks at.
    """
    lines = []
    for field in fields:
        stored = f"document[{field.stored_name!r}]"
        if field.write_once:
            restored = stored if _is_set_plainly(field, hooks) else f"restore_{field.name}({stored}, scope)"
            source.bind("_set_member", set_member)
            lines.append(f"_set_member(obj, {source.bind(f'_field_{field.name}', field)}, {restored})")
        elif _is_date(field, hooks):
            lines.append(f"obj.{field.name} = {stored} if notes is None else restore_{field.name}({stored}, scope)")
        elif _is_set_plainly(field, hooks):
            lines.append(f"obj.{field.name} = {stored}")
        else:
            lines.append(f"obj.{field.name} = restore_{field.name}({stored}, scope)")
    if any(_is_date(field, hooks) for field in fields):
        entering = [] if entered else ["if notes is not None:", "    scope.document = document"]
        lines[:0] = ["notes = document.get('__dt__')", *entering]
    if spec.extra_members:
        members = sum(field.stored_name != "_id" for field in spec.fields)
        source.bind("_restore_extras", restore_extras)
        source.bind("_spec", spec)
        lines.append(f"if len(document) != {members} + ('_id' in document) + ('__model__' in document):")
        lines.append("    _restore_extras(obj, document, scope, _spec)")
    return lines or ["pass"]


def _looks_around(field: FieldSpec, hooks: Hooks) -> bool:
    """Whether restoring the member may look at more of the document than its own value and its note."""
    return not _is_set_plainly(field, hooks) and not _is_date(field, hooks)


def _add_restore(source: Source, spec: ModelSpec, ordered: Sequence[FieldSpec], hooks: Hooks) -> None:
    source.bind("_restore_carefully", restore_carefully)
    source.bind("_spec", spec)
    source.add("def restore(obj, document, scope):", "    try:")
    source.add(*_assignments(source, spec, ordered, hooks), indent=2)
    source.add("    except Exception:", "        _restore_carefully(obj, document, scope, _spec, _restorers)", "")


def _add_hydrate(source: Source, spec: ModelSpec, ordered: Sequence[FieldSpec], hooks: Hooks) -> None:
    """A loop over a chunk of documents that makes each a new object, unless it is known or of another class."""
    if spec.embedded:
        return
    source.bind("_decode_all", decode_all)
    source.bind("_ObjectId", ObjectId)
    source.bind("_id_key", id_key)
    source.bind("_ref", ref)
    source.bind("_new", spec.model.__new__)
    source.bind("_model", spec.model)
    source.add(
        "def hydrate(documents, revisions, cache, scope, meet, fresh):",
        "    objects = cache.objects",
        "    find = objects.get",
        "    result = []",
        "    append = result.append",
        "    for data, revision, document in zip(documents, revisions, _decode_all(documents)):",
        '        _id = document["_id"]',
        # `ObjectId.binary` is a property written in Python; what it gives costs a tenth of the whole loop.
        "        key = _id._ObjectId__id if _id.__class__ is _ObjectId else _id_key(_id)",
        "        known = find(key)",
        '        if (known is not None and known() is not None) or document.get("__model__", _tag) != _tag:',
        "            append(meet(key, document, data, revision))",
        "            continue",
        "        obj = _new(_model)",
        "        obj.set_notifications_enabled(False)",
        "        objects[key] = _ref(obj)",
    )
    if spec.primary_key is None:
        source.add("obj._id = _id", indent=2)
    entered = any(_looks_around(field, hooks) for field in ordered)
    if entered:
        source.add("scope.enter(document, obj)", indent=2)
    source.add("try:", indent=2)
    source.add(*_assignments(source, spec, ordered, hooks, entered=entered), indent=3)
    source.add(
        "except Exception:",
        "    try:",
        "        _restore_carefully(obj, document, scope, _spec, _restorers)",
        "    except BaseException:",
        "        del objects[key]",
        "        raise",
        "obj.__restored__ = True",
        "obj.__home__ = cache",
        "obj.__snapshot__ = data",
        "obj.__revision__ = revision",
        "obj.set_notifications_enabled(True)",
        indent=2,
    )
    if any(field.observers for field in spec.fields):
        source.add("fresh(obj)", indent=2)
    source.add("        append(obj)", "    return result", "")
