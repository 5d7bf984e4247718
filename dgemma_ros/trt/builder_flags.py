"""Flags for passes of TensorRT's compiler, without which it has been seen to compute garbage in silence.

Users of this model family got fluent nonsense from engines that built without a word (TensorRT-Edge-LLM issues 105,
151, 164); one was traced to the horizontal fusion of products that read the same rows at batch 1, which is our batch.
NVIDIA's own builder for language models therefore sets an environment variable, ``__LUNOWUD``, by version and
architecture (TensorRT-Edge-LLM, ``applyCompileWorkarounds``). These are its conditions. The variable is read when an
engine is built, so it is set around a build and nowhere else, and what it was is said in ``engine.json``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

VARIABLE: Final = "__LUNOWUD"
AUTO: Final = "auto"
"""In a recipe: what is known to be needed for this TensorRT and this architecture."""


@dataclass(frozen=True)
class Flag:
    """One flag, from which release on (and up to which, exclusively) it is needed, and for which architectures."""

    text: str
    reason: str
    since: tuple[int, int]
    before: tuple[int, int] = (99, 0)
    architecture: int = 0

    def needed(self, version: tuple[int, int], architecture: int) -> bool:
        """Whether a build by this release for sm_<architecture> wants it."""
        return self.since <= version < self.before and architecture >= self.architecture


FLAGS: Final = (
    Flag("-peep:fc_h_fusion=off", "products that read the same rows, fused at batch 1, computed garbage", (10, 13)),
    Flag("-mlir:autotune:num_threads=1", "tuning by several threads did not repeat", (10, 15)),
    Flag("-mlir:collective:fp4=off", "four-bit collectives", (10, 15)),
    Flag("-cask_fusion:async_policy=1", "asynchronous fused kernels", (10, 15)),
    Flag("-peep:match_dual_gemm=off", "two products matched as one", (11, 0), architecture=100),
    Flag("-kgen:codegen:cuda_tile=0", "CUDA Tile gave NaN for blocks of zeros", (11, 1)),
)


def release(version: str) -> tuple[int, int]:
    """Major and minor number of ``10.16.2.0``."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return major, minor


def known(version: str, architecture: int) -> tuple[str, ...]:
    """What is known to be needed for a release and sm_<architecture>."""
    return tuple(flag.text for flag in FLAGS if flag.needed(release(version), architecture))


def chosen(asked: Sequence[str], version: str, architecture: int, inherited: str = "") -> str:
    """The variable's value: what the caller's environment has, then a recipe's ``asked``, ``auto`` resolved.

    A flag that the environment sets already stands as it is there, whatever its value.
    """
    flags = inherited.split()
    wanted = [flag for one in asked for flag in (known(version, architecture) if one == AUTO else tuple(one.split()))]
    for flag in wanted:
        if not any(_key(flag) == _key(there) for there in flags):
            flags.append(flag)
    return " ".join(flags)


def missing(value: str, version: str, architecture: int) -> tuple[str, ...]:
    """Flags known to be needed that ``value`` has not, or sets otherwise."""
    return tuple(flag for flag in known(version, architecture) if flag not in value.split())


@contextmanager
def applied(value: str) -> Iterator[None]:
    """The variable set to ``value`` inside. The environment is the process's: one build at a time."""
    before = os.environ.get(VARIABLE)
    if value:
        os.environ[VARIABLE] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


def _key(flag: str) -> str:
    return flag.partition("=")[0]
