//! How many rows go into PostgreSQL in a second.
//!
//! `throughput SOCKET_FOLDER PORT DATABASE USERNAME [ROWS] [CONNECTIONS] [ROWS_PER_BATCH] [EVIDENCE_BYTES]`

use std::{env, sync::Arc, time::Instant};

use reading_sinks::{
	postgres::{PostgresConfiguration, PostgresOutlet},
	Batch, BatchId, MeterId, Outlet, Quality, Row,
};
use tokio::sync::Semaphore;

/// Meters of a zone; each has one reading in a slot.
const METERS: u32 = 1_000_000;

fn batch(
	number: u32,
	rows: u32,
	evidence_bytes: usize,
) -> Result<Batch, Box<dyn std::error::Error>> {
	let first = u64::from(number) * u64::from(rows);
	let slot = 2_000_000 + (first / u64::from(METERS)) as u32;
	let row = |place: u32| {
		let meter_index = ((first + u64::from(place)) % u64::from(METERS)) as u32;
		let mut id = [0; 32];
		for (at, chunk) in id.chunks_exact_mut(4).enumerate() {
			let mixed = meter_index.wrapping_add(at as u32 + 1).wrapping_mul(0x9e37_79b9);
			chunk.copy_from_slice(&mixed.to_be_bytes());
		}
		Row {
			meter_id: MeterId::Canonical(id),
			meter_index,
			start_seconds: u64::from(slot) * 900,
			duration_seconds: 900,
			import_wh: u64::from(meter_index % 4000),
			export_wh: 0,
			quality: Quality::Valid,
			evidence: id.iter().copied().cycle().take(evidence_bytes).collect(),
		}
	};
	Ok(Batch::new(BatchId { zone: 1, slot, part: number }, (0..rows).map(row).collect())?)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
	let arguments: Vec<String> = env::args().skip(1).collect();
	let [host, port, database, username, numbers @ ..] = arguments.as_slice() else {
		return Err("SOCKET_FOLDER PORT DATABASE USERNAME [ROWS] [CONNECTIONS] [ROWS_PER_BATCH] \
			[EVIDENCE_BYTES]"
			.into());
	};
	let number = |place: usize, default: usize| {
		numbers.get(place).map_or(Ok(default), |text| text.parse::<usize>())
	};
	let (rows, connections) = (number(0, 2_000_000)?, number(1, 4)?);
	let (batch_rows, evidence_bytes) = (number(2, 10_000)?, number(3, 200)?);
	let configuration: PostgresConfiguration = serde_json::from_value(serde_json::json!({
		"host": host, "port": port.parse::<u16>()?, "database": database, "username": username,
		"connections": connections,
	}))?;
	let outlet = Arc::new(PostgresOutlet::new(&configuration)?);
	outlet.migrate().await?;
	let count = rows.div_ceil(batch_rows) as u32;
	// Made beforehand: what is measured is the writing.
	let batches = (0..count)
		.map(|number| batch(number, batch_rows as u32, evidence_bytes))
		.collect::<Result<Vec<_>, _>>()?;
	for round in ["new", "again"] {
		let begin = Instant::now();
		let permits = Arc::new(Semaphore::new(connections));
		let mut tasks = Vec::new();
		for batch in batches.clone() {
			let permit = permits.clone().acquire_owned().await?;
			let outlet = outlet.clone();
			tasks.push(tokio::spawn(async move {
				let result = outlet.write(&batch).await;
				drop(permit);
				result
			}));
		}
		for task in tasks {
			task.await??;
		}
		let seconds = begin.elapsed().as_secs_f64();
		let written = f64::from(count) * batch_rows as f64;
		println!(
			"{round}: {written} rows of {evidence_bytes} bytes of evidence, {connections} \
			connections, {batch_rows} rows in a batch: {seconds:.2} s, {:.0} rows/s",
			written / seconds
		);
	}
	Ok(())
}
