"""The part of the page of checks on sampled mutants: how many are noticed, by what, and why the others are not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from companion.experiments.mutation import FIRST, HELD_OUT, Score, Tried
from companion.verification.sampling import everything
from companion.verification.survivors import Effect
from pipeline.pages.markdown import table

WHAT = """A mutant is the package with one place of one function changed. A few rules make them: another operator,
comparison, sign, number or index, a condition negated, a minimum for a maximum, a keyword or a statement left out. If a
test of the package fails with it, or the measurement of a theorem, it is caught. One that is not caught either changes
no result, or shows a place that may be wrong without anything in this book noticing."""

HOW = """Each was tried on the tests that call the function that it changes, the fastest case of each first, until one
failed or ten seconds of them had passed; then, for as long, on the theorems that call it. What takes many
times as long as without the change counts as failed. So what is caught is caught, while some that are left would be
caught by what takes longer."""

HEAD = ["room", "tried", "caught by a test", "by a theorem alone", "change no result", "left", "caught of the others"]


def mutation(rows: Sequence[Tried]) -> str:
    """What became of the samples, as MyST Markdown."""
    counted = [row for row in rows if row.counts]
    first, held_out = ([row for row in counted if row.sample == sample] for sample in (FIRST, HELD_OUT))
    by_room = defaultdict(list)
    for row in first:
        by_room[row.room].append(row)
    pool = everything("wnlib")
    drawn = [module for module in pool if any(row.mutant.function.startswith(f"{module}.") for row in rows)]
    newer = " (the others are newer than the sample)" if len(drawn) < len(pool) else ""
    left = [row for row in counted if not row.caught]
    scores = [_scored(f"`{room}`", found) for room, found in sorted(by_room.items())]
    return "\n\n".join(
        [
            "## How many changes of the code are noticed",
            WHAT,
            f"Of `wnlib`, these rules make {sum(map(len, pool.values())):,} mutants. {len(first)} of them were drawn at"
            f" random, some from each of {len(drawn)} modules of the {len(pool)} that hold code{newer}, none from an"
            f" `__init__`. {HOW}",
            table(HEAD, [*scores, _scored("all", first)]),
            f"What was left at first led to more tests, and to reasons. {_effects(first)}",
            f"{len(held_out)} others were drawn as well, and no test was written for what they show: this is what is to"
            " be expected of a change that nobody thought of.",
            table(HEAD, [_scored("all, held out", held_out)]),
            _effects(held_out),
            *_stale(rows, counted),
            "Here is what is not caught, and why. A star marks what the sample that was held out has shown.",
            table(["changed", "from, to", "why it is not caught"], map(_told, left), "stacked"),
        ]
    )


def _scored(name: str, rows: Sequence[Tried]) -> list[str]:
    score = Score.of(rows)
    numbers = (score.tried, score.by_tests, score.by_theorems, score.equivalent, score.left)
    return [name, *map(str, numbers), "-" if score.changing == 0 else f"{score.caught / score.changing:.0%}"]


def _effects(rows: Sequence[Tried]) -> str:
    """How many of those that are left do what, by the reasons."""
    counts = Counter(row.reason.effect for row in rows if row.reason is not None)
    told = [f"{effect.value} ({counts[effect]})" for effect in Effect if effect is not Effect.NONE and counts[effect]]
    return f"Why they are left: {'; '.join(told)}." if told else ""


def _stale(rows: Sequence[Tried], counted: Sequence[Tried]) -> list[str]:
    lost = len(rows) - len(counted)
    return [f"{lost} of {len(rows)} are not counted: what they change reads differently by now."] if lost else []


def _told(row: Tried) -> list[str]:
    function = row.mutant.function.removeprefix("wnlib.")
    place = f" ({row.mutant.occurrence})" if row.mutant.occurrence else ""
    why = f"{row.reason.effect}: {row.reason.why}" if row.reason is not None else "not looked at"
    star = "" if row.sample == FIRST else " \\*"
    return [f"`{function}`{star}", f"`{row.mutant.old}`{place}, `{row.mutant.new}`", why]
