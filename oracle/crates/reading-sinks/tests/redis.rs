//! Against a real Redis.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used)]

mod support;

use std::{
	collections::BTreeMap,
	path::Path,
	time::{SystemTime, UNIX_EPOCH},
};

use proptest::test_runner::{Config, TestRunner};
use reading_sinks::{
	redis::{RedisConfiguration, RedisOutlet},
	Batch, BatchId, MeterId, Outlet, OutletError, Row,
};
use serde_json::{json, Value};
use support::{
	batch, batches, extremes, row,
	servers::{free_port, open_folder, Redis},
	Certificate,
};

fn outlet_to(server: &Redis, change: Value) -> RedisOutlet {
	let mut configuration = json!({
		"host": server.socket(),
		"reconnect_minimum_ms": 1,
		"reconnect_maximum_ms": 20,
	});
	for (field, value) in change.as_object().unwrap() {
		configuration[field] = value.clone();
	}
	let configuration: RedisConfiguration = serde_json::from_value(configuration).unwrap();
	RedisOutlet::new(&configuration).unwrap()
}

fn key(zone: u32, meter: &MeterId) -> String {
	format!("reading:{zone}:{meter:?}")
}

fn fields(batch: &Batch, row: &Row) -> BTreeMap<String, String> {
	[
		("slot", batch.id().slot.to_string()),
		("meter_index", row.meter_index.to_string()),
		("start_seconds", row.start_seconds.to_string()),
		("duration_seconds", row.duration_seconds.to_string()),
		("import_wh", row.import_wh.to_string()),
		("export_wh", row.export_wh.to_string()),
		("quality", row.quality.name().to_owned()),
	]
	.map(|(name, value)| (name.to_owned(), value))
	.into()
}

fn refusal(result: Result<(), OutletError>) -> String {
	match result {
		Err(OutletError::Refused { reason }) => reason,
		other => panic!("{other:?}"),
	}
}

/// Writes until it succeeds; what else is said must pass by itself.
async fn write_until_done(outlet: &RedisOutlet, batch: &Batch) {
	for _ in 0..1000 {
		match outlet.write(batch).await {
			Ok(()) => return,
			Err(error) => assert!(error.is_temporary(), "{error}"),
		}
	}
	panic!("never written");
}

#[tokio::test]
async fn every_value_is_there() {
	let server = Redis::start();
	let outlet = outlet_to(&server, json!({}));
	let batch = extremes();
	outlet.write(&batch).await.unwrap();
	outlet.write(&batch).await.unwrap();
	assert_eq!(server.ask(&["DBSIZE"]), "2");
	for row in batch.rows() {
		assert_eq!(server.hash(&key(u32::MAX, &row.meter_id)), fields(&batch, row));
	}
}

#[test]
fn latest_wins_in_whatever_order_readings_come() {
	let runtime = tokio::runtime::Runtime::new().unwrap();
	let server = Redis::start();
	let outlet = outlet_to(&server, json!({}));
	let mut runner = TestRunner::new(Config { cases: 48, ..Config::default() });
	let written = |batches: Vec<Batch>| {
		server.ask(&["FLUSHDB"]);
		let mut expected = BTreeMap::new();
		for batch in &batches {
			runtime.block_on(outlet.write(batch)).unwrap();
			for row in batch.rows() {
				let latest =
					expected.entry(key(batch.id().zone, &row.meter_id)).or_insert((batch, row));
				if latest.1.start_seconds < row.start_seconds {
					*latest = (batch, row);
				}
			}
		}
		assert_eq!(server.ask(&["DBSIZE"]), expected.len().to_string());
		for (key, (batch, row)) in expected {
			assert_eq!(server.hash(&key), fields(batch, row), "{key}");
		}
		Ok(())
	};
	runner.run(&batches(), written).unwrap();
}

/// More readings than go to the server at a time.
#[tokio::test]
async fn large_batch_is_written_whole() {
	let server = Redis::start();
	let outlet = outlet_to(&server, json!({}));
	let batch = batch(1, 2, 0, 0..5000);
	outlet.write(&batch).await.unwrap();
	assert_eq!(server.ask(&["DBSIZE"]), "5000");
	let last = batch.rows().last().unwrap();
	assert_eq!(server.hash(&key(1, &last.meter_id)), fields(&batch, last));
}

#[tokio::test]
async fn reading_goes_a_while_after_its_end_and_does_not_come_back() {
	let server = Redis::start();
	let outlet = outlet_to(&server, json!({ "time_to_live_seconds": 3600 }));
	let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
	let id = BatchId { zone: 1, slot: 1, part: 0 };
	let one = |start| Batch::new(id, vec![row(1, start)]).unwrap();
	let key = key(1, &row(1, 0).meter_id);
	outlet.write(&one(now - 900)).await.unwrap();
	assert_eq!(server.ask(&["EXPIRETIME", &key]), (now + 3600).to_string());
	outlet.write(&one(now - 900)).await.unwrap();
	outlet.write(&one(now - 1800)).await.unwrap();
	assert_eq!(server.ask(&["EXPIRETIME", &key]), (now + 3600).to_string());
	outlet.write(&one(now)).await.unwrap();
	assert_eq!(server.ask(&["EXPIRETIME", &key]), (now + 4500).to_string());
	server.ask(&["DEL", &key]);
	outlet.write(&one(now - 5000)).await.unwrap();
	assert_eq!(server.ask(&["DBSIZE"]), "0");
	// Without a time to live, a newer reading stays for good.
	outlet.write(&one(now - 900)).await.unwrap();
	outlet_to(&server, json!({})).write(&one(now)).await.unwrap();
	assert_eq!(server.ask(&["EXPIRETIME", &key]), "-1");
}

