"""Where the parts of a picture stand; templates write them as SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from lakehouse.answers.lineage import Flow, Graph, Node

SPARK_WIDTH, SPARK_HEIGHT = 120, 24
_BOX_WIDTH, _BOX_HEIGHT = 200, 40
_GAP_X, _GAP_Y = 90, 14
_MARGIN = 12
_MOST_CHARACTERS = 27


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a sparkline."""

    x: float
    y: float
    width: float
    height: float
    is_some: bool


@dataclass(frozen=True, slots=True)
class Box:
    """One node of a graph, where it stands, and its name on up to two lines."""

    name: str
    table: str
    x: int
    y: int
    first: str
    second: str
    is_asked: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One flow of a graph, as the path that is drawn."""

    path: str
    flow: Flow


@dataclass(frozen=True, slots=True)
class Picture:
    """A graph as it is drawn."""

    width: int
    height: int
    box_width: int
    box_height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def spark(shares: Sequence[float]) -> list[Bar]:
    """The bars of shares, oldest first; the highest of them, or 1 %, fills the height."""
    if not shares:
        return []
    most = max(*shares, 0.01)
    step = SPARK_WIDTH / max(len(shares), 10)
    bars = []
    for place, value in enumerate(shares):
        height = max(1.0, value / most * SPARK_HEIGHT)
        x, y = place * step, SPARK_HEIGHT - height
        wide, high = round(step * 0.8, 1), round(height, 1)
        bars.append(Bar(round(x, 1), round(y, 1), wide, high, value > 0))
    return bars


def arrange(graph: Graph) -> Picture:
    """Columns of boxes from left (where values come from) to right, those that belong together
    near each other."""
    columns: dict[int, list[Node]] = {}
    for node in graph.nodes:
        columns.setdefault(node.level, []).append(node)
    places = _places(columns, graph.flows)
    first = min(columns)
    tallest = max(map(len, columns.values()))
    boxes = {
        node.name: _box(node, level - first, places[node.name], len(nodes), tallest)
        for level, nodes in columns.items()
        for node in nodes
    }
    lines = (
        Line(_path(boxes[flow.source], boxes[flow.target]), flow)
        for flow in graph.flows
        if flow.source in boxes and flow.target in boxes
    )
    n_columns = max(columns) - first + 1
    return Picture(
        2 * _MARGIN + n_columns * (_BOX_WIDTH + _GAP_X) - _GAP_X,
        2 * _MARGIN + tallest * (_BOX_HEIGHT + _GAP_Y) - _GAP_Y,
        _BOX_WIDTH,
        _BOX_HEIGHT,
        tuple(boxes.values()),
        tuple(lines),
    )


def _places(columns: Mapping[int, list[Node]], flows: Sequence[Flow]) -> dict[str, int]:
    """Each node's place in its column: near its neighbours that are nearer to what was asked."""
    near: dict[str, list[str]] = {}
    for flow in flows:
        near.setdefault(flow.source, []).append(flow.target)
        near.setdefault(flow.target, []).append(flow.source)
    places: dict[str, int] = {}
    for level in sorted(columns, key=abs):
        weights = {
            node.name: fmean([places[n] for n in near.get(node.name, ()) if n in places] or [0])
            for node in columns[level]
        }
        ordered = sorted(columns[level], key=lambda node: (weights[node.name], node.name))
        places |= {node.name: place for place, node in enumerate(ordered)}
    return places


def _box(node: Node, column: int, place: int, count: int, tallest: int) -> Box:
    top = (tallest - count) * (_BOX_HEIGHT + _GAP_Y) // 2
    column_name = node.name.removeprefix(node.table).removeprefix(".")
    return Box(
        node.name,
        node.table,
        _MARGIN + column * (_BOX_WIDTH + _GAP_X),
        _MARGIN + top + place * (_BOX_HEIGHT + _GAP_Y),
        _short(node.table),
        _short(column_name),
        node.level == 0,
    )


def _short(name: str) -> str:
    return name if len(name) <= _MOST_CHARACTERS else name[: _MOST_CHARACTERS - 1] + "…"


def _path(source: Box, target: Box) -> str:
    if source.x == target.x:  # from a table to itself, or to one that is as far away
        x, y, to = source.x + _BOX_WIDTH, source.y + _BOX_HEIGHT // 2, target.y + _BOX_HEIGHT // 2
        return f"M{x} {y} C{x + 40} {y} {x + 40} {to} {x} {to}"
    begin = source.x + _BOX_WIDTH if source.x < target.x else source.x
    end = target.x if source.x < target.x else target.x + _BOX_WIDTH
    from_y, to_y = source.y + _BOX_HEIGHT // 2, target.y + _BOX_HEIGHT // 2
    middle = (begin + end) // 2
    return f"M{begin} {from_y} C{middle} {from_y} {middle} {to_y} {end} {to_y}"
