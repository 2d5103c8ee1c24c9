"""A sweep: a job for each task, then all cells in one file. `python -m pipeline.sweep` starts it."""

import sys
from pathlib import Path

from wnlib.sweep.cells import tasks
from wnlib.sweep.results import OUT, Results

SPECIFICATION = config["specification"]
RESULTS = Results.of(Path(SPECIFICATION), OUT)


rule gather:
    input:
        [str(RESULTS.path(task)) for task in tasks(RESULTS.sweep)],
    output:
        str(RESULTS.cells),
    message:
        f"{RESULTS.folder}: gathering the cells"
    shell:
        "{sys.executable:q} -m pipeline.environment wnlib.sweep {SPECIFICATION:q} --gather"


rule task:
    output:
        str(RESULTS.folder / "tasks" / "{task}.csv"),
    message:
        "{wildcards.task}: computing"
    shell:
        "{sys.executable:q} -m pipeline.environment wnlib.sweep {SPECIFICATION:q} --tasks {wildcards.task} --jobs 1"
