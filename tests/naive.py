"""Slow and obvious twins of what skreg compiles, one line of algebra per line of code."""

import numpy as np
from scipy.optimize import brentq
from scipy.optimize import minimize as scipy_minimize
from scipy.special import xlog1py, xlogy


def soft(x, t):
    return np.sign(x) * np.maximum(np.abs(x) - t, 0.0)


def subgradient_sgd(X, y, loss, steps, weights, l1, l2, coef=None, intercept=0.0):
    """Yield (w, b) after every step of subgradient descent on rows in storage order."""
    w = np.zeros(X.shape[1]) if coef is None else np.array(coef)
    b = intercept
    for x, target, eta, s in zip(X, y, steps, weights, strict=True):
        slope = s * loss.derivative(target, x @ w + b)
        w = w - eta * (slope * x + l1 * np.sign(w) + l2 * w)
        b = b - eta * slope
        yield w, b


def proximal_sgd(X, y, loss, steps, weights, l1, l2, coef=None, intercept=0.0):
    """Yield (w, b) after every step with Tsuruoka's cumulative L1 penalty.

    ``u`` is the penalty each weight could have received, ``q`` what each did receive.
    After the gradient step a weight receives what is due, but never crosses 0. With L2,
    weights, ``u`` and ``q`` shrink alike. After 256 steps, and then four times
    while their number doubles, a part of the penalties, due and received, is forgotten:
    three quarters over a doubling.
    """
    w = np.zeros(X.shape[1]) if coef is None else np.array(coef)
    b, u, q = intercept, 0.0, np.zeros(X.shape[1])
    for k, (x, target, eta, s) in enumerate(zip(X, y, steps, weights, strict=True)):
        if k in (256 * 2 ** (np.arange(40) / 4)).astype(int):
            u, q = u / 2**0.5, q / 2**0.5
        slope = s * loss.derivative(target, x @ w + b)
        moved = w - eta * slope * x
        u += eta * l1
        for j in range(len(w)):
            if moved[j] > 0:
                w[j] = max(0.0, moved[j] - (u + q[j]))
            elif moved[j] < 0:
                w[j] = min(0.0, moved[j] + (u - q[j]))
            else:
                w[j] = 0.0
            q[j] += w[j] - moved[j]
        w, q, u = w / (1 + eta * l2), q / (1 + eta * l2), u / (1 + eta * l2)
        b = b - eta * slope
        yield w.copy(), b


def tail_average(iterates, discounts, updates, units):
    """Return the mean of the tail of iterates, the last one included.

    `iterates` are rows of weights, the intercept last, after 1, 2, ... steps; the average
    takes those at `updates`. After steps in `discounts` the current part of the tail
    becomes the previous one. Where an iterate lies beyond the mean of the current part,
    seen from the previous one (the cosine is above 0.7), and is farther from that than
    three standard deviations (if it has four iterates or more), the tail begins anew.
    """
    current, previous = [], []
    for t, w in enumerate(iterates, start=1):
        if t in updates:
            if current and previous:
                scale = np.append(np.full(len(w) - 1, units[t - 1] ** 0.5), 1.0)
                middle, mean = np.mean(current, axis=0), np.mean(previous, axis=0)
                last, before = scale * (w - middle), scale * (middle - mean)
                lengths = np.linalg.norm(last) * np.linalg.norm(before)
                beyond = last @ before > 0.7 * lengths
                spread = ((scale * (previous - mean)) ** 2).sum() / len(previous)
                distance = np.linalg.norm(last + before)
                far = distance > 3.0 * np.sqrt(spread * (1.0 + 1.0 / len(previous)))
                if beyond and (far or len(previous) < 4):
                    current, previous = [], []
            (current if previous else previous).append(w)
        if t in discounts:
            current, previous = [], current
    return np.mean([*previous, *current, iterates[-1]], axis=0)


def adagrad(X, y, loss, eta, weights, l1, l2, decay, coef, fit_intercept):
    """Return (w, b) after an epoch of FTRL-Proximal steps, with the sums written out.

    After t rows, w minimizes ``g @ w + t (l1 |w| + l2 w^2 / 2) + sum_i sigma_i (w - w_i)^2
    / 2``, g the sum of gradients, sigma_i the change of the strength at row i, where the
    weight was w_i. Decay divides w, and with it all w_i and g, by ``1 + decay``. A weight
    of `coef` owes no penalty until its first gradient.
    """
    X = np.column_stack([X, np.ones(len(y)) * fit_intercept])
    penalized = np.append(np.ones(X.shape[1] - 1), 0.0)
    w = np.append(coef, 0.0)
    g, squares, centers, s, l1_sum, l2_sum = (np.zeros(X.shape[1]) for _ in range(6))
    for x, target, weight in zip(X, y, weights, strict=True):
        gradient = weight * loss.derivative(target, x @ w) * x
        squares += gradient**2
        new_s = np.sqrt(squares) / eta
        centers += (new_s - s) * w
        begins = (s == 0.0) & (new_s > 0.0)
        centers += np.where(begins, l2_sum * w + l1_sum * np.sign(w), 0.0)
        g, s = g + gradient, new_s
        l1_sum, l2_sum = l1_sum + l1 * penalized, l2_sum + l2 * penalized
        best = soft(centers - g, l1_sum) / np.where(s > 0.0, s + l2_sum, 1.0)
        w = np.where(s > 0.0, best, w)
        shrink = 1.0 + decay * penalized
        w, g, centers = w / shrink, g / shrink, centers / shrink
        l1_sum = l1_sum / shrink
    return w[:-1], w[-1]


