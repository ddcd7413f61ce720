"""The names of keys in Redis, and index entries: nothing collides, and what belongs together lies together."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from atomodm.query.keys import encode_key
from atomodm.store.redis.layout import Layout, decode_name, encode_name, entry, place, places

# Names that look like parts of keys, and any others.
names = st.one_of(
    st.text(st.sampled_from("ab:{}%.-_0*?[]é\U0001f600"), min_size=1, max_size=8),
    st.sampled_from(["log", "head", "operations", "collections", "documents", "a:0", "{a:0}", "a:0}:documents", "%3A"]),
    st.text(min_size=1, max_size=12),
)
#: What a key is for: the field of `CollectionKeys`, or an index.
roles = st.one_of(
    st.sampled_from(["documents", "ids", "meta"]),
    st.tuples(st.integers(1, 10**6), st.booleans()),
)
Role = str | tuple[int, bool]


def key_of(layout: Layout, collection: str, role: Role) -> bytes:
    keys = layout.collection(collection)
    found: bytes = getattr(keys, role) if isinstance(role, str) else keys.index(*role)
    return found


@given(one=st.tuples(names, names, roles), other=st.tuples(names, names, roles), clustered=st.booleans())
def test_no_two_things_have_one_key(one: tuple[str, str, Role], other: tuple[str, str, Role], clustered: bool) -> None:
    keys = [key_of(Layout(space, clustered=clustered), collection, role) for space, collection, role in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


@given(space=names, other_space=names, collection=names, other=names, role=roles)
def test_logs_and_the_set_of_collections_collide_with_nothing(
    space: str, other_space: str, collection: str, other: str, role: Role
) -> None:
    key = key_of(Layout(space), collection, role)
    for clustered in (False, True):
        layout = Layout(other_space, clustered=clustered)
        keys = layout.collection(other)
        several = [keys.log, keys.operations, keys.head, layout.collections]
        assert len({*several, key}) == len(several) + 1


@given(space=names, collection=names, other=names)
def test_a_cluster_keeps_a_collection_with_its_log_in_one_slot_and_a_server_has_one_log(
    space: str, collection: str, other: str
) -> None:
    keys = Layout(space, clustered=True).collection(collection)
    together = [keys.documents, keys.ids, keys.meta, keys.log, keys.operations, keys.head, *keys.indexes(3)]
    assert len({key_slot(key) for key in together}) == 1
    # The tag is the collection's alone: collections of one name share a slot whatever their namespaces are.
    tag = f"{{{encode_name(collection)}:0}}".encode()
    assert all(re.findall(rb"\{.*?\}", key) == [tag] for key in together)
    single = Layout(space)
    assert single.collection(collection).log == single.collection(other).log


@given(names)
def test_a_written_name_is_read_again_and_has_nothing_that_means_something_in_keys_or_patterns(name: str) -> None:
    written = encode_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_.%-]+", written)
    assert decode_name(written) == name


@pytest.mark.parametrize("written", ["a:b", "é", "%zz", "%3a", "%41", "a b", "%FF"])
def test_what_is_no_written_name_is_not_read(written: str) -> None:
    assert decode_name(written) is None


@given(space=names, other_space=names, collection=names, role=roles)
def test_a_key_says_which_collection_it_belongs_to(space: str, other_space: str, collection: str, role: Role) -> None:
    key = key_of(Layout(space), collection, role)
    rest = role if isinstance(role, str) else f"{'unique' if role[1] else 'index'}:{role[0]}"
    assert Layout(space).parse(key) == (collection, rest)
    if space != other_space:
        assert Layout(other_space).parse(key) is None
    assert Layout(space).parse(Layout(space).collections) is None


values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.binary(max_size=9), st.text(max_size=9)
).map(encode_key)
# Some are long: their length takes more than a byte.
ids = st.one_of(
    values, st.integers(240, 270).map(lambda size: encode_key("x" * size)), st.just(encode_key("y" * 70_000))
)


@given(key=values, id=ids)
def test_an_entry_is_read_as_it_was_written(key: bytes, id: bytes) -> None:
    member = entry(key, id)
    assert place(member) == (key, id)
    assert places([member, member]) == ([key, key], [id, id])


@given(st.lists(st.tuples(values, ids), max_size=12))
def test_entries_are_in_the_order_of_their_keys_and_ids(entries: list[tuple[bytes, bytes]]) -> None:
    assert [place(member) for member in sorted(entry(*each) for each in entries)] == sorted(entries)


@given(st.lists(st.tuples(values, ids), max_size=6, unique=True))
def test_no_two_entries_are_one(entries: list[tuple[bytes, bytes]]) -> None:
    assert len({entry(*each) for each in entries}) == len(entries)


@given(st.binary(max_size=12))
def test_what_is_no_entry_has_no_id(member: bytes) -> None:
    key, id = place(member)
    assert member == (entry(key, id) if id else key)
    assert places([member]) == ([key], [id])
