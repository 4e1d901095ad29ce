//! A whole oracle beside a chain that stands still, for load from another process.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Result;
use clap::Args;
use energy_oracle::{
	clock::SystemClock,
	service::{Config, Service},
};
use secure_server::{Limits, Settings, TlsSettings};
use tokio::signal::unix::{signal, SignalKind};

use crate::{
	chain::StandingChain,
	corpus::{self, ZONE},
	usage::cpu_seconds,
};

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
	/// Address to serve on.
	#[arg(long, default_value = "127.0.0.1:0")]
	listen: SocketAddr,
	/// Folder of the database.
	#[arg(long, value_name = "DIR")]
	data: PathBuf,
	/// Registered meters.
	#[arg(long, default_value_t = 100_000)]
	meters: u32,
	/// Of the meters' keys.
	#[arg(long, default_value_t = 14)]
	seed: u64,
	/// Certificate chain (PEM); plain HTTP without it.
	#[arg(long, value_name = "FILE", requires = "private_key")]
	certificate: Option<PathBuf>,
	/// Its private key (PEM).
	#[arg(long, value_name = "FILE")]
	private_key: Option<PathBuf>,
	/// Leave the signatures out, to measure everything else.
	#[arg(long)]
	without_signatures: bool,
	/// Milliseconds for which a request waits for its turn.
	#[arg(long, default_value_t = 100)]
	patience_ms: u64,
	/// Configurations of MQTT sources, as JSON, one for each connection.
	#[arg(long, value_name = "JSON")]
	mqtt: Vec<String>,
	/// Configurations of Kafka sources, as JSON.
	#[arg(long, value_name = "JSON")]
	kafka: Vec<String>,
}

/// Serves until it is told to stop; then says what it used.
///
/// # Errors
/// When it cannot start.
pub async fn run(args: ServeArgs) -> Result<()> {
	let tls = args.certificate.zip(args.private_key).map(|(certificate_chain, private_key)| {
		TlsSettings {
			certificate_chain,
			private_key,
			client_authentication: Default::default(),
			client_authorities: None,
			reload_interval_ms: 0,
		}
	});
	// The load is many clients on one machine.
	let limits = Limits { connections_per_peer: 2_048, ..Limits::default() };
	let http = Settings { address: args.listen, tls, limits };
	let mut config = Config::new(args.data, http, vec![ZONE]);
	// Messages of the last day are sent: no slot of it may be over.
	config.grace_seconds = Some(2 * 86_400);
	config.limits.verifies_signatures = !args.without_signatures;
	config.limits.patience = std::time::Duration::from_millis(args.patience_ms);
	for configuration in &args.mqtt {
		let configuration: oracle_mqtt::Configuration = serde_json::from_str(configuration)?;
		config.sources.mqtt.push(configuration.try_into()?);
	}
	for configuration in &args.kafka {
		let configuration: oracle_kafka::Configuration = serde_json::from_str(configuration)?;
		config.sources.kafka.push(configuration.try_into()?);
	}
	let meters = corpus::meters(args.seed, args.meters);
	let mut terminate = signal(SignalKind::terminate())?;
	let mut service = Service::start(config, StandingChain::new(meters), SystemClock).await?;
	println!("listening on {}", service.url());
	tokio::select! {
		_ = terminate.recv() => {},
		failure = service.failed() => return Err(failure.into()),
	}
	let counts = service.metrics().counts();
	let (commits, readings) = service.metrics().commits();
	service.stop().await;
	println!(
		"{}",
		serde_json::json!({
			"accepted": counts.accepted,
			"duplicate": counts.duplicate,
			"rejected": counts.rejected.values().sum::<u64>(),
			"commits": commits,
			"readings_in_commits": readings,
			"cpu_seconds": cpu_seconds(),
		})
	);
	Ok(())
}
