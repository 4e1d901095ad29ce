//! What a chain takes: entries of its state, bytes on disk, memory of this process.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use sc_client_api::StorageProvider;
use serde::Serialize;
use sp_io::hashing::twox_128;

use crate::node::Node;

/// The pallets whose storage is told apart.
const PALLETS: [&str; 12] = [
	"Assets",
	"AssetsHolder",
	"Aura",
	"Balances",
	"EnergyMarket",
	"Grandpa",
	"Metering",
	"Participants",
	"Revive",
	"Session",
	"Settlement",
	"System",
];

/// A part of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Part {
	/// Entries.
	pub entries: u64,
	/// Bytes of the keys and values together.
	pub bytes: u64,
}

/// What a chain takes at some block.
#[derive(Clone, Debug, Serialize)]
pub struct Census {
	/// The state by pallet. What belongs to none of those that are told apart is under `other`.
	pub pallets: BTreeMap<&'static str, Part>,
	/// The state as a whole.
	pub state: Part,
	/// The files of the node's database, bytes.
	pub database_bytes: u64,
	/// The memory that this process has, bytes.
	pub resident_bytes: u64,
}

impl Census {
	/// The bytes of some pallets.
	pub fn bytes_of(&self, pallets: &[&str]) -> u64 {
		pallets.iter().filter_map(|name| self.pallets.get(name)).map(|part| part.bytes).sum()
	}

	/// Counts at the newest block of a node.
	///
	/// # Errors
	/// When the state, the folder of the database or the process' own figures cannot be read.
	pub fn take(node: &Node) -> Result<Self> {
		let prefixes = PALLETS.map(|name| (twox_128(name.as_bytes()), name));
		let mut pallets = BTreeMap::<&'static str, Part>::new();
		let mut state = Part::default();
		for (key, value) in node.client.storage_pairs(node.best(), None, None)? {
			let name = prefixes
				.iter()
				.find(|(prefix, _)| key.0.starts_with(prefix))
				.map_or("other", |(_, name)| *name);
			let bytes = (key.0.len() + value.0.len()) as u64;
			for part in [pallets.entry(name).or_default(), &mut state] {
				part.entries += 1;
				part.bytes += bytes;
			}
		}
		Ok(Self {
			pallets,
			state,
			database_bytes: folder_bytes(&node.folder)?,
			resident_bytes: resident_bytes()?,
		})
	}
}

/// The bytes of the files in a folder and below.
fn folder_bytes(folder: &Path) -> Result<u64> {
	let mut bytes = 0;
	for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
		let entry = entry?;
		// The database removes files of its own accord.
		let Ok(metadata) = entry.metadata() else { continue };
		bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
	}
	Ok(bytes)
}

/// The memory that this process has, bytes.
fn resident_bytes() -> Result<u64> {
	let status = fs::read_to_string("/proc/self/status").context("no figures of this process")?;
	let kibibytes: u64 = status
		.lines()
		.find_map(|line| line.strip_prefix("VmRSS:"))
		.and_then(|rest| rest.split_whitespace().next())
		.and_then(|number| number.parse().ok())
		.context("this process' memory is not told")?;
	Ok(kibibytes * 1024)
}
