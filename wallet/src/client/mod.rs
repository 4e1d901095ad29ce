//! A connection to the chain: reads, transactions, and errors that say what to do.
//!
//! Calls and reads are the plain SCALE of the types in `energy-primitives`, the code with which
//! the runtime encodes them. The only thing taken from the chain's metadata are the numbers of
//! pallets and calls, and the names of events and errors.
//!
//! ```no_run
//! use energy_wallet::client::{Call, ChainClient};
//! use energy_primitives::api::Clock;
//!
//! # async fn example() -> Result<(), energy_wallet::client::ClientError> {
//! let client = ChainClient::connect("ws://127.0.0.1:9944").await?;
//! let clock: Clock = client.read("EnergyApi_clock", ()).await?;
//! println!("a slot lasts {} seconds", clock.calendar.slot_seconds(clock.slot));
//!
//! let alice = subxt_signer::sr25519::dev::alice();
//! let remark = Call::new("System", "remark", (b"hello".to_vec(),));
//! let outcome = client.submit(&alice, &remark).await?;
//! println!("in block {:?}", outcome.block_hash);
//! # Ok(())
//! # }
//! ```

mod error;

use std::{future::Future, sync::Arc, time::Duration};

use codec::{Decode, DecodeAll, Encode};
use energy_primitives::AccountId;
use sp_core::H256;
use sp_runtime::DispatchError;
use subxt::{
	backend::LegacyBackend,
	config::{substrate::MultiSignature, DefaultExtrinsicParamsBuilder, RpcConfigFor},
	ext::{
		scale_decode,
		scale_encode::{self, EncodeAsFields},
		scale_type_resolver,
	},
	rpcs::{methods::LegacyRpcMethods, RpcClient},
	tx::{StaticPayload, TransactionProgress, TransactionStatus},
	utils::AccountId32,
	Metadata, OnlineClient, SubstrateConfig,
};
use subxt_signer::sr25519::Keypair;

pub(crate) use error::root_cause;
pub use error::{ClientError, DispatchFailure, Rejection};

/// How long one step (connecting, an answer, a block) may take, unless told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// For how many blocks a transaction is good. One that is not taken by then never will be.
const MORTAL_BLOCKS: u64 = 64;

type AtBlock = subxt::client::OnlineClientAtBlockImpl<SubstrateConfig>;

/// A call of a pallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
	/// The pallet's name in the runtime, as in `EnergyMarket`.
	pub pallet: &'static str,
	/// The call's name, as in `place`.
	pub name: &'static str,
	/// The SCALE of all arguments, one after the other.
	pub args: Vec<u8>,
}

impl Call {
	/// A call with its arguments as a tuple.
	pub fn new(pallet: &'static str, name: &'static str, args: impl Encode) -> Self {
		Self { pallet, name, args: args.encode() }
	}
}

/// How far a transaction must have come before [`ChainClient::submit_until`] returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
	/// In a block of the best chain. Quick; another fork may still win.
	#[default]
	InBlock,
	/// In a finalized block, for good.
	Finalized,
}

/// Which state reads see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
	/// The newest block.
	#[default]
	Best,
	/// The newest block that cannot be undone.
	Finalized,
}

/// What came of a transaction that was carried out without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxOutcome {
	/// The transaction's hash.
	pub transaction_hash: H256,
	/// The block it is in.
	pub block_hash: H256,
	/// That block's number.
	pub block_number: u64,
	/// What it caused, in order.
	pub events: Vec<ChainEvent>,
}

impl TxOutcome {
	/// The first event of a pallet with a name, decoded. Fields at its end that `T` does not name
	/// are left out.
	///
	/// # Errors
	/// When there is none, or its fields are not those of `T`.
	pub fn event<T: Decode>(&self, pallet: &str, name: &str) -> Result<T, ClientError> {
		let event =
			self.events
				.iter()
				.find(|event| event.pallet == pallet && event.name == name)
				.ok_or_else(|| ClientError::EventMissing { event: format!("{pallet}.{name}") })?;
		event.decode()
	}
}

/// An event of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainEvent {
	/// Of which pallet.
	pub pallet: String,
	/// Its name.
	pub name: String,
	/// The SCALE of its fields.
	pub fields: Vec<u8>,
}

