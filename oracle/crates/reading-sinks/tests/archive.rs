//! Against a folder and a server that speaks S3, read back by Apache Arrow's own reader.
#![cfg(feature = "archive")]
#![allow(clippy::unwrap_used)]

mod support;

use std::{net::TcpListener, path::Path, process::Command};

use proptest::test_runner::{Config, TestRunner};
use reading_sinks::{
	archive::{ArchiveConfiguration, ArchiveOutlet},
	Batch, BatchId, Outlet, OutletError,
};
use serde_json::{json, Value};
use support::{
	batch, extremes, row,
	servers::{free_port, open_folder, run, Program},
};

/// Prints a Parquet file as JSON: its key-value metadata, its schema and its rows.
const READ: &str = "
import json, sys
import pyarrow.parquet as parquet
file = parquet.ParquetFile(sys.argv[1])
rows = file.read().to_pylist()
for row in rows:
    row['start_time'] = int(row['start_time'].timestamp())
    row['meter_id'] = row['meter_id'].hex()
    row['evidence'] = row['evidence'].hex()
metadata = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
json.dump({'metadata': metadata, 'rows': rows, 'created_by': file.metadata.created_by,
    'compression': file.metadata.row_group(0).column(8).compression}, sys.stdout)
";

fn python(script: &str, arguments: &[&str]) -> String {
	run(Command::new("python3").arg("-c").arg(script).args(arguments))
}

fn read(file: &Path) -> Value {
	serde_json::from_str(&python(READ, &[file.to_str().unwrap()])).unwrap()
}

fn expected_rows(batch: &Batch) -> Value {
	let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
	batch
		.rows()
		.iter()
		.map(|row| {
			json!({
				"slot": batch.id().slot,
				"meter_index": row.meter_index,
				"start_time": row.start_seconds,
				"duration_seconds": row.duration_seconds,
				"import_wh": row.import_wh,
				"export_wh": row.export_wh,
				"quality": row.quality.name(),
				"meter_id": hex(row.meter_id.as_bytes()),
				"evidence": hex(&row.evidence),
			})
		})
		.collect()
}

fn outlet(configuration: Value) -> ArchiveOutlet {
	let configuration: ArchiveConfiguration = serde_json::from_value(configuration).unwrap();
	ArchiveOutlet::new(&configuration).unwrap()
}

fn sha256(file: &Path) -> String {
	run(Command::new("sha256sum").arg(file))[..64].to_owned()
}

