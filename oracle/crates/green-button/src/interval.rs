use crate::ExportError;

/// Most energy of one interval, in watt-hours: the `Int48` of ESPI, 2^47 - 1.
pub const MAX_ENERGY_WH: u64 = 140_737_488_355_327;

/// The energy of one interval, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
	/// Start, in seconds since 1970-01-01T00:00:00Z.
	pub start_seconds: u64,
	/// Length, in seconds.
	pub duration_seconds: u32,
	/// Energy that the customer took from the network, in watt-hours. 0 if missing.
	pub import_wh: u64,
	/// Energy that the customer fed into the network, in watt-hours. 0 if missing.
	pub export_wh: u64,
	/// How far the energy can be trusted.
	pub quality: Quality,
}

impl Interval {
	/// Energy in one direction, in watt-hours; none if it is missing.
	pub fn energy_wh(&self, direction: Direction) -> Option<u64> {
		match (self.quality, direction) {
			(Quality::Missing, _) => None,
			(_, Direction::Import) => Some(self.import_wh),
			(_, Direction::Export) => Some(self.export_wh),
		}
	}

	/// End, in seconds since 1970-01-01T00:00:00Z.
	pub(crate) fn end_seconds(&self) -> u64 {
		self.start_seconds.saturating_add(u64::from(self.duration_seconds))
	}

	pub(crate) fn check(&self) -> Result<(), ExportError> {
		for (field, value) in [("import_wh", self.import_wh), ("export_wh", self.export_wh)] {
			if value > MAX_ENERGY_WH {
				return Err(ExportError::OutOfRange {
					field,
					value: value.into(),
					least: 0,
					most: MAX_ENERGY_WH.into(),
				});
			}
		}
		if self.quality == Quality::Missing && (self.import_wh, self.export_wh) != (0, 0) {
			return Err(ExportError::MissingWithEnergy { start_seconds: self.start_seconds });
		}
		Ok(())
	}
}

/// Which way energy flows, seen from the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
	/// From the network to the customer.
	Import,
	/// From the customer to the network.
	Export,
}

impl Direction {
	/// Both directions, in the order of the feed.
	pub const ALL: [Self; 2] = [Self::Import, Self::Export];

	/// Code in `FlowDirectionKind` of ESPI: 1 forward, 19 reverse.
	pub fn code(self) -> u8 {
		match self {
			Self::Import => 1,
			Self::Export => 19,
		}
	}

	pub(crate) fn name(self) -> &'static str {
		match self {
			Self::Import => "import",
			Self::Export => "export",
		}
	}

	pub(crate) fn title(self) -> &'static str {
		match self {
			Self::Import => "Energy delivered to the customer",
			Self::Export => "Energy received from the customer",
		}
	}
}

/// How far the energy of an interval can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
	/// It was measured and passed every check.
	Valid,
	/// It was not measured but worked out.
	Estimated(EstimationMethod),
	/// It was measured and failed a check.
	Suspect,
	/// There is none. The reading is written without a value, never with zero.
	Missing,
}

/// How an estimate was worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EstimationMethod {
	/// From the same time on similar days.
	ReferenceDay,
	/// On a straight line between the readings before and after.
	LinearInterpolation,
	/// In another way, for example by spreading the energy of a register evenly.
	Derived,
}

impl Quality {
	/// Code in `QualityOfReading` of ESPI: 0 valid, 8 estimated using reference day, 9 estimated
	/// using linear interpolation, 10 questionable, 11 derived, 16 other.
	///
	/// The standard has no code for a value that is not there: a missing one is 16, other.
	pub fn code(self) -> u8 {
		match self {
			Self::Valid => 0,
			Self::Estimated(EstimationMethod::ReferenceDay) => 8,
			Self::Estimated(EstimationMethod::LinearInterpolation) => 9,
			Self::Suspect => 10,
			Self::Estimated(EstimationMethod::Derived) => 11,
			Self::Missing => 16,
		}
	}
}