impl ChainEvent {
	/// Its fields. Those at the end that `T` does not name are left out.
	///
	/// # Errors
	/// When they are not those of `T`.
	pub fn decode<T: Decode>(&self) -> Result<T, ClientError> {
		T::decode(&mut self.fields.as_slice()).map_err(|error| ClientError::Undecodable {
			what: format!("the event {}.{}", self.pallet, self.name),
			reason: error.to_string(),
		})
	}
}

/// How to connect.
#[derive(Clone, Copy, Debug)]
pub struct Options {
	/// How long one step may take.
	pub timeout: Duration,
	/// Which state reads see.
	pub view: View,
}

impl Default for Options {
	fn default() -> Self {
		Self { timeout: DEFAULT_TIMEOUT, view: View::default() }
	}
}

/// A connection to one node.
pub struct ChainClient {
	url: String,
	options: Options,
	rpc: LegacyRpcMethods<RpcConfigFor<SubstrateConfig>>,
	online: OnlineClient<SubstrateConfig>,
	/// Held from asking for the next nonce until the node has taken the transaction, so that tasks
	/// which send from one account do not use a nonce twice.
	sending: tokio::sync::Mutex<()>,
}

impl ChainClient {
	/// Connects to a node's WebSocket with the default [`Options`].
	///
	/// # Errors
	/// When the URL is none, or nobody answers there.
	pub async fn connect(url: &str) -> Result<Self, ClientError> {
		Self::connect_with(url, Options::default()).await
	}

	/// Connects to a node's WebSocket.
	///
	/// # Errors
	/// When the URL is none, or nobody answers there within the time-out.
	pub async fn connect_with(url: &str, options: Options) -> Result<Self, ClientError> {
		if !(url.starts_with("ws://") || url.starts_with("wss://")) {
			return Err(ClientError::InvalidUrl { url: url.into() });
		}
		let unreachable = |reason: String| ClientError::Unreachable { url: url.into(), reason };
		let connecting = async {
			let rpc_client = RpcClient::from_insecure_url(url)
				.await
				.map_err(|error| unreachable(root_cause(&error)))?;
			let backend = LegacyBackend::builder().build(rpc_client.clone());
			let online =
				OnlineClient::from_backend_with_config(SubstrateConfig::new(), Arc::new(backend))
					.await
					.map_err(|error| unreachable(root_cause(&error)))?;
			Ok((LegacyRpcMethods::new(rpc_client), online))
		};
		let (rpc, online) = tokio::time::timeout(options.timeout, connecting)
			.await
			.map_err(|_| unreachable(format!("no answer in {:?}", options.timeout)))??;
		Ok(Self { url: url.into(), options, rpc, online, sending: tokio::sync::Mutex::new(()) })
	}

	/// Where it is connected to.
	pub fn url(&self) -> &str {
		&self.url
	}

	/// The hash of the chain's first block: which chain it is.
	pub fn genesis_hash(&self) -> H256 {
		H256(self.online.genesis_hash().0)
	}

	/// Asks the runtime. `method` is the API's name and the method's, as in `EnergyApi_clock`;
	/// several arguments are a tuple, none is `()`.
	///
	/// # Errors
	/// When the node does not answer, has no such method, or answers something else than `T`.
	pub async fn read<T: Decode>(&self, method: &str, args: impl Encode) -> Result<T, ClientError> {
		let answer = self.read_raw(method, &args.encode()).await?;
		T::decode_all(&mut answer.as_slice()).map_err(|error| ClientError::Undecodable {
			what: format!("the node's answer to {method}"),
			reason: error.to_string(),
		})
	}

	/// Asks the runtime with encoded arguments, for an encoded answer.
	///
	/// # Errors
	/// When the node does not answer or has no such method.
	pub async fn read_raw(&self, method: &str, args: &[u8]) -> Result<Vec<u8>, ClientError> {
		self.timed("the node's answer", async {
			let block = self.view_hash().await?;
			self.rpc
				.state_call(method, Some(args), block)
				.await
				.map_err(|error| ClientError::from_runtime_api(method, error))
		})
		.await
	}

	/// The bytes under a key of the chain's storage.
	///
	/// # Errors
	/// When the node does not answer.
	pub async fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ClientError> {
		self.timed("the node's answer", async {
			let block = self.view_hash().await?;
			self.rpc
				.state_get_storage(key, block)
				.await
				.map_err(|error| ClientError::rpc("reading the chain's storage", error))
		})
		.await
	}

