"""Draws a moment of a scene as a camera picture: lighting, shadows, sensor noise and camera jitter included.

`Look` holds all that stays the same over a scene's frames (light, table, tray, camera pose); a frame adds a little
shake and fresh noise. The table is 4:3; a wider picture has margins at its sides. The rear camera stands at the far
side and sees everything turned by 180 degrees. Returned is RGB uint8 [height, width, 3].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from dgemma_ros.tabletop.scenes import ASPECT, TRAY_CENTRES, TRAY_SIZE, Object, Scene, glide

_RGB = {
    "red": (200, 38, 40),
    "green": (45, 150, 60),
    "blue": (40, 80, 200),
    "yellow": (232, 205, 40),
    "purple": (130, 50, 160),
    "orange": (240, 125, 25),
}
_TABLES = ((168, 138, 104), (128, 124, 120), (196, 184, 164), (92, 84, 78), (150, 160, 158), (184, 156, 120))


FRONT, REAR = "front", "rear"


@dataclass(frozen=True)
class Look:
    """Light, table and camera of one scene; drawn once from the scene's seed."""

    table: np.ndarray
    tray: np.ndarray
    gain: np.ndarray  # per channel
    slope: tuple[float, float]  # brightness gradient over the table
    shadow: tuple[float, float]  # offset in table widths
    shadow_depth: float
    noise: float
    grain: np.ndarray  # coarse wood grain, [12, 16]
    tilt: float
    zoom: float
    shift: tuple[float, float]
    blur: float = 0.0  # standard deviation in table widths
    jpeg: int = 0  # quality; 0: none

    @classmethod
    def draw(cls, seed: int, rough: bool = False) -> Look:
        """The look that a seed gives. `rough`: dim light, tints, blur, noise, JPEG, other zoom, as cameras have them;
        otherwise a good camera in a good place."""
        rng = np.random.default_rng(seed)
        angle = rng.uniform(0, 2 * np.pi)
        reach = rng.uniform(0.008, 0.025)
        look = cls(
            table=np.array(_TABLES[int(rng.integers(len(_TABLES)))], np.float32) * np.float32(rng.uniform(0.9, 1.1)),
            tray=np.full(3, rng.choice([60.0, 215.0, 240.0]), np.float32)
            * rng.uniform(0.92, 1.05, 3).astype(np.float32),
            gain=(rng.uniform(0.78, 1.15) * rng.uniform(0.95, 1.05, 3)).astype(np.float32),
            slope=(float(rng.uniform(-0.15, 0.15)), float(rng.uniform(-0.15, 0.15))),
            shadow=(float(reach * np.cos(angle)), float(reach * np.sin(angle))),
            shadow_depth=float(rng.uniform(0.25, 0.55)),
            noise=float(rng.uniform(1.0, 6.0)),
            grain=rng.normal(0, 5.0, (12, 16)).astype(np.float32),
            tilt=float(rng.uniform(-2.5, 2.5)),
            zoom=float(rng.uniform(0.95, 1.02)),
            shift=(float(rng.uniform(-0.02, 0.02)), float(rng.uniform(-0.02, 0.02))),
        )
        if not rough:
            return look
        dim = float(np.exp(rng.uniform(np.log(0.35), np.log(1.2))))
        return replace(
            look,
            gain=(dim * rng.uniform(0.85, 1.15, 3)).astype(np.float32),
            slope=(float(rng.uniform(-0.3, 0.3)), float(rng.uniform(-0.3, 0.3))),
            noise=float(rng.uniform(1.0, 16.0)),
            tilt=float(rng.uniform(-5, 5)),
            zoom=float(rng.uniform(0.78, 1.05)),
            shift=(float(rng.uniform(-0.05, 0.05)), float(rng.uniform(-0.04, 0.04))),
            blur=float(rng.uniform(0.0, 0.011)) if rng.random() < 0.5 else 0.0,
            jpeg=int(rng.integers(12, 80)) if rng.random() < 0.35 else 0,
        )


# Half sizes in table widths: a block's and a bar's sides, a ball's radius, a ring's middle radius, half its thickness.
_BLOCK, _BAR, _BALL, _RING = (0.052, 0.052), (0.078, 0.020), 0.045, (0.050, 0.0125)


def _outline(obj: Object, grow: float) -> np.ndarray:
    """Corners of a block or a bar, [4, 2], in table widths."""
    half = np.array(_BLOCK if obj.shape == "block" else _BAR) * obj.size * grow
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    cos, sin = np.cos(obj.angle), np.sin(obj.angle)
    turned: np.ndarray = corners @ np.array([[cos, sin], [-sin, cos]])
    turned += np.array((obj.x, obj.y * ASPECT))
    return turned


def _fill(canvas: np.ndarray, obj: Object, colour: tuple[float, ...], dx: float, dy: float, grow: float) -> None:
    """One filled silhouette with sub-pixel corners."""
    width, fixed = canvas.shape[1], 16
    if obj.shape in ("ball", "ring"):
        centre = (round((obj.x + dx) * width * fixed), round((obj.y * ASPECT + dy) * width * fixed))
        if obj.shape == "ring":
            radius, thick = _RING[0] * obj.size * width, _RING[1] * obj.size * grow * 2 * width
            cv2.circle(canvas, centre, round(radius * fixed), colour, max(1, round(thick)), cv2.LINE_AA, 4)
        else:
            cv2.circle(canvas, centre, round(_BALL * obj.size * grow * width * fixed), colour, -1, cv2.LINE_AA, 4)
        return
    corners = (_outline(obj, grow) + np.array((dx, dy))) * width * fixed
    cv2.fillPoly(canvas, [np.round(corners).astype(np.int32)], colour, cv2.LINE_AA, 4)


