"""Pictures of a search for alpha, as scikit-learn Displays; they need matplotlib."""

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

_KINDS = ("alpha", "l1_norm")
_LOSS = "minus the mean loss"
# The legend names so many features, those with the largest weights.
_MOST_NAMES = 12


def _axes(ax):
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    return ax


def _against_alphas(ax, alphas):
    """Show alphas on a logarithmic axis, the largest on the left; 0 has no place there."""
    ax.set_xscale("log")
    margin = 1.0 if alphas.max() > alphas.min() else 10.0
    ax.set_xlim(margin * alphas.max(), alphas.min() / margin)
    ax.set_xlabel("alpha")


def _moving(coefs):
    """Return which features have weights that are not 0, and an array of these weights."""
    coefs = coefs.tocsr() if sparse.issparse(coefs) else np.asarray(coefs)
    moving = np.unique(coefs.nonzero()[0])
    some = coefs[moving]
    return moving, some.toarray() if sparse.issparse(some) else some


def _shown(alphas):
    """Return which alphas have a place on a logarithmic axis."""
    if not (alphas > 0.0).any():
        raise ValueError("alphas must hold a number above 0 to be drawn.")
    return alphas > 0.0


class RegularizationPathDisplay:
    """Weights against alpha, or against their L1 norm.

    The axis on top counts the weights that are not 0.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Strengths of the penalty, decreasing.
    coefs : ndarray or sparse matrix of shape (n_features, n_alphas)
        Weights.
    alpha : float, default=None
        A chosen alpha to mark, or None.
    feature_names : array-like of shape (n_features,), default=None
        Names for the legend, which shows the dozen with the largest weights, or None for
        no legend.

    Attributes
    ----------
    ax_, top_ax_ : matplotlib Axes
        The axes with the curves, and those that count weights.
    figure_ : matplotlib Figure
        The figure.
    lines_ : list of matplotlib Line2D
        A curve for each feature whose weight is not 0 everywhere.

    See Also
    --------
    skreg.plotting.CVCurveDisplay : The scores of the alphas.

    Examples
    --------
    >>> import numpy as np
    >>> import skreg
    >>> from skreg.plotting import RegularizationPathDisplay
    >>> rng = np.random.RandomState(0)
    >>> X = rng.randn(50, 3)
    >>> y = X @ [2.0, -1.0, 0.0] + rng.randn(50)
    >>> model = skreg.SGDRegularizedRegressorCV(alphas=20).fit(X, y)
    >>> display = RegularizationPathDisplay.from_estimator(model)
    >>> display.ax_.get_xlabel()
    'alpha'
    """

    def __init__(self, *, alphas, coefs, alpha=None, feature_names=None):
        self.alphas = alphas
        self.coefs = coefs
        self.alpha = alpha
        self.feature_names = feature_names

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, against="alpha", output=None, **kwargs):
        """Draw the path of a fitted search.

        Parameters
        ----------
        estimator : SGDRegularizedRegressorCV, SGDRegularizedClassifierCV or Pipeline
            A fitted search, or a pipeline that ends with one.
        ax : matplotlib Axes, default=None
            Where to draw; None means a new figure.
        against : {"alpha", "l1_norm"}, default="alpha"
            What the horizontal axis shows.
        output : label, default=None
            The class, or the column of y, whose path to draw, if there are several paths.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        RegularizationPathDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If `output` is missing or unknown, or the search has kept no path.
        """
        estimator, feature_names = _search_and_names(estimator)
        if not hasattr(estimator, "coef_path_"):
            raise ValueError("The search has kept no path; set store_path='auto'.")
        coefs = estimator.coef_path_
        if len(estimator.intercept_) > 1:
            labels = getattr(estimator, "classes_", np.arange(len(coefs)))
            places = np.flatnonzero(labels == output)
            if not len(places):
                raise ValueError(
                    f"output must be one of {labels.tolist()}, the classes or the columns "
                    f"of y, not {output!r}: each has a path of its own."
                )
            coefs = coefs[places[0]]
        display = cls(
            alphas=_alphas_of(estimator)[0],
            coefs=coefs,
            alpha=estimator.alpha_,
            feature_names=feature_names,
        )
        return display.plot(ax=ax, against=against, **kwargs)

    @classmethod
    def from_path(cls, path, *, ax=None, against="alpha", feature_names=None, **kwargs):
        """Draw what `skreg.regularization_path` returned.

        Parameters
        ----------
        path : RegularizationPath
            The path.
        ax : matplotlib Axes, default=None
            Where to draw; None means a new figure.
        against : {"alpha", "l1_norm"}, default="alpha"
            What the horizontal axis shows.
        feature_names : array-like of shape (n_features,), default=None
            Names for the legend, or None for no legend.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        RegularizationPathDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If the path has several targets.
        """
        if path.coefs.ndim > 2:
            raise ValueError(
                f"The path has {len(path.coefs)} targets. Draw that of one column of y."
            )
        display = cls(alphas=path.alphas, coefs=path.coefs, feature_names=feature_names)
        return display.plot(ax=ax, against=against, **kwargs)

    def plot(self, ax=None, *, against="alpha", **kwargs):
        """Draw the path.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None means a new figure.
        against : {"alpha", "l1_norm"}, default="alpha"
            What the horizontal axis shows.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        RegularizationPathDisplay
            The display itself.
        """
        check_matplotlib_support("RegularizationPathDisplay.plot")
        if against not in _KINDS:
            raise ValueError(f"against must be one of {_KINDS}, not {against!r}.")
        self.ax_ = _axes(ax)
        self.figure_ = self.ax_.figure
        alphas = np.asarray(self.alphas)
        moving, coefs = _moving(self.coefs)
        if against == "alpha":
            shown = _shown(alphas)
            alphas, coefs = alphas[shown], coefs[:, shown]
            some = coefs.any(axis=1)
            moving, coefs = moving[some], coefs[some]
        places = alphas if against == "alpha" else np.abs(coefs).sum(axis=0)
        self.lines_ = self.ax_.plot(places, coefs.T, **kwargs)
        self.ax_.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
        self.ax_.set_ylabel("weight")
        if against == "alpha":
            _against_alphas(self.ax_, alphas)
        else:
            self.ax_.set_xlim(0.0, places.max() or 1.0)
            self.ax_.set_xlabel("sum of |weights|")
        if self.alpha is not None and np.any(alphas == self.alpha):
            chosen = places[np.argmax(alphas == self.alpha)]
            self.ax_.axvline(chosen, color="black", linestyle="--", linewidth=1.0)
        if self.feature_names is not None and len(moving):
            largest = np.argsort(-np.abs(coefs).max(axis=1))[:_MOST_NAMES]
            for k in np.sort(largest):
                self.lines_[k].set_label(self.feature_names[moving[k]])
            beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
            self.ax_.legend(fontsize="small", frameon=False, **beside)
        self.top_ax_ = self._count(places, np.count_nonzero(coefs, axis=0))
        return self

    def _count(self, places, n_nonzero):
        """Label some places on top with the number of weights that are not 0 there."""
        top = self.ax_.secondary_xaxis("top")
        positions = self.ax_.transData.transform(
            np.column_stack([places, np.zeros(len(places))])
        )[:, 0]
        wanted = np.linspace(positions.min(), positions.max(), 7)
        chosen = np.unique([np.argmin(np.abs(positions - place)) for place in wanted])
        top.set_xticks(places[chosen], labels=[str(n) for n in n_nonzero[chosen]])
        top.minorticks_off()
        top.set_xlabel("weights that are not 0")
        return top