#[tokio::test]
async fn server_that_went_away_is_found_again() {
	let mut server = Redis::start();
	let outlet = outlet_to(&server, json!({}));
	outlet.write(&batch(1, 1, 0, 0..10)).await.unwrap();
	server.end();
	for _ in 0..3 {
		let error = outlet.write(&batch(1, 1, 0, 0..10)).await.unwrap_err();
		assert!(error.is_temporary(), "{error}");
	}
	server.begin();
	write_until_done(&outlet, &batch(1, 1, 0, 0..10)).await;
	assert_eq!(server.ask(&["DBSIZE"]), "10");
}

#[tokio::test]
async fn script_that_was_forgotten_is_loaded_again() {
	let server = Redis::start();
	let outlet = outlet_to(&server, json!({}));
	outlet.write(&batch(1, 1, 0, 0..10)).await.unwrap();
	server.ask(&["SCRIPT", "FLUSH"]);
	let error = outlet.write(&batch(1, 1, 1, 10..20)).await.unwrap_err();
	assert!(error.is_temporary(), "{error}");
	outlet.write(&batch(1, 1, 1, 10..20)).await.unwrap();
	assert_eq!(server.ask(&["DBSIZE"]), "20");
}

#[tokio::test]
async fn key_of_something_else_is_named_and_left_alone() {
	let server = Redis::start();
	let outlet = outlet_to(&server, json!({}));
	let key = key(1, &row(3, 0).meter_id);
	server.ask(&["SET", &key, "mine"]);
	let reason = refusal(outlet.write(&batch(1, 1, 0, 0..5)).await);
	assert!(reason.starts_with(&key) && reason.contains("WRONGTYPE"), "{reason}");
	assert_eq!(server.ask(&["GET", &key]), "mine");
	server.ask(&["DEL", &key]);
	outlet.write(&batch(1, 1, 0, 0..5)).await.unwrap();
	assert_eq!(server.ask(&["DBSIZE"]), "5");
}

#[tokio::test]
async fn server_without_room_may_have_some_later() {
	let server = Redis::start();
	let outlet = outlet_to(&server, json!({}));
	server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
	let error = outlet.write(&batch(1, 1, 0, 0..5)).await.unwrap_err();
	assert!(error.is_temporary(), "{error}");
	server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
	outlet.write(&batch(1, 1, 0, 0..5)).await.unwrap();
	assert_eq!(server.ask(&["DBSIZE"]), "5");
}

#[tokio::test]
async fn slow_write_is_given_up() {
	let server = Redis::start();
	let outlet = outlet_to(&server, json!({ "write_timeout_ms": 50, "connections": 1 }));
	outlet.write(&batch(1, 1, 0, 0..5)).await.unwrap();
	server.ask(&["CLIENT", "PAUSE", "60000", "WRITE"]);
	let error = outlet.write(&batch(1, 1, 1, 5..10)).await.unwrap_err();
	assert!(error.is_temporary(), "{error}");
	server.ask(&["CLIENT", "UNPAUSE"]);
	write_until_done(&outlet, &batch(1, 1, 1, 5..10)).await;
	assert_eq!(server.ask(&["DBSIZE"]), "10");
}

#[tokio::test]
async fn connection_is_encrypted_and_both_sides_are_who_they_say() {
	let folder = open_folder();
	let certificate = Certificate::new(folder.path(), "right");
	let stranger = Certificate::new(folder.path(), "wrong");
	let port = free_port();
	let file = |path: &Path| path.to_str().unwrap().to_owned();
	let (pem, key) = (file(&certificate.certificate_file), file(&certificate.key_file));
	let port_text = port.to_string();
	let options = [
		"--port",
		"0",
		"--tls-port",
		&port_text,
		"--tls-cert-file",
		&pem,
		"--tls-key-file",
		&key,
		"--tls-ca-cert-file",
		&pem,
		"--tls-auth-clients",
		"no",
	];
	let server = Redis::start_with(folder, &options);
	server.ask(&["ACL", "SETUSER", "writer", "on", ">geheim", "~reading:*", "+@all"]);
	let password = server.folder.path().join("password");
	std::fs::write(&password, "geheim\n").unwrap();
	let with = |ca_file: &Path| {
		outlet_to(
			&server,
			json!({
				"host": "localhost",
				"port": port,
				"username": "writer",
				"password_file": password,
				"database": 3,
				"tls": { "ca_file": ca_file },
			}),
		)
	};
	with(&certificate.certificate_file).write(&batch(1, 1, 0, 0..5)).await.unwrap();
	assert_eq!(server.ask(&["-n", "3", "DBSIZE"]), "5");
	let error = with(&stranger.certificate_file).write(&batch(1, 1, 0, 0..5)).await.unwrap_err();
	assert!(error.to_string().contains("certificate"), "{error}");

	std::fs::write(&password, "falsch").unwrap();
	let reason = refusal(with(&certificate.certificate_file).write(&batch(1, 1, 0, 0..5)).await);
	assert!(!reason.contains("falsch"), "{reason}");
	std::fs::remove_file(&password).unwrap();
	let reason = refusal(with(&certificate.certificate_file).write(&batch(1, 1, 0, 0..5)).await);
	assert!(reason.starts_with("password_file: "), "{reason}");
}
