//! HTTP/2 rapid reset. Alone in its process, because it measures memory.
#![allow(clippy::unwrap_used)]

mod common;

use common::{read_all, start};
use rustls::version::TLS13;
use secure_server::{ClientAuthentication, Limits};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn rapid_reset_closes_the_connection_and_memory_stays() {
	let running = start(Limits::default(), Some(ClientAuthentication::None)).await;
	let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
	for number in 0..2_000_u32 {
		let stream = (number * 2 + 1).to_be_bytes();
		// `:method GET`, `:scheme https`, `:path /`, `:authority a`.
		bytes.extend_from_slice(&[0, 0, 6, 1, 5]);
		bytes.extend_from_slice(&stream);
		bytes.extend_from_slice(&[0x82, 0x87, 0x84, 0x01, 1, b'a']);
		bytes.extend_from_slice(&[0, 0, 4, 3, 0]);
		bytes.extend_from_slice(&stream);
		bytes.extend_from_slice(&[0, 0, 0, 8]);
	}
	let mut warm = 0;
	for round in 1..=60 {
		let mut stream = running.connect(&TLS13, b"h2", None).await.unwrap();
		let _cut_off = stream.write_all(&bytes).await;
		// The farewell can be lost in the reset that follows it, so the counter is asked.
		read_all(&mut stream).await;
		assert_eq!(running.handle.counters().connection_failures, round);
		if round == 10 {
			warm = resident_pages();
		}
	}
	let grown = resident_pages().saturating_sub(warm);
	assert!(grown < 2_048, "grown by {grown} pages");
}

fn resident_pages() -> usize {
	let statistics = std::fs::read_to_string("/proc/self/statm").unwrap();
	statistics.split_whitespace().nth(1).unwrap().parse().unwrap()
}
