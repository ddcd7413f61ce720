"""The order in which scans give documents.

A scan gives the order asked for when its index has the same paths after those that are held to one value, in the same
directions or all in the opposite ones. When it has further paths, what ties comes together, and is sorted by itself.

As in MongoDB, an array's place is that of its lowest element where the order ascends and of its highest where it
descends. A path of which documents have several keys may be in the order if it is the only one like that in the index,
and is not bounded: the element that counts could be outside of the bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from .plan import Scan

#: Paths and directions.
Order = Sequence[tuple[str, int]]


def in_order(scan: Scan, sort: Order) -> Scan | None:
    """Give `scan` in the direction in which it gives the order asked for; None where neither does."""
    fields = _Fields.of(scan, sort)
    if fields is None or len(fields.wanted) != len(fields.rest):
        return None
    ids, id_way = fields.ids, fields.id_way or 1
    way = fields.way(scan) if fields.rest else ids * id_way
    if way is None:
        return None
    no_ties = not fields.id_way and (scan.index is None or scan.index.spec.unique)
    if no_ties or ids == id_way * way:
        return replace(scan, reverse=way == -1, ids_ascend=False)
    if way == -1 and ids == 1 and not fields.id_way:
        return replace(scan, reverse=True, ids_ascend=True)
    return None


def in_groups(scan: Scan, sort: Order) -> Scan | None:
    """Give `scan` in the direction in which it gives the order asked for but for what ties, which it gives together."""
    fields = _Fields.of(scan, sort)
    if fields is None or not fields.wanted:
        return None
    way = fields.way(scan)
    return None if way is None else replace(scan, reverse=way == -1, ids_ascend=False)


class _Fields(NamedTuple):
    """What an order asks for beside what an index has.

    Attributes
    ----------
    wanted : list of (str, int)
        The part of the order that has something to decide.
    ids : int
        The direction of the ids among what ties.
    rest : list of (str, int)
        The fields of the index that have several values in the scan, as far as they come before the id.
    positions : list of int
        Where in the index they are.
    id_way : int
        The direction of the id in the index; 0 where it is not one of its fields.
    """

    wanted: list[tuple[str, int]]
    ids: int
    rest: list[tuple[str, int]]
    positions: list[int]
    id_way: int

    @classmethod
    def of(cls, scan: Scan, sort: Order) -> _Fields | None:
        """None where the index does not have the keys that count in an order."""
        index, fields = scan.index, scan.fields
        if index is not None and index.spec.sparse and any("." in path for path, _ in fields):
            # It lacks the keys of elements without the path, which count as null.
            return None
        settled = {fields[position][0] for position in scan.constant if position not in scan.multikey}
        wanted, ids = _wanted(sort, settled)
        rest: list[tuple[str, int]] = []
        positions: list[int] = []
        for position, (path, direction) in enumerate(fields):
            if position in scan.constant:
                continue
            if path == "_id":
                # What comes after it decides nothing.
                return cls(wanted, ids, rest, positions, direction)
            rest.append((path, direction))
            positions.append(position)
        return cls(wanted, ids, rest, positions, 0)

    def way(self, scan: Scan) -> int | None:
        """The direction of a scan in which the wanted paths come in order: 1 or -1, or None for neither."""
        first = self.rest[: len(self.wanted)]
        if [path for path, _ in first] != [path for path, _ in self.wanted]:
            return None
        ways = {asked * has for (_, asked), (_, has) in zip(self.wanted, first, strict=True)}
        if len(ways) > 1:
            return None
        several = scan.multikey.intersection(self.positions[: len(first)])
        return None if several and not _is_settled(scan, several) else ways.pop()


def _is_settled(scan: Scan, several: frozenset[int]) -> bool:
    """Whether the first key of a document in a scan is the lowest one of the path that it has several keys of."""
    if len(scan.multikey) > 1 or any(position < scan.bounded for position in several):
        return False
    # Of paths through one array an index has the keys of each element together, those that lack some included.
    names = [path.partition(".")[0] for path, _ in scan.fields]
    return all(names.count(names[position]) == 1 for position in several)


def _wanted(sort: Order, settled: set[str]) -> tuple[list[tuple[str, int]], int]:
    """The part of an order that has something to decide, and the direction of the ids among what ties."""
    wanted: list[tuple[str, int]] = []
    for path, direction in sort:
        if path == "_id":
            return wanted, direction
        if path not in settled and all(path != former for former, _ in wanted):
            wanted.append((path, direction))
    return wanted, 1


def pieces_in_order(scan: Scan, sort: Order, most: int) -> list[Scan] | None:
    """Give the pieces of `scan`, one for each combination of values of its first fields, each in the order asked for.

    Parameters
    ----------
    scan : Scan
    sort : Order
    most : int
        Pieces at most.

    Returns
    -------
    list of Scan or None
        None where the pieces do not give the order, or there are too many of them or one.
    """
    if not 2 <= scan.prefixes <= most:
        return None
    size = len(scan.ranges) // scan.prefixes
    pieces: list[Scan] = []
    for start in range(0, len(scan.ranges), size):
        piece = replace(
            scan,
            ranges=scan.ranges[start : start + size],
            prefixes=1,
            constant=frozenset(range(scan.points)),
        )
        ordered = in_order(piece, sort)
        if ordered is None:
            return None
        pieces.append(ordered)
    return pieces
