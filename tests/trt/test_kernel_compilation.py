"""The CUDA kernels compiled for every architecture: no spill, and no more instructions a logit than counted on."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dgemma_ros.errors import BackendError
from dgemma_ros.trt import kernels
from dgemma_ros.trt.key_kernels import THREADS

BLOCKS = {
    kernels.ROW_STATS: (3, 512),
    kernels.CANVAS_UPDATE: (1, kernels.MAX_CANVAS),
    kernels.TURN_KEYS: (6, THREADS),
    kernels.ROUTE: (4, 1024),
    kernels.EXPERTS: (4, 128),
    kernels.ATTENTION: (11, 256),
}
"""Of each source: its entry points, and the most threads a block."""


def hold_report(name: str, report: str) -> None:
    """ptxas's report: no stack and no spills, registers enough for a block, shared memory that needs no permission."""
    frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", report)
    registers = re.findall(r"Used (\d+) registers", report)
    entries, threads = BLOCKS[name]
    assert len(frames) == len(registers) == entries, report
    assert all(frame == ("0", "0", "0") for frame in frames), report
    assert "warning" not in report
    assert all(int(used) * threads <= 65536 for used in registers), report
    assert all(int(used) <= 48 << 10 for used in re.findall(r"(\d+) bytes smem", report)), report


# `make test` brings NVRTC where it runs; elsewhere this skips by name.
@pytest.mark.skipif(kernels.nvrtc() is None, reason="NVRTC is not installed (pip install nvidia-cuda-nvrtc)")
@pytest.mark.parametrize("architecture", kernels.ARCHITECTURES)
@pytest.mark.parametrize("name", list(kernels.SOURCES))
def test_nvrtc_needs_no_header_and_spills_nothing(name: str, architecture: int) -> None:
    text = kernels.ptx(name, architecture).decode()
    assert f".target sm_{architecture}" in text
    assert f".entry dgemma_{name}" in text
    source = kernels.SOURCES[name].read_bytes()
    hold_report(name, kernels.by_nvrtc(name, source, f"sm_{architecture}", "--ptxas-options=-v")[1])


def basic_blocks(entry: str) -> Iterator[list[str]]:
    """The straight pieces of an entry point's PTX."""
    block: list[str] = []
    for line in map(str.strip, entry.splitlines()):
        if line.startswith("$L"):
            yield block
            block = []
        elif line.endswith(";") and not line.startswith("."):
            block.append(line)
            if re.match(r"(@!?%p\d+ )?bra", line):
                yield block
                block = []
    yield block


@pytest.mark.skipif(kernels.nvrtc() is None, reason="NVRTC is not installed (pip install nvidia-cuda-nvrtc)")
@pytest.mark.parametrize("architecture", kernels.ARCHITECTURES)
def test_instructions_a_logit(architecture: int) -> None:
    """Of RowStats' loop, where no lane raises the reference: what scales a vector of logits, and what weighs it."""
    text = kernels.ptx(kernels.ROW_STATS, architecture).decode()
    budget = 20
    for kind, vector in {"f32": 4, "f16": 8, "bf16": 8}.items():
        entry = text.split(f".entry dgemma_row_stats_{kind}(")[1].split(".entry ")[0]
        blocks = list(basic_blocks(entry))

        def count(block: list[str], operation: str) -> int:
            return sum(operation in line for line in block)

        scaling = [len(b) for b in blocks if count(b, "rcp.approx") == vector and count(b, "ld.global")]
        weighing = [len(b) for b in blocks if count(b, "ex2.approx") == vector and not count(b, "rcp.approx")]
        assert scaling and weighing, kind
        # The loop is unrolled, and a piece may hold the next one's beginning: their means.
        spent = sum(scaling) / len(scaling) + sum(weighing) / len(weighing)
        assert spent <= budget * vector, (kind, scaling, weighing)


@pytest.mark.skipif(kernels.find_nvcc() is None, reason="nvcc is not installed")
@pytest.mark.parametrize("architecture", kernels.ARCHITECTURES)
@pytest.mark.parametrize("name", list(kernels.SOURCES))
def test_nvcc_spills_nothing(name: str, architecture: int, tmp_path: Path) -> None:
    command = [str(kernels.find_nvcc()), "-cubin", f"-arch=sm_{architecture}", "-Xptxas", "-v", *kernels.OPTIONS]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "out"), str(kernels.SOURCES[name])], capture_output=True, text=True, check=True
    )
    hold_report(name, done.stderr + done.stdout)


@pytest.mark.skipif(kernels.find_nvcc() is None, reason="nvcc is not installed")
def test_ptx_by_nvcc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "nvrtc", lambda: None)
    assert b".entry dgemma_canvas_update" in kernels.ptx(kernels.CANVAS_UPDATE, 120)
    with pytest.raises(BackendError, match="for sm_7:"):
        kernels.ptx(kernels.CANVAS_UPDATE, 7)


def test_no_compiler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "nvrtc", lambda: None)
    monkeypatch.setattr(kernels, "find_nvcc", lambda: None)
    with pytest.raises(BackendError, match="nvidia-cuda-nvrtc"):
        kernels.ptx(kernels.ROW_STATS, 120)
