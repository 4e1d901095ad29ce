//! A chain in memory, meters, and an oracle between them.

#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::{
	collections::{BTreeMap, VecDeque},
	future::Future,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc, Mutex,
	},
	time::{Duration, Instant},
};

use ed25519_dalek::SigningKey;
use energy_oracle::{
	chain::{
		market::{MarketReads, Reply},
		AttestError, ChainClient, ChainError, Head, Inclusion,
	},
	clock::Clock,
	service::{Config, Service},
	store::{
		keys,
		rocks::{RocksStore, StoreLimits},
		Attestation, PageKey, ReadingKey, Store, StoreError, StoredReading,
	},
};
use energy_primitives::{
	api::{AttestedPage, OpenOrder, SlotSummary, ZoneSummary, PAGE_LIMIT},
	AccountId, Agreed, Bill, CashFlow, ClearingResult, ImbalancePricing, MarketTerms, Measured,
	Meter, MeterId, MeterIndex, MeteringStatus, OrderIndex, Position, Side, Slot, SlotCalendar,
	SlotDeviations, SlotState, ZoneId,
};
use sp_core::H256;
use tokio::sync::watch;
use wia_ene_014::{
	canonical::{meter_id, DeviceKey, Quality},
	message::{Message, Reading, Timestamp},
};

/// The length of a slot on the chain of the tests.
pub const SLOT_SECONDS: u32 = 60;
/// A slot; the tests begin in the slot after it.
pub const FIRST_SLOT: Slot = Slot(30_000_000);
/// The slot of which the chain of the tests may have a market.
pub const MARKET_SLOT: Slot = Slot(FIRST_SLOT.0 + 1);
/// The zone of the tests.
pub const ZONE: ZoneId = ZoneId(1);
/// The rating of every meter: 1 Wh in a second.
pub const RATED_POWER_W: u32 = 3_600;

/// A meter that signs.
#[derive(Clone)]
pub struct Device {
	pub name: String,
	pub key: SigningKey,
	pub index: MeterIndex,
}

/// One interval: start, seconds, import Wh, export Wh, quality.
pub type Interval = (u64, u32, u64, u64, Quality);

impl Device {
	pub fn new(index: u32) -> Self {
		let mut seed = [7; 32];
		seed[..4].copy_from_slice(&index.to_le_bytes());
		Self {
			name: format!("METER-{index}"),
			key: SigningKey::from_bytes(&seed),
			index: MeterIndex(index),
		}
	}

	pub fn id(&self) -> MeterId {
		MeterId(meter_id(&self.name))
	}

	pub fn registration(&self) -> (MeterId, Meter<AccountId>) {
		let meter = Meter {
			owner: AccountId::new([self.index.0 as u8; 32]),
			zone: ZONE,
			index: self.index,
			key: DeviceKey::Ed25519(self.key.verifying_key().to_bytes()),
			rated_power_w: RATED_POWER_W,
		};
		(self.id(), meter)
	}

	/// A signed message.
	pub fn message(&self, timestamp: u64, intervals: &[Interval]) -> Message {
		let moment = |seconds| Timestamp::from_unix_seconds(seconds).unwrap();
		let readings = intervals
			.iter()
			.map(|(start, seconds, import_wh, export_wh, quality)| {
				Reading::from_wh(moment(*start), *seconds, *import_wh, *export_wh, *quality)
			})
			.collect();
		Message::build(self.name.parse().unwrap(), moment(timestamp), readings)
			.sign_ed25519(&self.key)
			.unwrap()
	}

	/// A signed message with one figure that fills a slot.
	pub fn full(&self, slot: Slot, import_wh: u64, export_wh: u64) -> String {
		let interval = (start(slot), SLOT_SECONDS, import_wh, export_wh, Quality::Valid);
		self.message(end(slot), &[interval]).to_json()
	}
}

/// When the slots are.
pub fn calendar() -> SlotCalendar {
	SlotCalendar::uniform(SLOT_SECONDS)
}

/// When a slot begins.
pub fn start(slot: Slot) -> u64 {
	calendar().start_seconds(slot)
}

/// When a slot has ended.
pub fn end(slot: Slot) -> u64 {
	calendar().end_seconds(slot)
}

/// Opens the store of a folder, with the key beside it.
pub fn open_store(folder: &std::path::Path) -> Result<RocksStore, StoreError> {
	let kek = keys::key_file(&folder.with_extension("key"))?;
	RocksStore::open(folder, Box::new(kek), 0, StoreLimits::default())
}

