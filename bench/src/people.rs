//! Those who sign: prosumers with made-up keys, and the development keys of the preset.

use codec::Encode;
use energy_runtime::{
	opaque::Hash, AccountId, Nonce, Runtime, RuntimeCall, Signature, SignedPayload, TxExtension,
	UncheckedExtrinsic, VERSION,
};
use sp_core::{sr25519::Pair, Pair as _};
use sp_keyring::Sr25519Keyring;
use sp_runtime::{generic::Era, OpaqueExtrinsic};

/// Somebody with a key, and how many transactions it has signed.
pub struct Person {
	pair: Pair,
	/// How many transactions it has signed: the number of the next one.
	pub nonce: Nonce,
	/// Its account.
	pub account: AccountId,
}

impl Person {
	fn new(pair: Pair) -> Self {
		Self { account: AccountId::new(pair.public().0), pair, nonce: 0 }
	}

	/// The prosumer of this number in a run with this seed.
	pub fn prosumer(seed: u64, number: usize) -> Self {
		let secret = sp_io::hashing::blake2_256(&("prosumer", seed, number as u64).encode());
		Self::new(Pair::from_seed(&secret))
	}

	/// Somebody of the development preset.
	pub fn well_known(who: Sr25519Keyring) -> Self {
		Self::new(who.pair())
	}

	/// Signs a call for a chain. Calls are to be sent in the order in which they were signed.
	pub fn sign(&mut self, genesis: Hash, call: RuntimeCall) -> OpaqueExtrinsic {
		let extension: TxExtension = (
			frame_system::AuthorizeCall::<Runtime>::new(),
			frame_system::CheckNonZeroSender::<Runtime>::new(),
			frame_system::CheckSpecVersion::<Runtime>::new(),
			frame_system::CheckTxVersion::<Runtime>::new(),
			frame_system::CheckGenesis::<Runtime>::new(),
			frame_system::CheckEra::<Runtime>::from(Era::Immortal),
			frame_system::CheckNonce::<Runtime>::from(self.nonce),
			frame_system::CheckWeight::<Runtime>::new(),
			pallet_participants::CheckParticipant::<Runtime>::new(),
			pallet_transaction_payment::ChargeTransactionPayment::<Runtime>::from(0),
			frame_metadata_hash_extension::CheckMetadataHash::<Runtime>::new(false),
			frame_system::WeightReclaim::<Runtime>::new(),
		);
		self.nonce += 1;
		let versions = (VERSION.spec_version, VERSION.transaction_version);
		let implicit = ((), (), versions.0, versions.1, genesis, genesis, (), (), (), (), None, ());
		let payload = SignedPayload::from_raw(call, extension, implicit);
		let signature = payload.using_encoded(|bytes| self.pair.sign(bytes));
		let (call, extension, _) = payload.deconstruct();
		let transaction = UncheckedExtrinsic::new_signed(
			call,
			self.account.clone().into(),
			Signature::Sr25519(signature),
			extension,
		);
		OpaqueExtrinsic::try_from_encoded_extrinsic(&transaction.encode())
			.expect("what was encoded as a transaction is one; qed")
	}
}

/// Numbers that look random and are the same in each run with the same seed (SplitMix64).
pub struct Dice(u64);

impl Dice {
	/// The dice of a seed.
	pub fn new(seed: u64) -> Self {
		Self(seed)
	}

	/// A number below `end`.
	pub fn below(&mut self, end: u64) -> u64 {
		self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
		let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
		let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
		(mixed ^ (mixed >> 31)) % end.max(1)
	}
}
