"""Exports of bare checkpoints in the user's cache: made when first opened, removed when nothing can open them."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from dgemma_ros.errors import CheckpointError, ExportError
from dgemma_ros.graphs import manifest
from dgemma_ros.graphs.export import export

KEPT: Final = 7 * 86400.0
"""Seconds since it was last opened, after which an export that fits no checkpoint is removed."""


def cache_folder() -> Path:
    """Where exports of bare checkpoints are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dgemma_ros" / "exports"


def cached_export(
    checkpoint: Path,
    dtype: str = "float32",
    layers: int | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Path:
    """The export of a bare checkpoint, made where it is missing or no longer fits; arguments as those of ``export``.

    Several processes may ask at once. Raises :class:`CheckpointError`, or :class:`ExportError` where the cache cannot
    be written.
    """
    out = cache_folder() / _key(checkpoint)
    if layers is not None:
        out = out.with_name(f"{out.name}-first{layers}-{dtype}")
    if (out / manifest.MANIFEST_FILE).exists():
        with suppress(OSError):  # of a cache that can only be read
            os.utime(out / manifest.MANIFEST_FILE)  # when it was last opened
        return out
    try:
        export(checkpoint, out, dtype, on_progress, layers)
    except ExportError as error:
        if not (out / manifest.MANIFEST_FILE).exists():  # else another process was quicker
            raise ExportError(f"{error} (set XDG_CACHE_HOME to a folder that can be written)") from error
    prune_cache()
    return out


def prune_cache(unused: float = KEPT) -> None:
    """Removes exports from the cache that nothing can open any more.

    Those whose checkpoint is gone, or has other files or is exported by other code now; each only where it was not
    opened for ``unused`` seconds, as whoever still runs it may load graphs from it. What is no export of ours stays.
    """
    folders = cache_folder()
    for folder in sorted(folders.iterdir()) if folders.is_dir() else ():
        file = folder / manifest.MANIFEST_FILE
        with suppress(CheckpointError, OSError):
            if folder.is_symlink() or time.time() - file.stat().st_mtime < unused:
                continue
            checkpoint = manifest.origin(folder)
            if checkpoint.is_dir() and folder.name.startswith(_key(checkpoint)):
                continue
            file.unlink()  # first: without it what is left is no export
            shutil.rmtree(folder, ignore_errors=True)


def _key(checkpoint: Path) -> str:
    """Changes with the checkpoint's place and files, and with the code that writes the graphs."""
    state = hashlib.sha256(f"{checkpoint.resolve()}\n".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        state.update(source.read_bytes())
    patterns = ("*.json", "*.jinja", "*.safetensors", "*.yaml", "golden/*.npz")
    for path in sorted(path for pattern in patterns for path in checkpoint.glob(pattern)):
        stat = path.stat()
        state.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return f"{checkpoint.resolve().name}-{state.hexdigest()[:16]}"
