//! Messages from brokers, end to end: what the broker may forget is on disk.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::{
	net::TcpListener,
	path::Path,
	process::{Child, Command, Stdio},
	time::Duration,
};

use energy_oracle::store::{readings, Store};
use mqtt_client::{AsyncClient, Broker, Event, MqttOptions, Packet, PublishOptions};
use rdkafka::{
	mocking::MockCluster,
	producer::{BaseProducer, BaseRecord, Producer},
	ClientConfig,
};
use serde_json::json;
use support::*;

/// Mosquitto (Debian package `mosquitto`); killed when it is dropped.
struct Mosquitto {
	process: Child,
	port: u16,
}

impl Mosquitto {
	fn start(folder: &Path) -> Self {
		let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
		let configuration = folder.join("mosquitto.conf");
		let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\n");
		std::fs::write(&configuration, text).unwrap();
		let program = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"]
			.into_iter()
			.find(|path| Path::new(path).exists())
			.expect("the package mosquitto is installed");
		let process = Command::new(program)
			.arg("-c")
			.arg(&configuration)
			.stdout(Stdio::null())
			.stderr(Stdio::null())
			.spawn()
			.unwrap();
		Self { process, port }
	}
}

impl Drop for Mosquitto {
	fn drop(&mut self) {
		let _ = self.process.kill();
		let _ = self.process.wait();
	}
}

/// Waits until a line is among the metrics.
async fn has_metric(oracle: &Running, line: &str) {
	eventually(line, || async {
		let text = oracle.get("/metrics").await.body.as_str().unwrap().to_owned();
		text.lines().any(|found| found == line)
	})
	.await;
}

/// What is stored and what is kept of rejected messages, once the oracle has stopped.
async fn stop_and_look(oracle: Running) -> (usize, Vec<(String, String)>) {
	let Running { service, folder, .. } = oracle;
	service.stop().await;
	let store = open_store(&folder.path().join("db")).unwrap();
	let stored = readings(&store, ZONE, FIRST_SLOT, 0..u32::MAX).unwrap().len();
	let letters = store.dead_letters(None, 99).unwrap();
	(stored, letters.into_iter().map(|kept| (kept.letter.source, kept.letter.code)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_an_mqtt_broker_are_stored_before_they_are_acknowledged() {
	let folder = tempfile::tempdir().unwrap();
	let broker = Mosquitto::start(folder.path());
	let devices: Vec<_> = (0..20).map(Device::new).collect();
	let configuration: oracle_mqtt::Configuration = serde_json::from_value(json!({
		"broker_url": format!("mqtt://127.0.0.1:{}", broker.port),
		"client_id": "oracle",
		"reconnect_minimum_ms": 20,
	}))
	.unwrap();
	let oracle = Running::start_with(&devices, |config| {
		config.sources.mqtt = vec![configuration.try_into().unwrap()];
	})
	.await;
	let of = |what: &str, value: usize| {
		format!("energy_oracle_source_messages{{of=\"mqtt-0\",what=\"{what}\"}} {value}")
	};
	has_metric(&oracle, &of("subscribed", 1)).await;

	let options = MqttOptions::new("meters", Broker::tcp("127.0.0.1", broker.port));
	let (client, mut events) = AsyncClient::builder(options).capacity(64).build();
	for device in &devices {
		let topic = format!("energy-cloud/seoul/meter/{}/readings", device.name);
		let body = device.full(FIRST_SLOT, 1, 0);
		client.publish(topic, body, PublishOptions::at_least_once()).await.unwrap();
	}
	// A message of one meter under the name of another, and one that contradicts what is known.
	let first = &devices[0];
	for (name, body) in
		[("METER-19", first.full(FIRST_SLOT, 1, 0)), ("METER-0", first.full(FIRST_SLOT, 2, 0))]
	{
		let topic = format!("energy-cloud/seoul/meter/{name}/readings");
		client.publish(topic, body, PublishOptions::at_least_once()).await.unwrap();
	}
	let mut acknowledged = 0;
	while acknowledged < devices.len() + 2 {
		if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
			acknowledged += 1;
		}
	}
	has_metric(&oracle, &of("accepted", devices.len())).await;
	has_metric(&oracle, &of("rejected", 2)).await;
	has_metric(&oracle, &of("in-flight", 0)).await;

	let (stored, mut letters) = stop_and_look(oracle).await;
	assert_eq!(stored, devices.len());
	letters.sort();
	let expected = ["conflicting-reading", oracle_mqtt::TOPIC_MISMATCH]
		.map(|code| ("mqtt".to_owned(), code.to_owned()));
	assert_eq!(letters, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_kafka_cluster_are_stored() {
	let devices: Vec<_> = (0..20).map(Device::new).collect();
	let cluster = MockCluster::new(1).unwrap();
	cluster.create_topic("readings", 4, 1).unwrap();
	let configuration: oracle_kafka::Configuration = serde_json::from_value(json!({
		"brokers": cluster.bootstrap_servers().split(',').collect::<Vec<_>>(),
		"group_id": "oracles",
		"topics": ["readings"],
	}))
	.unwrap();
	let oracle = Running::start_with(&devices, |config| {
		config.sources.kafka = vec![configuration.try_into().unwrap()];
	})
	.await;
	let producer: BaseProducer =
		ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
	let bodies: Vec<String> = devices
		.iter()
		.map(|device| device.full(FIRST_SLOT, 1, 0))
		.chain(["nonsense".to_owned()])
		.collect();
	for (number, body) in (0i32..).zip(&bodies) {
		let record = BaseRecord::<(), str>::to("readings").partition(number % 4).payload(body);
		producer.send(record).map_err(|(error, _)| error).unwrap();
	}
	producer.flush(Duration::from_secs(10)).unwrap();
	let of = |what: &str, value: usize| {
		format!("energy_oracle_source_messages{{of=\"kafka-0\",what=\"{what}\"}} {value}")
	};
	has_metric(&oracle, &of("accepted", devices.len())).await;
	has_metric(&oracle, &of("rejected", 1)).await;
	let (stored, letters) = stop_and_look(oracle).await;
	assert_eq!(stored, devices.len());
	assert_eq!(letters, [("kafka".to_owned(), "not-json".to_owned())]);
}
