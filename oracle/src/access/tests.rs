//! Revocation, rotation of keys and devices by certificate, on a whole gate.

use oracle_access::{issue::EndpointError, token::TokenError, Action, Kind, Resource};
use rcgen::{CertificateParams, KeyPair, SanType};
use secure_server::PeerIdentity;

use super::{
	testing::{Guarded, NOW},
	*,
};

/// Asks something that a regulator may do.
async fn ask(gate: &Gate, token: &str) -> Result<(), String> {
	let resource = Resource::new(Kind::Trades, "1");
	let header = format!("Bearer {token}");
	match gate.allow(Some(&header), Action::Read, &resource, "r").await {
		Ok(_) => Ok(()),
		Err(Denied::Token(error)) => Err(error.code().to_owned()),
		Err(other) => Err(format!("{other:?}")),
	}
}

fn form(token: &str) -> Vec<u8> {
	format!("token={token}&token_type_hint=access_token").into_bytes()
}

#[tokio::test]
async fn a_client_revokes_its_own_token_for_good() {
	let guarded = Guarded::new();
	let (token, other) = (guarded.token("regulator").await, guarded.token("regulator").await);
	assert_eq!(ask(&guarded.gate, &token).await, Ok(()));
	let revoked = guarded.gate.revoke(Some(Guarded::basic("regulator")), form(&token), "rev").await;
	assert!(revoked.is_ok(), "{revoked:?}");
	assert_eq!(ask(&guarded.gate, &token).await, Err("token-revoked".to_owned()));
	assert_eq!(ask(&guarded.gate, &other).await, Ok(()));
	let lines = guarded.audit();
	let line = lines.iter().find(|line| line["request_id"] == "rev").expect("a line");
	assert_eq!(line["policies"], serde_json::json!(["revokes-own-token"]));
	assert_eq!(line["outcome"], "allow");
	// Once more is no error, and neither is a restart.
	guarded
		.gate
		.revoke(Some(Guarded::basic("regulator")), form(&token), "again")
		.await
		.expect("it is no error");
	let guarded = guarded.restarted();
	assert_eq!(ask(&guarded.gate, &token).await, Err("token-revoked".to_owned()));
	assert_eq!(ask(&guarded.gate, &other).await, Ok(()));
}

#[tokio::test]
async fn the_token_of_another_is_revoked_by_an_administrator_only() {
	let guarded = Guarded::new();
	let token = guarded.token("regulator").await;
	let revoke = |header: String| guarded.gate.revoke(Some(header), form(&token), "rev");
	let error = revoke(Guarded::basic("utility")).await.expect_err("it is refused");
	assert!(matches!(error, RevokeError::Endpoint(EndpointError::UnauthorizedClient)), "{error:?}");
	let error = revoke(guarded.bearer("utility").await).await.expect_err("it is refused");
	assert!(matches!(error, RevokeError::Denied(Denied::Policy)), "{error:?}");
	let error = revoke("Bearer nonsense".to_owned()).await.expect_err("it is refused");
	assert!(
		matches!(error, RevokeError::Denied(Denied::Token(TokenError::Malformed))),
		"{error:?}"
	);
	let error = revoke(Guarded::basic("nobody")).await.expect_err("it is refused");
	assert!(matches!(error, RevokeError::Endpoint(EndpointError::InvalidClient)), "{error:?}");
	assert_eq!(ask(&guarded.gate, &token).await, Ok(()));
	// By its secret or by its token.
	revoke(Guarded::basic("administrator")).await.expect("it is allowed");
	assert_eq!(ask(&guarded.gate, &token).await, Err("token-revoked".to_owned()));
	let second = guarded.token("regulator").await;
	let bearer = guarded.bearer("administrator").await;
	guarded.gate.revoke(Some(bearer), form(&second), "rev").await.expect("it is allowed");
	assert_eq!(ask(&guarded.gate, &second).await, Err("token-revoked".to_owned()));
}

#[tokio::test]
async fn there_is_nothing_to_revoke_in_what_is_no_token() {
	let guarded = Guarded::new();
	let expired = guarded.token("regulator").await;
	guarded.clock.set(NOW + 700);
	for token in ["nonsense", "a.b.c", &expired] {
		let header = Some(Guarded::basic("regulator"));
		let revoked = guarded.gate.revoke(header, form(token), "rev").await;
		assert!(revoked.is_ok(), "{token}: {revoked:?}");
	}
	let header = Some(Guarded::basic("regulator"));
	let error = guarded.gate.revoke(header, b"x=y".to_vec(), "rev").await.expect_err("refused");
	let missing = EndpointError::InvalidRequest("token is missing");
	assert!(matches!(error, RevokeError::Endpoint(found) if found == missing));
	let file = guarded.settings.audit_folder.join("revocations.jsonl");
	assert_eq!(std::fs::read_to_string(file).expect("a file"), "");
}

#[tokio::test]
async fn a_file_of_revocations_that_is_damaged_stops_the_start() {
	let guarded = Guarded::new();
	let Guarded { gate, settings, consents, clock, folder } = guarded;
	drop(gate);
	std::fs::write(settings.audit_folder.join("revocations.jsonl"), "nonsense\n").expect("written");
	let mut error = None;
	for _ in 0..1_000 {
		error = Gate::open(&settings, Arc::new(clock.clone()), consents.clone()).err();
		// The first gate's thread may hold the log for a moment.
		if error.as_ref().is_some_and(|error| error.reason.contains("revocations")) {
			break;
		}
		std::thread::sleep(std::time::Duration::from_millis(1));
	}
	let error = error.expect("it is refused");
	assert!(error.reason.contains("line 1"), "{error}");
	drop(folder);
}

