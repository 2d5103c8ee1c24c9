"""The chapters' parameters: which there are, what they may be, and what a build sets them to.

A notebook declares its parameters in its one code cell tagged ``parameters``, a line each:

    depth: int = 2  # 1..6: number of factors L
    ratio: float = 10.0  # 0.1..1000: learning-rate ratio c
    ensemble: str = "gaussian"  # gaussian|rademacher: distribution of the measurements

A domain is an inclusive range ``lo..hi`` or a list of alternatives ``a|b|c``. The cell is read, never run, so
that wrong ``PARAMS`` are refused before anything runs. ``python -m pipeline.parameters`` prints a table.
"""

from __future__ import annotations

import ast
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.notebooks import Notebook, chapters

Value = int | float | str
TYPES: dict[str, type[int] | type[float] | type[str]] = {"int": int, "float": float, "str": str}
LINE = re.compile(
    r"(?P<name>[a-z]\w*): (?P<type>int|float|str) = (?P<value>\S+)  # (?P<domain>[^\s:]+): (?P<meaning>\S.*)"
)
GRAMMAR = "name: int|float|str = value  # lo..hi or a|b|c: meaning"


class ParameterError(ValueError):
    """A parameters cell that breaks the grammar, or a value that a chapter cannot take."""


@dataclass(frozen=True)
class Parameter:
    name: str
    type: str
    value: Value
    domain: str
    meaning: str

    def __post_init__(self) -> None:
        if type(self.value) is not TYPES[self.type]:
            raise ParameterError(f"{self.name} = {self.value!r} is not of type {self.type}")
        if not self._admits(self.value):
            raise ParameterError(f"{self.name} = {self.value!r} is outside its domain {self.domain}")

    def _admits(self, value: Value) -> bool:
        low, dots, high = self.domain.partition("..")
        if self.type == "str" or not dots:
            return value in [self._read(choice) for choice in self.domain.split("|")]
        first, last = float(self._read(low)), float(self._read(high))
        if not -math.inf < first < last < math.inf:
            raise ParameterError(f"{self.name}: the domain {self.domain} is not a finite range")
        return first <= float(value) <= last

    def _read(self, text: str) -> Value:
        try:
            return TYPES[self.type](text)
        except ValueError:
            raise ParameterError(f"{self.name}: {text!r} is not of type {self.type}") from None

    def set(self, text: str) -> Parameter:
        """The same parameter with the value that ``text`` spells."""
        return replace(self, value=self._read(text))

    def __str__(self) -> str:
        value = f'"{self.value}"' if self.type == "str" else repr(self.value)
        return f"{self.name}: {self.type} = {value}  # {self.domain}: {self.meaning}"


def parse(source: str) -> list[Parameter]:
    """The parameters that a parameters cell declares."""
    parameters = []
    for line in source.splitlines():
        match = LINE.fullmatch(line)
        if match is None:
            raise ParameterError(f"{line!r} does not read {GRAMMAR!r}")
        fields = match.groupdict()
        try:
            value = ast.literal_eval(fields["value"])
        except (ValueError, SyntaxError):
            raise ParameterError(f"{line!r}: the value is not a literal") from None
        parameters.append(Parameter(**{**fields, "value": value}))
    if len({parameter.name for parameter in parameters}) < len(parameters):
        raise ParameterError("a name is declared twice")
    return parameters


def cell_of(notebook: Notebook) -> Notebook:
    """The one cell of a notebook that is tagged ``parameters``."""
    cells = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    if len(cells) != 1 or cells[0]["cell_type"] != "code":
        raise ParameterError(f"needs exactly one code cell tagged 'parameters', has {len(cells)}")
    cell: Notebook = cells[0]
    return cell


def declared() -> dict[str, list[Parameter]]:
    """Every chapter's parameters, by chapter."""
    known = {}
    for name, notebook in chapters().items():
        try:
            known[name] = parse(cell_of(notebook)["source"])
        except ParameterError as error:
            raise ParameterError(f"notebooks/{name}.ipynb: parameters cell: {error}") from None
    return known


def table(known: Mapping[str, list[Parameter]]) -> str:
    """Which chapters know which parameters, as text."""
    rows = [("parameter", "type", "default", "domain", "chapter", "meaning")]
    found = sorted((p.name, chapter, p) for chapter, parameters in known.items() for p in parameters)
    rows += [(name, p.type, str(p.value), p.domain, chapter, p.meaning) for name, chapter, p in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def applied(known: Mapping[str, list[Parameter]], settings: str) -> dict[str, list[Parameter]]:
    """The chapters' parameters after ``settings``, for example ``"depth=3 ratio=30"``."""
    values: dict[str, str] = {}
    errors: list[str] = []
    for item in settings.split():
        name, equals, text = item.partition("=")
        if not (name and equals and text):
            errors.append(f"{item!r} does not read name=value")
        elif name in values:
            errors.append(f"{name} is set twice")
        elif not any(name == p.name for parameters in known.values() for p in parameters):
            errors.append(f"no chapter knows {name!r}")
        values[name] = text

    def update(chapter: str, parameter: Parameter) -> Parameter:
        try:
            return parameter.set(values[parameter.name]) if parameter.name in values else parameter
        except ParameterError as error:
            errors.append(f"{error} (chapter {chapter})")
            return parameter

    result = {chapter: [update(chapter, p) for p in parameters] for chapter, parameters in known.items()}
    if errors:
        problems = "\n".join(f"  {error}" for error in errors)
        raise ParameterError(f'PARAMS="{settings}" cannot be used:\n{problems}\n\n{table(known)}')
    return result


if __name__ == "__main__":
    try:
        print(table(applied(declared(), os.environ.get("PARAMS", ""))))
    except ParameterError as error:
        raise SystemExit(str(error)) from None
