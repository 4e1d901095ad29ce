//! The oracle's command.

use std::{fs::File, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use energy_oracle::{
	anchor::verify::verify,
	chain::node::{NodeBlocks, NodeClient},
	cli::{CheckArgs, Cli, Command, ReplayArgs, RunArgs, StartSlot, StatusArgs, VerifyAuditArgs},
	clock::{Clock, SystemClock},
	https,
	key::device_from_file,
	keys_command::{self, KeysArgs},
	replay::{read_csv, select, Replay, Schedule},
	service::{Service, ServiceError},
	standby::{occupancy, Occupancy, Standby},
};
use energy_primitives::SlotCalendar;
use oracle_access::issue::{Secret, SecretHash};
use tokio::signal::unix::{signal, SignalKind};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
	let cli = Cli::parse();
	let filter = EnvFilter::try_from_default_env()
		.unwrap_or_else(|_unset| EnvFilter::new("info,jsonrpsee=warn,subxt=warn"));
	tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

	let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
		Ok(runtime) => runtime,
		Err(error) => {
			tracing::error!(%error, "cannot start");
			return ExitCode::FAILURE;
		}
	};
	let result = runtime.block_on(async {
		match cli.command {
			Command::Run(args) => run(*args).await,
			Command::CheckConfig(args) => check_config(&args),
			Command::Keys(args) => change_keys(&args),
			Command::ClientSecret => client_secret(),
			Command::Replay(args) => replay(args).await,
			Command::VerifyAudit(args) => verify_audit(args).await,
			Command::Status(args) => status(args).await,
		}
	});
	runtime.shutdown_timeout(Duration::from_secs(10));
	result.unwrap_or_else(|error| {
		tracing::error!("{error:#}");
		ExitCode::FAILURE
	})
}

/// Makes a secret: shown once, the file gets its hash.
fn client_secret() -> anyhow::Result<ExitCode> {
	let secret = Secret::generate()?;
	println!("secret, for the client, not kept anywhere: {}", secret.expose());
	println!("hash, for the file of clients: {}", SecretHash::of(&secret)?.phc());
	Ok(ExitCode::SUCCESS)
}

/// Looks at the settings as `run` would, without starting anything.
fn check_config(args: &CheckArgs) -> anyhow::Result<ExitCode> {
	let settings = args.settings.load()?;
	let config = settings.service()?;
	let account = settings.account.open()?;
	config.http.check_files().context("http.tls")?;
	if let Some(access) = &config.access {
		access.check_files()?;
	}
	if args.json {
		println!("{}", serde_json::to_string_pretty(&settings)?);
	} else {
		print!("{}", settings.to_toml()?);
		println!("\n# These settings can be used. Account: {}", account.id());
	}
	Ok(ExitCode::SUCCESS)
}

/// Looks at the keys of a folder, or changes them.
fn change_keys(args: &KeysArgs) -> anyhow::Result<ExitCode> {
	println!("{}", keys_command::run(args, SystemClock.now_seconds())?);
	Ok(ExitCode::SUCCESS)
}

