//! Everything about the way in, one after the other, each against a fresh oracle in a process of its own.

use std::{
	io::{BufRead, BufReader},
	path::{Path, PathBuf},
	process::{Child, ChildStdout, Command, Stdio},
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc,
	},
	time::{Duration, Instant},
};

use anyhow::{ensure, Context, Result};
use bytes::Bytes;
use energy_oracle::clock::{Clock, SystemClock};
use oracle_port::{ReadingSink, Rejection, Unavailable, Verdict};
use serde_json::{json, Value};

use crate::{
	broker::{packets, publish, Broker},
	cluster::{Cluster, TOPIC},
	corpus::Corpus,
	kill,
	load::{self, Pace, Target},
	machine,
	usage::cpu_seconds_of,
};

/// Messages in a body.
const BATCH: usize = 100;
/// Connections of the load in a closed loop.
const CONNECTIONS: usize = 60;
/// The same in an open loop: enough for all that is due while the oracle takes its time.
const OPEN_CONNECTIONS: usize = 600;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
	/// Meters.
	pub meters: u32,
	/// Messages of each meter.
	pub slots: u32,
	/// How often the oracle is killed.
	pub kills: usize,
	/// Messages a second that are stated as the rated load, signatures verified.
	pub rated_per_second: f64,
	/// Seconds of each run in an open loop.
	pub seconds: u64,
	/// Of the meters' keys.
	pub seed: u64,
}

/// An oracle in a process of its own; killed when it is dropped.
struct Oracle {
	process: Child,
	lines: BufReader<ChildStdout>,
	url: String,
	certificate: Option<PathBuf>,
}

impl Oracle {
	/// Starts one, and waits until it knows the meters.
	async fn start(plan: &Plan, data: &Path, more: &[String]) -> Result<Self> {
		let mut process = Command::new(std::env::current_exe()?)
			.args(["serve", "--meters", &plan.meters.to_string()])
			.args(["--seed", &plan.seed.to_string(), "--data"])
			.arg(data)
			.args(more)
			.env("RUST_LOG", "error")
			.stdout(Stdio::piped())
			.spawn()?;
		let stdout = process.stdout.take().context("it has no output")?;
		let certificate = more
			.iter()
			.position(|argument| argument == "--certificate")
			.and_then(|place| more.get(place + 1))
			.map(PathBuf::from);
		let mut oracle =
			Self { process, lines: BufReader::new(stdout), url: String::new(), certificate };
		let mut line = String::new();
		oracle.lines.read_line(&mut line)?;
		let url = line.trim().strip_prefix("listening on ");
		oracle.url = url.with_context(|| format!("it says {line:?}"))?.to_owned();
		let started = Instant::now();
		while !oracle.is_ready().await? {
			ensure!(started.elapsed() < Duration::from_secs(60), "it does not become ready");
			tokio::time::sleep(Duration::from_millis(10)).await;
		}
		Ok(oracle)
	}

	fn target(&self, certificate: Option<&Path>) -> Result<Target> {
		let (_scheme, address) = self.url.split_once("://").context("no address")?;
		Ok(Target { address: address.parse()?, certificate: certificate.map(Path::to_owned) })
	}

	fn cpu_seconds(&self) -> f64 {
		cpu_seconds_of(&self.process.id().to_string())
	}

	async fn get(&self, path: &str) -> Result<(u16, String)> {
		load::get(&self.target(self.certificate.as_deref())?, path).await
	}

	async fn is_ready(&self) -> Result<bool> {
		Ok(self.get("/readyz").await?.0 == 200)
	}

	async fn metrics(&self) -> Result<String> {
		Ok(self.get("/metrics").await?.1)
	}

	/// Messages that it stored so far.
	async fn accepted(&self) -> Result<usize> {
		let name = "energy_oracle_readings_total{outcome=\"accepted\"} ";
		let text = self.metrics().await?;
		let value = text.lines().find_map(|line| line.strip_prefix(name));
		Ok(value.context("it does not count")?.parse()?)
	}

