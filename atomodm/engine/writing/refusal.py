"""What a refused commit means to who asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...contract.operations import Batch, Insert, Patch
from ...errors import DuplicateKey, RevisionMismatch
from ..driver import Refused
from ..indexing.catalogue import Catalogue, Index
from ..record import Effect
from .latest import DocumentKey
from .preparing import is_unguarded


class Refusal:
    """A refused commit beside the batch that it was made of.

    Parameters
    ----------
    refused : Refused
        What the driver said.
    batch : Batch
    keys : sequence of DocumentKey
        One for each operation.
    effects : sequence of Effect
        What each operation would have done.
    catalogues : mapping of str to Catalogue
        What it was prepared with.
    store : str
        The store's address for messages.
    """

    def __init__(
        self,
        refused: Refused,
        batch: Batch,
        keys: Sequence[DocumentKey],
        effects: Sequence[Effect],
        catalogues: Mapping[str, Catalogue],
        store: str,
    ) -> None:
        self._batch = batch
        self._effects = effects
        self._catalogues = catalogues
        self._store = store
        self._positions = {key: position for position, key in enumerate(keys)}
        self._mismatched = sorted(self._positions[key] for key in refused.mismatched)
        self._taken = refused.taken

    def raise_unless_race(self, *, given_up: bool) -> None:
        """Raise the conflict or duplicate; return where the batch only lost a race and may be tried again.

        Raises
        ------
        RevisionMismatch, DuplicateKey
        """
        existing = [position for position in self._mismatched if self._is_insert(position)]
        lost = [position for position in self._mismatched if self._may_retry(position)]
        conflicts = sorted(set(self._mismatched).difference(existing, lost))
        if conflicts or (lost and given_up):
            raise RevisionMismatch(conflicts or lost, store=self._store)
        if existing:
            raise self._duplicate_id(existing[0])
        if not lost:
            raise self._duplicate_key()

    def _is_insert(self, position: int) -> bool:
        return isinstance(self._batch.operations[position], Insert)

    def _may_retry(self, position: int) -> bool:
        operation = self._batch.operations[position]
        # A patch of a document that is absent is no race: there is nothing to apply it to.
        absent = isinstance(operation, Patch) and self._effects[position] is Effect.NOTHING
        return is_unguarded(operation) and not absent

    def _duplicate_id(self, position: int) -> DuplicateKey:
        collection = self._batch.operations[position].collection
        return DuplicateKey(
            f"collection {collection} already has a document with this id",
            index="_id_",
            fields=["_id"],
            position=position,
            store=self._store,
        )

    def _duplicate_key(self) -> DuplicateKey:
        position, collection, number = min(
            (self._positions[collection, id], collection, number) for collection, number, id in self._taken
        )
        index = self._catalogues[collection].numbered(number)
        assert index is not None
        return duplicate_key(collection, index, position, self._store)


def duplicate_key(collection: str, index: Index, position: int, store: str) -> DuplicateKey:
    """The error for a value that another document of `collection` has in a unique index."""
    return DuplicateKey(
        f"collection {collection} already has a document with an equal value in the unique index {index.spec.name}",
        index=index.spec.name,
        fields=[path for path, _ in index.spec.fields],
        directions=[direction for _, direction in index.spec.fields],
        position=position,
        store=store,
    )
