"""What is verified: every theorem is checked, and its status derived from its record and from those it uses.

    python -m companion.ledger                       # verify everything, write _build/ledger.json
    python -m companion.ledger bias mass             # these, and what they rest on
    python -m companion.ledger bias --case 17        # one case of one theorem, printed

The exit status is 0 only if every theorem has the status that it declares: verified, or verified under the assumptions
that it or a theorem it uses makes. The record of each theorem is a file next to the ledger, whose schema is
`ledger.schema.json`; `--reuse` takes a record from there if the code it rests on has not changed since.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from companion import theorems
from companion.running.files import write
from companion.verification.theorem import compare
from companion.verification.verify import CASES, Record, failures, rests_on, verify
from wnlib import _checks as check

RECORDS = Path("_build", "ledger")
SCHEMA = 1
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Status(StrEnum):
    """What is known about a theorem; computed, never declared."""

    VERIFIED = "verified"
    ASSUMING = "verified under assumptions"
    REFUTED = "refuted"  # a check failed, or a falsifier passed
    STALE = "stale"  # the code has changed since the checks ran
    INCOMPLETE = "incomplete"  # a part is missing or broke, or a theorem it uses is not verified


class LedgerError(ValueError):
    """The theorems do not fit together: one uses another that does not exist, or itself."""


def order(uses: Mapping[str, Iterable[str]]) -> list[str]:
    """The theorems so that each follows all that it uses, alphabetically where that leaves a choice."""
    for name, used in uses.items():
        if unknown := sorted(set(used) - set(uses)):
            raise LedgerError(f"{name} uses {', '.join(unknown)}, which no file holds")
    sorter = TopologicalSorter(uses)
    try:
        sorter.prepare()
    except CycleError as error:
        raise LedgerError(f"the theorems use each other in a circle: {' <- '.join(error.args[1])}") from None
    found: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found += ready
        sorter.done(*ready)
    return found


def closure(names: Iterable[str]) -> list[str]:
    """The theorems `names` and all that they rest on, in order."""
    uses: dict[str, tuple[str, ...]] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in uses:
            uses[name] = theorems.theorem(name).uses
            waiting += set(uses[name]) & set(theorems.names())  # `order` says of the others who uses them
    return order(uses)


def statuses(records: Mapping[str, Record]) -> dict[str, Status]:
    """The status of each theorem, from all records together."""
    found: dict[str, Status] = {}
    for name in order({name: record["uses"] for name, record in records.items()}):
        record = records[name]
        used = {found[other] for other in record["uses"]}
        if record["fingerprint"] != rests_on(name):
            found[name] = Status.STALE
        elif failures(record):
            found[name] = Status.REFUTED
        elif record["missing"] or not used <= {Status.VERIFIED, Status.ASSUMING}:
            found[name] = Status.INCOMPLETE
        elif record["assumes"] or Status.ASSUMING in used:
            found[name] = Status.ASSUMING
        else:
            found[name] = Status.VERIFIED
    return found


def ledger(records: Mapping[str, Record]) -> Record:
    """All records in one, with statuses, in order."""
    found = statuses(records)
    return {"schema": SCHEMA, "theorems": [records[name] | {"status": str(found[name])} for name in found]}


def verified(names: Iterable[str], jobs: int, cases: int, first_failure: bool) -> Iterator[tuple[str, Record]]:
    """The records of theorems, each as soon as those before it are there."""
    for variable in THREADS:
        os.environ.setdefault(variable, "1")  # the processes share the cores
    if jobs == 1:
        yield from ((name, _verify(name, cases, first_failure)) for name in names)
        return
    with ProcessPoolExecutor(jobs) as pool:
        running = {name: pool.submit(_verify, name, cases, first_failure) for name in names}
        yield from ((name, future.result()) for name, future in running.items())


def _verify(name: str, cases: int, first_failure: bool) -> Record:
    return verify(theorems.theorem(name), cases, first_failure)


def text(value: Record) -> str:
    return json.dumps(value, indent=1) + "\n"


def fresh(records: Path, name: str) -> Record | None:
    """The record of a theorem if there is one that its code has not outrun."""
    path = records / f"{name}.json"
    if not path.exists():
        return None
    record: Record = json.loads(path.read_text(encoding="utf-8"))
    return record if record["fingerprint"] == rests_on(name) else None


def describe(record: Record) -> str:
    """One line of the report on a theorem, and one for each defect."""
    margin = f"margin {record['measurement']['margin']:.2g}" if "measurement" in record else ""
    line = f"{record['name']:<26} {record['kind']:<18} {record['status']:<27} {margin:<16} {record['seconds']:5.1f} s"
    defects = [*record["missing"], *failures(record)]
    return "\n".join([line, *(f"    {defect}" for defect in defects)])


def show_case(name: str, index: int) -> None:
    """Print one case of a theorem, and what is measured and predicted there."""
    theorem = theorems.theorem(name)
    case = theorem.ensemble.case(index)
    measurement = theorem.measure(case)
    print(case, "measured", measurement.measured, "predicted", measurement.predicted, sep="\n")
    print(f"discrepancy {compare(theorem.kind, measurement).discrepancy:.3g}, at most {theorem.limit:.3g} passes")


def arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m companion.ledger", description="Verify the theorems.")
    parser.add_argument("names", nargs="*", help="theorems to verify, with what they use (default: all)")
    parser.add_argument("--records", type=Path, default=RECORDS, help="folder of the records (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--cases", type=int, default=CASES, help="cases a theorem (default: %(default)s)")
    parser.add_argument("--case", type=int, help="only print this case of the one theorem named")
    parser.add_argument("--reuse", action="store_true", help="keep records whose code has not changed")
    parser.add_argument("--alone", action="store_true", help="without what the theorems use; write, do not judge")
    parser.add_argument("--first-failure", action="store_true", help="stop each theorem at its first failing part")
    options = parser.parse_args(given)
    check.integer("--jobs", options.jobs, least=1)
    check.integer("--cases", options.cases, least=1)
    if options.case is not None and len(options.names) != 1:
        raise ValueError(f"--case must be used with the name of one theorem, got {options.names}")
    options.names = options.names or list(theorems.names())
    if not options.alone:
        options.names = closure(options.names)
    return options


def run(options: argparse.Namespace) -> dict[str, Record]:
    """Records of all theorems named, each written as soon as it is there."""
    found = {name: fresh(options.records, name) if options.reuse else None for name in options.names}
    records = {name: record for name, record in found.items() if record is not None}
    missing = [name for name in options.names if name not in records]
    checked = verified(missing, options.jobs, options.cases, options.first_failure)
    for done, (name, record) in enumerate(checked, start=1):
        write(options.records / f"{name}.json", text(record))
        print(f"[{done}/{len(missing)}] {name}: {record['seconds']:.1f} s", flush=True)
        records[name] = record
    return records


def main(given: list[str] | None = None) -> int:
    try:
        options = arguments(given)
        if options.case is not None:
            show_case(options.names[-1], options.case)
            return 0
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    records = run(options)
    if options.alone:
        return 0
    book = ledger(records)
    write(options.records.with_suffix(".json"), text(book))
    for record in book["theorems"]:
        print(describe(record))
    return 0 if {record["status"] for record in book["theorems"]} <= {Status.VERIFIED, Status.ASSUMING} else 1


if __name__ == "__main__":
    sys.exit(main())
