"""The report of a benchmark: what was timed, on what machine, every repetition, and the ratios.

Numbers have four digits.
"""

from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

from pydantic import Field, TypeAdapter

from companion.running.structured import Model

NAMES = ("limits", "trajectories", "descent", "growth", "robustness")

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Measure = Annotated[float, Field(ge=0)]
Parameters = TypeVar("Parameters", bound=Model)
Case = TypeVar("Case", bound=Model)


class Machine(Model):
    """What the figures depend on."""

    processor: str
    cores: Positive
    """That the run could use."""
    memory_gib: Positive
    system: str
    python: str
    blas: str
    """NumPy's library of matrix products, and the processor whose kernels it chose."""
    libraries: dict[str, str]
    """Versions of those that were installed."""
    threads: Positive
    """Of every contender."""


class Quartiles(Model):
    median: float
    low: float
    high: float

    def over(self, unit: float) -> "Quartiles":
        return Quartiles(median=self.median / unit, low=self.low / unit, high=self.high / unit)


class Done(Model, Generic[Case]):
    """A contender in one case, which it finished."""

    case: Case
    contender: str
    status: Literal["done"]
    seconds: Annotated[tuple[Measure, ...], Field(min_length=1)]
    """One a repetition, in the order of the rounds that all contenders of a case took part in."""
    first: Measure
    """Seconds of the warm-up; a contender that took long is not repeated, and this is its repetition."""
    quartiles: Quartiles
    """Of the seconds."""
    memory: Count | None = None
    """Bytes: the process's peak of resident memory during a run beyond what it held before."""
    notes: dict[str, float] | None = None
    """Of the preparation, which is not timed: seconds of a compilation, or the step of a descent that the search
    chose."""
    residual: Measure | None = None
    """||A w - y|| / ||y||."""
    stationarity: Measure | None = None
    """The part of the dual variable's change outside row(A), relatively."""
    steps: Positive | None = None
    """That a descent took."""
    error: Measure | None = None
    """l1 distance of the weights to the reference, relatively; the largest over the times of a trajectory."""
    arrived: bool | None = None
    """Whether a descent came near the limit within its budget of time."""
    ratio: Quartiles | None = None
    """Of the seconds, round by round, to those of wnlib in the same case."""


class Undone(Model, Generic[Case]):
    """A contender in one case, which it did not finish."""

    case: Case
    contender: str
    status: Literal["capped", "absent", "unable", "failed"]
    """Capped: killed after the parameters' cap. Absent: its library was not installed. Unable: it cannot state the
    problem. Failed: it raised an error."""
    reason: Annotated[str, Field(min_length=1)]
    memory: Count | None = None
    """As of one that finished."""
    notes: dict[str, float] | None = None
    """As of one that finished."""


Result: TypeAlias = Done[Case] | Undone[Case]


class Report(Model, Generic[Parameters, Case]):
    version: Literal[1] = Field(alias="schema")
    """The version of this schema."""
    name: str
    machine: Machine
    parameters: Parameters
    """Of the instances and of the bounds."""
    results: Annotated[
        tuple[Annotated[Done[Case] | Undone[Case], Field(discriminator="status")], ...], Field(min_length=1)
    ]
    """One of each contender in each case."""


class Size(Model):
    """Of a random problem; `seed` draws it."""

    m: Positive
    n: Positive
    sparsity: Positive
    seed: Count


class LimitsCase(Model):
    depth: Positive
    ratio: float


class LimitsParameters(Model):
    size: Size
    scale: float
    """Norm of the uniform start."""
    tolerance: float
    """That limits are asked for."""
    near: float
    """Distance to the limit at which a descent counts as arrived."""
    budget: float
    """Seconds of a descent."""
    cap: float
    """Seconds after which a run is killed."""


class Limits(Report[LimitsParameters, LimitsCase]):
    name: Literal["limits"]


class TrajectoriesCase(Model):
    depth: Positive
    ratio: float
    tolerance: float


class TrajectoriesParameters(Model):
    size: Size
    scale: float
    """Norm of the uniform start."""
    t_end: float
    reference: float
    """Tolerance of the solver that errors are measured against."""
    cap: float
    """Seconds after which a run is killed."""
    absolute: float
    """Absolute tolerance over the relative one."""


class Trajectories(Report[TrajectoriesParameters, TrajectoriesCase]):
    name: Literal["trajectories"]


class DescentCase(Model):
    depth: Positive
    method: str


class DescentParameters(Model):
    size: Size
    runs: Positive
    steps: Positive
    step: float
    ratio: float
    cap: float
    """Seconds after which a run is killed."""


class Descent(Report[DescentParameters, DescentCase]):
    name: Literal["descent"]


class GrowthCase(Model):
    n: Positive
    m: Positive


class GrowthParameters(Model):
    depth: Positive
    ratio: float
    scale: float
    """Norm of the uniform start."""
    tolerance: float
    """Of limits."""
    rtol: float
    """Of trajectories."""
    t_end: float
    cap: float
    """Seconds after which a run is killed."""


class Growth(Report[GrowthParameters, GrowthCase]):
    name: Literal["growth"]


class RobustnessCase(Model):
    depth: Positive


class Answered(Done[RobustnessCase]):
    """Many instances of one depth; `seconds` has one each."""

    instances: Positive
    collapses: Count
    """Instances of which the answer is that the flow collapses."""
    followed: Count
    """Instances of which the flow itself was followed to its end."""
    failures: tuple[str, ...]
    """Instances without an answer, and the errors."""
    wrong: tuple[str, ...]
    """Instances whose answer breaks a condition, and which."""


class Drawn(Model):
    """What random instances are drawn from."""

    ratios: tuple[float, float]
    scales: tuple[float, float]
    columns: tuple[int, int]
    matrices: tuple[str, ...]


class RobustnessParameters(Model):
    ensemble: Drawn
    instances: Positive
    tolerance: float
    """Of the residual, asked for and held to."""
    stationary: float
    """The largest stationarity that passes."""
    agreed: float
    """The largest distance between the flow's end and the answer that passes."""
    converged: float
    """The loss, over that of w = 0, at which a flow counts as converged."""
    tried: Count
    """Instances whose flow was to be followed to its end."""


class Robustness(Report[RobustnessParameters, RobustnessCase]):
    name: Literal["robustness"]
    results: Annotated[tuple[Answered, ...], Field(min_length=1)]


AnyReport: TypeAlias = Limits | Trajectories | Descent | Growth | Robustness
REPORT: TypeAdapter[AnyReport] = TypeAdapter(
    Annotated[
        AnyReport,
        Field(
            discriminator="name",
            title="The report of a benchmark",
            description="What was timed, on what machine, every repetition, and the ratios. Written by python -m"
            " benchmarks to benchmarks/reports/NAME.json. Numbers have four digits.",
        ),
    ]
)
