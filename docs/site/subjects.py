"""Lists of the site's parts say the subject of each page, by the table of ``docs/README.md``."""

import re
from pathlib import Path

ROW = re.compile(r"^\| \[(\S+)\]\(\1\) \| (.+) \|$", re.MULTILINE)
TOCTREE = re.compile(r"^```\{toctree\}\n:maxdepth: 1\n\n(.+?)\n```$", re.MULTILINE | re.DOTALL)


def describe(app, docname, source):
    """Write the list above a part's toctree, which is hidden."""
    if not docname.startswith("site/"):
        return
    table = Path(app.srcdir, "README.md")
    app.env.note_dependency(str(table))
    subjects = {f"../{page}": said for page, said in ROW.findall(table.read_text(encoding="utf-8"))}

    def listed(found):
        pages = [f"{entry}.md" for entry in found[1].split()]
        lines = (f"- [](<{page}>): {subjects.get(page, '')}".removesuffix(": ") for page in pages)
        return "\n".join(lines) + "\n\n" + found[0].replace(":maxdepth: 1", ":hidden:")

    source[0] = TOCTREE.sub(listed, source[0])


def setup(app):
    """Add it to Sphinx."""
    app.connect("source-read", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
