"""The released 26B configuration: its graphs are written, checked and counted, with weights that are only holes."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from math import prod
from pathlib import Path

import onnx
import pytest

from dgemma_ros.checkpoint.config import load_config, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.checkpoint.traffic import step_traffic
from dgemma_ros.checkpoint.weights import expected_shapes

CONFIG = Path(__file__).parents[1] / "data" / "config-26b.json"
GIB = 1 << 30


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose model.safetensors has the right header, the right length and no data: a sparse file."""
    folder = tmp_path_factory.mktemp("released") / "diffusiongemma"
    folder.mkdir()
    shutil.copyfile(CONFIG, folder / "config.json")
    header, offset = {}, 0
    for name, shape in expected_shapes(load_config(folder)).items():
        length = 2 * prod(shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, offset + length]}
        offset += length
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + offset)
    assert offset > 51e9
    return folder


def test_export_takes_seconds_and_no_memory(checkpoint: Path, tmp_path: Path) -> None:
    """The bounds are the requirement's (60 s, 2 GiB); it takes about one second and 60 MB."""
    code = (
        "import resource, sys; from pathlib import Path; from dgemma_ros.graphs.export import export;"
        "export(Path(sys.argv[1]), Path(sys.argv[2]), 'bfloat16');"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    )
    out = tmp_path / "exported"
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, str(checkpoint), str(out)], capture_output=True, text=True, timeout=120, check=True
    )
    assert time.monotonic() - start < 60
    assert int(done.stdout) < 2 * GIB
    assert sum(file.stat().st_size for file in out.iterdir()) < 4 << 20
    for file in sorted(out.glob("*.onnx")):
        onnx.checker.check_model(str(file))
        model = onnx.load(file, load_external_data=False)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < 4 * GIB


def test_bytes_read_in_a_step() -> None:
    """MODEL.md's figures for NVFP4 experts and bfloat16 for the rest."""
    config = read_config(Section.of_file(CONFIG))
    traffic = step_traffic(config, experts="nvfp4")
    assert traffic.experts / 1e9 == pytest.approx(12.85, abs=0.01)
    assert traffic.dense / 1e9 == pytest.approx(3.35, abs=0.05)
    assert traffic.embedding / 1e9 == pytest.approx(2.95, abs=0.01)
    assert traffic.total / 1e9 == pytest.approx(19.2, abs=0.1)


def test_a_short_canvas_reads_no_more_experts_than_it_can_be_routed_to() -> None:
    config = read_config(Section.of_file(CONFIG))
    whole = step_traffic(config)
    for length, share in ((256, 1), (16, 1), (4, 4 * 8 / 128), (1, 8 / 128)):
        traffic = step_traffic(replace(config, canvas_length=length))
        assert traffic.experts == share * whole.experts and traffic.dense == whole.dense


def test_bytes_of_the_cache() -> None:
    config = read_config(Section.of_file(CONFIG))
    long, window = step_traffic(config, 262_144).cache, step_traffic(config, config.text.sliding_window - 1).cache
    full = 20_480  # bytes a token of the five full layers
    assert window == pytest.approx((full + 204_800) * 1023)
    assert long == pytest.approx(full * 262_144 + 204_800 * 1023)
    assert full * 262_144 / 1e9 == pytest.approx(5.37, abs=0.01)
