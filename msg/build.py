"""Builds dgemma_msgs into a virtual environment that has the ROS wheels: ``.venv/bin/python msg/build.py``.

For machines without ROS, where ``make`` installs ROS 2 Jazzy from PyPI; with a ROS installation, colcon does this.
Does nothing where the environment already holds this very version of the interfaces.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy

HERE = Path(__file__).resolve().parent
PREFIX = Path(sys.prefix)
STAMP = PREFIX / "share" / "dgemma_msgs" / "built-from"
FOREIGN = re.compile(r"/opt/python/[^;\"]*?/include/python3\.\d+|/opt/python/[^;\"]*?/numpy/_?core/include")


def fingerprint() -> str:
    """Changes with the interface files, this script and the interpreter."""
    state = hashlib.sha256(f"{sys.version}\n{PREFIX}\n".encode())
    for path in sorted(p for p in HERE.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        state.update(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes())
    return state.hexdigest()


def mend_exports() -> None:
    """Points the wheels' CMake files at this environment's headers, not at those of the machine that built them."""
    python, own = sysconfig.get_path("include"), numpy.get_include()
    for path in PREFIX.glob("share/*/cmake/*Export*.cmake"):
        text = path.read_text()
        fixed = FOREIGN.sub(lambda match: own if "numpy" in match[0] else python, text)
        if fixed != text:
            path.write_text(fixed)


def build() -> None:
    """Configures, builds and installs with CMake and Ninja; their output is shown only when they fail."""
    tools = PREFIX / "bin"
    cmake = shutil.which("cmake", path=f"{tools}:{os.environ.get('PATH', '')}")
    if cmake is None:
        sys.exit("msg/build.py: no cmake; install what constraints.txt lists for ROS (`make setup` does it)")
    # The generators are Python programs of their own: they must be this environment's.
    environment = os.environ | {"PATH": f"{tools}:{os.environ.get('PATH', '')}", "AMENT_PREFIX_PATH": str(PREFIX)}
    with tempfile.TemporaryDirectory(prefix="dgemma_msgs-") as folder:
        configure = [
            cmake,
            "-S",
            str(HERE),
            "-B",
            folder,
            "-GNinja",
            "-DCMAKE_BUILD_TYPE=Release",
            "-DBUILD_TESTING=OFF",
        ]
        configure += [f"-DCMAKE_PREFIX_PATH={PREFIX}", f"-DCMAKE_INSTALL_PREFIX={PREFIX}"]
        configure += [f"-DPython3_EXECUTABLE={sys.executable}"]
        steps = (configure, [cmake, "--build", folder], [cmake, "--install", folder])
        for step in steps:
            done = subprocess.run(step, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                sys.exit(f"{done.stdout[-6000:]}\nmsg/build.py: {' '.join(step[:3])} … failed")


def main() -> None:
    """Builds where the installed interfaces are not these."""
    wanted = fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    print("building the ROS interfaces (dgemma_msgs) …", flush=True)
    mend_exports()
    build()
    STAMP.write_text(wanted)


if __name__ == "__main__":
    main()
