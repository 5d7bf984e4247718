"""RowStats and CanvasUpdate as TensorRT plugins: quickly deployable, with ahead-of-time PTX.

A built engine carries the PTX and needs neither this module nor Python. The parser finds a plugin by the name, the
namespace and the version that the graphs' calls carry. TensorRT hands a kernel its inputs, then some int32 numbers,
then its outputs: the numbers are the model's own constants, so that the nodes need no attribute of ours.
"""

# No postponed annotations here: tensorrt.plugin reads those of the functions as objects.
# mypy: disable-error-code="untyped-decorator"
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Tuple, Union  # noqa: UP035 (tensorrt.plugin compares with these)

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.errors import BackendError
from dgemma_ros.graphs.builder import DOMAIN, PLUGIN
from dgemma_ros.graphs.diffusion import CANVAS_UPDATE_INPUTS, CANVAS_UPDATE_OUTPUTS, ROW_STATS_INPUTS, cdf_blocks
from dgemma_ros.trt import kernels

ROW_STATS: Final = "DGemmaRowStats"
CANVAS_UPDATE: Final = "DGemmaCanvasUpdate"
NAMES: Final = (ROW_STATS, CANVAS_UPDATE)
ATTRIBUTES: Final = {**PLUGIN, "aot": 1}
"""What a node carries that TensorRT's parser shall take as one of these."""
THREADS: Final = 512
_ENTRY: Final = {"FLOAT": "dgemma_row_stats_f32", "HALF": "dgemma_row_stats_f16", "BF16": "dgemma_row_stats_bf16"}


@dataclass(frozen=True)
class Sizes:
    """A model's constants that its kernels are launched with. Raises :class:`BackendError` where one is too large."""

    vocab: int
    softcap: float
    canvas_length: int

    def __post_init__(self) -> None:
        blocks, _ = cdf_blocks(self.vocab)
        if blocks > kernels.MAX_BLOCKS:
            raise BackendError(f"a vocabulary of {self.vocab} has {blocks} blocks; RowStats takes {kernels.MAX_BLOCKS}")
        if self.canvas_length > kernels.MAX_CANVAS:
            raise BackendError(f"a canvas of {self.canvas_length} is too long; CanvasUpdate takes {kernels.MAX_CANVAS}")

    @classmethod
    def of(cls, config: ModelConfig) -> "Sizes":
        """Those of a model."""
        return cls(config.text.vocab_size, config.text.softcap, config.canvas_length)


@dataclass
class _Registered:
    """What the plugins are compiled for. TensorRT registers a name once a process, and calls back for each build."""

    sizes: Sizes
    ptx: Callable[[str], bytes]


_registered: _Registered | None = None


def register(sizes: Sizes, architecture: int) -> None:
    """Makes both plugins known to TensorRT, for the next builds in this process. Not thread-safe."""
    global _registered
    known = _registered is not None
    _registered = _Registered(sizes, lambda name: kernels.ptx(name, architecture))
    if not known:
        _define()


def _current() -> _Registered:
    assert _registered is not None
    return _registered


