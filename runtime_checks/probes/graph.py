"""The graph of a backward, read without changing or keeping anything of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

_MOST = 20_000  # nodes
_NEAR = 40  # nodes between an activation and the parameters before it
_FAR = 12  # between an activation and the layer behind it
_LAYERS = ("Addmm", "Mm", "Bmm", "Convolution", "Linear", "MkldnnLinear")
_CHANNELS = ("Convolution", "NativeBatchNorm", "CudnnBatchNorm", "NativeGroupNorm")
# What only reorders, drops or rescales on the way to the next layer.
_TRANSPARENT = """
    View UnsafeView ReshapeAlias Reshape Transpose Permute T NativeDropout Dropout Mul MaxPool
    MaxPool2DWithIndices AvgPool2D Mean AsStrided Clone Expand ToCopy NativeLayerNorm
    NativeBatchNorm Cat Flatten Squeeze Unsqueeze
    """.split()


@dataclass
class Graph:
    """Nodes that were asked for, what uses each node, and the parameters at the leaves."""

    wanted: list[Any]
    users: dict[Any, list[Any]]
    leaves: list[Any]

    def weights(self) -> list[Any]:
        """Parameters of two dimensions and up, in the order of their first use."""
        first = {
            leaf: min(user._sequence_nr() for user in self.users[leaf])
            for leaf in self.leaves
            if leaf.variable.dim() >= 2 and leaf in self.users
        }
        return [leaf.variable for leaf in sorted(first, key=lambda leaf: first[leaf])]

    def before(self, node: Any) -> tuple[Any, bool]:
        """The parameter nearest before a node, and whether its units are channels."""
        near, channels, level = 0, False, [node]
        while level and near < _NEAR:
            for one in level:
                for before in _inputs(one):
                    if hasattr(before, "variable"):
                        return before.variable, channels or _is(one, _CHANNELS)
            level = [before for one in level for before in _inputs(one)]
            channels = channels or any(_is(one, _CHANNELS) for one in level)
            near += len(level)
        return None, channels

    def is_hidden(self, node: Any) -> bool:
        """Whether a layer with weights of its own comes behind it, and no gate in between."""
        level, seen = [node], 0
        while level and seen < _FAR:
            users = [user for one in level for user in self.users.get(one, ())]
            if any(_is(user, _LAYERS) and _has_weights(user) for user in users):
                return True
            level = [user for user in users if _is(user, _TRANSPARENT) and not _is_gate(user)]
            seen += len(users)
        return False


def read_graph(roots: list[Any], kinds: Collection[str]) -> Graph | None:
    """Walk all nodes below these; None where there are too many."""
    graph = Graph([], {}, [])
    seen, left = set(roots), list(roots)
    while left:
        node = left.pop()
        if node.name() in kinds:
            graph.wanted.append(node)
        elif hasattr(node, "variable"):
            graph.leaves.append(node)
        for before in _inputs(node):
            graph.users.setdefault(before, []).append(node)
            if before not in seen:
                seen.add(before)
                left.append(before)
        if len(seen) > _MOST:
            return None
    return graph


def _inputs(node: Any) -> Iterator[Any]:
    return (before for before, _ in node.next_functions if before is not None)


def _is(node: Any, names: Collection[str]) -> bool:
    return node.name().partition("Backward")[0] in names


def _has_weights(node: Any) -> bool:
    """Whether a parameter is among its inputs, as it is or transposed."""
    inputs = list(_inputs(node))
    behind = [one for node in inputs if _is(node, ("T", "Transpose")) for one in _inputs(node)]
    return any(hasattr(one, "variable") for one in (*inputs, *behind))


def _is_gate(node: Any) -> bool:
    """Whether it multiplies two things that were computed."""
    return _is(node, ("Mul",)) and len(list(_inputs(node))) > 1
