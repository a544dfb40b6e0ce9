from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_info

from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor
from skreg.solvers.threads import single_threaded_blas


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_threads_are_limited_inside_and_restored_after():
    before = blas_threads()
    with single_threaded_blas():
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_overlapping_fits_leave_the_number_of_threads(rng):
    X, y = rng.normal(size=(200, 20)), np.arange(200) % 5
    before = blas_threads()
    for _ in range(5):
        SGDRegularizedClassifier(n_jobs=3).fit(X, y)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: SGDRegularizedRegressor().fit(X, y), range(6)))
        assert blas_threads() == before
