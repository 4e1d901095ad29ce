//! Tells subscribers of events by HTTPS: at least once, in order, signed.
//!
//! A [`Subscription`] says who wants which events where. [`Deliverer::publish`] puts an [`Event`]
//! into the durable queue of each subscription that wants it and returns; tasks take the queues to
//! the receivers. The queues and the subscriptions are kept behind two ports, [`DeliveryStore`] and
//! [`SubscriptionStore`]; time and names are ports too ([`Clock`], [`Resolver`]).
//!
//! # What a receiver gets
//! A `POST` with the event in the JSON format of CloudEvents 1.0 and these header fields:
//!
//! | field | value |
//! |---|---|
//! | `Content-Type` | `application/cloudevents+json` |
//! | `Content-Digest` | SHA-256 of the body (RFC 9530) |
//! | `webhook-id` | id of the delivery, the same for each attempt |
//! | `webhook-sequence` | place among the deliveries of the subscription, from 1 |
//! | `webhook-attempt` | number of the attempt, from 1 |
//! | `Signature-Input`, `Signature` | signature over all of these, the method and the URL (RFC 9421) |
//!
//! The signature is made anew for each attempt, with the sender's Ed25519 key or with a secret that
//! the receiver has too. [`signed_webhooks::verify`] checks it.
//!
//! A receiver answers with a status of 2xx when it has the event. It can get the same delivery
//! again (after a crash of either side, say) and must do the work of one `webhook-id` once. It gets
//! the deliveries of one subscription one after another in the order of `webhook-sequence`: while
//! one fails, the later ones wait. A missing number means that events were dropped because the
//! queue was full.
//!
//! # When a delivery fails
//! It is tried again after a wait by chance that grows from a second to an hour, at least as long
//! as `Retry-After` asks for, up to a day ([`RetryPolicy`]). Anything but 2xx is a failure, a
//! redirect too. After too many failures, or at once after the status 410, the subscription is
//! paused with a reason, and the [`PauseObserver`] is told. A paused subscription keeps its queue,
//! and new events are queued for it; when the queue is full, the oldest is dropped and counted. When
//! its owner made it active again, [`Deliverer::retry`] goes on.
//!
//! # Where webhooks do not go
//! Whoever may subscribe must not be able to make the sender talk to its own network. A URL must be
//! `https` ([`UrlRules`]). The [`Client`] resolves the name for each attempt, refuses if one of the
//! addresses is not public, and connects to the very addresses that it checked ([`AddressGuard`]).
//! It follows no redirect and uses no proxy. For receivers inside the operator's network, their
//! networks can be allowed; services of clouds that give out credentials stay refused. What owners
//! are told of a failure names no address.
//!
//! # Limits
//! Attempts at the same time, deliveries in a queue ([`Settings`]), the size of a body
//! ([`MAX_BODY_BYTES`]), what is read of an answer (16 KiB of header, 1 KiB of body), each time-out
//! ([`ClientSettings`]).
//!
//! # Example
//! ```
//! use std::sync::Arc;
//! use webhook_delivery::*;
//!
//! struct Log;
//! impl PauseObserver for Log {
//!     fn paused(&self, subscription: &Subscription, reason: &PauseReason) {
//!         println!("{} is paused: {reason:?}", subscription.id);
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let subscriptions = Arc::new(MemorySubscriptionStore::default());
//! let resolver = Arc::new(SystemResolver::new(16));
//! let deliverer = Deliverer::new(
//!     Settings::default(),
//!     Ports {
//!         deliveries: Arc::new(MemoryDeliveryStore::default()),
//!         subscriptions: subscriptions.clone(),
//!         client: Client::new(ClientSettings::default(), resolver)?,
//!         clock: Arc::new(SystemClock),
//!         observer: Arc::new(Log),
//!         sender_key: SenderKey {
//!             key_id: "oracle-1".into(),
//!             key: signed_webhooks::SigningKey::ed25519(&[1; 32])?,
//!         },
//!     },
//! )?;
//! deliverer.start().await?;
//!
//! let event = Event {
//!     id: "slot-42".into(),
//!     source: "/oracle/1".into(),
//!     kind: "energy.slot.sealed".into(),
//!     time_millis: 1_790_000_000_000,
//!     subject: Some("slot/42".into()),
//!     meters: Vec::new(),
//!     zones: vec!["north".into()],
//!     data: serde_json::value::to_raw_value(&serde_json::json!({ "slot": 42 }))?,
//! };
//! let published = deliverer.publish(event).await?;
//! assert_eq!(published.queued, 0, "there is no subscription yet");
//! deliverer.stop().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod address;
mod client;
mod clock;
mod counters;
mod deliverer;
mod delivery;
mod event;
mod memory;
mod request;
mod resolver;
mod retry;
mod store;
mod subscription;
mod target;

pub use address::{AddressGuard, AddressKind, AddressRefused};
pub use client::{Answer, Client, ClientError, ClientSettings, SendError};
pub use clock::{BoxFuture, Clock, SystemClock};
pub use counters::Counts;
pub use deliverer::{
	Deliverer, PauseObserver, Ports, PublishError, Published, Settings, SettingsError,
};
pub use delivery::{Delivery, DeliveryBytesError};
pub use event::{Event, EventError, MAX_BODY_BYTES};
pub use memory::{MemoryDeliveryStore, MemorySubscriptionStore};
pub use request::{RequestError, SenderKey, ATTEMPT_HEADER, CONTENT_TYPE, SEQUENCE_HEADER};
pub use resolver::{Resolver, SystemResolver};
pub use retry::RetryPolicy;
pub use store::{DeliveryStore, Enqueued, StoreError, SubscriptionStore};
pub use subscription::{
	PauseReason, Secret, Subscription, SubscriptionError, SubscriptionKey, SubscriptionState,
	MAX_ID_BYTES, MAX_LIST_ENTRIES, MAX_NAME_BYTES,
};
pub use target::{Host, Target, UrlError, UrlRules, MAX_URL_BYTES};
