"""The safetensors reader: equal to what was written, and no header gets past it."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.checkpoint.tensors import DTYPES, Tensors, read_header
from dgemma_ros.errors import CheckpointError
from tests.checkpoint_files import write_safetensors
from tests.tiny import TINIES, make, weights


def raw(file: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    """A file with any header at all."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return file


def entry(dtype: str = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, np.uint8, bool])
def test_reads_what_the_official_package_wrote(dtype: Any, tmp_path: Path) -> None:
    values = {
        "b": np.arange(6).reshape(2, 3).astype(dtype),
        "scalar": np.array(1).astype(dtype),
        "empty": np.zeros((0, 4), dtype),
        "a": np.arange(5).astype(dtype),
    }
    write_safetensors(tmp_path / "model.safetensors", values)
    tensors = Tensors.open(tmp_path)
    assert set(tensors.names()) == set(values) == set(tensors) and len(tensors) == 4
    for name, value in values.items():
        array = tensors.array(name)
        assert array.dtype == value.dtype and array.shape == value.shape and array.tobytes() == value.tobytes()
        found = tensors.entry(name)
        assert DTYPES[found.dtype] == value.dtype and found.nbytes == found.length == value.nbytes
        stored = (tmp_path / "model.safetensors").read_bytes()[found.offset : found.offset + found.length]
        assert stored == value.tobytes()


def test_arrays_are_views_that_cannot_be_written(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors", {"a": np.ones(4, np.float32)})
    tensors = Tensors.open(tmp_path)
    first, second = tensors.array("a"), tensors.array("a")
    assert np.shares_memory(first, second) and not first.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 2


def test_shards(tmp_path: Path) -> None:
    folder = make(tmp_path, TINIES["odd_pattern"])
    assert len(list(folder.glob("*.safetensors"))) == 3
    tensors, expected = Tensors.open(folder), weights(TINIES["odd_pattern"])
    assert set(tensors.names()) == set(expected)
    assert all((tensors.array(name) == value).all() for name, value in expected.items())


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (counts its own descriptor, always)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="Linux only")
def test_no_descriptor_outlives_its_arrays(tmp_path: Path) -> None:
    folder = make(tmp_path, TINIES["odd_pattern"])
    gc.collect()
    before = descriptors()
    tensors = Tensors.open(folder)
    assert descriptors() == before  # headers only
    arrays = [tensors.array(name) for name in tensors]
    kept = arrays[0]
    value = kept.copy()
    del tensors, arrays
    gc.collect()
    assert (kept == value).all() and descriptors() <= before + 1
    del kept
    gc.collect()
    assert descriptors() == before


def test_unknown_name(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors", {"a": np.ones(4, np.float32)})
    tensors = Tensors.open(tmp_path)
    assert "b" not in tensors and "a" in tensors
    with pytest.raises(CheckpointError, match="no tensor b"):
        tensors.entry("b")


BROKEN: list[tuple[Any, bytes, str]] = [
    ([], b"", "not a JSON object"),
    (b"{", b"", "not valid JSON"),
    (b"\xff\xff", b"", "not valid JSON"),
    (b"[" * 100_000, b"", "not valid JSON"),
    (b'{"a": 1, "a": 2}', b"", "twice"),
    ({"a": 3}, b"", "not a JSON object"),
    ({"a": {"dtype": "F32"}}, b"", "shape: missing"),
    ({"a": entry("F4")}, bytes(8), "not supported"),
    ({"a": entry(dtype=4)}, bytes(8), "not a string"),  # type: ignore[arg-type]
    ({"a": entry(shape=2)}, bytes(8), "not an array"),
    ({"a": entry(shape=[-2])}, bytes(8), "whole number"),
    ({"a": entry(shape=[True, 2])}, bytes(8), "whole number"),
    ({"a": entry(shape=[2.0])}, bytes(8), "whole number"),
    ({"a": entry(shape=[1] * 17 + [2])}, bytes(8), "dimensions"),
    ({"a": entry(shape=[1 << 62, 1 << 62])}, bytes(8), "takes"),
    ({"a": entry(shape=[3])}, bytes(8), "takes 12"),
    ({"a": entry(offsets=[8, 0])}, bytes(8), "not a range"),
    ({"a": entry(offsets=[0, 8, 8])}, bytes(8), "not a range"),
    ({"a": entry(offsets=[0, "8"])}, bytes(8), "whole number"),
    ({"a": entry(offsets=[0, 8])}, bytes(7), "truncated"),
    ({"a": entry(offsets=[0, 8])}, bytes(9), "behind the last"),
    ({"a": entry(offsets=[4, 12])}, bytes(12), "gap"),
    ({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12), "overlaps"),
    ({"a": entry(), "b": entry()}, bytes(8), "overlaps"),
    ({"a\nb": entry(offsets=[4, 12])}, bytes(12), "gap"),
    ({"a\nb": entry(offsets=[4])}, bytes(12), "not a range"),
]


@pytest.mark.parametrize(("header", "data", "why"), BROKEN)
def test_broken_headers(header: Any, data: bytes, why: str, tmp_path: Path) -> None:
    file = raw(tmp_path / "model.safetensors", header, data)
    with pytest.raises(CheckpointError, match=why) as caught:
        Tensors.open(tmp_path)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("length", "why"), [(100, "truncated"), (1 << 63, "truncated"), (0, "not valid JSON"), (2, "behind the last")]
)
def test_wrong_header_length(length: int, why: str, tmp_path: Path) -> None:
    raw(tmp_path / "model.safetensors", b"{}  ", length=length)
    with pytest.raises(CheckpointError, match=why):
        Tensors.open(tmp_path)


