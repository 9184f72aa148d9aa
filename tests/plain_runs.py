"""Runs scripts plainly, each in a fork of a process that has loaded torch.

Each line of standard input names a script and a file: what the script leaves behind is written to
that file, and its exit status to standard output.
"""

from __future__ import annotations

import json
import os
import random
import runpy
import sys
import traceback
from pathlib import Path

import numpy as np
import torch
from left_behind import digest

assert torch.get_num_threads() == 1  # a pool of threads does not outlive a fork


def run(script: str, file: str) -> None:
    """Run one script to its end; what it prints is not wanted."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = [script]
    sys.path[0] = os.path.dirname(script)
    random.seed(0)
    np.random.seed(0)
    Path(file).write_text(digest(runpy.run_path(script, run_name="__main__")))


def main() -> None:
    """One fork for each line."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            status = 1
            try:
                run(*json.loads(line))
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
