"""Where the same inputs give the same bytes: ``python -m pipeline.environment MODULE`` runs one there."""

import os
import sys

ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "SOURCE_DATE_EPOCH": "1704067200",
    # Notebooks run in parallel, and the order of a sum must not depend on the number of cores.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}

if __name__ == "__main__":
    os.execve(sys.executable, [sys.executable, "-m", *sys.argv[1:]], {**os.environ, **ENVIRONMENT})
