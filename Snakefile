"""The pipeline: notebooks -> executed notebooks; theorems -> verifications -> ledger -> pages; all of it -> site.

`make book` prepares the notebooks and starts it.
"""

import platform
import re
import shlex
import sys
from pathlib import Path

from companion.running import fingerprint
from pipeline import dependencies

RUN = f"{shlex.quote(sys.executable)} -I companion/running/environment.py"

CONTENTS = re.findall(r"\b(notebooks|gallery|api)/(\w+)", Path("_toc.yml").read_text(encoding="utf-8"))
CHAPTERS = [name for folder, name in CONTENTS if folder == "notebooks"]
GALLERY = ["_build/gallery"] if ("gallery", "index") in CONTENTS else []
ROOMS = [name for folder, name in CONTENTS if folder == "api" and name != "index"]
BENCHMARKS = sorted(str(path) for path in Path("benchmarks/reports").glob("*.json"))
THEOREMS = sorted(path.stem for path in Path("companion/theorems").glob("[!_]*.py"))


def files(folder, pattern="*"):
    found = (path for path in Path(folder).rglob(pattern) if "__pycache__" not in path.parts)
    return sorted(str(path) for path in found if path.is_file())


def code_of_theorem(wildcards):
    return fingerprint.of_theorem(wildcards.theorem)


def code_of_chapter(wildcards):
    return dependencies.of_chapter(Path(f"_build/prepared/{wildcards.chapter}.ipynb"))


rule site:
    input:
        expand("_build/executed/{chapter}.ipynb", chapter=CHAPTERS),
        ["_build/theorems"] if THEOREMS else [],
        ["_build/benchmarks"] if BENCHMARKS else [],
        GALLERY,
        ["_build/api"] if ROOMS else [],
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
        "{RUN} pipeline.stage {CHAPTERS:q}"


rule executed:
    input:
        expand("_build/executed/{chapter}.ipynb", chapter=CHAPTERS),


rule execute:
    input:
        "_build/prepared/{chapter}.ipynb",
        "requirements.lock",
        "pipeline/execute.py",
        "pipeline/notebooks.py",
    output:
        "_build/executed/{chapter}.ipynb",
    message:
        "{wildcards.chapter}: executing"
    params:
        code=code_of_chapter,
        python=platform.python_version(),  # another Python may round otherwise
    shell:
        "{RUN} pipeline.execute {wildcards.chapter:q}"


rule verify:
    input:
        "requirements.lock",
    output:
        "_build/ledger/{theorem}.json",
    message:
        "{wildcards.theorem}: verifying"
    params:
        code=code_of_theorem,
        python=platform.python_version(),
    shell:
        "{RUN} companion.ledger {wildcards.theorem:q} --alone > /dev/null"


rule ledger:
    input:
        expand("_build/ledger/{theorem}.json", theorem=THEOREMS),
        "companion/ledger.py",
        "companion/verification/verification.py",
    output:
        "_build/ledger.json",
    message:
        "ledger: what is verified"
    shell:
        "{RUN} companion.ledger --reuse"


rule pages:
    input:
        "_build/ledger.json",
        expand("_build/executed/{chapter}.ipynb", chapter=CHAPTERS),
        files("companion/theorems", "*.py"),  # their texts
        "companion/experiments/records/mutation.csv",
        "companion/verification/survivors.py",
        files("pipeline", "*.py"),
    output:
        directory("_build/theorems"),
    message:
        "theorems: writing their pages"
    shell:
        "{RUN} pipeline.pages.theorems {CHAPTERS:q}"


rule gallery:
    input:
        expand("_build/executed/{chapter}.ipynb", chapter=CHAPTERS),
        "pipeline/pages/gallery.py",
        "_toc.yml",
    output:
        directory("_build/gallery"),
    message:
        "gallery: gathering the figures"
    shell:
        "{RUN} pipeline.pages.gallery {CHAPTERS:q}"


rule api:
    input:
        files("wnlib", "*.py*"),
        files("companion/theorems", "*.py"),
        "pipeline/pages/api.py",
        "pipeline/pages/markdown.py",
    output:
        directory("_build/api"),
    message:
        "api: writing the reference of the package"
    shell:
        "{RUN} pipeline.pages.api {ROOMS:q}"


rule benchmarks:
    input:
        BENCHMARKS,
        expand("pipeline/pages/{page}.py", page=["benchmarks", "aims", "comparisons", "timings", "markdown"]),
        expand("companion/running/{module}.py", module=["report", "structured"]),
        "companion/plots/benchmarks.py",
        "companion/plots/style.py",
        "companion/telling/numbers.py",
        "requirements.lock",
    output:
        directory("_build/benchmarks"),
    message:
        "benchmarks: writing their page"
    shell:
        "{RUN} pipeline.pages.benchmarks"
