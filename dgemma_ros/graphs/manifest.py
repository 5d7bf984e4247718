"""manifest.json of an exported folder: which bytes of which file each initializer of the graphs is.

Weights stay in the checkpoint's own files. What keeps a graph from being run over other weights is a fingerprint of
each tensor: SHA-256 over its length and up to 16 pages of it, evenly spaced. That reads megabytes of 52 GB. It notices
another checkpoint, another version or a broken download; it is no protection from an attacker, who could change the
bytes between. The copies of the model's small files, config.json first of all, are hashed whole: the graphs and the
tokens mean what these said at export.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from dgemma_ros.checkpoint.fields import Section, shown
from dgemma_ros.checkpoint.tensors import DTYPES, TensorEntry, whole_numbers
from dgemma_ros.errors import CheckpointError, ExportError
from dgemma_ros.files import open_regular

MANIFEST_FILE: Final = "manifest.json"
FORMAT: Final = 2
PAGE: Final = 4096
PAGES: Final = 16
MAX_PATH: Final = 4095
MAX_NAME: Final = 255


@dataclass(frozen=True)
class TensorRecord:
    """One initializer: where it lies, and the fingerprint of what lay there at export."""

    entry: TensorEntry
    fingerprint: str


@dataclass(frozen=True)
class Manifest:
    """The weights of an exported folder. Each file lies in ``checkpoint`` or in the exported folder itself."""

    checkpoint: Path
    tensors: Mapping[str, TensorRecord]
    settings: Mapping[str, Any]
    """What the graphs were written with; JSON values, kept as they are."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Name → SHA-256 of the files in the exported folder that must stay as they are."""


