"""What users are told of a fit that did not end well."""


class DivergenceError(ValueError):
    """The steps were too large for the data."""


def divergence(settings):
    """Return the error of steps that were too large."""
    return DivergenceError(
        "The weights diverged: the steps are too large for the scale of the features. "
        + remedy(settings)
    )


def remedy(settings):
    """Return the sentence that says what to do against steps that are too large."""
    scale = "Scale the features (StandardScaler, MaxAbsScaler)"
    if settings.schedule == "optimal":
        return (
            f"{scale}, raise alpha, by which learning_rate='optimal' divides its steps, or "
            "use learning_rate='auto'."
        )
    if settings.eta0 is not None:
        return f"{scale}, lower eta0, or leave eta0=None, which reads steps from the rows."
    return f"{scale} or the rows (Normalizer), or raise max_iter."


# Why the weights may not be good enough: see `Monitor._flaw`.
WARNINGS = {
    "separated": (
        "the weights still grow: a plane separates the classes, and without a penalty the "
        "log loss then has no minimum. Set penalty='l2' or 'l1' and an alpha above 0."
    ),
    "noise": (
        "the objective is {last:.4g}, more than the {start:.4g} it started from: it is "
        "noise. The best weights seen are returned. {remedy}"
    ),
    "worse": (
        "the objective is {last:.4g}, more than the {start:.4g} it started from: the steps "
        "are too large. {remedy}"
    ),
    "kink": (
        "the {measure} is {left:.3g}, above the target {target:.3g}. {loss} has a kink, "
        "near which plain steps gain little. Use solver='auto' in proximal mode, which "
        "solves such losses exactly, or raise tol."
    ),
    "stuck": (
        "no step lowers the objective any more, with a {measure} of {left:.3g} above the "
        "target {target:.3g}. Raise tol, or scale the features (StandardScaler, "
        "MaxAbsScaler)."
    ),
    "small steps": (
        "learning_rate='adaptive' has made the steps too small to matter, with a {measure} "
        "of {left:.3g} above the target {target:.3g}. Raise n_iter_no_change, so that they "
        "fall later."
    ),
    "max_iter": (
        "the {measure} is {left:.3g}, above the target {target:.3g} (tol={tol:g} times the "
        "objective of the intercept-only model). Raise max_iter or tol, or scale the "
        "features."
    ),
}
STILL_RISING = (
    "The validation score was still rising after max_iter={max_iter} epochs. "
    "Raise max_iter."
)