fn hex(bytes: &[u8]) -> String {
	bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn another_reader_finds_every_value() {
	let folder = open_folder();
	let outlet = outlet(json!({ "folder": folder.path(), "prefix": "readings" }));
	for (batch, name) in [
		(batch(7, 2_000_000, 3, 0..300), "zone=7/date=2027-01-15/slot=2000000-3.parquet"),
		(extremes(), "zone=4294967295/date=1970-01-01/slot=4294967295-4294967295.parquet"),
	] {
		let archived = outlet.archive(&batch).await.unwrap();
		assert_eq!(archived.path, format!("readings/{name}"));
		let file = folder.path().join(&archived.path);
		assert_eq!(std::fs::metadata(&file).unwrap().len(), archived.bytes as u64);
		assert_eq!(sha256(&file), hex(&archived.sha256));
		let found = read(&file);
		assert_eq!(found["rows"], expected_rows(&batch));
		assert_eq!(found["compression"], "ZSTD");
		assert_eq!(found["created_by"], "reading-sinks version 1");
		let id = batch.id();
		let metadata = json!({
			"zone": id.zone.to_string(),
			"slot": id.slot.to_string(),
			"part": id.part.to_string(),
			"rows": batch.rows().len().to_string(),
		});
		assert_eq!(found["metadata"], metadata);
	}
}

#[tokio::test]
async fn folder_is_one_data_set() {
	let folder = open_folder();
	let outlet = outlet(json!({ "folder": folder.path() }));
	for (zone, slot) in [(1, 2_000_000), (1, 2_000_096), (2, 2_000_000)] {
		outlet.write(&batch(zone, slot, 0, 0..10)).await.unwrap();
	}
	let script = "
import sys
import pyarrow.dataset as dataset
readings = dataset.dataset(sys.argv[1], format='parquet', partitioning='hive')
print(readings.count_rows())
print(readings.count_rows(filter=(dataset.field('zone') == 1) & (dataset.field('date') == '2027-01-16')))
";
	assert_eq!(python(script, &[folder.path().to_str().unwrap()]), "30\n10\n");
}

#[tokio::test]
async fn file_is_hidden_until_it_is_whole() {
	let folder = open_folder();
	let outlet = outlet(json!({ "folder": folder.path() }));
	// It cannot take the place of a folder, so it stays where it is before.
	let place = folder.path().join("zone=1/date=2027-01-15/slot=2000000-0.parquet");
	std::fs::create_dir_all(place.join("in the way")).unwrap();
	assert!(outlet.write(&batch(1, 2_000_000, 0, 0..10)).await.is_err());
	let hidden = place.with_file_name(".slot=2000000-0.parquet");
	assert_eq!(read(&hidden)["rows"], expected_rows(&batch(1, 2_000_000, 0, 0..10)));
}

#[tokio::test]
async fn what_a_crash_left_is_not_read_and_not_in_the_way() {
	let folder = open_folder();
	let outlet = outlet(json!({ "folder": folder.path() }));
	let archived = outlet.archive(&batch(1, 2_000_000, 0, 0..10)).await.unwrap();
	let file = folder.path().join(archived.path);
	let name = file.file_name().unwrap().to_str().unwrap();
	for left in [format!(".{name}"), format!(".{name}#1")] {
		std::fs::write(file.with_file_name(left), "half of a fi").unwrap();
	}
	outlet.write(&batch(1, 2_000_000, 0, 0..10)).await.unwrap();
	let visible: Vec<_> = std::fs::read_dir(file.parent().unwrap())
		.unwrap()
		.map(|entry| entry.unwrap().file_name().into_string().unwrap())
		.filter(|name| !name.starts_with('.'))
		.collect();
	assert_eq!(visible, [name]);
	let script = "
import sys
import pyarrow.dataset as dataset
print(dataset.dataset(sys.argv[1], format='parquet', partitioning='hive').count_rows())
";
	assert_eq!(python(script, &[folder.path().to_str().unwrap()]), "10\n");
}

#[test]
fn same_rows_in_any_order_make_the_same_bytes() {
	let runtime = tokio::runtime::Runtime::new().unwrap();
	let (first, second) = (open_folder(), open_folder());
	let outlets = [&first, &second].map(|folder| outlet(json!({ "folder": folder.path() })));
	let mut runner = TestRunner::new(Config { cases: 32, ..Config::default() });
	let written = |batches: Vec<Batch>| {
		for batch in batches {
			let mut rows = batch.rows().to_vec();
			rows.reverse();
			let again = Batch::new(batch.id(), rows).unwrap();
			let archived = runtime.block_on(outlets[0].archive(&batch)).unwrap();
			assert_eq!(runtime.block_on(outlets[1].archive(&again)).unwrap(), archived);
			let bytes = |folder: &Path| std::fs::read(folder.join(&archived.path)).unwrap();
			let content = bytes(first.path());
			assert!(!content.is_empty() && content == bytes(second.path()));
			assert_eq!(runtime.block_on(outlets[0].archive(&again)).unwrap(), archived);
			assert_eq!(bytes(first.path()), content);
		}
		Ok(())
	};
	runner.run(&support::batches(), written).unwrap();
}

#[tokio::test]
async fn other_rows_make_another_digest() {
	let folder = open_folder();
	let outlet = outlet(json!({ "folder": folder.path() }));
	let id = BatchId { zone: 1, slot: 1, part: 0 };
	let mut digests = Vec::new();
	for import_wh in 0..2 {
		let mut row = row(1, 1);
		row.import_wh = import_wh;
		let batch = Batch::new(id, vec![row]).unwrap();
		digests.push(outlet.archive(&batch).await.unwrap().sha256);
	}
	assert_ne!(digests[0], digests[1]);
}

#[tokio::test]
async fn folder_that_was_taken_away_is_an_error() {
	let folder = open_folder();
	let inner = folder.path().join("inner");
	std::fs::create_dir(&inner).unwrap();
	let outlet = outlet(json!({ "folder": inner, "reconnect_minimum_ms": 1 }));
	std::fs::remove_dir(&inner).unwrap();
	std::fs::write(&inner, "a file").unwrap();
	assert!(outlet.write(&batch(1, 1, 0, 0..5)).await.is_err());
	std::fs::remove_file(&inner).unwrap();
	std::fs::create_dir(&inner).unwrap();
	outlet.write(&batch(1, 1, 0, 0..5)).await.unwrap();
}

/// A server that speaks S3, with one bucket.
struct Store {
	_program: Program,
	endpoint: String,
	folder: tempfile::TempDir,
}

impl Store {
	fn start() -> Self {
		let mut command = Command::new("python3");
		command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]);
		let (program, line) =
			Program::start(&mut command, "moto[server] with pip", "Running on http");
		let endpoint = line.split_whitespace().find(|word| word.starts_with("http")).unwrap();
		let store =
			Self { _program: program, endpoint: endpoint.to_owned(), folder: open_folder() };
		std::fs::write(store.secret_file(), "geheim\n").unwrap();
		store.python("client.create_bucket(Bucket='readings')", &[]);
		store
	}

	fn secret_file(&self) -> std::path::PathBuf {
		self.folder.path().join("secret")
	}

	/// Runs a script with a client of Amazon's own library.
	fn python(&self, script: &str, arguments: &[&str]) -> String {
		let begin = "
import sys
import boto3
client = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1',
    aws_access_key_id='reader', aws_secret_access_key='reader')
