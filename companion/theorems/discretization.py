r"""Steps of positive length

Gradient descent, polar descent and descent in Salimans-Kingma coordinates follow their flows with an error of first
order in the step, also on reshuffled minibatches. On the way $\lVert v\rVert$ grows, and the ratio falls, by the same
order.

Statement
---------
Let $L \ge 1$, let $h > 0$ be a step and $p$ the force at the weights that the step leaves. Let $X_j$ be the state
after $j$ steps of one of the methods

$$
\begin{aligned}
\text{gradient descent:}\quad x &\leftarrow x - h\, \nabla_x \ell, \\
\text{polar descent:}\quad r &\leftarrow r + h L\, r^{L-1} \langle p, u^L\rangle, \qquad
u \leftarrow \frac{\tilde u}{\lVert\tilde u\rVert}, \quad
\tilde u = u + h\, c L\, r^L \left( p \odot u^{L-1} - \langle p, u^L\rangle\, u \right), \\
\text{in } (g, v)\text{:}\quad g &\leftarrow g - h\, \frac{\partial\ell}{\partial g}, \qquad
v \leftarrow v - h\, \nabla_v \ell, \quad x = g\, v/\lVert v\rVert,
\end{aligned}
$$

and let $X(t)$ be a flow in the same coordinates, with the same start: positive if $L \ge 2$, with $\lVert u\rVert = 1$
and $v \ne 0$. For minibatches, $\ell$ and $p$ are those of some rows of $A$ and $y$, times $k$. If

1. **short steps**: the end time $T$ is fixed and $h \to 0$;
2. **the method's flow**: $X(t)$ is gradient flow for gradient descent and weight-normalized gradient flow with $\eta_r
   = 1$ for the others, of ratio $c$ for polar descent and $1/\lVert v(0)\rVert^2$ for $(g, v)$;
3. **whole epochs**: every step takes all rows, or every $k$ steps take each row once, with $k$ fixed,

then there are $C$ and $h_0 > 0$ such that for $h \le h_0$ the method stays in the orthant up to $T$, and

$$
\max_{j h \le T} \lVert X_j - X(j h) \rVert \le C\, h .
$$

With all rows, $X_j = X(jh) + h\, E(jh) + O(h^2)$, where $E$ solves a linear equation that starts at $E(0) = 0$: the
order is exactly one, unless $E$ vanishes. In $(g, v)$, every step has

$$
\lVert v_{j+1} \rVert^2 = \lVert v_j \rVert^2 + h^2\, \lVert \nabla_v \ell \rVert^2 ,
$$

exactly, and with all rows, along the flow $(g(t), v(t))$ and at $t = jh$,

$$
\begin{aligned}
\lVert v_j \rVert^2 &= \lVert v_0 \rVert^2 + h \int_0^t \lVert \nabla_v \ell \rVert^2\, dt + O(h^2)
\le \lVert v_0 \rVert^2 + h\, \bigl( \ell(w_0) - \ell(w(t)) \bigr) + O(h^2) .
\end{aligned}
$$

To first order, then, $\lVert v\rVert^2$ grows by at most $h\, \ell(w_0)$, whatever the time. The ratio $1/\lVert
v_j\rVert^2$ can only fall, by $h \lVert v_0 \rVert^{-4} \int_0^t \lVert \nabla_v \ell \rVert^2\, dt$ up to $O(h^2)$.

Proof
-----
*The flows stay in a compact set.* Up to $T$ they are bounded: the loss falls, and by {prf:ref}`thm-sphere` $\int_0^T
\lVert X'\rVert^2 dt \le C_1 \ell(w_0)$, so that by the inequality of Cauchy and Schwarz $\lVert X(t) - X(0)\rVert^2 \le
C_1 \ell(w_0)\, T$. (For gradient flow $\ell' = -\lVert x'\rVert^2$. For $(g, v)$, {prf:ref}`thm-salimans_kingma` says
that $\lVert v\rVert$ is constant and that $(g, v/\lVert v\rVert)$ is the flow on the sphere.) The force is then bounded
too. If $L \ge 2$, so are the logarithmic derivatives $(\log x_i)' = L\, p_i\, x_i^{L-2}$, $(\log r)'$ and $(\log
u_i)'$: positive entries stay above a positive bound. So there is a compact neighbourhood $\mathcal K$ of $\{X(t) : 0
\le t \le T\}$ on which the flow's field $f$ is smooth.

*One step.* It is a smooth map $F_h$ on $\mathcal K$ with

$$
F_h(X) = X + h f(X) + h^2 s(X) + O(h^3),
$$

uniformly in $X$. Gradient steps are of this form with $s = 0$. In $(g, v)$ the field is $f = (-\partial\ell/\partial g,
-\nabla_v\ell)$. In polar descent, $\tilde u - u = h\,a$ is orthogonal to $u$, so that $\lVert\tilde u\rVert^2 = 1 +
h^2 \lVert a\rVert^2$ on the sphere, where all $u$ are; and $(u + h\,a)/\sqrt{1 + h^2\lVert a\rVert^2} = u + h\, a -
\tfrac12 h^2 \lVert a\rVert^2 u + O(h^3)$, which we take for $F_h$ off the sphere too. So $s = (0, -\tfrac12 \lVert
a\rVert^2 u)$, and $f = (r', a)$ has the ratio $c$.

The flow itself has $X(t+h) = X + h f(X) + \tfrac12 h^2\, \partial f(X)\, f(X) + O(h^3)$, with the Jacobian matrix
$\partial f$, hence

$$
F_h(X(t)) - X(t + h) = h^2\, \delta(X(t)) + O(h^3), \qquad \delta = s - \tfrac12\, \partial f\, f .
$$

*Many steps.* As $(F_h(X) - X)/h$ is smooth, it has a Lipschitz constant $\Lambda$ on $\mathcal K$, common to all small
$h$. While $X_j$ is in $\mathcal K$, then, $d_j = \lVert X_j - X(jh)\rVert$ has $d_{j+1} \le (1 + \Lambda h)\, d_j +
C_2 h^2$, and by induction $d_j \le C_2 h\, (e^{\Lambda T} - 1)/\Lambda$. For small $h$ this is less than the distance
of the flow from the boundary of $\mathcal K$, so $X_j$ stays in $\mathcal K$, and the bound holds up to $T$.

*The leading term.* Let $E' = \partial f(X)\, E + \delta(X)$, $E(0) = 0$, along the flow, and $Y(t) = X(t) + h\, E(t)$.
Then $F_h(Y(t)) = X + h\,(E + f) + h^2 (\partial f\, E + s) + O(h^3)$, and $Y(t+h) = X + h\, (f + E) + h^2 (\tfrac12\,
\partial f\, f + \partial f\, E + \delta) + O(h^3)$. They agree up to $O(h^3)$, and the same induction gives
$\lVert X_j - Y(jh)\rVert = O(h^2)$.

*Minibatches.* The force is a sum over rows, and the field is linear in it: the fields $f_1, \dots, f_k$ of an epoch
sum to $k f$. Each step is as above with its own field, so $k$ of them compose to $X + h \sum_i f_i(X) + O(h^2) = X + k
h f(X) + O(h^2)$, uniformly over the finitely many ways to split and order the rows. This is one step of size $k h$ with
an error of second order, and the induction holds for the ends of epochs. Within an epoch, method and flow move by
$O(kh)$.

*The norm of v.* The loss does not change with $\lVert v\rVert$, so $\langle v, \nabla_v\ell\rangle = 0$, for any rows,
and the step on $v$ is orthogonal to $v$: this is the exact equation. Sum it over $j$: the growth is $h$ times a Riemann
sum of $\lVert\nabla_v\ell\rVert^2$, taken at points that are $O(h)$ from the flow. By {prf:ref}`thm-sphere` the
integral is at most the fall of the loss, $\ell(w_0) - \ell(w(t))$. The ratio is $\lVert v_0\rVert^{-2} (1 + q)^{-1}$
with $q = O(h)$ the relative growth.

Boundary
--------
- **Checked.** The expansions in $h$ by computer algebra, the gradients of the loss itself with two weights written
  out. The observed order of the largest error in the method's own state, at the ends of epochs, and in $(g, v)$ with
  all rows also that of $(\lVert v_j\rVert^2 - \lVert v_0\rVert^2)/h$ against the integral; all methods, with all rows
  and with two minibatches in random order, where errors are averaged over a few shuffles: what depends on the shuffles
  has mean zero, and the root of its mean square falls faster, like $h^{3/2}$. Depths to $4$, ratios within a factor of
  ten and short times: elsewhere the order shows only at steps that are too many to take.
- **Assumed.** Nothing.
- **No run can test.** The limit $h \to 0$ itself. It is proved.

Source
------
Derived here, by the standard argument for one-step methods. The coordinates $(g, v)$ are those of
{cite:t}`SalimansKingma2016`.
"""

