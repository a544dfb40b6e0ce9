"""Slow and obvious twins of what skreg compiles, one line of algebra per line of code."""

import numpy as np


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
    weights, ``u`` and ``q`` shrink alike.
    """
    w = np.zeros(X.shape[1]) if coef is None else np.array(coef)
    b, u, q = intercept, 0.0, np.zeros(X.shape[1])
    for x, target, eta, s in zip(X, y, steps, weights, strict=True):
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


def objective(X, y, w, b, loss, l1, l2, s=None):
    s = np.ones(len(y)) if s is None else s
    losses = [loss.value(t, p) for t, p in zip(y, X @ w + b, strict=True)]
    return np.average(losses, weights=s) + l1 * np.abs(w).sum() + l2 / 2 * (w**2).sum()
