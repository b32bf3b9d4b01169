#!/usr/bin/env python3
"""Proves the layers of the C++ sources from their #include lines.

Two columns that meet once:

    data column: base -> table -> { io, kernels }
    wire column: base -> rendezvous -> bootstrap -> communicator -> backends
    both:        exchange (table and communicator) -> distributed (kernels and io too) -> session

A file includes its own folder and what is below it in its own column. A backend is a leaf: nothing includes it but
itself, the generated registry (registry.cc.in) and the tests. The bindings, the command line and the tests may include
every layer, but the bindings and the command line no backend. Exit code 1, and a list, where a line breaks this.

usage: check_layers.py [ROOT]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

#: What the files of each folder of src/weft may include, besides that folder itself.
BELOW: dict[str, frozenset[str]] = {
    "base": frozenset(),
    "table": frozenset({"base"}),
    "io": frozenset({"base", "table"}),
    "kernels": frozenset({"base", "table"}),
    "rendezvous": frozenset({"base"}),
    "bootstrap": frozenset({"base", "rendezvous"}),
    "communicator": frozenset({"base", "rendezvous", "bootstrap"}),
    "backends": frozenset({"base", "rendezvous", "bootstrap", "communicator"}),
    "exchange": frozenset({"base", "table", "rendezvous", "bootstrap", "communicator"}),
    "distributed": frozenset({"base", "table", "io", "kernels", "rendezvous", "bootstrap", "communicator", "exchange"}),
    "session": frozenset({"base", "rendezvous", "bootstrap", "communicator"}),
}
#: What stands above all layers: every layer is allowed there, backends only in the last.
ABOVE = ("python/bindings", "cli", "benchmarks", "tests")
MAY_NAME_BACKENDS = ("tests", "benchmarks")

SUFFIXES = {".h", ".hpp", ".cc", ".cpp", ".in"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
#: Roots of the include path: such a name says where a file lies, and nothing else may be named in quotes.
OWN_ROOTS = ("weft/",)


def sources(root: Path) -> list[Path]:
    found: list[Path] = []
    for top in ("src/weft", *ABOVE):
        found += [path for path in (root / top).rglob("*") if path.suffix in SUFFIXES and path.is_file()]
    return sorted(found)


def includes(path: Path) -> list[tuple[int, str, str]]:
    """(line number, bracket, name) of each #include line."""
    lines = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if match := INCLUDE.match(line):
            lines.append((number, match[1], match[2]))
    return lines


def place(relative: Path) -> tuple[str, str]:
    """(layer, backend) of a file or of what an include names; the backend is empty outside of backends/x/."""
    parts = relative.parts
    layer = parts[1] if len(parts) > 2 else ""
    backend = parts[2] if layer == "backends" and len(parts) > 3 else ""
    return layer, backend


def check_source(relative: Path, name: str) -> str | None:
    """What is wrong with an include of `name` (weft/...) in a file of src/ (weft/...)."""
    layer, backend = place(relative)
    other, other_backend = place(Path(name))
    if not layer:
        return None if relative.name == "pch.h" else "a source lies in a folder of src/weft, not beside the folders"
    if layer not in BELOW:
        return f"there is no layer '{layer}': name it in tools/check_layers.py and in the design"
    if other not in BELOW:
        return f"'{name}' is in no layer"
    if layer == "backends" and other == "backends":
        if not backend or backend == other_backend:
            return None
        return f"the backend '{backend}' may not know the backend '{other_backend}'"
    if other == layer or other in BELOW[layer]:
        return None
    if other == "backends":
        return "nothing may include a backend but the generated registry and the tests"
    return f"'{layer}' may not include '{other}': below it are {', '.join(sorted(BELOW[layer])) or 'none'}"


def check_above(relative: Path, name: str) -> str | None:
    """What is wrong with an include of `name` (weft/...) in bindings, command line, benchmarks or tests."""
    other, _ = place(Path(name))
    if other not in BELOW:
        return f"'{name}' is in no layer"
    if other == "backends" and relative.parts[0] not in MAY_NAME_BACKENDS:
        return "nothing may include a backend but the generated registry and the tests"
    return None


def check(root: Path) -> list[str]:
    problems = []
    for path in sources(root):
        relative = path.relative_to(root)
        for number, bracket, name in includes(path):
            problem = None
            if name.startswith(OWN_ROOTS):
                if relative.parts[0] == "src":
                    problem = check_source(relative.relative_to("src"), name)
                else:
                    problem = check_above(relative, name)
                if bracket == "<":
                    problem = problem or "Weft's own files are included in quotes"
            elif ".." in Path(name).parts:
                problem = "an include may not climb with '..'"
            elif bracket == '"' and relative.parts[0] == "src":
                problem = "an include in quotes begins with 'weft/'"
            if problem:
                problems.append(f"{relative}:{number}: {name}: {problem}")
    return problems


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    found = sources(root)
    if not any("src" in path.relative_to(root).parts for path in found):
        print(f"check_layers: {root} has no sources below src/weft", file=sys.stderr)
        return 2
    problems = check(root)
    for problem in problems:
        print(problem)
    if problems:
        print(f"check_layers: {len(problems)} includes break the layers", file=sys.stderr)
        return 1
    print(f"check_layers: {len(found)} files keep the layers")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