from functools import partial

import numpy as np
import sympy as sp
from scipy.integrate import cumulative_simpson

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon, polar_velocity
from companion.verification.symbolic import Depth, Derivation, L, Step, along, eta_u, p, pull, r, summed, u, x
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.descent import Descent, DescentMethod, GradientDescent, PolarDescent, SalimansKingmaDescent, descend
from wnlib.flows.flow import Flow
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

DEPTHS = (1, 2, 3, 4)
COUNTS = (48, 96, 192)  # of epochs to the end time
TIMES = 4  # at which errors are measured
SHUFFLES = 4  # over which they are averaged
PANELS = 20  # of the integral between two of the times

h = sp.Symbol("h", positive=True)
dp, dpull = sp.Symbol(r"{p_i^{\prime}}", real=True), sp.Symbol(r"{\langle p, u^L\rangle'}", real=True)


def derive(depth: Depth = L) -> Derivation:
    """Taylor series in h of one step less those of the flows, and the norm of v."""
    plain, polar = symbolic.plain_rates(depth), symbolic.polar_rates(depth, sp.Integer(1))
    curved_x = along(plain[x], {**plain, p: dp})
    curved_r, curved_u = (along(polar[s], {**polar, p: dp, pull: dpull}) for s in (r, u))
    error_x = -(depth**2 * (depth - 1) * p**2 * x ** (2 * depth - 3) + depth * dp * x ** (depth - 1)) / 2
    error_r = -(depth**2 * (depth - 1) * pull**2 * r ** (2 * depth - 3) + depth * dpull * r ** (depth - 1)) / 2
    speed_squared = summed(polar[u] ** 2, depth)
    size = sp.Symbol(r"{\lVert v\rVert}", positive=True)
    normalized = (u + h * polar[u]) / sp.sqrt(1 + h**2 * speed_squared)
    at_ratio = {eta_u: size**-2}
    v_step = size * (u + h * polar[u].subs(at_ratio))
    v_norm = summed(v_step**2, depth)
    growth = h**2 * size**2 * speed_squared.subs(at_ratio)
    steps = (
        Step("A gradient step", r"x_i - h\, \frac{\partial\ell}{\partial x_i}", x + h * plain[x], "As it is taken."),
        Step(
            "Its error",
            r"\delta_{x_i}",
            error_x,
            "This is $-\\tfrac12 x_i''$: the flow's own second-order term is what a straight step misses.",
        ),
        Step(
            "A polar step",
            r"\frac{\tilde u_i}{\lVert\tilde u\rVert}",
            u + h * sp.Symbol(r"{u_i^{\prime}}") - h**2 / 2 * sp.Symbol(r"{\lVert u'\rVert^2}") * u + sp.O(h**3),
            r"The step is orthogonal to $u$, so $\lVert\tilde u\rVert^2 = 1 + h^2 \lVert u'\rVert^2$.",
        ),
        Step(
            "Its error in the direction",
            r"\delta_{u_i}",
            -(sp.Symbol(r"{\lVert u'\rVert^2}") * u + sp.Symbol("{u_i''}")) / 2,
            r"The renormalization's term is the normal part of $-\tfrac12 u''$, as $\langle u, u''\rangle = "
            r"-\lVert u'\rVert^2$: the error is tangent to the sphere.",
        ),
        Step(
            "In the radius",
            r"\delta_r",
            error_r,
            "This is $-\\tfrac12 r''$: the radius takes a straight step.",
        ),
        Step(
            "The norm of v",
            r"\lVert v - h\nabla_v\ell\rVert^2",
            size**2 + sp.factor(growth),
            r"Nothing of first order: the step is orthogonal to $v$. The last term is $h^2\lVert\nabla_v\ell\rVert^2$.",
        ),
    )
    difference = normalized - (u + h * polar[u] + h**2 / 2 * curved_u)
    residuals = symbolic.reduced(
        error_x + curved_x / 2,
        error_r + curved_r / 2,
        _coefficient(normalized - u, 0),
        _coefficient(difference, 1),
        _coefficient(difference, 2) + (speed_squared * u + curved_u) / 2,
        v_norm - (size**2 + growth),
        v_step / sp.sqrt(size**2 + growth) - normalized.subs(at_ratio),
        *_written_out(depth),
        _coefficient(_epoch(depth), 1),
    )
    return Derivation(steps, residuals)


