//! The whole matrix: what each role may do with each kind of resource. It is written out here a
//! second time, apart from the policies, so that no change of a policy goes unnoticed.

use std::collections::BTreeSet;

use oracle_access::{
	policy::{Circumstances, Policies},
	Action, Consent, Kind, Principal, Resource, Role, Scope, Scopes,
};

use crate::support::NOW;

/// `.` never · `A` always · `o` its own account's · `p` its account takes part · `c` shared with
/// its account by a consent · `z` in a zone that it serves · `m` about the meter that it is
const MATRIX: &str = "
resource           action  prosumer  aggregator  utility  oracle-operator  regulator  administrator  device
readings           read    oc        oc          z        A                A          .              .
readings           write   .         .           z        .                .          .              m
meters             read    oc        oc          z        A                A          .              .
meters             write   .         .           z        .                .          .              .
slots              read    oc        oc          z        A                A          .              .
slots              write   .         .           .        .                .          .              .
attestations       read    oc        oc          z        A                A          .              .
attestations       write   .         .           .        .                .          .              .
forecasts          read    oc        oc          z        A                A          .              .
forecasts          write   .         .           .        A                .          .              .
vpps               read    op        o           z        A                A          .              .
vpps               write   .         o           .        .                .          .              .
dispatches         read    op        op          z        A                A          .              .
dispatches         write   .         o           z        .                .          .              .
orders             read    oc        oc          o        .                A          .              .
orders             write   o         o           o        .                .          .              .
trades             read    opc       opc         op       .                A          .              .
trades             write   .         .           .        .                .          .              .
reconciliation     read    oc        oc          z        A                A          .              .
reconciliation     write   .         .           z        A                .          .              .
operations-events  read    .         .           z        A                A          A              .
operations-events  write   .         .           .        A                .          A              .
examination        read    .         .           .        .                A          .              .
examination        write   .         .           .        .                .          .              .
consents           read    op        p           .        .                A          .              .
consents           write   o         .           .        .                .          .              .
exports            read    o         .           .        .                A          .              .
exports            write   o         .           .        .                .          .              .
streams            read    oc        oc          z        A                A          .              .
streams            write   .         .           .        .                .          .              .
webhooks           read    o         o           o        A                A          .              .
webhooks           write   o         o           o        A                .          .              .
access             read    .         .           .        .                A          A              .
access             write   .         .           .        .                .          A              .
";

const MINE: &str = "5Mine";
const OTHER: &str = "5Other";
const MY_ZONE: u32 = 1;
const OTHER_ZONE: u32 = 2;
const MY_METER: &str = "meter-mine";
const OTHER_METER: &str = "meter-other";
const PURPOSE: &str = "billing";

/// Every scope that can be written, and the ones that cannot be had from a token as well.
fn all_scopes() -> Scopes {
	let scopes = |kind| Action::ALL.map(|action| Scope { kind, action });
	Kind::ALL.into_iter().flat_map(scopes).collect()
}

/// A principal that has everything that any role looks at.
fn principal(role: Role) -> Principal {
	Principal {
		issuer: "https://id.example".to_owned(),
		subject: "somebody".to_owned(),
		token_id: "1".to_owned(),
		expires_at: NOW + 300,
		roles: [role].into(),
		scopes: all_scopes(),
		account: Some(MINE.to_owned()),
		zones: [MY_ZONE].into(),
		meter: Some(MY_METER.to_owned()),
	}
}

fn good_consent(kind: Kind) -> Consent {
	Consent {
		id: "consent-1".to_owned(),
		owner: OTHER.to_owned(),
		grantee: MINE.to_owned(),
		kinds: [kind].into(),
		meters: None,
		purpose: PURPOSE.to_owned(),
		valid_from: NOW,
		expires_at: NOW + 1,
	}
}

/// A consent, whether it counts for a resource of `OTHER` about `OTHER_METER`, and a name.
fn consents(kind: Kind) -> Vec<(Consent, bool, &'static str)> {
	let good = || good_consent(kind);
	let another = Kind::ALL.into_iter().find(|other| *other != kind);
	let meters = |name: &str| Some(BTreeSet::from([name.to_owned()]));
	vec![
		(good(), true, "good"),
		(Consent { meters: meters(OTHER_METER), ..good() }, true, "for the meter"),
		(Consent { meters: meters(MY_METER), ..good() }, false, "for another meter"),
		(Consent { kinds: another.into_iter().collect(), ..good() }, false, "for another kind"),
		(Consent { purpose: "marketing".to_owned(), ..good() }, false, "for another purpose"),
		(Consent { grantee: "5Third".to_owned(), ..good() }, false, "for somebody else"),
		(Consent { owner: "5Third".to_owned(), ..good() }, false, "of somebody else"),
		(Consent { valid_from: NOW + 1, ..good() }, false, "not yet"),
		(Consent { expires_at: NOW, ..good() }, false, "expired"),
	]
}

/// One cell of the table, and the resource in one situation.
struct Cell<'a> {
	policies: &'a Policies,
	principal: Principal,
	action: Action,
	kind: Kind,
	letters: &'a str,
}

