//! Messages per second through a local broker with QoS 1, beside what the broker gives to a
//! subscriber that acknowledges everything at once.
//!
//! ```sh
//! cargo run --release --example throughput -- 1000000 throughput.json
//! ```
//!
//! The broker, the load generator and the subscriber are processes of their own. Messages are put
//! into the broker's queue while nobody subscribes, so that the subscriber is what is measured, and
//! once more while they are being published.

use std::{
	error::Error,
	io::{BufRead, BufReader, Read, Write},
	net::{TcpListener, TcpStream},
	process::{Child, Command, Stdio},
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc,
	},
	time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use mqtt_v3::mqttbytes::{v4, QoS};
use oracle_mqtt::{Configuration, Settings, Source};
use oracle_port::{ReadingSink, Rejection, Unavailable, Verdict};
use tokio::sync::Notify;

type Outcome<T> = Result<T, Box<dyn Error>>;

const PAYLOAD_BYTES: usize = 250;
const TOPIC: &str = "energy-cloud/seoul/meter/KR-0001/readings";
const FILTER: &str = "energy-cloud/+/+/+/readings";
const PUBLISH_WINDOW: u64 = 2000;

fn main() -> Outcome<()> {
	let arguments: Vec<String> = std::env::args().collect();
	let argument = |index: usize| arguments.get(index).map(String::as_str);
	match argument(1) {
		Some("publish") => publish(&arguments[2], arguments[3].parse()?),
		Some("prepare") => Stream::open(&arguments[2], &arguments[3]).map(drop),
		Some("yardstick") => yardstick(&arguments[2], arguments[3].parse()?),
		Some("source") => source(&arguments[2], arguments[3].parse()?, &arguments[4]),
		number => compare(number.unwrap_or("300000").parse()?, argument(2)),
	}
}

/// Runs both subscribers, prints the figures and writes them to a file.
fn compare(messages: u64, file: Option<&str>) -> Outcome<()> {
	let mut figures = Vec::new();
	for kind in ["queued", "live"] {
		for subscriber in ["yardstick", "source 3.1.1", "source 5"] {
			let figure = measure(subscriber, kind == "queued", messages)?;
			println!(
				"{kind:>6} {subscriber:<12} {:>9.0} messages/s, {:>9.0} per second of the \
				 subscriber's CPU, {:>9.0} per second of the broker's CPU",
				figure["messages_per_second"].as_f64().unwrap_or_default(),
				figure["messages_per_subscriber_cpu_second"].as_f64().unwrap_or_default(),
				figure["messages_per_broker_cpu_second"].as_f64().unwrap_or_default(),
			);
			let mut figure = figure;
			figure["kind"] = kind.into();
			figure["subscriber"] = subscriber.into();
			figures.push(figure);
		}
	}
	if let Some(file) = file {
		let report = serde_json::json!({
			"messages": messages, "payload_bytes": PAYLOAD_BYTES, "figures": figures,
		});
		std::fs::write(file, serde_json::to_string_pretty(&report)?)?;
	}
	Ok(())
}

fn measure(subscriber: &str, queued: bool, messages: u64) -> Outcome<serde_json::Value> {
	let folder = tempfile::tempdir()?;
	let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
	let config = folder.path().join("mosquitto.conf");
	std::fs::write(
		&config,
		format!(
			"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 8192\n\
			 max_queued_messages 0\nlog_dest stderr\nlog_type information\n"
		),
	)?;
	let mut broker =
		Command::new("mosquitto").arg("-c").arg(&config).stderr(Stdio::piped()).spawn()?;
	let log = BufReader::new(broker.stderr.take().ok_or("no log")?);
	let mut lines = log.lines();
	while !lines.next().ok_or("the broker does not start")??.contains(" running") {}

	let outcome = run(subscriber, queued, messages, &port, broker.id());
	broker.kill()?;
	broker.wait()?;
	outcome
}

