"""Draw stacks.png by the command, and print what it says."""

import shutil
import tempfile
from pathlib import Path

from click.testing import CliRunner

from nufftlib.cli import app

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        result = CliRunner().invoke(app.cli, ["calibrate-psf", "--ndim=3", f"--out={folder}/out"])
        print(result.output)
        shutil.copy(Path(folder, "out", "figure.png"), Path(__file__).with_suffix(".png"))