	/// The bytes of a pallet's constant, if there is one of that name.
	///
	/// # Errors
	/// When the node does not answer.
	pub async fn constant(&self, pallet: &str, name: &str) -> Result<Option<Vec<u8>>, ClientError> {
		self.timed("the chain's metadata", async {
			let block = self.current_block().await?;
			let constant = block
				.metadata_ref()
				.pallet_by_name(pallet)
				.and_then(|pallet| pallet.constant_by_name(name))
				.map(|constant| constant.value().to_vec());
			Ok(constant)
		})
		.await
	}

	/// The name of an error and what the chain's documentation says about it.
	///
	/// # Errors
	/// When the node does not answer.
	pub async fn explain(&self, error: &DispatchError) -> Result<DispatchFailure, ClientError> {
		self.timed("the chain's metadata", async {
			let block = self.current_block().await?;
			Ok(DispatchFailure::new(block.metadata_ref(), error))
		})
		.await
	}

	/// The bytes of a call, with the numbers of its pallet and name: what a motion of the council
	/// or a multisig contains.
	///
	/// # Errors
	/// When the chain has no such call, or one with other arguments.
	pub async fn call_data(&self, call: &Call) -> Result<Vec<u8>, ClientError> {
		self.timed("the chain's metadata", async {
			let block = self.current_block().await?;
			encode_call(block.metadata_ref(), call)
		})
		.await
	}

	/// The call, made by the superuser. Only development chains have one.
	///
	/// # Errors
	/// When the chain has no such call, or one with other arguments.
	pub async fn sudo(&self, call: &Call) -> Result<Call, ClientError> {
		Ok(Call { pallet: "Sudo", name: "sudo", args: self.call_data(call).await? })
	}

	/// Signs a call, sends it, and waits until it is in a block.
	///
	/// # Errors
	/// When the node rejects it, the chain carries it out with an error, or time is up.
	pub async fn submit(&self, signer: &Keypair, call: &Call) -> Result<TxOutcome, ClientError> {
		self.submit_until(signer, call, Wait::InBlock).await
	}

	/// Signs a call, sends it, and waits until it has come as far as `wait` says.
	///
	/// The nonce counts transactions that are still in the node's pool, so several may be sent one
	/// after another or at the same time.
	///
	/// # Errors
	/// When the node rejects it, the chain carries it out with an error, or time is up.
	pub async fn submit_until(
		&self,
		signer: &Keypair,
		call: &Call,
		wait: Wait,
	) -> Result<TxOutcome, ClientError> {
		let progress = {
			let _turn = self.sending.lock().await;
			self.timed("the node's answer", self.send(signer, call)).await?
		};
		let transaction_hash = H256(progress.extrinsic_hash().0);
		tokio::time::timeout(self.options.timeout, self.follow(progress, wait)).await.map_err(
			|_| ClientError::NotIncluded { transaction_hash, after: self.options.timeout },
		)?
	}

	async fn send(
		&self,
		signer: &Keypair,
		call: &Call,
	) -> Result<TransactionProgress<SubstrateConfig, AtBlock>, ClientError> {
		let block = self.current_block().await?;
		check_call(block.metadata_ref(), call)?;
		let nonce =
			self.rpc
				.system_account_next_index(&AccountId32(signer.public_key().0))
				.await
				.map_err(|error| ClientError::rpc("asking for the account's next nonce", error))?;
		let extensions = DefaultExtrinsicParamsBuilder::<SubstrateConfig>::new()
			.nonce(nonce)
			.mortal_from_unchecked(MORTAL_BLOCKS, block.block_number(), block.block_hash())
			.build();
		let payload = StaticPayload::new(call.pallet, call.name, RawArguments(call.args.clone()));
		block
			.tx()
			.create_signable_offline(&payload, extensions)
			.and_then(|mut transaction| transaction.sign(&Signer(signer)))
			.map_err(ClientError::from_encoding)?
			.submit_and_watch()
			.await
			.map_err(ClientError::from_submission)
	}