def _coefficient(expression: sp.Expr, order: int) -> sp.Expr:
    """Of h to the given power."""
    return sp.diff(expression, h, order).subs(h, 0) / sp.factorial(order)


def _written_out(depth: Depth) -> tuple[sp.Expr, ...]:
    """Gradients of the loss of two weights, in x and in v, against the fields, and the product of v with the latter."""
    flow = symbolic.written_out(depth, 2, radial=sp.Integer(1))
    xs, vs, n = sp.symbols("x_1:3", positive=True), sp.symbols("v_1:3", positive=True), sp.Symbol("n", positive=True)
    at_x = {r: 1} | dict(zip(flow.direction, xs, strict=True))
    in_x, forces = flow.loss.subs(at_x), [p_i.subs(at_x) for p_i in flow.force]
    at_v = {eta_u: n**-2} | {u_i: v_i / n for u_i, v_i in zip(flow.direction, vs, strict=True)}
    in_v = flow.loss.subs(at_v)
    pushes = [-sp.diff(in_v, v_i) - sp.diff(in_v, n) * v_i / n for v_i in vs]  # dn/dv_i = v_i/n
    along_v = sp.Add(*(v_i * push for v_i, push in zip(vs, pushes, strict=True)))
    norm_squared = sp.Add(*(v_i**2 for v_i in vs))
    return (
        *(
            symbolic.plain_rates(depth)[x].subs({x: x_i, p: p_i}) + sp.diff(in_x, x_i)
            for x_i, p_i in zip(xs, forces, strict=True)
        ),
        *(push - n * flow.rates[u_i].subs(at_v) for push, u_i in zip(pushes, flow.direction, strict=True)),
        along_v - n * sp.diff(in_v, n) * (1 - norm_squared / n**2),
    )


