"""CRC32C, which Python's library does not have.

A CRC is the remainder of a message, read as a polynomial over GF(2), after division by a constant one. A
long message is halved again and again: the first half times x^m leaves the same remainder as the first half
times (x^m mod P), which has 32 bits only and so can be added to the second half. Python shifts and adds
integers of a million bits quickly. Only the last bits are divided one by one.

Bits are reflected: the lowest bit of an integer is the coefficient of the highest power.
"""

from __future__ import annotations

from functools import cache

_POLYNOMIAL = 0x82F63B78
_ONES = 0xFFFFFFFF
_WIDTH = 32
_SHORT = 128
"""The bits of a message that is no longer halved."""


def crc32c(data: bytes, before: int = 0) -> int:
    """Return the CRC32C of data, after others whose CRC32C is `before`."""
    message = int.from_bytes(data, "little") ^ before ^ _ONES
    bits = 8 * len(data)
    while bits > _SHORT:
        half = (bits - _WIDTH + 1) // 2
        rest = bits - half
        product = _product(message & ((1 << half) - 1), _power(rest))
        message = message >> half ^ product << (rest - half - _WIDTH + 1)
        bits = rest
    return _shift(message, bits) ^ _ONES


def _shift(register: int, bits: int) -> int:
    """Multiply a register by x^bits, modulo P."""
    for _ in range(bits):
        register = register >> 1 ^ (_POLYNOMIAL if register & 1 else 0)
    return register


@cache
def _power(exponent: int) -> int:
    """Return x^exponent modulo P."""
    if exponent < _WIDTH:
        return 1 << (_WIDTH - 1 - exponent)
    half = _power(exponent // 2)
    square = _shift(_product(half, half), _WIDTH - 1)
    return _shift(square, exponent % 2)


def _product(long: int, short: int) -> int:
    """Multiply a polynomial by one of 32 bits."""
    product = 0
    for bit in range(_WIDTH):
        if short >> bit & 1:
            product ^= long << bit
    return product
