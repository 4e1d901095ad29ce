//! What can go wrong between a wallet and the chain, and what to do about it.

use std::{fmt, time::Duration};

use sp_core::H256;
use sp_runtime::{ArithmeticError, DispatchError, TokenError};
use subxt::{
	error::{BackendError, ExtrinsicError, RpcError},
	rpcs::UserError,
	Metadata,
};

/// Why a read or a transaction did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
	/// Not the address of a WebSocket.
	#[error("`{url}` is not the address of a node")]
	InvalidUrl {
		/// What was given.
		url: String,
	},
	/// Nobody answers.
	#[error("no node answers at {url}: {reason}")]
	Unreachable {
		/// Where.
		url: String,
		/// What the network says.
		reason: String,
	},
	/// The node answers too slowly.
	#[error("{what} did not come within {after:?}")]
	Timeout {
		/// What was waited for.
		what: &'static str,
		/// How long.
		after: Duration,
	},
	/// The transaction was sent, but is in no block yet.
	#[error("the transaction {transaction_hash:?} is in no block after {after:?}")]
	NotIncluded {
		/// Which.
		transaction_hash: H256,
		/// How long was waited.
		after: Duration,
	},
	/// The node refused a request.
	#[error("the node refused while {doing}: {reason}")]
	Rpc {
		/// What was asked.
		doing: &'static str,
		/// What it says.
		reason: String,
	},
	/// The runtime has no such function.
	#[error("the chain does not know {method}")]
	MissingApi {
		/// Which.
		method: String,
	},
	/// Something came that this wallet cannot read.
	#[error("{what} cannot be read: {reason}")]
	Undecodable {
		/// What came.
		what: String,
		/// Why it cannot be read.
		reason: String,
	},
	/// The runtime has no such call.
	#[error("the chain has no call {pallet}.{name}")]
	UnknownCall {
		/// The pallet.
		pallet: &'static str,
		/// The call.
		name: &'static str,
	},
	/// The runtime's call takes other arguments.
	#[error(
		"the chain's call {pallet}.{name} takes other arguments than this wallet gives: {reason}"
	)]
	CallMismatch {
		/// The pallet.
		pallet: &'static str,
		/// The call.
		name: &'static str,
		/// Where they differ.
		reason: String,
	},
	/// The transaction cannot be built for this chain.
	#[error("the transaction cannot be built: {reason}")]
	Unbuildable {
		/// Why.
		reason: String,
	},
	/// The node did not take the transaction. It has cost nothing.
	#[error("the transaction was rejected: {0}")]
	Rejected(Rejection),
	/// The node took the transaction and dropped it before it was in a block.
	#[error("the transaction was dropped before it was in a block: {reason}")]
	Lost {
		/// What the node says.
		reason: String,
	},
	/// The transaction is in a block, and was carried out with an error.
	#[error("the chain refused it: {failure}")]
	Failed {
		/// The error.
		failure: DispatchFailure,
		/// The block.
		block_hash: H256,
	},
	/// The transaction succeeded, but did not do what was asked.
	#[error("the transaction is in a block, but its event {event} is missing")]
	EventMissing {
		/// Which.
		event: String,
	},
}

impl ClientError {
	/// What whoever sees the error can do.
	pub fn help(&self) -> Option<String> {
		let text = match self {
			Self::InvalidUrl { .. } =>
				"give a WebSocket address such as ws://127.0.0.1:9944, with --node or in ENERGY_NODE",
			Self::Unreachable { .. } =>
				"start a node, or name one that runs, with --node or in ENERGY_NODE",
			Self::Timeout { .. } =>
				"is the node busy or still synchronizing? Try again, or give it longer with --timeout",
			Self::NotIncluded { .. } =>
				"it may still come: look (`orders`, `balance`) before you send it again. After \
				 64 blocks it is void",
			Self::Rpc { .. } => "look into the node's log",
			Self::MissingApi { .. } => "this is no energy chain, or one older than this wallet",
			Self::Undecodable { .. } | Self::UnknownCall { .. } | Self::CallMismatch { .. } =>
				"wallet and chain are of different releases; take the wallet of the chain's release",
			Self::Unbuildable { .. } => "take the wallet of the chain's release",
			Self::Rejected(rejection) => return rejection.help().map(Into::into),
			Self::Lost { .. } => "nothing has happened; send it again",
			Self::Failed { failure, .. } => return failure.help().map(Into::into),
			Self::EventMissing { .. } => return None,
		};
		Some(text.into())
	}

