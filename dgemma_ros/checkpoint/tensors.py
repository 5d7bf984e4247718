"""The weights of a checkpoint, memory-mapped straight from its safetensors files.

A safetensors file is eight bytes of header length, a JSON header (name → type, shape, byte range) and the data. The
reader is our own because every check should name the file and say what to do, and because callers need the byte
ranges themselves: exported graphs refer to weights by file and offset. Nothing is copied and nothing is converted.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Final

import ml_dtypes
import numpy as np
import numpy.typing as npt

from dgemma_ros.checkpoint.fields import Section, parse_json, printable, shown
from dgemma_ros.errors import CheckpointError
from dgemma_ros.files import open_regular

SINGLE_FILE: Final = "model.safetensors"
INDEX_FILE: Final = "model.safetensors.index.json"
MAX_HEADER_BYTES: Final = 100_000_000
"""The format's own limit."""
MAX_RANK: Final = 16

DTYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "F32": np.dtype("<f4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
}
"""The types of the format that a numpy array can show, by their names in the header."""


@dataclass(frozen=True)
class TensorEntry:
    """Where one tensor lies: ``length`` bytes at byte ``offset`` of ``file``, row-major, little-endian."""

    name: str
    file: Path
    offset: int
    length: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """What ``shape`` and ``dtype`` take; equals ``length`` in every entry that a reader has checked."""
        return prod(self.shape) * DTYPES[self.dtype].itemsize


class Tensors:
    """The tensors of one folder by name. Immutable; reading from several threads is safe.

    Each shard is mapped when an array of it is first asked for. A mapping (and its file descriptor) lives as long
    as this object or any array taken from it, and no longer.
    """

    def __init__(self, folder: Path, entries: Mapping[str, TensorEntry], copy: bool = False) -> None:
        """``copy`` reads each shard into memory instead, where a change of the file does not reach."""
        self.folder = folder
        self._copy = copy
        self._entries = dict(entries)
        self._maps: dict[Path, mmap.mmap | bytes] = {}
        self._states: dict[Path, tuple[int, ...]] = {}

    @classmethod
    def open(cls, folder: Path) -> Tensors:
        """Read and check the header of every shard in ``folder``; no weight is touched.

        Raises :class:`CheckpointError` where a shard is missing, truncated or malformed.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise CheckpointError(f"{folder}: no such folder; give the folder that holds config.json and *.safetensors")
        single, index = folder / SINGLE_FILE, folder / INDEX_FILE
        if single.exists():  # the reference looks in this order, too
            return cls(folder, read_header(single))
        if index.exists():
            return cls(folder, _read_index(index))
        raise CheckpointError(f"{folder}: holds neither {SINGLE_FILE} nor {INDEX_FILE}; is the download complete?")

    def names(self) -> tuple[str, ...]:
        """All names, in the order of the files."""
        return tuple(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, name: str) -> TensorEntry:
        """Where ``name`` lies. Raises :class:`CheckpointError` where there is no such tensor."""
        try:
            return self._entries[name]
        except KeyError:
            raise CheckpointError(f"{self.folder}: no tensor {name} in this checkpoint") from None

    def array(self, name: str) -> npt.NDArray[Any]:
        """The tensor as stored: read-only, over the mapped file, bfloat16 and float8 as ml_dtypes' types.

        Not necessarily aligned: the format pads its header only.
        """
        entry = self.entry(name)
        dtype = DTYPES[entry.dtype]
        if not entry.length:
            return np.empty(entry.shape, dtype)
        count = entry.length // dtype.itemsize
        return np.frombuffer(self._mapped(entry.file), dtype, count, entry.offset).reshape(entry.shape)

    def check_unchanged(self) -> None:
        """Raises :class:`CheckpointError` naming the first mapped file that is not as it was when it was mapped.

        A file that is cut short while it is mapped ends the process with SIGBUS at the next read of what is gone;
        asked often, this sees it before, unless the read comes first. Safe from any thread.
        """
        for file, state in list(self._states.items()):
            try:
                now = _state(file.stat())
            except OSError as error:
                raise CheckpointError(f"{file}: is gone since it was opened ({error.strerror or error})") from error
            if now != state:
                raise CheckpointError(f"{file}: was changed or replaced since it was opened; open the model again")

    def _mapped(self, file: Path) -> mmap.mmap | bytes:
        if file not in self._maps:  # two threads may both map it; the loser's mapping dies with its arrays
            with open_regular(file, CheckpointError) as stream:
                try:
                    if self._copy:
                        self._maps[file] = stream.read()
                        return self._maps[file]
                    self._states[file] = _state(os.fstat(stream.fileno()))
                    self._maps[file] = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
                except (OSError, ValueError) as error:
                    raise CheckpointError(f"{file}: cannot be read ({error})") from error
        return self._maps[file]


def _state(stat: os.stat_result) -> tuple[int, ...]:
    """What tells a file from another, and from itself before a write."""
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def read_header(file: Path) -> dict[str, TensorEntry]:
    """The checked entries of one safetensors file, by ascending offset."""
    with open_regular(file, CheckpointError) as stream:
        try:
            size = os.fstat(stream.fileno()).st_size
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or 8 + length > size:
                raise CheckpointError(f"{file}: {size} bytes end inside the header; truncated, download it again")
            if length > MAX_HEADER_BYTES:
                raise CheckpointError(f"{file}: a header of {length} bytes is beyond the format; not safetensors?")
            text = stream.read(length)
        except OSError as error:
            raise CheckpointError(f"{file}: cannot be read ({error.strerror or error})") from error
    header = parse_json(text, f"{file}: the header is", unique=True)
    if not isinstance(header, dict):
        raise CheckpointError(f"{file}: the header is not a JSON object; download it again")
    header.pop("__metadata__", None)
    start = 8 + length
    root = Section(file, header)
    entries = sorted((_read_entry(root.section(name), name) for name in header), key=lambda e: (e.offset, e.length))
    _check_cover(file, entries, size - start)
    return {entry.name: replace(entry, offset=start + entry.offset) for entry in entries}


def _read_entry(section: Section, name: str) -> TensorEntry:
    """One tensor's entry, its offset still counted from the start of the data."""
    dtype = section.string("dtype")
    if dtype not in DTYPES:
        section.fail("dtype", f"{shown(dtype)} is not supported; known are {', '.join(DTYPES)}")
    shape = whole_numbers(section, "shape")
    if len(shape) > MAX_RANK:
        section.fail("shape", f"{len(shape)} dimensions are more than {MAX_RANK}")
    offsets = whole_numbers(section, "data_offsets")
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        section.fail("data_offsets", f"{shown(list(offsets))} is not a range")
    entry = TensorEntry(name, section.file, offsets[0], offsets[1] - offsets[0], dtype, shape)
    if entry.nbytes != entry.length:
        section.fail("data_offsets", f"{entry.length} bytes, but {dtype} {list(shape)} takes {entry.nbytes}")
    return entry