	/// Stops it, and returns what it says at the end.
	fn stop(mut self) -> Result<Value> {
		let id = self.process.id().to_string();
		ensure!(Command::new("kill").args(["-TERM", &id]).status()?.success(), "cannot stop it");
		let mut line = String::new();
		self.lines.read_line(&mut line)?;
		ensure!(self.process.wait()?.success(), "the oracle did not stop as it should");
		serde_json::from_str(&line).with_context(|| format!("it says {line:?}"))
	}
}

impl Drop for Oracle {
	fn drop(&mut self) {
		// An error means that it is gone already.
		let _ = self.process.kill();
		let _ = self.process.wait();
	}
}

/// A certificate for the load, in a folder.
struct Certificate {
	chain: PathBuf,
	key: PathBuf,
}

impl Certificate {
	fn new(folder: &Path) -> Result<Self> {
		let (chain, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
		let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
		std::fs::write(&chain, made.cert.pem())?;
		std::fs::write(&key, made.signing_key.serialize_pem())?;
		Ok(Self { chain, key })
	}

	fn arguments(&self) -> Vec<String> {
		let path = |path: &Path| path.display().to_string();
		let (chain, key) = (path(&self.chain), path(&self.key));
		vec!["--certificate".into(), chain, "--private-key".into(), key]
	}
}

/// Runs the pipeline in a process of its own, on some cores.
fn pipeline(plan: &Plan, cores: usize, signatures: bool, slots: u32) -> Result<Value> {
	let list = if cores == 1 { "0".to_owned() } else { format!("0-{}", cores - 1) };
	let mut command = Command::new("taskset");
	command.args(["--cpu-list", &list]).arg(std::env::current_exe()?);
	command.args(["pipeline", "--meters", &plan.meters.to_string()]);
	command.args(["--slots", &slots.to_string(), "--threads", &cores.to_string()]);
	command.args(["--seed", &plan.seed.to_string()]);
	if signatures {
		command.arg("--signatures");
	}
	let output = command.stderr(Stdio::inherit()).output().context("cannot run taskset")?;
	ensure!(output.status.success(), "the pipeline failed");
	Ok(serde_json::from_slice(&output.stdout)?)
}

fn number(value: &Value, key: &str) -> f64 {
	value[key].as_f64().unwrap_or_default()
}

/// Measures everything.
///
/// # Errors
/// When something does not work: figures of a run that failed are no figures.
pub async fn run(plan: &Plan, folder: &Path) -> Result<Value> {
	let cores = std::thread::available_parallelism().map_or(1, usize::from);
	eprintln!("pipeline: one core, all cores, with signatures");
	let one = pipeline(plan, 1, false, plan.slots.div_ceil(4))?;
	let all = pipeline(plan, cores, false, plan.slots.div_ceil(4))?;
	let signed_one = pipeline(plan, 1, true, plan.slots.div_ceil(4))?;
	let signed_all = pipeline(plan, cores, true, plan.slots.div_ceil(4))?;

	eprintln!("signing {} messages", u64::from(plan.meters) * u64::from(plan.slots));
	let corpus = Corpus::new(plan.seed, plan.meters, plan.slots, SystemClock.now_seconds());
	let bodies = Arc::new(corpus.bodies(BATCH));
	let certificate = Certificate::new(folder)?;

	eprintln!("https: closed loop");
	let https = https(plan, folder, &certificate, &bodies, false).await?;
	let https_signed = self::https(plan, folder, &certificate, &bodies, true).await?;

	eprintln!("https: open loop at multiples of the rated load");
	let delays = delays(plan, folder, &certificate, &bodies).await?;

	eprintln!("mqtt: the broker by itself, and with the oracle");
	let mqtt = mqtt(plan, folder, &corpus).await?;

	eprintln!("kafka");
	let kafka_plain = kafka(plan, folder, &corpus, false).await?;
	let kafka_signed = kafka(plan, folder, &corpus, true).await?;

	eprintln!("kill -9, {} times", plan.kills);
	let kill_folder = folder.join("kill");
	std::fs::create_dir_all(&kill_folder)?;
	let kills = kill::run(&corpus, &kill_folder, plan.kills).await?;

	Ok(json!({
		"pipeline_per_s_core": number(&one, "per_second_and_core"),
		"pipeline_signed_per_s_core": number(&signed_one, "per_second_and_core"),
		"pipeline_per_s_by_cores": { "1": number(&one, "per_second"), cores.to_string(): number(&all, "per_second") },
		"pipeline_signed_per_s_by_cores": {
			"1": number(&signed_one, "per_second"), cores.to_string(): number(&signed_all, "per_second")
		},
		"https_per_s": https["acknowledged_per_second"],
		"https_signed_per_s": https_signed["acknowledged_per_second"],
		"mqtt_qos1_per_s_core": mqtt["oracle_per_s_core"],
		"mosquitto_alone_per_s_core": mqtt["mosquitto_alone_per_s_core"],
		"kafka_per_s": kafka_plain["per_s"],
		"kafka_signed_per_s": kafka_signed["per_s"],
		"p99_ms": delays["p99_ms"],
		"kill9_runs": kills.kill9_runs,
		"acked_lost": kills.acked_lost,
		"doubled": kills.doubled,
		"message_bytes": corpus.messages.first().map_or(0, Bytes::len),
		"fsync": "every commit: write-ahead log synced before anything is answered",
		"rated_per_s": plan.rated_per_second,
		"seed": plan.seed,
		"machine": machine::describe(),
		"details": {
			"pipeline": { "one_core": one, "all_cores": all, "signed_one_core": signed_one, "signed_all_cores": signed_all },
			"https": https, "https_signed": https_signed, "delays": delays["runs"], "mqtt": mqtt, "kafka": [kafka_plain, kafka_signed], "kill": kills,
		},
	}))
}

/// As many messages as can be acknowledged, over TLS 1.3.
async fn https(
	plan: &Plan,
	folder: &Path,
	certificate: &Certificate,
	bodies: &Arc<Vec<Bytes>>,
	signatures: bool,
) -> Result<Value> {
	let mut arguments = certificate.arguments();
	if !signatures {
		arguments.push("--without-signatures".into());
	}
	arguments.extend(["--patience-ms".into(), "10000".into()]);
	let name = if signatures { "https-signed" } else { "https" };
	let oracle = Oracle::start(plan, &folder.join(name), &arguments).await?;
	let target = oracle.target(Some(&certificate.chain))?;
	let limit = Duration::from_secs(plan.seconds.saturating_mul(2));
	let figures =
		load::run(&target, bodies.clone(), BATCH, CONNECTIONS, Pace::Closed, limit).await?;
	ensure!(figures.rejected == 0, "messages were rejected");
	let oracle_cpu = oracle.cpu_seconds();
	let end = oracle.stop()?;
	ensure!(end["accepted"] == json!(figures.accepted), "the oracle counts otherwise: {end}");
	let mut value = serde_json::to_value(&figures)?;
	value["oracle_cpu_seconds"] = json!(oracle_cpu);
	value["commits"] = end["commits"].clone();
	Ok(value)
}

/// Delays at one, two, three and five times the rated load, and at the rated load again.
async fn delays(
	plan: &Plan,
	folder: &Path,
	certificate: &Certificate,
	bodies: &Arc<Vec<Bytes>>,
) -> Result<Value> {
	let oracle = Oracle::start(plan, &folder.join("delays"), &certificate.arguments()).await?;
	let target = oracle.target(Some(&certificate.chain))?;
	let mut runs = Vec::new();
	let mut p99 = serde_json::Map::new();
	let mut used = 0usize;
	let mut accepted = 0usize;
	for (name, times) in [("1x", 1.0), ("2x", 2.0), ("3x", 3.0), ("5x", 5.0), ("1x again", 1.0)] {
		let rate = plan.rated_per_second * times;
		let count = (rate * plan.seconds as f64) as usize / BATCH;
		let end = used.saturating_add(count).min(bodies.len());
		let part = Arc::new(bodies[used..end].to_vec());
		used = end;
		ensure!(!part.is_empty(), "there are no more messages: make the corpus larger");
		let limit = Duration::from_secs(plan.seconds);
		let pace = Pace::Open { rate };
		let figures = load::run(&target, part, BATCH, OPEN_CONNECTIONS, pace, limit).await?;
		ensure!(figures.rejected == 0, "messages were rejected");
		accepted += figures.accepted;
		eprintln!(
			"  {name}: {:.0} acknowledged a second, p50 {:.1} ms, p99 {:.1} ms, {} shed",
			figures.acknowledged_per_second, figures.p50_ms, figures.p99_ms, figures.shed
		);
		p99.insert(name.to_owned(), json!(figures.p99_ms));
		runs.push(json!({ "load": name, "rate": rate, "figures": figures }));
	}
	let end = oracle.stop()?;
	ensure!(end["accepted"] == json!(accepted), "the oracle counts otherwise: {end}");
	Ok(json!({ "p99_ms": p99, "runs": runs }))
}

/// A sink that answers at once: what the broker can do by itself.
struct Drain(AtomicUsize);

impl ReadingSink for Drain {
	async fn submit(&self, messages: Vec<Bytes>) -> Result<Vec<Verdict>, Unavailable> {
		self.0.fetch_add(messages.len(), Ordering::Relaxed);
		Ok(vec![Verdict::Accepted; messages.len()])
	}