#[tokio::test]
async fn keys_rotate_while_the_oracle_runs() {
	const DAY: u64 = 86_400;
	let guarded = Guarded::new();
	let published = || {
		let set: serde_json::Value =
			serde_json::from_slice(&guarded.gate.key_set().expect("keys")).expect("JSON");
		let keys = set["keys"].as_array().expect("a list").iter();
		keys.map(|key| key["kid"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
	};
	let key_of = |token: &str| {
		use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine as _};
		let header = URL_SAFE_NO_PAD.decode(token.split('.').next().expect("a part"));
		let header: serde_json::Value =
			serde_json::from_slice(&header.expect("base64url")).expect("JSON");
		header["kid"].as_str().expect("text").to_owned()
	};
	let old = key_of(&guarded.token("regulator").await);
	assert_eq!(published(), [&*old]);
	// A month less an hour: the next key is published, and on the disk, and does not sign.
	let due = NOW + 30 * DAY - 3600;
	guarded.clock.set(due);
	let token = guarded.token("regulator").await;
	assert_eq!(key_of(&token), old);
	assert_eq!(published().len(), 2);
	let stored = std::fs::read_to_string(&guarded.settings.signing_key_file).expect("a file");
	assert_eq!(stored.matches("pkcs8").count(), 2);
	// An hour later it signs, and tokens of both count.
	guarded.clock.set(due + 3600);
	let fresh = guarded.token("regulator").await;
	assert_ne!(key_of(&fresh), old);
	assert_eq!(ask(&guarded.gate, &fresh).await, Ok(()));
	let last = guarded.token("regulator").await;
	assert_eq!(published().len(), 2);
	// Two hours after that the old one is gone.
	guarded.clock.set(due + 3 * 3600);
	assert_eq!(published(), [key_of(&last)]);
	assert_eq!(ask(&guarded.gate, &token).await, Err("token-key-unknown".to_owned()));
}

/// The identity of a certificate with these URIs and this common name.
fn identity(uris: &[&str], common_name: &str) -> PeerIdentity {
	let mut parameters = CertificateParams::default();
	parameters.distinguished_name.push(rcgen::DnType::CommonName, common_name);
	for uri in uris {
		parameters.subject_alt_names.push(SanType::URI((*uri).try_into().expect("ASCII")));
	}
	let key = KeyPair::generate().expect("a key");
	let certificate = parameters.self_signed(&key).expect("a certificate");
	PeerIdentity::from_leaf(certificate.der()).expect("an identity")
}

#[tokio::test]
async fn a_meter_with_a_certificate_sends_its_own_readings() {
	let guarded = Guarded::with(|settings| settings.devices_by_certificate = true);
	let meter = MeterId([0xab; 32]);
	let uri = format!("urn:wia-ene-014:meter:{}", "ab".repeat(32));
	let gate = &guarded.gate;
	let sender = |identity: PeerIdentity| async move {
		gate.sender_of(None, Some(&identity), &[ZoneId(1)], "mtls").await
	};
	let sent = sender(identity(&[&uri], "meter")).await;
	assert!(matches!(sent, Ok(Sender::Meter(found)) if found == meter), "{sent:?}");
	let sent = sender(identity(&["https://other.example", &uri], "meter")).await;
	assert!(matches!(sent, Ok(Sender::Meter(found)) if found == meter), "{sent:?}");
	let lines = guarded.audit();
	assert_eq!(lines[0]["policies"], serde_json::json!(["device-writes-own-readings"]));
	assert_eq!(lines[0]["principal"], format!("urn:wia-ene-014:certificate#{}", "ab".repeat(32)));
	// Those that say nothing, or two things.
	let other = format!("urn:wia-ene-014:meter:{}", "cd".repeat(32));
	let prefixed = format!("urn:wia-ene-014:meter:0x{}", "ab".repeat(31));
	for (uris, common_name) in [
		(vec![], "ab".repeat(32)),
		(vec![uri.as_str(), other.as_str()], String::new()),
		(vec!["urn:wia-ene-014:meter:ab"], String::new()),
		(vec![prefixed.as_str()], String::new()),
		(vec!["urn:wia-ene-014:zone:1"], String::new()),
	] {
		let sent = sender(identity(&uris, &common_name)).await;
		assert!(matches!(sent, Err(Denied::Token(TokenError::Missing))), "{uris:?}: {sent:?}");
	}
	// Who shows a token is held to it.
	let regulator = guarded.bearer("regulator").await;
	let shown = identity(&[&uri], "meter");
	let sent = guarded.gate.sender_of(Some(&regulator), Some(&shown), &[ZoneId(1)], "r").await;
	assert!(matches!(sent, Err(Denied::Policy)), "{sent:?}");
}

#[tokio::test]
async fn certificates_count_only_where_that_is_configured() {
	let uri = format!("urn:wia-ene-014:meter:{}", "ab".repeat(32));
	let shown = identity(&[&uri], "meter");
	let guarded = Guarded::new();
	let sent = guarded.gate.sender_of(None, Some(&shown), &[ZoneId(1)], "r").await;
	assert!(matches!(sent, Err(Denied::Token(TokenError::Missing))), "{sent:?}");
	let guarded = Guarded::with(|settings| settings.readings_without_token = true);
	let sent = guarded.gate.sender_of(None, Some(&shown), &[ZoneId(1)], "r").await;
	assert!(matches!(sent, Ok(Sender::Anyone)), "{sent:?}");
}
