from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dgemma_ros.errors import CaseError, OutputError
from dgemma_ros.model import Model
from dgemma_ros.verification.case import Case, check_case
from dgemma_ros.verification.replay import check_out, replay, save
from tests.cases import Case as Arrays
from tests.cases import make_case
from tests.conftest import Models


def checked(model: Model, arrays: Arrays) -> Case:
    return check_case(Case(Path("case.npz"), arrays), model.config)


def test_what_comes_out(opened: Models) -> None:
    """Names, types and shapes of INTERFACES.md; logits and cache only when they are asked for."""
    model = opened("images")
    config = model.config
    case = checked(model, make_case(config, 0, images=2, steps=3))
    out = replay(model, case, with_logits=True, with_cache=True)
    steps, length = 3, config.canvas_length
    per_token = {"argmax": "int64", "drawn": "int64", "next_canvas": "int64", "accepted": "bool", "entropy": "float32"}
    expected = {name: (dtype, (steps, length)) for name, dtype in per_token.items()}
    expected |= {"mean_entropy": ("float32", (steps,)), "stop": ("bool", (steps,))}
    plain = replay(model, case)
    assert {name: (str(array.dtype), array.shape) for name, array in plain.items()} == expected
    expected["logits"] = ("float32", (steps, length, config.text.vocab_size))
    for layer in config.text.layers:
        kept = len(case["input_ids"]) if layer.kind == "full" else min(len(case["input_ids"]), 63)
        for name in ("key", "value"):
            expected[f"{name}_{layer.index}"] = ("float32", (layer.kv_heads, kept, layer.head_dim))
    assert {name: (str(array.dtype), array.shape) for name, array in out.items()} == expected
    for name, array in plain.items():
        assert np.array_equal(array, out[name]), name


def test_it_tells_of_its_steps(opened: Models) -> None:
    model = opened("plain")
    steps: list[int] = []
    replay(model, checked(model, make_case(model.config, 0, steps=3)), on_step=steps.append)
    assert steps == [0, 1, 2, 3]


def test_self_conditioning_carries_on_and_the_canvas_does_not(opened: Models) -> None:
    """The second step's canvas is the case's, whatever the first one drew; what it thought is remembered."""
    model = opened("plain")
    arrays = make_case(model.config, 0, steps=2)
    whole = replay(model, checked(model, arrays), with_logits=True)
    per_step = ("canvas", "uniform", "random_tokens", "temperature")
    second = arrays | {name: arrays[name][1:] for name in per_step}
    alone = replay(model, checked(model, second), with_logits=True)
    assert not np.allclose(whole["logits"][1], alone["logits"][0], atol=1e-3)
    drawn_otherwise = arrays | {"random_tokens": arrays["random_tokens"][::-1], "uniform": arrays["uniform"][::-1]}
    other = replay(model, checked(model, drawn_otherwise), with_logits=True)
    assert not np.array_equal(other["next_canvas"][0], whole["next_canvas"][0])
    assert np.array_equal(other["logits"], whole["logits"])


def test_chunks_do_not_matter(opened: Models) -> None:
    model = opened("small_window")
    arrays = make_case(model.config, 0, prompt=40, images=1, steps=1, pieces=1)
    one = replay(model, checked(model, arrays), with_logits=True)
    for pieces in (2, 5, 9):
        cut = make_case(model.config, 0, prompt=40, images=1, steps=1, pieces=pieces)["chunks"]
        many = replay(model, checked(model, arrays | {"chunks": cut}), with_logits=True)
        assert np.allclose(many["logits"], one["logits"], atol=2e-5)


def test_the_order_of_patches_does_not_matter(opened: Models) -> None:
    model = opened("images")
    arrays = make_case(model.config, 4, images=1)
    order = np.random.default_rng(0).permutation(arrays["patches"].shape[1])
    shuffled = arrays | {name: arrays[name][:, order] for name in ("patches", "patch_positions")}
    one, other = (replay(model, checked(model, case), with_logits=True) for case in (arrays, shuffled))
    assert np.allclose(one["logits"], other["logits"], atol=2e-5)


