//! The trail: what it refuses, and that it can only grow.

#![allow(clippy::unwrap_used)]

use vee::*;
use wia_ene_014::canonical::Quality;

fn figure(import: u64, quality: Quality) -> Figure {
	Figure { import, export: 0, unit: Unit::Wh, quality }
}

fn target(start_seconds: u64) -> Target {
	Target { meter_id: [7; 32], start_seconds, duration_seconds: 900 }
}

fn estimated() -> Current {
	Current { figure: figure(5, Quality::Estimated), origin: Origin::Estimated }
}

fn request(old: Figure, new: Figure) -> EditRequest {
	EditRequest {
		target: target(0),
		at_seconds: 100,
		operator: "operator of zone 3".into(),
		reason: "site visit: the meter was disconnected".into(),
		old,
		new,
	}
}

fn undo(trail: &mut EditTrail, entry: u64) -> Result<Figure, EditError> {
	trail.undo(entry, 200, "another operator".into(), "wrong meter".into(), Origin::Estimated)
}

#[test]
fn apply_and_undo_restore_what_was_in_force() {
	let mut trail = EditTrail::default();
	let [first, second, third] = [5, 6, 7].map(|wh| figure(wh, Quality::Estimated));
	assert_eq!(trail.in_force(&target(0)), None);
	assert_eq!(trail.apply(request(first, second), &estimated()), Ok(second));
	assert_eq!(trail.apply(request(second, third), &estimated()), Ok(third));
	assert_eq!(trail.in_force(&target(0)), Some(third));
	assert_eq!(undo(&mut trail, 0), Err(EditError::NotUndoable), "not the latest");
	assert_eq!(undo(&mut trail, 1), Ok(second));
	assert_eq!(undo(&mut trail, 1), Err(EditError::NotUndoable), "undone already");
	assert_eq!(undo(&mut trail, 2), Err(EditError::NotUndoable), "an undo");
	assert_eq!(undo(&mut trail, 9), Err(EditError::NotUndoable), "not there");
	assert_eq!(trail.in_force(&target(0)), Some(second));
	assert_eq!(undo(&mut trail, 0), Ok(first));
	assert_eq!(trail.in_force(&target(0)), None);
	assert_eq!(trail.entries().len(), 4);
	assert_eq!(trail.entries()[2].act, Act::Undo { entry: 1 });

	let json = serde_json::to_string(&trail).unwrap();
	assert_eq!(serde_json::from_str::<EditTrail>(&json).unwrap(), trail);
}

#[test]
fn apply_fails_and_changes_nothing_when_a_check_fails() {
	let old = estimated().figure;
	let good = request(old, figure(6, Quality::Estimated));
	let attested = Current { origin: Origin::Attested, ..estimated() };
	let change = |change: fn(&mut EditRequest)| {
		let mut request = good.clone();
		change(&mut request);
		request
	};
	let mut trail = EditTrail::default();
	trail.apply(EditRequest { target: target(900), ..good.clone() }, &estimated()).unwrap();
	let before = trail.clone();
	for (request, current, error) in [
		(good.clone(), attested, EditError::Attested),
		(change(|r| r.reason = " ".into()), estimated(), EditError::Reason),
		(change(|r| r.reason = "x".repeat(MAX_REASON_BYTES + 1)), estimated(), EditError::Reason),
		(change(|r| r.operator.clear()), estimated(), EditError::Operator),
		(
			change(|r| r.operator = "x".repeat(MAX_OPERATOR_BYTES + 1)),
			estimated(),
			EditError::Operator,
		),
		(
			change(|r| r.new.unit = Unit::W),
			estimated(),
			EditError::Unit { old: Unit::Wh, new: Unit::W },
		),
		(change(|r| r.new.quality = Quality::Valid), estimated(), EditError::ClaimsValid),
		(change(|r| r.new.quality = Quality::Missing), estimated(), EditError::MissingWithEnergy),
		(change(|r| r.old.import = 4), estimated(), EditError::NotInForce { in_force: old }),
		(change(|r| r.new = r.old), estimated(), EditError::NoChange),
		(change(|r| r.at_seconds = 99), estimated(), EditError::TimeRunsBack { last_seconds: 100 }),
	] {
		assert_eq!(trail.apply(request, &current), Err(error));
		assert_eq!(trail, before);
	}
	let attested =
		trail.undo(0, 200, "operator".into(), "reason".into(), Origin::Attested).unwrap_err();
	assert_eq!((attested, &trail), (EditError::Attested, &before));
	let signed = Current { figure: figure(9, Quality::Suspect), origin: Origin::Signed };
	let over = request(signed.figure, figure(8, Quality::Estimated));
	assert_eq!(trail.apply(over, &signed), Ok(figure(8, Quality::Estimated)));
}

#[test]
fn trail_is_refused_when_an_entry_was_tampered_with() {
	let mut trail = EditTrail::default();
	let [first, second, third] = [5, 6, 7].map(|wh| figure(wh, Quality::Estimated));
	trail.apply(request(first, second), &estimated()).unwrap();
	trail.apply(request(second, third), &estimated()).unwrap();
	undo(&mut trail, 1).unwrap();
	let entries: Vec<EditEntry> = trail.clone().into();
	assert_eq!(EditTrail::try_from(entries.clone()), Ok(trail));
	for (tamper, index) in [
		((|e| e[0].reason.push('!')) as fn(&mut Vec<EditEntry>), 1),
		(|e| e[1].new.import = 70, 2),
		(|e| drop(e.remove(0)), 0),
		(|e| drop(e.remove(1)), 1),
		(|e| e[2].new.import = 70, 2),
		(|e| e.swap(0, 1), 0),
	] {
		let mut tampered = entries.clone();
		tamper(&mut tampered);
		assert_eq!(EditTrail::try_from(tampered), Err(EditError::Broken { index }));
	}
}

#[test]
fn trail_is_bounded() {
	let mut trail = EditTrail::default();
	let new = figure(6, Quality::Estimated);
	for n in 0..MAX_ENTRIES as u64 {
		let request = EditRequest { target: target(n), ..request(estimated().figure, new) };
		trail.apply(request, &estimated()).unwrap();
	}
	let one_more = EditRequest { target: target(u64::MAX), ..request(estimated().figure, new) };
	assert_eq!(trail.apply(one_more, &estimated()), Err(EditError::Full));
}