def mean_before_threshold(X, y, loss, steps, weights, l1, l2, coef=None):
    """Return the mean of proximal SGD: ``soft`` of the means of what it is applied to."""
    v = np.zeros(X.shape[1]) if coef is None else np.array(coef)
    b, t, vs, ts = 0.0, 0.0, [], []
    for x, target, eta, s in zip(X, y, steps, weights, strict=True):
        slope = s * loss.derivative(target, x @ soft(v, t) + b)
        v, t = (v - eta * slope * x) / (1 + eta * l2), (t + eta * l1) / (1 + eta * l2)
        b = b - eta * slope
        vs.append(v)
        ts.append(t)
    return soft(np.mean(vs, axis=0), np.mean(ts))


def objective(X, y, w, b, loss, l1, l2, s=None):
    s = np.ones(len(y)) if s is None else s
    losses = [loss.value(t, p) for t, p in zip(y, X @ w + b, strict=True)]
    return np.average(losses, weights=s) + l1 * np.abs(w).sum() + l2 / 2 * (w**2).sum()


# The smooth losses once more, for arrays: of a target, a raw prediction (for conjugates a
# slope in their domain) and epsilon.
VALUES = {
    "logcosh": lambda y, p, e: np.logaddexp(p - y, y - p) - np.log(2.0),
    "squared_error": lambda y, p, e: (p - y) ** 2 / 2,
    "huber": lambda y, p, e: np.where(
        np.abs(p - y) <= e, (p - y) ** 2 / 2, e * np.abs(p - y) - e**2 / 2
    ),
    "squared_epsilon_insensitive": lambda y, p, e: soft(p - y, e) ** 2,
    "log_loss": lambda y, p, e: np.logaddexp(0.0, -y * p),
    "squared_hinge": lambda y, p, e: np.maximum(1 - y * p, 0) ** 2,
    "modified_huber": lambda y, p, e: np.where(
        y * p >= -1, np.maximum(1 - y * p, 0) ** 2, -4 * y * p
    ),
}
DERIVATIVES = {
    "logcosh": lambda y, p, e: np.tanh(p - y),
    "squared_error": lambda y, p, e: p - y,
    "huber": lambda y, p, e: np.clip(p - y, -e, e),
    "squared_epsilon_insensitive": lambda y, p, e: 2 * soft(p - y, e),
    "log_loss": lambda y, p, e: -y * np.exp(-np.logaddexp(0.0, y * p)),
    "squared_hinge": lambda y, p, e: -2 * y * np.maximum(1 - y * p, 0),
    "modified_huber": lambda y, p, e: -2 * y * np.clip(1 - y * p, 0, 2),
}
CONJUGATES = {
    "logcosh": lambda y, u, e: u * y + (xlog1py(1 + u, u) + xlog1py(1 - u, -u)) / 2,
    "squared_error": lambda y, u, e: u * y + u**2 / 2,
    "huber": lambda y, u, e: u * y + u**2 / 2,
    "squared_epsilon_insensitive": lambda y, u, e: u * y + e * np.abs(u) + u**2 / 4,
    "log_loss": lambda y, u, e: xlogy(-u * y, -u * y) + xlog1py(1 + u * y, u * y),
    "squared_hinge": lambda y, u, e: u * y + u**2 / 4,
    "modified_huber": lambda y, u, e: u * y + u**2 / 4,
}


def smooth_objective(name, X, y, w, b, l1, l2, s=None, epsilon=0.1):
    losses = VALUES[name](y, X @ w + b, epsilon)
    return np.average(losses, weights=s) + l1 * np.abs(w).sum() + l2 / 2 * (w @ w)


def gradient(name, X, y, w, b, l2, s=None, epsilon=0.1):
    """Return the gradient of all but the L1 part, that of the intercept last."""
    s = np.ones(len(y)) if s is None else s
    u = s / s.sum() * DERIVATIVES[name](y, X @ w + b, epsilon)
    return np.append(X.T @ u + l2 * w, u.sum())


