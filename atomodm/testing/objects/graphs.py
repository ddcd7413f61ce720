"""Reference graphs: what refers to what comes back as it was, whatever the shape."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from bson import ObjectId

from ... import DoesNotExist, NotLoaded, Store, WrongModel
from .models import Account, Holder, Node, Part
from .tools import Elsewhere, batches_for, chain, counted, forget_all


async def _stored_again(store: Store, obj: Any) -> Any:
    """Save an object, forget everything, and load the document into a new object."""
    await obj.save()
    model, _id = type(obj), obj._id
    forget_all(store, Node, Holder, Account)
    return await model.restore(await model.objects.find_one({"_id": _id}))


class GraphContract:
    """Cycles, shared references and references in all kinds of places."""

    async def test_an_object_may_refer_to_itself(self, store: Store) -> None:
        node = Node(name="narcissus")
        node.next = node
        node.others = [node, node]
        loaded = await _stored_again(store, node)
        assert loaded is not node
        assert loaded.next is loaded
        assert loaded.others == [loaded, loaded]

    async def test_a_cycle_closes_on_the_same_objects(self, store: Store) -> None:
        nodes = chain(Node, 5)
        nodes[-1].next = nodes[0]
        loaded = await _stored_again(store, nodes[0])
        seen = [loaded]
        for _ in range(4):
            seen.append(seen[-1].next)
        assert [node.name for node in seen] == ["0", "1", "2", "3", "4"]
        assert seen[-1].next is loaded

    async def test_shared_references_stay_shared(self, store: Store) -> None:
        shared = Node(name="shared")
        top = Node(name="top", others=[Node(name="left", next=shared), Node(name="right", next=shared)])
        loaded = await _stored_again(store, top)
        left, right = loaded.others
        assert left.next is right.next
        assert left.next.name == "shared"

    async def test_references_come_back_from_every_kind_of_place(self, store: Store) -> None:
        a, b = Node(name="a"), Node(name="b")
        holder = Holder(
            one=a,
            listed=[a, b, a],
            keyed={"a": a, "b": b},
            gathered={a, b},
            ordered=(b, a),
            part=Part(label="outer", node=a, parts=[Part(label="inner", node=b)]),
            parts=[Part(node=b)],
            anything={"deep": [{"er": (a, {"b": b})}]},
        )
        loaded = await _stored_again(store, holder)
        a, b = loaded.keyed["a"], loaded.keyed["b"]
        assert (a.name, b.name) == ("a", "b")
        assert loaded.one is a
        assert loaded.listed == [a, b, a]
        assert loaded.gathered == {a, b}
        assert loaded.ordered == (b, a)
        assert loaded.part.node is a
        assert loaded.part.parts[0].node is b
        assert loaded.parts[0].node is b
        assert loaded.anything == {"deep": [{"er": (a, {"b": b})}]}

    async def test_as_few_batches_as_can_be_save_all_unsaved_objects_of_a_graph(self, store: Store) -> None:
        one, keyed, further = Node(name="one"), Node(name="keyed"), Node(name="further")
        embedded = Node(name="embedded", next=further)
        holder = Holder(one=one, keyed={"k": keyed}, part=Part(node=embedded))
        await Node.objects.ready()
        await Holder.objects.ready()
        with counted(store) as requests:
            await holder.save()
        assert requests.count == batches_for(store, holder, one, keyed, embedded, further)
        assert {node.name async for node in Node.objects} == {"one", "keyed", "embedded", "further"}

    async def test_a_reference_to_a_missing_document_is_an_unloaded_object_with_its_id(self, store: Store) -> None:
        gone, there = Node(name="gone"), Node(name="there")
        holder = Holder(listed=[gone, there])
        await holder.save()
        await Elsewhere(store).delete(gone)
        former = gone._id
        forget_all(store, Node, Holder)
        loaded = await Holder.objects.get()
        first, second = loaded.listed
        assert second.name == "there"
        assert first._id == former
        assert not first.__restored__
        await first.load()
        assert not first.__restored__
        with pytest.raises(DoesNotExist):
            await first.refresh()
        with pytest.raises(NotLoaded, match="name"):
            _ = first.name

    async def test_saving_keeps_a_reference_to_a_missing_document(self, store: Store) -> None:
        missing = ObjectId()
        reference = {"_id": missing, "__model__": "contract.Node"}
        holder = Holder(one=Node(name="x"))
        await holder.save()
        await Elsewhere(store).set(holder, one=reference)
        forget_all(store, Node, Holder)
        loaded = await Holder.objects.get()
        loaded.anything = "edited"
        await loaded.save()
        document = await Elsewhere(store).read(Holder, loaded._id)
        assert document is not None
        assert document["one"] == reference
        assert document["anything"] == "edited"

    async def test_one_missing_document_does_not_hinder_the_others(self, store: Store) -> None:
        top = Node(name="top", others=[Node(name=str(position)) for position in range(10)])
        await top.save()
        await Elsewhere(store).delete(*top.others[::2])
        forget_all(store, Node)
        loaded = await Node.restore(await Node.objects.find_one({"name": "top"}))
        assert [other.__restored__ for other in loaded.others] == [False, True] * 5

    async def test_a_reference_of_a_wrong_model_is_refused_and_kept(
        self, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        holder = Holder()
        await holder.save()
        account = {"_id": ObjectId(), "__model__": "contract.Account"}
        await Elsewhere(store).set(holder, one=account)
        forget_all(store, Holder)
        loaded = await Holder.objects.get()
        assert loaded.one is None
        assert "contract.Holder.one" in caplog.text
        await loaded.save()
        document = await Elsewhere(store).read(Holder, loaded._id)
        assert document is not None
        assert document["one"] == account

    async def test_a_state_of_another_model_is_refused(self, store: Store) -> None:
        with pytest.raises(WrongModel):
            await Node.restore({"_id": ObjectId(), "__model__": "contract.Account"})

    async def test_a_loaded_graph_is_clean(self, store: Store) -> None:
        a = Node(name="a")
        holder = Holder(one=a, listed=[a], gathered={a}, part=Part(node=a), anything=(a, {a}))
        loaded = await _stored_again(store, holder)
        assert not loaded.__state__.changes()
        loaded.__state__.refresh()
        assert not loaded.__state__.dirty
        assert not loaded.one.__state__.dirty

    async def test_an_unchanged_object_is_stored_in_the_same_bytes_again(self, store: Store) -> None:
        nodes = [Node(name=str(position)) for position in range(20)]
        holder = Holder(gathered=set(nodes), anything=set(nodes), keyed={node.name: node for node in nodes})
        await holder.save()
        before = (await store.get("contract.Holder", [holder._id])).documents[0]
        _id = holder._id
        del holder, nodes
        gc.collect()
        forget_all(store, Node, Holder)
        loaded = await Holder.restore(await Holder.objects.find_one({"_id": _id}))
        await loaded.save(replace=True)
        assert (await store.get("contract.Holder", [_id])).documents[0] == before


class RequestContract:
    """How much is asked of a store."""

    async def test_loading_a_wide_graph_asks_once_for_each_level_and_collection(self, store: Store) -> None:
        leaves = [Node(name=f"leaf {position}") for position in range(100)]
        middle = [
            Account(name=f"account {position}", email=str(position), owner=Node(name=str(position), next=leaf))
            for position, leaf in enumerate(leaves)
        ]
        holder = Holder(anything=middle, listed=[Node(name="direct", next=leaf) for leaf in leaves])
        await holder.save()
        _id = holder._id
        document = await Holder.objects.find_one({"_id": _id})
        forget_all(store, Node, Holder, Account)
        with counted(store) as requests:
            loaded = await Holder.restore(document)
        # Level one: accounts and nodes; level two: nodes; level three: nodes that level two did not have.
        assert requests.count <= 4
        assert [account.owner.next.name for account in loaded.anything] == [leaf.name for leaf in leaves]
        assert all(
            direct.next is account.owner.next for direct, account in zip(loaded.listed, loaded.anything, strict=True)
        )

    async def test_a_query_asks_once_more_for_the_references_of_a_chunk(self, store: Store) -> None:
        accounts = [
            Account(name=f"{position:03}", email=str(position), owner=Node(name=str(position)))
            for position in range(100)
        ]
        for account in accounts:
            await account.save()
        forget_all(store, Node, Account)
        with counted(store) as plain:
            await Account.objects.all().fetch(0)
        forget_all(store, Node, Account)
        with counted(store) as requests:
            found = await Account.objects.all()
        assert requests.count == plain.count + 1
        assert [account.owner.name for account in found] == [str(position) for position in range(100)]

    async def test_refreshing_asks_once_where_everything_else_is_loaded(self, store: Store) -> None:
        top = Node(name="top", others=[Node(name=str(position)) for position in range(100)])
        await top.save()
        with counted(store) as requests:
            await top.refresh()
        assert requests.count == 1

    async def test_saving_one_object_of_a_graph_writes_one_document(self, store: Store) -> None:
        nodes = chain(Node, 50)
        nodes[-1].next = nodes[0]
        await nodes[0].save()
        elsewhere = Elsewhere(store)
        before = [await elsewhere.revision(Node, node._id) for node in nodes]
        nodes[7].value = 1000
        with counted(store) as requests:
            await nodes[7].save()
        assert requests.count == 1
        after = [await elsewhere.revision(Node, node._id) for node in nodes]
        assert [position for position in range(50) if before[position] != after[position]] == [7]
