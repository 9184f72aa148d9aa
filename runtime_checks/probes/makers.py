"""Which operation made a tensor, as its graph tells."""

from __future__ import annotations

import re
from typing import Any

_DEEP = 8
_SUFFIX = re.compile(r"Backward\d*$")

# These move or copy values, and leave each as it is.
_SAME = frozenset(
    """
    Alias AsStrided Clone Expand Flatten Gather Index IndexSelect MaskedSelect Narrow Permute
    ReshapeAlias Reshape Select Slice Split SplitWithSizes Squeeze SqueezeDim T ToCopy Transpose
    Unflatten Unsqueeze Unbind UnsafeSplit UnsafeView View
    """.split()
)


def makers_of(tensor: Any) -> tuple[str, str]:
    """The operation that made the tensor's values, and the one that made its first operand.

    Named as in `grad_fn`, without `Backward0`: `("Softmax", "Addmm")`; empty where there is none.
    """
    node = _made_by(tensor.grad_fn)
    if node is None:
        return "", ""
    following = node.next_functions
    under = _made_by(following[0][0]) if following else None
    return name_of(node), name_of(under) if under is not None else ""


def name_of(node: Any) -> str:
    """The name of a node of the graph: `Addmm`."""
    return _SUFFIX.sub("", type(node).__name__)


def _made_by(node: Any) -> Any:
    """The first node that changes values."""
    for _ in range(_DEEP):
        if node is None or name_of(node) not in _SAME or not node.next_functions:
            break
        node = node.next_functions[0][0]
    return node
