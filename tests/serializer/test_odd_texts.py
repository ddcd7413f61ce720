"""Texts that programs trip over, and values of every type, come back from members as they went in, and are found."""

from __future__ import annotations

import pytest

from atomodm import Store, save_all
from atomodm.encoding import encode
from atomodm.testing.contract.samples import EXACT, TEXTS
from tests.stores import read_again
from tests.zoo.tagged import Wide

KEYS = [text for text in TEXTS if "\0" not in text]


async def test_odd_texts_come_back_as_values_elements_and_keys(store: Store) -> None:
    wide = Wide(
        text="",
        names=list(TEXTS),
        entries=dict.fromkeys(KEYS, TEXTS),
        counts={key: place for place, key in enumerate(KEYS)},
        value=[{key: {key: key}} for key in KEYS],
    )
    await wide.save()
    again = await read_again(wide)
    assert again.names == TEXTS
    assert again.entries == dict.fromkeys(KEYS, TEXTS)
    assert list(again.entries) == KEYS
    assert again.counts == {key: place for place, key in enumerate(KEYS)}
    assert again.value == [{key: {key: key}} for key in KEYS]
    assert not again.__state__.dirty


async def test_odd_texts_are_found_by_every_lookup(store: Store) -> None:
    await save_all([Wide(text=text, names=[text]) for text in TEXTS])
    for text in TEXTS:
        for lookups in (
            {"text": text},
            {"text__in": [text]},
            {"text__gte": text, "text__lte": text},
            {"names": [text]},
        ):
            assert [found.text async for found in Wide.objects.filter(**lookups)] == [text], lookups
        for lookup, matches in (
            ("startswith", str.startswith),
            ("endswith", str.endswith),
            ("contains", str.__contains__),
        ):
            found = {wide.text async for wide in Wide.objects.filter(**{f"text__{lookup}": text})}
            assert found == {other for other in TEXTS if matches(other, text)}, (lookup, text)


@pytest.mark.parametrize("key", KEYS)
async def test_a_changed_entry_under_an_odd_key_is_saved_alone(store: Store, key: str) -> None:
    wide = Wide(text="kept", entries={"other": 1, key: 1})
    await wide.save()
    wide.entries[key] = [2]
    await wide.save()
    again = await read_again(wide)
    assert (again.text, again.entries) == ("kept", {"other": 1, key: [2]})
    del wide.entries[key]
    await wide.save()
    assert (await read_again(wide)).entries == {"other": 1}


async def test_values_of_every_type_come_back_bit_for_bit_from_an_untyped_member(store: Store) -> None:
    for value in EXACT:
        wide = Wide(value={"inside": [value]})
        await wide.save()
        back = (await read_again(wide)).value["inside"][0]
        assert encode({"": back}) == encode({"": value}), value
