"""``python -m weft.compat.pycylon script.py [arguments]``: runs a script for pycylon on Weft, unchanged.

Over ranks: ``mpirun -n 4 python -m weft.compat.pycylon script.py``, or ``weft run -n 4 -m weft.compat.pycylon
script.py``. ``-m module`` in place of the script runs a module.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from weft.compat.pycylon.modules import install


def main(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__, file=sys.stderr)
        sys.exit(0 if arguments else 2)
    install()
    if arguments[0] == "-m":
        if len(arguments) == 1:
            sys.exit("weft.compat.pycylon: -m names no module")
        sys.argv = arguments[1:]
        sys.path[0] = str(Path.cwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    script = Path(arguments[0])
    if not script.is_file():
        sys.exit(f"weft.compat.pycylon: there is no script {script}")
    sys.argv = arguments
    # As Python does it: a script finds what lies beside it.
    sys.path[0] = str(script.resolve().parent)
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
