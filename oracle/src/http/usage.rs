//! How much energy a meter took and gave: slots, roll-ups, and Green Button data.

use std::sync::Arc;

use axum::{
	extract::State,
	http::{header, StatusCode},
	response::{IntoResponse, Response},
	Json,
};
use energy_primitives::{MeterId, MeterIndex, Slot, SlotCalendar, ZoneId};
use green_button::{Description, EstimationMethod, FeedWriter, Interval, LocalTime};
use oracle_access::Kind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use wia_ene_014::canonical::Quality;

use super::{
	blocking,
	extract::{Caller, MeterText, Params, Segments},
	problem::Problem,
	Shared,
};
use crate::usage::{Granularity, UsageStore};

/// The last second of the year 9998: periods that begin before it end in years of four digits.
const LAST_SECOND: u64 = 253_370_764_799;
/// The most periods in one answer.
const PERIODS: usize = 1_000;
/// The most slots in one Green Button document: 31 days of quarter hours, with some to spare.
const GREEN_BUTTON_SLOTS: usize = 4_000;

/// Which time.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct UsageQuery {
	/// The first second, since 1970.
	#[param(maximum = 253370764799i64)]
	from_seconds: u64,
	/// The first second after it.
	#[param(maximum = 253370764799i64)]
	to_seconds: u64,
	/// The length of the periods.
	#[serde(default = "daily")]
	#[param(default = "day")]
	granularity: Granularity,
}

fn daily() -> Granularity {
	Granularity::Day
}

/// Energy of a meter.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageOfMeter {
	meter_id: String,
	granularity: Granularity,
	/// Periods with sealed values, oldest first; at most 1,000 are looked at.
	periods: Vec<PeriodView>,
	/// Go on from this second.
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	next_from_seconds: Option<u64>,
}

/// Energy in a period.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeriodView {
	start_seconds: u64,
	/// The first second after it.
	end_seconds: u64,
	/// Taken from the grid, Wh.
	import_wh: u64,
	/// Given to the grid, Wh.
	export_wh: u64,
	/// Slots that were measured whole.
	valid_slots: u32,
	/// Slots whose figures are estimated or doubted.
	other_slots: u32,
	/// The seconds of these slots. Fewer than the period has: slots are missing.
	measured_seconds: u64,
}

impl Shared {
	/// Where a meter is, and when the slots of its zone are.
	fn place_of(&self, id: MeterId) -> Result<(ZoneId, MeterIndex, SlotCalendar), Problem> {
		let Some(registry) = self.api.registry.load() else {
			return Err(Problem::unavailable("no-registry", "the registry has not been read yet"));
		};
		let known = registry
			.meter(&id)
			.and_then(|meter| Some((meter, registry.calendar(meter.zone)?.clone())));
		let (meter, calendar) =
			known.ok_or_else(|| Problem::not_found("the meter is not in a zone of this oracle"))?;
		Ok((meter.zone, meter.index, calendar))
	}
}

fn check_time(from_seconds: u64, to_seconds: u64) -> Result<(), Problem> {
	if from_seconds.max(to_seconds) <= LAST_SECOND {
		return Ok(());
	}
	let detail = format!("fromSeconds and toSeconds are at most {LAST_SECOND}");
	Err(Problem::bad_request("bad-query", detail))
}

/// Show how much energy a meter took and gave
///
/// Roll-ups of the sealed values, by hour, day or month of UTC. A slot counts to the period in which it
/// begins. The periods shown are those that begin in the time asked for.
#[utoipa::path(
	get,
	path = "/v1/meters/{meterId}/usage",
	tag = "meters",
	params(("meterId" = String, Path, description = "64 hexadecimal digits.", pattern = "^[0-9a-fA-F]{64}$"), UsageQuery),
	responses((status = 200, description = "Energy by period.", body = UsageOfMeter))
)]
pub(super) async fn usage(
	State(shared): State<Arc<Shared>>,
	Segments(MeterText(id)): Segments<MeterText>,
	Params(query): Params<UsageQuery>,
	caller: Caller,
) -> Result<Json<UsageOfMeter>, Problem> {
	shared.permit_meter(&caller, Kind::Readings, id).await?;
	let UsageQuery { from_seconds, to_seconds, granularity } = query;
	check_time(from_seconds, to_seconds)?;
	let (zone, meter, _calendar) = shared.place_of(id)?;
	blocking(move || {
		let mut periods = Vec::new();
		let mut start = granularity.period_start(from_seconds);
		if start.is_some_and(|start| start < from_seconds) {
			start = start.and_then(|start| granularity.next_period(start));
		}
		for _ in 0..PERIODS {
			let Some(start_seconds) = start.filter(|start| *start < to_seconds) else { break };
			let Some(end_seconds) = granularity.next_period(start_seconds) else { break };
			let usage = shared.api.database.usage(zone, meter, granularity, start_seconds)?;
			periods.extend(usage.map(|usage| PeriodView {
				start_seconds,
				end_seconds,
				import_wh: usage.import_wh,
				export_wh: usage.export_wh,
				valid_slots: usage.valid_slots,
				other_slots: usage.other_slots,
				measured_seconds: usage.seconds,
			}));
			start = Some(end_seconds);
		}
		let next_from_seconds = start.filter(|start| *start < to_seconds);
		let meter_id = hex::encode(id.0);
		Ok(Json(UsageOfMeter { meter_id, granularity, periods, next_from_seconds }))
	})
	.await
}

