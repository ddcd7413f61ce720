"""Reading a collection: finds, counts and distinct values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo.errors import ConfigurationError

from ...contract.finding import Find
from ...errors import InvalidQuery, describe_type
from ...query.nodes import ALL
from .arguments import check_integer, index_name, read_filter, read_hint, refuse
from .base import CollectionBase
from .cursor import EngineCursor
from .distinct import find_distinct
from .faults import LIMIT_NOT_POSITIVE, SKIP_NEGATIVE, pymongo_errors
from .time_limit import TimeLimit


class Reading(CollectionBase):
    """The reading part of a collection's API."""

    def find(self, *args: Any, **kwargs: Any) -> EngineCursor:
        """The documents that match, as an async cursor; the parameters are those of `EngineCursor`.

        Raises
        ------
        UnsupportedOperation
            An option is set that works on MongoDB only.
        """
        return EngineCursor(self, *args, **kwargs)

    async def find_one(self, filter: Any | None = None, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """The first document that matches; what is no filter document is an ``_id``."""
        if filter is not None and not isinstance(filter, Mapping):
            filter = {"_id": filter}
        async with self.find(filter, *args, **kwargs).limit(-1) as cursor:
            return await anext(cursor, None)

    async def count_documents(
        self, filter: Mapping[str, Any], session: Any | None = None, comment: Any | None = None, **kwargs: Any
    ) -> int:
        """Count the documents that match.

        Parameters
        ----------
        filter : mapping
        skip, limit : int, optional
            Count without so many, and no more than so many.
        hint : str or keys, optional
            The index to use.
        maxTimeMS : int, optional
            Milliseconds after which ``ExecutionTimeout`` is raised.
        """
        skip = check_integer("skip", kwargs.pop("skip", 0))
        limit = kwargs.pop("limit", None)
        if limit is not None:
            check_integer("limit", limit)
        hint, longest = read_hint(kwargs.pop("hint", None)), kwargs.pop("maxTimeMS", None)
        refuse(session=session, **kwargs)
        with pymongo_errors(self._name):
            async with TimeLimit(longest):
                if limit is not None and limit <= 0:
                    raise InvalidQuery("the limit must be positive", server_code=LIMIT_NOT_POSITIVE)
                if skip < 0:
                    raise InvalidQuery("skip must be 0 or more", server_code=SKIP_NEGATIVE)
                node = read_filter(filter)
                name = await index_name(self._store, self._name, hint)
                last = None if limit is None else skip + limit
                number = await self._store.count(self._name, node, limit=last, hint=name)
        number = max(0, number - skip)
        return number if limit is None else min(number, limit)

    async def estimated_document_count(self, comment: Any | None = None, **kwargs: Any) -> int:
        """Count all documents."""
        longest = kwargs.pop("maxTimeMS", None)
        refuse(**kwargs)
        with pymongo_errors(self._name):
            async with TimeLimit(longest):
                return await self._store.count(self._name, ALL)

    async def distinct(
        self,
        key: str,
        filter: Mapping[str, Any] | None = None,
        session: Any | None = None,
        comment: Any | None = None,
        hint: Any | None = None,
        **kwargs: Any,
    ) -> list[Any]:
        """The distinct values of a path in the documents that match, in the order in which they are met.

        Elements of arrays count each. Values are one when they compare equal, as 1 and 1.0 do: the first one met
        stands for them.
        """
        if not isinstance(key, str):
            raise TypeError(f"key must be a string, not {describe_type(key)}")
        if "query" in kwargs:
            if filter is not None:
                raise ConfigurationError("can't pass both filter and query")
            filter = kwargs.pop("query")
        longest = kwargs.pop("maxTimeMS", None)
        refuse(session=session, **kwargs)
        hint = read_hint(hint)
        with pymongo_errors(self._name):
            async with TimeLimit(longest):
                node = ALL if filter is None else read_filter(filter)
                name = await index_name(self._store, self._name, hint)
                return await find_distinct(self._store, self._name, key, Find(filter=node, hint=name))