";
		let mut all = vec![self.endpoint.as_str()];
		all.extend(arguments);
		python(&format!("{begin}{script}"), &all)
	}

	fn outlet(&self, change: Value) -> ArchiveOutlet {
		let mut bucket = json!({
			"bucket": "readings",
			"endpoint": self.endpoint,
			"access_key_id": "writer",
			"secret_access_key_file": self.secret_file(),
		});
		for (field, value) in change.as_object().unwrap() {
			bucket[field] = value.clone();
		}
		outlet(json!({ "s3": bucket, "reconnect_minimum_ms": 1, "reconnect_maximum_ms": 20 }))
	}
}

#[tokio::test]
async fn bucket_has_the_object_once_with_its_digest() {
	let store = Store::start();
	let outlet = store.outlet(json!({}));
	let batch = batch(7, 2_000_000, 0, 0..300);
	let archived = outlet.archive(&batch).await.unwrap();
	assert_eq!(outlet.archive(&batch).await.unwrap(), archived);
	let file = store.folder.path().join("fetched.parquet");
	let script = "
listed = client.list_objects_v2(Bucket='readings')['Contents']
print([item['Key'] for item in listed])
item = client.get_object(Bucket='readings', Key=listed[0]['Key'])
print(item['Metadata'])
open(sys.argv[2], 'wb').write(item['Body'].read())
";
	let digest = hex(&archived.sha256);
	assert_eq!(
		store.python(script, &[file.to_str().unwrap()]),
		format!("['zone=7/date=2027-01-15/slot=2000000-0.parquet']\n{{'sha256': '{digest}'}}\n")
	);
	assert_eq!(sha256(&file), digest);
	assert_eq!(read(&file)["rows"], expected_rows(&batch));
}

#[tokio::test]
async fn bucket_that_does_not_exist_is_refused() {
	let store = Store::start();
	let outlet = store.outlet(json!({ "bucket": "another" }));
	let error = outlet.write(&batch(1, 1, 0, 0..5)).await.unwrap_err();
	assert!(
		matches!(&error, OutletError::Refused { reason } if reason.contains("NoSuchBucket")),
		"{error}"
	);
	store.python("client.create_bucket(Bucket='another')", &[]);
	outlet.write(&batch(1, 1, 0, 0..5)).await.unwrap();
}

#[tokio::test]
async fn secret_is_read_for_every_request() {
	let store = Store::start();
	let outlet = store.outlet(json!({}));
	std::fs::remove_file(store.secret_file()).unwrap();
	let error = outlet.write(&batch(1, 1, 0, 0..5)).await.unwrap_err();
	assert!(
		matches!(&error, OutletError::Refused { reason } if reason.contains("secret")),
		"{error}"
	);
	std::fs::write(store.secret_file(), "renewed").unwrap();
	outlet.write(&batch(1, 1, 0, 0..5)).await.unwrap();
}

#[tokio::test]
async fn server_that_is_not_there_may_come() {
	let closed = format!("http://127.0.0.1:{}", free_port());
	let listener = TcpListener::bind("127.0.0.1:0").unwrap();
	let silent = format!("http://{}", listener.local_addr().unwrap());
	for endpoint in [closed, silent] {
		let outlet = outlet(json!({
			"s3": { "bucket": "b", "endpoint": endpoint, "access_key_id": "a",
				"secret_access_key_file": "/dev/null" },
			"write_timeout_ms": 50,
			"reconnect_minimum_ms": 1,
			"reconnect_maximum_ms": 1,
		}));
		for _ in 0..2 {
			let error = outlet.write(&batch(1, 1, 0, 0..5)).await.unwrap_err();
			assert!(error.is_temporary(), "{error}");
		}
	}
}
