//! Decisions beside the matrix, and the policies as texts.

use oracle_access::{
	policy::{Circumstances, Policies, PolicyError, MAX_CONSENTS, POLICIES, SCHEMA},
	Action, Consent, Kind, Principal, Resource, Role, Scopes,
};

use crate::support::NOW;

fn principal(roles: &[Role]) -> Principal {
	Principal {
		issuer: "https://id.example".to_owned(),
		subject: "some\"body\n".to_owned(),
		token_id: "1".to_owned(),
		expires_at: NOW + 300,
		roles: roles.iter().copied().collect(),
		scopes: Scopes::all(),
		account: Some("5Mine".to_owned()),
		zones: [1, u32::MAX].into(),
		meter: Some("meter-1".to_owned()),
	}
}

fn readings_of(owner: &str) -> Resource {
	Resource {
		owner: Some(owner.to_owned()),
		zone: Some(1),
		meter: Some("meter-1".to_owned()),
		parties: ["5Third".to_owned()].into(),
		..Resource::new(Kind::Readings, "a/b\"c")
	}
}

fn consent(id: usize, purpose: &str) -> Consent {
	Consent {
		id: format!("consent-{id}"),
		owner: "5Other".to_owned(),
		grantee: "5Mine".to_owned(),
		kinds: [Kind::Readings].into(),
		meters: Some(["meter-1".to_owned()].into()),
		purpose: purpose.to_owned(),
		valid_from: 0,
		expires_at: u64::MAX,
	}
}

#[test]
fn embedded_policies_fit_their_schema_and_have_names() {
	let policies = Policies::embedded().unwrap();
	assert_eq!(
		policies.ids(),
		[
			"administrator-operates",
			"aggregator-reads-as-party",
			"aggregator-reads-own",
			"aggregator-writes-own",
			"consent-shares",
			"device-writes-own-readings",
			"operator-reads",
			"operator-writes",
			"prosumer-reads-as-party",
			"prosumer-reads-own",
			"prosumer-writes-own",
			"regulator-reads",
			"scope-required",
			"separation-of-duties",
			"utility-reads-own-trades",
			"utility-reads-zone",
			"utility-trades-own",
			"utility-writes-zone",
		]
	);
}

#[test]
fn parse_refuses_policies_that_are_wrong() {
	let parse = |policies: &str| Policies::parse(SCHEMA, policies).map(|_| ()).unwrap_err();
	assert!(matches!(Policies::parse("entity", POLICIES), Err(PolicyError::Schema(_))));
	assert!(matches!(parse("permit (principal);"), PolicyError::Syntax(_)));
	assert_eq!(
		parse("permit (principal, action, resource);"),
		PolicyError::Unnamed("policy0".to_owned())
	);
	let twice = r#"@id("a") permit (principal, action, resource);"#.repeat(2);
	assert_eq!(parse(&twice), PolicyError::NameTwice("a".to_owned()));
	for wrong in [
		// A misspelt type, action and attribute, and a comparison that can never be true.
		r#"@id("a") permit (principal in Rolle::"prosumer", action, resource);"#,
		r#"@id("a") permit (principal, action == Action::"reed", resource);"#,
		r#"@id("a") permit (principal, action, resource) when { resource.ownr == "x" };"#,
		r#"@id("a") permit (principal, action, resource) when { resource.owner == "x" };"#,
		r#"@id("a") permit (principal, action, resource) when { context.now == "x" };"#,
	] {
		assert!(matches!(parse(wrong), PolicyError::Invalid(_)), "{wrong}");
	}
}

/// A name in a policy is only a text to Cedar; these are the names that there are.
#[test]
fn policies_name_only_roles_and_kinds_that_exist_and_every_one_of_them() {
	let names_after = |marker: &str| {
		let mut names: Vec<_> = POLICIES
			.split(marker)
			.skip(1)
			.map(|rest| rest.split('"').next().unwrap().to_owned())
			.collect();
		names.sort();
		names.dedup();
		names
	};
	let sorted = |mut names: Vec<String>| {
		names.sort();
		names
	};
	let roles = sorted(Role::ALL.iter().map(ToString::to_string).collect());
	assert_eq!(names_after("Role::\""), roles);
	// The regulator reads every kind without naming it, and nobody else reads examinations.
	let kinds = Kind::ALL.iter().filter(|kind| **kind != Kind::Examination);
	assert_eq!(names_after("Kind::\""), sorted(kinds.map(ToString::to_string).collect()));
}

#[test]
fn services_may_share_and_move_what_they_need() {
	fn shared<T: Send + Sync>() {}
	fn moved<T: Send>(_: &T) {}
	shared::<Policies>();
	shared::<oracle_access::token::TokenVerifier>();
	shared::<oracle_access::issue::TokenEndpoint>();
	shared::<oracle_access::audit::AuditLog>();
	moved(&crate::support::World::new().verifier.verify("a.b.c"));
}

