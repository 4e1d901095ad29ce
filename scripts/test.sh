#!/usr/bin/env bash
# Installs what is missing, builds everything, and runs every test.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
. scripts/env.sh
scripts/build.sh
(cd contracts && env -u CARGO_TARGET_DIR CARGO_TARGET_DIR="$CARGO_TARGET_DIR/contracts-host" cargo test --locked --quiet)
# The solver of coupled zones is a workspace of its own: it compiles a C++ library.
(cd solver && env CARGO_TARGET_DIR="$CARGO_TARGET_DIR/solver" cargo test --release --locked --quiet)
# So is the oracle, with the crates it is made of.
(
	cd oracle
	export CARGO_TARGET_DIR="$CARGO_TARGET_DIR/oracle"
	cargo test --release --locked --workspace --lib --bins --tests --quiet
	cargo test --release --locked --workspace --doc --quiet
)
# The network tests run the program that was built with its tests.
export ENERGY_SOLVER="$CARGO_TARGET_DIR/solver/release/energy-solver"
# Tests that are ignored need the real household's file.
cargo test "${cargo_selection[@]}" -- ${ENERGY_DATA_DIR:+--include-ignored}
cargo test --release --locked --workspace --doc
# The benchmarks, each once, as tests. They need other features of the SDK, hence a folder of their own.
pallets=(communities participants metering energy-market settlement)
env CARGO_TARGET_DIR="$CARGO_TARGET_DIR/benchmarks" SKIP_WASM_BUILD=1 CARGO_PROFILE_DEV_DEBUG=0 \
	cargo test --locked --quiet --lib "${pallets[@]/#/--package=pallet-}" \
	--features "$(printf 'pallet-%s/runtime-benchmarks,' "${pallets[@]}")"
