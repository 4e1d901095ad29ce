//! What happens: a list, server-sent events, and a WebSocket.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
	extract::{
		ws::{Message, WebSocket, WebSocketUpgrade},
		State,
	},
	http::HeaderMap,
	response::{
		sse::{KeepAlive, Sse},
		IntoResponse, Response,
	},
	Json,
};
use energy_primitives::ZoneId;
use futures::{stream, Stream, StreamExt};
use oracle_access::{Action, Kind, Principal, Resource};
use serde::{Deserialize, Serialize};
use tokio::sync::{watch, OwnedSemaphorePermit};
use utoipa::{IntoParams, ToSchema};

use super::{
	blocking,
	extract::{Caller, Params},
	problem::Problem,
	Shared, ITEMS,
};
use crate::events::{Event, EventKind};

/// How often a stream without events shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a message may take to go out on a WebSocket.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Which events.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
	/// Those after this number. A stream begins with the next event if it is not given.
	after: Option<u64>,
	/// Only those about this zone.
	#[param(value_type = Option<u32>)]
	zone: Option<ZoneId>,
	/// Only those of this kind.
	kind: Option<EventKind>,
}

impl EventsQuery {
	fn wants(&self, event: &Event) -> bool {
		self.zone.is_none_or(|zone| event.zone == Some(zone))
			&& self.kind.is_none_or(|kind| event.kind == kind)
	}

	fn resource(&self, kind: Kind) -> Resource {
		match self.zone {
			None => Resource::new(kind, "all"),
			Some(zone) => {
				let mut resource = Resource::new(kind, format!("zone-{zone}"));
				resource.zone = Some(zone.0);
				resource
			}
		}
	}
}

/// Events, oldest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventList {
	events: Vec<Event>,
	/// How far the list was looked through; go on after this number.
	next_after: u64,
	/// The number of the newest event of all.
	newest: u64,
}

/// List what happened
///
/// Looks at 100 events after a number, and shows those that are asked for.
#[utoipa::path(
	get,
	path = "/v1/events",
	tag = "events",
	params(EventsQuery),
	responses((status = 200, description = "Events, oldest first.", body = EventList))
)]
pub(super) async fn list(
	State(shared): State<Arc<Shared>>,
	caller: Caller,
	Params(query): Params<EventsQuery>,
) -> Result<Json<EventList>, Problem> {
	let resource = query.resource(Kind::OperationsEvents);
	shared.permit(&caller, Action::Read, resource).await?;
	blocking(move || {
		let events = &shared.api.events;
		let newest = *events.follow().borrow();
		let after = query.after.unwrap_or(0);
		let looked_at = events.after(after, ITEMS)?;
		let next_after = looked_at.last().map_or(after, |last| last.number);
		let events = looked_at.into_iter().filter(|event| query.wants(event)).collect();
		Ok(Json(EventList { events, next_after, newest }))
	})
	.await
}

/// Follows the list for one client.
struct Follower {
	shared: Arc<Shared>,
	query: EventsQuery,
	seen: u64,
	newest: watch::Receiver<u64>,
	waiting: std::vec::IntoIter<Event>,
	/// Held while the stream is open.
	_room: OwnedSemaphorePermit,
}

impl Follower {
	/// After which the list is followed, where the client has seen events before.
	fn open(shared: Arc<Shared>, query: EventsQuery, seen: Option<u64>) -> Result<Self, Problem> {
		let room = shared.streams.clone().try_acquire_owned();
		let room = room.map_err(|_full| {
			Problem::unavailable("too-many-streams", "as many streams are open as there may be")
		})?;
		let newest = shared.api.events.follow();
		let seen = seen.or(query.after).unwrap_or_else(|| *newest.borrow());
		let waiting = Vec::new().into_iter();
		Ok(Self { shared, query, seen, newest, waiting, _room: room })
	}

	/// The next event that is asked for; `None` when the list cannot be read, or the service ends.
	async fn next(&mut self) -> Option<Event> {
		loop {
			if let Some(event) = self.waiting.next() {
				self.seen = event.number;
				if self.query.wants(&event) {
					return Some(event);
				}
				continue;
			}
			self.newest.borrow_and_update();
			let (shared, seen) = (self.shared.clone(), self.seen);
			let more = blocking(move || Ok(shared.api.events.after(seen, ITEMS)?)).await.ok()?;
			if more.is_empty() {
				self.newest.changed().await.ok()?;
			} else {
				self.waiting = more.into_iter();
			}
		}
	}
}