impl Cell<'_> {
	fn check(&self, resource: &Resource, consents: &[Consent], has_consent: bool, note: &str) {
		let holds = |letter: char| match letter {
			'.' => false,
			'A' => true,
			'o' => resource.owner.as_deref() == Some(MINE),
			'p' => resource.parties.contains(MINE),
			'c' => has_consent,
			'z' => resource.zone == Some(MY_ZONE),
			'm' => resource.meter.as_deref() == Some(MY_METER),
			other => panic!("no such letter: {other}"),
		};
		let expected = self.letters.chars().any(holds);
		let circumstances = Circumstances { now: NOW, purpose: Some(PURPOSE), consents };
		let decision = self.policies.decide(&self.principal, self.action, resource, &circumstances);
		let cell = format!(
			"{:?} {} {} {note}: {resource:?} {decision:?}",
			self.principal.roles, self.action, self.kind
		);
		assert_eq!(decision.is_allowed(), expected, "{cell}");
		assert_eq!(decision.errors(), [] as [String; 0], "{cell}");
		// Whoever is allowed something can be told by what, and a denial here is by default.
		assert_eq!(decision.policies().is_empty(), !expected, "{cell}");
		if !has_consent {
			assert_eq!(decision.consent(), None, "{cell}");
		}
	}

	/// Every combination of whose the resource is, where it is and what it is about.
	fn check_situations(&self) {
		for owner in [None, Some(MINE), Some(OTHER)] {
			for party in [None, Some(MINE)] {
				for zone in [Some(MY_ZONE), Some(OTHER_ZONE)] {
					for meter in [Some(MY_METER), Some(OTHER_METER)] {
						self.check_situation(owner, party, zone, meter);
					}
				}
			}
		}
		self.check_situation(None, Some(OTHER), None, None);
		self.check_situation(Some(MINE), Some(OTHER), None, None);
	}

	fn check_situation(
		&self,
		owner: Option<&str>,
		party: Option<&str>,
		zone: Option<u32>,
		meter: Option<&str>,
	) {
		let mut resource = Resource::new(self.kind, "7");
		resource.owner = owner.map(str::to_owned);
		resource.parties = party.map(str::to_owned).into_iter().collect();
		resource.zone = zone;
		resource.meter = meter.map(str::to_owned);
		self.check(&resource, &[], false, "without consent");
	}

	fn check_consents(&self) {
		let mut resource = Resource::new(self.kind, "7");
		resource.owner = Some(OTHER.to_owned());
		resource.meter = Some(OTHER_METER.to_owned());
		for (consent, counts, note) in consents(self.kind) {
			self.check(&resource, &[consent], counts, note);
		}
		// A consent opens nothing but what belongs to who gave it.
		resource.owner = None;
		self.check(&resource, &[good_consent(self.kind)], false, "nobody's");
	}

	/// The same without the scope, on a resource that is as close as can be.
	fn check_scope(&self) {
		let mut principal = self.principal.clone();
		let scope = Scope { kind: self.kind, action: self.action };
		principal.scopes = principal.scopes.iter().filter(|other| *other != scope).collect();
		let mut resource = Resource::new(self.kind, "7");
		resource.owner = Some(MINE.to_owned());
		resource.parties = [MINE.to_owned()].into();
		resource.zone = Some(MY_ZONE);
		resource.meter = Some(MY_METER.to_owned());
		let circumstances = Circumstances::at(NOW);
		let decision = self.policies.decide(&principal, self.action, &resource, &circumstances);
		assert!(!decision.is_allowed());
		assert_eq!(decision.policies(), ["scope-required"]);
	}
}

#[test]
fn decide_equals_the_matrix_in_every_cell() {
	let policies = Policies::embedded().unwrap();
	let mut lines = MATRIX.trim().lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
	let roles: Vec<Role> =
		lines.next().unwrap()[2..].iter().map(|name| name.parse().unwrap()).collect();
	assert_eq!(roles, Role::ALL);
	let mut rows = Vec::new();
	for line in lines {
		let (kind, action) = (line[0].parse().unwrap(), line[1].parse().unwrap());
		rows.push((kind, action));
		assert_eq!(line.len(), 2 + roles.len(), "{line:?}");
		for (role, letters) in roles.iter().zip(&line[2..]) {
			let principal = principal(*role);
			let cell = Cell { policies: &policies, principal, action, kind, letters };
			cell.check_situations();
			cell.check_consents();
			cell.check_scope();
		}
		// What nobody can write has no letter in its row and no scope.
		if action == Action::Write && !kind.is_writable() {
			assert!(line[2..].iter().all(|letters| *letters == "."), "{line:?}");
		}
	}
	let every = |kind| Action::ALL.map(|action| (kind, action));
	assert_eq!(rows, Kind::ALL.into_iter().flat_map(every).collect::<Vec<_>>());
}

#[test]
fn decide_denies_everything_to_whom_no_role_was_given() {
	let policies = Policies::embedded().unwrap();
	let nobody = Principal { roles: BTreeSet::new(), ..principal(Role::Prosumer) };
	for kind in Kind::ALL {
		for action in Action::ALL {
			let cell =
				Cell { policies: &policies, principal: nobody.clone(), action, kind, letters: "." };
			cell.check_consents();
			let mut resource = Resource::new(kind, "7");
			resource.owner = Some(MINE.to_owned());
			resource.zone = Some(MY_ZONE);
			resource.meter = Some(MY_METER.to_owned());
			cell.check(&resource, &[], false, "own");
		}
	}
}
