//! What can be typed after `energy-node`.

use sc_cli::RunCmd;

/// The command line of the node.
#[derive(Debug, clap::Parser)]
pub struct Cli {
	/// What to do instead of running the node.
	#[command(subcommand)]
	pub subcommand: Option<Subcommand>,

	#[clap(flatten)]
	pub run: RunCmd,
}

/// Everything but running the node.
#[derive(Debug, clap::Subcommand)]
// Made once, at the start.
#[allow(clippy::large_enum_variant)]
pub enum Subcommand {
	/// Makes, inspects and stores keys.
	#[command(subcommand)]
	Key(sc_cli::KeySubcommand),

	/// Writes the specification of a chain as JSON.
	ExportChainSpec(sc_cli::ExportChainSpecCmd),

	/// Executes a block again and checks it.
	CheckBlock(sc_cli::CheckBlockCmd),

	/// Writes blocks to a file.
	ExportBlocks(sc_cli::ExportBlocksCmd),

	/// Writes the state at a block as a chain specification.
	ExportState(sc_cli::ExportStateCmd),

	/// Reads blocks from a file.
	ImportBlocks(sc_cli::ImportBlocksCmd),

	/// Removes the chain's database.
	PurgeChain(sc_cli::PurgeChainCmd),

	/// Takes back blocks that are not final.
	Revert(sc_cli::RevertCmd),

	/// Shows what the database holds.
	ChainInfo(sc_cli::ChainInfoCmd),
}
