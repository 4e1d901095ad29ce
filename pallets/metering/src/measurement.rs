//! What others are told: the attested pages, and what each meter measured.

use crate::{Config, FinalPage, PageValues, Pages, Pallet, Progress};
use energy_primitives::{
	api::AttestedPage, Measured, MeterIndex, MeterValue, MeteredEnergy, MeteringStatus, Meters,
	Quality, Slot, SlotClock, ZoneId,
};
use frame_support::traits::Get;

impl<T: Config> MeteredEnergy for Pallet<T> {
	fn status(zone: ZoneId, slot: Slot) -> MeteringStatus {
		let now = T::Clock::now_seconds();
		let end = Self::end_seconds(slot);
		if now < end {
			return MeteringStatus::Pending;
		}
		let parameters = Self::parameters(slot);
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
		Self::line(zone, slot, meter)
			.filter(|line| line.quality != Quality::Missing)
			.unwrap_or_else(|| Self::estimate(zone, slot, meter))
	}
}

impl<T: Config> Pallet<T> {
	/// The attested line of a meter.
	pub(crate) fn line(zone: ZoneId, slot: Slot, meter: MeterIndex) -> Option<Measured> {
		let lines = PageValues::<T>::get((zone, slot), meter.page())?;
		let place = lines.binary_search_by_key(&meter.0, |line| line.meter).ok()?;
		let MeterValue { import_wh, export_wh, quality, .. } = *lines.get(place)?;
		Some(Measured { import_wh, export_wh, quality })
	}

	/// What a meter without a line is taken to have measured. See the top of this page.
	fn estimate(zone: ZoneId, slot: Slot, meter: MeterIndex) -> Measured {
		(1..=T::EstimateLookback::get())
			.map_while(|back| slot.0.checked_sub(back))
			.find_map(|earlier| {
				Self::line(zone, Slot(earlier), meter).filter(|line| line.quality == Quality::Valid)
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
