//! Meters, their readings with proofs, and what was found about their figures.

use std::sync::Arc;

use axum::{extract::State, Json};
use codec::Encode;
use energy_primitives::{
	merkle::{self, MerklePath},
	AccountId, Meter, MeterId, MeterIndex, Slot, ZoneId, METERS_PER_PAGE,
};
use oracle_access::{Action, Kind, Resource};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use wia_ene_014::canonical::{DeviceSignature, Quality, SignedMessage};

use super::{
	blocking,
	extract::{Caller, MeterText, Params, Segments},
	problem::Problem,
	views::{self, hexadecimal},
	Shared, ITEMS,
};
use crate::{
	assess::{Assessment, AssessmentStore},
	store::{
		readings, PageKey, PageState, RecentSlots, SealedPage, Store, StoreError, StoredReading,
	},
};

/// A registered meter.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeterView {
	/// The identifier on the chain, 64 hexadecimal digits.
	meter_id: String,
	/// Where it is connected.
	#[schema(value_type = u32)]
	zone: ZoneId,
	/// Its place among the meters of the zone.
	#[schema(value_type = u32)]
	index: MeterIndex,
	/// The account it belongs to, SS58.
	owner: String,
	/// The largest power of the connection, W.
	rated_power_w: u32,
}

impl MeterView {
	fn new(id: MeterId, zone: ZoneId, index: MeterIndex, owner: &AccountId, watts: u32) -> Self {
		Self {
			meter_id: hex::encode(id.0),
			zone,
			index,
			owner: views::account(owner),
			rated_power_w: watts,
		}
	}
}

/// Meters of a zone, by their places.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetersOfZone {
	/// At most 100.
	meters: Vec<MeterView>,
	/// More come from this place on.
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	next_from: Option<u32>,
}

/// From where on meters are shown.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FromPlace {
	/// The first place in the zone that is shown; 0 if not given.
	from: Option<u32>,
}

/// List the meters of a zone
#[utoipa::path(
	get,
	path = "/v1/zones/{zone}/meters",
	tag = "meters",
	params(("zone" = u32, Path, description = "The zone."), FromPlace),
	responses((status = 200, description = "Meters by their places.", body = MetersOfZone))
)]
pub(super) async fn meters_of_zone(
	State(shared): State<Arc<Shared>>,
	Segments(zone): Segments<ZoneId>,
	Params(FromPlace { from }): Params<FromPlace>,
	caller: Caller,
) -> Result<Json<MetersOfZone>, Problem> {
	let mut resource = Resource::new(Kind::Meters, format!("zone-{zone}"));
	resource.zone = Some(zone.0);
	shared.permit(&caller, Action::Read, resource).await?;
	shared.serves(zone)?;
	blocking(move || {
		let from = MeterIndex(from.unwrap_or(0));
		let meters = shared.api.database.meters(zone, from, ITEMS)?;
		let last = meters.last().filter(|_| meters.len() == ITEMS);
		let next_from = last.map(|(_, meter)| meter.index.0.saturating_add(1));
		let view = |(id, meter): &(MeterId, Meter<AccountId>)| {
			MeterView::new(*id, meter.zone, meter.index, &meter.owner, meter.rated_power_w)
		};
		Ok(Json(MetersOfZone { meters: meters.iter().map(view).collect(), next_from }))
	})
	.await
}

/// Show a meter
#[utoipa::path(
	get,
	path = "/v1/meters/{meterId}",
	tag = "meters",
	params(("meterId" = String, Path, description = "64 hexadecimal digits.", pattern = "^[0-9a-fA-F]{64}$")),
	responses((status = 200, description = "The meter, as the chain has it.", body = MeterView))
)]
pub(super) async fn meter(
	State(shared): State<Arc<Shared>>,
	Segments(MeterText(id)): Segments<MeterText>,
	caller: Caller,
) -> Result<Json<MeterView>, Problem> {
	shared.permit_meter(&caller, Kind::Meters, id).await?;
	let registry = shared.api.registry.load();
	let meter = registry.as_ref().and_then(|registry| registry.meter(&id));
	let meter =
		meter.ok_or_else(|| Problem::not_found("the meter is not in a zone of this oracle"))?;
	let view = MeterView::new(id, meter.zone, meter.index, &meter.owner, meter.rated_power_w);
	Ok(Json(view))
}

/// Slots in which a meter has readings, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlotsOfMeter {
	meter_id: String,
	#[schema(value_type = Vec<u32>)]
	slots: Vec<Slot>,
	/// Older slots come before this one.
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(value_type = Option<u32>, nullable = false)]
	next_before: Option<Slot>,
}

/// From where on slots are shown.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Before {
	/// Slots before this one; from the newest on if not given.
	#[param(value_type = Option<u32>)]
	before: Option<Slot>,
}

