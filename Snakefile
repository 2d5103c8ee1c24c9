"""The pipeline: prepared notebooks -> executed notebooks -> site. `make book` prepares them and starts it."""

import platform
import sys
from pathlib import Path

CHAPTERS = sorted(path.stem for path in Path("notebooks").glob("*.ipynb"))


def files(folder, pattern="*"):
    found = (path for path in Path(folder).rglob(pattern) if "__pycache__" not in path.parts)
    return sorted(str(path) for path in found if path.is_file())


rule site:
    input:
        expand("_build/executed/{chapter}.ipynb", chapter=CHAPTERS),
        files("book"),
        "_config.yml",
        "_toc.yml",
        "requirements.lock",
        "pipeline/stage.py",
    output:
        "_build/html/.nojekyll",
    message:
        "site: building _build/html"
    shell:
        "{sys.executable:q} -m pipeline.stage {CHAPTERS:q}"


rule executed:
    input:
        expand("_build/executed/{chapter}.ipynb", chapter=CHAPTERS),


rule execute:
    input:
        "_build/prepared/{chapter}.ipynb",
        files("wnlib", "*.py"),
        "requirements.lock",
        "pipeline/execute.py",
        "pipeline/notebooks.py",
        "pipeline/environment.py",
    output:
        "_build/executed/{chapter}.ipynb",
    message:
        "{wildcards.chapter}: executing"
    params:
        python=platform.python_version(),  # another Python may round otherwise
    shell:
        "{sys.executable:q} -m pipeline.execute {wildcards.chapter:q}"