def test_pins_are_kept_and_masked_ids_never_drawn(opened: Models) -> None:
    model = opened("many_experts")
    case = checked(model, make_case(model.config, 1, steps=6, pinned=True, disallowed=True))
    out = replay(model, case)
    for name in ("argmax", "drawn", "next_canvas"):
        assert (out[name][:, case["pin"]] == case["pin_ids"][case["pin"]]).all()
    free = ~case["pin"]
    assert not np.isin(out["argmax"][:, free], case["disallowed_ids"]).any()
    assert not np.isin(out["drawn"][:, free], case["disallowed_ids"]).any()
    assert (out["entropy"][:, case["pin"]] == 0).all()


def test_the_stopping_rule(opened: Models) -> None:
    """The same canvas and noise at each step: from the second step on the argmax settles, and confidence decides."""
    model = opened("contractive")
    arrays = make_case(model.config, 0, steps=6)
    arrays |= {name: np.repeat(arrays[name][:1], 6, 0) for name in ("canvas", "uniform", "random_tokens")}
    arrays["temperature"] = np.full(6, 0.5)
    for stability, confidence in ((0, 1e6), (1, 1e6), (3, 1e6), (1, 1e-9)):
        asked = {"stability": np.int64(stability), "confidence": np.float64(confidence)}
        out = replay(model, checked(model, arrays | asked))
        same = [step == 0 or np.array_equal(out["argmax"][step], out["argmax"][step - 1]) for step in range(6)]
        expected = [
            out["mean_entropy"][step] < confidence
            and step >= stability
            and all(same[step - back] for back in range(stability))
            for step in range(6)
        ]
        assert out["stop"].tolist() == expected


def test_soft_tokens_must_fill_their_places(opened: Models) -> None:
    model = opened("images")
    arrays = make_case(model.config, 3, images=1)
    arrays["token_types"] = arrays["token_types"].copy()
    arrays["token_types"][np.flatnonzero(arrays["token_types"])[-1] + 1] = 1
    with pytest.raises(CaseError, match=r"case\.npz: token_types: has \d+ image tokens, but the patches make \d+"):
        replay(model, checked(model, arrays))


def test_out_follows_links_and_is_written_beside(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.npz"
    link.symlink_to(tmp_path / "real" / "out.npz")
    target = check_out(link, tmp_path / "case.npz")
    save(target, {"a": np.arange(3)})
    assert link.is_symlink() and [path.name for path in (tmp_path / "real").iterdir()] == ["out.npz"]
    with np.load(link) as stored:
        assert np.array_equal(stored["a"], np.arange(3))


def test_out_has_the_name_that_was_given(tmp_path: Path) -> None:
    """numpy would add .npz to it."""
    save(check_out(tmp_path / "answers", tmp_path / "case.npz"), {"a": np.arange(3)})
    assert [path.name for path in tmp_path.iterdir()] == ["answers"]


def test_out_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="there is no folder"):
        check_out(tmp_path / "file" / "out.npz", tmp_path / "case.npz")
    with pytest.raises(OutputError, match="cannot be written"):
        save(tmp_path / "gone" / "out.npz", {})


def test_out_at_every_limit_of_the_disk(tmp_path: Path) -> None:
    """Header, middle, central directory: wherever the writing stops, it is one kind of error and nothing is left."""
    code = """
import gc, resource, sys
from pathlib import Path
import numpy as np
from dgemma_ros.errors import OutputError
from dgemma_ros.verification.replay import save
out = Path(sys.argv[1])
arrays = {"a": np.zeros(1000, np.float32), "b": np.zeros((10, 70)), "c": np.arange(5)}
save(out, arrays)
size = out.stat().st_size
out.unlink()
for limit in [*range(0, size, 499), *range(size - 40, size)]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        save(out, arrays)
    except OutputError as error:
        assert str(error) == f"{out}: cannot be written (File too large)", error
    else:
        raise AssertionError(limit)
    assert not list(out.parent.iterdir()), limit
    gc.collect()
"""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(tmp_path / "out.npz")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