/// List the newest slots of a meter
#[utoipa::path(
	get,
	path = "/v1/meters/{meterId}/slots",
	tag = "meters",
	params(("meterId" = String, Path, description = "64 hexadecimal digits.", pattern = "^[0-9a-fA-F]{64}$"), Before),
	responses((status = 200, description = "Slots, newest first.", body = SlotsOfMeter))
)]
pub(super) async fn recent_slots(
	State(shared): State<Arc<Shared>>,
	Segments(MeterText(id)): Segments<MeterText>,
	caller: Caller,
	Params(Before { before }): Params<Before>,
) -> Result<Json<SlotsOfMeter>, Problem> {
	shared.permit_meter(&caller, Kind::Slots, id).await?;
	blocking(move || {
		let RecentSlots { slots, next_before } =
			shared.api.store.recent_slots(id, before, ITEMS)?;
		if slots.is_empty() && next_before.is_none() && before.is_none() {
			return Err(Problem::not_found("the meter has no readings here"));
		}
		Ok(Json(SlotsOfMeter { meter_id: hex::encode(id.0), slots, next_before }))
	})
	.await
}

/// A meter's readings in a slot, and what proves that they were attested.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlotOfMeter {
	meter_id: String,
	#[schema(value_type = u32)]
	zone: ZoneId,
	#[schema(value_type = u32)]
	meter: MeterIndex,
	#[schema(value_type = u32)]
	slot: Slot,
	/// The page of the attestation that has the meter.
	page: u32,
	state: SlotState,
	/// The root of the tree over the page's signed readings.
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	readings_root: Option<String>,
	/// How many signed readings the tree has.
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	readings_count: Option<u32>,
	/// What was attested of the meter, if its readings fill the slot.
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	value: Option<Value>,
	readings: Vec<ReadingWithPath>,
}

/// How far a meter's slot has come.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SlotState {
	/// More readings may come.
	Open,
	/// Sealed, and on its way to the chain.
	Pending,
	/// The chain has it.
	Done,
	/// The chain would no longer take it.
	TooLate,
	/// No meter of the page has figures for the whole slot, so there is nothing to attest.
	Incomplete,
}

impl From<PageState> for SlotState {
	fn from(state: PageState) -> Self {
		match state {
			PageState::Pending => Self::Pending,
			PageState::Done => Self::Done,
			PageState::TooLate => Self::TooLate,
			PageState::Incomplete => Self::Incomplete,
		}
	}
}

/// Energy of a meter in a slot.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Value {
	/// Taken from the grid, Wh.
	import_wh: u64,
	/// Given to the grid, Wh.
	export_wh: u64,
	/// The worst quality of the readings behind it.
	#[schema(value_type = views::Quality)]
	quality: Quality,
}

/// A signed reading.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadingWithPath {
	/// SCALE of the signed message, which is the Merkle leaf without its two domains.
	signed_message: String,
	message: MessageView,
	/// The meter's signature over the canonical bytes.
	#[schema(value_type = Object)]
	signature: DeviceSignature,
	/// The way from the reading to the root, once the slot is sealed.
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(value_type = Option<views::MerklePath>, nullable = false)]
	path: Option<MerklePath>,
}

/// What a message says.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageView {
	timestamp_seconds: u64,
	intervals: Vec<IntervalView>,
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	consumption_wh: Option<u64>,
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	generation_wh: Option<u64>,
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	storage_wh: Option<i64>,
	#[schema(value_type = views::Quality)]
	quality: Quality,
}

/// A figure of a message.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntervalView {
	start_seconds: u64,
	duration_seconds: u32,
	import_wh: u64,
	export_wh: u64,
	#[schema(value_type = views::Quality)]
	quality: Quality,
}

impl ReadingWithPath {
	fn new(signed: &SignedMessage, path: Option<MerklePath>) -> Self {
		let message = &signed.message;
		Self {
			signed_message: hexadecimal(&signed.encode()),
			message: MessageView {
				timestamp_seconds: message.timestamp_seconds,
				intervals: message
					.intervals
					.iter()
					.map(|interval| IntervalView {
						start_seconds: interval.start_seconds,
						duration_seconds: interval.duration_seconds,
						import_wh: interval.import_wh,
						export_wh: interval.export_wh,
						quality: interval.quality,
					})
					.collect(),
				consumption_wh: message.consumption_wh,
				generation_wh: message.generation_wh,
				storage_wh: message.storage_wh,
				quality: message.quality,
			},
			signature: signed.signature,
			path,
		}
	}
}

/// Show a meter's readings in a slot, with proofs
#[utoipa::path(
	get,
	path = "/v1/meters/{meterId}/slots/{slot}",
	tag = "meters",
	params(
		("meterId" = String, Path, description = "64 hexadecimal digits.", pattern = "^[0-9a-fA-F]{64}$"),
		("slot" = u32, Path, description = "The slot."),
	),
	responses((status = 200, description = "The readings.", body = SlotOfMeter))
)]
pub(super) async fn slot_of_meter(
	State(shared): State<Arc<Shared>>,
	Segments((MeterText(id), slot)): Segments<(MeterText, Slot)>,
	caller: Caller,
) -> Result<Json<SlotOfMeter>, Problem> {
	shared.permit_meter(&caller, Kind::Readings, id).await?;
	blocking(move || read_slot(shared.api.store.as_ref(), id, slot).map(Json)).await
}