/// Stores readings as the ingest would.
pub fn store_readings(store: &dyn Store, readings: &[StoredReading]) -> Result<(), StoreError> {
	let mut sealer = store.sealer();
	let mut values = Vec::new();
	let mut entries = Vec::new();
	for reading in readings {
		let StoredReading { zone, slot, meter, start_seconds, signed } = reading;
		let key = ReadingKey::new(*zone, *slot, *meter, *start_seconds);
		entries.push((key, sealer.seal(&key, signed, &mut values)?));
	}
	let entries: Vec<_> = entries.into_iter().map(|(key, at)| (key, &values[at])).collect();
	store.add(&entries, &[])
}

/// A clock that is set.
#[derive(Clone, Default)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
	pub fn set(&self, seconds: u64) {
		self.0.store(seconds, Ordering::SeqCst);
	}
}

impl Clock for TestClock {
	fn now_seconds(&self) -> u64 {
		self.0.load(Ordering::SeqCst)
	}
}

/// What the chain does with the next attestation instead of taking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
	/// It takes it, and its answer is lost.
	AnswerLost,
	/// It never hears of it.
	Lost,
	/// It refuses it for now.
	Refused,
	/// It no longer takes it.
	TooLate,
	/// Others have agreed on something else.
	Outvoted,
	/// The question never ends.
	Hangs,
}

#[derive(Default)]
struct State {
	genesis: H256,
	meters: Vec<(MeterId, Meter<AccountId>)>,
	pages: BTreeMap<PageKey, Attestation>,
	received: Vec<Attestation>,
	remarks: Vec<Vec<u8>>,
	faults: VecDeque<Fault>,
	is_away: bool,
	markets: BTreeMap<(ZoneId, Slot), SlotSummary>,
	orders: Vec<((ZoneId, Slot), OpenOrder)>,
	positions: Vec<((ZoneId, Slot), Position<AccountId>)>,
	bills: BTreeMap<(ZoneId, Slot, AccountId), Bill>,
}

/// A chain in memory. Clones are the same chain.
#[derive(Clone)]
pub struct FakeChain {
	state: Arc<Mutex<State>>,
	heads: watch::Sender<Head>,
	listener: Arc<tokio::sync::Mutex<watch::Receiver<Head>>>,
}

impl FakeChain {
	pub fn new(now_seconds: u64, devices: &[Device]) -> Self {
		let (heads, mut listener) = watch::channel(Head { number: 1, finalized: 1, now_seconds });
		listener.mark_changed();
		let state = State {
			genesis: H256::repeat_byte(1),
			meters: devices.iter().map(Device::registration).collect(),
			..State::default()
		};
		Self {
			state: Arc::new(Mutex::new(state)),
			heads,
			listener: Arc::new(tokio::sync::Mutex::new(listener)),
		}
	}

	/// Lets a new process hear the present head at once.
	pub async fn restarted(&self) -> Self {
		self.listener.lock().await.mark_changed();
		self.clone()
	}

	/// Makes a block at a time.
	pub fn block_at(&self, now_seconds: u64) {
		self.heads.send_modify(|head| {
			head.number += 1;
			head.finalized += 1;
			head.now_seconds = now_seconds;
		});
	}

	pub fn set_meters(&self, meters: Vec<(MeterId, Meter<AccountId>)>) {
		self.state.lock().unwrap().meters = meters;
	}

	pub fn set_genesis(&self, genesis: H256) {
		self.state.lock().unwrap().genesis = genesis;
	}

	pub fn set_away(&self, is_away: bool) {
		self.state.lock().unwrap().is_away = is_away;
	}

	pub fn inject(&self, faults: impl IntoIterator<Item = Fault>) {
		self.state.lock().unwrap().faults.extend(faults);
	}

	/// Puts a market on the chain: its slot, an order, a position and a bill.
	pub fn set_market(
		&self,
		place: (ZoneId, Slot),
		market: SlotSummary,
		order: OpenOrder,
		position: Position<AccountId>,
		bill: Bill,
	) {
		let mut state = self.state.lock().unwrap();
		state.bills.insert((place.0, place.1, position.account.clone()), bill);
		state.markets.insert(place, market);
		state.orders.push((place, order));
		state.positions.push((place, position));
	}

	/// The pages on chain.
	pub fn pages(&self) -> Vec<Attestation> {
		self.state.lock().unwrap().pages.values().cloned().collect()
	}

	/// Everything that was ever sent.
	pub fn received(&self) -> Vec<Attestation> {
		self.state.lock().unwrap().received.clone()
	}

	/// The remarks on chain; the number of a remark's block is its place here.
	pub fn remarks(&self) -> Vec<Vec<u8>> {
		self.state.lock().unwrap().remarks.clone()
	}

