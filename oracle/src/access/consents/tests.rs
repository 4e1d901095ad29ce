//! What consents let others see, from giving to withdrawing.

use super::{
	super::testing::{account, Guarded, NOW},
	*,
};

const PROSUMER: u8 = 0;
const AGGREGATOR: u8 = 1;

fn request() -> ConsentRequest {
	ConsentRequest {
		grantee: account(AGGREGATOR),
		kinds: vec!["readings".into(), "slots".into()],
		meters: None,
		purpose: "billing".into(),
		valid_from: None,
		expires_at: NOW + 1000,
	}
}

fn meter(byte: u8) -> String {
	hex::encode([byte; 32])
}

/// What of whom.
fn of_prosumer(kind: Kind, meter_byte: u8) -> Resource {
	let mut resource = Resource::new(kind, meter(meter_byte));
	resource.owner = Some(account(PROSUMER));
	resource.meter = Some(meter(meter_byte));
	resource
}

impl Guarded {
	async fn give(&self, who: &str, request: &ConsentRequest) -> Result<KeptConsent, ConsentError> {
		let header = self.bearer(who).await;
		self.gate.give_consent(Some(&header), request, "give").await
	}

	/// Whether a client may read something for a purpose.
	async fn may_read(&self, who: &str, purpose: Option<&str>, resource: &Resource) -> bool {
		let header = self.bearer(who).await;
		let asked =
			self.gate.allow_for_purpose(Some(&header), purpose, Action::Read, resource, "read");
		asked.await.is_ok()
	}
}

#[tokio::test]
async fn a_consent_opens_what_it_says_until_it_is_withdrawn() {
	let guarded = Guarded::new();
	let readings = of_prosumer(Kind::Readings, 1);
	assert!(!guarded.may_read("aggregator", Some("billing"), &readings).await);
	let given = guarded.give("prosumer", &request()).await.expect("it is given");
	assert_eq!((given.given_at, given.valid_from, given.withdrawn_at), (NOW, NOW, None));
	assert_eq!(given.owner, account(PROSUMER));
	assert!(guarded.may_read("aggregator", Some("billing"), &readings).await);
	let lines = guarded.audit();
	assert_eq!(lines.last().expect("a line")["consent"], given.id);

	let foreign = Resource { owner: Some(account(9)), ..readings.clone() };
	for (who, purpose, resource, what) in [
		("aggregator", None, &readings, "no purpose"),
		("aggregator", Some("research"), &readings, "another purpose"),
		("aggregator", Some("billing"), &of_prosumer(Kind::Trades, 1), "another kind"),
		("aggregator", Some("billing"), &foreign, "another owner"),
		("neighbour", Some("billing"), &readings, "another grantee"),
		("utility", Some("billing"), &readings, "another role"),
	] {
		assert!(!guarded.may_read(who, purpose, resource).await, "{what}");
	}
	// Nobody writes by a consent.
	let header = guarded.bearer("aggregator").await;
	let written = guarded
		.gate
		.allow_for_purpose(Some(&header), Some("billing"), Action::Write, &readings, "write")
		.await;
	assert!(matches!(written, Err(Denied::Policy)));

	let owner = guarded.bearer("prosumer").await;
	let other = guarded.bearer("neighbour").await;
	let grantee = guarded.bearer("aggregator").await;
	for header in [&other, &grantee] {
		let error = guarded.gate.withdraw_consent(Some(header), &given.id, "w").await;
		assert!(matches!(error, Err(ConsentError::Denied(Denied::Policy))), "{error:?}");
	}
	assert!(guarded.may_read("aggregator", Some("billing"), &readings).await);
	guarded.clock.set(NOW + 10);
	let withdrawn = guarded.gate.withdraw_consent(Some(&owner), &given.id, "w").await;
	assert_eq!(withdrawn.expect("it is withdrawn").withdrawn_at, Some(NOW + 10));
	assert!(!guarded.may_read("aggregator", Some("billing"), &readings).await);
	// Again changes nothing; another's unknown one says no more than another's known one.
	guarded.clock.set(NOW + 20);
	let again = guarded.gate.withdraw_consent(Some(&owner), &given.id, "w").await;
	assert_eq!(again.expect("it is no error").withdrawn_at, Some(NOW + 10));
	let unknown = guarded.gate.withdraw_consent(Some(&owner), "00", "w").await;
	assert!(matches!(unknown, Err(ConsentError::Denied(Denied::Policy))), "{unknown:?}");
	// It is withdrawn after a restart as well.
	let guarded = guarded.restarted();
	assert!(!guarded.may_read("aggregator", Some("billing"), &readings).await);
	let header = guarded.bearer("aggregator").await;
	let seen =
		guarded.gate.consent(Some(&header), &given.id, "one").await.expect("a party sees it");
	assert_eq!(seen.withdrawn_at, Some(NOW + 10));
}

