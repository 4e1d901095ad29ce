//! One request to one receiver.

use crate::support::*;
use bytes::Bytes;
use http::HeaderMap;
use std::{io, net::IpAddr, sync::Arc, time::Duration};
use tokio::{
	io::{AsyncReadExt, AsyncWriteExt},
	net::TcpListener,
	task::JoinHandle,
};
use webhook_delivery::*;

fn names() -> Arc<Names> {
	let names = Arc::new(Names::default());
	names.set(NAME, &[&["127.0.0.1"]]);
	names
}

async fn post(client: &Client, url: &str) -> Result<Answer, SendError> {
	let target = client.rules().parse(url).unwrap();
	soon(client.post(&target, HeaderMap::new(), Bytes::from_static(b"{}"))).await
}

/// A server with TLS that takes one request and writes what `bytes` says, over and over until the
/// sender goes away. Gives the port and how many bytes it could write.
async fn endless(
	certificate: &Certificate,
	begin: &'static [u8],
	again: &'static [u8],
) -> (u16, JoinHandle<usize>) {
	let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
	let port = listener.local_addr().unwrap().port();
	let acceptor = certificate.acceptor();
	let written = tokio::spawn(async move {
		let (stream, _) = listener.accept().await.unwrap();
		let mut stream = acceptor.accept(stream).await.unwrap();
		let read = stream.read(&mut [0; 4096]).await.unwrap();
		assert!(read > 0);
		stream.write_all(begin).await.unwrap();
		let mut written = begin.len();
		while stream.write_all(again).await.is_ok() {
			written += again.len();
		}
		written
	});
	(port, written)
}

#[tokio::test]
async fn post_is_answered_by_name_and_by_address() {
	let mut receiver = Receiver::new().await;
	let client = Client::new(client_settings(&receiver.certificate), names()).unwrap();
	for host in [NAME, "127.0.0.1"] {
		let url = format!("https://{host}:{}/hook?a=b", receiver.port);
		let (answer, ()) = tokio::join!(post(&client, &url), async {
			let seen = receiver.request().await;
			assert_eq!(seen.uri.to_string(), url);
			assert_eq!(seen.body, "{}");
			seen.answer_with(202, &[("retry-after", "7")]);
		});
		let answer = answer.unwrap();
		assert_eq!(answer.status, 202);
		assert_eq!(answer.retry_after.unwrap(), "7");
	}
}

#[tokio::test]
async fn post_goes_to_the_next_address_when_one_refuses() {
	let mut receiver = Receiver::new().await;
	let names = names();
	// Nobody listens at the first one.
	names.set(NAME, &[&["127.0.0.2", "127.0.0.1"]]);
	let client = Client::new(client_settings(&receiver.certificate), names).unwrap();
	let url = receiver.url();
	let (answer, ()) =
		tokio::join!(post(&client, &url), async { receiver.request().await.answer(200) });
	assert_eq!(answer.unwrap().status, 200);
}

#[tokio::test]
async fn post_is_refused_when_any_address_of_the_name_is_not_allowed() {
	let receiver = Receiver::new().await;
	let names = names();
	let client = Client::new(client_settings(&receiver.certificate), names.clone()).unwrap();
	for (answer, kind) in [
		(&["127.1.2.3"][..], AddressKind::Loopback),
		(&["::1"], AddressKind::Loopback),
		(&["::ffff:127.0.0.1"], AddressKind::Embedded),
		(&["0.0.0.0"], AddressKind::Unspecified),
		// The first one would be connected to.
		(&["127.0.0.1", "::1"], AddressKind::Loopback),
		(&["127.0.0.1", "::ffff:127.0.0.1"], AddressKind::Embedded),
	] {
		names.set(NAME, &[answer]);
		match post(&client, &receiver.url()).await {
			Err(SendError::Address(AddressRefused(refused))) => assert_eq!(refused, kind),
			other => panic!("{answer:?}: {other:?}"),
		}
	}
	assert!(receiver.is_idle());
}

#[tokio::test]
async fn loopback_is_refused_unless_it_is_allowed() {
	let receiver = Receiver::new().await;
	let rules = UrlRules::default();
	let settings = ClientSettings { rules, ..client_settings(&receiver.certificate) };
	let client = Client::new(settings, names()).unwrap();
	let error = post(&client, &receiver.url()).await.unwrap_err();
	assert!(matches!(error, SendError::Address(AddressRefused(AddressKind::Loopback))), "{error}");
	assert!(!error.to_string().contains("127"), "{error}");
}

