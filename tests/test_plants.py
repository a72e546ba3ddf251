"""The planted errors can be planted; ``tools/plant_errors.py`` says whether they are caught."""

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parent.parent / "tools" / "plant_errors.py"


def test_the_text_of_every_planted_error_is_in_the_library_once():
    command = [sys.executable, TOOL, "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, "".join(
        line for line in done.stdout.splitlines(keepends=True) if "not once" in line
    )
