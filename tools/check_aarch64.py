"""Compiles the engine's sources for aarch64, as far as objects: `tools/check_aarch64.py [part of a path ...]`.

The commands are those of a build (build/release/compile_commands.json) with the other compiler in the place of this
one's, Arrow's headers being the wheel's. Libraries' headers are this machine's, behind the cross compiler's own;
nothing is linked or run. ccache, where there is one, makes a second run short.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPILER = "aarch64-linux-gnu-g++"
#: What is compiled. The binding needs nothing of its own and is as good a test as any.
FOLDERS = ("src/weft", "cli", "python/bindings")
#: Where libraries' headers are.
SYSTEM = ["/usr/include", "/usr/include/x86_64-linux-gnu"]


def commands() -> dict[Path, list[str]]:
    """The cross compiler's command of each source, without an output."""
    found: dict[Path, list[str]] = {}
    for entry in json.loads((ROOT / "build" / "release" / "compile_commands.json").read_text()):
        source = Path(entry["file"]).resolve()
        if not any(source.is_relative_to(ROOT / folder) for folder in FOLDERS):
            continue
        words = iter(shlex.split(entry["command"]))
        kept, after = [], list(SYSTEM)
        for word in words:
            folder = next(words) if word == "-isystem" else word.removeprefix("-I") if word.startswith("-I") else None
            if folder is not None and folder.startswith("/usr/"):
                # In front of the cross compiler's own directories it could bring another machine's C library.
                after.append(folder)
            elif folder is not None:
                kept += ["-isystem" if word == "-isystem" else "-I", folder]
            elif word.startswith(("-D", "-std=", "-W", "-f")) and word != "-Winvalid-pch":
                kept.append(word)
        behind = [word for folder in dict.fromkeys(after) for word in ("-idirafter", folder)]
        found[source] = [COMPILER, *kept, *behind, "-O0", "-c", str(source)]
    return found


def compile_one(source: Path, command: list[str]) -> tuple[Path, str]:
    """What the compiler says, nothing where all is well."""
    target = ROOT / "build" / "aarch64" / source.relative_to(ROOT).with_suffix(".o")
    target.parent.mkdir(parents=True, exist_ok=True)
    ccache = [found] if (found := shutil.which("ccache")) else []
    environment = {**os.environ, "CCACHE_BASEDIR": str(ROOT), "CCACHE_NOHASHDIR": "1"}
    done = subprocess.run(
        [*ccache, *command, "-o", str(target)], capture_output=True, text=True, cwd=ROOT, env=environment, check=False
    )
    return source, "" if done.returncode == 0 else done.stderr or f"exit code {done.returncode}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Compiles the engine's sources for aarch64.")
    parser.add_argument("parts", nargs="*", help="sources alone whose path has one of these in it")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    if shutil.which(COMPILER) is None:
        print(f"check_aarch64: there is no {COMPILER}: apt-get install g++-aarch64-linux-gnu", file=sys.stderr)
        return 1
    asked = {
        source: command
        for source, command in commands().items()
        if not options.parts or any(part in str(source) for part in options.parts)
    }
    failed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for source, said in pool.map(lambda item: compile_one(*item), asked.items()):
            if said:
                failed += 1
                print(f"{source.relative_to(ROOT)}:\n{said}", flush=True)
    print(f"check_aarch64: {len(asked) - failed} of {len(asked)} sources compile")
    return 1 if failed or not asked else 0


if __name__ == "__main__":
    sys.exit(main())