/// A name that means something else the second time: the connection goes to what was checked.
#[tokio::test]
async fn name_is_resolved_once_for_an_attempt() {
	let mut receiver = Receiver::new().await;
	let names = names();
	names.set(NAME, &[&["127.0.0.1"], &["127.1.2.3"]]);
	let client = Client::new(client_settings(&receiver.certificate), names.clone()).unwrap();
	let url = receiver.url();
	let (answer, ()) =
		tokio::join!(post(&client, &url), async { receiver.request().await.answer(200) });
	assert_eq!(answer.unwrap().status, 200);
	assert_eq!(names.asked(), 1);

	let error = post(&client, &url).await.unwrap_err();
	assert!(matches!(error, SendError::Address(AddressRefused(AddressKind::Loopback))), "{error}");
	assert_eq!(names.asked(), 2);
}

#[tokio::test]
async fn redirect_is_an_answer_and_not_followed() {
	let mut receiver = Receiver::new().await;
	let other = Receiver::new().await;
	let client = Client::new(client_settings(&receiver.certificate), names()).unwrap();
	let (url, location) = (receiver.url(), other.url());
	for status in [301, 302, 303, 307, 308] {
		let (answer, ()) = tokio::join!(post(&client, &url), async {
			receiver.request().await.answer_with(status, &[("location", &location)]);
		});
		assert_eq!(answer.unwrap().status, status);
	}
	assert!(other.is_idle() && receiver.is_idle());
}

#[tokio::test]
async fn certificate_of_another_name_or_authority_is_refused() {
	let receiver = Receiver::new().await;
	let names = names();
	names.set("other.example", &[&["127.0.0.1"]]);
	let client = Client::new(client_settings(&receiver.certificate), names.clone()).unwrap();
	let url = format!("https://other.example:{}/", receiver.port);
	let error = post(&client, &url).await.unwrap_err();
	assert!(error.to_string().contains("certificate"), "{error}");

	let stranger = Certificate::new(&[NAME]);
	let client = Client::new(client_settings(&stranger), names).unwrap();
	let error = post(&client, &receiver.url()).await.unwrap_err();
	assert!(error.to_string().contains("certificate"), "{error}");
	assert!(receiver.is_idle());
}

#[tokio::test]
async fn body_of_an_answer_is_read_up_to_a_bound() {
	let certificate = Certificate::new(&[NAME]);
	let (port, written) = endless(
		&certificate,
		b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n",
		&[b'a'; 16 * 1024],
	)
	.await;
	let client = Client::new(client_settings(&certificate), names()).unwrap();
	let answer = post(&client, &format!("https://{NAME}:{port}/")).await.unwrap();
	assert_eq!(answer.status, 200);
	// Not more than the buffers of the two sockets hold.
	let written = soon(written).await.unwrap();
	assert!(written < 64 << 20, "{written}");
}

#[tokio::test]
async fn header_of_an_answer_is_read_up_to_a_bound() {
	let certificate = Certificate::new(&[NAME]);
	let (port, written) =
		endless(&certificate, b"HTTP/1.1 200 OK\r\na: ", &[b'a'; 16 * 1024]).await;
	let client = Client::new(client_settings(&certificate), names()).unwrap();
	let error = post(&client, &format!("https://{NAME}:{port}/")).await.unwrap_err();
	assert!(matches!(error, SendError::Http(_)), "{error}");
	let written = soon(written).await.unwrap();
	assert!(written < 64 << 20, "{written}");
}

/// The status came; that the body never ends changes nothing.
#[tokio::test]
async fn answer_counts_when_its_body_does_not_end() {
	let certificate = Certificate::new(&[NAME]);
	let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
	let url = format!("https://{NAME}:{}/", listener.local_addr().unwrap().port());
	let acceptor = certificate.acceptor();
	tokio::spawn(async move {
		let (stream, _) = listener.accept().await.unwrap();
		let mut stream = acceptor.accept(stream).await.unwrap();
		stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await.unwrap();
		std::future::pending::<()>().await;
	});
	let total_timeout = Duration::from_millis(500);
	let settings = ClientSettings { total_timeout, ..client_settings(&certificate) };
	let client = Client::new(settings, names()).unwrap();
	assert_eq!(post(&client, &url).await.unwrap().status, 200);
}

/// Resolves nothing, ever.
struct Silent;

impl Resolver for Silent {
	fn resolve(&self, _: &str) -> BoxFuture<io::Result<Vec<IpAddr>>> {
		Box::pin(std::future::pending())
	}
}

