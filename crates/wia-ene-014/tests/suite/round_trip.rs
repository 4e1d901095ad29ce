//! What must hold for any bytes whatsoever; the fuzz target runs this very file.

use wia_ene_014::{
	signing_bytes, CanonicalMessage, Message, SignedMessage, MAX_LEAF_BYTES, MAX_SIGNING_BYTES,
};

/// Parses the document. The quick way gives what the general reader gives. What parses, prints and parses again to the same message; what has
/// canonical bytes, decodes from them; what has a signature, decodes from its leaf.
pub fn assert_round_trip(document: &[u8]) {
	let general = Message::parse(document).and_then(|message| SignedMessage::try_from(&message));
	assert_eq!(SignedMessage::parse(document), general);

	let Ok(message) = Message::parse(document) else { return };
	let printed = message.to_json();
	assert_eq!(Message::parse(printed.as_bytes()).as_ref(), Ok(&message));

	let Ok(canonical) = message.canonical() else { return };
	let bytes = signing_bytes(&canonical);
	assert!(bytes.len() <= MAX_SIGNING_BYTES);
	assert_eq!(CanonicalMessage::from_signing_bytes(&bytes).as_ref(), Ok(&canonical));
	if let Ok(energy) = canonical.energy_in(0, u64::MAX) {
		assert!(energy.covered_seconds <= canonical.intervals.len() as u64 * 86_400);
	}

	let Ok(signed) = general else { return };
	let leaf = signed.leaf_bytes();
	assert!(leaf.len() <= MAX_LEAF_BYTES);
	assert_eq!(SignedMessage::from_leaf_bytes(&leaf).as_ref(), Ok(&signed));
}
