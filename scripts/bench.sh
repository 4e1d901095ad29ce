#!/usr/bin/env bash
# Builds what is needed and measures. The figures are in target/bench/ afterwards.
#   bench.sh market [--quick] [--seed N] [--out FOLDER]   the market on the chain
#   bench.sh steps                                        where the time of a block goes
#   bench.sh ingest [--meters N] [--kills N] ...          the oracle's way in
# `bench.sh --help` and `bench.sh ingest --help` say more.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
if [ "${1:-}" = ingest ]; then
	export CARGO_TARGET_DIR="$CARGO_TARGET_DIR/oracle"
	(cd oracle && cargo build --release --locked --workspace --all-targets)
	mkdir -p target/bench
	cd target/bench
	exec "$CARGO_TARGET_DIR/release/energy-oracle-bench" "$@" --out ingest.json
fi
cargo build "${cargo_selection[@]}"
exec "$CARGO_TARGET_DIR/release/energy-bench" "$@"
