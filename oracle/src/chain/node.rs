//! The adapter to a node's JSON-RPC, through subxt.
//!
//! Reads go to the runtime API by name and are decoded with the types of [`energy_primitives::api`],
//! the same that the runtime encodes with. An attestation is a signed transaction: names and indices
//! come from the metadata, the nonce from the transaction pool, and it is mortal, so that it can never
//! turn up long after it was given up.
//!
//! The chain's own transaction extensions need no mention here: what they add to a transaction is
//! empty, and subxt leaves out extensions whose type in the metadata is empty.

use std::{sync::Arc, time::Duration};

use codec::{Decode, DecodeAll, Encode};
use energy_primitives::{
	api::{AttestedPage, Clock, OpenOrder, SlotSummary, ZoneSummary},
	AccountId, Bill, Meter, MeterId, MeterIndex, MeterValue, OrderIndex, Position, Slot,
	SlotCalendar, ZoneId,
};
use sp_core::H256;
use subxt::{
	backend::LegacyBackend,
	config::{substrate::SubstrateHeader, DefaultExtrinsicParamsBuilder, RpcConfigFor},
	error::{DispatchError, TransactionEventsError},
	rpcs::{client::RpcSubscription, LegacyRpcMethods, RpcClient},
	transactions::{Signer, TransactionStatus},
	utils::{AccountId32, MultiSignature, Static},
	OnlineClient, SubstrateConfig,
};
use subxt_signer::sr25519::Keypair;
use tokio::{sync::Mutex, time::timeout};

use super::{
	market::{MarketReads, Reply},
	AttestError, ChainClient, ChainError, FinalizedBlocks, Head, Inclusion,
};
use crate::store::Attestation;

/// How long an answer of the node may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a new block may take before the connection is made anew.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a transaction may take from the pool into a finalized block.
const FINALITY_TIMEOUT: Duration = Duration::from_secs(240);
/// For how many blocks a transaction is valid.
const MORTAL_BLOCKS: u64 = 64;

type Header = SubstrateHeader<subxt::utils::H256>;
type Methods = LegacyRpcMethods<RpcConfigFor<SubstrateConfig>>;

/// The account of the oracle, and how it signs.
#[derive(Clone)]
pub struct Account(Keypair);

impl Account {
	/// An account with this key.
	pub fn new(key: Keypair) -> Self {
		Self(key)
	}

	/// Its public key, which is the account's identifier.
	pub fn id(&self) -> AccountId {
		AccountId::from(self.0.public_key().0)
	}
}

impl Signer<SubstrateConfig> for Account {
	fn account_id(&self) -> AccountId32 {
		AccountId32(self.0.public_key().0)
	}

	fn sign(&self, signer_payload: &[u8]) -> MultiSignature {
		MultiSignature::Sr25519(self.0.sign(signer_payload).0)
	}
}

/// A node, reached by WebSocket.
pub struct NodeClient {
	url: String,
	account: Account,
	connection: Mutex<Option<Arc<Connection>>>,
	/// Held from asking for a nonce until the transaction with it is in the pool.
	nonce: Mutex<()>,
}

struct Connection {
	methods: Methods,
	client: OnlineClient<SubstrateConfig>,
	heads: Mutex<RpcSubscription<Header>>,
}

fn unreachable(error: impl std::fmt::Display) -> ChainError {
	ChainError::Unreachable(error.to_string())
}

impl NodeClient {
	/// A client of the node at `url` (`ws://` or `wss://`), which attests as `account`. It connects
	/// when it is asked something.
	pub fn new(url: impl Into<String>, account: Account) -> Self {
		Self { url: url.into(), account, connection: Mutex::new(None), nonce: Mutex::new(()) }
	}

	/// The connection, made anew if there is none.
	async fn connection(&self) -> Result<Arc<Connection>, ChainError> {
		let mut place = self.connection.lock().await;
		if let Some(connection) = place.as_ref() {
			return Ok(connection.clone());
		}
		let connection = timeout(ANSWER_TIMEOUT, async {
			let rpc = RpcClient::from_insecure_url(&self.url).await.map_err(unreachable)?;
			let methods = Methods::new(rpc.clone());
			let backend = Arc::new(LegacyBackend::builder().build(rpc));
			let client = OnlineClient::from_backend(backend).await.map_err(unreachable)?;
			let heads = methods.chain_subscribe_new_heads().await.map_err(unreachable)?;
			Ok(Connection { methods, client, heads: Mutex::new(heads) })
		})
		.await
		.map_err(unreachable)??;
		let connection = Arc::new(connection);
		*place = Some(connection.clone());
		Ok(connection)
	}