	fn answer<T>(&self, answer: impl FnOnce(&mut State) -> T) -> Result<T, ChainError> {
		let mut state = self.state.lock().unwrap();
		if state.is_away {
			return Err(ChainError::Unreachable("away".into()));
		}
		Ok(answer(&mut state))
	}
}

impl ChainClient for FakeChain {
	fn account(&self) -> AccountId {
		AccountId::new([9; 32])
	}

	async fn genesis(&self) -> Result<H256, ChainError> {
		self.answer(|state| state.genesis)
	}

	async fn next_head(&self) -> Result<Head, ChainError> {
		self.answer(|_| ())?;
		let mut listener = self.listener.lock().await;
		listener.changed().await.map_err(|error| ChainError::Unreachable(error.to_string()))?;
		let head = *listener.borrow_and_update();
		Ok(head)
	}

	async fn calendar(&self, _: ZoneId) -> Result<SlotCalendar, ChainError> {
		self.answer(|_| calendar())
	}

	async fn zone(&self, zone: ZoneId) -> Result<Option<ZoneSummary>, ChainError> {
		let oracles = vec![self.account()];
		self.answer(|state| {
			(zone == ZONE).then(|| ZoneSummary {
				terms: None,
				halted: None,
				meters: state.meters.len() as u32,
				utility: None,
				oracles,
				threshold: 1,
				imbalance_pot: 0,
				fee_pot: 0,
				imbalance_account: AccountId::new([0; 32]),
				fee_account: AccountId::new([0; 32]),
			})
		})
	}

	async fn meters(
		&self,
		zone: ZoneId,
		from: MeterIndex,
	) -> Result<Vec<(MeterId, Meter<AccountId>)>, ChainError> {
		self.answer(|state| {
			let meters =
				state.meters.iter().filter(|(_, meter)| meter.zone == zone && meter.index >= from);
			meters.take(PAGE_LIMIT as usize).cloned().collect()
		})
	}

	async fn attested_page(
		&self,
		zone: ZoneId,
		slot: Slot,
		page: u32,
	) -> Result<Option<AttestedPage>, ChainError> {
		self.answer(|state| {
			state.pages.get(&PageKey { zone, slot, page }).map(|attestation| AttestedPage {
				readings_root: attestation.readings_root,
				readings_count: attestation.readings_count,
				values: attestation.values.clone(),
				oracles: vec![AccountId::new([9; 32])],
			})
		})
	}

	async fn remark(&self, bytes: &[u8]) -> Result<Inclusion, AttestError> {
		let mut state = self.state.lock().unwrap();
		if state.is_away {
			return Err(AttestError::Unknown("away".into()));
		}
		let block_number = state.remarks.len() as u64;
		state.remarks.push(bytes.to_vec());
		match state.faults.pop_front() {
			Some(Fault::AnswerLost) => Err(AttestError::Unknown("no answer".into())),
			_ => Ok(Inclusion {
				block_number,
				block_hash: H256::from_low_u64_be(block_number),
				extrinsic_index: 1,
			}),
		}
	}

	async fn attest(&self, attestation: &Attestation) -> Result<(), AttestError> {
		let fault = {
			let mut state = self.state.lock().unwrap();
			if state.is_away {
				return Err(AttestError::Unknown("away".into()));
			}
			state.received.push(attestation.clone());
			let fault = state.faults.pop_front();
			let mut voted = attestation.clone();
			if fault == Some(Fault::Outvoted) {
				voted.readings_root = H256::repeat_byte(0xee);
			}
			if matches!(fault, None | Some(Fault::AnswerLost | Fault::Outvoted)) {
				if state.pages.contains_key(&attestation.key) {
					return Err(AttestError::AlreadyVoted);
				}
				state.pages.insert(attestation.key, voted);
			}
			fault
		};
		match fault {
			None => Ok(()),
			Some(Fault::AnswerLost | Fault::Lost) => Err(AttestError::Unknown("no answer".into())),
			Some(Fault::Refused) => Err(AttestError::Refused("not now".into())),
			Some(Fault::TooLate) => Err(AttestError::TooLate),
			Some(Fault::Outvoted) => Err(AttestError::PageFinal),
			Some(Fault::Hangs) => std::future::pending().await,
		}
	}
}

/// A client without a time-out.
pub fn http_client() -> reqwest::Client {
	energy_oracle::https::builder(None).unwrap().build().unwrap()
}

