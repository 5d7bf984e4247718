"""What is wrong in a case file: one line that names file and array, exit status 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cases import make_case
from tests.cli.conftest import Command
from tests.conftest import Folders
from tests.tiny import Tiny, make

CASES: list[tuple[str, str, str, Any, tuple[str, ...]]] = [
    ("no canvas", "plain", "canvas", None, ("canvas: is missing",)),
    ("a canvas too wide", "plain", "canvas", np.zeros((4, 17), np.int64), ("canvas: has shape [4, 17]", "C is 16")),
    (
        "steps apart",
        "plain",
        "uniform",
        np.zeros((5, 16), np.float32),
        ("uniform: has shape [5, 16]", "T is 4 (canvas)"),
    ),
    ("no steps", "plain", "temperature", np.float64(0.5), ("temperature: has shape [], expected [T]",)),
    (
        "types apart",
        "plain",
        "token_types",
        np.zeros(3, np.int64),
        ("token_types: has shape [3]", "S is 20 (input_ids)"),
    ),
    ("floats as ids", "plain", "input_ids", np.zeros(20), ("input_ids: holds float64, expected whole numbers",)),
    ("beyond the vocabulary", "plain", "input_ids", np.full(20, 97), ("input_ids: holds ids outside 0 … 96",)),
    ("chunks too short", "plain", "chunks", np.array([3]), ("chunks: must be positive and sum to 20",)),
    ("chunks that wrap", "plain", "chunks", np.array([2**62] * 4 + [20]), ("chunks: must be positive",)),
    ("uniform of one", "plain", "uniform", np.full((4, 16), 1 - 1e-12), ("uniform: must lie in [0, 1)",)),
    ("a cold step", "plain", "temperature", np.zeros(4), ("temperature: must lie in",)),
    ("an infinite bound", "plain", "entropy_bound", np.float64(np.inf), ("entropy_bound: holds NaN, infinity",)),
    ("half a pin", "plain", "pin", np.zeros(16, np.bool_), ("pin_ids: is missing", "come together")),
    ("nothing to draw", "plain", "disallowed_ids", np.arange(97), ("disallowed_ids: leaves no token",)),
    ("an unknown mask", "plain", "vision_mask", np.array("gemma5"), ("vision_mask: 'gemma5' is none of",)),
    ("pictures for the blind", "plain", "token_types", np.ones(20, np.int64), ("patches: is missing",)),
    ("no pictures", "images", "patches", None, ("patches: is missing: patches and patch_positions come together",)),
    ("a picture off the grid", "images", "patch_positions", 24, ("patch_positions: must lie in 0 … 23",)),
    ("cells in pieces", "images", "patch_positions", -1, ("patch_positions: ",)),
    ("an image cut", "images", "chunks", "in the image", ("chunks: a chunk ends at token", "inside the image")),
]


@pytest.mark.parametrize(("name", "field", "value", "said"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_case_file(
    name: str, field: str, value: Any, said: tuple[str, ...], exported: Folders, tmp_path: Path, dgemma: Command
) -> None:
    from dgemma_ros.checkpoint.config import load_config

    case = make_case(load_config(exported(name)), 3, images=int(name == "images"))
    if value is None:
        del case[field]
    elif isinstance(value, int):
        case[field][0, 0] = value
    elif isinstance(value, str):
        inside = int(np.flatnonzero(case["token_types"])[1])
        case[field] = np.array([inside, len(case["input_ids"]) - inside])
    else:
        case[field] = value
    file = tmp_path / "case.npz"
    np.savez(file, **case)
    mistake = dgemma("replay", "--model", exported(name), file, "--out", tmp_path / "out.npz").mistake
    assert mistake.startswith(f"dgemma: {file}: ")
    assert all(part in mistake for part in said), mistake
    assert [path.name for path in tmp_path.iterdir()] == ["case.npz"]


@pytest.mark.parametrize("room", [10, 30])
def test_a_prompt_beyond_the_context(room: int, tmp_path: Path, dgemma: Command) -> None:
    """Of 20 tokens, where there is room for 10; or for the prompt, but not for a canvas behind it."""
    folder = make(
        tmp_path / "checkpoint", Tiny(layers="SF", positions=room, canvas=10 if room == 10 else 16, vision=None)
    )
    from dgemma_ros.checkpoint.config import load_config

    file = tmp_path / "case.npz"
    np.savez(file, **make_case(load_config(folder), 0))
    mistake = dgemma("replay", "--model", folder, file, "--out", tmp_path / "out.npz").mistake
    what = "the prompt of 20 tokens" if room == 10 else "a canvas of 16 tokens"
    assert f"{file}: {what} does not fit" in mistake and "max_position_embeddings" in mistake


@pytest.mark.parametrize(
    "content", [b"", b"no zip", b"PK\x03\x04" + bytes(50), b"\x93NUMPY\x01\x00", "pickle", "one array", "huge"]
)
def test_what_is_no_case_file(content: bytes | str, exported: Folders, tmp_path: Path, dgemma: Command) -> None:
    file = tmp_path / "case.npz"
    if content == "pickle":
        np.savez(file, input_ids=np.array([object()], object))
    elif content == "one array":
        with file.open("wb") as stream:
            np.save(stream, np.zeros(3))
    elif content == "huge":
        import zipfile

        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000, 1000), }"
        with zipfile.ZipFile(file, "w") as archive:
            length = (len(header) + 1).to_bytes(2, "little")
            archive.writestr("canvas.npy", b"\x93NUMPY\x01\x00" + length + header + b"\n")
    else:
        assert isinstance(content, bytes)
        file.write_bytes(content)
    mistake = dgemma("replay", "--model", exported("plain"), file, "--out", tmp_path / "out.npz").mistake
    assert mistake.startswith(f"dgemma: {file}: ")
    assert not (tmp_path / "out.npz").exists()


def test_a_case_that_is_not_there(exported: Folders, tmp_path: Path, dgemma: Command) -> None:
    absent = tmp_path / "absent.npz"
    arguments = ("replay", "--model", exported("plain"), absent, "--out", tmp_path / "out.npz")
    assert dgemma(*arguments).mistake == f"dgemma: {absent}: no such file"
    assert "it is a folder" in dgemma(*arguments[:3], tmp_path, *arguments[4:]).mistake.lower()
