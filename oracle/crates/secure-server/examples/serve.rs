//! Serves one handler: `serve settings.json`.

use std::{env, error::Error, fs};

use axum::{routing::get, Extension, Router};
use secure_server::{PeerAddress, PeerIdentity, Server};

async fn hello(
	Extension(PeerAddress(address)): Extension<PeerAddress>,
	identity: Option<Extension<PeerIdentity>>,
) -> String {
	let name = identity.and_then(|identity| identity.common_name().map(str::to_owned));
	format!("{address} {}\n", name.as_deref().unwrap_or("anonymous"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
	let path = env::args().nth(1).ok_or("usage: serve settings.json")?;
	let server = Server::bind(serde_json::from_slice(&fs::read(path)?)?).await?;
	println!("listening on {}", server.address());
	let router = Router::new().route("/", get(hello));
	let interrupt = async {
		if let Err(error) = tokio::signal::ctrl_c().await {
			eprintln!("cannot wait for the interrupt: {error}");
		}
	};
	let drained = server.run(router, interrupt).await;
	println!("{drained:?}");
	Ok(())
}