	async fn follow(
		&self,
		mut progress: TransactionProgress<SubstrateConfig, AtBlock>,
		wait: Wait,
	) -> Result<TxOutcome, ClientError> {
		let in_block = loop {
			let Some(status) = progress.next().await else {
				return Err(ClientError::Lost {
					reason: "the node stopped reporting about it".into(),
				});
			};
			match status.map_err(|error| ClientError::Lost { reason: error.to_string() })? {
				TransactionStatus::InBestBlock(block) if wait == Wait::InBlock => break block,
				TransactionStatus::InFinalizedBlock(block) => break block,
				TransactionStatus::Error { message }
				| TransactionStatus::Invalid { message }
				| TransactionStatus::Dropped { message } => return Err(ClientError::Lost { reason: message }),
				TransactionStatus::Validated
				| TransactionStatus::Broadcasted
				| TransactionStatus::NoLongerInBestBlock
				| TransactionStatus::InBestBlock(_) => {}
			}
		};

		let undecodable =
			|what: &str, reason: String| ClientError::Undecodable { what: what.into(), reason };
		let block_hash = H256(in_block.block_hash().0);
		let block = in_block
			.at()
			.await
			.map_err(|error| undecodable("the block of the transaction", error.to_string()))?;
		let events = in_block
			.fetch_events()
			.await
			.map_err(|error| undecodable("the events of the transaction", error.to_string()))?
			.iter()
			.map(|event| {
				event.map(|event| ChainEvent {
					pallet: event.pallet_name().into(),
					name: event.event_name().into(),
					fields: event.field_bytes().to_vec(),
				})
			})
			.collect::<Result<Vec<_>, _>>()
			.map_err(|error| undecodable("the events of the transaction", error.to_string()))?;
		if let Some(error) = dispatch_error(&events)? {
			let failure = DispatchFailure::new(block.metadata_ref(), &error);
			return Err(ClientError::Failed { failure, block_hash });
		}
		Ok(TxOutcome {
			transaction_hash: H256(in_block.extrinsic_hash().0),
			block_hash,
			block_number: block.block_number(),
			events,
		})
	}

	async fn current_block(
		&self,
	) -> Result<subxt::client::ClientAtBlock<SubstrateConfig, AtBlock>, ClientError> {
		self.online.at_current_block().await.map_err(|error| ClientError::Undecodable {
			what: "the chain's metadata".into(),
			reason: error.to_string(),
		})
	}

	async fn view_hash(&self) -> Result<Option<subxt::utils::H256>, ClientError> {
		match self.options.view {
			View::Best => Ok(None),
			View::Finalized => self
				.rpc
				.chain_get_finalized_head()
				.await
				.map(Some)
				.map_err(|error| ClientError::rpc("asking for the finalized block", error)),
		}
	}

	async fn timed<T>(
		&self,
		what: &'static str,
		step: impl Future<Output = Result<T, ClientError>>,
	) -> Result<T, ClientError> {
		let after = self.options.timeout;
		tokio::time::timeout(after, step).await.map_err(|_| ClientError::Timeout { what, after })?
	}
}

/// The account that a key signs for.
pub fn account_of(signer: &Keypair) -> AccountId {
	AccountId::new(signer.public_key().0)
}

/// Lets subxt sign with the key.
struct Signer<'key>(&'key Keypair);

impl subxt::tx::Signer<SubstrateConfig> for Signer<'_> {
	fn account_id(&self) -> AccountId32 {
		AccountId32(self.0.public_key().0)
	}

	fn sign(&self, payload: &[u8]) -> MultiSignature {
		MultiSignature::Sr25519(self.0.sign(payload).0)
	}
}

/// Arguments that are SCALE already.
struct RawArguments(Vec<u8>);

impl EncodeAsFields for RawArguments {
	fn encode_as_fields_to<R: scale_type_resolver::TypeResolver>(
		&self,
		_fields: &mut dyn scale_encode::FieldIter<'_, R::TypeId>,
		_types: &R,
		out: &mut Vec<u8>,
	) -> Result<(), scale_encode::Error> {
		out.extend_from_slice(&self.0);
		Ok(())
	}
}

