"""On the path of a watched script: as it ends, what it leaves behind is written to a file.

So the scripts of the zoo need no line of their own for it.
"""

from __future__ import annotations

import atexit
import os
import random
import sys
from pathlib import Path

SCRIPT, FILE = os.environ.get("ZOO_SCRIPT"), os.environ.get("ZOO_DIGEST")
_pid = os.getpid()


def _write() -> None:
    main = sys.modules["__main__"].__dict__
    if os.getpid() != _pid or main.get("__file__") != SCRIPT or "torch" not in sys.modules:
        return  # the process that watches, or a data worker
    sys.path.append(str(Path(__file__).parent.parent))
    from left_behind import digest

    assert FILE is not None
    Path(FILE).write_text(digest(main))


if SCRIPT and FILE and "--multiprocessing-fork" not in sys.orig_argv:
    import numpy as np

    random.seed(0)
    np.random.seed(0)
    atexit.register(_write)
