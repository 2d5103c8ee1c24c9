r"""The discrete methods: gradient descent on the factors of $w = x^L$, plain, polar, in Salimans-Kingma coordinates.

One step of size h, with the force $p = A^\top(y - A w)$ at the point it leaves; time advances by h.

- Gradient descent: $x \leftarrow x + h L\, p \odot x^{L-1}$.
- Polar descent, $x = r u$ with $\|u\| = 1$ and learning rates 1 and c: both coordinates step from the same point,
  $r \leftarrow r + h L r^{L-1} \langle p, u^L\rangle$,
  $u \leftarrow u + h c L r^L (p \odot u^{L-1} - \langle p, u^L\rangle u)$, and u is normalized.
- Salimans-Kingma descent, $x = g\, v / \|v\|$: the plain gradient step on (g, v). On g and $u = v / \|v\|$ it is the
  polar step at the ratio $c = 1 / \|v\|^2$. The step on v is orthogonal to v, so that $\|v\|$ can only grow, by second
  order in h, and the ratio can only fall.

Each has a flow to which it converges at first order in h. Stochastic steps split the rows of A into k minibatches, in a
new random order each epoch, and take the force $p_B = k A_B^\top(y_B - A_B w)$ of each in turn: at a fixed w their mean
is p, so that an epoch advances time by k h.

For $L \ge 2$ the flows stay in the positive orthant. A discrete step stays there only if it is short enough: gradient
descent does if $h L\, |p_i|\, x_i^{L-2} < 1$ in every entry. Beyond zero the flow's logarithms, invariants and limits
mean nothing; a run ends before a step that would get there.

Weight decay, of any of these parameters, is in `wnlib.descent.decay`. Long steps and minibatches do to the end of a
descent what another start would do to that of the flow, see `wnlib.descent.effective`.
"""

from wnlib.descent.decay import DecayedGradientDescent, DecayedSalimansKingmaDescent
from wnlib.descent.effective import effective_start
from wnlib.descent.loop import descend
from wnlib.descent.methods import DescentMethod, GradientDescent
from wnlib.descent.polar import PolarDescent, SalimansKingmaDescent
from wnlib.descent.result import Descent
from wnlib.errors import DescentError

__all__ = [
    "DecayedGradientDescent",
    "DecayedSalimansKingmaDescent",
    "Descent",
    "DescentError",
    "DescentMethod",
    "GradientDescent",
    "PolarDescent",
    "SalimansKingmaDescent",
    "descend",
    "effective_start",
]