async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
	let settings = args.settings.load()?;
	let mut config = settings.service()?;
	let account = settings.account.open()?;
	let node = settings.node.url.clone();
	let is_standby = args.standby || settings.storage.standby;
	tracing::info!(account = %account.id(), zones = ?config.zones, node, is_standby, "starting");
	let mut terminate = signal(SignalKind::terminate())?;
	let mut interrupt = signal(SignalKind::interrupt())?;
	let mut hang_up = signal(SignalKind::hangup())?;
	let mut service = loop {
		if is_standby {
			let standby = Standby::start(&mut config).await?;
			println!("standby on {}", standby.url());
			tokio::select! {
				waited = standby.wait() => waited?,
				_ = terminate.recv() => return Ok(ExitCode::SUCCESS),
				_ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
			}
		}
		let chain = NodeClient::new(node.clone(), account.clone());
		match Service::start(config.clone(), chain, SystemClock).await {
			Ok(service) => break service,
			// Another standby was faster.
			// Another standby was faster. After such an error this process has nothing open there.
			Err(ServiceError::Store(error))
				if is_standby && occupancy(&config.data)? == Occupancy::InUse =>
			{
				tracing::info!(%error, "waiting again");
			}
			Err(error) => return Err(error.into()),
		}
	};
	// For those who started it on port 0.
	println!("listening on {}", service.url());

	let failure = loop {
		tokio::select! {
			_ = terminate.recv() => break None,
			_ = interrupt.recv() => break None,
			_ = hang_up.recv() => match service.reload_certificate() {
				Ok(()) => tracing::info!("the certificate was read again"),
				Err(error) => tracing::error!(%error, "the old certificate stays"),
			},
			failure = service.failed() => break Some(failure),
		}
	};
	tracing::info!("stopping");
	tokio::select! {
		() = service.stop() => {},
		_ = terminate.recv() => anyhow::bail!("stopped without waiting"),
		_ = interrupt.recv() => anyhow::bail!("stopped without waiting"),
	}
	match failure {
		None => Ok(ExitCode::SUCCESS),
		Some(failure) => Err(failure.into()),
	}
}

async fn replay(args: ReplayArgs) -> anyhow::Result<ExitCode> {
	let file =
		File::open(&args.file).with_context(|| format!("cannot open {}", args.file.display()))?;
	let rows = select(read_csv(file)?, args.from.as_deref(), args.intervals)?;
	let start_slot = match args.start_slot {
		StartSlot::At(slot) => slot,
		StartSlot::Now => {
			SlotCalendar::uniform(args.interval_seconds).at(SystemClock.now_seconds())
		}
	};
	let replay = Replay {
		url: args.url,
		ca_file: args.ca_file,
		meter_id: args.meter,
		key: device_from_file(&args.key_file)?,
		start_slot,
		slot_seconds: args.interval_seconds,
		schedule: if args.no_wait {
			Schedule::NoWait
		} else {
			Schedule::Paced { speed: args.speed }
		},
	};
	let total = rows.len();
	let summary = replay
		.run(&rows, |summary| {
			eprint!(
				"\r{}/{total} sent, slot {}, {} accepted, {} duplicate, {} rejected",
				summary.sent,
				summary.last_slot,
				summary.accepted,
				summary.duplicate,
				summary.rejected
			);
		})
		.await?;
	eprintln!();
	if args.json {
		println!("{}", serde_json::to_string(&summary)?);
	} else {
		println!(
			"meter {}: slots {} to {}, {} Wh import, {} Wh export; {} of {} messages stored",
			summary.meter_id,
			summary.first_slot,
			summary.last_slot,
			summary.import_wh,
			summary.export_wh,
			summary.accepted.saturating_add(summary.duplicate),
			summary.sent
		);
		for reason in &summary.reasons {
			println!("rejected: {reason}");
		}
	}
	Ok(if summary.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn verify_audit(args: VerifyAuditArgs) -> anyhow::Result<ExitCode> {
	let blocks = match &args.node {
		Some(url) => Some(NodeBlocks::connect(url).await?),
		None => None,
	};
	let report = verify(&args.folder, blocks.as_ref()).await?;
	if args.json {
		println!("{}", serde_json::to_string_pretty(&report)?);
	} else {
		println!("{} entries, each follows from the one before it", report.entries);
		for day in &report.days {
			let block = day.block_number.map_or(String::new(), |block| format!(", block {block}"));
			println!("{}  to entry {}: {}{block}", day.date, day.last_entry, day.state.text());
		}
		let verdict = if report.is_good { "nothing was changed" } else { "it WAS CHANGED" };
		println!("{verdict}, as far as was looked");
	}
	Ok(if report.is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn status(args: StatusArgs) -> anyhow::Result<ExitCode> {
	let url = format!("{}/v1/status", args.url.trim_end_matches('/'));
	let client = https::client(args.ca_file.as_deref(), Duration::from_secs(10))?;
	let status: serde_json::Value =
		client.get(url).send().await?.error_for_status()?.json().await?;
	println!("{status:#}");
	Ok(ExitCode::SUCCESS)
}
