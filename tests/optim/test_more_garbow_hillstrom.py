"""The 35 problems of Moré, Garbow and Hillstrom, by every solver that can.

J. J. Moré, B. S. Garbow and K. E. Hillstrom, "Testing unconstrained optimization software", ACM
Transactions on Mathematical Software 7 (1981) 17-41. Each problem is a sum of squares from its
standard start.
"""

from typing import NamedTuple

import numpy as np
import pytest
import scipy.optimize

import optim

cos, exp, sin, sqrt = np.cos, np.exp, np.sin, np.sqrt


class Problem(NamedTuple):
    """Residuals, their start, and the minima of ``sum r^2`` that the paper lists."""

    residuals: callable
    start: list
    minima: tuple


def count(m, first=1):
    return np.arange(first, first + m, dtype=float)


# --- the problems ---------------------------------------------------------------------------


def helical_valley(p):
    x, y, z = p
    turns = np.arctan(y / x) / (2 * np.pi) + (0.5 if x.real < 0 else 0.0)
    return [10 * (z - 10 * turns), 10 * (sqrt(x * x + y * y) - 1), z]


def bard(p):
    u = count(15)
    v = 16 - u
    return BARD - (p[0] + u / (v * p[1] + np.minimum(u, v) * p[2]))


def gulf(p):
    t = count(99) / 100
    y = 25 + (-50 * np.log(t)) ** (2 / 3)
    far = (y - p[1]) * np.sign((y - p[1]).real)
    return exp(-(far ** p[2]) / p[0]) - t


def box(p):
    t = count(10) / 10
    return exp(-t * p[0]) - exp(-t * p[1]) - p[2] * (exp(-t) - exp(-10 * t))


def powell_singular(p):
    a, b, c, d = p.reshape(-1, 4).T
    return np.concatenate(
        [a + 10 * b, sqrt(5) * (c - d), (b - 2 * c) ** 2, sqrt(10) * (a - d) ** 2]
    )


def rosenbrock(p):
    x, y = p.reshape(-1, 2).T
    return np.concatenate([10 * (y - x * x), 1 - x])


def wood(p):
    a, b, c, d = p
    return [
        *(10 * (b - a * a), 1 - a, sqrt(90) * (d - c * c), 1 - c),
        *(sqrt(10) * (b + d - 2), (b - d) / sqrt(10)),
    ]


def kowalik_osborne(p):
    u = np.asarray([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])
    return KOWALIK_OSBORNE - p[0] * (u * u + u * p[1]) / (u * u + u * p[2] + p[3])


def brown_dennis(p):
    t = count(20) / 5
    return (p[0] + t * p[1] - exp(t)) ** 2 + (p[2] + p[3] * sin(t) - cos(t)) ** 2


def osborne_1(p):
    t = 10 * count(33, 0)
    return OSBORNE_1 - (p[0] + p[1] * exp(-t * p[3]) + p[2] * exp(-t * p[4]))


def biggs(p):
    t = count(13) / 10
    y = exp(-t) - 5 * exp(-10 * t) + 3 * exp(-4 * t)
    return p[2] * exp(-t * p[0]) - p[3] * exp(-t * p[1]) + p[5] * exp(-t * p[4]) - y


def osborne_2(p):
    t = count(65, 0) / 10
    hills = [p[k] * exp(-((t - p[k + 7]) ** 2) * p[k + 4]) for k in (1, 2, 3)]
    return OSBORNE_2 - (p[0] * exp(-t * p[4]) + sum(hills))


def watson(p):
    t, j = count(29)[:, None] / 29, count(len(p), 0)
    slope = np.sum(j * p * t ** np.maximum(j - 1, 0), axis=1)
    r = slope - np.sum(p * t**j, axis=1) ** 2 - 1
    return [*r, p[0], p[1] - p[0] ** 2 - 1]


def penalty_1(p):
    return [*(sqrt(1e-5) * (p - 1)), np.sum(p * p) - 0.25]


def penalty_2(p):
    n, i = len(p), count(len(p) - 1, 2)
    y = exp(i / 10) + exp((i - 1) / 10)
    near = exp(p[1:] / 10) + exp(p[:-1] / 10) - y
    low = exp(p[1:] / 10) - exp(-0.1)
    return [
        *(p[0] - 0.2, *(sqrt(1e-5) * near), *(sqrt(1e-5) * low)),
        np.sum((n - count(n, 0)) * p * p) - 1,
    ]


