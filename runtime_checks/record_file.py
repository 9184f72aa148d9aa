"""The file of a record, as the watched process writes it. Needs no torch."""

from __future__ import annotations

import os
from collections.abc import Sequence

from trainlint.runtime_checks.record import End, Line, Note, Raised, dump_line

# Bytes given back at the end of a file that cannot grow: for the note, an exception and the end.
ROOM = 16_384

_FULL = "no room was left to write the record (%s): what came after these steps is not known"


class RecordFile:
    """Takes lines until there is no room for more; a script must not fail for want of it.

    The last lines make room for a note then, and how the script ended is written there yet.
    """

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._is_full = False

    def append(self, lines: Sequence[Line]) -> None:
        """Write these lines, or of a full file those that tell of the end."""
        try:
            if self._is_full:
                lines = [line for line in lines if isinstance(line, (End, Raised))]
            self._write("".join(map(dump_line, lines)))
        except OSError as error:
            if not self._is_full:
                self._give_up(error)
                self.append(lines)

    def _give_up(self, error: OSError) -> None:
        self._is_full = True
        try:
            os.ftruncate(self._file, max(0, os.fstat(self._file).st_size - ROOM))
            # The line before is torn.
            self._write("\n" + dump_line(Note(_FULL % (error.strerror or error))))
        except OSError:
            return  # nothing can be written at all

    def _write(self, text: str) -> None:
        data = text.encode()
        while data:
            data = data[os.write(self._file, data) :]
