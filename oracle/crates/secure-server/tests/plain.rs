//! HTTP/1.1 over plain TCP: limits, slow senders, smuggling, drain.
#![allow(clippy::unwrap_used)]

mod common;

use common::{read_all, start};
use secure_server::Limits;
use tokio::{
	io::{AsyncReadExt, AsyncWriteExt},
	net::TcpStream,
};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

fn short() -> Limits {
	Limits { header_read_timeout_ms: 100, drain_timeout_ms: 100, ..Limits::default() }
}

#[tokio::test]
async fn smuggling_never_gets_a_second_response() {
	let running = start(short(), None).await;
	let head = "POST /echo HTTP/1.1\r\nHost: a\r\n";
	for (rest, allowed) in [
		("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "200"),
		("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", "200"),
		("Content-Length: 4\r\nContent-Length: 0\r\n\r\n", "400"),
		("Content-Length: 4, 0\r\n\r\n", "400"),
		("Content-Length: +4\r\n\r\n", "400"),
		("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "400"),
		("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"),
		("X: a\r\n folded\r\nContent-Length: 0\r\n\r\n", "400"),
		("Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", "400"),
		("Transfer-Encoding: chunked\r\n\r\n0\n\n", "400"),
	] {
		let answer = running.raw(format!("{head}{rest}{SMUGGLED}").as_bytes()).await;
		assert!(answer.matches("HTTP/1.1").count() <= 1, "{rest:?}: {answer}");
		let fine = answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {allowed}"));
		assert!(fine || answer.starts_with("HTTP/1.1 400"), "{rest:?}: {answer}");
	}
}

#[tokio::test]
async fn bare_line_feeds_are_one_request() {
	let running = start(short(), None).await;
	let answer = running.raw(b"GET / HTTP/1.1\nHost: a\n\n").await;
	assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[tokio::test]
async fn header_is_refused_when_too_long_or_too_many() {
	let running = start(short(), None).await;
	let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20_000));
	let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(100));
	for request in [long, many] {
		let answer = running.raw(request.as_bytes()).await;
		assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
	}
}

#[tokio::test]
async fn dripping_header_is_cut_off() {
	let running = start(short(), None).await;
	let (mut reader, mut writer) = TcpStream::connect(running.address).await.unwrap().into_split();
	let drip = tokio::spawn(async move {
		while writer.write_all(b"x").await.is_ok() {
			tokio::time::sleep(std::time::Duration::from_millis(10)).await;
		}
	});
	let answer = read_all(&mut reader).await;
	drip.abort();
	assert!(!answer.contains(" 200 "), "{answer}");
	assert_eq!(running.handle.counters().connection_failures, 1);
}

#[tokio::test]
async fn connections_are_refused_above_each_limit() {
	for (connections, connections_per_peer) in [(1, 1), (2, 1)] {
		let limits = Limits { connections, connections_per_peer, ..Limits::default() };
		let running = start(limits, None).await;
		let mut first = TcpStream::connect(running.address).await.unwrap();
		first.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
		first.read_u8().await.unwrap();
		assert_eq!(running.raw(b"").await, "");
		let counters = running.handle.counters();
		assert_eq!((counters.accepted, counters.active_connections), (1, 1));
		let refused = (counters.refused_total, counters.refused_per_peer);
		assert_eq!(refused, if connections == 1 { (1, 0) } else { (0, 1) });
	}
}

#[tokio::test]
async fn drain_finishes_idle_and_cuts_off_endless_requests() {
	let mut running = start(short(), None).await;
	let mut idle = TcpStream::connect(running.address).await.unwrap();
	idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
	idle.read_u8().await.unwrap();
	let mut endless = TcpStream::connect(running.address).await.unwrap();
	endless
		.write_all(
			b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
		)
		.await
		.unwrap();
	endless.read_u8().await.unwrap();
	running.stop.take().unwrap().send(()).unwrap();
	let drained = running.task.await.unwrap();
	assert_eq!((drained.finished, drained.cut_off), (1, 1));
	assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn chunked_request_keeps_the_connection_open() {
	let running = start(short(), None).await;
	let chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
	let answer = running.raw(chunked.repeat(2).as_bytes()).await;
	assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
}
