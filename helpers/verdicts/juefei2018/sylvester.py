"""The claimed relation between a convolution A and the masks N (juefei2018, Eqs. 13 to 19)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.linalg import null_space, solve_sylvester

from helpers.verdicts.ivan2019.untrained import ANY
from helpers.verdicts.juefei2018.macro import FILTERS, LAPLACIAN, Case, case, largest, matrix

# Singular values below this share of the largest count as 0. A basis of solutions is exact to
# 1e-13; NumPy's own limit, 4e-15, mistakes its error for rank on some processors.
ROUNDING = 1e-9


def scalars_commute(_, seeds=5):
    """Return the largest relative difference of the sides of Eq. 14, for A x and for any z instead.

    seeds: how many cases.
    """
    worst = 0.0
    for seed in range(seeds):
        given = case(seed)
        n, x = given.n, given.x
        for z in (given.y, np.random.default_rng(50 + seed).normal(size=len(x))):
            left, right = x * (n @ z) * (n @ x), x * (n @ x) * (n @ z)
            worst = max(worst, largest(left - right) / largest(left))
    return worst, ANY


def rank_one_gap(a, x, n):
    """Return |A x n^T - x n^T A| / |A x n^T|, the relative error of Eq. 15.

    a: A (d, d). x, n: (d,).
    """
    left, right = np.outer(a @ x, n), np.outer(x, n @ a)
    return float(np.linalg.norm(left - right) / np.linalg.norm(left))


def must_hold(_, seeds=20):
    """Return the median relative error of Eq. 15 for random x, N and filters.

    seeds: how many cases.
    """
    cases = [case(seed) for seed in range(seeds)]
    return float(np.median([rank_one_gap(c.convolution, c.x, c.n) for c in cases])), ANY


@lru_cache(maxsize=1)
def eigen_case(side=6):
    """Return a `Case` built to satisfy Eq. 15: x and n share an eigenvalue of a symmetric A.

    side: of the image, px.
    """
    taps = np.array([[0.3, -0.7, 0.3], [1.1, 0.9, 1.1], [0.3, -0.7, 0.3]])
    a = matrix(taps, side)
    values, vectors = np.linalg.eigh(a)
    first = int(np.argmin(np.diff(values)))  # two eigenvectors of one eigenvalue
    x, n = vectors[:, first], vectors[:, first : first + 2] @ [0.6, 0.8]
    masks = case(side=side).masks
    masks = masks + np.outer(n, 1 - n @ masks) / (n @ n)  # so that 1^T N^-1 = n^T
    return Case(x, masks, a)


def eigenvectors(_):
    """Return the relative error of Eq. 15 where x and n are eigenvectors of one eigenvalue."""
    given = eigen_case()
    return rank_one_gap(given.convolution, given.x, given.n), ANY


def pseudo_inverse_rank(_, side=6):
    """Return the rank of X^+ X with X = x 1^T (Eq. 17 takes it to be the identity, rank 36).

    side: of the image, px.
    """
    x = np.outer(case(side=side).x, np.ones(side**2))
    return int(np.linalg.matrix_rank(np.linalg.pinv(x) @ x)), ANY


def _sides(given):
    """Return X^+ A X N^-1, N^-1 A and X^+ X of Eq. 17."""
    x, inverse = np.outer(given.x, np.ones(len(given.x))), np.linalg.inv(given.masks)
    plus = np.linalg.pinv(x)
    return plus @ given.convolution @ x @ inverse, inverse @ given.convolution, plus @ x


def last_step(_):
    """Return the relative error of Eq. 17 where Eqs. 15 and 16 hold."""
    left, right, _ = _sides(eigen_case())
    return float(np.linalg.norm(left - right) / np.linalg.norm(right)), ANY


def last_step_corrected(_):
    """Return the relative error of X^+ A X N^-1 = X^+ X N^-1 A where Eqs. 15 and 16 hold."""
    left, right, projection = _sides(eigen_case())
    return float(np.linalg.norm(left - projection @ right) / np.linalg.norm(left)), ANY


@dataclass(frozen=True)
class Sylvester:
    """Eq. 18, S_a Z - Z A = 0 with Z = N^-1: left is S_a = X^+ A X, convolution is A, (d, d)."""

    left: np.ndarray
    convolution: np.ndarray

    @property
    def kronecker(self):
        """The matrix of Eq. 19 that multiplies Z(:), the columns of Z one after the other."""
        one = np.eye(len(self.left))
        return np.kron(one, self.left) - np.kron(self.convolution.T, one)


def sylvester(taps=None, side=4, seed=0):
    """Return Eq. 18 for a random image and a filter, as `Sylvester`.

    taps: the filter (k, k), None for a random one. side: of the image, px. seed: of the draws.
    """
    given = case(seed, side, taps=taps)
    x = np.outer(given.x, np.ones(side**2))
    return Sylvester(np.linalg.pinv(x) @ given.convolution @ x, given.convolution)


def kronecker_form(_):
    """Return the largest difference between Eqs. 18 and 19 on random Z."""
    equation, z = sylvester(), np.random.default_rng(1).normal(size=(16, 16))
    direct = equation.left @ z - z @ equation.convolution
    return largest(direct.ravel("F") - equation.kronecker @ z.ravel("F")), ANY


def unique_solution(_):
    """Return the rank of the N^-1 that SciPy's Sylvester solver finds, spectra disjoint, d = 16."""
    equation = sylvester()
    z = solve_sylvester(equation.left, -equation.convolution, np.zeros((16, 16)))
    return int(np.linalg.matrix_rank(z)), ANY


def solutions(taps):
    """Return the largest rank of a solution N^-1 of Eq. 18, d = 16, and the solutions' dimension.

    taps: the filter (k, k). A random combination of all solutions has the largest rank there is.
    """
    basis = null_space(sylvester(taps).kronecker, rcond=ROUNDING)
    mixed = basis @ np.random.default_rng(2).normal(size=basis.shape[1])
    mixed = mixed.reshape(16, 16, order="F")
    return int(np.linalg.matrix_rank(mixed, rtol=ROUNDING)), basis.shape[1]


def rank_bound(_, seeds=5):
    """Return by how much rank N^-1 exceeds 1 + dim ker A at most, over singular filters.

    seeds: random filters.
    """
    rng, worst = np.random.default_rng(0), 0
    for taps in (LAPLACIAN, FILTERS["vertical edges"], *rng.normal(size=(seeds, 3, 3))):
        taps = taps - taps.mean()  # zero-sum: A maps constant images to 0
        kernel = 16 - int(np.linalg.matrix_rank(matrix(taps, 4), rtol=ROUNDING))
        worst = max(worst, solutions(taps)[0] - 1 - kernel)
    return worst, ANY
