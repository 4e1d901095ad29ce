//! The trail of what operators overruled.

use codec::Encode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wia_ene_014::canonical::Quality;

/// Most entries of a trail.
pub const MAX_ENTRIES: usize = 10_000;
/// Longest name of an operator in bytes.
pub const MAX_OPERATOR_BYTES: usize = 100;
/// Longest reason in bytes.
pub const MAX_REASON_BYTES: usize = 500;

/// What a figure counts.
#[derive(Clone, Copy, Debug, Deserialize, Encode, Eq, PartialEq, Serialize)]
pub enum Unit {
	/// Energy of an interval, watt-hours.
	Wh,
	/// Mean power of an interval, watts.
	W,
}

/// The interval whose figure is overruled.
#[derive(
	Clone, Copy, Debug, Deserialize, Encode, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(deny_unknown_fields)]
pub struct Target {
	/// The meter, as [`wia_ene_014::canonical::meter_id`] names it.
	pub meter_id: [u8; 32],
	/// First second.
	pub start_seconds: u64,
	/// Length in seconds.
	pub duration_seconds: u32,
}

/// A figure that is shown or used for operation.
#[derive(Clone, Copy, Debug, Deserialize, Encode, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
	/// Taken from the grid.
	pub import: u64,
	/// Given to the grid.
	pub export: u64,
	/// What both count.
	pub unit: Unit,
	/// How good they are.
	pub quality: Quality,
}

/// Where the figure comes from that an edit would overrule.
#[derive(Clone, Copy, Debug, Deserialize, Encode, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
	/// There is none, or it was estimated.
	Estimated,
	/// The meter signed it, and it is not attested yet. An edit lies over it for operation; what is
	/// attested stays the signed figure.
	Signed,
	/// It is attested. It cannot be edited.
	Attested,
}

/// The figure as it stands without edits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Current {
	/// The figure.
	pub figure: Figure,
	/// Where it comes from.
	pub origin: Origin,
}

/// What was done.
#[derive(Clone, Copy, Debug, Deserialize, Encode, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
	/// A figure was overruled.
	Apply,
	/// An earlier entry was taken back.
	Undo {
		/// Its place in the trail.
		entry: u64,
	},
}

/// Who wants what, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EditRequest {
	/// The interval.
	pub target: Target,
	/// When, in unix seconds.
	pub at_seconds: u64,
	/// Who.
	pub operator: String,
	/// Why.
	pub reason: String,
	/// The figure the operator saw. If it is not the one in force, nothing happens.
	pub old: Figure,
	/// The figure to put in its place; not of quality `Valid`, as nobody measured it.
	pub new: Figure,
}

/// An entry of the trail.
#[derive(Clone, Debug, Deserialize, Encode, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EditEntry {
	/// What was done.
	pub act: Act,
	/// The interval.
	pub target: Target,
	/// When, in unix seconds.
	pub at_seconds: u64,
	/// Who.
	pub operator: String,
	/// Why.
	pub reason: String,
	/// Where the figure under the edits came from.
	pub origin: Origin,
	/// The figure in force before.
	pub old: Figure,
	/// The figure in force after.
	pub new: Figure,
	/// [`EditTrail::digest`] of the entries before this one.
	pub previous_digest: [u8; 32],
}

/// Why an edit is refused. Nothing has changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EditError {
	/// Attested figures stay as they are.
	#[error("target: the figure is attested and cannot be edited")]
	Attested,
	/// No reason, or one that is too long.
	#[error("reason: must have 1 to {MAX_REASON_BYTES} bytes")]
	Reason,
	/// No operator, or a name that is too long.
	#[error("operator: must have 1 to {MAX_OPERATOR_BYTES} bytes")]
	Operator,
	/// Another unit.
	#[error("new.unit: {new:?}, but the figure is in {old:?}")]
	Unit {
		/// Unit in force.
		old: Unit,
		/// Unit asked for.
		new: Unit,
	},
	/// An edited figure is not a valid measurement.
	#[error("new.quality: an edited figure is estimated, suspect or missing, never valid")]
	ClaimsValid,
	/// A missing figure has no energy.
	#[error("new: a missing figure has no energy")]
	MissingWithEnergy,
	/// The figure in force is another one.
	#[error("old: the figure in force is {in_force:?}")]
	NotInForce {
		/// The figure in force.
		in_force: Figure,
	},
	/// The new figure is the old one.
	#[error("new: is the figure in force already")]
	NoChange,
	/// Earlier than the last entry.
	#[error("at_seconds: the last entry was made at {last_seconds}")]
	TimeRunsBack {
		/// When the last entry was made.
		last_seconds: u64,
	},
	/// There is no such entry, or it is an undo, or is undone, or was overruled by a later one.
	#[error("entry: only the latest edit of an interval that stands can be undone")]
	NotUndoable,
	/// The trail is full; begin another one.
	#[error("the trail has {MAX_ENTRIES} entries already")]
	Full,
	/// The entries do not follow from each other.
	#[error("entries[{index}]: does not follow from the entries before it")]
	Broken {
		/// Place of the entry.
		index: usize,
	},
}

/// An append-only trail of edits. Each entry holds a digest of all before it, so none can be
/// changed, left out or put in unnoticed by whoever knows the latest digest.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "Vec<EditEntry>", into = "Vec<EditEntry>")]
pub struct EditTrail {
	entries: Vec<EditEntry>,
	/// For each interval the places of the edits that stand, the one in force last.
	standing: BTreeMap<Target, Vec<usize>>,
	digest: [u8; 32],
}

