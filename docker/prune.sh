#!/bin/bash
# Removes from a folder what compiles and tests, but nothing that runs: headers, static libraries, CMake's files,
# other packages' tests, debug symbols, pip itself.
set -euo pipefail
cd "$1"
find . -depth \( -name __pycache__ -o -path '*/site-packages/*/tests' -o -path '*/site-packages/*/test' \
    -o -path './venv/include' -o -path '*/share/*/cmake' -o -path '*/site-packages/pip' \
    -o -path '*/site-packages/pip-*.dist-info' -o -path '*/site-packages/wheel*' \
    -o -path '*/site-packages/onnx/backend' \) -exec rm -rf {} +
find . \( -name '*.a' -o -name '*.pyi' -o -name '*.pyx' -o -name '*.h' -o -name '*.hpp' \) -type f -delete
find . -name '*.so*' -type f -exec strip --strip-unneeded {} + 2> /dev/null || true
