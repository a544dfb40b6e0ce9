import string

import pytest

from skreg.solvers.messages import WARNINGS, DivergenceError, divergence, remedy
from skreg.solvers.sgd.state import SGDSettings

FIELDS = {
    "last": 2.0, "start": 1.0, "measure": "duality gap", "left": 0.1, "target": 0.01,
    "tol": 1e-3, "loss": "Hinge", "remedy": "Scale the features.",
}  # fmt: skip


@pytest.mark.parametrize("flaw", WARNINGS)
def test_warnings_say_what_is_known_and_what_to_do(flaw):
    names = {name for _, name, *_ in string.Formatter().parse(WARNINGS[flaw]) if name}
    assert names <= FIELDS.keys()
    message = WARNINGS[flaw].format(**FIELDS)
    assert message.endswith(".")
    assert any(word in message for word in ("Raise", "Set", "Use", "Scale"))


@pytest.mark.parametrize(
    ("schedule", "eta0", "advice"),
    [
        ("optimal", None, "raise alpha"),
        ("optimal", 1.0, "raise alpha"),
        ("constant", 1.0, "lower eta0"),
        ("auto", None, "raise max_iter"),
    ],
)
def test_advice_fits_the_steps(schedule, eta0, advice):
    settings = SGDSettings(False, schedule, eta0, 0.5, True, 0, False)
    assert advice in remedy(settings)
    error = divergence(settings)
    assert isinstance(error, DivergenceError)
    assert advice in str(error)
