"""Notebooks: the code cells as one script, IPython's own syntax taken out line by line."""

from __future__ import annotations

import json
import re
import warnings
from typing import Any

from trainlint.lint.problem import Unreadable
from trainlint.lint.source import Place, Source, decode_text, joined, split_lines

# `%magic`, `!command`, `?help`, `help?`, and `x = !command`, `x = %magic`.
_MAGIC = re.compile(r"^(\s*)(?:[%!?]|[\w.]+\?{1,2}\s*$)")
_ASSIGNED = re.compile(r"^(\s*\w[\w, \t]*=\s*)[%!].*$")
# Magics that run or load code that is not seen here: they may bind any name.
_BINDING = re.compile(r"^(\s*)%(?:run|load|loadpy|pylab|store|rerun|macro)\b")
# Cell magics whose cell is Python all the same, and those whose cell binds nothing in Python.
_PYTHON_CELLS = ("time", "timeit", "capture", "prun", "memit", "mprun", "python", "python3")
_FOREIGN_CELLS = ("bash", "sh", "script", "cmd", "system", "sx", "html", "HTML", "svg", "SVG",
                  "perl", "javascript", "js", "latex", "markdown", "file", "writefile",
                  "ruby")  # fmt: skip
_CAPTURED = re.compile(r"^%%capture\s+(?:--\S+\s+)*([A-Za-z_]\w*)\s*$")
_BINDS_ANYTHING = "exec('')"


def read_notebook(path: str, data: bytes) -> Source:
    """A notebook as a source; raises Unreadable for what is none."""
    text = decode_text(data)
    cells = _cells(text)
    lines: list[str] = []
    places: list[Place] = []
    texts: dict[int, str] = {}
    for number, source in cells:
        texts[number] = source
        for line, code in enumerate(_code_of(source), 1):
            lines.append(code)
            places.append(Place(line, 0, number))
    return Source(path, "notebook", data, text, joined(lines), places=tuple(places), cells=texts)


def _cells(text: str) -> list[tuple[int, str]]:
    """Number and source of each code cell; none where the notebook's language is not Python."""
    import nbformat

    try:
        raw = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", None)
        message = f"not a notebook: {getattr(error, 'msg', error)}"
        raise Unreadable(message, line=line, column=getattr(error, "colno", None)) from None
    except RecursionError:
        raise Unreadable("not a notebook: nested too deeply") from None
    if not isinstance(raw, dict):
        raise Unreadable("not a notebook: JSON, but no object")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of cells without an id: older tools write none
            notebook: Any = nbformat.reads(text, as_version=4)
        language = notebook.metadata.get("kernelspec", {}).get("language") or "python"
        if language.lower() != "python":
            return []
        return [
            (number, _text(cell.source))
            for number, cell in enumerate(notebook.cells, 1)
            if cell.cell_type == "code"
        ]
    except Exception as error:
        # nbformat raises what it comes across, by the way in which the JSON is no notebook.
        raise Unreadable(f"not a notebook: a JSON object, but {_reason(error)}") from None


def _text(source: object) -> str:
    return "".join(source) if isinstance(source, list) else str(source)


def _reason(error: Exception) -> str:
    text = str(error).split("\n", 1)[0]
    return text or type(error).__name__


def _code_of(source: str) -> list[str]:
    """The lines of a cell as Python, as many as before."""
    lines = split_lines(source)
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%"):
        magic = first[2:].split()[0] if first[2:].split() else ""
        if magic not in _PYTHON_CELLS:
            code = "" if magic in _FOREIGN_CELLS else _BINDS_ANYTHING
            return [code if line is first else "" for line in lines]
    return [_code_of_line(line) for line in lines]


def _code_of_line(line: str) -> str:
    """A line as Python; what may bind any name becomes the `exec` that it comes to."""
    captured = _CAPTURED.match(line)
    if captured is not None:
        return f"{captured[1]} = None"
    line = _BINDING.sub(rf"\1{_BINDS_ANYTHING}  # ", line)
    return _ASSIGNED.sub(r"\1None", _MAGIC.sub(r"\1pass  # ", line))
