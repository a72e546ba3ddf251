"""Write the table of ``docs/arrays.md`` from the registry of public functions.

Run from the root of the repository: ``python tools/make_arrays_table.py``.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from public import with_table  # noqa: E402  # the registry is one of the tests'

page = ROOT / "docs" / "arrays.md"
page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")
print(f"wrote {page.relative_to(ROOT)}")