def variably_dimensioned(p):
    s = np.sum(count(len(p)) * (p - 1))
    return [*(p - 1), s, s * s]


def trigonometric(p):
    n = len(p)
    return n - np.sum(cos(p)) + count(n) * (1 - cos(p)) - sin(p)


def brown_almost_linear(p):
    return [*(p + np.sum(p) - (len(p) + 1))[:-1], np.prod(p) - 1]


def neighbours(p):
    return np.concatenate([[0], p[:-1]]), np.concatenate([p[1:], [0]])


def discrete_boundary(p):
    h = 1 / (len(p) + 1)
    left, right = neighbours(p)
    return 2 * p - left - right + h * h * (p + h * count(len(p)) + 1) ** 3 / 2


def discrete_integral(p):
    h = 1 / (len(p) + 1)
    t = h * count(len(p))
    cubes = (p + t + 1) ** 3
    kernel = np.where(t <= t[:, None], (1 - t[:, None]) * t, t[:, None] * (1 - t))
    return p + h * (kernel @ cubes) / 2


def broyden_tridiagonal(p):
    left, right = neighbours(p)
    return (3 - 2 * p) * p - left - 2 * right + 1


def broyden_banded(p):
    i = count(len(p))
    apart = i - i[:, None]
    band = (apart >= -5) & (apart <= 1) & (apart != 0)
    return p * (2 + 5 * p * p) + 1 - band @ (p * (1 + p))


def linear_full_rank(p):
    m = 20
    return np.concatenate([p, np.zeros(m - len(p))]) - 2 / m * np.sum(p) - 1


def linear_rank_1(p):
    return count(20) * np.sum(count(len(p)) * p) - 1


def linear_rank_1_with_zeros(p):
    i = np.concatenate([[0], count(18), [0]])
    return i * np.sum((count(len(p)) * p)[1:-1]) - 1


def chebyquad(p):
    before, T, r = np.ones_like(p), 2 * p - 1, []
    for i in range(1, len(p) + 1):
        r.append(np.mean(T) + (1 / (i * i - 1) if i % 2 == 0 else 0))
        before, T = T, 2 * (2 * p - 1) * T - before
    return r


BARD = np.asarray(
    [0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39]
)
GAUSS = [0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989]
GAUSS = np.asarray([*GAUSS, *GAUSS[-2::-1]])
MEYER = np.asarray(
    [
        *(34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744),
        *(8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872),
    ]
)
KOWALIK_OSBORNE = np.asarray(
    [0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246]
)
OSBORNE_1 = np.asarray(
    [
        *(0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751),
        *(0.718, 0.685, 0.658, 0.628, 0.603, 0.580, 0.558, 0.538, 0.522, 0.506, 0.490),
        *(0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411, 0.406),
    ]
)
OSBORNE_2 = np.asarray(
    [
        *(1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746),
        *(0.679, 0.608, 0.655, 0.616, 0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649),
        *(0.694, 0.644, 0.624, 0.661, 0.612, 0.558, 0.533, 0.495, 0.500, 0.423, 0.395),
        *(0.375, 0.372, 0.391, 0.396, 0.405, 0.428, 0.429, 0.523, 0.562, 0.607, 0.653),
        *(0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559, 0.597, 0.625, 0.739),
        *(0.710, 0.729, 0.720, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054),
    ]
)
TENTHS = count(10) / 11