def kkt_violation(name, X, y, w, b, l1, l2, s=None, fit_intercept=True, epsilon=0.1):
    """Return the largest distance of 0 from the subdifferential."""
    g = gradient(name, X, y, w, b, l2, s, epsilon)
    left = np.where(w == 0, np.maximum(np.abs(g[:-1]) - l1, 0), g[:-1] + l1 * np.sign(w))
    return np.abs(np.append(left, g[-1] * fit_intercept)).max()


def duality_gap(name, X, y, w, b, l1, l2, s=None, fit_intercept=True, epsilon=0.1):
    """Return the objective minus the better of two lower bounds.

    Any u in the domain of the conjugates, with sum_i s_i u_i = 0 if there is an intercept,
    bounds the optimum by -mean(conjugate(y_i, u_i)) - sum_j penalty_conjugate(z_j), where
    z = -mean(u_i x_i). Slopes at the weights, shrunk to balance, are one such u; shrunk
    until no |z_j| exceeds l1, they are another.
    """
    s = np.ones(len(y)) / len(y) if s is None else s / s.sum()
    u = DERIVATIVES[name](y, X @ w + b, epsilon)
    if fit_intercept:
        up, down = s @ np.maximum(u, 0), s @ np.maximum(-u, 0)
        less = min(up, down)
        u = np.where(u > 0, u * (less / max(up, 1e-300)), u * (less / max(down, 1e-300)))
    largest = np.abs(X.T @ (s * u)).max(initial=1e-300)
    bounds = []
    for shrinkage in (1.0, min(1.0, l1 / largest)):
        over = np.maximum(shrinkage * np.abs(X.T @ (s * u)) - l1, 0)
        over[over <= 1e-13 * l1] = 0.0
        penalty = 0.0
        if over.any():
            penalty = (over @ over) / (2 * l2) if l2 > 0 else np.inf
        bounds.append(-s @ CONJUGATES[name](y, shrinkage * u, epsilon) - penalty)
    return smooth_objective(name, X, y, w, b, l1, l2, s, epsilon) - max(bounds)


def optimum(name, X, y, l1, l2, s=None, fit_intercept=True, epsilon=0.1):
    """Return (w, b) by L-BFGS-B on w = v[:p] - v[p:] with both parts at least 0."""
    p = X.shape[1]

    def value_and_gradient(v):
        w, b = v[:p] - v[p:-1], v[-1] * fit_intercept
        value = smooth_objective(name, X, y, w, b, 0.0, l2, s, epsilon)
        g = gradient(name, X, y, w, b, l2, s, epsilon)
        slopes = np.r_[g[:-1] + l1, l1 - g[:-1], g[-1] * fit_intercept]
        return value + l1 * v[:-1].sum(), slopes

    bounds = [(0, None)] * (2 * p) + [(None, None)]
    options = {
        "maxiter": 5000,
        "maxfun": 20_000,
        "ftol": 1e-16,
        "gtol": 1e-12,
        "maxcor": 30,
    }
    start = np.zeros(2 * p + 1)
    v = scipy_minimize(
        value_and_gradient, start, jac=True, bounds=bounds, options=options
    ).x
    return v[:p] - v[p:-1], v[-1] * fit_intercept


def implicit_slope(name, y, a, q, epsilon=0.1):
    """Return the root of u = derivative(y, a - q * u), between 0 and the slope at a."""
    u = float(DERIVATIVES[name](y, a, epsilon))
    if u == 0.0:
        return 0.0

    def residual(v):
        return v - float(DERIVATIVES[name](y, a - q * v, epsilon))

    ends = min(u, 0.0), max(u, 0.0)
    return brentq(residual, *ends, xtol=1e-300, rtol=1e-15, maxiter=5000)


def dual_ascent(name, X, y, order, s, slopes, v, b, scale, l1, intercept_scale):
    """Return slopes, v and b after a step on each row; the weights are scale * soft(v, l1).

    `s` adds up to 1.
    """
    slopes, v = np.array(slopes), np.array(v)
    for i in order:
        w = scale * soft(v, l1)
        q = s[i] * (scale * (X[i] @ X[i]) + intercept_scale)
        new = implicit_slope(name, y[i], X[i] @ w + b + q * slopes[i], q)
        change = s[i] * (slopes[i] - new)
        v, b, slopes[i] = v + change * X[i], b + intercept_scale * change, new
    return slopes, v, b


def quadratic(hessian, g, start, w, l1, l2):
    step = w - start
    penalty = l1 * np.abs(w).sum() + l2 / 2 * (w @ w)
    return g @ step + step @ hessian @ step / 2 + penalty


def coordinate_descent(hessian, g, start, l1, l2, n_sweeps=3000):
    """Minimize `quadratic` one weight at a time, for long."""
    w = np.array(start)
    for _ in range(n_sweeps):
        for j in range(len(w)):
            curvature = hessian[j, j]
            slope = g[j] + hessian[j] @ (w - start)
            if curvature + l2 > 0:
                w[j] = soft(curvature * w[j] - slope, l1) / (curvature + l2)
            else:
                w[j] = 0.0
    return w
