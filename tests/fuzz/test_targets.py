"""Mutated inputs for every parser: an answer or one line of refusal, within a second and little memory.

``make test`` runs each for moments; ``make fuzz SECONDS=60`` for as long as it says.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dgemma_ros.errors import DgemmaError
from tests.fuzz.targets import SEEDS, TARGETS

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0.7"))
SEED = int(os.environ.get("FUZZ_SEED", "0")) or None
LONGEST = 10.0
"""Seconds that one input may take, on a machine that is busy otherwise."""
MEMORY = 1 << 20
"""KiB by which the process may have grown at the end."""
TOKENS = [
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b"\0",
    b"\xff",
    b"-",
    b"1e999",
    b"9" * 400,
    b"null",
    b"true",
    b"*a",
    b"&a",
    b"\\u",
]


def mutated(draw: random.Random, seed: bytes) -> bytes:
    """A few edits of a valid input: bytes changed, cut, doubled, moved, or a token put in."""
    content = bytearray(seed)
    for _ in range(draw.choice([0, 1, 1, 2, 4, 16])):
        at, end = sorted(draw.randrange(len(content) + 1) for _ in range(2))
        edit = draw.randrange(6)
        if edit == 0 and content:
            content[min(at, len(content) - 1)] ^= 1 << draw.randrange(8)
        elif edit == 1:
            del content[at:end]
        elif edit == 2 and len(content) < 1 << 20:
            content[at:at] = content[at:end] * draw.choice([1, 2, 50])
        elif edit == 3:
            content[at:at] = draw.choice(TOKENS) * draw.choice([1, 1, 3, 2000])
        elif edit == 4:
            content[at : at + 4] = draw.randbytes(4)
        else:
            content[at:end] = draw.randbytes(min(end - at, 64))
    return bytes(content)


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise AssertionError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", TARGETS)
def test_any_input_is_taken_or_refused_in_a_line(name: str, tmp_path: Path) -> None:
    seed = SEED if SEED is not None else random.randrange(1 << 32) if SECONDS > 1 else 1
    draw = random.Random(f"{name} {seed}")
    folder, done = tmp_path / "input", 0
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end = time.monotonic() + SECONDS
    while time.monotonic() < end or done < 20:
        content = mutated(draw, draw.choice(SEEDS[name]))
        folder.mkdir()
        try:
            with alarm(LONGEST):
                TARGETS[name](content, folder)
        except DgemmaError as error:
            assert "\n" not in str(error) and len(str(error)) < 2000, error
        except BaseException:
            (tmp_path / "crash").write_bytes(content)
            print(f"{name}, FUZZ_SEED={seed}, input number {done}: {tmp_path / 'crash'}: {content[:200]!r}")
            raise
        finally:
            shutil.rmtree(folder)
        done += 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown < MEMORY
