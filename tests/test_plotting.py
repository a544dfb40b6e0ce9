import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skreg
from skreg.plotting import CVCurveDisplay, RegularizationPathDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def data(rng):
    X = rng.normal(size=(80, 5))
    return X, X @ [3.0, -2.0, 1.0, 0.0, 0.0] + rng.normal(size=80)


@pytest.mark.parametrize("against", ["alpha", "l1_norm"])
def test_path_shows_weights_counts_and_choice(data, against):
    model = skreg.SGDRegularizedRegressorCV(alphas=15, cv=4).fit(*data)
    display = RegularizationPathDisplay.from_estimator(model, against=against)
    coefs = model.coef_path_
    moving = np.flatnonzero(coefs.any(axis=1))
    places = model.alphas_ if against == "alpha" else np.abs(coefs).sum(axis=0)
    for line, j in zip(display.lines_, moving, strict=True):
        assert_allclose(line.get_xdata(), places)
        assert_allclose(line.get_ydata(), coefs[j])
    display.figure_.canvas.draw()
    ticks = display.top_ax_.get_xticks()
    labels = [int(label.get_text()) for label in display.top_ax_.get_xticklabels()]
    counts = dict(zip(places, np.count_nonzero(coefs, axis=0), strict=True))
    assert labels == [counts[tick] for tick in ticks]
    assert len(labels) >= 3
    chosen = places[model.alphas_ == model.alpha_][0]
    vertical = [line for line in display.ax_.lines if line.get_linestyle() == "--"]
    assert_allclose(vertical[0].get_xdata(), chosen)
    left, right = display.ax_.get_xlim()
    assert (left > right) == (against == "alpha")


def test_curve_shows_mean_band_and_both_rules(data):
    models = [
        skreg.SGDRegularizedRegressorCV(alphas=25, cv=5, selection=rule).fit(*data)
        for rule in ("min", "1se")
    ]
    display = CVCurveDisplay.from_estimator(models[0])
    results = models[0].cv_results_
    assert_allclose(display.line_.get_ydata(), results["mean_test_score"])
    splits = np.array([results[f"split{k}_test_score"] for k in range(5)])
    error = splits.std(axis=0, ddof=1) / np.sqrt(5)
    (path,) = display.band_.get_paths()
    assert_allclose(path.vertices[:, 1].max(), (splits.mean(axis=0) + error).max())
    assert display.best_line_.get_xdata()[0] == models[0].alpha_
    assert display.one_se_line_.get_xdata()[0] == models[1].alpha_
    assert display.ax_.get_ylabel() == "minus the mean loss"


def test_a_single_fold_has_no_band_and_zero_no_place(data):
    X, y = data
    model = skreg.SGDRegularizedRegressorCV(alphas=[1.0, 0.1, 0.0], l1_ratio=[0.2, 0.9])
    model.set_params(scoring="loss").fit(X[:50], y[:50], X_val=X[50:], y_val=y[50:])
    _, ax = plt.subplots()
    display = CVCurveDisplay.from_estimator(model, ax=ax, color="red")
    assert display.ax_ is ax
    assert display.band_ is None is display.one_se_line_
    assert_array_equal(display.line_.get_xdata(), [1.0, 0.1])
    assert display.line_.get_color() == "red"
    path = RegularizationPathDisplay.from_estimator(model)
    assert_array_equal(path.lines_[0].get_xdata(), [1.0, 0.1])


def test_paths_without_a_weight_are_drawn(data):
    X, y = data
    for alphas in ([50.0], [50.0, 0.0], [50.0, 50.0]):
        path = skreg.regularization_path(X, y, alphas=alphas)
        RegularizationPathDisplay.from_path(path).figure_.canvas.draw()
    model = skreg.SGDRegularizedRegressorCV(alphas=[0.5, 0.1, 0.0])
    model.fit(X, X[:, 0], X_val=X, y_val=X[:, 0])
    CVCurveDisplay.from_estimator(model).figure_.canvas.draw()


def test_an_alpha_of_zero_that_is_best_has_no_line(data):
    model = skreg.SGDRegularizedRegressorCV(alphas=[5.0, 4.0, 0.0], l1_ratio=[0.5, 0.5])
    model.fit(*data)
    assert model.alpha_ == 0.0
    assert CVCurveDisplay.from_estimator(model).best_line_ is None
    for display in (CVCurveDisplay, RegularizationPathDisplay):
        with pytest.raises(ValueError, match="above 0 to be drawn"):
            display.from_estimator(model.set_params(alphas=[0.0]).fit(*data))
        display.from_estimator(model.set_params(alphas=[1.0]).fit(*data))


