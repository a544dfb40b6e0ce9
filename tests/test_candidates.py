import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import sem

from skreg.model_selection.candidates import Candidates

NAN = np.nan
GRIDS = [np.array([1.0, 0.1, 0.01]), np.array([2.0, 0.2, 0.02])]
RATIOS = [0.5, 1.0]


def candidates(scores):
    return Candidates(RATIOS, GRIDS, np.array(scores, dtype=float))


def test_the_best_mean_is_chosen_and_of_equal_ones_the_largest_alpha():
    one = candidates([[[1, 2], [3, 4], [3, 4]], [[0, 0], [3, 4], [9, -9]]])
    assert_allclose(one.means, [[1.5, 3.5, 3.5], [0.0, 3.5, 0.0]])
    assert one.choose("min") == (0, 1)
    assert candidates([[[0], [1], [0]], [[0], [0], [2]]]).choose("min") == (1, 2)


def test_one_standard_error_is_that_of_the_folds(rng):
    for _ in range(20):
        scores = rng.normal(size=(2, 3, 5)).cumsum(axis=1)
        one = candidates(scores)
        ratio, best = one.choose("min")
        means = scores.mean(axis=2)[ratio]
        near = means >= means[best] - sem(scores[ratio, best])
        assert one.choose("1se") == (ratio, np.flatnonzero(near)[0])


def test_folds_without_any_score_are_left_out():
    scores = [[[1, NAN, 2], [3, NAN, 6], [0, NAN, 1]], [[0, NAN, 0]] * 3]
    one, few = candidates(scores), candidates(np.array(scores)[:, :, [0, 2]])
    assert_array_equal(one.means, few.means)
    assert one.choose("min") == few.choose("min") == (0, 1)
    assert_array_equal(one.results()["std_test_score"], few.results()["std_test_score"])
    assert np.isnan(one.results()["split1_test_score"]).all()
    folds = [SimpleNamespace(flaw=lambda classes: f"lacks {classes}")] * 3
    with pytest.warns(UserWarning, match="1 of 3 folds are left out.*fold 1 lacks a,b"):
        one.warn_of_gaps(folds, "a,b")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        few.warn_of_gaps(folds[:2], "a,b")


def test_a_candidate_without_a_score_on_some_fold_is_never_chosen():
    one = candidates([[[9, NAN], [1, 1], [0, 0]], [[np.inf, 5], [0, 0], [0, 0]]])
    assert one.choose("min") == (0, 1)
    assert one.results()["rank_test_score"].tolist() == [5, 1, 2, 5, 2, 2]


def test_too_few_scores_are_named():
    with pytest.raises(ValueError, match="no number"):
        candidates(np.full((2, 3, 4), NAN)).choose("min")
    with pytest.raises(ValueError, match="at least two folds"):
        candidates(np.ones((2, 3, 1))).choose("1se")
    one_is_left = [[[NAN, 1.0]] * 3] * 2
    with pytest.raises(ValueError, match="at least two folds"):
        candidates(one_is_left).choose("1se")


def test_results_have_the_keys_of_a_grid_search(rng):
    scores = rng.normal(size=(2, 3, 4))
    results = candidates(scores).results()
    assert results["params"][4] == {"alpha": 0.2, "l1_ratio": 1.0}
    assert_array_equal(results["param_alpha"], np.ravel(GRIDS))
    assert_array_equal(results["param_l1_ratio"], np.repeat(RATIOS, 3))
    flat = scores.reshape(6, 4)
    assert_array_equal(results["split2_test_score"], flat[:, 2])
    assert_allclose(results["mean_test_score"], flat.mean(axis=1))
    assert_allclose(results["std_test_score"], flat.std(axis=1))
    order = np.argsort(-flat.mean(axis=1))
    assert_array_equal(results["rank_test_score"][order], np.arange(1, 7))