fn run(
	subscriber: &str,
	queued: bool,
	messages: u64,
	port: &str,
	broker: u32,
) -> Outcome<serde_json::Value> {
	let program = std::env::current_exe()?;
	let number = messages.to_string();
	let start = |arguments: &[&str]| -> Outcome<Child> {
		Ok(Command::new(&program).args(arguments).stdout(Stdio::piped()).spawn()?)
	};
	let (name, version) = subscriber.split_once(' ').unwrap_or((subscriber, ""));
	// The session is there from the beginning, so that nothing published is missed.
	start(&["prepare", port, "subscriber"])?.wait()?;
	let mut generator = start(&["publish", port, &number])?;
	if queued {
		generator.wait()?;
	}
	let before = cpu_seconds(broker)?;
	let mut child = start(&[name, port, &number, version])?;
	let mut line = String::new();
	BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
	child.wait()?;
	generator.wait()?;
	let broker_cpu_seconds = cpu_seconds(broker)? - before;
	let mut figure: serde_json::Value = serde_json::from_str(&line)?;
	let rate = |seconds: &serde_json::Value| messages as f64 / seconds.as_f64().unwrap_or(f64::NAN);
	figure["messages_per_second"] = rate(&figure["seconds"]).into();
	figure["messages_per_subscriber_cpu_second"] = rate(&figure["cpu_seconds"]).into();
	figure["messages_per_broker_cpu_second"] = (messages as f64 / broker_cpu_seconds).into();
	Ok(figure)
}

/// User and system time of a process. The kernel counts in hundredths of a second.
fn cpu_seconds(process: u32) -> Outcome<f64> {
	let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
	let (_, fields) = text.rsplit_once(')').ok_or("unknown form of /proc")?;
	let fields: Vec<&str> = fields.split_whitespace().collect();
	Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0)
}

fn report(begin: Instant) -> Outcome<()> {
	let figure = serde_json::json!({
		"seconds": begin.elapsed().as_secs_f64(), "cpu_seconds": cpu_seconds(std::process::id())?,
	});
	println!("{figure}");
	Ok(())
}

/// A connection without any comfort.
struct Stream {
	stream: TcpStream,
	input: BytesMut,
}

impl Stream {
	/// Connects; with a name also subscribes, in a session that is kept.
	fn open(port: &str, name: &str) -> Outcome<Self> {
		let stream = TcpStream::connect(("127.0.0.1", port.parse()?))?;
		stream.set_nodelay(true)?;
		let mut stream = Self { stream, input: BytesMut::new() };
		let mut connect = v4::Connect::new(name);
		connect.clean_session = name.is_empty();
		connect.keep_alive = 0;
		let mut bytes = BytesMut::new();
		connect.write(&mut bytes)?;
		stream.stream.write_all(&bytes)?;
		while stream.packet()?.is_none() {
			stream.fill()?;
		}
		if !name.is_empty() {
			let mut subscribe = v4::Subscribe::new(FILTER, QoS::AtLeastOnce);
			subscribe.pkid = 1;
			bytes.clear();
			subscribe.write(&mut bytes)?;
			stream.stream.write_all(&bytes)?;
			// Publications may come first; they come again, for they are not acknowledged here.
			loop {
				match stream.packet()? {
					Some(v4::Packet::SubAck(_)) => break,
					Some(_) => {}
					None => stream.fill()?,
				}
			}
		}
		Ok(stream)
	}

	fn packet(&mut self) -> Outcome<Option<v4::Packet>> {
		match v4::Packet::read(&mut self.input, usize::MAX) {
			Ok(packet) => Ok(Some(packet)),
			Err(mqtt_v3::mqttbytes::Error::InsufficientBytes(_)) => Ok(None),
			Err(error) => Err(error.into()),
		}
	}

	fn fill(&mut self) -> Outcome<()> {
		let length = self.input.len();
		self.input.resize(length + (256 << 10), 0);
		let read = self.stream.read(&mut self.input[length..])?;
		self.input.truncate(length + read);
		if read == 0 {
			return Err("the broker closed the connection".into());
		}
		Ok(())
	}
}

