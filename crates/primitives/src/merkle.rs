//! The tree over the signed readings behind one page of an attestation.
//!
//! Leaves are [`SignedMessage::leaf_bytes`](wia_ene_014::canonical::SignedMessage::leaf_bytes) in
//! ascending order of (meter index, first interval); hash is BLAKE2b-256. The tree is that of the
//! `binary-merkle-tree` crate: an odd node is promoted. A leaf is longer than two hashes and starts with a
//! domain of its own, so that no inner node passes for a leaf.

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;
use sp_core::H256;
use sp_runtime::traits::BlakeTwo256;

/// The most nodes on a path: a page has fewer than 2^24 readings.
pub const MAX_PATH: u32 = 24;

/// The way from one reading to the root of its page.
#[derive(
	Clone,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	TypeInfo,
	serde::Serialize,
	serde::Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct MerklePath {
	/// The place of the reading among the leaves.
	pub leaf_index: u32,
	/// How many leaves there are.
	pub leaf_count: u32,
	/// The neighbours on the way up, from the leaf.
	pub siblings: Vec<H256>,
}

/// The root over the leaves; the zero hash where there are none.
pub fn root(leaves: &[Vec<u8>]) -> H256 {
	binary_merkle_tree::merkle_root::<BlakeTwo256, _>(leaves)
}

/// The path of the leaf at `leaf_index`, or `None` if there is no such leaf.
pub fn path(leaves: &[Vec<u8>], leaf_index: u32) -> Option<MerklePath> {
	let leaf_count = u32::try_from(leaves.len()).ok()?;
	if leaf_index >= leaf_count {
		return None;
	}
	let proof = binary_merkle_tree::merkle_proof::<BlakeTwo256, _, _>(leaves, leaf_index);
	Some(MerklePath { leaf_index, leaf_count, siblings: proof.proof })
}

impl MerklePath {
	/// Whether the path leads from `leaf` to `root`.
	pub fn verify(&self, root: &H256, leaf: &[u8]) -> bool {
		self.leaf_index < self.leaf_count
			&& binary_merkle_tree::verify_proof::<BlakeTwo256, _, _>(
				root,
				self.siblings.iter().copied(),
				self.leaf_count,
				self.leaf_index,
				&leaf,
			)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn leaves(count: u32) -> Vec<Vec<u8>> {
		(0..count).map(|number| [&[7u8; 80][..], &number.encode()].concat()).collect()
	}

	#[test]
	fn every_leaf_verifies_and_no_other_does() {
		for count in 1..40 {
			let leaves = leaves(count);
			let root = root(&leaves);
			for index in 0..count {
				let path = path(&leaves, index).expect("the leaf is there");
				assert!(path.siblings.len() <= MAX_PATH as usize);
				for (other, leaf) in leaves.iter().enumerate() {
					assert_eq!(path.verify(&root, leaf), other == index as usize);
				}
				let mut wrong = path.clone();
				wrong.leaf_index = (index + 1) % count;
				assert_eq!(wrong.verify(&root, &leaves[index as usize]), count == 1);
			}
		}
	}

	#[test]
	fn path_is_none_when_the_leaf_is_not_there() {
		assert_eq!(path(&leaves(3), 3), None);
		assert_eq!(path(&[], 0), None);
		assert_eq!(root(&[]), H256::zero());
	}
}
