#!/usr/bin/env bash
# Builds everything: node, oracle, wallet, tests, and the contracts.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
cargo build "${cargo_selection[@]}"
# The oracle is a workspace of its own: nothing of the chain waits for it.
(cd oracle && env CARGO_TARGET_DIR="$CARGO_TARGET_DIR/oracle" cargo build "${cargo_selection[@]}")
"$CARGO_TARGET_DIR/release/contracts-builder" build --all
