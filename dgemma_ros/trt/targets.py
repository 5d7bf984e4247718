"""Target recipes: what an engine is built for, one small YAML file each, read from the installed package."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Final

from dgemma_ros.checkpoint.fields import shown
from dgemma_ros.errors import BackendError
from dgemma_ros.installed import share
from dgemma_ros.trt.builder_flags import AUTO
from dgemma_ros.yaml_files import read_yaml

DTYPES: Final = ("bfloat16", "float16", "float32")
EXPERTS: Final = ("plugins", "dense")
ATTENTION: Final = ("plugin", "tensorrt")


@dataclass(frozen=True)
class Target:
    """One recipe. Sizes are in tokens where nothing else is said; lists ascend."""

    name: str
    device: str
    """For people, and a part of the name that the driver gives the GPU is in ``device_names``."""
    device_names: tuple[str, ...]
    architecture: int
    """Compute capability, as in sm_<architecture>."""
    tensorrt: tuple[tuple[int, int], ...]
    """The oldest supported release of each major version: (major, minor); later minors of that major will do."""
    bandwidth: float
    """Bytes a second that the maker states for the memory."""
    memory: float
    """Bytes that the device has."""
    memory_limit: float
    """Bytes that a session may take; what is left is perception's."""
    dtype: str
    """Type of weights, matrix products and cache. Router, norms and statistics are float32 in any case."""
    workspace: int
    """Bytes of scratch memory that a layer may ask for while TensorRT chooses its kernels."""
    context_buckets: tuple[int, ...]
    """Rows of the full layers' cache; an engine has kernels for each."""
    window_buckets: tuple[int, ...]
    """Rows of the sliding layers' cache: the window, slack and the largest chunk."""
    prefill_rows: tuple[int, int]
    """The usual and the largest number of rows that are encoded at once; an image is never cut."""
    image_tokens: tuple[int, int]
    """The usual and the largest number of soft tokens of one picture."""
    allowed_sets: int
    """The most sets of allowed tokens that one canvas may have."""
    optimization_level: int
    """TensorRT's, 0 (quick to build) to 5."""
    experts: str = "plugins"
    """``plugins``: four kernels of our own over the experts' weights as the checkpoint stores them, bfloat16 or NVFP4,
    bound as inputs of the engine; ``dense``: TensorRT's own products, every expert on every row, in ``dtype`` and
    inside the engine, for comparison."""
    attention: str = "plugin"
    """``plugin``: a kernel of our own that reads what of the cache a row sees; ``tensorrt``: TensorRT's layer over the
    whole capacity with a mask, decomposed where it has no fused kernel."""
    builder_flags: tuple[str, ...] = (AUTO,)
    """For :mod:`dgemma_ros.trt.builder_flags`: ``auto`` is what is known to be needed, all else is handed on."""


def folder() -> Path:
    """Where the recipes lie: in the repository that it is run from, or where the package was installed."""
    return share("engines/targets") or Path("engines/targets")


def names() -> tuple[str, ...]:
    """The recipes' names."""
    return tuple(sorted(file.stem for file in folder().glob("*.yaml")))


def load(name: str) -> Target:
    """The recipe ``name``, or the one in the file ``name``. Raises :class:`BackendError`."""
    file = Path(name) if name.endswith(".yaml") else folder() / f"{name}.yaml"
    if not name.endswith(".yaml") and name not in names():
        raise BackendError(f"no target {shown(name)}; there are {', '.join(names())}, or give a recipe's file")
    values = read_yaml(file, BackendError)
    if not isinstance(values, dict):
        raise BackendError(f"{file}: is no recipe")
    return _checked(file, {"name": file.stem, **values})


def _checked(file: Path, values: dict[str, Any]) -> Target:
    known = {field.name: field.default for field in fields(Target)}
    for name in values:
        if name not in known:
            raise BackendError(f"{file}: {shown(name)} is not a recipe's; there are {', '.join(known)}")
    for name, default in known.items():
        if name not in values and default is MISSING:
            raise BackendError(f"{file}: {name} is missing")
        values.setdefault(name, list(default) if isinstance(default, tuple) else default)

    def check(name: str, good: bool, wanted: str) -> None:
        if not good:
            raise BackendError(f"{file}: {name}: {shown(values[name])} is not {wanted}")

    for name in ("device", "name"):
        check(name, isinstance(values[name], str), "a text")
    for name in ("device_names", "builder_flags"):
        texts = values[name]
        check(name, isinstance(texts, list) and all(isinstance(text, str) for text in texts), "a list of texts")
    releases = values["tensorrt"]
    good = isinstance(releases, list) and releases and all(map(_release, releases))
    check("tensorrt", bool(good), "a list of releases, as [[10, 16], [11, 0]]")
    for name in ("bandwidth", "memory", "memory_limit"):
        check(name, _number(values[name]) and values[name] > 0, "a number above 0")
        values[name] = float(values[name])
    for name, lowest, highest in (
        ("architecture", 80, 200),
        ("workspace", 1, 1 << 40),
        ("allowed_sets", 1, 1 << 16),
        ("optimization_level", 0, 5),
    ):
        check(name, _whole(values[name]) and lowest <= values[name] <= highest, f"a number in {lowest} … {highest}")
    for name, length in (
        ("context_buckets", 0),
        ("window_buckets", 0),
        ("prefill_rows", 2),
        ("image_tokens", 2),
    ):
        value = values[name]
        good = isinstance(value, list) and len(value) >= 1 and all(_whole(item) and item >= 0 for item in value)
        check(name, good and (not length or len(value) == length), f"a list of {length or 'some'} whole numbers")
        check(name, value == sorted(value) and value[0] > 0, "an ascending list")
    check("dtype", values["dtype"] in DTYPES, f"one of {', '.join(DTYPES)}")
    for name, choices in (("experts", EXPERTS), ("attention", ATTENTION)):
        check(name, values[name] in choices, f"one of {', '.join(choices)}")
    check("memory_limit", values["memory_limit"] <= values["memory"], "at most the device's memory")
    return Target(**{name: _frozen(value) for name, value in values.items()})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _release(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_whole, value))


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