	pub(super) fn rpc(doing: &'static str, error: subxt::rpcs::Error) -> Self {
		Self::Rpc { doing, reason: root_cause(&error) }
	}

	pub(super) fn from_runtime_api(method: &str, error: subxt::rpcs::Error) -> Self {
		let reason = error.to_string();
		if reason.contains("is not found") || reason.contains("not exported") {
			return Self::MissingApi { method: method.into() };
		}
		Self::Rpc { doing: "asking the chain", reason: root_cause(&error) }
	}

	pub(super) fn from_encoding(error: ExtrinsicError) -> Self {
		Self::Unbuildable { reason: error.to_string() }
	}

	pub(super) fn from_submission(error: ExtrinsicError) -> Self {
		match error {
			ExtrinsicError::ErrorSubmittingTransaction(BackendError::Rpc(
				RpcError::ClientError(subxt::rpcs::Error::User(error)),
			)) => Self::Rejected(Rejection::from_rpc(&error)),
			other => Self::Rpc { doing: "sending the transaction", reason: root_cause(&other) },
		}
	}
}

/// The innermost of an error's causes: the one that says what happened.
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
	let mut cause = error;
	// Some libraries put the whole chain into the text of the outermost error and name no source.
	while let Some(source) = cause.source() {
		cause = source;
	}
	cause.to_string()
}

/// Why a node did not let a transaction into its pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
	/// The account is not admitted.
	NotAParticipant,
	/// The account is suspended.
	Suspended,
	/// Another reason of this chain, by number.
	Custom(u8),
	/// The fee cannot be paid.
	Payment,
	/// The nonce is used up.
	Stale,
	/// The nonce is too far ahead.
	Future,
	/// The signature does not fit what the chain expects to be signed.
	BadProof,
	/// The block on which it builds is too old.
	Ancient,
	/// It does not fit into a block.
	ExhaustsResources,
	/// The call is not allowed from here.
	Call,
	/// The account may not sign.
	BadSigner,
	/// It is in the pool already.
	AlreadyImported,
	/// Another transaction with the same nonce is in the pool.
	TooLowPriority,
	/// It was found bad a short while ago.
	Banned,
	/// The pool is full.
	PoolFull,
	/// Anything else, in the node's words.
	Other(String),
}

/// The numbers with which the chain's own check of participants rejects.
const NOT_A_PARTICIPANT: u8 = 101;
const SUSPENDED: u8 = 102;

impl Rejection {
	/// Reads the error of `author_submitAndWatchExtrinsic`.
	fn from_rpc(error: &UserError) -> Self {
		let data: String = error
			.data
			.as_ref()
			.and_then(|data| serde_json::from_str(data.get()).ok())
			.unwrap_or_default();
		Self::from_code(error.code, &error.message, &data)
	}

	fn from_code(code: i32, message: &str, data: &str) -> Self {
		let other = || match data {
			"" => Self::Other(message.into()),
			data => Self::Other(format!("{message}: {data}")),
		};
		match code {
			1010 => match data {
				"Transaction call is not expected" => Self::Call,
				"Transaction will be valid in the future" => Self::Future,
				"Transaction is outdated" => Self::Stale,
				"Transaction has a bad signature" => Self::BadProof,
				"Transaction has an ancient birth block" => Self::Ancient,
				"Transaction would exhaust the block limits" => Self::ExhaustsResources,
				"Invalid signing address" => Self::BadSigner,
				data if data.starts_with("Inability to pay some fees") => Self::Payment,
				data => match data.strip_prefix("Custom error: ").map(str::parse::<u8>) {
					Some(Ok(NOT_A_PARTICIPANT)) => Self::NotAParticipant,
					Some(Ok(SUSPENDED)) => Self::Suspended,
					Some(Ok(number)) => Self::Custom(number),
					_ => other(),
				},
			},
			1012 => Self::Banned,
			1013 => Self::AlreadyImported,
			1014 => Self::TooLowPriority,
			1016 => Self::PoolFull,
			_ => other(),
		}
	}

