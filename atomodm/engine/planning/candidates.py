"""The scans that conditions bound.

An index over several paths is bounded by conditions on the first of them that hold a single value or some, and by a
range on the next one. Where documents have several keys of a path, different elements of an array may fulfil different
conditions, so that one condition only bounds the scan, or one `ElementMatch`, of which all conditions are about one
element.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ...query.bounds import Bound, bounds
from ...query.implication import implies, implies_existence
from ...query.keys import NULL_KEY
from ...query.nodes import Node
from ...query.ranges import EVERYTHING, Range, contains, intersect, is_point, point, turned
from ..indexing.catalogue import Index
from .plan import Scan

#: Ranges of one scan over several paths at most; a further path in a product larger than that does not bound it.
MOST_RANGES = 256

#: Bounds by path.
Bounds = Mapping[str, Sequence[Bound]]


class Candidate(NamedTuple):
    """A scan that gives at least all documents that match some conditions.

    Attributes
    ----------
    scan : Scan
    used : sequence of (str, sequence of Node)
        The paths that are bounded, and the conditions that bound them.
    decided : sequence of Node
        Those conditions that every document it gives matches.
    """

    scan: Scan
    used: Sequence[tuple[str, Sequence[Node]]] = ()
    decided: Sequence[Node] = ()

    def bounding(self) -> set[tuple[str, int]]:
        """The paths that are bounded, with the identities of the conditions that bound them."""
        return {(path, id(condition)) for path, conditions in self.used for condition in conditions}

    def uses(self, conditions: Sequence[Node]) -> bool:
        """Whether one of `conditions` bounds it."""
        identities = set(map(id, conditions))
        return any(number in identities for _, number in self.bounding())


def bounds_by_path(conditions: Iterable[Node]) -> Bounds:
    """What conditions say about the keys of each path."""
    found: dict[str, list[Bound]] = {}
    for condition in conditions:
        for bound in bounds(condition):
            found.setdefault(bound.path, []).append(bound)
    return found


def primary(by_path: Bounds) -> Candidate | None:
    """The scan of the documents themselves that conditions on the id bound."""
    found = by_path.get("_id")
    # An id is no array, but conditions may speak of its elements.
    return None if not found else _bounded(None, {0: found})


def holds_all(index: Index, conditions: Sequence[Node]) -> bool:
    """Whether an index has every document that matches `conditions`."""
    if index.spec.sparse and not any(implies_existence(conditions, path) for path in index.paths):
        return False
    return index.partial is None or implies(conditions, index.partial)


def of_index(index: Index, by_path: Bounds, conditions: Sequence[Node]) -> Iterator[Candidate]:
    """The scans of an index that conditions bound, whether or not it has all documents that match."""
    fields = index.fields
    if not by_path.get(fields[0][0]):
        return
    multikey = index.multikey
    common: dict[int, Sequence[Bound]] = {}
    several: dict[int, Sequence[Bound]] = {}
    for position, (path, _) in enumerate(fields):
        found = by_path.get(path)
        if found and index.spec.sparse:
            # Of what is missing it has no key.
            found = [bound for bound in found if not contains(bound.ranges, NULL_KEY)]
        if found:
            (several if position in multikey else common)[position] = found
    if not several:
        yield _bounded(index, common)
        return
    if 0 in common:
        yield _bounded(index, common)
    for option in _options(several):
        candidate = _bounded(index, {**common, **option})
        if any(position < candidate.scan.bounded for position in option):
            yield candidate


def _options(several: Mapping[int, Sequence[Bound]]) -> Iterator[dict[int, Sequence[Bound]]]:
    """The choices of bounds that are about one key of a document."""
    of_elements: dict[int, dict[int, Sequence[Bound]]] = {}
    for position, found in several.items():
        for bound in found:
            if bound.of_element:
                # Of several conditions on one field of the element one bounds: it may be an array as well.
                of_elements.setdefault(id(bound.condition), {}).setdefault(position, [bound])
            else:
                yield {position: [bound]}
    yield from of_elements.values()


def whole(index: Index) -> Candidate:
    """The scan of all of an index."""
    return Candidate(Scan(index, (EVERYTHING,)))


def _bounded(index: Index | None, by_position: Mapping[int, Sequence[Bound]]) -> Candidate:
    fields = (("_id", 1),) if index is None else index.fields
    prefixes: list[bytes] = [b""]
    ranges: Sequence[Range] = (EVERYTHING,)
    used: list[tuple[str, Sequence[Node]]] = []
    decided: list[Node] = []
    constant: list[int] = []
    points = 0
    for position, (path, direction) in enumerate(fields):
        found = by_position.get(position)
        if not found:
            break
        own = found[0].ranges
        for bound in found[1:]:
            own = intersect(own, bound.ranges)
        if len(prefixes) > 1 and len(prefixes) * len(own) > MOST_RANGES:
            break
        used.append((path, [bound.condition for bound in found]))
        decided += [bound.condition for bound in found if bound.decided]
        ranges = own if direction == 1 else turned(own)
        if not all(map(is_point, ranges)):
            break
        points += 1
        if len(ranges) == 1:
            constant.append(position)
        prefixes = [prefix + low for prefix in prefixes for low, _ in ranges]
        ranges = ()
    if points == len(used):
        ranges = tuple([point(prefix) for prefix in prefixes]) if points else ranges
    else:
        ranges = tuple([(prefix + low, prefix + high) for prefix in prefixes for low, high in ranges])
    scan = Scan(
        index,
        ranges,
        points=points,
        prefixes=len(prefixes) if ranges else 0,
        constant=frozenset(constant),
        bounded=len(used),
    )
    return Candidate(scan, used, decided)