PROBLEMS = {
    1: Problem(rosenbrock, [-1.2, 1], (0,)),
    2: Problem(
        lambda p: [
            -13 + p[0] + ((5 - p[1]) * p[1] - 2) * p[1],
            -29 + p[0] + ((p[1] + 1) * p[1] - 14) * p[1],
        ],
        [0.5, -2],
        (0, 48.9842),
    ),
    3: Problem(lambda p: [1e4 * p[0] * p[1] - 1, exp(-p[0]) + exp(-p[1]) - 1.0001], [0, 1], (0,)),
    4: Problem(lambda p: [p[0] - 1e6, p[1] - 2e-6, p[0] * p[1] - 2], [1, 1], (0,)),
    5: Problem(
        lambda p: np.asarray([1.5, 2.25, 2.625]) - p[0] * (1 - p[1] ** count(3)), [1, 1], (0,)
    ),
    6: Problem(
        lambda p: 2 + 2 * count(10) - exp(count(10) * p[0]) - exp(count(10) * p[1]),
        [0.3, 0.4],
        (124.362,),
    ),
    7: Problem(helical_valley, [-1, 0, 0], (0,)),
    8: Problem(bard, [1, 1, 1], (8.21487e-3,)),
    9: Problem(
        lambda p: p[0] * exp(-p[1] * ((8 - count(15)) / 2 - p[2]) ** 2 / 2) - GAUSS,
        [0.4, 1, 0],
        (1.12793e-8,),
    ),
    10: Problem(
        lambda p: p[0] * exp(p[1] / (45 + 5 * count(16) + p[2])) - MEYER,
        [0.02, 4000, 250],
        (87.9458,),
    ),
    11: Problem(gulf, [5, 2.5, 0.15], (0,)),
    12: Problem(box, [0, 10, 20], (0,)),
    13: Problem(powell_singular, [3, -1, 0, 1], (0,)),
    14: Problem(wood, [-3, -1, -3, -1], (0,)),
    15: Problem(kowalik_osborne, [0.25, 0.39, 0.415, 0.39], (3.07505e-4,)),
    16: Problem(brown_dennis, [25, 5, -5, -1], (85822.2,)),
    17: Problem(osborne_1, [0.5, 1.5, -1, 0.01, 0.02], (5.46489e-5,)),
    18: Problem(biggs, [1, 2, 1, 1, 1, 1], (0, 5.65565e-3)),
    19: Problem(osborne_2, [1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5], (4.01377e-2,)),
    20: Problem(watson, [0] * 6, (2.28767e-3,)),
    21: Problem(rosenbrock, [-1.2, 1] * 5, (0,)),
    22: Problem(powell_singular, [3, -1, 0, 1] * 3, (0,)),
    23: Problem(penalty_1, count(10), (7.08765e-5,)),
    24: Problem(penalty_2, [0.5] * 10, (2.93660e-4,)),
    25: Problem(variably_dimensioned, 1 - count(10) / 10, (0,)),
    26: Problem(trigonometric, [0.1] * 10, (0, 2.79506e-5)),
    27: Problem(brown_almost_linear, [0.5] * 10, (0, 1)),
    28: Problem(discrete_boundary, TENTHS * (TENTHS - 1), (0,)),
    29: Problem(discrete_integral, TENTHS * (TENTHS - 1), (0,)),
    30: Problem(broyden_tridiagonal, [-1] * 10, (0,)),
    31: Problem(broyden_banded, [-1] * 10, (0,)),
    32: Problem(linear_full_rank, [1] * 10, (10,)),
    33: Problem(linear_rank_1, [1] * 10, (20 * 19 / (2 * 41),)),
    34: Problem(linear_rank_1_with_zeros, [1] * 10, ((20**2 + 3 * 20 - 6) / (2 * 37),)),
    35: Problem(chebyquad, count(8) / 9, (3.51687e-3,)),
}


def jacobian(residuals, p):
    """``J_ik = Im r_i(p + i h e_k) / h``, which has no rounding of a difference.

    W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions",
    SIAM Review 40 (1998).
    """
    h = 1e-100
    columns = [np.imag(np.asarray(residuals(p + 1j * h * e))) / h for e in np.eye(len(p))]
    return np.stack(columns, axis=1)


def value_and_grad(problem):
    """``|r|^2`` and its gradient."""

    def f(p):
        with np.errstate(all="ignore"):  # a trial may overflow
            r = np.asarray(problem.residuals(p))
            return float(r @ r), 2 * jacobian(problem.residuals, p).T @ r

    return f


def gauss_newton(problem):
    """The same with ``2 J^T J``, as `levenberg_marquardt` wants it."""

    def function(p):
        with np.errstate(all="ignore"):
            r, J = np.asarray(problem.residuals(p)), jacobian(problem.residuals, p)
            return np.asarray(r @ r), 2 * J.T @ r, 2 * J.T @ J

    return function


