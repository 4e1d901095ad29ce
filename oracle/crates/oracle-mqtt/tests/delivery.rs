//! Delivery through a real broker: what is acknowledged, and when.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use mqtt_v3::mqttbytes::QoS;
use oracle_mqtt::{Configuration, TOO_LARGE, TOPIC_MISMATCH};
use support::*;

const VERSIONS: [&str; 2] = ["3.1.1", "5"];

fn value(counter: &AtomicU64) -> u64 {
	counter.load(Relaxed)
}

fn puback(client: &str, number: usize) -> impl Fn(&[String]) -> bool {
	let part = format!("Received PUBACK from {client} ");
	move |lines| count(lines, &part) >= number
}

#[tokio::test]
async fn message_is_acknowledged_only_after_the_sink_answered() {
	let Some(broker) = Broker::start().await else { return };
	for version in VERSIONS {
		let client = format!("held-{version}");
		let sink = TestSink::new(Mode::Held);
		let mut source = Running::start(
			Configuration { keep_alive_seconds: 1, ..configuration(&broker, &client, version) },
			&sink,
		);
		source.subscribed().await;
		let mut publisher = Publisher::connect(broker.port);
		publisher.publish(&topic("KR-1"), &message("KR-1", 1));
		sink.offers(|sizes| sizes == [1]).await;

		// What the broker hears next is a sign of life, which comes after anything sent before.
		let ping = format!("Received PINGREQ from {client}");
		let log = broker.log_until("ping", |lines| count(lines, &ping) > 0).await;
		assert_eq!(count(&log, &format!("Received PUBACK from {client} ")), 0);
		assert_eq!(value(&source.counters.in_flight), 1);

		sink.mode.send_replace(Mode::Open);
		broker.log_until("acknowledgement", puback(&client, 1)).await;
		assert!(sink.has(&message("KR-1", 1)));
		assert_eq!(value(&source.counters.in_flight), 0);
		assert_eq!(value(&source.counters.accepted), 1);
		source.stop().await;
	}
}

#[tokio::test]
async fn every_quality_of_service_is_handed_over_and_the_second_comes_as_the_first() {
	let Some(broker) = Broker::start().await else { return };
	for version in VERSIONS {
		let client = format!("qualities-{version}");
		let sink = TestSink::new(Mode::Open);
		let mut source = Running::start(configuration(&broker, &client, version), &sink);
		source.subscribed().await;
		let mut publisher = Publisher::connect(broker.port);
		let qualities = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
		for (number, quality) in qualities.into_iter().enumerate() {
			publisher.publish_with(&topic("KR-1"), &message("KR-1", number), quality);
		}
		sink.stored(3).await;
		let log = broker.log_until("acknowledgements", puback(&client, 2)).await;
		assert_eq!(count(&log, &format!("Received PUBREC from {client} ")), 0);
		source.stop().await;
	}
}

#[tokio::test]
async fn session_that_was_subscribed_with_qos_2_is_served_to_its_end() {
	let Some(broker) = Broker::start().await else { return };
	for version in VERSIONS {
		let client = format!("twice-{version}");
		Publisher::leave_session(broker.port, &client, "energy-cloud/#");
		let mut publisher = Publisher::connect(broker.port);
		publisher.publish_with(&topic("KR-1"), &message("KR-1", 1), QoS::ExactlyOnce);
		let sink = TestSink::new(Mode::Open);
		let source = Running::start(configuration(&broker, &client, version), &sink);
		sink.stored(1).await;
		let completed = format!("Received PUBCOMP from {client} ");
		broker.log_until("completion", |lines| count(lines, &completed) == 1).await;
		source.stop().await;
	}
}