/// Puts a market with one order, one position and one bill, of a device's owner, on the chain.
pub fn set_market(chain: &FakeChain, device: &Device) {
	let terms = MarketTerms {
		gate_closure_seconds: 10,
		price_floor: 0,
		tick_size: 1,
		tick_count: 100,
		max_order_wh: 1_000,
		grid_fee: 1,
		grid_fee_ppm: 0,
		bond_ppm: 0,
		tolerance_ppm: 0,
		imbalance_pricing: ImbalancePricing::Dual,
		shortage_price: 1,
		surplus_price: 1,
		policy: None,
	};
	let market = SlotSummary {
		state: SlotState::Settled,
		gate_closes_seconds: start(MARKET_SLOT) - 10,
		terms,
		orders: 1,
		bid_wh: 40,
		ask_wh: 40,
		result: Some(ClearingResult { price: 7, volume_wh: 40, net_import_wh: 0 }),
		positions: 1,
		metering: MeteringStatus::Final,
		deviations: SlotDeviations { shortage_wh: 1, surplus_wh: 2 },
	};
	let order = OpenOrder {
		index: OrderIndex(3),
		account: device.registration().1.owner,
		side: Side::Ask,
		price: 7,
		energy_wh: 40,
		held: u128::MAX,
		minimum_wh: 0,
		expires_seconds: None,
		standing: None,
		agent: None,
	};
	let agreed = Agreed { bought_wh: 1, sold_wh: 2, payable: 3, receivable: 4 };
	let position = Position {
		account: device.registration().1.owner,
		bought_wh: 0,
		sold_wh: 40,
		agreed,
		held: 5,
	};
	let bill = Bill {
		bought_wh: 0,
		sold_wh: 40,
		agreed,
		measured: Measured { import_wh: 0, export_wh: 40, quality: Quality::Valid },
		flow: CashFlow { energy: 280, imbalance: -5, grid_fee: 1 },
	};
	chain.set_market((ZONE, MARKET_SLOT), market, order, position, bill);
}

impl MarketReads for FakeChain {
	fn market_slot(&self, zone: ZoneId, slot: Slot) -> Reply<'_, Option<SlotSummary>> {
		let market = self.answer(|state| state.markets.get(&(zone, slot)).cloned());
		Box::pin(async move { market })
	}

	fn orders(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: Option<AccountId>,
		from: OrderIndex,
	) -> Reply<'_, Vec<OpenOrder>> {
		let orders = self.answer(|state| {
			let orders = state.orders.iter().filter(|(place, _)| *place == (zone, slot));
			let orders = orders.map(|(_, order)| order).filter(|order| {
				order.index >= from
					&& account.as_ref().is_none_or(|account| *account == order.account)
			});
			orders.take(PAGE_LIMIT as usize).cloned().collect()
		});
		Box::pin(async move { orders })
	}

	fn positions(
		&self,
		zone: ZoneId,
		slot: Slot,
		from: u32,
	) -> Reply<'_, Vec<Position<AccountId>>> {
		let positions = self.answer(|state| {
			let positions = state.positions.iter().filter(|(place, _)| *place == (zone, slot));
			let positions = positions.map(|(_, position)| position.clone());
			positions.skip(from as usize).take(PAGE_LIMIT as usize).collect()
		});
		Box::pin(async move { positions })
	}

	fn position(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: AccountId,
	) -> Reply<'_, Option<Position<AccountId>>> {
		let position = self.answer(|state| {
			let mut positions = state.positions.iter();
			let found = positions
				.find(|(place, position)| *place == (zone, slot) && position.account == account);
			found.map(|(_, position)| position.clone())
		});
		Box::pin(async move { position })
	}

	fn bill(&self, zone: ZoneId, slot: Slot, account: AccountId) -> Reply<'_, Option<Bill>> {
		let bill = self.answer(|state| state.bills.get(&(zone, slot, account)).copied());
		Box::pin(async move { bill })
	}

	fn attestation(&self, zone: ZoneId, slot: Slot, page: u32) -> Reply<'_, Option<AttestedPage>> {
		Box::pin(self.attested_page(zone, slot, page))
	}
}

/// An oracle that runs, and a client of it.
pub struct Running {
	pub chain: FakeChain,
	pub clock: TestClock,
	pub service: Service,
	pub url: String,
	pub client: reqwest::Client,
	pub folder: tempfile::TempDir,
}

/// What the oracle answered.
#[derive(Debug)]
pub struct Answer {
	pub status: u16,
	pub content_type: String,
	pub body: serde_json::Value,
}

impl Answer {
	/// The line of a message.
	pub fn line(&self, index: usize) -> (&str, Option<&str>) {
		let line = &self.body["results"][index];
		(line["status"].as_str().unwrap(), line["code"].as_str())
	}
}

