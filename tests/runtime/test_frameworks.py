"""Scripts in which a framework holds the loop, with the real packages and models made on the spot.

Those whose lines ask for no finding are healthy.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from zoo import ZOO, marks, watch_script

SCRIPTS = sorted((ZOO / "frameworks").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_framework(script: Path) -> None:
    watched = watch_script(script, "0", "--max-steps", "200", "--select", "RUN")
    assert watched.found == marks(script), watched.why()
    assert watched.unmeasured == []
    assert watched.result["run"]["steps"] >= 40


def test_each_has_one_that_is_healthy_and_one_that_is_ill() -> None:
    for name in ("lightning", "accelerate", "trainer"):
        kinds = {bool(marks(script)) for script in SCRIPTS if script.stem.startswith(name)}
        assert kinds == {False, True}
