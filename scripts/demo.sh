#!/usr/bin/env bash
# Installs what is missing, builds, and shows the whole system at work: see target/demo/ afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
. scripts/env.sh
scripts/build.sh
exec "$CARGO_TARGET_DIR/release/energy-demo" "$@"
