"""How long Arrow's allocator keeps freed memory, set before Arrow is loaded (mimalloc reads it once).

The first touch of a fresh page is slow, most of all on virtual machines, and an operator frees what the next one
allocates. mimalloc gives pages back after a second; here it keeps them ten, as jemalloc does. Where pyarrow was
imported before, or where the variable is set, this has no effect.
"""

import os

os.environ.setdefault("MIMALLOC_PURGE_DELAY", "10000")