#[tokio::test]
async fn nothing_is_acknowledged_or_read_while_the_sink_is_unavailable() {
	let Some(broker) = Broker::start().await else { return };
	for version in VERSIONS {
		let client = format!("unavailable-{version}");
		let sink = TestSink::new(Mode::Unavailable);
		let mut source = Running::start(
			Configuration { batch_messages: 4, ..configuration(&broker, &client, version) },
			&sink,
		);
		source.subscribed().await;
		let mut publisher = Publisher::connect(broker.port);
		publisher.publish(&topic("KR-1"), &message("KR-1", 0));
		sink.offers(|sizes| sizes.len() >= 2).await;
		for number in 1..100 {
			publisher.publish(&topic("KR-1"), &message("KR-1", number));
		}
		let seen = sink.offered.borrow().len();
		sink.offers(|sizes| sizes.len() >= seen + 3).await;
		// The same batch again and again, and no more than the bound taken from the broker.
		assert!(sink.offered.borrow().iter().all(|size| *size <= 4));
		assert!(value(&source.counters.received) <= 3 * 4, "{:?}", source.counters);
		assert_eq!(broker.acknowledgements(&client), 0);
		assert!(value(&source.counters.unavailable) >= 3);

		sink.mode.send_replace(Mode::Open);
		sink.stored(100).await;
		broker.log_until("acknowledgements", puback(&client, 100)).await;
		assert_eq!(value(&source.counters.accepted), 100);
		assert_eq!(value(&source.counters.duplicate), 0);
		assert_eq!(value(&source.counters.in_flight), 0);
		source.stop().await;
	}
}

