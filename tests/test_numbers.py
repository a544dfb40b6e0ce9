import datetime
import decimal
import fractions

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skreg.data.numbers import as_numbers, check_columns, check_finite, is_missing

pd = pytest.importorskip("pandas")


def with_object(value):
    array = np.ones((3, 2), dtype=object)
    array[1, 0] = value
    return array


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([[1.0, 2.0]], np.float64),
        (((1, 2), (3, 4)), np.float64),
        ([True, False], np.float64),
        (np.float16([1.5]), np.float64),
        (np.float32([1.5]), np.float32),
        (np.array([1.5], ">f4"), np.float32),
        (np.array([1.5], ">f8"), np.float64),
        (np.array([1.5], np.longdouble), np.float64),
        (np.array([1], ">i2"), np.float64),
        (np.uint64([2**63]), np.float64),
        (with_object(2), np.float64),
        (with_object(True), np.float64),
        (with_object(decimal.Decimal("1.5")), np.float64),
        (with_object(fractions.Fraction(1, 4)), np.float64),
        (np.ma.masked_array([1.0, 2.0]), np.float64),
        (np.ma.masked_array([1.0, 2.0], mask=[False, False]), np.float64),
        (pd.Series([1, 2], dtype="Int64"), np.float64),
        (pd.Series([1, 2], dtype="category"), np.float64),
    ],
)
def test_numbers_become_floats(values, dtype):
    numbers = as_numbers(values, "X")
    assert type(numbers) is np.ndarray
    assert numbers.dtype == dtype
    assert numbers.dtype.isnative
    assert_array_equal(numbers, np.asarray(values).astype(dtype))


def test_floats_are_not_copied():
    for dtype in (np.float64, np.float32):
        array = np.ones((3, 2), dtype)
        assert np.shares_memory(as_numbers(array, "X"), array)


MASKED = np.ma.masked_array(np.ones((3, 2)), mask=np.eye(3, 2))
DAYS = np.arange(4).reshape(2, 2)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (DAYS.astype("M8[D]"), "dates .datetime64.D"),
        (DAYS.astype("M8[ns]"), "dates"),
        (DAYS.astype("m8[s]"), "durations .timedelta64.s"),
        ([[datetime.date(2020, 1, 1)]], "dates .date"),
        ([[datetime.datetime(2020, 1, 1)]], "dates"),
        (with_object(np.datetime64("2020")), "dates"),
        (with_object(pd.Timestamp("2020")), "dates .Timestamp"),
        (with_object(np.timedelta64(3, "D")), "durations"),
        (with_object(datetime.timedelta(3)), "durations"),
        (pd.Series(pd.date_range("2020", periods=2, tz="UTC")), "dates"),
        (["1.5", "2"], "text"),
        ([b"1.5"], "text"),
        ([["1.5", 2.0]], "text"),
        (np.array(["1.5"], dtype=object), "text .str., such as '1.5'"),
        (with_object("a"), "text"),
        (with_object(b"1"), "text"),
        (pd.Series(["1", "2"], dtype="category"), "text"),
        ([1j], "Complex data not supported"),
        (with_object(1j), "Complex data not supported"),
        (np.zeros(3, dtype=[("a", "f8")]), "records"),
        (MASKED, "is a masked array"),
        (list(MASKED), "is a masked array"),
        (tuple(MASKED), "is a masked array"),
        (sparse.eye(3), "is a sparse matrix"),
        (with_object(10**400), "int too large"),
        ([[1, 2], [3]], "cannot be read as an array"),
    ],
)
def test_what_is_no_number_is_refused_by_name(values, words):
    with pytest.raises(ValueError, match=f"^sample_weight .*{words}"):
        as_numbers(values, "sample_weight")


def test_long_texts_are_cut():
    for values in (["a" * 1000], np.array(["a" * 1000], dtype=object)):
        with pytest.raises(ValueError, match="text") as info:
            as_numbers(values, "X")
        assert len(str(info.value)) < 150


@pytest.mark.parametrize("value", [{}, object(), pd.Period("2020")])
def test_other_objects_are_named(value):
    kind = type(value).__name__
    with pytest.raises(TypeError, match=f"^y holds what is no number: .*{kind}"):
        as_numbers(with_object(value), "y")


@pytest.mark.parametrize("value", [None, np.nan, float("nan"), np.float32("nan"), pd.NA])
def test_missing_values_are_nan(value):
    assert is_missing(value)
    assert np.isnan(as_numbers(with_object(value), "X")[1, 0])
    assert not any(is_missing(other) for other in (0, 0.0, "", False, np.inf))


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (["u", "v"], "text"),
        (["1", "2"], "text"),
        (pd.Series(["u", "v"], dtype="string"), "text"),
        (pd.Series(["u", "v"], dtype="category"), "text"),
        (pd.date_range("2020", periods=2), "dates"),
        (pd.date_range("2020", periods=2, tz="UTC"), "dates"),
        (pd.timedelta_range("1D", periods=2), "durations"),
        ([1j, 2j], "complex"),
        (pd.Series([1, pd.NA], dtype=object), "NaN"),
    ],
)
def test_columns_are_named(column, words):
    frame = pd.DataFrame({"age": [1.0, 2.0], "b": 1}).assign(when=column)
    with pytest.raises(ValueError, match=f"column 'when' of X.*{words}"):
        check_columns(frame, "X")


def test_columns_of_numbers_are_fine():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [True, False]})
    frame["c"] = pd.Series([1, 2], dtype="Int64")
    frame["d"] = pd.Series([1, 2], dtype="category")
    frame["e"] = pd.Series([1, 2.5], dtype=object)
    frame["f"] = pd.arrays.SparseArray([0.0, 1.0])
    check_columns(frame, "X")
    frame.columns = ["a"] * 6  # twice the same name
    check_columns(frame, "X")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_bad_column_is_named(bad):
    array = np.ones((4, 3))
    array[2, 1] = bad
    frame = pd.DataFrame(array, columns=list("abc"))
    word = "NaN" if np.isnan(bad) else "infinity"
    for values, given, column in (
        (array, array, 1),
        (sparse.csr_matrix(array), None, 1),
        (array, frame, "b"),
    ):
        with pytest.raises(ValueError, match=f"X contains {word}.* column {column!r}"):
            check_finite(values, "X", given)
    check_finite(np.full(3, 1e308), "y")  # the sum overflows, no number does
