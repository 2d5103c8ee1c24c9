"""Random problems: matrices (m, n), all with columns of about unit norm, and sparse weights."""

import numpy as np
from scipy import fft

from wnlib import _checks as check
from wnlib._checks import Array


def sizes(m: int, n: int) -> tuple[int, int]:
    """m and n as integers, n >= 2 and 1 <= m < n. Raises ArgumentError for others."""
    n = check.integer("n", n, least=2)
    return check.integer("m", m, least=1, most=n - 1), n


def gaussian(m: int, n: int, rng: np.random.Generator) -> Array:
    """Independent entries of variance 1/m."""
    return rng.standard_normal((m, n)) / np.sqrt(m)


def rademacher(m: int, n: int, rng: np.random.Generator) -> Array:
    """Entries +-1/sqrt(m) with equal probability."""
    return rng.choice([-1.0, 1.0], (m, n)) / np.sqrt(m)


def dct(m: int, n: int, rng: np.random.Generator) -> Array:
    """Rows of the orthonormal cosine transform (DCT-II), times sqrt(n/m)."""
    return _random_rows(fft.dct(np.eye(n), axis=0, norm="ortho"), m, rng)


def fourier(m: int, n: int, rng: np.random.Generator) -> Array:
    """Rows of the real orthonormal Fourier basis, times sqrt(n/m)."""
    return _random_rows(_real_fourier(n), m, rng)


def sparse_weights(n: int, sparsity: int, rng: np.random.Generator, signed: bool = False) -> Array:
    """Weights (n,) of which `sparsity`, at random places, are of a size uniform on [1/2, 3/2] and the others zero."""
    weights = np.zeros(n)
    weights[rng.choice(n, sparsity, replace=False)] = rng.uniform(0.5, 1.5, sparsity)
    return weights * rng.choice([-1.0, 1.0], n) if signed else weights


def _random_rows(basis: Array, m: int, rng: np.random.Generator) -> Array:
    """Not the first: constant, it would measure the sum of the weights, hence their l1 norm, directly."""
    n = len(basis)
    return basis[rng.choice(np.arange(1, n), m, replace=False)] * np.sqrt(n / m)


def _real_fourier(n: int) -> Array:
    """Rows: the constant, then cosine and sine of each frequency, orthonormal; shape (n, n)."""
    spectrum = fft.rfft(np.eye(n), axis=0, norm="ortho")
    paired = np.sqrt(2) * spectrum[1 : (n + 1) // 2]
    alternating = spectrum[n // 2 :].real if n % 2 == 0 else np.empty((0, n))
    return np.concatenate([spectrum[:1].real, paired.real, paired.imag, alternating])
