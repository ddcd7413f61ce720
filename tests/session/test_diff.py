"""The short way to a difference gives what the long one does."""

from __future__ import annotations

from typing import Any

from atom.api import Value
from hypothesis import given
from hypothesis import strategies as st

from atomodm import NoSQLModel
from atomodm.encoding import decode, encode
from atomodm.model import spec_of
from atomodm.session.diff import diff_documents, diff_members


class Compared(NoSQLModel):
    a = Value()
    b = Value()
    c = Value()


MEMBERS = ("a", "b", "c")

_SCALARS = st.sampled_from([None, True, 1, 1.0, 0.0, -0.0, "x", ""])
#: Values of which some are alike but not the same, and references with and without a number of atom-db's.
VALUES = st.recursive(
    _SCALARS | st.sampled_from([{"_id": 1, "__model__": "m"}, {"_id": 1, "__model__": "m", "__ref__": 2**40}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("pq"), inner, max_size=2),
    max_leaves=4,
)
DOCUMENTS = st.permutations(MEMBERS).flatmap(lambda names: st.fixed_dictionaries(dict.fromkeys(names, VALUES)))


@given(
    base=DOCUMENTS, changed=st.dictionaries(st.sampled_from(MEMBERS), VALUES), names=st.sets(st.sampled_from(MEMBERS))
)
def test_members_that_are_all_that_differs_give_the_difference_of_the_documents(
    base: dict[str, Any], changed: dict[str, Any], names: set[str]
) -> None:
    base = {"_id": 1, **base}
    document = decode(encode({**base, **changed}))
    members = {name: value for name, value in document.items() if name in names}
    found = diff_members(spec_of(Compared), members, base, encode(document))
    if found is None:
        assert not names or changed.keys() - names
    else:
        assert found == diff_documents(spec_of(Compared), base, document, {})
        if found.set.keys() == names and not found.unset and not found.push:
            assert encode(found.apply(decode(encode(base)))) == encode(document)


def test_a_member_that_only_the_document_has_is_left_to_the_long_way() -> None:
    document: dict[str, Any] = {"_id": 1, "a": 1, "b": 2}
    assert diff_members(spec_of(Compared), {"b": 2}, {"_id": 1, "a": 1}, encode(document)) is None


def test_another_order_of_members_is_left_to_the_long_way() -> None:
    document: dict[str, Any] = {"_id": 1, "b": 1, "a": 2}
    assert diff_members(spec_of(Compared), {"a": 2}, {"_id": 1, "a": 1, "b": 1}, encode(document)) is None
