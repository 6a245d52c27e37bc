"""Noise that depends on what is asked and when, never on how often: a hash, not a sequence.

A generator with a state would make a series depend on the rate at which somebody looks at it. Here the
noise of a channel at a moment is a function of (seed, channel, tick), so that the same seed and the
same commands give the same series whoever polls. Mixing function: splitmix64 (Steele, Lea and Flood,
OOPSLA 2014, "Fast splittable pseudorandom number generators").
"""

from math import cos, log, pi, sqrt

_ALL = (1 << 64) - 1


def _mixed(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & _ALL
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _ALL
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _ALL
    return value ^ (value >> 31)


def channel(*names: str) -> int:
    """A number that stands for a name such as ('BR-01', 'temperature'); FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in "\0".join(names).encode():
        value = ((value ^ byte) * 0x100000001B3) & _ALL
    return value


def normal(seed: int, which: int, tick: int) -> float:
    """A draw from the standard normal distribution, always the same for the same three numbers."""
    first = _mixed(_mixed(seed ^ which) ^ (tick & _ALL))
    second = _mixed(first)
    radius = sqrt(-2.0 * log(((first >> 11) + 1) / (1 << 53)))
    return radius * cos(2.0 * pi * (second >> 11) / (1 << 53))
