//! The node of the energy chain: validates, authors and finalises blocks, and answers wallets,
//! oracles and regulators over JSON-RPC.

mod chain_spec;
mod cli;
mod command;
mod rpc;
mod service;

fn main() -> sc_cli::Result<()> {
	command::run()
}
