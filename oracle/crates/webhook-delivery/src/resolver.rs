//! From names to addresses: a port, so that tests decide.

use crate::BoxFuture;
use std::{
	io,
	net::{IpAddr, ToSocketAddrs},
	sync::Arc,
};
use tokio::{sync::Semaphore, task};

/// Resolves names.
pub trait Resolver: Send + Sync + 'static {
	/// All addresses of a name.
	fn resolve(&self, name: &str) -> BoxFuture<io::Result<Vec<IpAddr>>>;
}

/// The resolver of this machine. It answers a bounded number of questions at a time: one that
/// nobody waits for any more still keeps its thread until the machine gives up.
#[derive(Clone, Debug)]
pub struct SystemResolver {
	permits: Arc<Semaphore>,
}

impl SystemResolver {
	/// Asks at most so many questions at a time.
	pub fn new(parallel: usize) -> Self {
		Self { permits: Arc::new(Semaphore::new(parallel)) }
	}
}

impl Resolver for SystemResolver {
	fn resolve(&self, name: &str) -> BoxFuture<io::Result<Vec<IpAddr>>> {
		let permits = self.permits.clone();
		let name = name.to_owned();
		Box::pin(async move {
			let permit = permits.acquire_owned().await.map_err(io::Error::other)?;
			let resolved = task::spawn_blocking(move || {
				let _permit = permit;
				(name.as_str(), 0)
					.to_socket_addrs()
					.map(|addresses| addresses.map(|a| a.ip()).collect())
			});
			resolved.await.map_err(io::Error::other)?
		})
	}
}
