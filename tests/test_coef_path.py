from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skreg.model_selection.coef_path import CoefPath


def filled(form, X, coefs, intercepts):
    """Return the attributes of a path with weights (n_outputs, n_features, n_alphas)."""
    path = CoefPath(form, X, len(coefs), coefs.shape[2])
    for k in range(coefs.shape[2]):
        path.append([
            SimpleNamespace(coef=coef[:, k], intercept=b[k])
            for coef, b in zip(coefs, intercepts, strict=True)
        ])  # fmt: skip
    return path.attributes()


@pytest.mark.parametrize("form", ["dense", "sparse"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_all_forms_hold_the_same(rng, n_outputs, form):
    coefs = rng.normal(size=(n_outputs, 7, 4)) * (rng.random((n_outputs, 7, 4)) < 0.4)
    intercepts = rng.normal(size=(n_outputs, 4))
    found, b = filled(form, np.ones((5, 7)), coefs, intercepts)
    if n_outputs == 1:
        found, b = [found], [b]
    assert all(sparse.issparse(one) == (form == "sparse") for one in found)
    found = [one.toarray() if sparse.issparse(one) else one for one in found]
    assert_array_equal(found, coefs)
    assert_array_equal(b, intercepts)


def test_auto_is_sparse_where_an_array_would_outgrow_the_data():
    wide = sparse.random(30, 100, density=0.1, format="csr", random_state=0)  # 300 values
    for X, n_alphas, is_sparse in [
        (wide, 3, False),
        (wide, 4, True),
        (wide.toarray(), 99, False),
    ]:
        shape = 100, n_alphas
        found, _ = filled("auto", X, np.zeros((1, *shape)), np.zeros((1, n_alphas)))
        assert sparse.issparse(found) == is_sparse
        assert found.shape == shape
