"""The case format under damage: every file is either refused in one line that names it, or can be replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from dgemma_ros.errors import CaseError
from dgemma_ros.model import Model
from dgemma_ros.verification.case import FIELDS, Case, check_case, load_case
from dgemma_ros.verification.replay import replay
from tests.cases import make_case
from tests.conftest import Models

DTYPES = ["?", "i1", "i8", ">i4", "u1", "u8", "f2", "f4", ">f8", "c8", "U3", "S2", "M8[s]", "O"]
EXTREMES = [0, 1, -1, 127, 2**31, 2**62, -(2**63), 2**63 - 1, 0.5, -0.0, 1e-300, 1e300, np.inf, np.nan]
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def model(opened: Models) -> Model:
    return opened("images")


def whole(model: Model, seed: int = 0) -> dict[str, np.ndarray]:
    """A case with everything that a case can have."""
    case = make_case(model.config, seed, images=1, pinned=True, disallowed=True, vision_mask="gemma")
    assert case.keys() == FIELDS.keys()
    return case


@st.composite
def changed(draw: st.DrawFn, case: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Up to three arrays dropped, reshaped, of another type, or with some values put to extremes."""
    case = dict(case)
    for name in draw(st.lists(st.sampled_from(sorted(case)), min_size=1, max_size=3, unique=True)):
        what = draw(st.sampled_from(["drop", "dtype", "shape", "values", "anything"]))
        array = case[name]
        if what == "drop":
            del case[name]
        elif what == "dtype":
            with np.errstate(all="ignore"):
                try:
                    case[name] = array.astype(draw(st.sampled_from(DTYPES)))
                except (ValueError, TypeError):
                    assume(False)
        elif what == "shape":
            case[name] = np.resize(array, draw(stn.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=17)))
        elif what == "values" and array.size and array.dtype.kind in "if":
            flat = array.astype(np.float64 if array.dtype.kind == "f" else np.int64).reshape(-1)
            value = draw(st.sampled_from([v for v in EXTREMES if array.dtype.kind == "f" or isinstance(v, int)]))
            flat[draw(st.integers(0, flat.size - 1))] = value
            case[name] = flat.reshape(array.shape)
        else:
            case[name] = draw(stn.arrays(draw(st.sampled_from(DTYPES[:-1])), draw(stn.array_shapes(max_side=3))))
    return case


def refused_or_replayed(file: Path, model: Model) -> bool:
    try:
        case = load_case(file, model.config)
        out = replay(model, case, with_logits=True, with_cache=True)
    except CaseError as error:
        assert str(error).startswith(f"{file}: ")
        assert str(error).isprintable() and len(str(error)) < 400
        return False
    shape = case["canvas"].shape
    assert all(out[name].shape == shape for name in ("argmax", "drawn", "next_canvas", "accepted", "entropy"))
    assert out["mean_entropy"].shape == out["stop"].shape == shape[:1]
    assert all(np.isfinite(array).all() for array in out.values())
    return True


@quick
@given(data=st.data())
def test_changed_arrays(data: st.DataObject, model: Model, tmp_path: Path) -> None:
    file = tmp_path / "case.npz"
    np.savez(file, **data.draw(changed(whole(model))))
    refused_or_replayed(file, model)


@quick
@given(data=st.data())
def test_changed_bytes(data: st.DataObject, model: Model, tmp_path: Path) -> None:
    """Stored or deflated, bytes overwritten or cut away."""
    file = tmp_path / "case.npz"
    save = data.draw(st.sampled_from([np.savez, np.savez_compressed]))
    save(file, **whole(model))
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    refused_or_replayed(file, model)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    prompt=st.integers(1, 70),
    images=st.integers(0, 3),
    steps=st.integers(0, 3),
    pieces=st.integers(1, 6),
    flags=st.tuples(st.booleans(), st.booleans()),
    mask=st.sampled_from([None, "gemma", "transformers-5.23"]),
)
def test_right_cases_are_replayed(
    seed: int,
    prompt: int,
    images: int,
    steps: int,
    pieces: int,
    flags: tuple[bool, bool],
    mask: Any,
    model: Model,
    tmp_path: Path,
) -> None:
    case = make_case(model.config, seed, prompt, images, steps, pieces, *flags, vision_mask=mask)
    np.savez(tmp_path / "case.npz", **case)
    assert refused_or_replayed(tmp_path / "case.npz", model)


def test_types_are_those_of_the_format_whatever_the_file_has(model: Model) -> None:
    case = whole(model)
    narrow = {name: array.astype(">i2") if array.dtype.kind == "i" else array for name, array in case.items()}
    narrow["uniform"] = case["uniform"].astype(">f8")
    checked = check_case(Case(Path("case"), narrow), model.config)
    for name, field in FIELDS.items():
        assert checked[name].dtype.type is field.dtype, name
    usual = replay(model, check_case(Case(Path("case"), case), model.config))
    for name, array in replay(model, checked).items():
        assert np.array_equal(array, usual[name]), name


def test_names_that_are_not_of_the_format_are_told(model: Model, tmp_path: Path) -> None:
    np.savez(tmp_path / "case.npz", **whole(model), pins=np.zeros(1), **{"a\nb": np.zeros(1)})
    assert load_case(tmp_path / "case.npz", model.config).unknown == ("pins", "'a\\nb'")


def test_no_tokens_and_no_steps(model: Model) -> None:
    """Nothing to read and nothing to denoise is a case, too."""
    case = make_case(model.config, 0, steps=0)
    case |= {name: np.zeros(0, np.int64) for name in ("input_ids", "token_types", "chunks")}
    out = replay(model, check_case(Case(Path("case"), case), model.config), with_cache=True)
    assert out["argmax"].shape == (0, 16) and out["key_0"].shape[1] == 0
    case = make_case(model.config, 0, steps=2) | {name: case[name] for name in ("input_ids", "token_types", "chunks")}
    assert replay(model, check_case(Case(Path("case"), case), model.config))["argmax"].shape == (2, 16)
