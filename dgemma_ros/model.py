"""The one place that puts a model together: folder in, something that can be asked out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from dgemma_ros.checkpoint.chat import ChatTemplate
from dgemma_ros.checkpoint.config import GenerationConfig, ModelConfig, load_config, load_generation_config, media_ids
from dgemma_ros.checkpoint.fields import Section, shown
from dgemma_ros.checkpoint.tensors import Tensors
from dgemma_ros.checkpoint.tokenizer import Tokenizer
from dgemma_ros.checkpoint.trial import try_out
from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.errors import BackendError, CheckpointError, ContextError
from dgemma_ros.graphs import manifest
from dgemma_ros.graphs.export import DTYPES, GRAPHS_FORMAT, first_layers
from dgemma_ros.graphs.export_cache import cached_export
from dgemma_ros.images.preparation import ImagePreparation
from dgemma_ros.runtime import rotary
from dgemma_ros.runtime.contract import Array, Bools, Floats, Ints, Session
from dgemma_ros.runtime.ort_session import OrtSession
from dgemma_ros.runtime.sequence import Sequence
from dgemma_ros.runtime.visibility import VisionMask
from dgemma_ros.trt import session as trt_session

THREADS_A_CORE = 8
"""More threads than that only wait for one another, and each takes memory."""


@dataclass(frozen=True)
class Model:
    """A model ready to run. Tokenizer, template and image preparation are read when first asked for.

    Reading these is thread-safe; the session is not.
    """

    folder: Path
    config: ModelConfig
    generation: GenerationConfig
    session: Session
    dtype: str = "float32"
    """The type in which the graphs bind weights and multiply matrices."""
    weights: Weights | None = field(default=None, repr=False)

    def check_weights(self) -> None:
        """Raises :class:`CheckpointError` where a file of the weights was changed, cut or replaced since it was opened.

        By size, time and place of the files, so it costs little and may be asked every second, from any thread. Copied
        weights never change.
        """
        if self.weights is not None:
            self.weights.tensors.check_unchanged()

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, tried where it can be ended. Raises :class:`TokenizerError`."""
        try_out(self.folder)
        return Tokenizer.load(self.folder, self.config.text.vocab_size)

    @cached_property
    def chat(self) -> ChatTemplate:
        """The chat template over the tokenizer. Raises :class:`TokenizerError`."""
        return ChatTemplate.load(self.folder, self.tokenizer)

    @cached_property
    def images(self) -> ImagePreparation:
        """How the checkpoint wants its pictures prepared."""
        return ImagePreparation.load(self.folder)

    @cached_property
    def allowed(self) -> Bools:
        """bool [1, V]: all tokens but those of media, which the model must never draw."""
        allowed = np.ones((1, self.config.text.vocab_size), np.bool_)
        allowed[0, list(media_ids(self.folder, self.config))] = False
        return allowed

    def sequence(self, vision_mask: VisionMask = VisionMask.TRANSFORMERS) -> Sequence:
        """An empty sequence."""
        return Sequence(self.session, vision_mask)

    def soft_tokens(self, patches: Floats, positions: Ints) -> Floats:
        """The soft tokens [n, H] of one picture: ``patches`` [P, 3·patch²] in 0 … 1, ``positions`` [P, 2] (x, y).

        Patches at position -1 are padding and left out. Raises :class:`ContextError` where the patches do not fill
        whole pooling cells, or the model has no vision tower.
        """
        vision = self.config.vision
        if vision is None:
            raise ContextError(
                "this model has no vision tower (config.json has no vision_config), so it takes no images"
            )
        real = (positions >= 0).all(-1)
        patches, positions = patches[real], positions[real]
        order = self._by_cell(positions, vision.pooling, vision.position_table)
        feeds: dict[str, Array] = {"patches": patches[order], "positions": positions[order]}
        return self.session.soft_tokens(feeds | rotary.vision_tables(vision, positions[order]))

    @staticmethod
    def _by_cell(positions: Ints, pooling: int, table: int) -> Ints:
        """The order of patches in which those of one pooling cell stand together, cells row by row."""
        if not len(positions) or positions.max() >= table:
            raise ContextError(f"patch_positions: must hold patches, at columns and rows below {table}")
        columns = (positions[:, 0].max() + 1) // pooling
        cells = positions[:, 0] // pooling + columns * (positions[:, 1] // pooling)
        counts = np.bincount(cells)
        if (counts != pooling**2).any():
            raise ContextError(
                f"patch_positions: the picture is not made of whole cells of {pooling} × {pooling} patches"
            )
        return np.argsort(cells, kind="stable")


