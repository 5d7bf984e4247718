"""The reference's rotary frequencies, bit for bit.

At position 100000 one unit in the last place of a frequency near 1 turns an angle by 0.008 radians, which moves
logits visibly. So the float32 power must round as the reference's does: torch runs SLEEF's ``powf`` (1.0 ulp, not
correctly rounded) on whole vectors and the C library's on what is left over. Below is that algorithm with numpy's
float32: logarithm and exponential of double floats (a rounded value and its remainder).
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Pair: TypeAlias = tuple[Floats, Floats]

_F: Final = np.float32
_LN2: Final = (_F(0.69314718246459960938), _F(-1.904654323148236017e-09))
_LN2_BY_EXPONENT: Final = (_F(-0.693145751953125), _F(-1.428606765330187045e-06))
_LOG_POLYNOMIAL: Final = (
    _F(0.240320354700088500976562),
    _F(0.285112679004669189453125),
    _F(0.400007992982864379882812),
)
_LOG_CUBIC: Final = (_F(0.66666662693023681640625), _F(3.69183861259614332084311e-09))
_EXP_POLYNOMIAL: Final = (
    _F(0.00136324646882712841033936),
    _F(0.00836596917361021041870117),
    _F(0.0416710823774337768554688),
    _F(0.166665524244308471679688),
    _F(0.499999850988388061523438),
)
_BLOCK: Final = 32
"""torch takes two vectors of 16 floats at a time, and single floats for the rest (AVX-512; AVX2 takes 2 × 8)."""


def inverse_powers(theta: float, denominator: int, count: int) -> Floats:
    """``1 / theta ** (2 i / denominator)`` in float32 for i = 0 … count-1, shape [count]."""
    exponents = np.arange(0, 2 * count, 2).astype(np.float32) / _F(denominator)
    whole = count // _BLOCK * _BLOCK
    powers = np.power(np.float64(_F(theta)), exponents.astype(np.float64)).astype(np.float32)
    powers[:whole] = _exp(_times(_log(np.full(whole, theta, np.float32)), exponents[:whole]))
    return _F(1.0) / powers


def _log(value: Floats) -> Pair:
    exponent = np.frexp(value * _F(1 / 0.75))[1] - 1
    mantissa = np.ldexp(value, -exponent).astype(np.float32)
    one = np.ones_like(mantissa)
    x = _quotient(_sum(-one, mantissa), _sum(one, mantissa))
    x2 = _square(x)
    t = _horner(_LOG_POLYNOMIAL, x2[0])
    cubic = _add_exact(_times(x2, t), (_LOG_CUBIC[0] * one, _LOG_CUBIC[1] * one))
    result = _times((_LN2[0] * one, _LN2[1] * one), exponent.astype(np.float32))
    result = _add(result, (x[0] * _F(2), x[1] * _F(2)))
    return _add(result, _product(_product(x2, x), cubic))


def _exp(value: Pair) -> Floats:
    exponent = np.rint((value[0] + value[1]) * _F(1.4426950408889634))
    rest = value
    for part in _LN2_BY_EXPONENT:
        high, low = _sum(rest[0], exponent * part)
        rest = high, low + rest[1]
    high = rest[0] + rest[1]
    rest = high, (rest[0] - high) + rest[1]
    series = _add_exact(rest, _times(_square(rest), _horner(_EXP_POLYNOMIAL, rest[0])))
    total = _add((np.ones_like(high), np.zeros_like(high)), series)
    power: Floats = np.ldexp(total[0] + total[1], exponent.astype(np.int32)).astype(np.float32)
    return power


def _fma(a: Floats, b: Floats, c: Floats | np.float32) -> Floats:
    """a·b + c rounded once: a product of two float32 is exact in float64."""
    return (a.astype(np.float64) * b.astype(np.float64) + np.float64(c)).astype(np.float32)


def _horner(coefficients: tuple[np.float32, ...], x: Floats) -> Floats:
    result = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        result = _fma(result, x, coefficient)
    return result


def _sum(a: Floats, b: Floats) -> Pair:
    """a + b and what rounding lost."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _add_exact(a: Pair, b: Pair) -> Pair:
    high, low = _sum(a[0], b[0])
    return high, low + (a[1] + b[1])


def _add(a: Pair, b: Pair) -> Pair:
    """a + b where |a| ≥ |b|."""
    high = a[0] + b[0]
    return high, (((a[0] - high) + b[0]) + a[1]) + b[1]


def _product(a: Pair, b: Pair) -> Pair:
    high = a[0] * b[0]
    return high, _fma(a[0], b[1], _fma(a[1], b[0], _fma(a[0], b[0], -high)))


def _times(a: Pair, b: Floats) -> Pair:
    high = a[0] * b
    return high, _fma(a[1], b, _fma(a[0], b, -high))


def _square(a: Pair) -> Pair:
    high = a[0] * a[0]
    return high, _fma(a[0] + a[0], a[1], _fma(a[0], a[0], -high))


def _quotient(a: Pair, b: Pair) -> Pair:
    reciprocal = _F(1.0) / b[0]
    high = a[0] * reciprocal
    slip = _fma(reciprocal, a[0], -high)
    error = _fma(-b[1], reciprocal, _fma(-b[0], reciprocal, _F(1.0)))
    return high, _fma(high, error, _fma(a[1], reciprocal, slip))
