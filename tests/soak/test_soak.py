"""Ten seconds of the soak; `python tests/soak/soak.py --seconds 3600` is the whole."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork and no timers of this kind here")
def test_ten_seconds_of_everything_at_once():
    script = Path(__file__).with_name("soak.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, script, "--seconds", "10"], env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {
        what: int(n)
        for n, what in re.findall(r"(\d+) ([a-z][a-z 0-9]*)(?:,|$)", done.stdout.split(":", 1)[1].splitlines()[0])
    }
    assert counts["children"] > 0 and counts["interrupts"] > 0 and counts["caller 0"] > 0 and counts["weights"] > 0, (
        done.stdout
    )
    assert "0 wrong" in done.stdout