#[tokio::test]
async fn a_consent_holds_for_its_time_and_its_meters() {
	let guarded = Guarded::new();
	let limited = ConsentRequest {
		meters: Some(vec![format!("0x{}", meter(1).to_uppercase())]),
		valid_from: Some(NOW + 10),
		expires_at: NOW + 20,
		..request()
	};
	guarded.give("prosumer", &limited).await.expect("it is given");
	let mut seen = Vec::new();
	for after in [9, 10, 19, 20] {
		guarded.clock.set(NOW + after);
		let readings = of_prosumer(Kind::Readings, 1);
		seen.push(guarded.may_read("aggregator", Some("billing"), &readings).await);
		let other = of_prosumer(Kind::Readings, 2);
		assert!(!guarded.may_read("aggregator", Some("billing"), &other).await);
		let without_meter = Resource { meter: None, ..readings };
		assert!(!guarded.may_read("aggregator", Some("billing"), &without_meter).await);
	}
	assert_eq!(seen, [false, true, true, false]);
}

#[tokio::test]
async fn who_has_no_account_gives_nothing() {
	let guarded = Guarded::new();
	for who in ["aggregator", "utility", "regulator", "administrator", "device", "oracle-operator"]
	{
		let error = guarded.give(who, &request()).await.expect_err(who);
		assert!(matches!(error, ConsentError::Denied(Denied::Policy)), "{who}: {error:?}");
	}
	let error = guarded.gate.give_consent(None, &request(), "give").await.expect_err("no token");
	assert!(matches!(error, ConsentError::Denied(Denied::Token(_))), "{error:?}");
	assert!(guarded.consents.consents().expect("they can be read").is_empty());
}