impl Running {
	/// An oracle for the devices, a few seconds into the slot after [`FIRST_SLOT`].
	pub async fn start(devices: &[Device]) -> Self {
		Self::start_with(devices, |_| ()).await
	}

	pub async fn start_with(devices: &[Device], adjust: impl FnOnce(&mut Config)) -> Self {
		let now = end(FIRST_SLOT) + 5;
		let folder = tempfile::tempdir().unwrap();
		let clock = TestClock::default();
		clock.set(now);
		let running = Self::start_in(folder, FakeChain::new(now, devices), clock, adjust).await;
		running.wait_until_ready().await;
		running
	}

	pub async fn start_in(
		folder: tempfile::TempDir,
		chain: FakeChain,
		clock: TestClock,
		adjust: impl FnOnce(&mut Config),
	) -> Self {
		let http = secure_server::Settings {
			address: "127.0.0.1:0".parse().unwrap(),
			tls: None,
			limits: secure_server::Limits::default(),
		};
		let mut config = Config::new(folder.path().join("db"), http, vec![ZONE]);
		config.outbox.pace.first = Duration::from_millis(5);
		config.outbox.pace.longest = Duration::from_millis(20);
		adjust(&mut config);
		let service = Service::start(config, chain.restarted().await, clock.clone()).await.unwrap();
		let url = format!("http://{}", service.address());
		Self { chain, clock, service, url, client: http_client(), folder }
	}

	/// Stops the oracle and starts it again on the same folder and chain.
	pub async fn restart(self) -> Self {
		let Self { chain, clock, service, folder, .. } = self;
		service.stop().await;
		Self::start_in(folder, chain, clock, |_| ()).await
	}

	/// Stops the oracle. Every test must: a database that is still open when the process ends brings
	/// it down.
	pub async fn stop(self) {
		self.service.stop().await;
	}

	pub async fn wait_until_ready(&self) {
		eventually("the oracle is ready", || async {
			let answer = self.client.get(format!("{}/readyz", self.url)).send().await;
			answer.is_ok_and(|answer| answer.status() == 200)
		})
		.await;
	}

	pub async fn get(&self, path: &str) -> Answer {
		Self::answer(self.client.get(format!("{}{path}", self.url))).await
	}

	pub async fn post_as(&self, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
		let request = self
			.client
			.post(format!("{}/v1/readings", self.url))
			.header("content-type", content_type)
			.body(body);
		Self::answer(request).await
	}

	pub async fn post(&self, body: impl Into<reqwest::Body>) -> Answer {
		self.post_as("application/json", body).await
	}

	/// Posts JSON whose length is not announced, and returns the status.
	pub async fn post_in_one_chunk(&self, body: &str) -> u16 {
		use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
		let address = self.url.strip_prefix("http://").unwrap();
		let stream = tokio::net::TcpStream::connect(address).await.unwrap();
		let (reader, mut writer) = stream.into_split();
		let request = format!(
			"POST /v1/readings HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
			 transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
			body.len()
		);
		writer.write_all(request.as_bytes()).await.unwrap();
		let line = BufReader::new(reader).lines().next_line().await.unwrap().unwrap();
		line.split(' ').nth(1).unwrap().parse().unwrap()
	}

	async fn answer(request: reqwest::RequestBuilder) -> Answer {
		let answer = request.send().await.unwrap();
		let content_type = answer
			.headers()
			.get("content-type")
			.map_or(String::new(), |value| value.to_str().unwrap().to_owned());
		let status = answer.status().as_u16();
		let text = answer.text().await.unwrap();
		let body = serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text));
		Answer { status, content_type, body }
	}

	/// Moves the chain and the clock to a time, and waits until the oracle has seen the block.
	pub async fn advance(&self, now_seconds: u64) {
		self.clock.set(now_seconds);
		self.chain.block_at(now_seconds);
	}

	/// Waits until a slot and all before it are sealed.
	pub async fn wait_until_sealed(&self, slot: Slot) {
		eventually("the slot is sealed", || async {
			let status = self.get("/v1/status").await;
			status.body["zones"][0]["sealedThrough"].as_u64() >= Some(slot.0.into())
		})
		.await;
	}

	/// Waits until nothing is on its way to the chain.
	pub async fn wait_until_delivered(&self) {
		eventually("the outbox is empty", || async {
			self.get("/v1/status").await.body["outboxPages"] == 0
		})
		.await;
	}
}

/// Waits for a condition, for a bounded time.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
	let started = Instant::now();
	while !condition().await {
		assert!(started.elapsed() < Duration::from_secs(30), "in time: {what}");
		tokio::time::sleep(Duration::from_millis(5)).await;
	}
}