	async fn reject(&self, _messages: Vec<(Bytes, Rejection)>) -> Result<(), Unavailable> {
		Err(Unavailable { reason: "nothing is rejected".into(), retry_after: Duration::ZERO })
	}
}

fn source(port: u16, client: &str) -> String {
	json!({
		"broker_url": format!("mqtt://127.0.0.1:{port}"),
		"client_id": client,
		"clean_start": true,
		"shared_group": "oracles",
		"maximum_in_flight": 20_000,
	})
	.to_string()
}

/// Messages through a broker: with a subscriber that acknowledges at once, then with the oracle, without
/// and with signatures.
async fn mqtt(plan: &Plan, folder: &Path, corpus: &Corpus) -> Result<Value> {
	let count = corpus.messages.len().min(400_000);
	let messages = &corpus.messages[..count];
	let packets = Arc::new(packets(messages, |number| {
		format!("METER-{}", corpus.places.get(number).map_or(0, |(meter, _)| *meter))
	}));

	let broker_folder = folder.join("broker");
	std::fs::create_dir_all(&broker_folder)?;
	let broker = Broker::start(&broker_folder)?;
	let drain = Arc::new(Drain(AtomicUsize::new(0)));
	let configuration: oracle_mqtt::Configuration =
		serde_json::from_str(&source(broker.port, "drain"))?;
	let subscriber = oracle_mqtt::Source::new(configuration.try_into()?, drain.clone())?;
	let mut status = subscriber.status();
	let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
	let running = tokio::spawn(subscriber.run(async {
		let _ = stopped.await;
	}));
	status.wait_for(|status| matches!(status, oracle_mqtt::Status::Subscribed)).await?;
	let (started, cpu) = (Instant::now(), cpu_seconds_of(&broker.process_id().to_string()));
	publish(broker.port, "publisher", &packets).await?;
	while drain.0.load(Ordering::Relaxed) < count {
		ensure!(started.elapsed() < Duration::from_secs(120), "the broker is too slow");
		tokio::time::sleep(Duration::from_millis(2)).await;
	}
	let alone_seconds = started.elapsed().as_secs_f64();
	let alone_cpu = cpu_seconds_of(&broker.process_id().to_string()) - cpu;
	let _ = stop.send(());
	running.await?;
	drop(broker);

	let plain = with_oracle(plan, folder, &packets, false).await?;
	let signed = with_oracle(plan, folder, &packets, true).await?;
	Ok(json!({
		"messages": count,
		"mosquitto_alone_per_s": count as f64 / alone_seconds,
		"mosquitto_alone_per_s_core": count as f64 / alone_cpu,
		"oracle_per_s": plain["per_s"],
		"oracle_per_s_core": plain["per_s_core"],
		"oracle_signed_per_s": signed["per_s"],
		"oracle_signed_per_s_core": signed["per_s_core"],
		"runs": [plain, signed],
	}))
}

async fn with_oracle(
	plan: &Plan,
	folder: &Path,
	packets: &Arc<Vec<Bytes>>,
	signatures: bool,
) -> Result<Value> {
	let name = if signatures { "mqtt-signed" } else { "mqtt" };
	let broker_folder = folder.join(format!("{name}-broker"));
	std::fs::create_dir_all(&broker_folder)?;
	let broker = Broker::start(&broker_folder)?;
	let mut arguments = vec!["--mqtt".into(), source(broker.port, "one")];
	if !signatures {
		arguments.push("--without-signatures".into());
	}
	let oracle = Oracle::start(plan, &folder.join(name), &arguments).await?;
	let started = Instant::now();
	while !oracle.metrics().await?.contains("what=\"subscribed\"} 1\n") {
		ensure!(started.elapsed() < Duration::from_secs(20), "the oracle does not subscribe");
		tokio::time::sleep(Duration::from_millis(10)).await;
	}
	let (started, cpu) = (Instant::now(), oracle.cpu_seconds());
	publish(broker.port, "publisher", packets).await?;
	let count = packets.len();
	while oracle.accepted().await? < count {
		ensure!(started.elapsed() < Duration::from_secs(120), "not all messages are stored");
		tokio::time::sleep(Duration::from_millis(10)).await;
	}
	let (seconds, cpu) = (started.elapsed().as_secs_f64(), oracle.cpu_seconds() - cpu);
	let end = oracle.stop()?;
	ensure!(end["rejected"] == json!(0), "messages were rejected: {end}");
	Ok(json!({
		"verifies_signatures": signatures,
		"per_s": count as f64 / seconds,
		"per_s_core": count as f64 / cpu,
		"seconds": seconds,
		"oracle_cpu_seconds": cpu,
		"commits": end["commits"],
	}))
}

/// Messages out of a cluster of Kafka, from the first one that is stored to the last.
async fn kafka(plan: &Plan, folder: &Path, corpus: &Corpus, signatures: bool) -> Result<Value> {
	let count = corpus.messages.len().min(1_000_000);
	let cluster = Cluster::with(&corpus.messages[..count])?;
	let configuration = json!({
		"brokers": cluster.brokers(), "group_id": "oracles", "topics": [TOPIC],
	});
	let mut arguments = vec!["--kafka".into(), configuration.to_string()];
	if !signatures {
		arguments.push("--without-signatures".into());
	}
	let name = if signatures { "kafka-signed" } else { "kafka" };
	let oracle = Oracle::start(plan, &folder.join(name), &arguments).await?;
	let waiting = Instant::now();
	let first = loop {
		let stored = oracle.accepted().await?;
		if stored > 0 {
			break stored;
		}
		ensure!(waiting.elapsed() < Duration::from_secs(60), "no record comes");
		tokio::time::sleep(Duration::from_millis(2)).await;
	};
	let (started, cpu) = (Instant::now(), oracle.cpu_seconds());
	while oracle.accepted().await? < count {
		ensure!(started.elapsed() < Duration::from_secs(120), "not all records are stored");
		tokio::time::sleep(Duration::from_millis(5)).await;
	}
	let (seconds, cpu) = (started.elapsed().as_secs_f64(), oracle.cpu_seconds() - cpu);
	let end = oracle.stop()?;
	ensure!(end["rejected"] == json!(0), "records were rejected: {end}");
	let measured = (count - first) as f64;
	Ok(json!({
		"verifies_signatures": signatures,
		"records": count,
		"per_s": measured / seconds,
		"per_s_core": measured / cpu,
		"seconds": seconds,
		"oracle_cpu_seconds": cpu,
		"commits": end["commits"],
	}))
}