def whole_numbers(section: Section, key: str) -> tuple[int, ...]:
    """The array ``key`` of numbers ≥ 0: a shape, or a range."""
    values = section.items(key)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
            section.fail(key, f"{shown(value)} is not a whole number ≥ 0")
    return tuple(values)


def _check_cover(file: Path, entries: list[TensorEntry], available: int) -> None:
    """The entries must cover the data without overlap or gap, as the format demands."""
    end = 0
    for entry in entries:
        name = printable(entry.name)
        if entry.offset + entry.length > available:
            raise CheckpointError(
                f"{file}: {name} ends at data byte {entry.offset + entry.length}, "
                f"but the file has {available}; truncated, download it again"
            )
        if entry.offset != end:
            problem = "overlaps the tensor before it" if entry.offset < end else "leaves a gap before it"
            raise CheckpointError(f"{file}: {name}: data_offsets: {problem}; download the file again")
        end += entry.length
    if end != available:
        raise CheckpointError(f"{file}: {available - end} bytes behind the last tensor; download the file again")


def _read_index(index: Path) -> dict[str, TensorEntry]:
    table = Section.of_file(index).section("weight_map")
    shards = {name: table.string(name) for name in table.values}
    headers: dict[str, dict[str, TensorEntry]] = {}
    for name, shard in shards.items():
        if shard in headers:
            continue
        # A name from the outside must not lead out of the folder. (Links may: the hub's cache is made of them.)
        if not shard.isprintable() or Path(shard).name != shard or "\\" in shard or not shard.endswith(".safetensors"):
            table.fail(name, f"{shown(shard)} is not the name of a safetensors file in this folder")
        path = index.parent / shard
        if not path.exists():
            raise CheckpointError(f"{path}: missing, but {index.name} names it; is the download complete?")
        headers[shard] = read_header(path)
    for name, shard in shards.items():
        if name not in headers[shard]:
            missing = printable(name)
            raise CheckpointError(f"{index.parent / shard}: {missing} is missing, but {index.name} says it is here")
    return {name: headers[shard][name] for name, shard in shards.items()}
