"""Where the same inputs give the same bytes: ``python -m companion.running.environment MODULE`` runs one there."""

import os
import sys

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "SOURCE_DATE_EPOCH": "1704067200",
    # Processes share the cores, and the order of a sum must not depend on the number of cores.
    **dict.fromkeys(THREADS, "1"),
}

if __name__ == "__main__":
    os.execve(sys.executable, [sys.executable, "-m", *sys.argv[1:]], {**os.environ, **ENVIRONMENT})