#[tokio::test]
async fn every_wait_has_an_end() {
	let receiver = Receiver::new().await;
	let short = Duration::from_millis(50);
	let settings = client_settings(&receiver.certificate);

	let resolve = ClientSettings { resolve_timeout: short, ..settings.clone() };
	let client = Client::new(resolve, Arc::new(Silent)).unwrap();
	let error = post(&client, &receiver.url()).await.unwrap_err();
	assert!(matches!(error, SendError::ResolveTimeout), "{error}");

	// Connections are made and no TLS is spoken.
	let mute = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
	let url = format!("https://{NAME}:{}/", mute.local_addr().unwrap().port());
	let connect = ClientSettings { connect_timeout: short, ..settings.clone() };
	let client = Client::new(connect, names()).unwrap();
	let error = post(&client, &url).await.unwrap_err();
	assert!(matches!(error, SendError::ConnectTimeout), "{error}");

	// The request is taken and never answered.
	let total = ClientSettings { total_timeout: short, ..settings };
	let client = Client::new(total, names()).unwrap();
	let error = post(&client, &receiver.url()).await.unwrap_err();
	assert!(matches!(error, SendError::Timeout), "{error}");
}

#[tokio::test]
async fn failure_says_what_failed() {
	let receiver = Receiver::new().await;
	let names = names();
	names.set("empty.example", &[&[]]);
	// Nobody listens there.
	names.set("closed.example", &[&["127.0.0.2"]]);
	let client = Client::new(client_settings(&receiver.certificate), names).unwrap();
	let error = post(&client, "https://unknown.example/").await.unwrap_err();
	assert!(matches!(error, SendError::Resolve(_)), "{error}");
	let error = post(&client, "https://empty.example/").await.unwrap_err();
	assert!(matches!(error, SendError::NoAddress), "{error}");

	let error =
		post(&client, &format!("https://closed.example:{}/", receiver.port)).await.unwrap_err();
	assert_eq!(error.to_string(), "no connection: connection refused");

	let certificate = Certificate::new(&[NAME]);
	let (port, _) = endless(&certificate, b"nonsense\r\n\r\n", b"more").await;
	let client = Client::new(client_settings(&certificate), self::names()).unwrap();
	let error = post(&client, &format!("https://{NAME}:{port}/")).await.unwrap_err();
	assert!(matches!(error, SendError::Http(_)), "{error}");
}

#[tokio::test]
async fn http_goes_to_loopback_in_development() {
	let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
	let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
	let names = names();
	names.set("localhost", &[&["127.0.0.1"], &["::ffff:127.0.0.1"]]);
	let rules = UrlRules { http_to_loopback: true, ..UrlRules::default() };
	let client = Client::new(ClientSettings { rules, ..ClientSettings::default() }, names).unwrap();
	let (answer, ()) = tokio::join!(post(&client, &url), async {
		let (mut stream, _) = listener.accept().await.unwrap();
		let read = stream.read(&mut [0; 4096]).await.unwrap();
		assert!(read > 0);
		stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
	});
	assert_eq!(answer.unwrap().status, 204);
	let error = post(&client, &url).await.unwrap_err();
	assert!(matches!(error, SendError::Address(AddressRefused(AddressKind::Embedded))), "{error}");
}

#[tokio::test]
async fn system_resolver_knows_this_machine() {
	let resolver = SystemResolver::new(1);
	for _ in 0..2 {
		let addresses = soon(resolver.resolve("localhost")).await.unwrap();
		assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback));
	}
	assert!(soon(resolver.resolve("a\0b")).await.is_err());
}

#[test]
fn client_is_refused_with_the_setting() {
	let refused = |settings| match Client::new(settings, Arc::new(Silent)) {
		Ok(_) => panic!("taken"),
		Err(error) => error.to_string(),
	};
	let zero = Duration::ZERO;
	let given = ClientSettings::default;
	for (settings, field) in [
		(ClientSettings { resolve_timeout: zero, ..given() }, "resolve_timeout"),
		(ClientSettings { connect_timeout: zero, ..given() }, "connect_timeout"),
		(ClientSettings { total_timeout: zero, ..given() }, "total_timeout"),
	] {
		assert_eq!(refused(settings), format!("{field}: must be more than 0"));
	}
	let folder = tempfile::tempdir().unwrap();
	let file = folder.path().join("authorities.pem");
	let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	for content in [None, Some(""), Some(broken)] {
		if let Some(content) = content {
			std::fs::write(&file, content).unwrap();
		}
		let error = refused(ClientSettings { authorities_file: Some(file.clone()), ..given() });
		assert!(error.starts_with(&format!("authorities_file: {}", file.display())), "{error}");
	}
}
