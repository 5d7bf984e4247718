"""The node ``camera``: pictures of a file, folder, device or pipeline on a topic, at an even rate."""

from __future__ import annotations

if __name__ == "__main__":  # before all else is imported
    from dgemma_ros.nodes import start

    start.camera()

import threading
import time
from collections import Counter

import cv2
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from dgemma_ros.errors import DgemmaError
from dgemma_ros.nodes import diagnostics, parameter_table, parameters, process, qos, topics
from dgemma_ros.nodes.calibration import read_calibration
from dgemma_ros.nodes.conversions import compressed_message, image_message
from dgemma_ros.nodes.sources import Picture, Source, SourceError, open_source

DEFAULT_RATE = 10.0
REOPEN_AFTER = 1.0
"""Seconds between attempts to open a live source that went away."""


class CameraNode(Node):  # type: ignore[misc]
    """Reads in a thread of its own, for devices block. Pictures that would come late are dropped and counted."""

    def __init__(self, finish: process.Finish) -> None:
        super().__init__("camera", enable_logger_service=True)
        parameters.declare(self, parameter_table.CAMERA)
        values = parameters.values(self, parameter_table.CAMERA)
        check = parameters.checker(parameter_table.CAMERA, lambda: True, lambda changes: None)
        self.add_on_set_parameters_callback(check)
        self._finish = finish
        self._loop, self._frame_id = values["loop"], values["frame_id"]
        self._size = (values["width"], values["height"])
        self._calibration = read_calibration(values["camera_info"])
        self._source = open_source(values["source"])
        self._rate = values["rate"] or self._source.rate or DEFAULT_RATE
        self._compressed = values["image_transport"] == "compressed"
        self._published, self._dropped = 0, Counter[str]()
        self._wrong = ""
        topic, type_ = (topics.IMAGE_COMPRESSED, CompressedImage) if self._compressed else (topics.IMAGE, Image)
        self._images = self.create_publisher(
            type_, topic.name, qos.OFFERED_IMAGES, qos_overriding_options=qos.OVERRIDES
        )
        self._infos = self.create_publisher(
            CameraInfo, "camera_info", qos.OFFERED_IMAGES, qos_overriding_options=qos.OVERRIDES
        )
        self._diagnostics = diagnostics.Diagnostics(self)
        self._counted = (time.monotonic(), 0)
        self.create_timer(diagnostics.PERIOD, self._diagnose, clock=diagnostics.steady())
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._read, name="reader", daemon=True)
        self._reader.start()
        self.get_logger().info(f"{values['source']} at {self._rate:g} Hz on {self._images.topic_name}")

    def stop(self) -> None:
        """Ends the reading."""
        self._ended.set()
        self._reader.join(1.0)  # a device may block longer; the process ends all the same

    def _read(self) -> None:
        try:
            self._publish_all()
        except DgemmaError as error:
            self.get_logger().error(str(error))
            self._finish(1)
        finally:
            self._source.close()

    def _publish_all(self) -> None:
        source, period = self._source, 1.0 / self._rate
        due = time.monotonic()
        first = True
        while not self._ended.is_set():
            picture = source.read()
            if picture is None:
                if not source.live and (first or not self._loop):
                    if first:
                        raise SourceError("the source holds no picture that can be read")
                    self.get_logger().info("the source is at its end")
                    return self._finish(0)
                self._reopen(source)
                continue
            first = False
            now = time.monotonic()
            if source.live:
                if now < due - period / 2:
                    self._dropped["rate"] += 1
                    continue
            elif now < due and self._ended.wait(due - now):
                return
            self._publish(picture)
            due += period
            behind = int((time.monotonic() - due) / period)
            if behind > 0:  # keep the pace of the time, not of the file
                due += behind * period
                for _ in range(0 if source.live else behind):
                    source.skip()
                self._dropped["late"] += behind

    def _reopen(self, source: Source) -> None:
        if not source.live:
            return source.rewind()
        self._dropped["source"] += 1
        self._wrong = "the source gives no pictures; trying again"
        self.get_logger().warning(self._wrong, throttle_duration_sec=10.0)
        if not self._ended.wait(REOPEN_AFTER):
            try:
                source.rewind()
                self._wrong = ""
            except SourceError as error:
                self._wrong = str(error)

    def _publish(self, picture: Picture) -> None:
        width, height = self._size
        taken = (picture.shape[1], picture.shape[0])
        if width or height:
            width = width or round(picture.shape[1] * height / picture.shape[0])
            height = height or round(picture.shape[0] * width / picture.shape[1])
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        info = self._calibration.info(taken, (picture.shape[1], picture.shape[0]))
        stamp = self.get_clock().now().to_msg()
        if self._compressed:
            quality = int(self.get_parameter("jpeg_quality").value)
            self._images.publish(compressed_message(picture, stamp, self._frame_id, quality))
        else:
            self._images.publish(image_message(picture, stamp, self._frame_id))
        info.header.stamp, info.header.frame_id = stamp, self._frame_id
        self._infos.publish(info)
        self._published += 1

    def _diagnose(self) -> None:
        now = time.monotonic()
        before, count = self._counted
        self._counted = (now, self._published)
        health = diagnostics.Health()
        if self._wrong:
            health.raise_to(DiagnosticStatus.ERROR, self._wrong)
        rate = (self._published - count) / max(now - before, 1e-6)
        health.put({"published": self._published, "rate": rate, "wanted rate": self._rate})
        health.put({f"dropped, {reason}": count for reason, count in sorted(self._dropped.items())})
        self._diagnostics.publish(health)


def main(arguments: list[str] | None = None) -> int:
    """``python -m dgemma_ros.nodes.camera --ros-args -p source:=clip.mp4``."""
    return process.run(CameraNode, arguments)