/// Reads a meter's slot.
pub(super) fn read_slot(
	store: &dyn Store,
	id: MeterId,
	slot: Slot,
) -> Result<SlotOfMeter, Problem> {
	let Some((zone, meter)) = store.locate(id, slot)? else {
		return Err(Problem::not_found("the meter has no readings in the slot here"));
	};
	let key = PageKey { zone, slot, page: meter.page() };
	Ok(PageOfSlot::read(store, key, Some(meter))?.of(id, meter))
}

/// The readings of a page's meters in a slot, and what was attested of them.
pub(super) struct PageOfSlot {
	key: PageKey,
	sealed: Option<SealedPage>,
	readings: Vec<StoredReading>,
	/// The leaves of the tree over the readings; none before the page is sealed.
	leaves: Vec<Vec<u8>>,
}

impl PageOfSlot {
	/// Reads a page, and looks whether its readings are those that were sealed. Where only one meter is
	/// wanted, a page that is not sealed is not read whole.
	pub(super) fn read(
		store: &dyn Store,
		key: PageKey,
		only: Option<MeterIndex>,
	) -> Result<Self, Problem> {
		let PageKey { zone, slot, page } = key;
		let sealed = store.page(key)?;
		let meters = match only.filter(|_| sealed.is_none()) {
			Some(meter) => meter.0..meter.0.saturating_add(1),
			None => {
				let first = page.saturating_mul(METERS_PER_PAGE);
				first..first.saturating_add(METERS_PER_PAGE)
			}
		};
		let readings = readings(store, zone, slot, meters)?;
		let mut leaves = Vec::new();
		if let Some(sealed) = &sealed {
			leaves.extend(readings.iter().map(|reading| reading.signed.leaf_bytes()));
			if merkle::root(&leaves) != sealed.attestation.readings_root {
				tracing::error!(%zone, %slot, page, "the stored readings are not those that were sealed");
				return Err(StoreError::Damaged { place: "readings" }.into());
			}
		}
		Ok(Self { key, sealed, readings, leaves })
	}

	/// Which page it is.
	pub(super) fn key(&self) -> PageKey {
		self.key
	}

	/// What the page has of a meter.
	pub(super) fn of(&self, id: MeterId, meter: MeterIndex) -> SlotOfMeter {
		let PageKey { zone, slot, page } = self.key;
		let attestation = self.sealed.as_ref().map(|sealed| &sealed.attestation);
		let value = attestation
			.and_then(|attestation| attestation.values.iter().find(|value| value.meter == meter.0));
		SlotOfMeter {
			meter_id: hex::encode(id.0),
			zone,
			meter,
			slot,
			page,
			state: self.sealed.as_ref().map_or(SlotState::Open, |sealed| sealed.state.into()),
			readings_root: attestation
				.map(|attestation| hexadecimal(attestation.readings_root.as_bytes())),
			readings_count: attestation.map(|attestation| attestation.readings_count),
			value: value.map(|value| Value {
				import_wh: value.import_wh,
				export_wh: value.export_wh,
				quality: value.quality,
			}),
			readings: self
				.readings
				.iter()
				.zip(0u32..)
				.filter(|(reading, _)| reading.meter == meter)
				.map(|(reading, place)| {
					ReadingWithPath::new(&reading.signed, merkle::path(&self.leaves, place))
				})
				.collect(),
		}
	}
}

/// What validation found about a meter's figures in a slot.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
	meter_id: String,
	#[schema(value_type = u32)]
	slot: Slot,
	/// Whether the slot was judged. Before, nothing is known.
	judged: bool,
	/// The figures about which something was found.
	#[schema(value_type = Vec<views::Finding>)]
	findings: Vec<Assessment>,
}

/// Show what validation found about a meter's figures
///
/// When a slot is sealed its figures are judged by versioned rules (validation, the V of VEE). Nothing of
/// it changes what is attested.
#[utoipa::path(
	get,
	path = "/v1/meters/{meterId}/slots/{slot}/findings",
	tag = "meters",
	params(
		("meterId" = String, Path, description = "64 hexadecimal digits.", pattern = "^[0-9a-fA-F]{64}$"),
		("slot" = u32, Path, description = "The slot."),
	),
	responses((status = 200, description = "What was found.", body = Findings))
)]
pub(super) async fn findings(
	State(shared): State<Arc<Shared>>,
	Segments((MeterText(id), slot)): Segments<(MeterText, Slot)>,
	caller: Caller,
) -> Result<Json<Findings>, Problem> {
	shared.permit_meter(&caller, Kind::Readings, id).await?;
	blocking(move || {
		let Some((zone, meter)) = shared.api.store.locate(id, slot)? else {
			return Err(Problem::not_found("the meter has no readings in the slot here"));
		};
		let assessments = &shared.api.database;
		let judged = assessments
			.assessed_through(zone)?
			.is_some_and(|last| (last.slot, last.page) >= (slot, meter.page()));
		let findings = assessments.assessments(zone, slot, meter)?;
		Ok(Json(Findings { meter_id: hex::encode(id.0), slot, judged, findings }))
	})
	.await
}
