"""The candidates of a search, pairs of l1_ratio and alpha, and what their scores say."""

import warnings

import numpy as np
from scipy.stats import rankdata

# A warning names so many folds.
_MOST_NAMED = 3


class Candidates:
    """Scores of shape (n_l1_ratios, n_alphas, n_folds), NaN where there is none.

    A fold whose scores are all NaN is left out for all candidates alike.
    """

    def __init__(self, l1_ratios, grids, scores):
        self.l1_ratios = l1_ratios
        self.grids = grids
        self._all_scores = np.where(np.isfinite(scores), scores, np.nan)
        self._defined = ~np.isnan(self._all_scores).all(axis=(0, 1))
        self._scores = self._all_scores[:, :, self._defined]
        self.means = np.full(scores.shape[:2], np.nan)
        if self._defined.any():
            self.means = self._scores.mean(axis=2)

    def warn_of_gaps(self, folds, classes):
        """Warn of folds that are left out, and say why."""
        left_out = np.flatnonzero(~self._defined)
        if not len(left_out):
            return
        reasons = [f"fold {k} {folds[k].flaw(classes)}" for k in left_out[:_MOST_NAMED]]
        reasons += ["and so on"] * (len(left_out) > _MOST_NAMED)
        warnings.warn(
            f"{len(left_out)} of {len(folds)} folds are left out, for all alphas alike: "
            f"{', '.join(reasons)}.",
            UserWarning,
            stacklevel=5,
        )

    @np.errstate(all="ignore")
    def choose(self, selection):
        """Return the places of the chosen l1_ratio and alpha.

        Of equal scores the first counts: the largest alpha.
        """
        if np.isnan(self.means).all():
            raise ValueError("scoring returned no number for any alpha on all folds.")
        n_folds = self._scores.shape[2]
        if selection == "1se" and n_folds < 2:
            raise ValueError("selection='1se' needs at least two folds.")
        ratio, alpha = np.unravel_index(np.nanargmax(self.means), self.means.shape)
        if selection == "1se":
            error = self._scores[ratio, alpha].std(ddof=1) / np.sqrt(n_folds)
            alpha = np.argmax(self.means[ratio] >= self.means[ratio, alpha] - error)
        return int(ratio), int(alpha)

    @np.errstate(all="ignore")
    def results(self):
        """Return all there is, with the keys of `GridSearchCV`."""
        flat = self._all_scores.reshape(-1, self._all_scores.shape[2])
        alphas, means = np.ravel(self.grids), self.means.ravel()
        ratios = np.repeat(self.l1_ratios, len(self.grids[0]))
        ranks = rankdata(-np.nan_to_num(means, nan=-np.inf), method="min")
        return {
            "param_alpha": alphas,
            "param_l1_ratio": ratios,
            "params": [
                {"alpha": alpha, "l1_ratio": ratio}
                for alpha, ratio in zip(alphas.tolist(), ratios.tolist(), strict=True)
            ],
            **{f"split{k}_test_score": column for k, column in enumerate(flat.T)},
            "mean_test_score": means,
            "std_test_score": self._scores.std(axis=2).ravel(),
            "rank_test_score": ranks.astype(np.int32),
        }