def fingerprint(stream: BinaryIO, offset: int, length: int) -> str:
    """The fingerprint, 64 hexadecimal digits, of ``length`` bytes at ``offset``; short reads change it."""
    digest = hashlib.sha256(length.to_bytes(8, "little"))
    last = max(0, length - PAGE)
    for start in sorted({last * i // (PAGES - 1) for i in range(PAGES)}):
        stream.seek(offset + start)
        digest.update(stream.read(min(PAGE, length)))
    return digest.hexdigest()


def describe(checkpoint: Path, entries: Mapping[str, TensorEntry], settings: Mapping[str, Any]) -> Manifest:
    """The manifest of ``entries`` as their files are now. Raises :class:`CheckpointError` where one cannot be read."""
    prints = _fingerprints(entries)
    tensors = {name: TensorRecord(entry, prints[name]) for name, entry in entries.items()}
    return Manifest(Path(checkpoint).resolve(), tensors, dict(settings))


def hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The SHA-256 of those of the named files that ``folder`` has. Raises :class:`CheckpointError`."""
    found = {}
    for name in names:
        if (file := folder / name).is_file():
            try:
                with open_regular(file, CheckpointError) as stream:
                    found[name] = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError as error:
                raise CheckpointError(f"{file}: cannot be read ({error.strerror or error})") from error
    return found


def check_files(folder: Path, manifest: Manifest) -> None:
    """Raises :class:`CheckpointError` naming the first file of the exported folder that is missing or was changed."""
    now = hashes(folder, manifest.files)
    for name, digest in manifest.files.items():
        if name not in now:
            raise CheckpointError(f"{folder / name}: no such file; it was there at the export; export again")
        if now[name] != digest:
            raise CheckpointError(
                f"{folder / name}: has changed since the export; change it in {manifest.checkpoint} and export again"
            )


def write(folder: Path, manifest: Manifest) -> None:
    """Write ``folder/manifest.json``, whole or not at all. Raises :class:`ExportError`."""
    folder = Path(folder).resolve()
    tensors = {}
    for name, record in manifest.tensors.items():
        # The folder is resolved, never the file itself: in the hub's cache that is a link into a heap of blobs.
        place = record.entry.file.parent.resolve()
        if place not in (folder, manifest.checkpoint):
            raise ExportError(f"{record.entry.file}: {name} lies neither in {manifest.checkpoint} nor in {folder}")
        tensors[name] = {
            "root": "export" if place == folder else "checkpoint",
            "file": record.entry.file.name,
            "offset": record.entry.offset,
            "length": record.entry.length,
            "dtype": record.entry.dtype,
            "shape": list(record.entry.shape),
            "fingerprint": record.fingerprint,
        }
    content = {
        "format": FORMAT,
        "checkpoint": str(manifest.checkpoint),
        "settings": dict(manifest.settings),
        "files": dict(manifest.files),
        "tensors": tensors,
    }
    temporary = folder / f".{MANIFEST_FILE}.{os.getpid()}"
    try:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        temporary.replace(folder / MANIFEST_FILE)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ExportError(f"{folder / MANIFEST_FILE}: cannot be written ({error.strerror or error})") from error


def load(folder: Path, checkpoint: Path | None = None) -> Manifest:
    """The manifest of the exported ``folder``; ``checkpoint`` overrides the place it was exported from.

    Raises :class:`CheckpointError` where it is missing or malformed. The weights are not looked at: see :func:`verify`.
    """
    folder = Path(folder).resolve()
    root = Section.of_file(folder / MANIFEST_FILE, "is this a folder that `dgemma export` wrote?")
    if (version := root.integer("format", 0)) != FORMAT:
        root.fail("format", f"{version} is not {FORMAT}; export the checkpoint again with this version")
    bases = {"checkpoint": (checkpoint or _place(root)).resolve(), "export": folder}
    table = root.section("tensors")
    tensors = {name: _read_record(table.section(name), name, bases) for name in table.values}
    listed = root.section("files")
    files = {name: listed.string(name) for name in listed.values}
    for name in files:
        if Path(name).name != name or name in ("", "..") or "\0" in name or len(name) > MAX_NAME:
            listed.fail(name, "is not the name of a file in this folder")
    return Manifest(bases["checkpoint"], tensors, root.section("settings").values, files)


def _place(root: Section) -> Path:
    """Where the checkpoint lay."""
    place = root.string("checkpoint")
    if "\0" in place or len(place.encode("utf-8", "replace")) > MAX_PATH or max(map(len, place.split("/"))) > MAX_NAME:
        root.fail("checkpoint", f"{shown(place)} is no path")
    return Path(place)


def origin(folder: Path) -> Path:
    """The checkpoint that an export of this or an earlier format was made from. Raises :class:`CheckpointError`."""
    root = Section.of_file(Path(folder) / MANIFEST_FILE)
    root.integer("format", 0)
    root.section("tensors")
    return _place(root)


def _read_record(section: Section, name: str, bases: Mapping[str, Path]) -> TensorRecord:
    base = section.string("root")
    if base not in bases:
        section.fail("root", f"{shown(base)} is neither checkpoint nor export")
    file = section.string("file")
    if Path(file).name != file or file in ("", "..") or "\0" in file or len(file) > MAX_NAME:
        section.fail("file", f"{shown(file)} is not the name of a file in the {base} folder")
    dtype = section.string("dtype")
    if dtype not in DTYPES:
        section.fail("dtype", f"{shown(dtype)} is not known; export the checkpoint again")
    entry = TensorEntry(
        name=name,
        file=bases[base] / file,
        offset=section.integer("offset", 0, 1 << 62),
        length=section.integer("length", 0, 1 << 62),
        dtype=dtype,
        shape=whole_numbers(section, "shape"),
    )
    if entry.nbytes != entry.length:
        section.fail("length", f"{entry.length} bytes, but {dtype} {list(entry.shape)} takes {entry.nbytes}")
    digest = section.string("fingerprint")
    if len(digest) != 64:
        section.fail("fingerprint", "not a SHA-256 in hexadecimal digits")
    return TensorRecord(entry, digest)


def verify(manifest: Manifest) -> None:
    """Check that every tensor's bytes are still those of the export.

    Raises :class:`CheckpointError` naming the first file that is missing or different.
    """
    if not manifest.checkpoint.is_dir():
        raise CheckpointError(f"{manifest.checkpoint}: the checkpoint is gone from where it was exported; export again")
    prints = _fingerprints({name: record.entry for name, record in manifest.tensors.items()})
    for name, record in manifest.tensors.items():
        if prints[name] != record.fingerprint:
            raise CheckpointError(f"{record.entry.file}: {name} has changed since the export; export again")


def relocated(manifest: Manifest, name: str, entry: TensorEntry) -> Manifest:
    """The manifest with ``name`` lying elsewhere, with a fresh fingerprint: for tensors rearranged at build."""
    record = TensorRecord(entry, _fingerprints({name: entry})[name])
    return replace(manifest, tensors={**manifest.tensors, name: record})


def _fingerprints(entries: Mapping[str, TensorEntry]) -> dict[str, str]:
    by_file: dict[Path, list[str]] = {}
    for name, entry in entries.items():
        by_file.setdefault(entry.file, []).append(name)
    result = {}
    for file, names in by_file.items():
        try:
            with open_regular(file, CheckpointError, "export again") as stream:
                for name in names:
                    result[name] = fingerprint(stream, entries[name].offset, entries[name].length)
        except OSError as error:
            raise CheckpointError(f"{file}: cannot be read ({error.strerror or error}); export again") from error
    return result