impl EditTrail {
	/// Every entry, oldest first.
	pub fn entries(&self) -> &[EditEntry] {
		&self.entries
	}

	/// `blake2_256` of the SCALE encoding of the last entry, zeros for none.
	pub fn digest(&self) -> [u8; 32] {
		self.digest
	}

	/// The edited figure in force for an interval, if there is one. It is for operation: once a
	/// figure of the interval is attested, that one counts.
	pub fn in_force(&self, target: &Target) -> Option<Figure> {
		let last = self.standing.get(target)?.last()?;
		self.entries.get(*last).map(|entry| entry.new)
	}

	/// Overrules a figure, and returns the one now in force.
	///
	/// # Errors
	/// See [`EditError`].
	pub fn apply(&mut self, request: EditRequest, current: &Current) -> Result<Figure, EditError> {
		let in_force = self.in_force(&request.target).unwrap_or(current.figure);
		if request.old != in_force {
			return Err(EditError::NotInForce { in_force });
		}
		let EditRequest { target, at_seconds, operator, reason, old, new } = request;
		self.append(EditEntry {
			act: Act::Apply,
			target,
			at_seconds,
			operator,
			reason,
			origin: current.origin,
			old,
			new,
			previous_digest: self.digest,
		})?;
		Ok(new)
	}

	/// Takes back the edit at a place of the trail, and returns the figure that it had overruled.
	/// The entry stays; another one says that it was undone. If no edit of the interval stands any
	/// longer, what counts is the figure as it stands without edits by now.
	///
	/// # Errors
	/// [`EditError::NotUndoable`] unless it is the latest edit of its interval that stands, else as
	/// for [`apply`](Self::apply).
	pub fn undo(
		&mut self,
		entry: u64,
		at_seconds: u64,
		operator: String,
		reason: String,
		origin: Origin,
	) -> Result<Figure, EditError> {
		let place = usize::try_from(entry).map_err(|_error| EditError::NotUndoable)?;
		let undone = self.entries.get(place).ok_or(EditError::NotUndoable)?;
		let (target, old, new) = (undone.target, undone.new, undone.old);
		self.append(EditEntry {
			act: Act::Undo { entry },
			target,
			at_seconds,
			operator,
			reason,
			origin,
			old,
			new,
			previous_digest: self.digest,
		})?;
		Ok(new)
	}

	/// Checks an entry against everything before it, and adds it.
	fn append(&mut self, entry: EditEntry) -> Result<(), EditError> {
		if self.entries.len() >= MAX_ENTRIES {
			return Err(EditError::Full);
		}
		if entry.origin == Origin::Attested {
			return Err(EditError::Attested);
		}
		if entry.reason.trim().is_empty() || entry.reason.len() > MAX_REASON_BYTES {
			return Err(EditError::Reason);
		}
		if entry.operator.trim().is_empty() || entry.operator.len() > MAX_OPERATOR_BYTES {
			return Err(EditError::Operator);
		}
		if let Some(last) = self.entries.last() {
			if entry.at_seconds < last.at_seconds {
				return Err(EditError::TimeRunsBack { last_seconds: last.at_seconds });
			}
		}
		let place = self.entries.len();
		match entry.act {
			Act::Apply => {
				check_change(&entry.old, &entry.new)?;
				self.standing.entry(entry.target).or_default().push(place);
			}
			Act::Undo { entry: undone } => {
				let standing =
					self.standing.get_mut(&entry.target).ok_or(EditError::NotUndoable)?;
				let last = standing.last().copied().ok_or(EditError::NotUndoable)?;
				if u64::try_from(last) != Ok(undone) {
					return Err(EditError::NotUndoable);
				}
				standing.pop();
			}
		}
		self.digest = sp_crypto_hashing::blake2_256(&entry.encode());
		self.entries.push(entry);
		Ok(())
	}
}

fn check_change(old: &Figure, new: &Figure) -> Result<(), EditError> {
	if new.unit != old.unit {
		return Err(EditError::Unit { old: old.unit, new: new.unit });
	}
	if new.quality == Quality::Valid {
		return Err(EditError::ClaimsValid);
	}
	if new.quality == Quality::Missing && (new.import, new.export) != (0, 0) {
		return Err(EditError::MissingWithEnergy);
	}
	if new == old {
		return Err(EditError::NoChange);
	}
	Ok(())
}

impl From<EditTrail> for Vec<EditEntry> {
	fn from(trail: EditTrail) -> Self {
		trail.entries
	}
}

impl TryFrom<Vec<EditEntry>> for EditTrail {
	type Error = EditError;

	/// Builds a trail anew from stored entries, with every check that was made when they were added.
	fn try_from(entries: Vec<EditEntry>) -> Result<Self, EditError> {
		let mut trail = Self::default();
		for (index, entry) in entries.into_iter().enumerate() {
			let in_force = trail.in_force(&entry.target);
			let follows = entry.previous_digest == trail.digest
				&& in_force.is_none_or(|in_force| in_force == entry.old)
				&& match entry.act {
					Act::Apply => true,
					Act::Undo { entry: undone } => usize::try_from(undone)
						.ok()
						.and_then(|place| trail.entries.get(place))
						.is_some_and(|undone| undone.old == entry.new),
				};
			if !follows {
				return Err(EditError::Broken { index });
			}
			trail.append(entry)?;
		}
		Ok(trail)
	}
}
