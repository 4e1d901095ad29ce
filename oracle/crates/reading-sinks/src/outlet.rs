//! The port that every outlet implements.

use std::future::Future;

use crate::Batch;

/// Why a batch was not written. Nothing of it may be assumed to be written; the same batch must be
/// offered again before the cursor moves on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutletError {
	/// The other side cannot be reached or has no room now. It may pass by itself.
	#[error("unavailable: {reason}")]
	Unavailable {
		/// One sentence for a human.
		reason: String,
	},
	/// The other side refuses, and will again until someone acts: a password, a right, a table.
	#[error("refused: {reason}")]
	Refused {
		/// One sentence for a human.
		reason: String,
	},
}

impl OutletError {
	/// Whether it may pass by itself.
	pub fn is_temporary(&self) -> bool {
		matches!(self, Self::Unavailable { .. })
	}
}

#[cfg(any(feature = "postgres", feature = "archive", feature = "redis"))]
pub(crate) fn unavailable(reason: impl std::fmt::Display) -> OutletError {
	OutletError::Unavailable { reason: reason.to_string() }
}

#[cfg(any(feature = "postgres", feature = "archive", feature = "redis"))]
pub(crate) fn refused(reason: impl std::fmt::Display) -> OutletError {
	OutletError::Refused { reason: reason.to_string() }
}

/// Takes readings that are stored already, and keeps them elsewhere as well.
///
/// Batches may be written at the same time, in any order, and again: writing a batch twice leaves
/// what writing it once leaves. The future may be dropped at any point; then the batch counts as not
/// written.
pub trait Outlet: Send + Sync + 'static {
	/// Returns when the whole batch is where it belongs.
	///
	/// # Errors
	/// When that is not certain. After an error an outlet makes the next call wait, longer with every
	/// further one; so a caller may call again at once, for ever.
	fn write(&self, batch: &Batch) -> impl Future<Output = Result<(), OutletError>> + Send;
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn only_an_unavailable_side_may_come_back_by_itself() {
		let unavailable = OutletError::Unavailable { reason: "a".into() };
		let refused = OutletError::Refused { reason: "b".into() };
		assert!(unavailable.is_temporary() && !refused.is_temporary());
		assert_eq!(format!("{unavailable}; {refused}"), "unavailable: a; refused: b");
	}
}
