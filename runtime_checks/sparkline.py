"""A curve in a few characters."""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH = 32
BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-~=+*#"
# What lies so far apart is drawn by its logarithm.
STEEP = 50.0


def sparkline(values: Sequence[float], blocks: str = BLOCKS, width: int = WIDTH) -> str:
    """One character for each of `width` stretches: the mean of its values, from least to greatest.

    A stretch with a number that is none is an exclamation mark. Where all values are above 0 and
    the greatest is more than 50 times the least, the heights are those of their logarithms.
    """
    size = max(1, math.ceil(len(values) / width))
    parts = [values[index : index + size] for index in range(0, len(values), size)]
    means = [math.fsum(part) / len(part) if _all_finite(part) else math.nan for part in parts]
    known = [mean for mean in means if math.isfinite(mean)]
    if not known:
        return "!" * len(means)
    scale = math.log if min(known) > 0 and max(known) > STEEP * min(known) else float
    low, high = scale(min(known)), scale(max(known))
    return "".join(
        _character((scale(mean) - low) / (high - low) if high > low else 0.0, blocks)
        if math.isfinite(mean)
        else "!"
        for mean in means
    )


def _all_finite(values: Sequence[float]) -> bool:
    return all(math.isfinite(value) for value in values)


def _character(height: float, blocks: str) -> str:
    return blocks[min(int(height * len(blocks)), len(blocks) - 1)]
