#!/bin/bash
# The versions to install: those that are tested, and on Ubuntu 24.04 those that its packages are compiled for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. /etc/os-release
if [ "${VERSION_CODENAME:-}" = noble ]; then
    awk -F== 'NR == FNR {own[$1]; print; next} !($1 in own)' constraints-ubuntu.txt constraints.txt
else
    cat constraints.txt
fi
