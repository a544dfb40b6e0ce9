"""Conjugate gradients, and how far they go from one Newton step to the next."""

from typing import NamedTuple

import numpy as np

_LEAST_TOLERANCE = 1e-3
_MOST_PRODUCTS = 128


class ForcingTerm(NamedTuple):
    """How far conjugate gradients go at the next step.

    Until `tolerance` times the gradient is left, but at most `n_products` products.
    """

    tolerance: float
    n_products: int

    def after(self, n_products):
        """Return the forcing term after a step of so many products, which made no weight 0.

        The model is then nearly exact, and more so at each step.
        """
        done = n_products < self.n_products
        tolerance = max(self.tolerance**2, _LEAST_TOLERANCE) if done else self.tolerance
        return ForcingTerm(tolerance, min(2 * self.n_products, _MOST_PRODUCTS))


# Products are few as long as steps make weights 0, which spoils what exact ones would gain.
FIRST_FORCING_TERM = ForcingTerm(tolerance=0.15, n_products=8)


def conjugate_gradients(product, right_side, diagonal, tolerance, least, most):
    """Solve a positive semidefinite system, preconditioned by its diagonal.

    Return the solution, its residual, which is at most `tolerance` times the right side,
    and the number of products it took. Return `most` and what there is if the number would
    be larger, or after `least` of them seems to become larger.
    """
    solution, direction = np.zeros_like(right_side), np.zeros_like(right_side)
    residual, lengths = right_side.copy(), []
    for n_products in range(most):
        scaled = residual / diagonal
        lengths.append(np.sqrt(residual @ scaled))
        if lengths[-1] <= tolerance * lengths[0]:
            return solution, residual, n_products
        half = n_products // 2
        done = np.log(lengths[half] / lengths[-1]) * (most - n_products)
        needed = np.log(lengths[-1] / (tolerance * lengths[0])) * (n_products - half)
        if n_products >= least and done < needed:
            break
        if n_products > 0:
            direction *= (lengths[-1] / lengths[-2]) ** 2
        direction += scaled
        image = product(direction)
        bend = direction @ image
        if not bend > 0.0:
            return solution, residual, n_products
        size = lengths[-1] ** 2 / bend
        solution += size * direction
        residual -= size * image
    return solution, residual, most