/// Which time.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct GreenButtonQuery {
	/// The first second, since 1970.
	#[param(maximum = 253370764799i64)]
	from_seconds: u64,
	/// The first second after it. At most 4,000 slots.
	#[param(maximum = 253370764799i64)]
	to_seconds: u64,
	/// How far the customer's clock is ahead of UTC, seconds.
	#[serde(default)]
	#[param(minimum = -50400, maximum = 50400)]
	offset_seconds: i32,
}

/// Download a customer's usage as Green Button data
///
/// An Atom feed with the resources of the Energy Service Provider Interface (NAESB REQ.21): the sealed values of
/// the slots that begin in the time asked for, while they are kept.
#[utoipa::path(
	get,
	path = "/v1/meters/{meterId}/green-button",
	tag = "meters",
	params(("meterId" = String, Path, description = "64 hexadecimal digits.", pattern = "^[0-9a-fA-F]{64}$"), GreenButtonQuery),
	responses(
		(status = 200, description = "The feed.", body = String, content_type = "application/atom+xml"),
		(status = 409, description = "There is no time between the two, or more than 4,000 slots, or slots of \
			several lengths.", body = Problem,
			content_type = "application/problem+json"),
	)
)]
pub(super) async fn green_button(
	State(shared): State<Arc<Shared>>,
	Segments(MeterText(id)): Segments<MeterText>,
	Params(query): Params<GreenButtonQuery>,
	caller: Caller,
) -> Result<Response, Problem> {
	shared.permit_meter(&caller, Kind::Readings, id).await?;
	let GreenButtonQuery { from_seconds, to_seconds, offset_seconds } = query;
	check_time(from_seconds, to_seconds)?;
	let (zone, meter, calendar) = shared.place_of(id)?;
	let feed = blocking(move || {
		let slots = slots_in(&calendar, from_seconds, to_seconds)?;
		let interval_seconds = calendar.slot_seconds(slots.start);
		let values = shared.api.database.slot_values(zone, meter, slots, GREEN_BUTTON_SLOTS)?;
		let id = hex::encode(id.0);
		let description = Description {
			title: format!("Meter {id}"),
			author: "Energy oracle".into(),
			resource_base: format!("/v1/meters/{id}/green-button"),
			meter_id: id,
			updated_seconds: shared.api.clock.now_seconds(),
			period_start_seconds: from_seconds,
			period_end_seconds: to_seconds,
			interval_seconds,
			local_time: LocalTime { offset_seconds, daylight_saving: None },
		};
		let refused = |error: green_button::ExportError| {
			Problem::new(StatusCode::CONFLICT, "not-exportable", error)
		};
		let mut feed = FeedWriter::start(Vec::new(), &description).map_err(refused)?;
		for one in values {
			let interval = Interval {
				start_seconds: calendar.start_seconds(one.slot),
				duration_seconds: calendar.slot_seconds(one.slot),
				import_wh: one.value.import_wh,
				export_wh: one.value.export_wh,
				quality: match one.value.quality {
					Quality::Valid => green_button::Quality::Valid,
					Quality::Estimated => {
						green_button::Quality::Estimated(EstimationMethod::Derived)
					}
					Quality::Suspect => green_button::Quality::Suspect,
					Quality::Missing => green_button::Quality::Missing,
				},
			};
			feed.push(&interval).map_err(refused)?;
		}
		feed.finish().map_err(refused)
	})
	.await?;
	Ok(([(header::CONTENT_TYPE, "application/atom+xml")], feed).into_response())
}

/// The slots that begin in a time.
pub(super) fn slots_in(
	calendar: &SlotCalendar,
	from_seconds: u64,
	to_seconds: u64,
) -> Result<std::ops::Range<Slot>, Problem> {
	let first_from = |seconds: u64| {
		let slot = calendar.at(seconds);
		if calendar.start_seconds(slot) < seconds {
			slot.next()
		} else {
			slot
		}
	};
	let slots = first_from(from_seconds)..first_from(to_seconds).max(first_from(from_seconds));
	let count = slots.end.0.saturating_sub(slots.start.0);
	if count as usize > GREEN_BUTTON_SLOTS {
		let most = format!("the time has {count} slots, more than {GREEN_BUTTON_SLOTS}");
		return Err(Problem::new(StatusCode::CONFLICT, "too-long", most));
	}
	Ok(slots)
}