	/// What whoever sees it can do.
	pub fn help(&self) -> Option<&'static str> {
		Some(match self {
			Self::NotAParticipant => {
				"ask the utility of your zone to admit your account (the address of `key show`)"
			}
			Self::Suspended => "ask the utility of your zone or the regulator why",
			Self::Payment => {
				"the free quota of this period is used up and there is no native coin for the fee: \
				 wait for the next period, or ask your utility"
			}
			Self::Stale | Self::Future | Self::TooLowPriority => {
				"another transaction of this account came between; send it again"
			}
			Self::BadProof => {
				"take the wallet of the chain's release, and check which chain --node is"
			}
			Self::Ancient => "is the node synchronizing? Try again when it has caught up",
			Self::ExhaustsResources => "make it smaller",
			Self::AlreadyImported => "it is already on its way; wait for the next block",
			Self::Banned | Self::PoolFull => "try again in a minute",
			Self::Call => "this call cannot be sent as a transaction of its own",
			Self::BadSigner | Self::Custom(_) | Self::Other(_) => return None,
		})
	}
}

impl fmt::Display for Rejection {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(match self {
			Self::NotAParticipant => "the account is not a participant of this chain",
			Self::Suspended => "the account is suspended",
			Self::Payment => "the account cannot pay the fee",
			Self::Stale => "its nonce is used up",
			Self::Future => "its nonce is too far ahead",
			Self::BadProof => "its signature does not fit this chain",
			Self::Ancient => "the block it builds on is too old",
			Self::ExhaustsResources => "it does not fit into a block",
			Self::Call => "its call is not allowed here",
			Self::BadSigner => "the account may not sign",
			Self::AlreadyImported => "it was sent before",
			Self::TooLowPriority => "another transaction with its nonce is waiting",
			Self::Banned => "it was found bad a short while ago",
			Self::PoolFull => "the node's pool is full",
			Self::Custom(number) => return write!(f, "reason {number} of this chain"),
			Self::Other(text) => text,
		})
	}
}

/// The error with which the chain carried out a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispatchFailure {
	/// `Pallet.ErrorName` for an error of a pallet, else a short name.
	pub name: String,
	/// What the chain's documentation says about it.
	pub explanation: String,
}

impl DispatchFailure {
	/// Looks the error up in the chain's metadata.
	pub(super) fn new(metadata: &Metadata, error: &DispatchError) -> Self {
		let plain = |name: &str, explanation: &str| Self {
			name: name.into(),
			explanation: explanation.into(),
		};
		match error {
			DispatchError::Module(module) => {
				let pallet = metadata.pallet_by_error_index(module.index);
				let variant =
					pallet.and_then(|pallet| pallet.error_variant_by_index(module.error[0]));
				match (pallet, variant) {
					(Some(pallet), Some(variant)) => Self {
						name: format!("{}.{}", pallet.name(), variant.name),
						explanation: variant.docs.join(" ").trim().to_owned(),
					},
					_ => Self {
						name: format!("error {} of pallet {}", module.error[0], module.index),
						explanation: String::new(),
					},
				}
			},
			DispatchError::BadOrigin => plain(
				"BadOrigin",
				"This account may not do that: it needs another role, or a decision of the council.",
			),
			DispatchError::Token(TokenError::FundsUnavailable) => plain(
				"Token.FundsUnavailable",
				"There is not enough spendable money on the account.",
			),
			DispatchError::Token(TokenError::Frozen) =>
				plain("Token.Frozen", "The money is there, but held or frozen."),
			DispatchError::Token(token) =>
				plain(&format!("Token.{token:?}"), Into::<&str>::into(*token)),
			DispatchError::Arithmetic(ArithmeticError::Underflow) =>
				plain("Arithmetic.Underflow", "There is less than what is to be taken away."),
			DispatchError::Arithmetic(arithmetic) =>
				plain(&format!("Arithmetic.{arithmetic:?}"), Into::<&str>::into(*arithmetic)),
			other => plain(&format!("{other:?}"), Into::<&str>::into(*other)),
		}
	}

