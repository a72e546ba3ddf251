"""Check the structure of the code: layers, circles, and how often privates are reached into.

Run as ``python tools/check_structure.py [root]``; it fails if a rule is broken.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

LAYERS = (
    "core",
    "nufft",
    "inverse",
    "mri blur warp",
    "interop",
    "data io plots report",
    "workflows",
    "cli",
)
"""Packages of ``nufftlib``, the lowest first: imports point down, or stay on a layer."""

WITHOUT_OPTIM = ("core", "nufft")
"""Packages that import nothing of ``optim``; ``optim`` itself imports nothing of ``nufftlib``."""

MOST_REACH_INS = 5
"""How many accesses ``x._name`` to what is another object's own are tolerated."""

OF_NAMED_TUPLES = {"_asdict", "_fields", "_field_defaults", "_make", "_replace"}
"""Underscore names that are public: Python's, of every named tuple."""

PACKAGES = ("nufftlib", "optim")


class Module:
    """One file: its dotted name, its syntax tree, and the modules and names it imports."""

    def __init__(self, root: Path, path: Path) -> None:
        self.path = path.relative_to(root)
        parts = self.path.with_suffix("").parts
        self.is_package = parts[-1] == "__init__"
        self.name = ".".join(parts[:-1] if self.is_package else parts)
        self.tree = ast.parse(path.read_text(encoding="utf-8"))

    @property
    def package(self) -> str:
        """The package that the file lies in."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    def imports(self) -> Iterator[tuple[str, int]]:
        """Yield what is imported of the house, as far as it is named, with the line."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:  # relative: from the package, or so many above it
                    above = self.package.split(".")
                    above = above[: len(above) - node.level + 1]
                    base = ".".join([*above, base] if base else above)
                found = [f"{base}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in found:
                if name.split(".")[0] in PACKAGES:
                    yield name, node.lineno


def layer(name: str) -> int | None:
    """Return the layer of a dotted name, if it is in one."""
    parts = name.split(".")
    inside = parts[1] if parts[0] == "nufftlib" and len(parts) > 1 else ""
    return next((i for i, names in enumerate(LAYERS) if inside in names.split()), None)


def homeless(modules: dict[str, Module]) -> Iterator[str]:
    """Yield packages of ``nufftlib`` that are in no layer."""
    for name, module in modules.items():
        if module.is_package and name.startswith("nufftlib.") and layer(name) is None:
            yield f"{module.path}: {name} is in no layer"


def upward(modules: dict[str, Module]) -> Iterator[str]:
    """Yield imports that point up."""
    for module in modules.values():
        own = layer(module.name)
        for name, line in module.imports():
            where = f"{module.path}:{line}: {module.name} imports {name}"
            other = layer(name)
            if own is not None and other is not None and other > own:
                yield f"{where}, which is above it"
            top, _, rest = module.name.partition(".")
            if name.split(".")[0] == "optim" and rest.split(".")[0] in WITHOUT_OPTIM:
                yield f"{where}; it does without optim"
            if top == "optim" and name.split(".")[0] == "nufftlib":
                yield f"{where}; optim knows no operator"


def circles(modules: dict[str, Module]) -> list[list[str]]:
    """Return the groups of modules that import one another, by Tarjan's algorithm."""
    edges: dict[str, set[str]] = {}
    for module in modules.values():
        found = set()
        for name, _ in module.imports():
            while name not in modules and "." in name:  # a name of a module is the module's
                name = name.rpartition(".")[0]
            found.add(name)
        edges[module.name] = (found & modules.keys()) - {module.name}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(edges[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            at = stack.index(name)
            if len(stack) - at > 1:
                groups.append(sorted(stack[at:]))
            del stack[at:]

    for name in sorted(edges):
        if name not in index:
            visit(name)
    return groups


def is_private(name: str) -> bool:
    """Tell whether a name begins with an underscore, and is no magic one."""
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def reach_ins(modules: dict[str, Module]) -> Iterator[str]:
    """Yield accesses ``x._name`` where ``x`` is not ``self``, ``cls`` or ``super()``."""
    for module in modules.values():
        accesses = [node for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)]
        for node in sorted(accesses, key=lambda node: (node.lineno, node.col_offset)):
            if not is_private(node.attr) or node.attr in OF_NAMED_TUPLES:
                continue
            x = node.value.func if isinstance(node.value, ast.Call) else node.value
            if isinstance(x, ast.Name) and x.id in ("self", "cls", "super"):
                continue
            yield f"{module.path}:{node.lineno}: {ast.unparse(node)}"


def private_imports(modules: dict[str, Module]) -> Iterator[str]:
    """Yield imports of an underscore name that another package keeps to itself."""
    for module in modules.values():
        for name, line in module.imports():
            parts = name.split(".")
            at = next((i for i, part in enumerate(parts) if is_private(part)), None)
            if at is None:
                continue
            owner = ".".join(parts[:at])
            if owner in modules:
                owner = modules[owner].package
            if not f"{module.package}.".startswith(f"{owner}."):
                yield f"{module.path}:{line}: {module.name} imports {name}, private to {owner}"


def main(root: Path) -> int:
    """Report, and return 1 if a rule is broken."""
    files = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    modules = {module.name: module for module in (Module(root, path) for path in files)}
    reached = list(reach_ins(modules))
    faults = {
        "imports that point up": [*upward(modules), *homeless(modules)],
        "circles": [" <-> ".join(group) for group in circles(modules)],
        "imports of another package's privates": list(private_imports(modules)),
    }
    print(f"{len(modules)} modules")
    for title, found in faults.items():
        print(f"{title}: {len(found)}", *(f"  {line}" for line in found), sep="\n")
    print(f"private reach-ins: {len(reached)}, at most {MOST_REACH_INS}")
    print(*(f"  {line}" for line in reached), sep="\n")
    return int(any(faults.values()) or len(reached) > MOST_REACH_INS)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent)))
