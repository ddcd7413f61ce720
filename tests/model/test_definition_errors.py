"""What a model class can declare, and the errors for what cannot work."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from atom.api import Event, ForwardTyped, Instance, Int, List, Property, Signal, Str, Typed

from atomodm import JSONModel, ModelDefinitionError, is_db_field
from atomodm.model import spec_of
from tests.zoo import made as zoo
from tests.zoo.kinds import Point


def make_model(members: dict[str, Any], meta: dict[str, Any] | None = None) -> Any:
    options = {} if meta is None else {"Meta": type("Meta", (), meta)}
    return zoo.make_model("Made", {**members, **options}, module=__name__)


@pytest.mark.parametrize(
    ("meta", "option"),
    [
        ({"colection": "x"}, "colection"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"name": "a\0"}, "name"),
        ({"app_label": ""}, "app_label"),
        ({"abstract": 1}, "abstract"),
        ({"ordering": "name"}, "ordering"),
        ({"ordering": [1]}, "ordering"),
        ({"indexes": "name"}, "indexes"),
        ({"unknown": "forget"}, "unknown"),
        ({"ttl": 0}, "ttl"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": True}, "ttl"),
        ({"ttl": "60"}, "ttl"),
        ({"ttl": float("nan")}, "ttl"),
        ({"ttl": float("inf")}, "ttl"),
        ({"ttl": 2**31}, "ttl"),
        ({"ttl": timedelta(0)}, "ttl"),
        ({"ttl": timedelta(seconds=-1)}, "ttl"),
        ({"ttl": timedelta.max}, "ttl"),
    ],
)
def test_a_meta_option_that_means_nothing_is_refused_by_name(meta: dict[str, Any], option: str) -> None:
    with pytest.raises(ModelDefinitionError, match=option) as caught:
        make_model({"name": Str()}, meta)
    assert caught.value.model == "Made"
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    "tags",
    [
        {"index": "yes"},
        {"unique": 1},
        {"required": None},
        {"embed": 1},
        {"primary_key": 1},
        {"store": "no"},
        {"on_delete": "explode"},
        {"on_delete": "cascade"},
        {"flatten": 5},
        {"unflatten": "x"},
        {"alias": "a.b"},
        {"alias": 5},
        {"alias": ["ok", 5]},
        {"setstate_order": "first"},
    ],
    ids=str,
)
def test_a_tag_that_means_nothing_is_refused_with_model_and_member(tags: dict[str, Any]) -> None:
    with pytest.raises(ModelDefinitionError) as caught:
        spec_of(make_model({"member": Int().tag(**tags)}))
    assert caught.value.path == "member"
    assert caught.value.model is not None
    assert caught.value.model.endswith("Made")


def test_meta_indexes_name_stored_members() -> None:
    with pytest.raises(ModelDefinitionError, match="nam"):
        spec_of(make_model({"name": Str()}, {"indexes": ["nam"]}))
    with pytest.raises(ModelDefinitionError, match="nam"):
        spec_of(make_model({"name": Str()}, {"indexes": [["name", "-nam__first"]]}))
    model = make_model({"name": Str()}, {"indexes": ["name", "-_id", ["name", "-_id"]]})
    assert spec_of(model).options.indexes == ("name", "-_id", ["name", "-_id"])


@pytest.mark.parametrize("indexes", ["name", [""], [[]], [["name", 1]], [None], [1], [{"name": 1}]])
def test_meta_indexes_are_names_or_describe_an_index(indexes: object) -> None:
    with pytest.raises(ModelDefinitionError, match="indexes"):
        make_model({"name": Str()}, {"indexes": indexes})


@pytest.mark.parametrize(
    "tags",
    [
        {"index": 2},
        {"index": "yes"},
        {"index": 1.0},
        {"sparse": True},
        {"sparse": 1, "index": True},
        {"expires": -1},
        {"expires": True},
        {"expires": "soon"},
        {"expires": 2**31},
        {"expires": 60, "primary_key": True},
    ],
)
def test_tags_of_indexes_say_what_they_take(tags: dict[str, object]) -> None:
    with pytest.raises(ModelDefinitionError):
        spec_of(make_model({"when": Typed(datetime).tag(**tags)}))


def test_only_dates_expire() -> None:
    with pytest.raises(ModelDefinitionError, match="date"):
        spec_of(make_model({"when": Str().tag(expires=60)}))
    field = spec_of(make_model({"when": Typed(datetime).tag(expires=timedelta(minutes=1))})).by_name["when"]
    assert (field.index, field.expires) == (1, 60)


def test_two_members_cannot_share_a_stored_name() -> None:
    with pytest.raises(ModelDefinitionError, match="one and other"):
        spec_of(make_model({"one": Str(), "other": Str().tag(name="one")}))
    with pytest.raises(ModelDefinitionError, match="one and other"):
        spec_of(make_model({"one": Str(), "other": Str().tag(alias="one")}))


def test_a_forward_reference_to_nothing_is_a_typed_error() -> None:
    model = make_model({"friend": ForwardTyped(lambda: Nobody)})  # type: ignore[name-defined]  # noqa: F821
    with pytest.raises(ModelDefinitionError, match="Nobody") as caught:
        spec_of(model)
    assert caught.value.path == "friend"


def test_a_forward_reference_may_name_a_class_that_comes_later() -> None:
    later: Any = None
    first = make_model({"friend": ForwardTyped(lambda: later)})
    later = make_model({"name": Str()})
    assert spec_of(first).by_name["friend"].type.model is later  # type: ignore[union-attr]


def test_fields_name_members_only() -> None:
    with pytest.raises(ModelDefinitionError, match="nothing"):
        make_model({"name": Str(), "__fields__": ["name", "nothing"]})
    assert make_model({"name": Str(), "age": Int(), "__fields__": ["age"]}).__fields__ == ["age"]


def test_what_is_stored_follows_name_kind_and_tag() -> None:
    model = make_model(
        {
            "plain": Int(),
            "_private": Int(),
            "_kept": Int().tag(store=True),
            "left": Int().tag(store=False),
            "computed": Property(),
            "computed_kept": Property().tag(store=True),
            "event": Event().tag(store=True),
            "signal": Signal(),
        }
    )
    stored = {name for name, member in model.members().items() if is_db_field(member)}
    assert stored == {"plain", "_kept", "computed_kept"} == set(model.__fields__)


def test_model_names_follow_module_label_and_class_body() -> None:
    assert make_model({}).__model__ == f"{__name__}.Made"
    assert make_model({}, {"app_label": "shop"}).__model__ == "shop.Made"
    assert make_model({"__model__": "own"}).__model__ == "own"
    assert spec_of(make_model({"__model__": "own"})).collection == "own"
    assert spec_of(make_model({"__model__": "own"}, {"name": "collection"})).collection == "collection"
    assert spec_of(make_model({"__model__": "own"}, {"name": "collection"})).tag == "own"


def test_on_delete_stands_on_single_references_to_documents_only() -> None:
    target = make_model({})
    assert spec_of(make_model({"to": Typed(target).tag(on_delete="cascade")})).by_name["to"].on_delete == "cascade"
    for member in (List(target), Typed(Point)):
        with pytest.raises(ModelDefinitionError, match="on_delete"):
            spec_of(make_model({"to": member.tag(on_delete="nullify")}))


def test_on_delete_is_refused_where_it_could_not_be_kept() -> None:
    target = make_model({})
    for member in (Typed(target).tag(required=True), Typed(target, optional=False), Instance(target, optional=False)):
        with pytest.raises(ModelDefinitionError, match="None"):
            spec_of(make_model({"to": member.tag(on_delete="nullify")}))

    class Embedded(JSONModel):
        to = Typed(target).tag(on_delete="deny")

    with pytest.raises(ModelDefinitionError, match="embedded"):
        spec_of(Embedded)


def test_a_spec_is_computed_once_and_cannot_be_changed() -> None:
    model = make_model({"name": Str()})
    spec = spec_of(model)
    assert spec_of(model) is spec
    with pytest.raises(AttributeError):
        spec.collection = "x"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        spec.by_name["name"].index = True  # type: ignore[misc]
    assert "Made" in repr(spec)


@pytest.mark.parametrize(
    ("given", "ttl"),
    [
        (3600, timedelta(hours=1)),
        (0.25, timedelta(milliseconds=250)),
        (timedelta(days=1), timedelta(days=1)),
        (timedelta(microseconds=1), timedelta(milliseconds=1)),
        (2**31 - 1, timedelta(seconds=2**31 - 1)),
        (None, None),
    ],
)
def test_a_time_to_live_is_known_to_the_millisecond(given: Any, ttl: timedelta | None) -> None:
    assert spec_of(make_model({}, {"ttl": given})).options.ttl == ttl


def test_only_documents_have_a_time_to_live() -> None:
    with pytest.raises(ModelDefinitionError, match="ttl"):

        class Part(JSONModel):
            class Meta:
                ttl = 60


@pytest.mark.parametrize("name", ["__expires__", "__ttl__"])
def test_no_member_is_stored_where_the_time_to_live_is(name: str) -> None:
    with pytest.raises(ModelDefinitionError, match=name):
        spec_of(make_model({"x": Str().tag(name=name)}))


def test_an_embedded_model_is_no_document() -> None:
    class Part(JSONModel):
        number = Int()

    assert spec_of(Part).embedded
    assert not spec_of(make_model({})).embedded
    with pytest.raises(NotImplementedError):
        Part.objects  # noqa: B018