	/// What whoever sees it can do.
	pub fn help(&self) -> Option<&'static str> {
		if let Some(name) = self.name.strip_prefix("EnergyMarket.") {
			return market_help(name);
		}
		if let Some(name) = self.name.strip_prefix("Communities.") {
			return community_help(name);
		}
		match self.name.as_str() {
			"BadOrigin" => {
				Some("sign with an account that may, or on a development chain add --sudo")
			}
			"Token.FundsUnavailable" | "Assets.BalanceLow" => {
				Some("look at `balance`: money for open orders is held until they are settled")
			}
			_ => None,
		}
	}
}

/// What can be done about an error of the market.
fn market_help(name: &str) -> Option<&'static str> {
	Some(match name {
		"ZoneUnknown" => "check --zone",
		"ZoneWithoutTerms" => "its utility sets them with `admin set-terms`",
		"ZoneHalted" => {
			"your money is safe where it is; try again when governance has resumed the market"
		}
		"ZoneNotHalted" => "halt it first, with `admin halt`",
		"NotATrader" => "ask the utility of your zone to admit the account as one that trades",
		"OtherZone" => "leave out --zone: an account trades in the zone it belongs to",
		"NotAllowed" => "sign with an account that may, or on a development chain add --sudo",
		"GateClosed" => "`clock` lists the slots whose gates are open",
		"SlotTooFarAhead" => "come back later, or leave a standing order with `standing place`",
		"PriceNotOnGrid" => "`zone` shows the prices of the market",
		"NoEnergy" => "ask for at least 1 Wh",
		"TooMuchEnergy" => "split it; `zone` shows the largest order",
		"NotEnoughMoney" => {
			"look at `balance`, and ask for less: what an order may cost is held for it"
		}
		"BookFull" => "take another slot, or trade with a partner: `offer make`",
		"TooManyOpenBooks" => "take a slot that has orders already, or try again later",
		"OrderUnknown" => "`orders` lists your open orders with their slots and numbers",
		"NotYourOrder" => "sign with the key of its owner; `orders` lists yours",
		"MinimumTooLarge" => "give a --minimum-wh that is no more than the energy of the order",
		"AlreadyExpired" => "give a later --expires; `clock` shows the chain's time",
		"TooManySpecialOrders" => "leave out --minimum-wh and --expires, or take another slot",
		"NotAnAgent" => "its owner makes an agent with `agent set`",
		"OwnAgent" => "name another account: nobody needs to be its own agent",
		"AgencyExpired" => "ask the owner to set a later --until with `agent set`",
		"TooMuchEnergyForAgent" => {
			"split it, or ask the owner for a larger --max-order-wh with `agent set`"
		}
		"AllowanceUsedUp" => {
			"cancel orders of the agent, or ask the owner for a larger --allowance with `agent set`; \
			 of a standing order, end it and leave one with a larger --budget"
		}
		"NotEnoughFreeMoney" => {
			"`balance` shows what is free in the market; what is committed stays until its orders and \
			 positions are over"
		}
		"StandingSlotsInvalid" => "give a --last that is not over and not before --first",
		"TooManyStandingOrders" => "end one with `standing cancel`; `standing list` lists yours",
		"StandingOrderUnknown" => "it may be over; `standing list` lists yours",
		"RecurrenceInvalid" => "give --slots from 1 to 96",
		"TooManyOffers" => "withdraw one with `offer withdraw`; `offer list --mine` lists yours",
		"OfferUnknown" => "it may be over; `offer list` lists those that wait",
		"OwnOffer" => "name another account",
		"NotForYou" => "`offer list` shows to whom each offer is made",
		"WrongEnergyKind" => "`offer list` shows the kind; name it with --kind if it is true",
		"NotInOffer" => "`offer list` shows its slots and what is left in each",
		"BelowMinimum" => "accept more, or all that is left: `offer list` shows both",
		"MakerInactive" => "take another offer",
		"MakerCannotPay" => "accept less, or tell the maker",
		"ConditionsInCoupledZone" => "leave out --minimum-wh and --expires",
		"SlotLengthInvalid" => "give --seconds from 1 to 86400",
		"SlotLengthTooSoon" => {
			"give a later --from: orders are taken for 192 slots ahead, and offers reach 96 slots \
			 further"
		}
		"SlotLengthChangePending" => {
			"give the same --from as the change that is planned, to replace it, or a later one"
		}
		"ZoneInRegion" => "take the zone out of its region first, with `admin set-region`",
		"SlotsDiffer" => {
			"zones that are cleared together need slots of one length from the same moment on: \
			 `admin set-slot-length`"
		}
		"RegionInvalid" | "CapacitiesInvalid" => "correct the region's zones, links and capacities",
		"OtherRegion" => "take the zone out of its region first",
		"RegionTooSoon" => "begin with a slot further ahead than orders are taken for",
		"TooManyRegionVersions" => "wait until an earlier change of the region has come to pass",
		"RegionUnknown" => "check the region's number and the slot",
		"NoTimeForProposals" => "proposals are taken for a short time after the last gate of the zones",
		"ProposalNotOptimal" => "solve the slot again, with its book as it is at the gate",
		"ProposalNotBetter" => "the slot has as good a proposal already",
		"ProposalLosesMoney" => "charge importers at least what exporters receive",
		"SlotIsCoupled" => "it must be settled now: let the market go on with `admin resume`",
		"SlotUnknown" => "`history` lists the slots of the zone and their states",
		"TooLateToAnnul" => "the slot must be settled now: let the market go on with `admin resume`",
		"TermsPricesInvalid" | "TermsOrderSizeInvalid" | "TermsGateInvalid" => {
			"correct the file; `admin set-terms --help` explains its fields"
		}
		"TermsRewardImbalance" => {
			"raise shortagePrice to the highest price, lower surplusPrice to the lowest"
		}
		"TermsPartsInvalid" => {
			"give bondPpm from 1 to 1000000, gridFeePpm and tolerancePpm from 0 to 1000000"
		}
		_ => return None,
	})
}

