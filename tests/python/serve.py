"""The ranks of a test server: they run the cases whose numbers come on rank 0's standard input, until it ends.

A case is a folder with spec.json, and for each input an Arrow file and the rows at which it is cut between ranks.
Rank 0 writes result.arrow with all ranks' rows; each rank writes outcome-<rank>.pickle with its error, if any, the kind of the
result, its rows, or its value where it is no frame.
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import operations
import pyarrow as pa
import tables

import weft


def read(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def run_case(env: weft.Env, folder: Path) -> None:
    spec = json.loads((folder / "spec.json").read_text())
    outcome: dict[str, object] = {"rows": 0, "error": None, "kind": "value", "index": [], "value": None}
    try:
        frames = []
        for number, cuts in enumerate(spec.pop("cuts")):
            table = read(folder / f"input-{number}.arrow")
            begin, end = cuts[env.rank], cuts[env.rank + 1]
            part = table.slice(begin, end - begin)
            # A file holds one dictionary a column: ranks of their own make their own.
            frames.append(weft.DataFrame(tables.with_own_dictionaries(part) if env.rank % 2 else part, env=env))
        made = operations.apply(spec, frames, env)
        outcome["kind"] = type(made).__name__ if isinstance(made, weft.DataFrame | weft.Series) else "value"
        if isinstance(made, weft.Series):
            made = made.to_frame()
        if not isinstance(made, weft.DataFrame):
            outcome["value"] = made
        else:
            outcome["rows"] = len(made)
            outcome["index"] = list(made.index_names)
        whole = made.gather(0) if isinstance(made, weft.DataFrame) else None
        if whole is not None and env.rank == 0:
            table = whole.to_arrow()
            # Ranks' dictionaries differ; a file holds one.
            options = pa.ipc.IpcWriteOptions(unify_dictionaries=True)
            with pa.OSFile(str(folder / "result.arrow"), "wb") as sink:
                with pa.ipc.new_file(sink, table.schema, options=options) as writer:
                    writer.write_table(table)
    except (ValueError, LookupError, TypeError, OSError, MemoryError) as error:
        outcome["error"] = [type(error).__name__, str(error)]
    (folder / f"outcome-{env.rank}.pickle").write_bytes(pickle.dumps(outcome))
    env.barrier()


def main() -> None:
    root = Path(sys.argv[1])
    with weft.init() as env:
        while True:
            line = sys.stdin.readline() if env.rank == 0 else ""
            number = env.broadcast(line.strip(), root=0)
            if not number:
                break
            run_case(env, root / number)
            if env.rank == 0:
                print("done", number, flush=True)


if __name__ == "__main__":
    main()