def test_each_class_has_a_path(data):
    X, y = data
    labels = np.digitize(y, [-2.0, 2.0])
    model = skreg.SGDRegularizedClassifierCV(alphas=5, cv=3).fit(X, labels)
    display = RegularizationPathDisplay.from_estimator(model, output=2)
    assert_array_equal(display.coefs, model.coef_path_[2])
    assert CVCurveDisplay.from_estimator(model).ax_.get_ylabel() == "minus the mean loss"
    model.set_params(scoring="accuracy").fit(X, labels)
    assert CVCurveDisplay.from_estimator(model).ax_.get_ylabel() == "accuracy"
    with pytest.raises(ValueError, match="output must be one of"):
        RegularizationPathDisplay.from_estimator(model)


@pytest.mark.parametrize("against", ["alpha", "l1_norm"])
def test_sparse_paths_look_like_dense_ones(data, against):
    X, y = data
    model = skreg.SGDRegularizedRegressorCV(alphas=9, store_path="sparse").fit(X, y)
    lines = [
        RegularizationPathDisplay.from_estimator(
            model.set_params(store_path=form).fit(X, y), against=against
        ).lines_
        for form in ("sparse", "dense")
    ]
    for one, two in zip(*lines, strict=True):
        assert_array_equal(one.get_xydata(), two.get_xydata())
    with pytest.raises(ValueError, match="store_path"):
        RegularizationPathDisplay.from_estimator(
            model.set_params(store_path=None).fit(X, y)
        )


def test_folds_that_were_left_out_are_not_drawn(rng):
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 2
    y[:20] = 0
    folds = [(np.arange(20), np.arange(20, 60))]
    folds += [(np.arange(k, 60, 2), np.arange(1 - k, 60, 2)) for k in (0, 1)]
    y[20:40] = rng.integers(2, size=20)
    with pytest.warns(UserWarning, match="1 of 3 folds are left out"):
        model = skreg.SGDRegularizedClassifierCV(alphas=9, cv=folds).fit(X, y)
    display = CVCurveDisplay.from_estimator(model)
    assert np.isfinite(display.line_.get_ydata()).all()


def test_paths_without_a_search_and_names(data):
    path = skreg.regularization_path(*data, n_alphas=10)
    names = ["a", "b", "c", "d", "e"]
    display = RegularizationPathDisplay.from_path(path, feature_names=names)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert set(texts) <= set(names)
    with pytest.raises(ValueError, match="against"):
        display.plot(against="time")


def test_matplotlib_is_asked_for_by_name(data, monkeypatch):
    path = skreg.regularization_path(*data, n_alphas=3)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="matplotlib"):
        RegularizationPathDisplay.from_path(path)


def test_a_pipeline_shows_its_last_step(data):
    pd = pytest.importorskip("pandas")
    X, y = data
    frame = pd.DataFrame(X, columns=list("abcde"))
    search = skreg.SGDRegularizedRegressorCV(alphas=5, cv=2)
    for rows, names in ((frame, list("abcde")), (X, ["x0", "x1", "x2", "x3", "x4"])):
        pipeline = make_pipeline(StandardScaler(), search).fit(rows, y)
        nested = make_pipeline("passthrough", pipeline)
        for estimator in (pipeline, nested):
            display = RegularizationPathDisplay.from_estimator(estimator)
            assert_array_equal(display.coefs, search.coef_path_)
            assert list(display.feature_names) == names
            CVCurveDisplay.from_estimator(estimator)
    selected = make_pipeline(SelectKBest(f_regression, k=2), search).fit(frame, y)
    names = RegularizationPathDisplay.from_estimator(selected).feature_names
    assert list(names) == ["a", "b"]
    nameless = make_pipeline(FunctionTransformer(), search).fit(X, y)
    assert RegularizationPathDisplay.from_estimator(nameless).feature_names is None
    alone = make_pipeline(search).fit(frame, y)
    names = RegularizationPathDisplay.from_estimator(alone).feature_names
    assert list(names) == list("abcde")


def test_other_estimators_are_not_drawn(data):
    plain = skreg.SGDRegularizedRegressor().fit(*data)
    for display in (RegularizationPathDisplay, CVCurveDisplay):
        for estimator in (plain, make_pipeline(StandardScaler(), plain).fit(*data)):
            with pytest.raises(TypeError, match="not from SGDRegularizedRegressor"):
                display.from_estimator(estimator)
        with pytest.raises(NotFittedError):
            display.from_estimator(make_pipeline(skreg.SGDRegularizedRegressorCV()))


def test_displays_are_at_hand_without_matplotlib():
    """An import of the package is enough, and loads nothing that only plots need."""
    code = "import sys, skreg; skreg.plotting.CVCurveDisplay; print(*sys.modules)"
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert loaded.returncode == 0, loaded.stderr
    assert "matplotlib" not in loaded.stdout.split()
    assert skreg.plotting.CVCurveDisplay is CVCurveDisplay
    assert "plotting" in dir(skreg)
