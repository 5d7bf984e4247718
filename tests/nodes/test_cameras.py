"""The camera node, and what the planner makes of cameras: encodings, broken pictures, one that dies and returns."""

from __future__ import annotations

import os
import signal
from array import array
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from dgemma_msgs.srv import ContextInfo
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from dgemma_ros.nodes.conversions import ENCODINGS
from dgemma_ros.nodes.process import PROFILE, use_large_images
from tests.nodes.graph import SENSOR, Graph, Process, until
from tests.nodes.test_calibration import WRITTEN

MANY = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
WIDTH, HEIGHT = 64, 48


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a grey that grows lighter."""
    file = tmp_path_factory.mktemp("clip") / "clip.mp4"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 20, (320, 240))
    assert writer.isOpened()
    for shade in range(40):
        writer.write(np.full((240, 320, 3), 20 + 5 * shade, np.uint8))
    writer.release()
    return file


@pytest.fixture(scope="module")
def watching(graph: Graph, model: Path) -> Process:
    process = graph.start("planner", model=model, threads=1, frame_rate=1000.0, max_frames=2)
    graph.until_active(process)
    return process


def figures(graph: Graph, name: str) -> dict[str, str]:
    """The next diagnostics of a node."""
    heard, subscription = graph.hear_for_now(DiagnosticArray, "/diagnostics")
    status = heard.one(lambda m: m.status[0].name.endswith(name), f"diagnostics of {name}").status[0]
    graph.node.destroy_subscription(subscription)
    return {value.key: value.value for value in status.values} | {"": status.message}


def test_video_file_plays_to_its_end(graph: Graph, clip: Path) -> None:
    images, infos = graph.hear(Image, "film/image_raw", MANY), graph.hear(CameraInfo, "film/camera_info", MANY)
    camera = graph.start("camera", "film", source=clip, loop=False, rate=5, frame_id="lens")
    image = images.one(what="a picture")
    assert (image.width, image.height, image.encoding, image.step) == (320, 240, "bgr8", 960)
    assert image.header.frame_id == "lens" and image.header.stamp.sec > 1_600_000_000
    info = infos.one(lambda i: (i.width, i.height) == (320, 240), "camera_info")
    assert info.header.frame_id == "lens"
    assert until(lambda: camera.popen.poll() is not None, "the end of the film") is True
    assert camera.popen.returncode == 0, camera.output
    shades = [message.data[0] for message in images]
    assert shades == sorted(shades) and len(set(shades)) > 5
    stamps = [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for message in images]
    assert stamps == sorted(stamps)


def test_folder_goes_round_compressed(graph: Graph, tmp_path: Path) -> None:
    for name, shade in (("a.png", 50), ("b.jpg", 200)):
        cv2.imwrite(str(tmp_path / name), np.full((30, 40, 3), shade, np.uint8))
    (tmp_path / "c.png").write_bytes(b"no picture")
    images = graph.hear(CompressedImage, "book/image_raw/compressed", MANY)
    camera = graph.start("camera", "book", source=tmp_path, rate=30, image_transport="compressed", width=80)

    def shades() -> set[int]:
        pictures = [cv2.imdecode(np.frombuffer(m.data, np.uint8), cv2.IMREAD_COLOR) for m in list(images)]
        assert all(picture.shape == (60, 80, 3) for picture in pictures)
        return {round(float(picture.mean()) / 10) for picture in pictures}

    until(lambda: shades() == {5, 20} and len(images) > 4, "both pictures, again and again")
    assert float(figures(graph, "camera")["wanted rate"]) == 30
    assert camera.end(signal.SIGTERM)[0] == 0


def test_pictures_that_come_late_are_dropped_and_counted(graph: Graph, clip: Path) -> None:
    camera = graph.start("camera", "hurried", source=clip, rate=1000, width=2000)

    def late() -> bool:
        told = figures(graph, "camera")
        return float(told.get("dropped, late", 0)) > 0 and float(told["published"]) > 0

    until(late, "drops in the diagnostics")
    assert camera.end()[0] == 0


def test_profile_for_large_images_gives_way_to_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE", raising=False)
    use_large_images()
    assert Path(os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"]) == PROFILE and PROFILE.is_file()
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "/mine.xml")
    use_large_images()
    assert os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] == "/mine.xml"


def test_calibration_goes_out_with_the_pictures(graph: Graph, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "ost.yaml").write_text(WRITTEN)
    images, infos = graph.hear(Image, "lens/image_raw", MANY), graph.hear(CameraInfo, "lens/camera_info", MANY)
    camera = graph.start("camera", "lens", source=clip, camera_info=tmp_path / "ost.yaml", width=160)
    info = infos.one(what="camera_info")
    assert (info.width, info.height, info.distortion_model) == (160, 120, "plumb_bob")
    assert list(info.k) == pytest.approx([138.564065, 0, 79.15622, 0, 138.45271, 60.850155, 0, 0, 1])
    assert list(info.d) == [0.08125, -0.15437, 0.000912, -0.001733, 0]
    assert list(info.p)[:8] == pytest.approx([139.725585, 0, 78.760465, 0, 0, 140.31871, 60.99152, 0])
    stamps = until(lambda: {i.header.stamp.nanosec for i in infos} & {i.header.stamp.nanosec for i in images}, "a pair")
    assert stamps
    assert camera.end(signal.SIGTERM)[0] == 0


def test_calibration_of_another_camera_ends_it(graph: Graph, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "ost.yaml").write_text(WRITTEN.replace("image_width: 320", "image_width: 640"))
    camera = graph.start("camera", "lens", source=clip, camera_info=tmp_path / "ost.yaml")
    assert until(lambda: camera.popen.poll() is not None, "the end") is True
    assert camera.popen.returncode == 1
    assert "made with pictures of 640 × 240 pixels" in camera.output and "Traceback" not in camera.output


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"source": "/nowhere.mp4"}, "no such file"),
        ({}, "source is empty"),
        ({"source": 77}, "/dev/video77"),
        ({"source": "/dev/null"}, "not a camera"),
        ({"source": "videotestsrc ! appsink"}, "this OpenCV has no GStreamer: take Ubuntu's python3-opencv"),
        ({"source": "x", "camera_info": "/nowhere.yaml"}, "/nowhere.yaml: no such file"),
        ({"source": "x", "rate": -1.0}, "rate"),
        ({"source": "x", "image_transport": "telepathy"}, "image_transport"),
    ],
)
def test_mistakes_end_in_one_line(graph: Graph, parameters: dict[str, Any], word: str) -> None:
    camera = graph.start("camera", "wrong", **parameters)
    assert until(lambda: camera.popen.poll() is not None, "the end") is True
    assert camera.popen.returncode == 2
    assert word in camera.output and "Traceback" not in camera.output
    assert len([line for line in camera.output.splitlines() if line.startswith("error: ")]) == 1


def test_planner_takes_every_encoding_and_refuses_the_rest(graph: Graph, watching: Process) -> None:
    def newest() -> int:
        return int(graph.ask(ContextInfo, "/planner/context_info").newest_stamp.sec)

    second = 100
    for encoding, kind in ENCODINGS.items():
        second += 1
        step = WIDTH * kind.depth
        image = Image(encoding=encoding, width=WIDTH, height=HEIGHT, step=step, data=array("B", bytes(step * HEIGHT)))
        image.header.stamp.sec = second

        def seen(image: Image = image, second: int = second) -> bool:
            graph.say(image, "image_raw", SENSOR)
            return newest() == second

        until(seen, f"{encoding} in the context")
    for reason, encoding in {"encoding": "mono16", "step": "rgb8", "size": "bgr8"}.items():
        image = Image(encoding=encoding, width=WIDTH, height=HEIGHT, step=3 if reason == "step" else WIDTH * 3)
        image.data = array("B", bytes(7 if reason == "size" else image.step * HEIGHT))

        def counted(image: Image = image, reason: str = reason) -> bool:
            graph.say(image, "image_raw", SENSOR)
            return f"/image_raw refused, {reason}" in figures(graph, "planner")

        until(counted, f"{reason} in the diagnostics")
    assert newest() == second
    assert "image_raw: encoding 'mono16' is not taken" in watching.output


def test_the_pictures_thread_is_less_urgent_than_all_others(watching: Process) -> None:
    def nice(task: Path) -> int:
        return int((task / "stat").read_text().rpartition(")")[2].split()[16])

    tasks = Path(f"/proc/{watching.popen.pid}/task")
    usual = nice(tasks / str(watching.popen.pid))
    found = [nice(task) for task in tasks.iterdir()]
    assert usual + 5 in found and set(found) <= {usual, usual + 5}
    assert found.count(usual) > found.count(usual + 5)


def test_camera_dies_and_returns(graph: Graph, watching: Process, clip: Path) -> None:
    def age() -> float:
        newest = graph.ask(ContextInfo, "/planner/context_info").newest_age
        return float(newest.sec + newest.nanosec / 1e9)

    for life in (1, 2):
        camera = graph.start("camera", source=clip)
        until(lambda: age() < 1.0, f"fresh pictures in life {life}")
        assert camera.end(signal.SIGKILL)[0] == -signal.SIGKILL
        until(lambda: age() > 2.0, "pictures growing old")
    assert watching.popen.poll() is None
    until(lambda: "no pictures" in figures(graph, "planner")[""], "a warning")


def test_misfit_of_qos_is_said(graph: Graph, model: Path) -> None:
    override = {"qos_overrides./misfit/image_raw.subscription.reliability": "reliable"}
    planner = graph.start("planner", "misfit", model=model, threads=1, **override)
    graph.until_active(planner)
    publisher = graph.node.create_publisher(Image, "misfit/image_raw", SENSOR)
    until(lambda: "does not fit (RELIABILITY)" in planner.output, "a warning")
    graph.node.destroy_publisher(publisher)
    planner.end()


def test_only_what_is_wanted_is_decoded(graph: Graph, model: Path) -> None:
    """At one frame in 100 s, one picture of many; the others are counted and left as they came, broken ones too."""
    process = graph.start("planner", "calm", model=model, threads=1, frame_rate=0.01, image_transport="compressed")
    graph.until_active(process)
    good = array("B", cv2.imencode(".jpg", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))[1].tobytes())

    def taken() -> bool:
        """Said again, because what is said with best effort before the two have met is lost."""
        graph.say(CompressedImage(format="jpeg", data=good), "calm/image_raw/compressed", SENSOR)
        return figures(graph, "planner: planner").get("frames taken") == "1"

    until(taken, "the first picture")

    def told() -> dict[str, str] | None:
        graph.say(CompressedImage(format="jpeg", data=array("B", b"broken")), "calm/image_raw/compressed", SENSOR)
        seen = figures(graph, "planner: planner")
        return seen if int(seen.get("/calm/image_raw/compressed not wanted yet", 0)) >= 1 else None

    seen = until(told, "pictures passed over")
    assert "/calm/image_raw/compressed refused, decode" not in seen and seen["frames taken"] == "1"