class CVCurveDisplay:
    """Mean scores of the folds against alpha, with a band of one standard error.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Strengths of the penalty, decreasing.
    scores : ndarray of shape (n_alphas, n_folds)
        Scores.
    alpha : float, default=None
        The chosen alpha, or None.
    score_name : str, default="score"
        Label of the vertical axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    line_ : matplotlib Line2D
        The mean scores.
    band_ : matplotlib PolyCollection or None
        One standard error to both sides; None with a single fold.
    best_line_, one_se_line_ : matplotlib Line2D or None
        Where the mean score is best, and the largest alpha within one standard error of it
        (None with a single fold, or where that is 0).

    Examples
    --------
    >>> import numpy as np
    >>> import skreg
    >>> from skreg.plotting import CVCurveDisplay
    >>> rng = np.random.RandomState(0)
    >>> X = rng.randn(50, 3)
    >>> y = X @ [2.0, -1.0, 0.0] + rng.randn(50)
    >>> model = skreg.SGDRegularizedRegressorCV(alphas=20, selection="1se").fit(X, y)
    >>> display = CVCurveDisplay.from_estimator(model)
    >>> bool(display.one_se_line_.get_xdata()[0] == model.alpha_)
    True
    """

    def __init__(self, *, alphas, scores, alpha=None, score_name="score"):
        self.alphas = alphas
        self.scores = scores
        self.alpha = alpha
        self.score_name = score_name

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the scores of a fitted search, for the `l1_ratio_` that it chose.

        Parameters
        ----------
        estimator : SGDRegularizedRegressorCV, SGDRegularizedClassifierCV or Pipeline
            A fitted search, or a pipeline that ends with one.
        ax : matplotlib Axes, default=None
            Where to draw; None means a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        CVCurveDisplay
            The drawn display.
        """
        estimator, _ = _search_and_names(estimator)
        results = estimator.cv_results_
        alphas, place = _alphas_of(estimator)
        rows = slice(place * len(alphas), (place + 1) * len(alphas))
        folds = [name for name in results if name.startswith("split")]
        scores = np.column_stack([results[fold][rows] for fold in folds])
        left_out = np.isnan(scores).all(axis=0)
        name = estimator.scoring if isinstance(estimator.scoring, str) else "score"
        display = cls(
            alphas=alphas,
            scores=scores[:, ~left_out],
            alpha=estimator.alpha_,
            score_name=_LOSS if estimator.scoring in (None, "loss") else name,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None means a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        CVCurveDisplay
            The display itself.
        """
        check_matplotlib_support("CVCurveDisplay.plot")
        self.ax_ = _axes(ax)
        self.figure_ = self.ax_.figure
        all_alphas, all_scores = np.asarray(self.alphas), np.asarray(self.scores)
        shown = _shown(all_alphas)
        all_means, n_folds = all_scores.mean(axis=1), all_scores.shape[1]
        alphas, scores, means = all_alphas[shown], all_scores[shown], all_means[shown]
        (self.line_,) = self.ax_.plot(alphas, means, **kwargs)
        best = int(np.nanargmax(all_means))
        self.band_ = self.best_line_ = self.one_se_line_ = None
        if shown[best]:
            self.best_line_ = self.ax_.axvline(
                all_alphas[best], color="black", linestyle=":", label="best mean score"
            )
        if n_folds > 1:
            errors = scores.std(axis=1, ddof=1) / np.sqrt(n_folds)
            color = self.line_.get_color()
            self.band_ = self.ax_.fill_between(
                alphas, means - errors, means + errors, alpha=0.2, color=color,
                linewidth=0.0, label="one standard error",
            )  # fmt: skip
            error = all_scores[best].std(ddof=1) / np.sqrt(n_folds)
            simplest = int(np.argmax(all_means >= all_means[best] - error))
            if shown[simplest]:
                self.one_se_line_ = self.ax_.axvline(
                    all_alphas[simplest], color="black", linestyle="--",
                    label="one-standard-error rule",
                )  # fmt: skip
        _against_alphas(self.ax_, alphas)
        self.ax_.set_ylabel(self.score_name)
        if self.ax_.get_legend_handles_labels()[1]:
            self.ax_.legend(fontsize="small")
        return self


def _search_and_names(estimator):
    """Return the fitted search that is meant, and the names of its features, or None.

    In a pipeline they are those that the steps before it give.
    """
    steps_before = []
    while isinstance(estimator, Pipeline):
        steps_before.append(estimator[:-1])
        estimator = estimator[-1]
    check_is_fitted(estimator)
    if not hasattr(estimator, "cv_results_") or not hasattr(estimator, "alphas_"):
        raise TypeError(
            "A Display is drawn from an SGDRegularizedRegressorCV or "
            f"SGDRegularizedClassifierCV, not from {type(estimator).__name__}."
        )
    names = getattr(estimator, "feature_names_in_", None)
    try:
        for steps in steps_before if names is None else ():
            names = steps.get_feature_names_out(names) if len(steps) else names
    except AttributeError:  # some steps have no names to give
        names = None
    return estimator, names


def _alphas_of(estimator):
    """Return the alphas of the chosen l1_ratio, and its place in the list."""
    alphas = np.atleast_2d(estimator.alphas_)
    ratios = np.atleast_1d(np.asarray(estimator.l1_ratio, dtype=np.float64))
    place = int(np.argmax(ratios == estimator.l1_ratio_))
    return alphas[place], place
