//! What others are told: the attested pages, and what each meter measured.

use crate::{types::Lines, Config, FinalPage, PageValues, Pages, Pallet, Progress};
use alloc::{collections::BTreeMap, vec::Vec};
use core::marker::PhantomData;
use energy_primitives::{
	api::AttestedPage, Measured, MeterIndex, MeterValue, MeteredEnergy, MeteringStatus, Meters,
	Quality, Slot, SlotClock, ZoneId,
};
use frame_support::traits::Get;

impl<T: Config> MeteredEnergy for Pallet<T> {
	fn status(zone: ZoneId, slot: Slot) -> MeteringStatus {
		let now = T::Clock::now_seconds();
		let end = T::Clock::calendar(zone).end_seconds(slot);
		if now < end {
			return MeteringStatus::Pending;
		}
		let parameters = Self::parameters(end);
		let at_the_latest = end.saturating_add(parameters.total_seconds());
		let closed = match Progress::<T>::get((zone, slot)) {
			Some(progress) => progress.completed_at.is_some_and(|completed| {
				now >= completed.saturating_add(parameters.dispute_seconds.into())
			}),
			None => T::Meters::meter_count(zone) == 0,
		};
		if closed || now >= at_the_latest {
			MeteringStatus::Final
		} else {
			MeteringStatus::Pending
		}
	}

	fn measured(zone: ZoneId, slot: Slot, meter: MeterIndex) -> Measured {
		ZoneLines::<T>::of(zone).measured(slot, meter)
	}

	fn measured_all(zone: ZoneId, slot: Slot, meters: &[MeterIndex]) -> (Vec<Measured>, u32) {
		let mut lines = ZoneLines::<T>::of(zone);
		let measured = meters.iter().map(|meter| lines.measured(slot, *meter)).collect();
		(measured, u32::try_from(lines.pages.len()).unwrap_or(u32::MAX))
	}
}

/// The lines of a zone, each page of which is read once.
pub(crate) struct ZoneLines<T: Config> {
	zone: ZoneId,
	pages: BTreeMap<(Slot, u32), Option<Lines>>,
	_config: PhantomData<T>,
}

impl<T: Config> ZoneLines<T> {
	pub(crate) fn of(zone: ZoneId) -> Self {
		Self { zone, pages: BTreeMap::new(), _config: PhantomData }
	}

	/// What a meter measured, or is taken to have measured.
	fn measured(&mut self, slot: Slot, meter: MeterIndex) -> Measured {
		self.line(slot, meter)
			.filter(|line| line.quality != Quality::Missing)
			.unwrap_or_else(|| self.estimate(slot, meter))
	}

	/// The attested line of a meter.
	pub(crate) fn line(&mut self, slot: Slot, meter: MeterIndex) -> Option<Measured> {
		let zone = self.zone;
		let lines = self
			.pages
			.entry((slot, meter.page()))
			.or_insert_with(|| PageValues::<T>::get((zone, slot), meter.page()))
			.as_ref()?;
		let place = lines.binary_search_by_key(&meter.0, |line| line.meter).ok()?;
		let MeterValue { import_wh, export_wh, quality, .. } = *lines.get(place)?;
		Some(Measured { import_wh, export_wh, quality })
	}

	/// What a meter without a line is taken to have measured. See the top of this page.
	fn estimate(&mut self, slot: Slot, meter: MeterIndex) -> Measured {
		(1..=T::EstimateLookback::get())
			.map_while(|back| slot.0.checked_sub(back))
			.find_map(|earlier| {
				self.line(Slot(earlier), meter).filter(|line| line.quality == Quality::Valid)
			})
			.map_or(Measured { import_wh: 0, export_wh: 0, quality: Quality::Estimated }, |line| {
				Measured { quality: Quality::Estimated, ..line }
			})
	}
}

impl<T: Config + frame_system::Config<AccountId = energy_primitives::AccountId>> Pallet<T> {
	/// A final page as others may see it. Without lines, once these are pruned.
	pub fn attestation(zone: ZoneId, slot: Slot, page: u32) -> Option<AttestedPage> {
		let FinalPage { readings_root, readings_count, oracles } =
			Pages::<T>::get((zone, slot), page)?;
		Some(AttestedPage {
			readings_root,
			readings_count,
			values: PageValues::<T>::get((zone, slot), page).unwrap_or_default().into_inner(),
			oracles: oracles.into_inner(),
		})
	}
}
