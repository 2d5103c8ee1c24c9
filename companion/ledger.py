"""What is verified: every theorem is checked, and its status derived from what was found and from those it uses.

    python -m companion.ledger                       # verify everything, write _build/ledger.json
    python -m companion.ledger bias mass             # these, and what they rest on
    python -m companion.ledger bias --case 17        # one case of one theorem, printed

The exit status is 0 only if every theorem that was asked for is verified on all cases, or verified under assumptions
that it or a theorem it uses makes. What was found of each is a file in a folder next to the ledger; `--reuse` takes it
from there if the code it rests on has not changed since. Only a run on all cases writes such files, and only one of all
theorems the ledger, whose schema is `ledger.schema.json`. Theorems are verified one after the other; `make ledger` does
it in parallel.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from companion import theorems
from companion.running.files import write
from companion.running.structured import FileError, read, text
from companion.verification.theorem import compare
from companion.verification.verification import VERIFICATION, Judged, Ledger, Status, Verification
from companion.verification.verify import CASES, rests_on, verify
from wnlib import _checks as check

FOLDER = Path("_build", "ledger")
ESTABLISHED = {Status.VERIFIED, Status.ASSUMING}


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


def statuses(found: Mapping[str, Verification]) -> dict[str, Status]:
    """The status of each theorem, from all verifications together."""
    known: dict[str, Status] = {}
    for name in order({name: verification.uses for name, verification in found.items()}):
        verification = found[name]
        used = {known[other] for other in verification.uses}
        if outrun(verification):
            known[name] = Status.STALE
        elif verification.failures:
            known[name] = Status.REFUTED
        elif partial(verification):
            known[name] = Status.STALE
        elif verification.missing or not used <= ESTABLISHED:
            known[name] = Status.INCOMPLETE
        elif verification.assumes or Status.ASSUMING in used:
            known[name] = Status.ASSUMING
        else:
            known[name] = Status.VERIFIED
    return known


def outrun(verification: Verification) -> bool:
    """Whether the code that it rests on has changed since."""
    return verification.fingerprint != rests_on(verification.name)


def partial(verification: Verification) -> bool:
    """Whether it is on fewer cases than all."""
    return verification.measurement is not None and verification.measurement.cases < CASES


def ledger(found: Mapping[str, Verification]) -> Ledger:
    """All verifications in one, with statuses, in order."""
    judged = tuple(Judged(**dict(found[name]), status=status) for name, status in statuses(found).items())
    return Ledger(schema=1, theorems=judged)


def kept(folder: Path, name: str) -> Verification | None:
    """The stored verification of a theorem, if there is one, on all cases, and its code has not changed since."""
    path = folder / f"{name}.json"
    if not path.exists():
        return None
    try:
        found = read(path, VERIFICATION)
    except FileError as error:
        print(f"{error}; {name} is verified again", flush=True)
        return None
    return None if outrun(found) or partial(found) else found


def describe(theorem: Judged) -> str:
    """One line of the report on a theorem, and one for each defect."""
    measured = theorem.measurement
    margin = f"margin {measured.margin:.2g}" if measured else ""
    line = f"{theorem.name:<26} {theorem.kind:<18} {theorem.status:<27} {margin:<16} {theorem.seconds:5.1f} s"
    defects = [*theorem.missing, *theorem.failures]
    if measured and partial(theorem):
        defects.append(f"only {measured.cases} of {CASES} cases were measured")
    return "\n".join([line, *(f"    {defect}" for defect in defects)])


def show_case(name: str, index: int) -> None:
    """Print one case of a theorem, and what is measured and predicted there."""
    theorem = theorems.theorem(name)
    case = theorem.ensemble.case(index)
    measurement = theorem.measure(case)
    print(case, "measured", measurement.measured, "predicted", measurement.predicted, sep="\n")
    print(f"discrepancy {compare(theorem.kind, measurement).discrepancy:.3g}, at most {theorem.limit:.3g} passes")


def arguments(given: list[str] | None) -> argparse.Namespace:
    """What is asked for. Beside it, `stored` says whether it is on all cases, `whole` whether of all theorems too."""
    parser = argparse.ArgumentParser(prog="python -m companion.ledger", description="Verify the theorems.")
    parser.add_argument("names", nargs="*", help="theorems to verify, with what they use (default: all)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of what is found (default: %(default)s)")
    parser.add_argument("--cases", type=int, default=CASES, help="cases a theorem (default: %(default)s)")
    parser.add_argument("--case", type=int, help="only print this case of the one theorem named")
    parser.add_argument("--reuse", action="store_true", help="keep what was found with the same code")
    parser.add_argument("--alone", action="store_true", help="without what the theorems use; write, do not judge")
    parser.add_argument("--first-failure", action="store_true", help="stop each theorem at its first failing part")
    options = parser.parse_args(given)
    check.integer("--cases", options.cases, least=1)
    if options.case is not None and len(options.names) != 1:
        raise ValueError(f"--case must be used with the name of one theorem, got {options.names}")
    options.stored = options.cases == CASES and not options.first_failure
    if options.alone and not options.stored:
        raise ValueError(f"--alone only writes files: it must be used on {CASES} cases and without --first-failure")
    options.names = options.names or list(theorems.names())
    if not options.alone:
        options.names = closure(options.names)
    options.whole = options.stored and set(options.names) == set(theorems.names())
    return options


def run(options: argparse.Namespace) -> dict[str, Verification]:
    """Verifications of all theorems named, each stored as soon as it is there if it is on all cases."""
    found: dict[str, Verification] = {}
    for name in options.names if options.reuse else ():
        if verification := kept(options.folder, name):
            found[name] = verification
    missing = [name for name in options.names if name not in found]
    for done, name in enumerate(missing, start=1):
        found[name] = verify(theorems.theorem(name), options.cases, options.first_failure)
        if options.stored:
            write(options.folder / f"{name}.json", text(found[name]))
        print(f"[{done}/{len(missing)}] {name}: {found[name].seconds:.1f} s", flush=True)
    return found


def main(given: list[str] | None = None) -> int:
    try:
        options = arguments(given)
        if options.case is not None:
            show_case(options.names[-1], options.case)
            return 0
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    found = run(options)
    if options.alone:
        return 0
    book, path = ledger(found), options.folder.with_name(f"{options.folder.name}.json")
    if options.whole:
        write(path, text(book))
    for theorem in book.theorems:
        print(describe(theorem))
    if not options.whole:
        print(f"{path} was not written: only a run of all theorems on {CASES} cases each writes it")
    return 0 if {theorem.status for theorem in book.theorems} <= ESTABLISHED else 1


if __name__ == "__main__":
    sys.exit(main())