#[test]
fn requests_conform_to_the_schema() {
	let policies = Policies::embedded().unwrap();
	let consents = [consent(1, "billing"), Consent { meters: None, ..consent(2, "billing") }];
	let bare = Principal { account: None, meter: None, ..principal(&[]) };
	for principal in [principal(&Role::ALL), bare] {
		for kind in Kind::ALL {
			for action in Action::ALL {
				for resource in
					[Resource::new(kind, ""), Resource { kind, ..readings_of("5Other") }]
				{
					for circumstances in [
						Circumstances::at(u64::MAX),
						Circumstances { now: NOW, purpose: Some("billing"), consents: &consents },
					] {
						let result =
							policies.conforms(&principal, action, &resource, &circumstances);
						assert_eq!(result, Ok(()));
					}
				}
			}
		}
	}
}

#[test]
fn decide_does_not_take_nothing_for_nothing() {
	// Neither has an account, a zone or a meter: that does not make them the same.
	let policies = Policies::embedded().unwrap();
	for role in [Role::Prosumer, Role::Aggregator, Role::Utility, Role::Device] {
		let nobody =
			Principal { account: None, zones: [].into(), meter: None, ..principal(&[role]) };
		for kind in Kind::ALL {
			for action in Action::ALL {
				let resource = Resource::new(kind, "7");
				let decision = policies.decide(&nobody, action, &resource, &Circumstances::at(NOW));
				assert!(!decision.is_allowed() && decision.errors().is_empty());
			}
		}
	}
}

#[test]
fn decide_unites_roles_that_go_together() {
	let policies = Policies::embedded().unwrap();
	let both = principal(&[Role::Prosumer, Role::Utility]);
	let decision =
		policies.decide(&both, Action::Read, &readings_of("5Mine"), &Circumstances::at(NOW));
	assert!(decision.is_allowed());
	assert_eq!(decision.policies(), ["prosumer-reads-own", "utility-reads-zone"]);
}

#[test]
fn decide_denies_everything_to_roles_that_do_not_go_together() {
	let policies = Policies::embedded().unwrap();
	for first in Role::ALL {
		for second in Role::ALL {
			let together = first == second || !(first.stands_alone() || second.stands_alone());
			let asker = principal(&[first, second]);
			for kind in Kind::ALL {
				let resource = Resource { kind, ..readings_of("5Mine") };
				let decision =
					policies.decide(&asker, Action::Read, &resource, &Circumstances::at(NOW));
				let is_forbidden = decision.policies() == ["separation-of-duties"];
				assert_eq!(is_forbidden, !together, "{first} {second} {kind}");
				assert!(together || !decision.is_allowed());
			}
		}
	}
}

#[test]
fn decide_names_the_consent_that_counts() {
	let policies = Policies::embedded().unwrap();
	let asker = principal(&[Role::Aggregator]);
	let consents = [consent(1, "marketing"), consent(2, "billing"), consent(3, "billing")];
	let resource = readings_of("5Other");
	let decide = |purpose, consents: &[Consent]| {
		let circumstances = Circumstances { now: NOW, purpose, consents };
		policies.decide(&asker, Action::Read, &resource, &circumstances)
	};
	let decision = decide(Some("billing"), &consents);
	assert_eq!(decision.policies(), ["consent-shares"]);
	assert_eq!(decision.consent(), Some("consent-2"));
	assert!(!decide(None, &consents).is_allowed());
	assert!(!decide(Some("research"), &consents).is_allowed());
}

#[test]
fn decide_looks_at_a_bounded_number_of_consents_that_matter() {
	let policies = Policies::embedded().unwrap();
	let asker = principal(&[Role::Aggregator]);
	let decide = |consents: &[Consent]| {
		let circumstances = Circumstances { now: NOW, purpose: Some("billing"), consents };
		policies.decide(&asker, Action::Read, &readings_of("5Other"), &circumstances)
	};
	let foreign = Consent { owner: "5Third".to_owned(), ..consent(0, "billing") };
	let mut consents = vec![foreign; 1000];
	consents.extend((1..MAX_CONSENTS).map(|id| consent(id, "marketing")));
	consents.push(consent(777, "billing"));
	assert_eq!(decide(&consents).consent(), Some("consent-777"));
	consents.insert(0, consent(0, "marketing"));
	assert!(!decide(&consents).is_allowed());
}

#[test]
fn decide_denies_when_a_policy_cannot_be_evaluated() {
	// It fits the schema, but the sum overflows. The library skips a policy that fails, so a
	// forbidding one would be without effect.
	let policies = Policies::parse(
		SCHEMA,
		r#"
		@id("all") permit (principal, action, resource);
		@id("never-late") forbid (principal, action, resource)
		when { context.now + 9223372036854775807 > 0 };
		"#,
	)
	.unwrap();
	let decision = policies.decide(
		&principal(&[Role::Regulator]),
		Action::Read,
		&readings_of("5Mine"),
		&Circumstances::at(NOW),
	);
	assert!(!decision.is_allowed());
	assert_eq!(decision.errors().len(), 1);
	assert!(decision.errors()[0].contains("never-late"), "{:?}", decision.errors());
}
