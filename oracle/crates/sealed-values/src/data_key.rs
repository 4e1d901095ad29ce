//! One data key: AES-256-GCM with the nonce and the authenticated data that it is given.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM};

use crate::{sealed::KeyId, secret::SecretKey};

/// Bytes of a nonce: 96 bits, as NIST SP 800-38D, section 5.2.1.1, recommends.
pub(crate) const NONCE_BYTES: usize = 12;

/// Bytes of a tag: the longest that GCM has.
pub(crate) const TAG_BYTES: usize = 16;

/// The cipher failed, or the tag does not fit; it does not tell more.
#[derive(Debug)]
pub(crate) struct CipherFailed;

/// A data key, ready for use. The cipher overwrites its copy of the key when dropped.
#[derive(Debug)]
pub(crate) struct DataKey {
	pub(crate) id: KeyId,
	cipher: LessSafeKey,
}

impl DataKey {
	pub(crate) fn new(id: KeyId, secret: &SecretKey) -> Self {
		let key = UnboundKey::new(&AES_256_GCM, secret.expose())
			.expect("the secret has the 32 bytes of AES-256; qed");
		Self { id, cipher: LessSafeKey::new(key) }
	}

	/// Encrypts. `ciphertext` is as long as `plaintext`.
	pub(crate) fn encrypt(
		&self,
		nonce: [u8; NONCE_BYTES],
		authenticated: impl AsRef<[u8]>,
		plaintext: &[u8],
		ciphertext: &mut [u8],
		tag: &mut [u8],
	) -> Result<(), CipherFailed> {
		self.cipher
			.seal_out_of_place_scatter(
				Nonce::assume_unique_for_key(nonce),
				Aad::from(authenticated),
				plaintext,
				ciphertext,
				&[],
				tag,
			)
			.map_err(|_error| CipherFailed)
	}

	/// Decrypts. `plaintext` is as long as `ciphertext`, and holds nothing of use after an error.
	pub(crate) fn decrypt(
		&self,
		nonce: [u8; NONCE_BYTES],
		authenticated: impl AsRef<[u8]>,
		ciphertext: &[u8],
		tag: &[u8],
		plaintext: &mut [u8],
	) -> Result<(), CipherFailed> {
		self.cipher
			.open_separate_gather(
				Nonce::assume_unique_for_key(nonce),
				Aad::from(authenticated),
				ciphertext,
				tag,
				plaintext,
			)
			.map_err(|_error| CipherFailed)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	/// A test case of "The Galois/Counter Mode of Operation (GCM)", McGrew and Viega, appendix B.
	struct Vector {
		key: &'static str,
		nonce: &'static str,
		authenticated: &'static str,
		plaintext: &'static str,
		ciphertext: &'static str,
		tag: &'static str,
	}

	const VECTORS: [Vector; 4] = [
		// Test case 13.
		Vector {
			key: "0000000000000000000000000000000000000000000000000000000000000000",
			nonce: "000000000000000000000000",
			authenticated: "",
			plaintext: "",
			ciphertext: "",
			tag: "530f8afbc74536b9a963b4f1c4cb738b",
		},
		// Test case 14.
		Vector {
			key: "0000000000000000000000000000000000000000000000000000000000000000",
			nonce: "000000000000000000000000",
			authenticated: "",
			plaintext: "00000000000000000000000000000000",
			ciphertext: "cea7403d4d606b6e074ec5d3baf39d18",
			tag: "d0d1c8a799996bf0265b98b5d48ab919",
		},
		// Test case 15.
		Vector {
			key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
			nonce: "cafebabefacedbaddecaf888",
			authenticated: "",
			plaintext: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
			            1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
			ciphertext: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
			             8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
			tag: "b094dac5d93471bdec1a502270e3cc6c",
		},
		// Test case 16.
		Vector {
			key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
			nonce: "cafebabefacedbaddecaf888",
			authenticated: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
			plaintext: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
			            1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
			ciphertext: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
			             8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
			tag: "76fc6ece0f4e1768cddf8853bb2d551b",
		},
	];

	fn bytes(digits: &str) -> Vec<u8> {
		hex::decode(digits).expect("hexadecimal")
	}

	#[test]
	fn aes_256_gcm_agrees_with_the_published_vectors() {
		for vector in VECTORS {
			let secret = SecretKey::filled(|key| hex::decode_to_slice(vector.key, key));
			let key = DataKey::new(KeyId(1), &secret.expect("a key of 32 bytes"));
			let nonce = bytes(vector.nonce).try_into().expect("a nonce of 12 bytes");
			let authenticated = bytes(vector.authenticated);
			let plaintext = bytes(vector.plaintext);

			let mut ciphertext = vec![0; plaintext.len()];
			let mut tag = [0; TAG_BYTES];
			key.encrypt(nonce, &authenticated, &plaintext, &mut ciphertext, &mut tag)
				.expect("it encrypts");
			assert_eq!(hex::encode(&ciphertext), vector.ciphertext);
			assert_eq!(hex::encode(tag), vector.tag);

			let mut opened = vec![0; ciphertext.len()];
			key.decrypt(nonce, &authenticated, &ciphertext, &tag, &mut opened)
				.expect("it decrypts");
			assert_eq!(opened, plaintext);
			tag[15] ^= 1;
			key.decrypt(nonce, &authenticated, &ciphertext, &tag, &mut opened)
				.expect_err("the tag was changed");
		}
	}
}
