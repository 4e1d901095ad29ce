use super::*;

fn genesis_meter(number: u8, owner: AccountId) -> GenesisMeter<AccountId> {
	GenesisMeter { id: meter(number), owner, zone: ZONE, key: key().into(), rated_power_w: 1 }
}

#[test]
fn genesis_registers_meters_in_order_when_all_is_well() {
	ExtBuilder::default()
		.with_genesis(|genesis| {
			genesis.meters = vec![genesis_meter(9, ALICE), genesis_meter(4, ALICE)];
		})
		.build_and_execute(|| {
			assert_eq!(Participants::meter_at(ZONE, MeterIndex(0)).unwrap().0, meter(9));
			assert_eq!(Participants::meter_at(ZONE, MeterIndex(1)).unwrap().0, meter(4));
			assert!(Participants::has_role(&UTILITY, Role::Utility));
			assert!(Participants::has_role(&REGULATOR, Role::Regulator));
			assert_eq!(System::providers(&ALICE), 1);
		});
}

#[test]
fn genesis_accepts_both_kinds_of_key_when_they_come_as_text() {
	for key in [key(), ed25519_key()] {
		let named = GenesisKey::from(key);
		assert_eq!(named.to_device_key(), Some(key));
	}
	assert_eq!(GenesisKey::P256(sp_core::Bytes(vec![2; 32])).to_device_key(), None);
}

#[test]
#[should_panic(expected = "genesis: zone 1")]
fn genesis_panics_when_a_zone_comes_twice() {
	ExtBuilder::default().with_genesis(|genesis| genesis.zones.push((ZONE, BOB))).build();
}

#[test]
#[should_panic(expected = "genesis: participant")]
fn genesis_panics_when_a_participant_has_no_zone() {
	ExtBuilder::default()
		.with_genesis(|genesis| {
			genesis.participants.push(named(BOB, &[Role::Prosumer], ZoneId(3)));
		})
		.build();
}

#[test]
#[should_panic(expected = "genesis: meter")]
fn genesis_panics_when_a_meter_has_no_owner() {
	ExtBuilder::default()
		.with_genesis(|genesis| genesis.meters.push(genesis_meter(1, BOB)))
		.build();
}

#[test]
#[should_panic(expected = "a P-256 key has 33 bytes")]
fn genesis_panics_when_a_key_has_the_wrong_length() {
	ExtBuilder::default()
		.with_genesis(|genesis| {
			let key = GenesisKey::P256(sp_core::Bytes(vec![2; 32]));
			genesis.meters.push(GenesisMeter { key, ..genesis_meter(1, ALICE) });
		})
		.build();
}
