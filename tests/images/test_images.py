"""Image preparation against golden values of the reference's processor; needs neither Pillow nor transformers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.errors import CheckpointError, ImageError
from dgemma_ros.images import container
from dgemma_ros.images.orientation import orientation
from dgemma_ros.images.preparation import ImagePreparation, read_image, to_rgb
from dgemma_ros.images.resample import resample
from tests.photographs import view

GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "images.json").read_text())
PREPARATION = ImagePreparation()
NANO = ImagePreparation(patch_size=16, pooling=2, soft_tokens=20)
LSB = 1 / 255


def label(case: dict[str, Any]) -> str:
    return f"{case['photograph']}-{case['view']}-{case['budget']}"


@pytest.mark.parametrize("case", GOLDEN, ids=label)
def test_equals_the_reference(case: dict[str, Any]) -> None:
    preparation = dataclasses.replace(PREPARATION, soft_tokens=case["budget"])
    picture = view(case["photograph"], case["view"])
    exact = preparation.prepare(picture, exact=True)
    assert (list(exact.patches.shape), exact.soft_tokens) == (case["patches"], case["soft_tokens"])
    assert exact.positions[-1].tolist() == case["last_position"]
    samples = np.linspace(0, exact.patches.size - 1, 8).astype(int)
    assert np.rint(exact.patches.ravel()[samples] * 255).tolist() == case["samples"]
    assert hashlib.sha256(exact.patches.tobytes()).hexdigest() == case["sha256"]
    fast = preparation.prepare(picture)
    assert fast.patches.dtype == exact.patches.dtype == np.float32
    assert np.abs(fast.patches - exact.patches).max() <= 2.001 * LSB
    assert (fast.patches != exact.patches).mean() < 1e-3
    assert np.array_equal(fast.positions, exact.positions)


@pytest.mark.parametrize("budget, vga, wide", [(70, 63, 66), (280, 266, 264)])
def test_soft_tokens_of_camera_sizes(budget: int, vga: int, wide: int) -> None:
    preparation = dataclasses.replace(PREPARATION, soft_tokens=budget)
    for (height, width), expected in (((480, 640), vga), ((1080, 1920), wide), ((720, 1280), wide)):
        high, across = preparation.target_size(height, width)
        assert high * across // 48**2 == expected


@pytest.mark.parametrize(
    ("rows", "columns_first"),
    [(60, True), (100, True), (130, True), (169, True), (171, False), (250, False)],
)
def test_the_longer_loss_goes_first_but_for_rows_only_from_twice_as_many(rows: int, columns_first: bool) -> None:
    """Pillow 13's order of the passes, which clipping makes matter: 80 columns are lost, and ``rows`` less 10."""
    picture = np.random.default_rng(0).integers(0, 2, (rows, 100, 3), dtype=np.uint8) * 255
    either = [
        resample(resample(picture, rows, 20, exact=True), 10, 20, exact=True),
        resample(resample(picture, 10, 100, exact=True), 10, 20, exact=True),
    ]
    assert not np.array_equal(*either)
    assert np.array_equal(resample(picture, 10, 20, exact=True), either[0 if columns_first else 1])


def test_layout_of_patches_and_positions() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (128, 160, 3), dtype=np.uint8)
    prepared = NANO.prepare(picture)  # the budget fits exactly: nothing is resized
    assert prepared.soft_tokens == 20
    assert prepared.positions.shape == (80, 2) and prepared.positions.dtype == np.int64
    for patch, (x, y) in zip(prepared.patches, prepared.positions, strict=True):
        tile = picture[16 * y : 16 * y + 16, 16 * x : 16 * x + 16]
        assert np.array_equal(patch, (tile.astype(np.float64) / 255).astype(np.float32).ravel())
    assert prepared.positions[:11].tolist() == [[x, 0] for x in range(10)] + [[0, 1]]


def test_views_of_an_array_need_not_be_contiguous() -> None:
    bgr = view("coffee", "VGA")[:, :, ::-1].copy()
    assert np.array_equal(
        PREPARATION.prepare(bgr[:, :, ::-1]).patches, PREPARATION.prepare(view("coffee", "VGA")).patches
    )


