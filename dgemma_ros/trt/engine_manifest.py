"""engine.json of a built folder: what its engines are, for which machine, and the hash of each file.

It is checked before an engine is deserialised, because deserialising runs what the file says. A folder that someone
else can write to is as dangerous as a program there: the hashes find damage and mix-ups, not a forger who changes
engine.json, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from dgemma_ros.checkpoint.fields import Section, shown
from dgemma_ros.errors import BackendError, CheckpointError
from dgemma_ros.graphs.manifest import MANIFEST_FILE
from dgemma_ros.trt.device import DeviceInfo
from dgemma_ros.trt.forms import Forms

ENGINE_FILE: Final = "engine.json"
FORMAT: Final = 2
CANVAS, PREFILL, IMAGE, STEP = "canvas", "prefill", "image", "step"
"""What a profile is for: the backbone on a canvas or on a chunk of a prompt; the vision tower; embed and heads."""

Shape = tuple[int | str, ...]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of an engine. ``dtype`` by ONNX's name, in small letters; a text in ``shape`` is a symbol."""

    dtype: str
    shape: Shape


@dataclass(frozen=True)
class ProfileSpec:
    """One optimisation profile: what it is for, and each symbol's smallest, usual and largest value."""

    use: str
    dims: Mapping[str, tuple[int, int, int]]


@dataclass(frozen=True)
class EngineSpec:
    """One engine. ``profiles`` stand in the order in which TensorRT counts them."""

    file: str
    size: int
    sha256: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    profiles: tuple[ProfileSpec, ...]


@dataclass(frozen=True)
class EngineManifest:
    """All of a built folder's engines, and what they fit."""

    tensorrt: str
    gpu: DeviceInfo
    target: Mapping[str, Any]
    """The recipe as it was."""
    checkpoint: str
    """Fingerprint of the weights: SHA-256 over manifest.json."""
    engines: Mapping[str, EngineSpec]
    builder_flags: str
    """The variable of :mod:`dgemma_ros.trt.builder_flags` as it was while they were built."""
    forms: Forms
    """How experts and attention are computed, which may differ from what the recipe asks."""


def sha256(file: Path) -> str:
    """The hash of a file's content, 64 hexadecimal digits. Raises :class:`BackendError` where it cannot be read."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BackendError(f"{file}: cannot be read ({error.strerror or error}); build the engines again") from error


def write(folder: Path, manifest: EngineManifest) -> None:
    """Writes ``folder``/engine.json; the folder itself is made whole or not at all by its builder."""
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1)
    (folder / ENGINE_FILE).write_text(text + "\n", encoding="utf-8")


def load(folder: Path) -> EngineManifest:
    """Reads ``folder``/engine.json. Raises :class:`BackendError` where it is missing or malformed."""
    try:
        root = Section.of_file(folder / ENGINE_FILE, "is this a folder that `dgemma build` wrote?")
        if (version := root.integer("format", 0)) != FORMAT:
            root.fail("format", f"{version} is not {FORMAT}; build the engines again with this version")
        gpu = root.section("gpu")
        info = DeviceInfo(
            gpu.string("name"),
            gpu.integer("architecture", 0),
            gpu.integer("memory", 0, 1 << 62),
            gpu.integer("driver", 0),
            gpu.boolean("integrated", False),
        )
        table = root.section("engines")
        engines = {name: _engine(table.section(name)) for name in table.values}
        target = dict(root.section("target").values)
        flags = root.string("builder_flags")
        made = root.section("forms")
        reasons = tuple(str(reason) for reason in made.items("reasons"))
        forms = Forms(made.string("experts"), made.string("attention"), made.boolean("packed"), reasons)
        return EngineManifest(root.string("tensorrt"), info, target, root.string("checkpoint"), engines, flags, forms)
    except CheckpointError as error:
        raise BackendError(str(error)) from error


def _engine(section: Section) -> EngineSpec:
    file = section.string("file")
    if Path(file).name != file or not file.endswith(".engine"):
        section.fail("file", f"{shown(file)} is not the name of an engine in this folder")
    if len(digest := section.string("sha256")) != 64:
        section.fail("sha256", "not a SHA-256 in hexadecimal digits")
    profiles = []
    for index, value in enumerate(section.items("profiles")):
        use, dims = (value.get("use"), value.get("dims")) if isinstance(value, dict) else (None, None)
        if not isinstance(use, str) or not isinstance(dims, dict) or not all(map(_range, dims.values())):
            section.fail("profiles", f"the one at {index} is malformed")
        profiles.append(ProfileSpec(use, {name: (low, usual, high) for name, (low, usual, high) in dims.items()}))
    return EngineSpec(
        file,
        section.integer("size", 0, 1 << 62),
        digest,
        _tensors(section.section("inputs")),
        _tensors(section.section("outputs")),
        tuple(profiles),
    )


def _tensors(section: Section) -> dict[str, TensorSpec]:
    specs = {}
    for name in section.values:
        one = section.section(name)
        shape = one.items("shape")
        if not all(isinstance(dim, (int, str)) for dim in shape):
            one.fail("shape", f"{shown(shape)} is no shape")
        specs[name] = TensorSpec(one.string("dtype"), tuple(shape))
    return specs


def _range(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(isinstance(item, int) and item >= 0 for item in value)


def check_machine(manifest: EngineManifest, folder: Path, info: DeviceInfo, tensorrt: str) -> None:
    """Raises :class:`BackendError` where the engines were built for another machine than this one."""
    if manifest.tensorrt != tensorrt:
        raise BackendError(
            f"{folder}: built with TensorRT {manifest.tensorrt}, but this machine has {tensorrt}; build again here"
        )
    if (manifest.gpu.architecture, manifest.gpu.name) != (info.architecture, info.name):
        raise BackendError(
            f"{folder}: built for {manifest.gpu.name} (sm_{manifest.gpu.architecture}), but this is {info.name} "
            f"(sm_{info.architecture}); build again here"
        )


def check_weights(manifest: EngineManifest, folder: Path) -> None:
    """Raises :class:`BackendError` where the folder's weights are no longer those that the engines were built of."""
    if sha256(folder / MANIFEST_FILE) != manifest.checkpoint:
        raise BackendError(f"{folder / MANIFEST_FILE}: has changed since the engines were built; build them again")


def check_file(folder: Path, spec: EngineSpec) -> Path:
    """The engine's file, once its size and hash are right. Raises :class:`BackendError`."""
    file = folder / spec.file
    if not file.is_file() or file.stat().st_size != spec.size:
        raise BackendError(f"{file}: missing, or not the file that was built; build the engines again")
    if sha256(file) != spec.sha256:
        raise BackendError(f"{file}: has changed since it was built (SHA-256); it is not loaded; build again")
    return file
