//! No key meets a nonce twice.

mod support;

use std::{collections::HashSet, thread};

use proptest::{collection::vec, prelude::*};
use sealed_values::{
	key_id_of, KeyEncryptionKey, KeyId, KeyRing, ValueCipher, MAX_BLOCKS_PER_SESSION,
	MAX_SESSIONS_PER_KEY,
};
use support::{new_kek, ring, sealed, Kept, PLACE};

type Seen = HashSet<(KeyId, [u8; 12])>;

fn nonce_of(sealed: &[u8]) -> [u8; 12] {
	sealed[5..17].try_into().expect("twelve bytes")
}

/// Seals values of some lengths, and remembers key and nonce of each.
fn seal_all(cipher: &ValueCipher, lengths: &[usize]) -> Seen {
	let seal = |length: &usize| {
		let sealed = sealed(cipher, PLACE, &vec![0; *length]);
		(key_id_of(&sealed).expect("it is sealed"), nonce_of(&sealed))
	};
	let seen: Seen = lengths.iter().map(seal).collect();
	assert_eq!(seen.len(), lengths.len(), "a nonce was given twice within a thread");
	seen
}

fn unite(all: &mut Seen, more: Seen) {
	let expected = all.len() + more.len();
	all.extend(more);
	assert_eq!(all.len(), expected, "a nonce was given twice");
}

/// A process that finds these bytes of a ring.
fn process(bytes: &[u8], kek: &dyn KeyEncryptionKey, kept: &Kept) -> KeyRing {
	let ring = KeyRing::from_bytes(bytes, kek).expect("a ring");
	ring.start_session(kek, 1, |bytes| kept.write(bytes)).expect("a session");
	ring
}

#[test]
fn nonce_never_repeats_over_threads_restarts_and_copies() {
	const VALUES: usize = 5_000;
	let (kek, kept) = (new_kek(), Kept::default());
	kept.write(&KeyRing::generate(&kek, 1).expect("a ring").to_bytes()).expect("written");
	let mut all = Seen::new();

	for restart in 0..5 {
		let before = kept.bytes();
		// The second one starts from an older copy, and so claims the same session number.
		let rings = [process(&before, &kek, &kept), process(&before, &kek, &Kept::default())];
		for ring in &rings {
			let cipher = ring.cipher();
			let lengths: Vec<usize> = (0..VALUES).map(|index| (index + restart) % 100).collect();
			let threads: Vec<Seen> = thread::scope(|scope| {
				let spawn = |_thread| scope.spawn(|| seal_all(&cipher, &lengths));
				let handles: Vec<_> = (0..4).map(spawn).collect();
				handles.into_iter().map(|handle| handle.join().expect("it seals")).collect()
			});
			for seen in threads {
				unite(&mut all, seen);
			}
		}
	}
	assert_eq!(all.len(), 5 * 2 * 4 * VALUES);
	assert_eq!(all.iter().map(|(key_id, _nonce)| *key_id).collect::<HashSet<_>>().len(), 1);
	let numbers: HashSet<u8> = all.iter().map(|(_key_id, nonce)| nonce[0]).collect();
	assert_eq!(numbers, (0..5).collect(), "each restart has a session number of its own");
}

#[derive(Clone, Debug)]
enum Step {
	Seal(Vec<usize>),
	Restart,
	PutBack(prop::sample::Index),
	Rotate,
}

fn step() -> impl Strategy<Value = Step> {
	prop_oneof![
		4 => vec(0_usize..600, 1..20).prop_map(Step::Seal),
		2 => Just(Step::Restart),
		1 => any::<prop::sample::Index>().prop_map(Step::PutBack),
		1 => Just(Step::Rotate),
	]
}

proptest! {
	#[test]
	fn nonce_never_repeats_whatever_happens(steps in vec(step(), 1..30)) {
		let (kek, kept) = (new_kek(), Kept::default());
		let first = ring(&kek).to_bytes();
		// A ring that was put back may number a new key as a lost one, so nonces of the first key
		// are compared, and those of other keys in so far as no copy was put back.
		let mut history = vec![first.clone()];
		let mut was_put_back = false;
		let mut ring = process(&first, &kek, &kept);
		let mut all = Seen::new();
		for step in steps {
			match step {
				Step::Seal(lengths) => {
					let mut seen = seal_all(&ring.cipher(), &lengths);
					seen.retain(|(key_id, _nonce)| *key_id == KeyId(1) || !was_put_back);
					unite(&mut all, seen);
				}
				Step::Restart => ring = process(&kept.bytes(), &kek, &kept),
				Step::PutBack(index) => {
					was_put_back = true;
					let bytes: &Vec<u8> = index.get(&history);
ring = process(bytes, &kek, &kept);
				}
				Step::Rotate => ring.rotate(&kek, 2, |bytes| kept.write(bytes)).expect("it rotates"),
			}
			history.push(kept.bytes());
		}
	}
}

#[test]
fn blocks_are_counted_for_all_ciphers_of_a_session() {
	let ring = ring(&new_kek());
	let (first, second) = (ring.cipher(), ring.cipher());
	assert_eq!(first.remaining_blocks(), Some(MAX_BLOCKS_PER_SESSION));
	sealed(&first, PLACE, &[0; 250]);
	assert_eq!(second.remaining_blocks(), Some(MAX_BLOCKS_PER_SESSION - 17));
}

#[test]
fn session_is_on_the_disk_before_it_seals() {
	let kek = new_kek();
	let ring = KeyRing::generate(&kek, 1).expect("a ring");
	ring.start_session(&kek, 1, |_bytes| {
		assert_eq!(ring.cipher().active_key(), None);
		Ok::<(), std::convert::Infallible>(())
	})
	.expect("a session");
	assert_eq!(ring.cipher().active_key(), Some(KeyId(1)));
	ring.rotate(&kek, 2, |_bytes| {
		assert_eq!(ring.cipher().active_key(), Some(KeyId(1)));
		Ok::<(), std::convert::Infallible>(())
	})
	.expect("it rotates");
	assert_eq!(ring.cipher().active_key(), Some(KeyId(2)));
}

#[test]
fn session_gets_a_new_key_when_the_old_one_has_no_more_numbers() {
	let (kek, kept) = (new_kek(), Kept::default());
	let ring = KeyRing::generate(&kek, 1).expect("a ring");
	let mut numbers = Vec::new();
	for _session in 0..MAX_SESSIONS_PER_KEY {
		ring.start_session(&kek, 1, |bytes| kept.write(bytes)).expect("a session");
		numbers.push(nonce_of(&sealed(&ring.cipher(), PLACE, b"value"))[0]);
	}
	assert_eq!(numbers, (0..=255).collect::<Vec<u8>>());
	assert_eq!(ring.cipher().active_key(), Some(KeyId(1)));

	let ring = KeyRing::from_bytes(&kept.bytes(), &kek).expect("a ring");
	ring.start_session(&kek, 9, |bytes| kept.write(bytes)).expect("a session");
	assert_eq!(ring.cipher().active_key(), Some(KeyId(2)));
	assert_eq!(nonce_of(&sealed(&ring.cipher(), PLACE, b"value"))[0], 0);
	let keys: Vec<_> = ring
		.keys()
		.iter()
		.map(|key| (key.created_at_seconds, key.sessions, key.is_active))
		.collect();
	assert_eq!(keys, [(1, MAX_SESSIONS_PER_KEY, false), (9, 1, true)]);
}
