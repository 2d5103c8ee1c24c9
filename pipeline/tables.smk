"""Tables that tasks fill: jobs of some tasks each, then all rows in one file. `python -m pipeline.tables` starts it."""

import shlex
import sys

RUN = f"{shlex.quote(sys.executable)} -I companion/running/environment.py"
TABLES = config["tables"]  # by the folder of their parts


rule gather:
    input:
        lambda wildcards: [f"{wildcards.parts}/jobs/{job + 1}" for job in range(int(TABLES[wildcards.parts]["jobs"]))],
    output:
        touch("{parts}/gathered"),
    localrule: True
    message:
        "{params.table}: gathering the rows"
    params:
        table=lambda wildcards: TABLES[wildcards.parts]["name"],
    shell:
        "{RUN} companion.tables {params.table:q}"


rule job:
    output:
        touch("{parts}/jobs/{job}"),
    message:
        "{params.table}: job {wildcards.job} of {params.jobs}"
    params:
        table=lambda wildcards: TABLES[wildcards.parts]["name"],
        jobs=lambda wildcards: TABLES[wildcards.parts]["jobs"],
    shell:
        "{RUN} companion.tables {params.table:q} --job {wildcards.job}"
