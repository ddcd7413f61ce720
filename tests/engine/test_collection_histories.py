"""Random histories: what a collection holds and answers is what a list of documents would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne

from atomodm.encoding import decode, encode
from atomodm.query.evaluator import compile_filter
from atomodm.query.filters import parse_filter
from atomodm.query.keys import encode_key
from atomodm.query.updates import parse_update
from atomodm.store.registry import create_store

Document = dict[str, Any]

VALUES = st.one_of(st.integers(0, 4), st.sampled_from([None, "x", 1.5, [1, 2], [3, 0], []]))
FILTERS: st.SearchStrategy[Document] = st.one_of(
    st.just({}),
    st.builds(lambda id: {"_id": id}, st.integers(0, 12)),
    st.builds(lambda id, value: {"_id": id, "a": value}, st.integers(0, 12), VALUES),
    st.builds(lambda value: {"a": value}, VALUES),
    st.builds(lambda low: {"a": {"$gte": low}}, st.integers(0, 4)),
    st.builds(lambda low, value: {"$or": [{"a": {"$lt": low}}, {"b": value}]}, st.integers(0, 4), VALUES),
)
UPDATES: st.SearchStrategy[Document] = st.one_of(
    st.builds(lambda value: {"$set": {"a": value}}, VALUES),
    st.builds(lambda value: {"$set": {"b": value}, "$unset": {"a": ""}}, VALUES),
    st.builds(lambda value: {"$max": {"a": value}}, st.integers(0, 6)),
    st.builds(lambda value: {"$inc": {"n": value}}, st.integers(-1, 1)),
)
REPLACEMENTS = st.fixed_dictionaries({}, optional={"a": VALUES, "b": VALUES})
REQUESTS = st.one_of(
    st.builds(lambda id, fields: InsertOne({"_id": id, **fields}), st.integers(0, 12), REPLACEMENTS),
    st.builds(lambda filter, update: UpdateOne(filter, update, sort={"_id": 1}), FILTERS, UPDATES),
    st.builds(UpdateMany, FILTERS, UPDATES),
    st.builds(lambda filter, document: ReplaceOne(filter, document, sort={"_id": 1}), FILTERS, REPLACEMENTS),
    st.builds(DeleteOne, FILTERS),
    st.builds(DeleteMany, FILTERS),
)


class Listed:
    """A collection as a list of documents in the order of their ids, where each write looks at one after the other."""

    def __init__(self) -> None:
        self.documents: list[Document] = []

    def matching(self, filter: Mapping[str, Any]) -> list[Document]:
        matches = compile_filter(parse_filter(filter))
        return [document for document in self.documents if matches(document)]

    def write(self, request: Any) -> bool:
        """Do a request; False where it cannot be done."""
        match request:
            case InsertOne(_doc=document):
                if any(document["_id"] == other["_id"] for other in self.documents):
                    return False
                self.documents.append(decode(encode(document)))
                self.documents.sort(key=lambda document: encode_key(document["_id"]))
            case UpdateOne() | UpdateMany():
                operators: Any = request._doc
                update = parse_update(operators)
                self._change(request, lambda document: update.apply(document, now=datetime(2020, 1, 1)))
            case ReplaceOne():
                self._change(request, lambda document: {"_id": document["_id"], **deepcopy(request._doc)})
            case DeleteOne() | DeleteMany():
                self._change(request, lambda document: None)
        return True

    def _change(self, request: Any, change: Callable[[Document], Document | None]) -> None:
        found = self.matching(request._filter)
        if not isinstance(request, UpdateMany | DeleteMany):
            found = found[:1]
        for document in found:
            place = self.documents.index(document)
            after = change(document)
            self.documents[place : place + 1] = [] if after is None else [after]


async def live(requests: list[Any], indexed: bool) -> None:
    """Live through a history, one by one and in bulk."""
    store = create_store("memory://")
    await store.open()
    try:
        single, bulk, listed = store["single"], store["bulk"], Listed()
        if indexed:
            for collection in (single, bulk):
                await collection.create_index("a")
                await collection.create_index([("b", -1), ("n", 1)])
        done: list[Any] = []
        for request in requests:
            # Which one of several is deleted is for the store to choose.
            if isinstance(request, DeleteOne) and len(listed.matching(request._filter)) > 1:
                continue
            if listed.write(request):
                done.append(request)
        for request in done:
            await single.bulk_write([deepcopy(request)])
        if done:
            await bulk.bulk_write(deepcopy(done))
        for collection in (single, bulk):
            assert await collection.find().sort("_id").to_list() == listed.documents
            for filter in ({"a": 1}, {"a": {"$gte": 2}}, {"b": None}, {"b": "x", "a": {"$exists": True}}):
                assert await collection.count_documents(filter) == len(listed.matching(filter))
    finally:
        await store.close()


@settings(max_examples=150)
@given(requests=st.lists(REQUESTS, min_size=1, max_size=25), indexed=st.booleans())
def test_a_history_of_writes_leaves_what_it_would_leave_in_a_list(requests: list[Any], indexed: bool) -> None:
    asyncio.run(live(requests, indexed))
