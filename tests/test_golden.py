"""Small fits find what they found when `golden.json` was written, on any machine.

The file is written anew, by ``python tests/golden.py --write tests/golden.json``, when a
fit is meant to find something else, and the change says why.
"""

import golden
import pytest

FITS = golden.fits()
KEPT = golden.read(golden.KEPT)


def test_every_fit_is_kept():
    assert [fit.name for fit in FITS] == list(KEPT)


@pytest.mark.parametrize("group", golden.GROUPS)
def test_fits_find_what_they_found(group):
    differing = {}
    for fit in FITS:
        if fit.group == group:
            found, kept = fit.find(), KEPT[fit.name]
            difference = golden.difference(found, kept, ignored=["n_iter"])
            if not difference <= fit.tolerance:
                differing[fit.name] = difference
    assert not differing
