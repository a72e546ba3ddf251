"""Write the tables of the pages that the code, the tests and the folders know.

Run as ``python tools/make_tables.py``. Words that stand in a table are kept; a new row begins with
those of the docstring, or with the title of the page.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from tables import TABLES  # noqa: E402  # it needs the path

for name, written in TABLES.items():
    page = ROOT / name
    old = page.read_text(encoding="utf-8")
    new = written(old)
    page.write_text(new, encoding="utf-8")
    print(f"{name}: {'as it was' if new == old else 'written'}")
