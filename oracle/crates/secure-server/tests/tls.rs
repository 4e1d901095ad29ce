//! TLS versions, ALPN, client certificates, reload, HTTP/2 resets.
#![allow(clippy::unwrap_used)]

mod common;

use common::{read_all, start, start_watching, write, Authority, Leaf, Running};
use rustls::version::{TLS12, TLS13};
use secure_server::{ClientAuthentication, Limits};
use tokio::{
	io::{AsyncReadExt, AsyncWriteExt},
	net::TcpStream,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

async fn ask(running: &Running, identity: Option<&Leaf>) -> String {
	let mut stream = running.connect(&TLS13, b"http/1.1", identity).await.unwrap();
	if stream.write_all(GET).await.is_err() {
		return String::new();
	}
	read_all(&mut stream).await
}

#[tokio::test]
async fn tls_1_2_is_refused_and_1_3_served_by_both_protocols() {
	let running = start(Limits::default(), Some(ClientAuthentication::None)).await;
	assert!(running.connect(&TLS12, b"http/1.1", None).await.is_err());
	assert!(running.connect(&TLS13, b"spdy/1", None).await.is_err());
	assert_eq!(running.handle.counters().handshake_failures, 2);
	assert!(ask(&running, None).await.ends_with("anonymous"));
	let stream = running.connect(&TLS13, b"h2", None).await.unwrap();
	let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
	tokio::spawn(connection);
	let request = http::Request::get("https://localhost/").body(()).unwrap();
	let (response, _) = client.send_request(request, true).unwrap();
	assert_eq!(response.await.unwrap().status(), 200);
}

#[tokio::test]
async fn client_certificate_is_checked_as_set() {
	let stranger = Authority::new().leaf("stranger", false);
	for wanted in [ClientAuthentication::Optional, ClientAuthentication::Required] {
		let running = start(Limits::default(), Some(wanted)).await;
		let meter = running.authority.leaf("meter-7", false);
		let expired = running.authority.leaf("expired", true);
		let answer = ask(&running, Some(&meter)).await;
		assert!(answer.ends_with("meter-7 urn:meter:meter-7 localhost"), "{answer}");
		assert_eq!(ask(&running, Some(&stranger)).await, "");
		assert_eq!(ask(&running, Some(&expired)).await, "");
		assert_eq!(running.handle.counters().handshake_failures, 2);
		let anonymous = ask(&running, None).await;
		assert_eq!(anonymous.is_empty(), wanted == ClientAuthentication::Required);
	}
}

#[tokio::test]
async fn reload_serves_the_new_certificate_and_keeps_open_connections() {
	let running = start(Limits::default(), Some(ClientAuthentication::Required)).await;
	let meter = running.authority.leaf("meter", false);
	let served = |stream: &tokio_rustls::client::TlsStream<TcpStream>| {
		stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
	};
	let mut old = running.connect(&TLS13, b"http/1.1", Some(&meter)).await.unwrap();
	let second = running.authority.leaf("second", false);
	write(running.folder.path(), &second);
	running.handle.reload().unwrap();
	let new = running.connect(&TLS13, b"http/1.1", Some(&meter)).await.unwrap();
	assert_eq!(served(&new), second.der.to_vec());
	assert_ne!(served(&old), second.der.to_vec());
	old.write_all(GET).await.unwrap();
	assert!(read_all(&mut old).await.contains("urn:meter:meter"));

	let mismatched = running.authority.leaf("third", false);
	std::fs::write(running.folder.path().join("chain.pem"), &mismatched.pem).unwrap();
	let error = running.handle.reload().unwrap_err();
	assert_eq!(error.field, "tls.private_key");
	write(running.folder.path(), &running.authority.leaf("late", true));
	assert!(running.handle.reload().unwrap_err().reason.contains("expired"));
	assert!(running.handle.status().reload_failure.is_some());
	let kept = running.connect(&TLS13, b"http/1.1", Some(&meter)).await.unwrap();
	assert_eq!(served(&kept), second.der.to_vec());
	let counters = running.handle.counters();
	assert_eq!((counters.reloads, counters.failed_reloads), (1, 2));

	let other = Authority::new();
	write(running.folder.path(), &second);
	std::fs::write(running.folder.path().join("ca.pem"), &other.pem).unwrap();
	running.handle.reload().unwrap();
	assert_eq!(running.handle.status().reload_failure, None);
	assert_eq!(ask(&running, Some(&meter)).await, "");
	assert!(ask(&running, Some(&other.leaf("new", false))).await.contains("urn:meter:new"));
}

#[tokio::test]
async fn half_open_handshake_is_cut_off() {
	let limits = Limits { handshake_timeout_ms: 50, ..Limits::default() };
	let running = start(limits, Some(ClientAuthentication::None)).await;
	assert_eq!(running.raw(b"\x16\x03\x01").await, "");
	assert_eq!(running.handle.counters().handshake_timeouts, 1);
}

#[tokio::test]
async fn silent_http2_connection_is_closed_when_idle() {
	let limits = Limits { idle_timeout_ms: 50, ..Limits::default() };
	let running = start(limits, Some(ClientAuthentication::None)).await;
	let mut stream = running.connect(&TLS13, b"h2", None).await.unwrap();
	read_all(&mut stream).await;
	assert!(stream.read_u8().await.is_err());
	assert_eq!(running.handle.counters().idle_closed, 1);
}

#[tokio::test]
async fn changed_files_are_noticed_and_a_failure_keeps_serving() {
	let running = start_watching(Limits::default(), Some(ClientAuthentication::None), 5).await;
	let wait = |reached: fn(secure_server::CountersSnapshot) -> bool| {
		let handle = running.handle.clone();
		let reached = async move {
			let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
			while !reached(handle.counters()) {
				ticks.tick().await;
			}
		};
		tokio::time::timeout(std::time::Duration::from_secs(5), reached)
	};
	let chain = running.folder.path().join("chain.pem");
	let sound = std::fs::read(&chain).unwrap();
	std::fs::write(&chain, "broken").unwrap();
	wait(|counters| counters.failed_reloads > 0).await.unwrap();
	assert!(running.handle.status().reload_failure.unwrap().contains("no certificate in PEM"));
	assert!(running.handle.status().seconds_to_expiry().unwrap() > 0);
	std::fs::write(&chain, sound).unwrap();
	wait(|counters| counters.reloads == 1).await.unwrap();
	assert!(ask(&running, None).await.ends_with("anonymous"));
	assert_eq!(running.handle.status().reload_failure, None);
}

#[tokio::test]
async fn http2_peer_that_answers_no_ping_is_cut_off() {
	let limits =
		Limits { http2_ping_interval_ms: 20, http2_ping_timeout_ms: 20, ..Limits::default() };
	let running = start(limits, Some(ClientAuthentication::None)).await;
	let mut stream = running.connect(&TLS13, b"h2", None).await.unwrap();
	// A header block that never ends.
	stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
	stream.write_all(&[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]).await.unwrap();
	read_all(&mut stream).await;
	let counters = running.handle.counters();
	assert_eq!((counters.connection_failures, counters.idle_closed), (1, 0));
}

#[tokio::test]
async fn drain_cuts_off_endless_http2_request() {
	let limits = Limits { drain_timeout_ms: 50, ..Limits::default() };
	let mut running = start(limits, Some(ClientAuthentication::None)).await;
	let stream = running.connect(&TLS13, b"h2", None).await.unwrap();
	let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
	tokio::spawn(connection);
	for path in ["/", "/forever"] {
		let request = http::Request::get(format!("https://localhost{path}")).body(()).unwrap();
		let (response, _) = client.send_request(request, true).unwrap();
		if path == "/" {
			assert_eq!(response.await.unwrap().status(), 200);
		} else {
			// The answer to a later request shows that this one arrived.
			let request = http::Request::get("https://localhost/").body(()).unwrap();
			let (later, _) = client.send_request(request, true).unwrap();
			assert_eq!(later.await.unwrap().status(), 200);
			running.stop.take().unwrap().send(()).unwrap();
			assert!(response.await.is_err());
		}
	}
	let drained = running.task.await.unwrap();
	assert_eq!((drained.finished, drained.cut_off), (0, 1));
	assert_eq!(running.handle.counters().active_connections, 0);
}