/// The load generator: QoS 1, a window of messages under way.
fn publish(port: &str, messages: u64) -> Outcome<()> {
	let mut stream = Stream::open(port, "")?;
	let mut output = BytesMut::new();
	let (mut sent, mut confirmed) = (0, 0);
	while confirmed < messages {
		output.clear();
		while sent < messages && sent - confirmed < PUBLISH_WINDOW {
			let mut payload = format!(r#"{{"meterId":"KR-0001","number":{sent},"filler":""#);
			let filler = PAYLOAD_BYTES - payload.len() - 2;
			payload.extend(std::iter::repeat_n('x', filler));
			payload.push_str("\"}");
			let mut packet = v4::Publish::new(TOPIC, QoS::AtLeastOnce, payload);
			packet.pkid = u16::try_from(sent % 60_000)? + 1;
			packet.write(&mut output)?;
			sent += 1;
		}
		stream.stream.write_all(&output)?;
		stream.fill()?;
		while stream.packet()?.is_some() {
			confirmed += 1;
		}
	}
	Ok(())
}

/// The subscriber that does nothing but acknowledge: it cuts the stream into packets, and that is
/// all.
fn yardstick(port: &str, messages: u64) -> Outcome<()> {
	let begin = Instant::now();
	let mut stream = TcpStream::connect(("127.0.0.1", port.parse()?))?;
	stream.set_nodelay(true)?;
	let mut connect = v4::Connect::new("subscriber");
	connect.clean_session = false;
	connect.keep_alive = 0;
	let mut bytes = BytesMut::new();
	connect.write(&mut bytes)?;
	stream.write_all(&bytes)?;
	let mut input = vec![0; 256 << 10];
	let mut filled = 0;
	let mut output = Vec::new();
	let mut received = 0;
	while received < messages {
		let read = stream.read(&mut input[filled..])?;
		if read == 0 {
			return Err("the broker closed the connection".into());
		}
		filled += read;
		let mut rest = &input[..filled];
		// One or two bytes of length, for these messages have fewer than 16384 bytes.
		while let [first, low, high, ..] = *rest {
			let (start, length) = match low & 0x80 {
				0 => (2, usize::from(low)),
				_ => (3, usize::from(low & 0x7f) + (usize::from(high) << 7)),
			};
			let Some(packet) = rest.get(start..start + length) else { break };
			if first >> 4 == 3 {
				let topic = usize::from(u16::from_be_bytes([packet[0], packet[1]]));
				output.extend([0x40, 2, packet[2 + topic], packet[3 + topic]]);
				received += 1;
			}
			rest = &rest[start + length..];
		}
		let left = rest.len();
		input.copy_within(filled - left..filled, 0);
		filled = left;
		stream.write_all(&output)?;
		output.clear();
	}
	report(begin)
}

/// Answers at once.
struct InstantSink {
	answered: AtomicU64,
	messages: u64,
	done: Notify,
}

impl ReadingSink for InstantSink {
	async fn submit(&self, messages: Vec<Bytes>) -> Result<Vec<Verdict>, Unavailable> {
		let number = messages.len() as u64;
		if self.answered.fetch_add(number, Ordering::Relaxed) + number >= self.messages {
			self.done.notify_one();
		}
		Ok(vec![Verdict::Accepted; messages.len()])
	}

	async fn reject(&self, messages: Vec<(Bytes, Rejection)>) -> Result<(), Unavailable> {
		Err(Unavailable {
			reason: format!("{} messages of the load generator refused", messages.len()),
			retry_after: Duration::from_secs(60),
		})
	}
}

/// The source, on one core.
fn source(port: &str, messages: u64, version: &str) -> Outcome<()> {
	let begin = Instant::now();
	let sink = Arc::new(InstantSink { answered: AtomicU64::new(0), messages, done: Notify::new() });
	let configuration: Configuration = serde_json::from_value(serde_json::json!({
		"broker_url": format!("mqtt://127.0.0.1:{port}"),
		"client_id": "subscriber",
		"protocol": version,
	}))?;
	let source = Source::new(Settings::try_from(configuration)?, sink.clone())?;
	let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
	runtime.block_on(async {
		let patience = Duration::from_secs(300);
		tokio::time::timeout(patience, source.run(async { sink.done.notified().await })).await
	})?;
	report(begin)
}
