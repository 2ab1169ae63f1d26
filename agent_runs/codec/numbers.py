"""Numbers of other libraries, and which numbers PostgreSQL can store."""

from decimal import Decimal
from numbers import Real
from operator import index
from typing import Any, Final

from agent_runs.signal_safety import reraise_from_signal_handler

# PostgreSQL's `numeric`, and therefore its JSONB, stores at most so many digits before and after the decimal point.
MAX_DIGITS: Final = 131_072
_MAX_DECIMALS: Final = 16_383

# The types that convert scalars of numpy to numbers, by the letter that numpy has for a kind of scalars.
_TYPES_BY_LETTER: Final[dict[str, type[float]]] = {"b": bool, "i": int, "u": int, "f": float}
_number_types: Final[dict[type, type[float] | None]] = {float: float}


def number_type(kind: type) -> type[float] | None:
    """Return the type of number that the objects of a type are, or None.

    It is known of `float` and of numpy's scalars, which a payload may have by the thousand.
    """
    if kind in _number_types or kind.__module__ != "numpy":
        return _number_types.get(kind)
    try:
        number = _TYPES_BY_LETTER.get(kind().dtype.kind)
    except Exception as error:  # noqa: BLE001  # another class of numpy, which needs arguments
        reraise_from_signal_handler(error)
        number = None
    _number_types[kind] = number
    return number


def number_of(value: Any, kind: type) -> float | None:
    """Return the number that an object is, such as a scalar of numpy or a tensor without dimensions, or None.

    A tensor has a method `item`, other integers have `__index__`, and other real numbers are registered as such. An
    array of one item has both methods, but its `shape` is not empty; a masked one has a `mask`.
    """
    if (convert := number_type(kind)) is not None:
        return convert(value)
    try:
        if getattr(value, "shape", ()) != () or getattr(value, "mask", False):
            return None
        if not hasattr(kind, "item"):
            return _real_number(value, kind)
        number: Any = value.item()
        # The integer of numpy's `datetime64` and `timedelta64` is a number of nanoseconds.
        is_time = getattr(getattr(value, "dtype", None), "kind", None) in ("m", "M")
        return None if is_time or type(number) not in (int, float, bool) else number
    except Exception as error:  # noqa: BLE001  # an object of another kind, with an `item` of its own
        reraise_from_signal_handler(error)
        return None


def _real_number(value: Any, kind: type) -> float | None:
    if hasattr(kind, "__index__"):
        return index(value)
    if hasattr(kind, "__float__"):
        return float(value) if issubclass(kind, Real) else None
    number = value.value if kind.__module__ == "ctypes" else None
    return number if type(number) in (int, float, bool) else None


def fits_numeric(value: Decimal) -> bool:
    """Whether PostgreSQL's `numeric`, and so its JSONB, can store the number."""
    return value.is_finite() and value.adjusted() < MAX_DIGITS and -_exponent(value) <= _MAX_DECIMALS


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0  # NaN and infinities have a letter as their exponent