/// What can be done about an error of communities.
fn community_help(name: &str) -> Option<&'static str> {
	Some(match name {
		"ZoneUnknown" => "check --zone",
		"CommunityUnknown" => "it may be over; `community list` lists those of a zone",
		"CommunityDissolved" => "it takes no changes any more; your deposit comes back by itself",
		"NotAllowed" => {
			"sign as the zone's utility, print it for the council with --call-data, or on a \
			 development chain add --sudo"
		}
		"NotTheManager" => "`community show` names its manager: sign as that account",
		"ManagerUnfit" => "name an account that is admitted in the zone and not suspended",
		"TooManyCommunities" => "dissolve one that nobody needs; `community list` lists them",
		"SlotBegun" => "give a slot to come, such as --from +2",
		"NoticeTooShort" => {
			"members must have time to leave: give a --from at least 97 slots after the present one"
		}
		"ChangePending" => "try again when the slots before the earlier change are shared",
		"TooManyInvitations" => "take one back with `community revoke`",
		"InvitationUnknown" => {
			"ask the manager for an invitation; `community show` lists who is invited"
		}
		"KeyDiffers" => {
			"`community show` lists the keys that were offered: name yours if you agree"
		}
		"KeysExceedWhole" => {
			"keys sum to at most 100 %: make others smaller first, with `community set-keys`"
		}
		"NotAProsumer" => "ask the utility of your zone to admit the account as a prosumer",
		"OtherZone" => "join a community of your own zone; `community list` lists them",
		"AlreadyMember" => {
			"`community of` shows where; whoever leaves is free when its last slot there is shared"
		}
		"NotAMember" => "`community show` lists the members",
		"CommunityFull" => "wait until a member has left, or ask for a community of your own",
		"DepositTooSmall" => "hold at least 1: give a larger --deposit",
		"NotEnoughMoney" => "look at `balance`, and hold less",
		"DepositNeeded" => {
			"take less: what may be charged for slots that have begun stays, and at least 1"
		}
		_ => return None,
	})
}

impl fmt::Display for DispatchFailure {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(&self.name)?;
		if !self.explanation.is_empty() {
			write!(f, ": {}", self.explanation)?;
		}
		Ok(())
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn rejection_is_named_when_the_pool_says_why() {
		let invalid = |data| Rejection::from_code(1010, "Invalid Transaction", data);
		assert_eq!(invalid("Custom error: 101"), Rejection::NotAParticipant);
		assert_eq!(invalid("Custom error: 102"), Rejection::Suspended);
		assert_eq!(invalid("Custom error: 7"), Rejection::Custom(7));
		assert_eq!(
			invalid("Inability to pay some fees (e.g. account balance too low)"),
			Rejection::Payment
		);
		assert_eq!(invalid("Transaction is outdated"), Rejection::Stale);
		assert_eq!(
			invalid("Custom error: 1000"),
			Rejection::Other("Invalid Transaction: Custom error: 1000".into())
		);
		assert_eq!(Rejection::from_code(1016, "Immediately Dropped", ""), Rejection::PoolFull);
		assert_eq!(
			Rejection::from_code(1002, "Verification Error", ""),
			Rejection::Other("Verification Error".into())
		);
	}

