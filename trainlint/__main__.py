"""`python -m trainlint`."""

import os
import sys

# `-m` puts the working folder first, and a user's json.py before Python's own.
if sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]

from trainlint.cli import main

main(prog_name="trainlint")
