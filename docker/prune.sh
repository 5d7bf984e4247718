#!/bin/bash
# Removes from a folder what compiles and tests, and what is there twice, but nothing that runs: headers, static libraries, CMake's files, other
# packages' tests and training tools, pip itself. Libraries of wheels are not stripped: that breaks those that patchelf
# has been at ("load command address/offset not page-aligned").
set -euo pipefail
cd "$1"
find . -depth \( -name __pycache__ -o -path '*/site-packages/*/tests' -o -path '*/site-packages/*/test' \
    -o -path './venv/include' -o -path './venv/bin/pip*' -o -path '*/share/*/cmake' -o -path '*/site-packages/pip' \
    -o -path '*/site-packages/pip-*.dist-info' -o -path '*/site-packages/wheel*' -o -path '*/site-packages/setuptools*' \
    -o -path '*/site-packages/onnx/backend' -o -path '*/site-packages/cv2/data' \
    -o -path '*/site-packages/onnxruntime/transformers' -o -path '*/site-packages/onnxruntime/tools' \
    -o -path '*/site-packages/onnxruntime/quantization' \) -exec rm -rf {} +
find . \( -name '*.a' -o -name '*.pyi' -o -name '*.pyx' -o -name '*.h' -o -name '*.hpp' \) -type f -delete
# Wheels cannot hold links, so a library lies there once for each of its names: Fast DDS three times, 16 MB each.
for library in venv/lib/lib*.so.*.*.*; do
    [ -f "$library" ] || continue
    for name in "${library%%.so.*}".so "${library%%.so.*}".so.*; do
        if [ "$name" != "$library" ] && [ ! -L "$name" ] && cmp -s "$name" "$library"; then
            ln -sf "$(basename "$library")" "$name"
        fi
    done
done