	#[test]
	fn error_of_the_market_comes_with_help() {
		let failure = |name: &str| DispatchFailure { name: name.into(), explanation: "..".into() };
		for name in [
			"MinimumTooLarge",
			"AlreadyExpired",
			"TooManySpecialOrders",
			"NotAnAgent",
			"AgencyExpired",
			"TooMuchEnergyForAgent",
			"AllowanceUsedUp",
			"NotEnoughFreeMoney",
			"StandingSlotsInvalid",
			"TooManyStandingOrders",
			"StandingOrderUnknown",
			"RecurrenceInvalid",
			"TooManyOffers",
			"OfferUnknown",
			"OwnOffer",
			"NotForYou",
			"WrongEnergyKind",
			"NotInOffer",
			"BelowMinimum",
			"MakerInactive",
			"MakerCannotPay",
			"ConditionsInCoupledZone",
			"RegionInvalid",
			"OtherRegion",
			"RegionTooSoon",
			"TooManyRegionVersions",
			"RegionUnknown",
			"CapacitiesInvalid",
			"NoTimeForProposals",
			"ProposalNotOptimal",
			"ProposalNotBetter",
			"ProposalLosesMoney",
			"SlotIsCoupled",
			"SlotUnknown",
			"TooLateToAnnul",
			"TermsPartsInvalid",
			"OwnAgent",
			"SlotLengthInvalid",
			"SlotLengthTooSoon",
			"SlotLengthChangePending",
			"ZoneInRegion",
			"SlotsDiffer",
		] {
			assert!(failure(&format!("EnergyMarket.{name}")).help().is_some(), "{name}");
		}
		assert_eq!(failure("EnergyMarket.Nonsense").help(), None);
		assert_eq!(failure("GateClosed").help(), None);
	}

	#[test]
	fn error_of_a_community_comes_with_help() {
		let failure = |name: &str| DispatchFailure { name: name.into(), explanation: "..".into() };
		for name in [
			"ZoneUnknown",
			"CommunityUnknown",
			"CommunityDissolved",
			"NotAllowed",
			"NotTheManager",
			"ManagerUnfit",
			"TooManyCommunities",
			"SlotBegun",
			"NoticeTooShort",
			"ChangePending",
			"TooManyInvitations",
			"InvitationUnknown",
			"KeyDiffers",
			"KeysExceedWhole",
			"NotAProsumer",
			"OtherZone",
			"AlreadyMember",
			"NotAMember",
			"CommunityFull",
			"DepositTooSmall",
			"NotEnoughMoney",
			"DepositNeeded",
		] {
			assert!(failure(&format!("Communities.{name}")).help().is_some(), "{name}");
		}
		assert_eq!(failure("Communities.Nonsense").help(), None);
		assert_ne!(
			failure("Communities.NotEnoughMoney").help(),
			failure("EnergyMarket.NotEnoughMoney").help()
		);
	}

	/// The texts above are the node's; they come from this conversion.
	#[test]
	fn rejection_knows_the_texts_of_the_node() {
		use sp_runtime::transaction_validity::InvalidTransaction as Invalid;
		for (invalid, rejection) in [
			(Invalid::Call, Rejection::Call),
			(Invalid::Payment, Rejection::Payment),
			(Invalid::Future, Rejection::Future),
			(Invalid::Stale, Rejection::Stale),
			(Invalid::BadProof, Rejection::BadProof),
			(Invalid::AncientBirthBlock, Rejection::Ancient),
			(Invalid::ExhaustsResources, Rejection::ExhaustsResources),
			(Invalid::BadSigner, Rejection::BadSigner),
		] {
			let data: &str = invalid.into();
			assert_eq!(Rejection::from_code(1010, "Invalid Transaction", data), rejection);
		}
	}
}
