"""The generated functions as text: readable, as checked in, and closed to anything that a name might smuggle in.

When the text changes on purpose, ``ATOMODM_WRITE_GOLDEN=1 pytest tests/serializer/test_generated_source.py`` writes the
files anew; read their difference before you commit it.
"""

from __future__ import annotations

import ast
import difflib
import linecache
import os
import traceback
from pathlib import Path
from typing import Any

import pytest
from atom.api import ForwardTyped, Int, List, Str, Typed

from atomodm import JSONModel, ModelDefinitionError, NoSQLModelSerializer, Store
from atomodm.model import spec_of
from atomodm.serializer import generated_for
from tests.stores import read_again
from tests.zoo.golden import Line, Plain, Rich
from tests.zoo.kinds import Containers
from tests.zoo.made import make_model

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("model", [Plain, Rich, Line], ids=lambda model: model.__name__)
def test_the_generated_text_is_the_checked_in_one(model: Any) -> None:
    file = GOLDEN / f"{model.__name__.lower()}.txt"
    text = model.serializer.source(model)
    if os.environ.get("ATOMODM_WRITE_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    expected = file.read_text(encoding="utf-8")
    difference = difflib.unified_diff(expected.splitlines(), text.splitlines(), str(file), "generated now", lineterm="")
    if text != expected:
        pytest.fail("\n".join(difference), pytrace=False)


def test_the_text_is_the_same_each_time_it_is_made() -> None:
    def make() -> Any:
        return make_model("Twin", {"a": Int(), "b": List(Typed(Line))})

    one, other = make(), make()
    assert one.serializer.source(one) == other.serializer.source(other)


def test_the_text_can_be_had_from_any_serializer() -> None:
    assert NoSQLModelSerializer.instance().source(Plain) == generated_for(Plain).source
    assert Plain().serializer.source(Plain).startswith("def ")


def test_tracebacks_show_the_generated_text() -> None:
    function = generated_for(Plain).flatten
    assert linecache.getline(function.__code__.co_filename, function.__code__.co_firstlineno).startswith("def flatten(")
    with pytest.raises(AttributeError) as caught:
        function(object(), None, None)
    assert "obj.set_notifications_enabled" in "".join(traceback.format_exception(caught.value))


# -- names -------------------------------------------------------------------------------------------------------------

HOSTILE = [
    "a b",
    "a'b",
    'a"b',
    "a\nimport os",
    "a\\",
    "a{b}",
    "{0}",
    "a;b",
    "a#",
    "",
    "1a",
    "a.b",
    "class",
    "None",
    "lambda",
    "x = __import__('os').system('true')",
    "ﬁeld",
    "ªbc",
    "\N{MATHEMATICAL BOLD SMALL X}",
    "a\0",
    "a\u202eb",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_member_name_that_is_no_python_name_is_refused(name: str) -> None:
    with pytest.raises(ModelDefinitionError):
        make_model("Victim", {name: Int()})


@pytest.mark.parametrize("name", ["a__b", "save", "objects", "load", "notify", "serializer"])
def test_a_member_name_that_means_something_else_is_refused(name: str) -> None:
    with pytest.raises(ModelDefinitionError):
        make_model("Victim", {name: Int()})


@pytest.mark.parametrize(
    "name", ["é", "имя", "名前", "obj", "scope", "value", "document", "_x", "muted", "flatten", "match"]
)
def test_any_python_name_will_do_for_a_member(name: str) -> None:
    model = make_model("Fine", {name: List(Typed(Line)).tag(store=True), "other": Int()})
    obj = model(**{name: [Line(number=4)], "other": 3})
    state = obj.__getstate__()
    assert state[name][0]["number"] == 4
    ast.parse(model.serializer.source(model))


@pytest.mark.parametrize("name", [name for name in HOSTILE if name and "\0" not in name])
async def test_a_class_name_of_any_text_cannot_inject_anything(store: Store, name: str) -> None:
    part = make_model(name, {"number": Int()}, base=JSONModel)
    model: Any = None
    model = make_model(name, {"parts": List(part), "next": ForwardTyped(lambda: model)}, module="m'\n\"{}")
    obj = model(parts=[part(number=4)], next=model())
    source = model.serializer.source(model)
    assert {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)} >= {"flatten", "restore"}
    assert all(isinstance(node, ast.FunctionDef) for node in ast.parse(source).body)
    await obj.save()
    found = await read_again(obj)
    assert found.parts[0].number == 4
    assert isinstance(found.next, model)


@pytest.mark.parametrize(
    "name",
    [
        "spec",
        "tag",
        "model",
        "ref",
        "new",
        "datetime",
        "ObjectId",
        "id_key",
        "decode_all",
        "restore_carefully",
        "restorers",
        "native",
        "choice",
        "unflatten_any",
        "unflatten_model",
        "set_member",
        "in_stored_order",
        "_spec",
        "check_required",
    ],
)
async def test_a_class_may_be_named_like_what_generated_code_uses(store: Store, name: str) -> None:
    part = make_model(name, {"number": Int()}, base=JSONModel)
    namesake = make_model(name, {"text": Str()}, base=JSONModel, module="another.place")
    model = make_model("Holder", {"part": Typed(part), "same": Typed(namesake)})
    obj = model(part=part(number=1), same=namesake(text="x"))
    await obj.save()
    found = await read_again(obj)
    assert (found.part.number, found.same.text) == (1, "x")


@pytest.mark.parametrize(
    "stored", ["it's", 'a"b', "a\nb", "a\\", "{x}", "{0!r}", "'] or 1 or document['", "ﬁ", "a b", "%s"]
)
async def test_a_stored_name_of_any_text_comes_back(store: Store, stored: str) -> None:
    model = make_model(
        "Renamed", {"value": Int().tag(name=stored), "moments": Str().tag(name=stored + "2", required=True)}
    )
    obj = model(value=5, moments="x")
    await obj.save()
    document = await model.objects.find_one({"_id": obj._id})
    assert document[stored] == 5
    assert (await read_again(obj)).value == 5
    assert spec_of(model).by_stored_name[stored].name == "value"


@pytest.mark.parametrize(
    "stored", ["", "a.b", "$a", "a\0", "_id", "__model__", "__ref__", "__py__", "__dt__", "__rev__", 5, "a\ud800"]
)
def test_a_stored_name_that_documents_cannot_have_is_refused(stored: Any) -> None:
    model = make_model("Renamed", {"value": Int().tag(name=stored)})
    with pytest.raises(ModelDefinitionError):
        spec_of(model)


def test_nothing_is_converted_where_nothing_needs_to_be() -> None:
    source = Plain.serializer.source(Plain)
    assert "_flatten_any" not in source
    assert "_unflatten_any" not in source
    assert "_flatten_any" in Containers.serializer.source(Containers)