def _draw_object(canvas: np.ndarray, obj: Object, look: Look) -> None:
    base = np.array(_RGB[obj.colour], np.float32)
    _fill(canvas, obj, tuple(float(v) for v in base * 0.72), 0.0, 0.0, 1.0)
    lift = (-look.shadow[0] * 0.25, -look.shadow[1] * 0.25)
    _fill(canvas, obj, tuple(float(v) for v in base), *lift, 0.84)
    if obj.shape == "ball":
        width = canvas.shape[1]
        spot = (obj.x - look.shadow[0] * 1.1, obj.y * ASPECT - look.shadow[1] * 1.1)
        shine = tuple(float(v) for v in base * 0.35 + 165.0)
        cv2.circle(
            canvas,
            (round(spot[0] * width * 16), round(spot[1] * width * 16)),
            round(_BALL * obj.size * 0.36 * width * 16),
            shine,
            -1,
            cv2.LINE_AA,
            4,
        )


def _draw_trays(canvas: np.ndarray, look: Look) -> None:
    width = canvas.shape[1]
    for cx, cy in TRAY_CENTRES.values():
        half = np.array([TRAY_SIZE[0] / 2, TRAY_SIZE[1] * ASPECT / 2])
        centre = np.array([cx, cy * ASPECT])
        for grow, shade in ((1.0, 0.7), (0.93, 1.0)):
            low, high = (centre - half * grow) * width, (centre + half * grow) * width
            cv2.rectangle(
                canvas, [round(v) for v in low], [round(v) for v in high], [float(v) for v in look.tray * shade], -1
            )


def draw_moment(
    objects: tuple[Object, ...],
    look: Look,
    rng: np.random.Generator,
    size: tuple[int, int] = (320, 240),
    camera: str = FRONT,
) -> np.ndarray:
    """A camera picture, RGB uint8 [height, width, 3]. `rng`: the frame's noise and shake; `size`: (width, height)."""
    width = round(min(size[0], size[1] / ASPECT))
    height = round(width * ASPECT)
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = look.table
    canvas += cv2.resize(look.grain, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    _draw_trays(canvas, look)
    shade = np.zeros((height, width), np.float32)
    for obj in objects:
        _fill(shade, obj, (1.0, 1.0, 1.0), look.shadow[0], look.shadow[1], 1.06)
    soft = max(3, width // 64 * 2 + 1)
    shade = cv2.blur(shade, (soft, soft))
    canvas *= (1.0 - look.shadow_depth * shade)[..., None]
    for obj in objects:
        _draw_object(canvas, obj, look)
    ramp = (
        1.0
        + look.slope[0] * np.linspace(-1, 1, width, dtype=np.float32)[None]
        + look.slope[1] * np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    )
    canvas *= ramp[..., None] * look.gain
    shake = rng.uniform(-0.004, 0.004, 2)
    pose = _pose(look, size, camera, float(rng.uniform(-0.3, 0.3)), shake)
    seen = cv2.warpAffine(canvas, pose, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if look.blur * width > 0.3:
        seen = cv2.GaussianBlur(seen, (0, 0), look.blur * width)
    seen += rng.standard_normal((size[1], size[0], 1), dtype=np.float32) * look.noise
    picture: np.ndarray = np.clip(seen, 0, 255).astype(np.uint8)
    if look.jpeg:
        coded = cv2.imencode(".jpg", picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, look.jpeg))[1]
        picture = np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])
    return picture


def _pose(
    look: Look, size: tuple[int, int], camera: str, turn: float = 0.0, shake: np.ndarray | None = None
) -> np.ndarray:
    """The affine map [2, 3] from the table's canvas, as wide as fits the picture, to the picture."""
    width = round(min(size[0], size[1] / ASPECT))
    height = round(width * ASPECT)
    angle = look.tilt + turn + (180.0 if camera == REAR else 0.0)
    pose: np.ndarray = cv2.getRotationMatrix2D((width / 2, height / 2), angle, look.zoom)
    pose[:, 2] += (np.array(look.shift) + (0.0 if shake is None else shake)) * width
    pose[:, 2] += ((size[0] - width) / 2, (size[1] - height) / 2)
    return pose


def picture_point(
    x: float, y: float, look: Look, size: tuple[int, int] = (320, 240), camera: str = FRONT
) -> tuple[float, float]:
    """Where a table point is in the picture, as fractions of its width and height (the frame's shake left out)."""
    width = round(min(size[0], size[1] / ASPECT))
    px, py = _pose(look, size, camera) @ np.array([x * width, y * ASPECT * width, 1.0])
    return float(px / size[0]), float(py / size[1])


def render_scene(scene: Scene, size: tuple[int, int] = (320, 240), rough: bool = False) -> list[np.ndarray]:
    """All frames of a scene, oldest first, RGB uint8. The same scene gives the same pictures."""
    look = Look.draw(scene.seed, rough)
    rng = np.random.default_rng((scene.seed, 1))
    return [draw_moment(moment, look, rng, size) for moment in scene.moments]


def render_clip(scene: Scene, size: tuple[int, int] = (640, 480), steps: int = 15) -> Iterator[np.ndarray]:
    """The scene as a video: frames in which moved objects glide from place to place, `steps` frames for each change."""
    look = Look.draw(scene.seed)
    rng = np.random.default_rng((scene.seed, 2))
    for moment in glide(scene, steps):
        yield draw_moment(moment, look, rng, size)


def blank(size: tuple[int, int] = (320, 240)) -> np.ndarray:
    """The picture of a covered camera: even grey."""
    return np.full((size[1], size[0], 3), 128, np.uint8)
