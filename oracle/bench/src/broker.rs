//! A broker of MQTT, and a publisher that costs little.

use std::{
	net::TcpListener as StdListener,
	path::Path,
	process::{Child, Command, Stdio},
	sync::Arc,
	time::{Duration, Instant},
};

use anyhow::{bail, ensure, Context, Result};
use bytes::{BufMut, Bytes, BytesMut};
use tokio::{
	io::{AsyncReadExt, AsyncWriteExt},
	net::TcpStream,
	sync::Semaphore,
};

/// Messages that a publisher sends ahead of their acknowledgements.
const WINDOW: usize = 10_000;

/// A running Mosquitto; killed when it is dropped.
pub struct Broker {
	process: Child,
	/// Where it listens.
	pub port: u16,
}

impl Broker {
	/// Starts one with a folder of its own.
	///
	/// # Errors
	/// When it is not installed (Debian package `mosquitto`) or does not start.
	pub fn start(folder: &Path) -> Result<Self> {
		let port = StdListener::bind("127.0.0.1:0")?.local_addr()?.port();
		let configuration = folder.join("mosquitto.conf");
		std::fs::write(
			&configuration,
			format!(
				"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 20000\n\
				 max_queued_messages 2000000\npersistence false\n"
			),
		)?;
		let process = Command::new("mosquitto")
			.arg("-c")
			.arg(&configuration)
			.stdout(Stdio::null())
			.stderr(Stdio::null())
			.spawn()
			.or_else(|_not_in_path| {
				Command::new("/usr/sbin/mosquitto")
					.arg("-c")
					.arg(&configuration)
					.stdout(Stdio::null())
					.stderr(Stdio::null())
					.spawn()
			})
			.context("cannot start mosquitto: install the package of that name")?;
		let broker = Self { process, port };
		let started = Instant::now();
		while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
			ensure!(started.elapsed() < Duration::from_secs(10), "mosquitto does not listen");
			std::thread::sleep(Duration::from_millis(10));
		}
		Ok(broker)
	}

	/// The number of its process.
	pub fn process_id(&self) -> u32 {
		self.process.id()
	}
}

impl Drop for Broker {
	fn drop(&mut self) {
		// An error means that it is gone already.
		let _ = self.process.kill();
		let _ = self.process.wait();
	}
}

/// PUBLISH packets of QoS 1 (MQTT 3.1.1, section 3.3), each with a packet identifier of its own.
pub fn packets(messages: &[Bytes], names: impl Fn(usize) -> String) -> Vec<Bytes> {
	messages
		.iter()
		.enumerate()
		.map(|(number, message)| {
			let topic = format!("energy-cloud/seoul/meter/{}/readings", names(number));
			let mut packet = BytesMut::new();
			packet.put_u8(0x32);
			let mut remaining = 2 + topic.len() + 2 + message.len();
			loop {
				let digit = (remaining % 128) as u8;
				remaining /= 128;
				packet.put_u8(if remaining > 0 { digit | 0x80 } else { digit });
				if remaining == 0 {
					break;
				}
			}
			packet.put_u16(topic.len() as u16);
			packet.put_slice(topic.as_bytes());
			packet.put_u16((number % 65_535) as u16 + 1);
			packet.put_slice(message);
			packet.freeze()
		})
		.collect()
}

/// Publishes packets over one connection, and returns when the broker has acknowledged all.
///
/// # Errors
/// When the broker refuses, or the connection breaks off.
pub async fn publish(port: u16, client: &str, packets: &[Bytes]) -> Result<()> {
	let stream = TcpStream::connect(("127.0.0.1", port)).await?;
	stream.set_nodelay(true)?;
	let (mut reader, mut writer) = stream.into_split();
	let mut connect = BytesMut::new();
	connect.put_u8(0x10);
	connect.put_u8((12 + client.len()) as u8);
	connect.put_slice(b"\x00\x04MQTT\x04\x02\x00\x3c");
	connect.put_u16(client.len() as u16);
	connect.put_slice(client.as_bytes());
	writer.write_all(&connect).await?;
	let mut answer = [0; 4];
	reader.read_exact(&mut answer).await?;
	ensure!(answer == [0x20, 2, 0, 0], "the broker refuses the connection: {answer:?}");

	let window = Arc::new(Semaphore::new(WINDOW));
	let total = packets.len();
	let acknowledged = {
		let window = window.clone();
		tokio::spawn(async move {
			let mut acknowledgements = vec![0; 64 << 10];
			let (mut filled, mut count) = (0usize, 0usize);
			while count < total {
				let read = reader.read(&mut acknowledgements[filled..]).await?;
				if read == 0 {
					bail!("the broker closed the connection");
				}
				filled += read;
				let whole = filled / 4;
				for puback in acknowledgements[..whole * 4].chunks_exact(4) {
					ensure!(puback[..2] == [0x40, 2], "no acknowledgement: {puback:?}");
				}
				acknowledgements.copy_within(whole * 4..filled, 0);
				filled -= whole * 4;
				count += whole;
				window.add_permits(whole);
			}
			Ok(())
		})
	};
	for group in packets.chunks(64) {
		let permits = window.acquire_many(group.len() as u32).await?;
		permits.forget();
		let mut bytes = BytesMut::with_capacity(group.iter().map(Bytes::len).sum());
		group.iter().for_each(|packet| bytes.put_slice(packet));
		writer.write_all(&bytes).await?;
	}
	acknowledged.await?
}