	/// Forgets the connection, so that the next question makes a new one.
	async fn disconnect(&self, broken: &Arc<Connection>) {
		let mut place = self.connection.lock().await;
		if place.as_ref().is_some_and(|present| Arc::ptr_eq(present, broken)) {
			*place = None;
		}
	}

	/// Submits a call; a failure costs a connection that is dead.
	async fn deliver(
		&self,
		payload: impl subxt::transactions::Payload,
	) -> Result<(subxt::utils::H256, usize), AttestError> {
		let connection =
			self.connection().await.map_err(|error| AttestError::Unknown(error.to_string()))?;
		let result = self.submit(&connection, payload).await;
		if matches!(result, Err(AttestError::Unknown(_))) && !connection.client_is_alive().await {
			self.disconnect(&connection).await;
		}
		result
	}

	/// Asks the node something, in time; a failure costs the connection.
	async fn ask<T, F>(&self, question: impl FnOnce(Arc<Connection>) -> F) -> Result<T, ChainError>
	where
		F: std::future::Future<Output = Result<T, ChainError>>,
	{
		let connection = self.connection().await?;
		let answer = timeout(ANSWER_TIMEOUT, question(connection.clone()))
			.await
			.unwrap_or_else(|elapsed| Err(unreachable(elapsed)));
		if matches!(answer, Err(ChainError::Unreachable(_))) {
			self.disconnect(&connection).await;
		}
		answer
	}

	/// Calls the runtime API in the last finalized block.
	async fn call<T: Decode>(
		&self,
		function: &'static str,
		arguments: Vec<u8>,
	) -> Result<T, ChainError> {
		self.ask(|connection| async move {
			let block = connection.methods.chain_get_finalized_head().await.map_err(unreachable)?;
			call_at(&connection.methods, function, &arguments, Some(block)).await
		})
		.await
	}

	/// Puts a call into the transaction pool, signed, and follows it into a finalized block. The hash
	/// of the block and its place there.
	async fn submit(
		&self,
		connection: &Connection,
		payload: impl subxt::transactions::Payload,
	) -> Result<(subxt::utils::H256, usize), AttestError> {
		let unknown = |error: &dyn std::fmt::Display| AttestError::Unknown(error.to_string());

		let submitted = {
			let _in_order = self.nonce.lock().await;
			timeout(ANSWER_TIMEOUT, async {
				let me = Signer::<SubstrateConfig>::account_id(&self.account);
				let nonce = connection
					.methods
					.system_account_next_index(&me)
					.await
					.map_err(|error| unknown(&error))?;
				let parameters = DefaultExtrinsicParamsBuilder::<SubstrateConfig>::new()
					.nonce(nonce)
					.mortal(MORTAL_BLOCKS)
					.build();
				connection
					.client
					.transactions()
					.await
					.map_err(|error| unknown(&error))?
					.create_signed(&payload, &self.account, parameters)
					.await
					.map_err(|error| AttestError::Refused(error.to_string()))?
					.submit_and_watch()
					.await
					.map_err(|error| unknown(&error))
			})
			.await
		};
		let mut progress = submitted.map_err(|elapsed| unknown(&elapsed))??;

		let finalized = timeout(FINALITY_TIMEOUT, async {
			while let Some(status) = progress.next().await {
				match status.map_err(|error| unknown(&error))? {
					TransactionStatus::InFinalizedBlock(block) => return Ok(block),
					TransactionStatus::Error { message }
					| TransactionStatus::Invalid { message }
					| TransactionStatus::Dropped { message } => return Err(AttestError::Unknown(message)),
					_on_its_way => {}
				}
			}
			Err(AttestError::Unknown("the node stopped telling".into()))
		})
		.await
		.map_err(|_elapsed| AttestError::Unknown("it was not finalized in time".into()))??;

		match timeout(ANSWER_TIMEOUT, finalized.wait_for_success()).await {
			Err(elapsed) => Err(unknown(&elapsed)),
			Ok(Ok(events)) => Ok((finalized.block_hash(), events.extrinsic_index())),
			Ok(Err(TransactionEventsError::ExtrinsicFailed(error))) => Err(classify(&error)),
			Ok(Err(error)) => Err(unknown(&error)),
		}
	}
}

