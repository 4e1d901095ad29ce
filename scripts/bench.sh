#!/usr/bin/env bash
# Builds what is needed and measures: `bench.sh market [--quick] [--seed N] [--out FOLDER]`, or
# `bench.sh steps`. `bench.sh --help` says more. The figures are in target/bench/ afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
cargo build "${cargo_selection[@]}"
exec "$CARGO_TARGET_DIR/release/energy-bench" "$@"