/// Whether the chain has the call, with arguments of these shapes. A wallet of another release than
/// the chain must not sign something that means something else there.
fn check_call(metadata: &Metadata, call: &Call) -> Result<(), ClientError> {
	let unknown = || ClientError::UnknownCall { pallet: call.pallet, name: call.name };
	let variant = metadata
		.pallet_by_name(call.pallet)
		.ok_or_else(unknown)?
		.call_variant_by_name(call.name)
		.ok_or_else(unknown)?;
	let mismatch =
		|reason: String| ClientError::CallMismatch { pallet: call.pallet, name: call.name, reason };
	let mut rest = call.args.as_slice();
	for field in &variant.fields {
		scale_decode::visitor::decode_with_visitor(
			&mut rest,
			field.ty.id,
			metadata.types(),
			scale_decode::visitor::IgnoreVisitor::new(),
		)
		.map_err(|error| {
			let field = field.name.as_deref().unwrap_or("an argument");
			mismatch(format!("{field}: {error}"))
		})?;
	}
	if !rest.is_empty() {
		return Err(mismatch(format!("{} bytes are left over", rest.len())));
	}
	Ok(())
}

fn encode_call(metadata: &Metadata, call: &Call) -> Result<Vec<u8>, ClientError> {
	check_call(metadata, call)?;
	let unknown = || ClientError::UnknownCall { pallet: call.pallet, name: call.name };
	let pallet = metadata.pallet_by_name(call.pallet).ok_or_else(unknown)?;
	let variant = pallet.call_variant_by_name(call.name).ok_or_else(unknown)?;
	let mut bytes = vec![pallet.call_index(), variant.index];
	bytes.extend_from_slice(&call.args);
	Ok(bytes)
}

/// The error with which a transaction ended, its own or that of a call inside a sudo.
fn dispatch_error(events: &[ChainEvent]) -> Result<Option<DispatchError>, ClientError> {
	let undecodable = |error: codec::Error| ClientError::Undecodable {
		what: "the error of the transaction".into(),
		reason: error.to_string(),
	};
	for event in events {
		let fields = &mut event.fields.as_slice();
		match (event.pallet.as_str(), event.name.as_str()) {
			("System", "ExtrinsicFailed") => {
				return DispatchError::decode(fields).map(Some).map_err(undecodable)
			}
			("Sudo", "Sudid" | "SudoAsDone") => {
				let result = Result::<(), DispatchError>::decode(fields).map_err(undecodable)?;
				if let Err(error) = result {
					return Ok(Some(error));
				}
			}
			_ => {}
		}
	}
	Ok(None)
}

#[cfg(test)]
mod tests {
	use super::*;
	use sp_runtime::ModuleError;

	fn event(pallet: &str, name: &str, fields: impl Encode) -> ChainEvent {
		ChainEvent { pallet: pallet.into(), name: name.into(), fields: fields.encode() }
	}

	#[test]
	fn dispatch_error_is_none_when_all_went_well() {
		let events = [
			event("Sudo", "Sudid", Ok::<(), DispatchError>(())),
			event("System", "ExtrinsicSuccess", ()),
		];
		assert_eq!(dispatch_error(&events).expect("decodes"), None);
	}

	#[test]
	fn dispatch_error_is_found_when_the_transaction_failed() {
		let error =
			DispatchError::Module(ModuleError { index: 9, error: [3, 0, 0, 0], message: None });
		// The event has more fields after the error.
		let events = [event("System", "ExtrinsicFailed", (error, 7u64, 8u8))];
		assert_eq!(dispatch_error(&events).expect("decodes"), Some(error));
	}

	#[test]
	fn dispatch_error_is_found_when_the_call_inside_a_sudo_failed() {
		let error = DispatchError::BadOrigin;
		let events =
			[event("Sudo", "Sudid", Err::<(), _>(error)), event("System", "ExtrinsicSuccess", ())];
		assert_eq!(dispatch_error(&events).expect("decodes"), Some(error));
	}

	#[test]
	fn event_is_decoded_and_later_fields_are_left_out() {
		let outcome = TxOutcome {
			transaction_hash: H256::zero(),
			block_hash: H256::zero(),
			block_number: 1,
			events: vec![event("Revive", "Instantiated", (1u32, 2u32, 3u32))],
		};
		assert_eq!(
			outcome.event::<(u32, u32)>("Revive", "Instantiated").expect("is there"),
			(1, 2)
		);
		assert!(outcome.event::<u64>("Revive", "Other").is_err());
	}
}