/// The call `Metering.attest`. Plain numbers fit whatever integer type the metadata asks for; the
/// lines are encoded as the runtime's own type encodes them.
fn attest_payload(attestation: &Attestation) -> impl subxt::transactions::Payload {
	let values: Vec<Static<MeterValue>> = attestation.values.iter().copied().map(Static).collect();
	subxt::dynamic::tx(
		"Metering",
		"attest",
		(
			attestation.key.zone.0,
			attestation.key.slot.0,
			attestation.key.page,
			values,
			attestation.readings_root.0,
			attestation.readings_count,
		),
	)
}

/// What an error of the dispatch means for the outbox.
fn classify(error: &DispatchError) -> AttestError {
	if let DispatchError::Module(module) = error {
		if let Ok(details) = module.details() {
			match (details.pallet.name(), details.variant.name.as_str()) {
				("Metering", "AlreadyVoted") => return AttestError::AlreadyVoted,
				("Metering", "PageFinal") => return AttestError::PageFinal,
				("Metering", "AttestationLate") => return AttestError::TooLate,
				_ => {}
			}
		}
	}
	AttestError::Refused(error.to_string())
}

async fn call_at<T: Decode>(
	methods: &Methods,
	function: &'static str,
	arguments: &[u8],
	at: Option<subxt::utils::H256>,
) -> Result<T, ChainError> {
	let answer = methods.state_call(function, Some(arguments), at).await.map_err(unreachable)?;
	T::decode_all(&mut answer.as_slice())
		.map_err(|error| ChainError::Unreadable { question: function, reason: error.to_string() })
}

impl ChainClient for NodeClient {
	fn account(&self) -> AccountId {
		self.account.id()
	}

	async fn genesis(&self) -> Result<H256, ChainError> {
		let connection = self.connection().await?;
		Ok(H256(connection.client.genesis_hash().0))
	}

	async fn next_head(&self) -> Result<Head, ChainError> {
		let connection = self.connection().await?;
		let next =
			timeout(HEAD_TIMEOUT, async { connection.heads.lock().await.next().await }).await;
		let header = match next {
			Ok(Some(Ok(header))) => header,
			broken => {
				self.disconnect(&connection).await;
				return Err(match broken {
					Ok(Some(Err(error))) => unreachable(error),
					Ok(_) => unreachable("the subscription ended"),
					Err(_elapsed) => unreachable("there was no block for a long time"),
				});
			}
		};
		self.ask(|connection| async move {
			let methods = &connection.methods;
			// Every zone has the same time.
			let zone = ZoneId::default().encode();
			let clock: Clock = call_at(methods, "EnergyApi_clock", &zone, None).await?;
			let block = methods.chain_get_finalized_head().await.map_err(unreachable)?;
			let finalized = methods
				.chain_get_header(Some(block))
				.await
				.map_err(unreachable)?
				.map_or(0, |header| header.number);
			Ok(Head { number: header.number, finalized, now_seconds: clock.now_seconds })
		})
		.await
	}

	async fn zone(&self, zone: ZoneId) -> Result<Option<ZoneSummary>, ChainError> {
		self.call("EnergyApi_zone", zone.encode()).await
	}

	async fn calendar(&self, zone: ZoneId) -> Result<SlotCalendar, ChainError> {
		let clock: Clock = self.call("EnergyApi_clock", zone.encode()).await?;
		Ok(clock.calendar)
	}

	async fn meters(
		&self,
		zone: ZoneId,
		from: MeterIndex,
	) -> Result<Vec<(MeterId, Meter<AccountId>)>, ChainError> {
		self.call("EnergyApi_meters", (zone, from).encode()).await
	}

	async fn attested_page(
		&self,
		zone: ZoneId,
		slot: Slot,
		page: u32,
	) -> Result<Option<AttestedPage>, ChainError> {
		self.call("EnergyApi_attestation", (zone, slot, page).encode()).await
	}

	async fn attest(&self, attestation: &Attestation) -> Result<(), AttestError> {
		self.deliver(attest_payload(attestation)).await.map(|_included| ())
	}

