//! Names that are written in tokens, files and policies, and read back.

use oracle_access::{Action, Kind, Role, Scope, Scopes, UnknownName};

#[test]
fn names_are_read_back_and_no_other_is() {
	for role in Role::ALL {
		assert_eq!(role.to_string().parse(), Ok(role));
	}
	for kind in Kind::ALL {
		assert_eq!(kind.to_string().parse(), Ok(kind));
	}
	for action in Action::ALL {
		assert_eq!(action.to_string().parse(), Ok(action));
	}
	for name in ["", "Prosumer", "prosumer ", "admin"] {
		assert_eq!(name.parse::<Role>(), Err(UnknownName));
		assert_eq!(name.parse::<Kind>(), Err(UnknownName));
		assert_eq!(name.parse::<Action>(), Err(UnknownName));
	}
}

#[test]
fn scopes_are_read_back_and_only_for_what_can_be_done() {
	let all = Scopes::all();
	assert_eq!(all.iter().count(), 17 + 12);
	for scope in all.iter() {
		assert_eq!(scope.to_string().parse(), Ok(scope));
	}
	assert_eq!(Scopes::known_in(&all.to_string()), all);
	for text in ["", "readings", "readings:", ":read", "readings:delete", "readings:read:x"] {
		assert_eq!(text.parse::<Scope>(), Err(UnknownName), "{text}");
	}
	assert_eq!("trades:write".parse::<Scope>(), Err(UnknownName));
	assert_eq!("trades:read".parse::<Scope>().unwrap().kind, Kind::Trades);
}

#[test]
fn scopes_are_a_set() {
	let mut scopes = Scopes::known_in("openid  readings:read readings:read orders:write");
	assert_eq!(scopes.to_string(), "readings:read orders:write");
	assert!(scopes.is_subset(&Scopes::all()) && !Scopes::all().is_subset(&scopes));
	let scope = "meters:read".parse().unwrap();
	assert!(scopes.insert(scope) && !scopes.insert(scope));
	assert!(scopes.contains(scope) && !Scopes::default().contains(scope));
	assert!(Scopes::default().is_empty() && !scopes.is_empty());
}
