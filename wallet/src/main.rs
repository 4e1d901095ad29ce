//! The program `energy-wallet`.

fn main() -> std::process::ExitCode {
	energy_wallet::cli::main()
}