/// How long the bearer may go on listening: until its token ends.
fn time_left(shared: &Shared, principal: Option<&Principal>) -> Option<Duration> {
	let now = shared.api.clock.now_seconds();
	principal.map(|principal| Duration::from_secs(principal.expires_at.saturating_sub(now)))
}

/// Follow what happens, as server-sent events
///
/// Each event has its number as `id`, its kind as `event` and itself as `data`. A client that comes back with
/// `Last-Event-ID` misses nothing. The stream ends with the token.
#[utoipa::path(
	get,
	path = "/v1/events/stream",
	tag = "events",
	params(EventsQuery),
	responses((
		status = 200,
		description = "Events as they happen.",
		body = String,
		content_type = "text/event-stream"
	))
)]
pub(super) async fn stream(
	State(shared): State<Arc<Shared>>,
	caller: Caller,
	headers: HeaderMap,
	Params(query): Params<EventsQuery>,
) -> Result<Response, Problem> {
	let principal = shared.permit(&caller, Action::Read, query.resource(Kind::Streams)).await?;
	let left = time_left(&shared, principal.as_ref());
	let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
	let follower = Follower::open(shared, query, last)?;
	let events = until(left, follower).map(|event| {
		let name = event.kind.name();
		let id = event.number.to_string();
		let data = serde_json::to_string(&event).unwrap_or_default();
		Ok::<_, Infallible>(axum::response::sse::Event::default().id(id).event(name).data(data))
	});
	Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// The events of a follower, for a while, or until the service ends.
fn until(left: Option<Duration>, follower: Follower) -> impl Stream<Item = Event> {
	let mut ending = follower.shared.api.ending.clone();
	let end = async move {
		let expired = async {
			match left {
				Some(left) => tokio::time::sleep(left).await,
				None => std::future::pending().await,
			}
		};
		tokio::select! {
			() = expired => {},
			// An error means that the service is gone.
			_ = ending.wait_for(|ending| *ending) => {},
		}
	};
	let events = stream::unfold(follower, |mut follower| async move {
		let event = follower.next().await?;
		Some((event, follower))
	});
	events.take_until(Box::pin(end))
}

/// Follow what happens, on a WebSocket
///
/// Each event is a text message in JSON. What the client sends is not looked at. The connection ends with
/// the token.
#[utoipa::path(
	get,
	path = "/v1/events/socket",
	tag = "events",
	params(EventsQuery),
	responses(
		(status = 101, description = "The connection is a WebSocket now."),
		(status = 426, description = "The request asks for no WebSocket.", body = Problem,
			content_type = "application/problem+json"),
	)
)]
pub(super) async fn socket(
	State(shared): State<Arc<Shared>>,
	caller: Caller,
	Params(query): Params<EventsQuery>,
	upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
	let principal = shared.permit(&caller, Action::Read, query.resource(Kind::Streams)).await?;
	let upgrade = upgrade.map_err(|error| {
		use axum::http::StatusCode;
		Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade-required", error.body_text())
	})?;
	let left = time_left(&shared, principal.as_ref());
	let follower = Follower::open(shared, query, None)?;
	let upgrade = upgrade.max_message_size(4 << 10).max_frame_size(4 << 10);
	Ok(upgrade.on_upgrade(move |socket| serve_socket(socket, left, follower)))
}

async fn serve_socket(mut socket: WebSocket, left: Option<Duration>, follower: Follower) {
	let mut events = Box::pin(until(left, follower));
	loop {
		tokio::select! {
			event = events.next() => {
				let Some(event) = event else { break };
				let text = serde_json::to_string(&event).unwrap_or_default();
				let sent = tokio::time::timeout(SEND_TIMEOUT, socket.send(Message::text(text))).await;
				if !matches!(sent, Ok(Ok(()))) {
					return;
				}
			}
			received = socket.recv() => {
				if !matches!(received, Some(Ok(message)) if !matches!(message, Message::Close(_))) {
					return;
				}
			}
		}
	}
	// Whether the other side hears of it does not matter any more.
	let _ = tokio::time::timeout(SEND_TIMEOUT, socket.send(Message::Close(None))).await;
}
