"""The keys that a configuration file may have: one list, for reading, the schema and the docs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum


class Kind(Enum):
    """What a key's value must be."""

    CODES = "a list of codes"
    PATTERNS = "a list of patterns"
    FLAG = "true or false"
    RELEASE = "a release of torch"
    SECONDS = "a number of seconds"
    CODES_BY_PATTERN = "a table of lists of codes"
    SEVERITIES = "a table of severities"
    NUMBERS = "a table of numbers"


@dataclass(frozen=True)
class Key:
    """One key, as it is written in the file."""

    name: str
    kind: Kind
    help: str


KEYS = (
    Key("select", Kind.CODES,
        "Report only these codes, or codes that begin so (TRN2); ALL for all."),
    Key("extend-select", Kind.CODES, "Report these codes as well."),
    Key("ignore", Kind.CODES, "Leave these codes out."),
    Key("per-file-ignores", Kind.CODES_BY_PATTERN,
        "Codes to leave out of the files that a pattern, as in .gitignore, matches."),
    Key("exclude", Kind.PATTERNS,
        "Files and folders that are not searched, as in .gitignore, besides those that never are."),
    Key("extend-exclude", Kind.PATTERNS, "The same as `exclude`; where both stand, both count."),
    Key("force-exclude", Kind.FLAG,
        "Leave out what `exclude` matches even where it is named on the command line."),
    Key("target-torch", Kind.RELEASE, "The oldest torch that the scripts must run on."),
    Key("time-limit", Kind.SECONDS,
        "Seconds of processor time that one file may take; 0 for any, 60 if not said."),
    Key("severity", Kind.SEVERITIES,
        "The severity of a code, or of all codes that begin so: error, warning or info."),
    Key("thresholds", Kind.NUMBERS, "Where the detectors of `trainlint run` draw their lines."),
)  # fmt: skip


@dataclass(frozen=True)
class Threshold:
    """A number that a detector compares with."""

    name: str
    default: int | float

    @property
    def whole(self) -> bool:
        """Whether it counts something."""
        return isinstance(self.default, int)

    @property
    def share(self) -> bool:
        """Whether it runs from 0 to 1."""
        return self.name.endswith(("-share", "significance"))

    def accepts(self, value: object) -> bool:
        """Whether a value from a file can stand for it; NaN and infinity cannot."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if self.whole:
            return isinstance(value, int) and value >= 1
        return 0 <= value <= (1 if self.share else 1e300)

    @property
    def wants(self) -> str:
        """What it accepts, in words."""
        if self.whole:
            return "a whole number of at least 1"
        return "a number from 0 to 1" if self.share else "a number of at least 0"


def thresholds() -> dict[str, Threshold]:
    """The thresholds, by the name that they have in a file."""
    from trainlint.runtime_checks.detection import Thresholds

    defaults = asdict(Thresholds())
    found = [Threshold(name.replace("_", "-"), default) for name, default in defaults.items()]
    return {one.name: one for one in found}
