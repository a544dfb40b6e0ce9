"""The weights of a whole path, kept as the user wants them."""

import numpy as np
from scipy import sparse

FORMS = ("auto", "dense", "sparse")


class CoefPath:
    """The weights and intercepts of a path, which come alpha by alpha.

    "auto" is sparse if `X` is and a dense array would have more elements than it.
    """

    def __init__(self, form, X, n_outputs, n_alphas):
        shape = n_outputs, n_alphas, X.shape[1]
        if form == "auto":
            wide = sparse.issparse(X) and np.prod(shape, dtype=float) > X.nnz
            form = "sparse" if wide else "dense"
        self._coefs = np.empty(shape) if form == "dense" else None
        self._rows = [[] for _ in range(n_outputs)]
        self._intercepts = []

    def append(self, model):
        """Take the next model, a `Solution` for each output."""
        for k, solution in enumerate(model):
            if self._coefs is None:
                self._rows[k].append(sparse.csr_matrix(solution.coef))
            else:
                self._coefs[k, len(self._intercepts)] = solution.coef
        self._intercepts.append([solution.intercept for solution in model])

    def attributes(self):
        """Return `coef_path_` and `intercept_path_`."""
        coefs, intercepts = self._coefs, np.array(self._intercepts).T
        if coefs is None:
            coefs = [sparse.vstack(rows, format="csr").T for rows in self._rows]
        else:
            coefs = coefs.swapaxes(1, 2)
        single = len(coefs) == 1
        return (coefs[0], intercepts[0]) if single else (coefs, intercepts)
