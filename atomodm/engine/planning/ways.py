"""Ways to get at the documents that match a filter, and the parts of a plan that they become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...query.implication import implies
from ...query.nodes import Node, conjunction, disjunction
from ...query.ranges import EVERYTHING, is_point, unite
from .candidates import Candidate
from .ordering import Order, in_order, pieces_in_order
from .plan import Access, Intersection, Lookup, Part, Scan


class Way(NamedTuple):
    """A scan, and what is asked of the documents that it is for.

    Attributes
    ----------
    candidate : Candidate
    conditions : sequence of Node
        All that its documents must match.
    own : Node
        What sets its documents apart from those of other ways of a union.
    """

    candidate: Candidate
    conditions: Sequence[Node]
    own: Node

    @property
    def scan(self) -> Scan:
        """The candidate's scan."""
        return self.candidate.scan

    def left(self) -> list[Node]:
        """The conditions that must be evaluated."""
        scan, decided = self.scan, self.candidate.decided
        left = [condition for condition in self.conditions if not any(condition is done for done in decided)]
        if left and scan.index is not None and scan.index.partial is not None:
            partial = [scan.index.partial]
            left = [condition for condition in left if not implies(partial, condition)]
        return left


#: The scan of the whole collection.
ALL_DOCUMENTS = Candidate(Scan(None, (EVERYTHING,)))


def joined(ways: Sequence[Way]) -> list[Way]:
    """Make one way of those that scan the same index."""
    groups: dict[int | None, list[Way]] = {}
    for way in ways:
        index = way.scan.index
        groups.setdefault(None if index is None else index.number, []).append(way)
    return [group[0] if len(group) == 1 else _union_of(group) for group in groups.values()]


def _union_of(ways: Sequence[Way]) -> Way:
    first = ways[0].scan
    scan = Scan(
        first.index,
        unite(bounds for way in ways for bounds in way.scan.ranges),
        bounded=max(way.scan.bounded for way in ways),
    )
    used: dict[str, list[Node]] = {}
    for way in ways:
        for path, conditions in way.candidate.used:
            used.setdefault(path, []).append(conjunction(conditions))
    either = disjunction([conjunction(way.conditions) for way in ways])
    decided = [either] if not any(way.left() for way in ways) else []
    bounds = [(path, [disjunction(conditions)]) for path, conditions in used.items()]
    return Way(Candidate(scan, bounds, decided), [either], disjunction([way.own for way in ways]))


def parts_of(ways: Sequence[Way], alive: Node) -> list[Part]:
    """The parts of a plan in which each way gives what those before it do not."""
    return [
        _part(way, access_of(way.scan), [former.own for former in ways[:place]], alive)
        for place, way in enumerate(ways)
    ]


def parts_in_order(ways: Sequence[Way], sort: Order, alive: Node, most: int) -> list[Part] | None:
    """The parts of a plan, each of which gives its documents in the order asked for; None where they do not.

    Parameters
    ----------
    ways : sequence of Way
    sort : Order
    alive : Node
    most : int
        Parts at most that are merged.
    """
    parts: list[Part] = []
    for place, way in enumerate(ways):
        earlier = [former.own for former in ways[:place]]
        ordered = in_order(way.scan, sort)
        if ordered is not None:
            parts.append(_part(way, access_of(ordered), earlier, alive))
        elif way.scan.index is None and way.scan.is_point:
            parts.append(_part(way, access_of(way.scan), earlier, alive))
        elif pieces := pieces_in_order(way.scan, sort, most):
            parts += [_part(way, piece, earlier, alive)._replace(whole=way.scan) for piece in pieces]
        else:
            return None
    return parts if len(parts) <= most or len(ways) == 1 else None


def intersection_of(ways: Sequence[Way], alive: Node) -> Part:
    """The part that gives what all of `ways`, of one key each, have in common."""
    used = [bound for way in ways for bound in way.candidate.used]
    # The documents are read later than the entries.
    residual = conjunction([*ways[0].conditions, alive])
    return Part(access=Intersection([way.scan for way in ways]), used=used, residual=residual)


def access_of(scan: Scan) -> Access:
    """A scan as it is, or documents by their ids where it holds these only."""
    if scan.index is not None or not scan.ranges or not all(map(is_point, scan.ranges)):
        return scan
    ids = [low for low, _ in scan.ranges]
    return Lookup(ids[::-1] if scan.reverse else ids)


def _part(way: Way, access: Access, earlier: Sequence[Node], alive: Node) -> Part:
    residual = conjunction([*way.left(), alive])
    return Part(access=access, used=way.candidate.used, residual=residual, earlier=earlier)
