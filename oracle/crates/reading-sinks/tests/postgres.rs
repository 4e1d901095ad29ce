//! Against a real PostgreSQL.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used)]

mod support;

use std::{collections::BTreeSet, os::unix::fs::PermissionsExt, sync::Arc};

use proptest::test_runner::{Config, TestRunner};
use reading_sinks::{
	postgres::{PostgresConfiguration, PostgresOutlet},
	Batch, BatchId, Outlet, OutletError,
};
use serde_json::{json, Value};
use support::{
	batch, batches, extremes, row,
	servers::{open_folder, run, Cluster},
	Certificate,
};

fn outlet(cluster: &Cluster, change: Value) -> PostgresOutlet {
	let mut configuration = json!({
		"host": cluster.folder.path(),
		"port": cluster.port,
		"database": "postgres",
		"username": "admin",
		"create_table": false,
		"reconnect_minimum_ms": 1,
		"reconnect_maximum_ms": 20,
	});
	for (field, value) in change.as_object().unwrap() {
		configuration[field] = value.clone();
	}
	let configuration: PostgresConfiguration = serde_json::from_value(configuration).unwrap();
	PostgresOutlet::new(&configuration).unwrap()
}

async fn migrated(cluster: &Cluster, change: Value) -> PostgresOutlet {
	let outlet = outlet(cluster, change);
	outlet.migrate().await.unwrap();
	outlet
}

/// Writes until it succeeds; what else is said must pass by itself.
async fn write_until_done(outlet: &PostgresOutlet, batch: &Batch) {
	for _ in 0..1000 {
		match outlet.write(batch).await {
			Ok(()) => return,
			Err(error) => assert!(error.is_temporary(), "{error}"),
		}
	}
	panic!("never written");
}

fn refusal(result: Result<(), OutletError>) -> String {
	match result {
		Err(OutletError::Refused { reason }) => reason,
		other => panic!("{other:?}"),
	}
}

#[tokio::test]
async fn batch_written_twice_is_there_once_with_every_value() {
	let cluster = Cluster::start();
	let outlet = migrated(&cluster, json!({})).await;
	for _ in 0..2 {
		outlet.write(&extremes()).await.unwrap();
		outlet.write(&batch(7, 2_000_000, 0, 0..1000)).await.unwrap();
	}
	assert_eq!(cluster.number("SELECT count(*) FROM readings"), 1002);
	let columns = "zone, slot, meter_index, extract(epoch FROM start_time)::bigint, \
		duration_seconds, import_wh, export_wh, quality, encode(meter_id, 'hex'), \
		md5(evidence), octet_length(evidence)";
	let select = |condition: &str| {
		cluster.sql(&format!("SELECT {columns} FROM readings WHERE {condition} ORDER BY 1, 2, 3"))
	};
	let md5 = |byte: &str, count: u32| {
		cluster.sql(&format!("SELECT md5(decode(repeat('{byte}', {count}), 'hex'))"))
	};
	let all = u32::MAX;
	let most = i64::MAX;
	assert_eq!(
		select(&format!("zone = {all}")),
		format!(
			"{all}|{all}|0|0|0|0|0|valid|{}|{}|0\n\
			{all}|{all}|{all}|253402300799|{all}|{most}|{most}|missing|{}|{}|100000",
			"00".repeat(16),
			md5("00", 0),
			"ff".repeat(32),
			md5("ff", 100_000),
		)
	);
	assert_eq!(
		select("zone = 7 AND meter_index = 258"),
		format!(
			"7|2000000|258|1800000000|900|1800000258|3|suspect|00000102{}|{}|200",
			"5a".repeat(28),
			md5("00000102", 50),
		)
	);
}