#[tokio::test]
async fn a_wrong_request_is_answered_with_its_field() {
	let guarded = Guarded::new();
	let wrong: [(&str, fn(&mut ConsentRequest)); 15] = [
		("grantee", |request| request.grantee = "nobody".into()),
		("grantee", |request| request.grantee = account(PROSUMER)),
		("kinds", |request| request.kinds.clear()),
		("kinds", |request| request.kinds.push("weather".into())),
		("kinds", |request| request.kinds.push("access".into())),
		("meters", |request| request.meters = Some(Vec::new())),
		("meters", |request| request.meters = Some(vec!["12".into()])),
		("meters", |request| request.meters = Some(vec![meter(1); METERS_PER_CONSENT + 1])),
		("purpose", |request| request.purpose.clear()),
		("purpose", |request| request.purpose = "a b".into()),
		("purpose", |request| request.purpose = "x".repeat(MAX_PURPOSE_BYTES + 1)),
		("expiresAt", |request| request.expires_at = NOW),
		("expiresAt", |request| request.valid_from = Some(NOW + 1000)),
		("expiresAt", |request| {
			request.valid_from = Some(NOW - 10);
			request.expires_at = NOW - 1;
		}),
		("expiresAt", |request| request.expires_at = NOW + MAX_CONSENT_SECONDS + 1),
	];
	for (expected, change) in wrong {
		let mut request = request();
		change(&mut request);
		match guarded.give("prosumer", &request).await {
			Err(ConsentError::Field { field, reason }) => {
				assert_eq!(field, expected, "{reason}");
				assert!(!reason.is_empty());
			}
			other => panic!("{expected}: {other:?}"),
		}
	}
	assert!(guarded.consents.consents().expect("they can be read").is_empty());
	let longest = ConsentRequest { expires_at: NOW + MAX_CONSENT_SECONDS, ..request() };
	guarded.give("prosumer", &longest).await.expect("three years are taken");
	assert!(serde_json::from_str::<ConsentRequest>(r#"{"grantee":"a","owner":"b"}"#).is_err());
}

#[tokio::test]
async fn both_sides_see_their_consents_and_nobody_else() {
	let guarded = Guarded::new();
	let first = guarded.give("prosumer", &request()).await.expect("it is given");
	let to_neighbour = ConsentRequest { grantee: account(7), ..request() };
	let second = guarded.give("prosumer", &to_neighbour).await.expect("it is given");
	let list = |who: &'static str, account: Option<String>, side| {
		let guarded = &guarded;
		async move {
			let header = guarded.bearer(who).await;
			let page =
				guarded.gate.consents_of(Some(&header), account.as_deref(), side, None, "list");
			page.await.map(|page| page.consents.into_iter().map(|consent| consent.id).collect())
		}
	};
	let mut both = vec![first.id.clone(), second.id.clone()];
	both.sort();
	let ok = |found: Result<Vec<String>, ConsentError>| found.expect("it is allowed");
	assert_eq!(ok(list("prosumer", None, ConsentSide::Given).await), both);
	assert_eq!(ok(list("aggregator", None, ConsentSide::Received).await), [&*first.id]);
	assert_eq!(ok(list("neighbour", None, ConsentSide::Received).await), [&*second.id]);
	assert_eq!(ok(list("prosumer", None, ConsentSide::Received).await), [""; 0]);
	let owner = Some(account(PROSUMER));
	assert_eq!(ok(list("regulator", owner.clone(), ConsentSide::Given).await), both);
	for (who, side) in [
		("neighbour", ConsentSide::Given),
		("neighbour", ConsentSide::Received),
		("utility", ConsentSide::Given),
		("administrator", ConsentSide::Given),
	] {
		let error = list(who, owner.clone(), side).await.expect_err(who);
		assert!(matches!(error, ConsentError::Denied(Denied::Policy)), "{who}: {error:?}");
	}
	let error = list("regulator", None, ConsentSide::Given).await.expect_err("whose?");
	assert!(matches!(error, ConsentError::Field { field: "account", .. }), "{error:?}");
}

fn kept(number: usize, owner: &str, expires_at: u64) -> KeptConsent {
	KeptConsent {
		id: format!("{number:032x}"),
		owner: owner.into(),
		grantee: account(AGGREGATOR),
		kinds: [Kind::Readings].into(),
		meters: None,
		purpose: "billing".into(),
		valid_from: NOW,
		expires_at,
		given_at: NOW,
		withdrawn_at: None,
	}
}

#[test]
fn one_owner_has_a_bounded_number_and_ended_ones_make_room() {
	let store = Arc::new(MemoryConsents::default());
	let consents = Consents::open(store.clone()).expect("a store");
	for number in 0..CONSENTS_PER_OWNER {
		let expires_at = NOW + 100 + number as u64;
		consents.give(kept(number, "one", expires_at), NOW).expect("there is room");
	}
	let next = kept(CONSENTS_PER_OWNER, "one", NOW + 5000);
	let error = consents.give(next.clone(), NOW).expect_err("it is full");
	assert!(matches!(error, ConsentError::TooMany), "{error:?}");
	consents.give(kept(CONSENTS_PER_OWNER + 1, "two", NOW + 50), NOW).expect("another owner");
	// The first has ended.
	consents.give(next.clone(), NOW + 101).expect("there is room");
	assert_eq!(consents.consent(&format!("{:032x}", 0)), None);
	assert_eq!(consents.consent(&next.id), Some(next));
	let again = Consents::open(store).expect("a store");
	assert_eq!(again.read(|index| index.by_id.len()), CONSENTS_PER_OWNER + 1);
	assert_eq!(again.consent(&format!("{:032x}", 0)), None);
}

#[test]
fn pages_follow_one_another_without_a_gap() {
	let consents = Consents::open(Arc::new(MemoryConsents::default())).expect("a store");
	let number = 2 * CONSENTS_PER_PAGE + 1;
	for number in 0..number {
		consents.give(kept(number, "one", NOW + 100), NOW).expect("there is room");
	}
	for (account, side) in
		[("one".to_owned(), ConsentSide::Given), (account(AGGREGATOR), ConsentSide::Received)]
	{
		let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
		loop {
			let page = consents.page(&account, side, after.as_deref());
			pages += 1;
			seen.extend(page.consents.into_iter().map(|consent| consent.id));
			after = page.next_after;
			if after.is_none() {
				break;
			}
		}
		let expected: Vec<String> = (0..number).map(|number| format!("{number:032x}")).collect();
		assert_eq!((seen, pages), (expected, 3), "{side:?}");
	}
}

#[test]
fn a_store_that_fails_gives_and_withdraws_nothing() {
	struct Failing;
	impl ConsentStore for Failing {
		fn consents(&self) -> Result<Vec<KeptConsent>, StoreError> {
			Ok(vec![kept(1, "one", NOW + 100)])
		}
		fn keep_consent(&self, _: &KeptConsent, _: Option<&str>) -> Result<(), StoreError> {
			Err(StoreError::Database("the disk is full".into()))
		}
	}
	let consents = Consents::open(Arc::new(Failing)).expect("a store");
	let second = kept(2, "one", NOW + 100);
	assert!(matches!(consents.give(second.clone(), NOW), Err(ConsentError::Store(_))));
	assert_eq!(consents.consent(&second.id), None);
	let first = format!("{:032x}", 1);
	assert!(matches!(consents.withdraw(&first, NOW), Err(ConsentError::Store(_))));
	assert_eq!(consents.consent(&first).expect("it is there").withdrawn_at, None);
}

#[test]
fn the_database_keeps_consents_encrypted() {
	use crate::store::{
		keys,
		rocks::{RocksStore, StoreLimits},
	};
	let folder = tempfile::tempdir().expect("a temporary folder");
	let path = folder.path().join("db");
	let open = || {
		let key = keys::key_file(&folder.path().join("key")).expect("a key");
		RocksStore::open(&path, Box::new(key), 0, StoreLimits::default()).expect("a store")
	};
	let limited =
		KeptConsent { meters: Some([meter(1)].into()), ..kept(1, "the owner", NOW + 100) };
	let withdrawn = KeptConsent { withdrawn_at: Some(NOW), ..limited.clone() };
	{
		let store = open();
		store.keep_consent(&limited, None).expect("kept");
		store.keep_consent(&withdrawn, None).expect("kept");
		store.keep_consent(&kept(2, "the owner", NOW), None).expect("kept");
		store.keep_consent(&kept(3, "the owner", NOW), Some(&kept(2, "", 0).id)).expect("kept");
	}
	assert_eq!(
		open().consents().expect("they can be read"),
		[withdrawn, kept(3, "the owner", NOW)]
	);
	for file in std::fs::read_dir(&path).expect("a folder") {
		let bytes = std::fs::read(file.expect("a file").path()).expect("it can be read");
		assert!(!bytes.windows(9).any(|part| part == b"the owner"));
	}
}
