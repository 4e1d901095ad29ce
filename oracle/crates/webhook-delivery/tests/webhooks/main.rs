//! Webhooks from the event to a receiver that verifies them.

#![allow(clippy::unwrap_used)]

mod addresses;
mod attempts;
mod queues;
mod retries;
mod store;
mod subscriptions;
mod support;
