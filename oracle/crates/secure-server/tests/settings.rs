//! Every setting that cannot be used is named.
#![allow(clippy::unwrap_used)]

use secure_server::{Server, ServerError, Settings};

#[test]
fn settings_are_refused_with_the_field() {
	for (text, field) in [
		(r#"{"address":"0.0.0.0:1"}"#, "tls"),
		(r#"{"address":"127.0.0.1:1","limits":{"connections":0}}"#, "limits.connections"),
		(
			r#"{"address":"127.0.0.1:1","limits":{"connections":9,"connections_per_peer":10}}"#,
			"limits.connections_per_peer",
		),
		(r#"{"address":"127.0.0.1:1","limits":{"header_bytes":10}}"#, "limits.header_bytes"),
		(
			r#"{"address":"127.0.0.1:1","limits":{"http2_stream_window_bytes":4294967295}}"#,
			"limits.http2_stream_window_bytes",
		),
		(r#"{"address":"127.0.0.1:1","limits":{"idle_timeout_ms":0}}"#, "limits.idle_timeout_ms"),
		(
			r#"{"address":"0.0.0.0:1","tls":{"certificate_chain":"a","private_key":"b",
			"client_authentication":"required"}}"#,
			"tls.client_authorities",
		),
	] {
		let settings: Settings = serde_json::from_str(text).unwrap();
		assert_eq!(settings.validate().unwrap_err().field, field);
	}
	assert!(serde_json::from_str::<Settings>(r#"{"address":"127.0.0.1:1","tsl":1}"#).is_err());
}

#[tokio::test]
async fn bind_names_the_missing_file() {
	let settings =
		r#"{"address":"127.0.0.1:0","tls":{"certificate_chain":"/nowhere","private_key":"/b"}}"#;
	let error = Server::bind(serde_json::from_str(settings).unwrap()).await.err().unwrap();
	assert!(
		matches!(&error, ServerError::Credentials(error)
		if error.field == "tls.certificate_chain"),
		"{error}"
	);
}