def test_enormous_header(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    with file.open("wb") as stream:
        stream.write((200_000_000).to_bytes(8, "little"))
        stream.truncate(300_000_000)  # sparse
    with pytest.raises(CheckpointError, match="beyond the format"):
        Tensors.open(tmp_path)


def test_metadata_is_not_a_tensor(tmp_path: Path) -> None:
    raw(tmp_path / "model.safetensors", {"__metadata__": {"format": "pt"}, "a": entry()}, bytes(8))
    assert Tensors.open(tmp_path).names() == ("a",)


@given(cut=st.integers(0, 10_000))
def test_a_truncated_file_is_always_noticed(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "whole.safetensors"
    if not file.exists():
        write_safetensors(file, {"a": np.ones((20, 5), np.float32), "b": np.ones(7, np.uint8)})
    content = file.read_bytes()
    short = file.with_name("short.safetensors")
    short.write_bytes(content[: cut % len(content)])
    with pytest.raises(CheckpointError, match=r"short\.safetensors: "):
        read_header(short)


@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_changed_byte_of_the_header_is_read_or_refused(
    place: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "bytes.safetensors"
    write_safetensors(file, {"a": np.ones((20, 5), np.float32), "b": np.ones(7, np.uint8)})
    content = bytearray(file.read_bytes())
    content[place % (len(content) - 407)] = value
    file.write_bytes(content)
    try:
        entries = read_header(file)
    except CheckpointError as error:
        assert "\n" not in str(error)
    else:
        assert sum(found.length for found in entries.values()) == 407


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["F32", "BF16", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "dtype", "shape", "data_offsets"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(header=JSON)
def test_any_json_for_a_header(header: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = raw(tmp_path_factory.getbasetemp() / "any.safetensors", header, bytes(8))
    try:
        read_header(file)
    except CheckpointError as error:
        assert "\n" not in str(error)


def indexed(folder: Path, weight_map: Any) -> Path:
    write_safetensors(folder / "one.safetensors", {"a": np.ones(2, np.float32), "b": np.ones(2, np.float32)})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


def test_index(tmp_path: Path) -> None:
    assert Tensors.open(indexed(tmp_path, {"a": "one.safetensors"})).names() == ("a",)


@pytest.mark.parametrize(
    ("weight_map", "why"),
    [
        ({"a": "two.safetensors"}, "two.safetensors: missing, but model.safetensors.index.json names it"),
        ({"c": "one.safetensors"}, "one.safetensors: c is missing"),
        ({"a": "../one.safetensors"}, "not the name of a safetensors file"),
        ({"a": "/etc/passwd.safetensors"}, "not the name"),
        ({"a": "x/../one.safetensors"}, "not the name"),
        ({"a": "..\\one.safetensors"}, "not the name"),
        ({"a": "one.safetensors\0"}, "not the name"),
        ({"a": "one.bin"}, "not the name"),
        ({"a": ".."}, "not the name"),
        ({"a": ""}, "not the name"),
        ({"a": 1}, "not a string"),
        ([], "not a JSON object"),
        (None, "not a JSON object"),
    ],
)
def test_broken_index(weight_map: Any, why: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=why):
        Tensors.open(indexed(tmp_path, weight_map))


def test_one_truncated_shard(tmp_path: Path) -> None:
    folder = make(tmp_path, TINIES["odd_pattern"])
    shard = sorted(folder.glob("*.safetensors"))[1]
    os.truncate(shard, shard.stat().st_size - 1)
    with pytest.raises(CheckpointError, match=f"{shard.name}: .* truncated, download it again"):
        Tensors.open(folder)


def test_empty_and_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds neither"):
        Tensors.open(tmp_path)
    with pytest.raises(CheckpointError, match="no such folder"):
        Tensors.open(tmp_path / "none")


def test_linked_shards_are_read(tmp_path: Path) -> None:
    """As in the hub's cache, where every file is a link to a blob."""
    blob, folder = tmp_path / "blob", tmp_path / "snapshot"
    write_safetensors(blob, {"a": np.ones(2, np.float32)})
    folder.mkdir()
    (folder / "model.safetensors").symlink_to(blob)
    assert (Tensors.open(folder).array("a") == 1).all()


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 8)


def overwritten(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:-8] + bytes(8))
    os.utime(file, ns=(1, 1))  # whatever the clock's grain is


def replaced(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(file.read_bytes())
    other.replace(file)


@pytest.mark.parametrize("change", [cut, overwritten, replaced, Path.unlink])
def test_a_change_of_mapped_weights_is_noticed(change: Callable[[Path], None], tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    write_safetensors(file, {"a": np.ones(4096, np.float32)})
    mapped = Tensors.open(tmp_path)
    copied = Tensors(tmp_path, {"a": mapped.entry("a")}, copy=True)
    for tensors in (mapped, copied):
        assert (tensors.array("a") == 1).all()
        tensors.check_unchanged()
    change(file)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: (was changed or replaced|is gone)"):
        mapped.check_unchanged()
    copied.check_unchanged()
    assert (copied.array("a") == 1).all()