@dataclass(frozen=True)
class Excerpt:
    """A model's first ``layers`` text layers in ``dtype``: what is small enough to be run twice and compared."""

    layers: int
    dtype: str = "float32"
    engines: bool = False
    """Whether engines that were built of just these layers may run it; else ONNX Runtime does."""


def open_model(
    folder: Path | str,
    device: str = "cpu",
    threads: int = 0,
    on_progress: Callable[[str], None] | None = None,
    excerpt: Excerpt | None = None,
    copy_weights: bool = False,
) -> Model:
    """Opens a checkpoint, or what ``dgemma export`` or ``dgemma build`` made of one.

    What was built runs on its engines, whatever ``device`` and ``threads`` say. A bare checkpoint is exported to the
    user's cache first, which takes a second, and so is an ``excerpt``. ``device``: ``cpu`` or ``cuda``; ``threads``: of
    the CPU, 0 for all. ``copy_weights`` reads the weights into memory, where nobody can change them any more; else
    they are mapped, and pages are shared and read when first used. Raises :class:`CheckpointError`,
    :class:`BackendError` or :class:`ExportError`.
    """
    folder = _existing(Path(folder))
    if threads > (most := THREADS_A_CORE * (os.cpu_count() or 1)):
        raise BackendError(f"threads: {threads} are too many for this machine's {os.cpu_count()} cores; at most {most}")
    exported = folder
    listed = _checked(folder) if (folder / manifest.MANIFEST_FILE).exists() else None
    on_engines = listed is not None and trt_session.is_built(folder) and _on_engines(folder, listed, excerpt)
    if listed is None or (excerpt is not None and not on_engines):
        source = folder if listed is None else listed.checkpoint
        dtype, layers = (Model.dtype, None) if excerpt is None else (excerpt.dtype, excerpt.layers)
        exported = cached_export(source, dtype, layers, on_progress)
        listed = _checked(exported)
    config, dtype = _described(exported, listed)
    entries = {name: record.entry for name, record in listed.tensors.items()}
    weights = Weights(Tensors(listed.checkpoint, entries, copy_weights), config)
    weights.check()
    session: Session
    if on_engines:
        session = trt_session.open_session(exported, config, weights)
    else:
        session = OrtSession(exported, config, weights, threads, device)
    # All else is read from the folder that was given: what is said of a file there should name it there.
    return Model(folder, config, load_generation_config(folder, config), session, dtype, weights)


def _on_engines(folder: Path, listed: manifest.Manifest, excerpt: Excerpt | None) -> bool:
    """Whether a built folder's engines run what is asked for."""
    if excerpt is None or not excerpt.engines:
        return excerpt is None
    if listed.settings.get("layers") != excerpt.layers:
        raise BackendError(
            f"{folder}: the engines are of the whole model, which has no golden cases; to compare its first layers, "
            f"`dgemma build {listed.checkpoint} --target … --layers {excerpt.layers} --out …` and verify that"
        )
    return True


def described(folder: Path) -> tuple[ModelConfig, str]:
    """What :func:`open_model` would open, without opening it: its configuration, and the type of its graphs."""
    if not (_existing(folder) / manifest.MANIFEST_FILE).exists():
        return load_config(folder), Model.dtype
    return _described(folder, manifest.load(folder))


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder; give a checkpoint, or what `dgemma export` wrote")
    return folder


def _checked(exported: Path) -> manifest.Manifest:
    """The manifest of an exported folder whose graphs we can run and whose weights are still those of the export."""
    listed = manifest.load(exported)
    if (found := listed.settings.get("graphs")) != GRAPHS_FORMAT:
        raise CheckpointError(
            f"{exported / manifest.MANIFEST_FILE}: graphs of format {found}, but this version runs {GRAPHS_FORMAT}; "
            "export the checkpoint again"
        )
    manifest.verify(listed)
    manifest.check_files(exported, listed)
    return listed


def _described(exported: Path, listed: manifest.Manifest) -> tuple[ModelConfig, str]:
    config = load_config(exported)
    settings = Section(exported / manifest.MANIFEST_FILE, listed.settings, "settings")
    if "layers" in settings:
        config = first_layers(config, settings.integer("layers", 1, len(config.text.layers)))
    if (dtype := settings.string("dtype", Model.dtype)) not in DTYPES:
        raise CheckpointError(f"{exported / manifest.MANIFEST_FILE}: settings.dtype: {shown(dtype)} is not known")
    return config, str(dtype)
