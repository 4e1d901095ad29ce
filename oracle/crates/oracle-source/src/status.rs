//! How a source is doing.

/// How a source is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
	/// Not connected yet, or on the way to it.
	Connecting,
	/// Connected, and messages may come.
	Subscribed,
	/// Not connected; tries again after a while.
	Disconnected {
		/// One sentence for a human.
		reason: String,
	},
	/// Stopped for good.
	Stopped,
}