@pytest.mark.parametrize(
    "shape, target",
    [((1, 1), (768, 768)), ((1, 100), (48, 8016)), ((2000, 1), (13440, 48)), ((3, 9000), (48, 13440))],
)
def test_degenerate_sides(shape: tuple[int, int], target: tuple[int, int]) -> None:
    assert PREPARATION.target_size(*shape) == target
    prepared = PREPARATION.prepare(np.full((*shape, 3), 255, np.uint8))
    assert prepared.patches.min() == prepared.patches.max() == 1.0
    assert prepared.soft_tokens == target[0] * target[1] // 2304


def test_pictures_beyond_the_budget_are_refused() -> None:
    single = ImagePreparation(patch_size=16, pooling=3, soft_tokens=1)
    assert single.target_size(40, 40) == (48, 48)
    with pytest.raises(ImageError, match="34x34 pixels does not fit in 1 soft tokens"):
        single.target_size(34, 34)  # the reference's square root comes out a hair too small, and so does ours


@pytest.mark.parametrize("shape", [(0, 640, 3), (480, 0, 3), (0, 0)])
def test_empty_pictures_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="is empty"):
        PREPARATION.prepare(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    "picture, complaint",
    [
        (np.zeros((4, 4, 3), np.float32), "uint8, not float32"),
        (np.zeros((4, 4, 3), np.uint16), "uint8, not uint16"),
        (np.zeros((4, 4, 2), np.uint8), r"not \[4, 4, 2\]"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"not \[1, 4, 4, 3\]"),
        (np.zeros(4, np.uint8), "must have shape"),
        ([[1, 2]], "not list"),
    ],
)
def test_other_arrays_are_refused(picture: Any, complaint: str) -> None:
    with pytest.raises(ImageError, match=complaint) as error:
        PREPARATION.prepare(picture)
    assert "\n" not in str(error.value)


def test_grey_and_transparent_pictures_are_converted() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(to_rgb(grey), np.stack([grey] * 3, axis=2))
    assert np.array_equal(to_rgb(grey[:, :, None]), to_rgb(grey))
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 100, 200, 51]]], np.uint8)
    assert to_rgb(rgba).tolist() == [[[10, 20, 30], [255, 255, 255], [204, 224, 244]]]


def write_folder(folder: Path, **files: Any) -> Path:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_configuration_from_the_checkpoint(tmp_path: Path) -> None:
    vision = {"patch_size": 16, "pooling_kernel_size": 2, "default_output_length": 24}
    folder = write_folder(tmp_path, config={"vision_config": vision})
    assert ImagePreparation.load(folder) == ImagePreparation(16, 2, 24)
    write_folder(folder, preprocessor_config={"max_soft_tokens": 21, "rescale_factor": 0.004})
    assert ImagePreparation.load(folder) == ImagePreparation(16, 2, 21, 0.004)
    nested = {"processor_class": "Gemma4Processor", "image_processor": {"max_soft_tokens": 20, "patch_size": 16}}
    write_folder(folder, processor_config=nested)
    assert ImagePreparation.load(folder) == NANO
    (folder / "config.json").unlink()
    assert ImagePreparation.load(folder) == ImagePreparation(16, 3, 20)


@pytest.mark.parametrize(
    "processor, complaint",
    [
        ({"resample": 2}, "resample: 2 is not supported; only 3 is"),
        ({"do_normalize": True}, "do_normalize"),
        ({"max_soft_tokens": 0}, "image_processor.max_soft_tokens: 0 is outside"),
        ({"max_soft_tokens": "70"}, "not a whole number"),
        ({"patch_size": 14}, "patch_size: differs from config.json"),
        ({"rescale_factor": -1}, "rescale_factor"),
    ],
)
def test_bad_configuration_names_file_and_field(tmp_path: Path, processor: dict[str, Any], complaint: str) -> None:
    write_folder(tmp_path, config={"vision_config": {}}, processor_config={"image_processor": processor})
    with pytest.raises(CheckpointError, match=complaint) as error:
        ImagePreparation.load(tmp_path)
    assert str(error.value).startswith(str(tmp_path / "processor_config.json")) and "\n" not in str(error.value)