def _epoch(depth: Depth) -> sp.Expr:
    """Two gradient steps on one weight, each with one of two rows, less one of size 2 h with both."""
    rows, ys = sp.symbols("a_1:3", real=True), sp.symbols("y_1:3", real=True)
    rate = symbolic.plain_rates(depth)[x]
    forces = [a * (y - a * x**depth) for a, y in zip(rows, ys, strict=True)]
    first, second = (x + h * rate.subs(p, 2 * force) for force in forces)
    return second.subs(x, first) - (x + 2 * h * rate.subs(p, sum(forces)))


def measure(case: Case, order: float = 1.0, refined: bool = True) -> Measurement:
    """The errors of the methods in turn, in every other dozen of cases on minibatches.

    For the falsifiers: another `order`, steps that are not `refined`.
    """
    L, c = case.depth, case.ratio
    methods: tuple[DescentMethod, ...] = (GradientDescent(L), PolarDescent(L, c), SalimansKingmaDescent(L, c**-0.5))
    method, shuffled = methods[case.seed // len(DEPTHS) % 3], case.seed // (3 * len(DEPTHS)) % 2 == 1
    counts = COUNTS if refined else COUNTS[:1] * len(COUNTS)
    return Measurement(_errors(case, method, method.flow, counts, batches=2 if shuffled else 1), order)


def longer(case: Case, growth: float = 1.0) -> Measurement:
    r"""In (g, v), with all rows. For the falsifiers: another multiple of the integral in the `growth` of v's norm."""
    method = SalimansKingmaDescent(case.depth, case.ratio**-0.5)
    return Measurement(_errors(case, method, method.flow, growth=growth), 1.0)


def other_ratio(case: Case, factor: float = 1.2) -> Measurement:
    """Polar descent at another ratio than the flow's."""
    return Measurement(_errors(case, PolarDescent(case.depth, factor * case.ratio), case.flow), 1.0)


def norm_not_squared(case: Case) -> Measurement:
    r"""Descent in (g, v), against the flow of ratio $1/\lVert v(0)\rVert$."""
    method = SalimansKingmaDescent(case.depth, case.ratio**-0.5)
    return Measurement(_errors(case, method, WeightNormFlow(case.depth, 1 / method.norm)), 1.0)


def with_replacement(case: Case, runs: int = 8) -> Measurement:
    """Polar descent on single rows, each drawn from all rows; `runs` side by side."""
    method, problem, rng = PolarDescent(case.depth, case.ratio), case.problem, case.rng()
    path = _path(case, case.flow)

    def force(weights: Array) -> Array:
        rows = rng.integers(case.m, size=runs)
        A = problem.A[rows]
        return case.m * (problem.y[rows] - np.vecdot(A, weights))[:, None] * A

    found = []
    for count in COUNTS:
        step = path.t[-1] / (case.m * count)
        states = np.tile(method.encode(case.start), (runs, 1))
        for _ in range(case.m * count):
            states = method.step(states, step, force)
        found.append(_mean_square(states - method.encode(path.points[-1])))
    return Measurement(found, 1.0)


def _path(case: Case, flow: Flow) -> Trajectory:
    t_end = horizon(flow, case.problem, case.start, steps=3)
    return integrate(flow, case.problem, case.start, t_end, rtol=1e-11, coordinates="primal")


def _errors(
    case: Case,
    method: DescentMethod,
    flow: Flow,
    counts: tuple[int, ...] = COUNTS,
    batches: int = 1,
    growth: float = 1.0,
) -> Array:
    """For each number of epochs to the end time, the largest relative error of the states, in mean square."""
    path, size = _path(case, flow), -(-case.m // batches)
    batches = -(-case.m // size)
    batch_size = size if batches > 1 else None
    times = np.linspace(0, path.t[-1], TIMES + 1)
    wanted = method.encode(path.at(times).points)

    def error(count: int, seed: int) -> float:
        step, every = times[-1] / (count * batches), count * batches // TIMES
        run = descend(method, case.problem, case.start, step, TIMES * every, every, batch_size, seed)
        found = np.linalg.norm(run.states - wanted, axis=-1).max() / np.linalg.norm(wanted[-1])
        if isinstance(method, SalimansKingmaDescent) and batches == 1:
            found += _growth_error(run, step, path, growth)
        return float(found)

    seeds = range(SHUFFLES if batches > 1 else 1)
    return np.array([_mean_square(np.array([error(count, seed) for seed in seeds])) for count in counts])


def _growth_error(run: Descent, step: float, path: Trajectory, growth: float) -> float:
    r"""Of the growth of $\lVert v\rVert^2$ over h, against the integral, in units of the fall of the loss."""
    times = np.linspace(0, path.t[-1], PANELS * TIMES + 1)
    points = path.at(times).points
    turning = np.array([polar_velocity(path.flow, path.problem, points[i])[1] for i in range(times.size)])
    speeds = run.norm[0] ** 2 * np.vecdot(turning, turning)
    wanted = growth * cumulative_simpson(speeds, x=times, initial=0)[::PANELS]
    return float(np.abs((run.norm**2 - run.norm[0] ** 2) / step - wanted).max() / (run.loss[0] - run.loss[-1]))


def _mean_square(errors: Array) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.ORDER,
    about=("wnlib.GradientDescent", "wnlib.PolarDescent", "wnlib.SalimansKingmaDescent", "wnlib.descend"),
    tolerance=0.15,
    ensemble=Ensemble(depths=DEPTHS, ratios=(0.3, 3), scales=(0.5, 1.5)),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, "steps that stay as long as the first", partial(measure, refined=False)),
        Falsifier(2, "polar descent at $1.2$ times the ratio of the flow", other_ratio),
        Falsifier(2, r"the ratio $1/\lVert v(0)\rVert$ in place of $1/\lVert v(0)\rVert^2$", norm_not_squared),
        Falsifier(3, "rows drawn with replacement", with_replacement),
        Falsifier("formula", "an error of second order", partial(measure, order=2.0)),
        Falsifier("formula", r"half the growth of $\lVert v\rVert^2$", partial(longer, growth=0.5)),
    ),
    uses=("sphere", "salimans_kingma"),
    mutants=(
        "no L in a step",
        "ratio squared in a polar step",
        "1/norm for the ratio of g and v",
        "the pull of a step added",
        "the first minibatch at every step",
        "minibatches not scaled",
        "the direction left out of its velocity",
    ),
)