#[test]
fn any_batches_in_any_order_leave_every_reading_once() {
	let runtime = tokio::runtime::Runtime::new().unwrap();
	let cluster = Cluster::start();
	let outlet = runtime.block_on(migrated(&cluster, json!({})));
	let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
	let written = |batches: Vec<Batch>| {
		cluster.sql("TRUNCATE readings");
		let mut expected = BTreeSet::new();
		for batch in &batches {
			runtime.block_on(outlet.write(batch)).unwrap();
			let zone = batch.id().zone;
			expected.extend(
				batch
					.rows()
					.iter()
					.map(|row| (zone, row.meter_index, row.start_seconds, row.import_wh)),
			);
		}
		let found = cluster.sql(
			"SELECT zone, meter_index, extract(epoch FROM start_time)::bigint, import_wh \
			FROM readings ORDER BY 1, 2, 3",
		);
		let expected: Vec<_> = expected
			.iter()
			.map(|(zone, meter, start, import)| format!("{zone}|{meter}|{start}|{import}"))
			.collect();
		assert_eq!(found, expected.join("\n"));
		Ok(())
	};
	runner.run(&batches(), written).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn same_readings_at_the_same_time_are_there_once() {
	let cluster = Cluster::start();
	let outlet = Arc::new(migrated(&cluster, json!({ "connections": 4 })).await);
	let mut tasks = Vec::new();
	for number in 0..16 {
		let outlet = outlet.clone();
		// Each overlaps with the next, and each is written twice.
		let first = number % 8 * 100;
		let batch = batch(1, 5, number, first..first + 200);
		tasks.push(tokio::spawn(async move { outlet.write(&batch).await }));
	}
	for task in tasks {
		task.await.unwrap().unwrap();
	}
	assert_eq!(cluster.number("SELECT count(*) FROM readings"), 900);
	let connections =
		"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'reading-sinks'";
	assert!((1..=4).contains(&cluster.number(connections)));
}

#[tokio::test]
async fn server_that_went_away_is_found_again() {
	let cluster = Cluster::start();
	let outlet = migrated(&cluster, json!({})).await;
	outlet.write(&batch(1, 1, 0, 0..10)).await.unwrap();
	cluster.end();
	for _ in 0..3 {
		let error = outlet.write(&batch(1, 1, 1, 10..20)).await.unwrap_err();
		assert!(error.is_temporary(), "{error}");
	}
	cluster.begin();
	write_until_done(&outlet, &batch(1, 1, 1, 10..20)).await;
	assert_eq!(cluster.number("SELECT count(*) FROM readings"), 20);
}

#[tokio::test]
async fn connection_that_was_ended_is_replaced() {
	let cluster = Cluster::start();
	let outlet = migrated(&cluster, json!({ "connections": 1 })).await;
	outlet.write(&batch(1, 1, 0, 0..10)).await.unwrap();
	let end = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity \
		WHERE application_name = 'reading-sinks'";
	assert_eq!(cluster.number(end), 1);
	write_until_done(&outlet, &batch(1, 1, 1, 10..20)).await;
	assert_eq!(cluster.number("SELECT count(*) FROM readings"), 20);
}

#[tokio::test]
async fn batch_that_is_refused_leaves_nothing_and_stops_no_other() {
	let cluster = Cluster::start();
	let outlet = migrated(&cluster, json!({ "connections": 1 })).await;
	cluster.sql("ALTER TABLE readings ADD CONSTRAINT small CHECK (meter_index < 1005)");
	let reason = refusal(outlet.write(&batch(1, 1, 0, 1000..1010)).await);
	assert!(reason.starts_with("zone 1, slot 1, part 0: "), "{reason}");
	assert!(reason.contains("violates check constraint \"small\" (23514)"), "{reason}");
	outlet.write(&batch(1, 1, 1, 0..10)).await.unwrap();
	assert_eq!(cluster.number("SELECT count(*) FROM readings"), 10);
}

#[tokio::test]
async fn slow_write_is_given_up_and_leaves_nothing() {
	let cluster = Cluster::start();
	migrated(&cluster, json!({})).await;
	let outlet = outlet(&cluster, json!({ "connections": 1, "write_timeout_ms": 50 }));
	let (holder, connection) = tokio_postgres::connect(
		&format!(
			"host={} port={} user=admin dbname=postgres",
			cluster.folder.path().display(),
			cluster.port
		),
		tokio_postgres::NoTls,
	)
	.await
	.unwrap();
	tokio::spawn(connection);
	holder.batch_execute("BEGIN; LOCK TABLE readings").await.unwrap();
	let error = outlet.write(&batch(1, 1, 0, 0..10)).await.unwrap_err();
	assert_eq!(error.to_string(), "unavailable: no answer within the time allowed");
	// The server gives up as well, though the lock is still held.
	let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
	assert!((0..1000).any(|_| cluster.number(waiting) == 0));
	holder.batch_execute("COMMIT").await.unwrap();
	write_until_done(&outlet, &batch(1, 1, 1, 10..20)).await;
	assert_eq!(cluster.number("SELECT count(*) FROM readings WHERE meter_index >= 10"), 10);
	assert_eq!(cluster.number("SELECT count(*) FROM readings WHERE meter_index < 10"), 0);
}

#[tokio::test]
async fn role_needs_no_more_than_to_insert() {
	let cluster = Cluster::start();
	let writer = outlet(&cluster, json!({ "username": "writer" }));
	assert!(refusal(writer.write(&batch(1, 1, 0, 0..10)).await).contains("28000"));
	cluster.sql("CREATE ROLE writer LOGIN");
	let missing = writer.write(&batch(1, 1, 0, 0..10)).await;
	assert!(refusal(missing).contains("relation \"readings\" does not exist (42P01)"));
	migrated(&cluster, json!({})).await;
	assert!(refusal(writer.write(&batch(1, 1, 0, 0..10)).await).contains("42501"));
	assert!(refusal(writer.migrate().await).contains("42501"));
	cluster.sql("GRANT INSERT ON readings TO writer");
	writer.write(&batch(1, 1, 0, 0..10)).await.unwrap();
	writer.write(&batch(1, 1, 0, 0..10)).await.unwrap();
	assert_eq!(cluster.number("SELECT count(*) FROM readings"), 10);
}

#[tokio::test]
async fn table_is_made_with_the_first_batch_where_that_is_wished() {
	let cluster = Cluster::start();
	let outlet = outlet(&cluster, json!({ "create_table": true }));
	let (first, second) = (batch(1, 1, 0, 0..10), batch(1, 1, 1, 10..20));
	let (first, second) = tokio::join!(outlet.write(&first), outlet.write(&second));
	assert_eq!((first, second), (Ok(()), Ok(())));
	assert_eq!(cluster.number("SELECT count(*) FROM readings"), 20);
}

#[tokio::test]
async fn tables_are_made_once_by_however_many() {
	let cluster = Cluster::start();
	let outlet = outlet(&cluster, json!({ "table": "meter_values" }));
	let (first, second, third) = tokio::join!(outlet.migrate(), outlet.migrate(), outlet.migrate());
	assert_eq!((first, second, third), (Ok(()), Ok(()), Ok(())));
	outlet.migrate().await.unwrap();
	assert_eq!(cluster.sql("SELECT version FROM meter_values_schema_version"), "1");
	let indexes = "SELECT am.amname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
		JOIN pg_am am ON am.oid = c.relam WHERE i.indrelid = 'meter_values'::regclass ORDER BY 1";
	assert_eq!(cluster.sql(indexes), "brin\nbtree");
	outlet.write(&batch(1, 1, 0, 0..10)).await.unwrap();
	assert_eq!(cluster.number("SELECT count(*) FROM meter_values"), 10);
	cluster.sql("INSERT INTO meter_values_schema_version VALUES (2)");
	let reason = refusal(outlet.migrate().await);
	assert_eq!(reason, "the tables have version 2; this outlet knows 1 at most");
}

/// TimescaleDB itself is not at hand. Its entry among the extensions and a function with the name and
/// the parameters of its manual are.
#[tokio::test]
async fn hypertable_is_made_where_timescale_is() {
	let cluster = Cluster::start_with(vec!["allow_system_table_mods=on".into()]);
	cluster.sql(
		"CREATE TABLE calls (relation regclass, time_column name, chunk interval, indexes boolean);
		CREATE FUNCTION create_hypertable(relation regclass, time_column_name name,
			partitioning_column name DEFAULT NULL, number_partitions integer DEFAULT NULL,
			chunk_time_interval anyelement DEFAULT NULL::bigint,
			create_default_indexes boolean DEFAULT TRUE) RETURNS void LANGUAGE sql AS
			'INSERT INTO calls VALUES ($1, $2, $5::text::interval, $6)';
		INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
			VALUES (99999, 'timescaledb', 10, 2200, false, '2.0.0')",
	);
	let outlet = migrated(&cluster, json!({})).await;
	outlet.migrate().await.unwrap();
	assert_eq!(cluster.sql("SELECT * FROM calls"), "readings|start_time|1 day|f");
	let indexes = "SELECT count(*) FROM pg_index WHERE indrelid = 'readings'::regclass";
	assert_eq!(cluster.number(indexes), 1);
	outlet.write(&batch(1, 1, 0, 0..10)).await.unwrap();
	assert_eq!(cluster.number("SELECT count(*) FROM readings"), 10);
}

/// PostgreSQL wants the key to be its own.
fn encrypted(folder: &std::path::Path, certificate: &Certificate) -> Cluster {
	let keys = folder.join("keys");
	std::fs::create_dir(&keys).unwrap();
	for (from, to) in
		[(&certificate.certificate_file, "server.pem"), (&certificate.key_file, "server.key")]
	{
		std::fs::copy(from, keys.join(to)).unwrap();
	}
	let key = keys.join("server.key");
	std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
	if run(std::process::Command::new("id").arg("-u")).trim() == "0" {
		run(std::process::Command::new("chown").arg("postgres").arg(&key));
		std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
	}
	Cluster::start_with(vec![
		"listen_addresses=localhost".into(),
		"ssl=on".into(),
		format!("ssl_cert_file={}", keys.join("server.pem").display()),
		format!("ssl_key_file={}", key.display()),
	])
}

#[tokio::test]
async fn connection_is_encrypted_and_the_server_is_who_it_says() {
	let folder = open_folder();
	let certificate = Certificate::new(folder.path(), "right");
	let stranger = Certificate::new(folder.path(), "wrong");
	let cluster = encrypted(folder.path(), &certificate);
	cluster.sql("CREATE ROLE writer LOGIN SUPERUSER PASSWORD 'geheim'");
	let password = folder.path().join("password");
	std::fs::write(&password, "geheim\n").unwrap();
	let with = |ca_file: &std::path::Path| {
		outlet(
			&cluster,
			json!({
				"host": "localhost",
				"username": "writer",
				"password_file": password,
				"tls": { "ca_file": ca_file },
			}),
		)
	};
	let outlet = with(&certificate.certificate_file);
	outlet.migrate().await.unwrap();
	outlet.write(&batch(1, 1, 0, 0..10)).await.unwrap();
	let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
		WHERE application_name = 'reading-sinks'";
	assert_eq!(cluster.sql(encrypted), "t");
	let error = with(&stranger.certificate_file).migrate().await.unwrap_err().to_string();
	assert!(error.contains("certificate"), "{error}");

	std::fs::write(&password, "wrong").unwrap();
	let reason = refusal(with(&certificate.certificate_file).migrate().await);
	assert!(reason.contains("28P01") && !reason.contains("wrong"), "{reason}");
	std::fs::remove_file(&password).unwrap();
	let reason = refusal(with(&certificate.certificate_file).migrate().await);
	assert!(reason.starts_with("password_file: "), "{reason}");
}

#[tokio::test]
async fn server_without_tls_is_not_talked_to_when_tls_is_asked_for() {
	let folder = open_folder();
	let certificate = Certificate::new(folder.path(), "any");
	let cluster = Cluster::start_with(vec!["listen_addresses=localhost".into()]);
	let tls = json!({ "ca_file": certificate.certificate_file });
	let outlet = outlet(&cluster, json!({ "host": "localhost", "tls": tls }));
	let error = outlet.migrate().await.unwrap_err().to_string();
	assert!(error.contains("server does not support TLS"), "{error}");
}

#[tokio::test]
async fn reading_of_another_slot_is_another_reading() {
	let cluster = Cluster::start();
	let outlet = migrated(&cluster, json!({})).await;
	for slot in 0..3 {
		let id = BatchId { zone: 1, slot, part: 0 };
		outlet.write(&Batch::new(id, vec![row(1, 60), row(1, 120)]).unwrap()).await.unwrap();
	}
	assert_eq!(cluster.number("SELECT count(*) FROM readings"), 6);
}