def test_text_only_checkpoints_have_no_preparation(tmp_path: Path) -> None:
    write_folder(tmp_path, config={"vision_config": None})
    with pytest.raises(CheckpointError, match="no images"):
        ImagePreparation.load(tmp_path)
    with pytest.raises(ImageError, match="pooling: 0"):
        ImagePreparation(pooling=0)


def save(path: Path, picture: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), picture)
    return path


def test_files_are_read_as_rgb(tmp_path: Path) -> None:
    rgb = view("chelsea", "small")
    assert np.array_equal(read_image(save(tmp_path / "colour.png", rgb[:, :, ::-1])), rgb)
    grey = rgb[:, :, 0]
    assert np.array_equal(read_image(save(tmp_path / "grey.png", grey)), to_rgb(grey))
    assert np.array_equal(read_image(save(tmp_path / "deep.png", grey.astype(np.uint16) * 257)), to_rgb(grey))
    alpha = np.dstack([rgb, np.roll(grey, 3)])
    bgra = np.ascontiguousarray(alpha[:, :, [2, 1, 0, 3]])
    assert np.array_equal(read_image(save(tmp_path / "alpha.png", bgra)), to_rgb(alpha))


def tagged(picture: bytes, value: int) -> bytes:
    """A JPEG, PNG or WebP file with an EXIF orientation."""
    tiff = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, value, 0, 0)
    if picture[:2] == b"\xff\xd8":
        body = b"Exif\0\0" + tiff
        return picture[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + picture[2:]
    if picture[:4] == b"RIFF":
        chunks = picture[12:] + b"EXIF" + struct.pack("<I", len(tiff)) + tiff
        height, width = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape[:2]
        sizes = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
        extended = b"VP8X" + struct.pack("<II", 10, 1 << 3) + sizes  # bit 3: there is EXIF
        return b"RIFF" + struct.pack("<I", 4 + len(extended) + len(chunks)) + b"WEBP" + extended + chunks
    chunk = b"eXIf" + tiff
    whole = struct.pack(">I", len(tiff)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return picture[:33] + whole + picture[33:]  # behind the header


@pytest.mark.parametrize("kind", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("value", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_does(kind: str, value: int, tmp_path: Path) -> None:
    plain = cv2.imencode(kind, view("coffee", "small")[:, :, ::-1])[1].tobytes()
    (tmp_path / f"plain{kind}").write_bytes(plain)
    (tmp_path / f"turned{kind}").write_bytes(tagged(plain, value))
    flat = read_image(tmp_path / f"plain{kind}")
    turn = {3: 2, 4: 2, 5: -1, 6: -1, 7: 1, 8: 1}.get(value, 0)  # Pillow's exif_transpose, by its table
    expected = np.rot90(flat[:, ::-1] if value in (2, 4, 5, 7) else flat, turn if value not in (5, 7) else -turn)
    assert np.array_equal(read_image(tmp_path / f"turned{kind}"), expected)


@given(st.binary(max_size=64), st.sampled_from([b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b""]))
def test_any_bytes_have_an_orientation(content: bytes, start: bytes) -> None:
    assert 1 <= orientation(start + content) <= 8


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("text.png", "empty.png", "missing.png", "."):
        path = tmp_path / name
        with pytest.raises(ImageError) as error:
            read_image(path)
        assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_what_a_file_claims_is_looked_at_before_it_is_decoded(tmp_path: Path) -> None:
    drawn = view("coffee", "small")[:, :, ::-1]
    whole = {kind: cv2.imencode(kind, drawn)[1].tobytes() for kind in (".png", ".jpg", ".webp")}
    for content in whole.values():
        container.check(content, drawn.shape[0] * drawn.shape[1])
        with pytest.raises(ImageError, match=f"{drawn.shape[1]}x{drawn.shape[0]} pixels"):
            container.check(content, drawn.shape[0] * drawn.shape[1] - 1)
    png = whole[".png"]
    (tmp_path / "claims.png").write_bytes(png[:33] + b"\xbd\xe4\x8c\xca" + png[37:])  # a chunk of 3 GB
    with pytest.raises(ImageError, match=r"claims\.png: a PNG that is cut or damaged"):
        read_image(tmp_path / "claims.png")