#[tokio::test]
async fn batch_is_offered_again_when_the_sink_answers_for_too_few() {
	let Some(broker) = Broker::start().await else { return };
	let sink = TestSink::new(Mode::Miscounting);
	let mut source = Running::start(configuration(&broker, "miscounted", "5"), &sink);
	source.subscribed().await;
	Publisher::connect(broker.port).publish(&topic("KR-1"), &message("KR-1", 1));
	sink.offers(|sizes| sizes == [1]).await;
	assert_eq!(broker.acknowledgements("miscounted"), 0);
	sink.mode.send_replace(Mode::Open);
	broker.log_until("acknowledgement", puback("miscounted", 1)).await;
	assert_eq!(sink.offered.borrow().as_slice(), [1, 1]);
	source.stop().await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_broker_ends_and_comes_back() {
	let Some(mut broker) = Broker::start().await else { return };
	// With large batches the source reads on and sees the end at once; with small ones it holds
	// back, and finds out when it acknowledges.
	for (version, batch_messages) in VERSIONS.into_iter().flat_map(|each| [(each, 1024), (each, 8)])
	{
		let client = format!("survivor-{version}-{batch_messages}");
		let meter = format!("KR-{version}-{batch_messages}");
		let sink = TestSink::new(Mode::Open);
		let configured =
			Configuration { batch_messages, ..configuration(&broker, &client, version) };
		let mut source = Running::start(configured.clone(), &sink);
		source.subscribed().await;
		let mut publisher = Publisher::connect(broker.port);
		for number in 0..50 {
			publisher.publish(&topic(&meter), &message(&meter, number));
		}
		broker.log_until("acknowledgements", puback(&client, 50)).await;

		// Fifty more, of which some are in hand and none is answered when the broker ends.
		sink.mode.send_replace(Mode::Held);
		let offered = sink.offered.borrow().len();
		for number in 50..100 {
			publisher.publish(&topic(&meter), &message(&meter, number));
		}
		sink.offers(|sizes| sizes.len() >= offered + 2).await;
		broker.kill();
		if batch_messages == 1024 {
			assert!(!source.refused().await.is_empty());
		}
		broker.restart().await;
		if batch_messages == 1024 {
			source.subscribed().await;
		}
		assert_eq!(broker.acknowledgements(&client), 0);

		sink.mode.send_replace(Mode::Open);
		sink.stored(100).await;
		let log = broker.log_until("acknowledgements", puback(&client, 50)).await;
		assert_eq!(count(&log, &format!("Received PUBACK from {client} ")), 50);
		assert!(value(&source.counters.reconnects) >= 1);
		source.stop().await;

		// The broker keeps nothing back: what comes next is the first that comes.
		let next = TestSink::new(Mode::Open);
		let mut source = Running::start(configured, &next);
		source.subscribed().await;
		let mut publisher = Publisher::connect(broker.port);
		publisher.publish(&topic(&meter), &message(&meter, 1000));
		next.stored(1).await;
		assert!(next.has(&message(&meter, 1000)));
		source.stop().await;
	}
}

#[tokio::test]
async fn what_comes_while_the_client_is_away_is_delivered_later() {
	let Some(broker) = Broker::start().await else { return };
	for version in VERSIONS {
		let client = format!("away-{version}");
		let sink = TestSink::new(Mode::Open);
		let mut source = Running::start(configuration(&broker, &client, version), &sink);
		source.subscribed().await;
		source.stop().await;
		let mut publisher = Publisher::connect(broker.port);
		for number in 0..10 {
			publisher.publish(&topic("KR-1"), &message("KR-1", number));
		}
		let source = Running::start(configuration(&broker, &client, version), &sink);
		sink.stored(10).await;
		source.stop().await;
	}
}

#[tokio::test]
async fn shared_subscription_splits_the_messages() {
	let Some(broker) = Broker::start().await else { return };
	for version in VERSIONS {
		let sinks = [TestSink::new(Mode::Open), TestSink::new(Mode::Open)];
		let mut sources = Vec::new();
		for (number, sink) in sinks.iter().enumerate() {
			let client = format!("member-{number}-{version}");
			let mut source = Running::start(
				Configuration {
					shared_group: Some(format!("oracles-{version}")),
					..configuration(&broker, &client, version)
				},
				sink,
			);
			source.subscribed().await;
			sources.push(source);
		}
		let mut publisher = Publisher::connect(broker.port);
		for number in 0..200 {
			publisher.publish(&topic("KR-1"), &message("KR-1", number));
		}
		for number in 0..2 {
			let client = format!("member-{number}-{version}");
			broker.log_until("acknowledgements", puback(&client, 1)).await;
		}
		broker
			.log_until("acknowledgements of all", |lines| {
				let by = |number| {
					count(lines, &format!("Received PUBACK from member-{number}-{version} "))
				};
				by(0) + by(1) == 200
			})
			.await;
		let stored: Vec<usize> = sinks.iter().map(|sink| *sink.stored_count.borrow()).collect();
		assert_eq!(stored.iter().sum::<usize>(), 200, "each message once");
		assert!(stored.iter().all(|number| *number > 20), "{stored:?}");
		for source in sources {
			source.stop().await;
		}
	}
}

#[tokio::test]
async fn beginning_of_a_too_large_payload_is_kept_with_the_topic_and_acknowledged() {
	let Some(broker) = Broker::start().await else { return };
	for version in VERSIONS {
		let client = format!("large-{version}");
		let sink = TestSink::new(Mode::Open);
		let mut source = Running::start(
			Configuration {
				maximum_payload_bytes: 100,
				..configuration(&broker, &client, version)
			},
			&sink,
		);
		source.subscribed().await;
		let mut publisher = Publisher::connect(broker.port);
		let mut exact = message("KR-1", 1);
		exact.resize(100, b' ');
		publisher.publish(&topic("KR-1"), &exact);
		// One byte too many, more than is kept, and so many that it is passed over.
		let payloads = [101, 4097, 3 << 20]
			.map(|length| (0..length as usize).map(|byte| (byte % 251) as u8).collect::<Vec<u8>>());
		for (number, payload) in payloads.iter().enumerate() {
			publisher.publish(&topic(&format!("KR-{number}")), payload);
		}
		publisher.publish(&topic("KR-1"), &message("KR-1", 2));
		broker.log_until("acknowledgements", puback(&client, 5)).await;
		assert!(sink.has(&exact) && sink.has(&message("KR-1", 2)));
		let refused = sink.refused.borrow().clone();
		assert_eq!(refused.len(), 3);
		for (number, ((kept, rejection), payload)) in refused.iter().zip(&payloads).enumerate() {
			assert!(kept == &payload[..payload.len().min(4096)], "{number}: {}", kept.len());
			assert_eq!((rejection.field.as_str(), rejection.code.as_str()), ("$", TOO_LARGE));
			assert!(rejection.reason.contains(&topic(&format!("KR-{number}"))), "{rejection:?}");
		}
		assert_eq!(value(&source.counters.received), 5);
		assert_eq!(value(&source.counters.too_large), 3);
		assert_eq!(value(&source.counters.rejected), 3);
		assert_eq!(value(&source.counters.accepted), 2);
		assert_eq!(sink.offered.borrow().iter().sum::<usize>(), 2);
		assert_eq!(value(&source.counters.reconnects), 0);
		source.stop().await;
	}
}

#[tokio::test]
async fn message_of_another_device_than_its_topic_is_kept_with_the_topic() {
	let Some(broker) = Broker::start().await else { return };
	let sink = TestSink::new(Mode::Open);
	let mut source = Running::start(configuration(&broker, "mismatch", "5"), &sink);
	source.subscribed().await;
	let mut publisher = Publisher::connect(broker.port);
	publisher.publish(&topic("KR-2"), &message("KR-1", 1));
	publisher.publish(&topic("KR-1"), &message("KR-1", 2));
	// The sink rejects what is no message at all, and says so.
	publisher.publish(&topic("KR-1"), b"\xff\xfe");
	broker.log_until("acknowledgements", puback("mismatch", 3)).await;
	assert!(!sink.has(&message("KR-1", 1)));
	assert!(sink.has(&message("KR-1", 2)));
	assert_eq!(sink.offered.borrow().iter().sum::<usize>(), 2);
	let refused = sink.refused.borrow().clone();
	let [(kept, rejection)] = refused.as_slice() else { panic!("{refused:?}") };
	assert_eq!(kept.as_ref(), message("KR-1", 1));
	assert_eq!((rejection.field.as_str(), rejection.code.as_str()), ("meterId", TOPIC_MISMATCH));
	assert!(rejection.reason.contains(&topic("KR-2")), "{rejection:?}");
	assert_eq!(value(&source.counters.topic_mismatch), 1);
	assert_eq!(value(&source.counters.rejected), 2);
	source.stop().await;
}

#[tokio::test]
async fn refused_message_is_acknowledged_only_when_the_sink_has_kept_it() {
	let Some(broker) = Broker::start().await else { return };
	for version in VERSIONS {
		let client = format!("refused-{version}");
		let sink = TestSink::new(Mode::Unavailable);
		let configured = Configuration {
			maximum_payload_bytes: 100,
			..configuration(&broker, &client, version)
		};
		let mut source = Running::start(configured, &sink);
		source.subscribed().await;
		let mut publisher = Publisher::connect(broker.port);
		publisher.publish(&topic("KR-2"), &message("KR-1", 1));
		sink.refusals_offered(2).await;
		publisher.publish(&topic("KR-1"), &vec![b' '; 3 << 20]);
		publisher.publish(&topic("KR-1"), &message("KR-1", 2));
		sink.refusals_offered(4).await;
		assert_eq!(broker.acknowledgements(&client), 0);
		assert_eq!(value(&source.counters.rejected), 0);
		assert!(value(&source.counters.unavailable) >= 3);

		sink.mode.send_replace(Mode::Open);
		broker.log_until("acknowledgements", puback(&client, 3)).await;
		let refused = sink.refused.borrow().clone();
		let codes: Vec<&str> = refused.iter().map(|(_, each)| each.code.as_str()).collect();
		assert_eq!(codes, [TOPIC_MISMATCH, TOO_LARGE]);
		assert!(sink.has(&message("KR-1", 2)));
		assert_eq!(value(&source.counters.rejected), 2);
		assert_eq!(value(&source.counters.accepted), 1);
		assert_eq!(value(&source.counters.in_flight), 0);
		source.stop().await;
	}
}

#[tokio::test]
async fn message_beside_a_refused_one_is_not_offered_again_when_it_is_taken() {
	let Some(broker) = Broker::start().await else { return };
	let sink = TestSink::new(Mode::Held);
	let mut source = Running::start(
		Configuration { concurrent_batches: 1, ..configuration(&broker, "beside", "5") },
		&sink,
	);
	source.subscribed().await;
	let mut publisher = Publisher::connect(broker.port);
	// The first is with the sink, so the others wait and go together.
	publisher.publish(&topic("KR-1"), &message("KR-1", 0));
	sink.offers(|sizes| sizes == [1]).await;
	publisher.publish(&topic("KR-1"), &message("KR-1", 1));
	publisher.publish(&topic("KR-2"), &message("KR-1", 2));
	let all_here = async {
		while value(&source.counters.in_flight) < 3 {
			tokio::task::yield_now().await;
		}
	};
	tokio::time::timeout(PATIENCE, all_here).await.expect("the others come");
	sink.mode.send_replace(Mode::RefusalsUnavailable);
	sink.refusals_offered(2).await;
	sink.mode.send_replace(Mode::Open);
	broker.log_until("acknowledgements", puback("beside", 3)).await;
	assert_eq!(sink.offered.borrow().as_slice(), [1, 1]);
	assert_eq!(sink.refused.borrow().len(), 1);
	assert_eq!(value(&source.counters.accepted), 2);
	assert_eq!(value(&source.counters.duplicate), 0);
	source.stop().await;
}

#[tokio::test]
async fn long_topic_is_named_by_its_beginning() {
	let Some(broker) = Broker::start().await else { return };
	let sink = TestSink::new(Mode::Open);
	let mut source = Running::start(configuration(&broker, "long", "5"), &sink);
	source.subscribed().await;
	let device = "9".repeat(1_000);
	Publisher::connect(broker.port).publish(&topic(&device), &message("KR-1", 1));
	broker.log_until("acknowledgement", puback("long", 1)).await;
	let refused = sink.refused.borrow().clone();
	let [(_, rejection)] = refused.as_slice() else { panic!("{refused:?}") };
	assert!(rejection.reason.contains("energy-cloud/seoul/meter/99"), "{rejection:?}");
	assert!(rejection.reason.len() < 600, "{rejection:?}");
	source.stop().await;
}

#[tokio::test]
async fn pattern_without_device_takes_any_message() {
	let Some(broker) = Broker::start().await else { return };
	let sink = TestSink::new(Mode::Open);
	let mut source = Running::start(
		Configuration {
			topics: vec!["plant/+/out".into(), "other/#".into()],
			..configuration(&broker, "plain", "5")
		},
		&sink,
	);
	source.subscribed().await;
	let mut publisher = Publisher::connect(broker.port);
	publisher.publish("plant/KR-2/out", &message("KR-1", 1));
	publisher.publish("other/a/b", &message("KR-1", 2));
	sink.stored(2).await;
	source.stop().await;
}

#[tokio::test]
async fn stop_finishes_the_batch_in_hand_and_says_goodbye() {
	let Some(broker) = Broker::start().await else { return };
	for version in VERSIONS {
		let client = format!("stopping-{version}");
		let sink = TestSink::new(Mode::Held);
		let mut source = Running::start(configuration(&broker, &client, version), &sink);
		source.subscribed().await;
		let mut publisher = Publisher::connect(broker.port);
		publisher.publish(&topic("KR-1"), &message("KR-1", 1));
		sink.offers(|sizes| sizes == [1]).await;
		let counters = source.counters.clone();
		let task = source.ask_to_stop();
		assert!(!task.is_finished());
		sink.mode.send_replace(Mode::Open);
		finished(task).await;
		assert_eq!(value(&counters.accepted), 1);
		assert_eq!(value(&counters.in_flight), 0);
		let goodbye = format!("Received DISCONNECT from {client}");
		let log = broker.log_until("goodbye", |lines| count(lines, &goodbye) == 1).await;
		assert_eq!(count(&log, &format!("Received PUBACK from {client} ")), 1);
	}
}

#[tokio::test]
async fn stop_does_not_wait_for_ever_and_acknowledges_nothing_unanswered() {
	let Some(broker) = Broker::start().await else { return };
	let sink = TestSink::new(Mode::Held);
	let slow = Configuration { stop_timeout_ms: 50, ..configuration(&broker, "hasty", "5") };
	let mut source = Running::start(slow, &sink);
	source.subscribed().await;
	Publisher::connect(broker.port).publish(&topic("KR-1"), &message("KR-1", 1));
	sink.offers(|sizes| sizes == [1]).await;
	source.stop().await;
	let goodbye = "Received DISCONNECT from hasty";
	let log = broker.log_until("goodbye", |lines| count(lines, goodbye) == 1).await;
	assert_eq!(count(&log, "Received PUBACK from hasty "), 0);

	let sink = TestSink::new(Mode::Open);
	let source = Running::start(configuration(&broker, "hasty", "5"), &sink);
	sink.stored(1).await;
	source.stop().await;
}

#[tokio::test]
async fn source_stops_while_there_is_no_broker() {
	let Some(mut broker) = Broker::start().await else { return };
	let sink = TestSink::new(Mode::Open);
	let mut source = Running::start(configuration(&broker, "lonely", "5"), &sink);
	source.subscribed().await;
	broker.kill();
	source.refused().await;
	source.stop().await;
}
