//! Encryption at rest for the values of a key-value store that has no hook for it: a value is sealed
//! before it is written and opened after it was read.
//!
//! ```
//! # use sealed_values::{KeyFile, KeyRing, Place, SecretKey};
//! # use std::convert::Infallible;
//! # struct Store;
//! # impl Store { fn put_synced(&self, key: &[u8], value: &[u8]) -> Result<(), Infallible> { Ok(()) } }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let kek = KeyFile::from_secret(&SecretKey::random()?);
//! # let now_seconds = 1_700_000_000;
//! # let store = Store;
//! // `kek` comes from `KeyFile::open`; the store keeps the ring under a key of its own.
//! let write_synced = |bytes: &[u8]| store.put_synced(b"key ring", bytes);
//! let ring = KeyRing::generate(&kek, now_seconds)?; // or `from_bytes` of what the store has
//! ring.start_session(&kek, now_seconds, write_synced)?;
//!
//! let place = Place { column_family: "readings", key: b"zone 1, slot 2" };
//! let (mut sealed, mut value) = (Vec::new(), Vec::new());
//! ring.cipher().seal_into(place, b"4 kWh", &mut sealed)?;
//! ring.cipher().open_into(place, &sealed, &mut value)?;
//! assert_eq!(value, b"4 kWh");
//! # Ok(())
//! # }
//! ```
//!
//! # Keys
//!
//! | key | from | encrypts | changes |
//! |---|---|---|---|
//! | key-encryption key | [`KeyEncryptionKey`], such as a [`KeyFile`] | the two below | [`KeyRing::rewrap`] |
//! | data key, AES-256-GCM | random, wrapped in the ring | values | [`KeyRing::rotate`] |
//! | root secret | random, wrapped in the ring | nothing: derives the key of the ring's authentication code and that of [`MeterBlinding`] | never |
//!
//! To retire a data key: [`rotate`](KeyRing::rotate), [`reseal`](ValueCipher::reseal_into) each value
//! of the store, count with [`usage`](KeyRing::usage), and [`drop`](KeyRing::drop_key) what is
//! unused. All of it happens while values are sealed and opened.
//!
//! # A sealed value
//!
//! Version 1 byte, id of the data key 4 bytes (big-endian), nonce 12 bytes, ciphertext as long as the
//! value, tag 16 bytes. The tag also covers version, key id, column family and store key, each of the
//! last two after its length, so a value opens at its own [`Place`] only.
//!
//! # Why a nonce never repeats
#![doc = include_str!("nonces.md")]
//! # What it does not do
//!
//! It hides neither how long a value is nor that it is there. Whoever can write to the disk can
//! remove a value or put back an older one of the same place, and this goes unnoticed; nothing in
//! the store can tell it.
#![forbid(unsafe_code)]

mod blinding;
mod cipher;
mod data_key;
mod kek;
mod key_file;
mod place;
mod private_file;
mod record;
mod ring;
mod sealed;
mod secret;
mod session;
mod usage;

pub use blinding::{MeterBlinding, BLINDED_METER_BYTES};
pub use cipher::{OpenError, ResealError, SealError, ValueCipher};
pub use kek::{KekError, KeyEncryptionKey, MAX_KEK_ID_BYTES, MAX_WRAPPED_BYTES};
pub use key_file::{KeyFile, KeyFileError};
pub use place::{Place, PlaceTooLong, MAX_PLACE_BYTES};
pub use private_file::{read_private, PrivateFileError};
pub use record::{RecordError, MAX_DATA_KEYS, RING_VERSION};
pub use ring::{ChangeError, KeyInfo, KeyRing, RingError, SecretName};
pub use sealed::{key_id_of, KeyId, LayoutError, MAX_VALUE_BYTES, OVERHEAD_BYTES, SEALED_VERSION};
pub use secret::{RandomFailed, SecretKey, SECRET_BYTES};
pub use session::{MAX_BLOCKS_PER_SESSION, MAX_SESSIONS_PER_KEY};
pub use usage::KeyUsage;
