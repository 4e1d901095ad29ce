//! A quick run gives every figure.

use std::process::Command;

use serde_json::Value;

#[test]
fn quick_run_leaves_every_figure() {
	let folder = tempfile::tempdir().expect("a temporary folder");
	let status = Command::new(env!("CARGO_BIN_EXE_energy-bench"))
		.args(["market", "--quick", "--out"])
		.arg(folder.path())
		.status()
		.expect("the program starts");
	assert!(status.success(), "the program ended with {status}");
	let read = |name: &str| -> Value {
		let text = std::fs::read(folder.path().join(name)).expect("the file is there");
		serde_json::from_slice(&text).expect("it is JSON")
	};
	let figures = read("market.json");
	for name in [
		"transfers_per_s",
		"orders_single_per_s",
		"orders_batched_per_s",
		"trades_settled_per_s",
		"gate_to_positions_s",
		"slot_to_paid_s",
	] {
		let figure = figures[name].as_f64().unwrap_or_default();
		assert!(figure > 0.0, "{name} is {}", figures[name]);
	}
	assert!(figures["bytes_per_trade"].is_number());
	assert_eq!(figures["clearing_ms"].as_object().map(serde_json::Map::len), Some(3));
	assert!(!read("market-samples.json").as_array().expect("a list").is_empty());
}