	async fn remark(&self, bytes: &[u8]) -> Result<Inclusion, AttestError> {
		let call = subxt::dynamic::tx(
			"System",
			"remark_with_event",
			(subxt::dynamic::Value::from_bytes(bytes),),
		);
		let (block, index) = self.deliver(call).await?;
		let unknown = |error: &dyn std::fmt::Display| AttestError::Unknown(error.to_string());
		let header = self
			.ask(|connection| async move {
				connection.methods.chain_get_header(Some(block)).await.map_err(unreachable)
			})
			.await
			.map_err(|error| unknown(&error))?
			.ok_or_else(|| unknown(&"the node has forgotten the block"))?;
		let extrinsic_index = u32::try_from(index).map_err(|error| unknown(&error))?;
		Ok(Inclusion { block_number: header.number, block_hash: H256(block.0), extrinsic_index })
	}
}

/// A node that is only read from.
pub struct NodeBlocks(Methods);

impl NodeBlocks {
	/// Connects to the node at `url` (`ws://` or `wss://`).
	///
	/// # Errors
	/// When it does not answer.
	pub async fn connect(url: &str) -> Result<Self, ChainError> {
		let connected = timeout(ANSWER_TIMEOUT, RpcClient::from_insecure_url(url)).await;
		let rpc = connected.map_err(unreachable)?.map_err(unreachable)?;
		Ok(Self(Methods::new(rpc)))
	}
}

impl FinalizedBlocks for NodeBlocks {
	async fn extrinsic(&self, at: &Inclusion) -> Result<Option<Vec<u8>>, ChainError> {
		let methods = &self.0;
		let hash = subxt::utils::H256(at.block_hash.0);
		let answers = timeout(ANSWER_TIMEOUT, async {
			let newest = methods.chain_get_finalized_head().await.map_err(unreachable)?;
			let newest = methods.chain_get_header(Some(newest)).await.map_err(unreachable)?;
			let number = Some(at.block_number.into());
			let known = methods.chain_get_block_hash(number).await.map_err(unreachable)?;
			let is_final = newest.is_some_and(|newest| at.block_number <= newest.number);
			if !is_final || known != Some(hash) {
				return Ok(None);
			}
			let block = methods.chain_get_block(Some(hash)).await.map_err(unreachable)?;
			let index = usize::try_from(at.extrinsic_index).unwrap_or(usize::MAX);
			Ok(block
				.and_then(|block| block.block.extrinsics.into_iter().nth(index))
				.map(|bytes| bytes.0))
		});
		answers.await.map_err(unreachable)?
	}
}

impl MarketReads for NodeClient {
	fn market_slot(&self, zone: ZoneId, slot: Slot) -> Reply<'_, Option<SlotSummary>> {
		Box::pin(self.call("EnergyApi_slot", (zone, slot).encode()))
	}

	fn orders(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: Option<AccountId>,
		from: OrderIndex,
	) -> Reply<'_, Vec<OpenOrder>> {
		Box::pin(self.call("EnergyApi_orders", (zone, slot, account, from).encode()))
	}

	fn positions(
		&self,
		zone: ZoneId,
		slot: Slot,
		from: u32,
	) -> Reply<'_, Vec<Position<AccountId>>> {
		Box::pin(self.call("EnergyApi_positions", (zone, slot, from).encode()))
	}

	fn position(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: AccountId,
	) -> Reply<'_, Option<Position<AccountId>>> {
		Box::pin(self.call("EnergyApi_position", (zone, slot, account).encode()))
	}

	fn bill(&self, zone: ZoneId, slot: Slot, account: AccountId) -> Reply<'_, Option<Bill>> {
		Box::pin(self.call("EnergyApi_bill", (zone, slot, account).encode()))
	}

	fn attestation(&self, zone: ZoneId, slot: Slot, page: u32) -> Reply<'_, Option<AttestedPage>> {
		Box::pin(self.attested_page(zone, slot, page))
	}
}

impl Connection {
	/// Whether the node still answers on this connection.
	async fn client_is_alive(&self) -> bool {
		let answer = timeout(ANSWER_TIMEOUT, self.methods.chain_get_finalized_head()).await;
		matches!(answer, Ok(Ok(_)))
	}
}