def _define() -> None:
    import tensorrt as trt
    import tensorrt.plugin as trtp

    def tensor(shape: tuple[Any, ...], dtype: Any) -> Any:
        return trtp.from_shape_expr(trtp.ShapeExprs.from_tuple(shape), dtype=dtype)

    def numbers(*values: Any) -> Any:
        return trtp.SymIntExprs.from_tuple(tuple(trtp.SymInt32(value) for value in values))

    @trtp.register(f"{DOMAIN}::{ROW_STATS}")
    def row_stats(
        over_cap: trtp.TensorDesc,
        temperature: trtp.TensorDesc,
        uniform: trtp.TensorDesc,
        allowed: trtp.TensorDesc,
        allowed_row: trtp.TensorDesc,
    ) -> Tuple[trtp.TensorDesc, trtp.TensorDesc, trtp.TensorDesc, trtp.TensorDesc, trtp.TensorDesc]:  # noqa: UP006
        rows = over_cap.shape_expr[0]
        tokens, floats = trt.DataType.INT64, trt.DataType.FLOAT
        return (
            tensor((rows,), tokens),
            tensor((rows,), tokens),
            tensor((rows,), floats),
            tensor((rows, 1), floats),
            tensor((rows, 1), floats),
        )

    @trtp.aot_impl(f"{DOMAIN}::{ROW_STATS}")
    def row_stats_kernel(
        over_cap: trtp.TensorDesc,
        temperature: trtp.TensorDesc,
        uniform: trtp.TensorDesc,
        allowed: trtp.TensorDesc,
        allowed_row: trtp.TensorDesc,
        outputs: Tuple[trtp.TensorDesc],  # noqa: UP006
        tactic: int,
    ) -> Tuple[Union[str, bytes], Union[str, bytes], trtp.KernelLaunchParams, trtp.SymIntExprs]:  # noqa: UP006, UP007
        if (entry := _ENTRY.get(over_cap.dtype.name)) is None:
            raise BackendError(f"RowStats takes logits in {', '.join(_ENTRY)}, not {over_cap.dtype.name}")
        sizes = _current().sizes
        launch = trtp.KernelLaunchParams(grid_x=over_cap.shape_expr[0], block_x=THREADS)
        softcap = struct.unpack("i", struct.pack("f", sizes.softcap))[0]
        extra = numbers(sizes.vocab, *cdf_blocks(sizes.vocab), allowed_row.shape_expr[0], softcap)
        return entry, _current().ptx(kernels.ROW_STATS), launch, extra

    @trtp.register(f"{DOMAIN}::{CANVAS_UPDATE}")
    def canvas_update(
        argmax: trtp.TensorDesc,
        drawn: trtp.TensorDesc,
        entropy: trtp.TensorDesc,
        random_tokens: trtp.TensorDesc,
        entropy_bound: trtp.TensorDesc,
        pin: trtp.TensorDesc,
        pin_ids: trtp.TensorDesc,
    ) -> Tuple[  # noqa: UP006
        trtp.TensorDesc,
        trtp.TensorDesc,
        trtp.TensorDesc,
        trtp.TensorDesc,
        trtp.TensorDesc,
        trtp.TensorDesc,
    ]:
        rows = argmax.shape_expr[0]
        tokens, floats = trt.DataType.INT64, trt.DataType.FLOAT
        shapes = {"mean_entropy": 1}
        types = {"entropy_out": floats, "accepted": trt.DataType.BOOL, "mean_entropy": floats}
        return tuple(tensor((shapes.get(name, rows),), types.get(name, tokens)) for name in CANVAS_UPDATE_OUTPUTS)

    @trtp.aot_impl(f"{DOMAIN}::{CANVAS_UPDATE}")
    def canvas_update_kernel(
        argmax: trtp.TensorDesc,
        drawn: trtp.TensorDesc,
        entropy: trtp.TensorDesc,
        random_tokens: trtp.TensorDesc,
        entropy_bound: trtp.TensorDesc,
        pin: trtp.TensorDesc,
        pin_ids: trtp.TensorDesc,
        outputs: Tuple[trtp.TensorDesc],  # noqa: UP006
        tactic: int,
    ) -> Tuple[Union[str, bytes], Union[str, bytes], trtp.KernelLaunchParams, trtp.SymIntExprs]:  # noqa: UP006, UP007
        length = _current().sizes.canvas_length
        launch = trtp.KernelLaunchParams(grid_x=1, block_x=-(-length // 32) * 32)
        return "dgemma_canvas_update", _current().ptx(kernels.CANVAS_UPDATE), launch, numbers(length)


INPUTS: Final = {ROW_STATS: ROW_STATS_INPUTS, CANVAS_UPDATE: CANVAS_UPDATE_INPUTS}
"""Each plugin's inputs, in the order of the graphs' calls; a test holds the functions above to them."""