def by_scipy(problem):
    """The least sum of squares that SciPy finds by either of its methods."""

    def residuals(p):
        with np.errstate(all="ignore"):
            return np.clip(np.nan_to_num(problem.residuals(p)), -1e150, 1e150)

    def slopes(p):
        with np.errstate(all="ignore"):
            return np.clip(np.nan_to_num(jacobian(problem.residuals, p)), -1e150, 1e150)

    accuracy = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "x_scale": "jac", "max_nfev": 4000}
    start = np.asarray(problem.start, float)
    return min(
        2 * scipy.optimize.least_squares(residuals, start, slopes, method=method, **accuracy).cost
        for method in ("lm", "trf")
    )


def is_listed(problem, value):
    return any(abs(value - minimum) <= 1e-5 * minimum + 1e-18 for minimum in problem.minima)


# --- the tests ------------------------------------------------------------------------------


@pytest.fixture(params=PROBLEMS)
def problem(request):
    return PROBLEMS[request.param]


def test_the_problems_are_the_papers(problem):
    """SciPy's minimum is in the paper's list, and the Jacobian is that of differences."""
    assert is_listed(problem, by_scipy(problem))
    f, p = value_and_grad(problem), np.asarray(problem.start, float)
    h = 1e-6 * np.maximum(np.abs(p), 1e-2)
    rises = [f(p + e)[0] - f(p - e)[0] for e in np.diag(h)]
    np.testing.assert_allclose(f(p)[1], np.asarray(rises) / (2 * h), rtol=1e-4, atol=1e-5)


def test_levenberg_marquardt_solves_them_all(problem):
    start = np.asarray(problem.start, float)
    result = optim.levenberg_marquardt(gauss_newton(problem), start, steps=600, tolerance=1e-12)
    assert is_listed(problem, result.best_value)


FREE = {
    "lbfgs": optim.lbfgs,
    "projected_gradient": lambda f, start, **options: optim.projected_gradient(
        f, start, lambda p: p, **options
    ),
    "spectral_projected_gradient": lambda f, start, **options: optim.spectral_projected_gradient(
        f, start, lambda p: p, **options
    ),
    "accelerated_proximal_gradient": lambda f, start, **options: (
        optim.accelerated_proximal_gradient(f, start, optim.proximal.soft_threshold(0.0), **options)
    ),
}
EASY = {5, 6, 9, 12, 16, *range(23, 28), 29, 30, 32, 33, 34, 35}
HARDER = {*EASY, 1, 2, 7, 8, 13, 14, 21, 22, 28}
REACHED = {  # within a millionth of the way from the start to a minimum of the list, in 500 steps
    "projected_gradient": EASY,
    "accelerated_proximal_gradient": HARDER,
    "spectral_projected_gradient": {*HARDER, 15},
    "lbfgs": {*PROBLEMS} - {31},
    # No other but lbfgs: the badly scaled 3, 4 and 10; 11 and 17 to 20, which take thousands of
    # steps; and 31, where all go to a minimum of 3.0573.
}


@pytest.mark.parametrize("name", FREE)
def test_first_order_solvers_reach_the_table_and_end_honestly(name, problem):
    f, start = value_and_grad(problem), np.asarray(problem.start, float)
    result = FREE[name](f, start, steps=500, tolerance=1e-7)
    first = f(start)[0]
    low = min(problem.minima, key=lambda minimum: abs(minimum - result.best_value))
    assert result.history[0] == first
    # J. J. Moré and S. M. Wild, SIAM J. Optim. 20 (2009), section 2.
    if problem in [PROBLEMS[k] for k in REACHED[name]]:
        assert result.best_value - low <= 1e-6 * (first - low)
    assert result.best_value < first
    if result.converged:
        assert np.linalg.norm(f(result.params)[1]) <= 1e-7
    elif result.steps < 500:  # what a step could gain is below the rounding of the loss
        assert result.best_value <= (1 + 1e-11) * by_scipy(problem)
    if name != "spectral_projected_gradient":
        assert np.all(np.diff(result.history) <= 1e-10 * np.abs(result.history[1:]))
