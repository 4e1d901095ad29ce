//! Meters that show who they are by their TLS certificate.

use std::collections::BTreeSet;

use energy_primitives::MeterId;
use oracle_access::{Action, Kind, Principal, Role, Scope};
use secure_server::PeerIdentity;

use super::parse_meter;

/// What the URI of a meter in its certificate begins with; the 64 hexadecimal digits of its identifier
/// follow.
pub const METER_URI: &str = "urn:wia-ene-014:meter:";
/// The issuer of a principal that is known by its certificate.
const CERTIFICATE_ISSUER: &str = "urn:wia-ene-014:certificate";

/// The meter that a verified certificate belongs to: the one URI of a meter among its subject's
/// alternative names. The common name is not looked at (RFC 9525, section 2). A certificate with the
/// URIs of two meters belongs to none.
pub fn meter_of(identity: &PeerIdentity) -> Option<MeterId> {
	let mut meters = identity.uris().iter().filter_map(|uri| uri.strip_prefix(METER_URI));
	let meter = meters.next()?;
	if meters.next().is_some() || meter.len() != 64 {
		return None;
	}
	parse_meter(meter)
}

/// The meter as a principal, which may do what a device may: send its own readings.
pub(super) fn principal_of(meter: MeterId, now: u64) -> Principal {
	let id = hex::encode(meter.0);
	let scope = Scope { kind: Kind::Readings, action: Action::Write };
	Principal {
		issuer: CERTIFICATE_ISSUER.to_owned(),
		subject: id.clone(),
		token_id: String::new(),
		expires_at: now,
		roles: [Role::Device].into(),
		scopes: [scope].into_iter().collect(),
		account: None,
		zones: BTreeSet::new(),
		meter: Some(id),
	}
}
