#!/usr/bin/env bash
# Builds everything: node, oracle, wallet, tests, and the contracts.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
cargo build "${cargo_selection[@]}"
"$CARGO_TARGET_DIR/release/contracts-builder" build --all
