"""The ament_python package ``dgemma_ros``; a plain ``pip install .`` works just as well.

Ranges here say what the code is known to need; ``constraints.txt`` pins what is tested.
"""

from setuptools import find_packages, setup

RUNTIME = [
    "jinja2>=3.1",
    "jsonschema>=4.18",
    "ml_dtypes>=0.4",
    "numpy>=1.26",
    "onnx>=1.19",
    "onnxruntime>=1.24",
    "opencv-python-headless>=4.8",
    "PyYAML>=6.0",
    "rich>=13.0",
    "tokenizers>=0.21",
    "typer>=0.15",
]
TEST = ["hypothesis>=6.100", "pytest>=8.0", "safetensors>=0.5", "scikit-image>=0.24"]
ORACLE = ["pillow>=11.0", "torch==2.13.0", "transformers==5.23.0"]
LINT = ["import-linter>=2.0", "mypy>=1.15", "ruff>=0.11", "types-PyYAML"]

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
    extras_require={"test": TEST, "oracle": TEST + ORACLE, "lint": LINT},
    entry_points={"console_scripts": ["dgemma = dgemma_ros.cli:main"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/dgemma_ros"]),
        ("share/dgemma_ros", ["package.xml"]),
    ],
    zip_safe=True,
)
