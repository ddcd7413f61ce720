"""Updates by operators: `Store.update`, which nobody's revision stops, and what it tells of held documents."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ...contract import IndexSpec, Store, UpdateOutcome
from ...encoding import decode, encode
from ...errors import DuplicateKey, InvalidUpdate
from ...query.filters import parse_filter
from ...query.nodes import ALL, Compare, Node, Operator
from ...query.updates import parse_update
from .stores import Stores, find_all, insert_all, read


def _only(id: Any) -> Node:
    return Compare("_id", Operator.EQ, id)


async def _update(store: Store, filter: Node, update: Mapping[str, Any], **options: Any) -> UpdateOutcome:
    return await store.update("people", filter, parse_update(update), **options)


class UpdateContract:
    """`Store.update`."""

    async def test_all_documents_that_match_are_updated_and_counted(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number, "n": number} for number in range(300)])
        outcome = await _update(store, parse_filter({"n": {"$gte": 100}}), {"$max": {"n": 200}, "$set": {"old": 1}})
        assert (outcome.matched, outcome.modified, list(outcome.documents)) == (200, 200, [])
        outcome = await _update(store, parse_filter({"old": 1}), {"$max": {"n": 250}})
        assert (outcome.matched, outcome.modified) == (200, 150)
        outcome = await _update(store, _only(-1), {"$set": {"n": 1}})
        assert (outcome.matched, outcome.modified) == (0, 0)
        found = {document["_id"]: document for document in await find_all(store, "people")}
        assert found[99] == {"_id": 99, "n": 99}
        assert found[100] == {"_id": 100, "n": 250, "old": 1}
        assert found[299] == {"_id": 299, "n": 299, "old": 1}

    async def test_the_element_that_the_filter_matched_can_be_changed(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": 1, "a": [1, 5, 9]}])
        await _update(store, parse_filter({"a": {"$gt": 4}}), {"$inc": {"a.$": 100}})
        assert await find_all(store, "people") == [{"_id": 1, "a": [1, 105, 9]}]

    async def test_it_tells_what_held_documents_have_become(self, stores: Stores) -> None:
        store = await stores.open()
        documents = [{"_id": number, "n": number} for number in range(10)]
        outcome = await insert_all(store, "people", documents)
        held = {number: (outcome.revisions[number], encode(documents[number])) for number in (1, 4, 7)}
        updated = await _update(store, parse_filter({"n": {"$gte": 4}}), {"$inc": {"n": 100}}, held=held)
        assert (updated.matched, updated.modified) == (6, 6)
        assert {document.id: decode(document.document)["n"] for document in updated.documents} == {4: 104, 7: 107}
        for document in updated.documents:
            assert document.before in (None, held[document.id][0])
            assert await read(store, "people", document.id) == (document.revision, decode(document.document))

    async def test_a_held_document_need_not_be_read(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        (revision,) = (await insert_all(other, "people", [{"_id": 1, "n": 1}])).revisions
        held = {1: (revision, encode({"_id": 1, "n": 1}))}
        before = store.requests
        outcome = await _update(store, _only(1), {"$inc": {"n": 1}}, held=held)
        assert store.requests - before == 1
        (document,) = outcome.documents
        assert decode(document.document) == {"_id": 1, "n": 2}

    async def test_what_is_held_decides_nothing_when_others_have_changed_it(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        (revision,) = (await insert_all(store, "people", [{"_id": 1, "n": 1, "s": "text"}])).revisions
        held = {1: (revision, encode({"_id": 1, "n": 1, "s": "text"}))}
        await _update(other, _only(1), {"$set": {"n": 10, "s": 5}})
        # That it has the value already, that it does not match, and that it is no number, is true of what is held only.
        assert (await _update(store, _only(1), {"$set": {"n": 1}}, held=held)).modified == 1
        filter = parse_filter({"_id": 1, "s": 5})
        assert (await _update(store, filter, {"$inc": {"n": 1}}, held=held)).matched == 1
        outcome = await _update(store, _only(1), {"$inc": {"s": 1}}, held=held)
        assert outcome.modified == 1
        (document,) = outcome.documents
        assert decode(document.document) == {"_id": 1, "n": 2, "s": 6}
        filter = parse_filter({"_id": 1, "s": "text"})
        assert (await _update(store, filter, {"$inc": {"n": 1}}, held=held)).matched == 0

    async def test_a_held_document_that_matches_and_stays_is_told_when_it_is_newer(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        (revision,) = (await insert_all(store, "people", [{"_id": 1, "n": 1}])).revisions
        held = {1: (revision, encode({"_id": 1, "n": 1}))}
        outcome = await _update(store, _only(1), {"$set": {"n": 1}}, held=held)
        assert (outcome.matched, outcome.modified, list(outcome.documents)) == (1, 0, [])
        await _update(other, _only(1), {"$set": {"n": 2}})
        for filter in (_only(1), ALL):
            outcome = await _update(store, filter, {"$set": {"n": 2}}, held=held)
            assert (outcome.matched, outcome.modified) == (1, 0)
            assert [decode(document.document) for document in outcome.documents] == [{"_id": 1, "n": 2}]

    async def test_a_document_that_is_wanted_without_being_held_is_told(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": 1, "n": 1}])
        outcome = await _update(store, _only(1), {"$inc": {"n": 1}}, held={1: None})
        assert [decode(document.document) for document in outcome.documents] == [{"_id": 1, "n": 2}]

    async def test_fields_besides_are_set_in_the_same_step(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number, "n": number} for number in range(5)])

        def besides(document: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"before": document["n"]} if document["n"] % 2 else {}

        outcome = await _update(store, ALL, {"$inc": {"n": 10}}, besides=besides)
        assert (outcome.matched, outcome.modified) == (5, 5)
        assert sorted(await find_all(store, "people"), key=lambda document: document["_id"]) == [
            {"_id": 0, "n": 10},
            {"_id": 1, "n": 11, "before": 1},
            {"_id": 2, "n": 12},
            {"_id": 3, "n": 13, "before": 3},
            {"_id": 4, "n": 14},
        ]

    async def test_indexes_follow_and_unique_ones_refuse(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes(
            "people",
            [IndexSpec(name="n_1", fields=[("n", 1)]), IndexSpec(name="mail_1", fields=[("mail", 1)], unique=True)],
        )
        documents = [{"_id": number, "n": number, "mail": str(number)} for number in range(3)]
        (revision, *_) = (await insert_all(store, "people", documents)).revisions
        await _update(store, ALL, {"$inc": {"n": 100}})
        assert await store.count("people", parse_filter({"n": {"$gte": 100}})) == 3
        for held in (None, {0: (revision, encode(documents[0]))}):
            with pytest.raises(DuplicateKey):
                await _update(store, _only(0), {"$set": {"mail": "1", "n": 5}}, held=held)
        assert await store.count("people", parse_filter({"n": 5})) == 0

    async def test_a_document_that_it_does_not_fit_is_refused_after_those_before_it(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": 1, "n": 1}, {"_id": 2, "n": "text"}])
        with pytest.raises(InvalidUpdate):
            await _update(store, ALL, {"$inc": {"n": 1}})
        assert (await read(store, "people", 2) or (0, {}))[1] == {"_id": 2, "n": "text"}

    async def test_an_expired_document_is_not_updated_though_it_is_held(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [IndexSpec(name="at_1", fields=[("at", 1)], expire_after=0)])
        past = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(hours=1)
        document = {"_id": 1, "at": past}
        (revision,) = (await insert_all(store, "people", [document])).revisions
        held = {1: (revision, encode(document))}
        assert (await _update(store, _only(1), {"$set": {"at": past + timedelta(days=1)}}, held=held)).matched == 0

    async def test_the_current_date_is_the_stores(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": 1}])
        await _update(store, ALL, {"$currentDate": {"at": True}})
        (document,) = await find_all(store, "people")
        at = (document["at"] - datetime(1970, 1, 1)) / timedelta(milliseconds=1)
        assert abs(at - store.now()) < 60_000

    async def test_updates_through_several_handles_all_count(self, stores: Stores) -> None:
        handles = [await stores.open() for _ in range(3)]
        documents = [{"_id": 1, "n": 0, "seen": []}]
        (revision,) = (await insert_all(handles[0], "people", documents)).revisions
        held = {1: (revision, encode(documents[0]))}

        async def add(writer: int) -> None:
            for number in range(10):
                filter = _only(1) if number % 2 else parse_filter({"n": {"$gte": 0}})
                update = {"$inc": {"n": 1}, "$push": {"seen": 10 * writer + number}}
                outcome = await _update(handles[writer % 3], filter, update, held=held if writer % 2 else None)
                assert outcome.modified == 1

        await asyncio.gather(*(add(writer) for writer in range(12)))
        (document,) = await find_all(handles[0], "people")
        assert document["n"] == 120
        assert sorted(document["seen"]) == list(range(120))
