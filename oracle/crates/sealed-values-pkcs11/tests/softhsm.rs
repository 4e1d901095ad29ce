//! A key-encryption key on SoftHSM 2 (Debian package `softhsm2`). `SOFTHSM2_MODULE` names the library
//! if it is elsewhere.

use std::{
	env,
	fs::{self, Permissions},
	os::unix::fs::PermissionsExt,
	path::{Path, PathBuf},
	sync::{Mutex, OnceLock, PoisonError},
	thread,
};

use cryptoki::{
	context::{CInitializeArgs, CInitializeFlags, Pkcs11},
	error::{Error, RvError},
	mechanism::Mechanism,
	object::{Attribute, AttributeType, ObjectClass},
	session::{Session, UserType},
	slot::Slot,
	types::AuthPin,
};
use sealed_values::{KekError, KeyEncryptionKey, KeyRing, Place, RingError, SecretKey};
use sealed_values_pkcs11::{PinFileError, Pkcs11Error, Pkcs11Key, Pkcs11Settings};
use tempfile::TempDir;

const PIN: &str = "correct-horse-4711";
const OTHER_PIN: &str = "battery-staple-0815";
const OFFICER_PIN: &str = "officer-pin-1234";
const CONTEXT: &[u8] = b"data key 1";

/// The tests' own SoftHSM, which starts with an empty folder.
struct SoftHsm {
	module: PathBuf,
	library: Pkcs11,
	_folder: TempDir,
}

fn softhsm() -> &'static SoftHsm {
	static SOFTHSM: OnceLock<SoftHsm> = OnceLock::new();
	SOFTHSM.get_or_init(|| {
		let folder = TempDir::new().expect("a folder");
		let configuration = folder.path().join("softhsm2.conf");
		let tokens = folder.path().join("tokens");
		fs::create_dir(&tokens).expect("a folder");
		let content = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
		fs::write(&configuration, content).expect("a file");
		env::set_var("SOFTHSM2_CONF", &configuration);

		let module = env::var_os("SOFTHSM2_MODULE")
			.map_or_else(|| PathBuf::from("/usr/lib/softhsm/libsofthsm2.so"), PathBuf::from);
		let library = Pkcs11::new(&module).expect("SoftHSM 2 is installed");
		match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
			Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
			Err(error) => panic!("SoftHSM does not start: {error}"),
		}
		SoftHsm { module, library, _folder: folder }
	})
}

/// A token of one test, and a PIN file.
struct Token {
	slot: Slot,
	settings: Pkcs11Settings,
	folder: TempDir,
}

impl Token {
	fn new(label: &str) -> Self {
		static FREE_SLOT: Mutex<()> = Mutex::new(());
		let guard = FREE_SLOT.lock().unwrap_or_else(PoisonError::into_inner);
		let library = &softhsm().library;
		let slots = library.get_all_slots().expect("slots");
		let is_free =
			|slot: &Slot| !library.get_token_info(*slot).expect("information").token_initialized();
		let slot = slots.into_iter().find(is_free).expect("a free slot");
		let officer = AuthPin::new(OFFICER_PIN.into());
		library.init_token(slot, &officer, label).expect("a token");
		{
			let session = library.open_rw_session(slot).expect("a session");
			session.login(UserType::So, Some(&officer)).expect("a login");
			session.init_pin(&AuthPin::new(PIN.into())).expect("a PIN");
		}
		drop(guard);

		let folder = TempDir::new().expect("a folder");
		let settings = Pkcs11Settings {
			module: softhsm().module.clone(),
			token_label: label.to_owned(),
			key_label: "store".to_owned(),
			pin_file: folder.path().join("pin"),
		};
		write_pin(&settings.pin_file, &format!("{PIN}\n"), 0o600);
		Self { slot, settings, folder }
	}

	fn generate(&self) -> Pkcs11Key {
		Pkcs11Key::generate(&self.settings).expect("a key")
	}

	fn session(&self) -> Session {
		let session = softhsm().library.open_rw_session(self.slot).expect("a session");
		match session.login(UserType::User, Some(&AuthPin::new(PIN.into()))) {
			Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => session,
			Err(error) => panic!("no login: {error}"),
		}
	}

	/// Makes a key that is as it should be but for some attributes.
	fn add_key(&self, changes: &[Attribute]) {
		let mut template = vec![
			Attribute::Class(ObjectClass::SECRET_KEY),
			Attribute::Label(b"store".to_vec()),
			Attribute::ValueLen(32.into()),
			Attribute::Id(vec![7]),
			Attribute::Token(true),
			Attribute::Sensitive(true),
			Attribute::Extractable(false),
			Attribute::Encrypt(true),
			Attribute::Decrypt(true),
		];
		for change in changes {
			let kind = change.attribute_type();
			template.retain(|attribute| attribute.attribute_type() != kind);
			template.push(change.clone());
		}
		self.session().generate_key(&Mechanism::AesKeyGen, &template).expect("a key");
	}

	/// Closes every session of this process with the token, which also logs out.
	fn lose_sessions(&self) {
		// SAFETY: the library is loaded and initialized, and the function takes a number.
		let code = unsafe {
			let library = cryptoki_sys::Pkcs11::new(&softhsm().module).expect("the library");
			library.C_CloseAllSessions(self.slot.id())
		};
		assert_eq!(code, cryptoki_sys::CKR_OK);
	}
}

fn write_pin(path: &Path, content: &str, mode: u32) {
	fs::write(path, content).expect("a file");
	fs::set_permissions(path, Permissions::from_mode(mode)).expect("the owner's file");
}

fn secret() -> SecretKey {
	SecretKey::random().expect("random bytes")
}

/// The error of the token under a key's error.
fn cause(error: KekError) -> Pkcs11Error {
	match error {
		KekError::Unavailable(cause) => *cause.downcast().expect("the token's error"),
		other => panic!("not {other:?}"),
	}
}

fn assert_without_pin(shown: &str) {
	for pin in [PIN, OTHER_PIN, OFFICER_PIN] {
		assert!(!shown.contains(pin), "{shown}");
	}
}

fn refusal(settings: &Pkcs11Settings) -> Pkcs11Error {
	let error = Pkcs11Key::open(settings).expect_err("it is refused");
	assert_without_pin(&format!("{error} {error:?}"));
	error
}

#[test]
fn a_secret_comes_back_also_after_the_key_is_opened_again() {
	let token = Token::new("round trip");
	let key = token.generate();
	assert!(key.id().starts_with("pkcs11:token=round%20trip;id=%"), "{}", key.id());
	let secret = secret();
	let wrapped = key.wrap(&secret, CONTEXT).expect("it wraps");
	assert_eq!(wrapped.len(), 12 + 32 + 16);
	assert!(!wrapped.windows(32).any(|bytes| bytes == secret.expose()), "it is encrypted");
	assert_ne!(wrapped, key.wrap(&secret, CONTEXT).expect("it wraps"), "a nonce is used once");
	assert!(key.unwrap(&wrapped, CONTEXT).expect("it unwraps").matches(&secret));

	let id = key.id().to_owned();
	drop(key);
	let key = Pkcs11Key::open(&token.settings).expect("it opens");
	assert_eq!(key.id(), id);
	assert!(key.unwrap(&wrapped, CONTEXT).expect("it unwraps").matches(&secret));
	let empty = key.wrap(&secret, b"").expect("it wraps without a context");
	assert!(key.unwrap(&empty, b"").expect("it unwraps").matches(&secret));
}

#[test]
fn every_changed_bit_every_other_length_and_context_is_refused() {
	let token = Token::new("tampered");
	let key = token.generate();
	let wrapped = key.wrap(&secret(), CONTEXT).expect("it wraps");
	let refuses = |wrapped: &[u8], context: &[u8]| {
		matches!(key.unwrap(wrapped, context), Err(KekError::NotAuthentic))
	};
	for index in 0..wrapped.len() {
		let mut changed = wrapped.clone();
		changed[index] ^= 1 << (index % 8);
		assert!(refuses(&changed, CONTEXT), "byte {index}");
	}
	for length in [0, 11, 12, 28, wrapped.len() - 1] {
		assert!(refuses(&wrapped[..length], CONTEXT), "{length} bytes");
	}
	assert!(refuses(&[wrapped.as_slice(), &[0]].concat(), CONTEXT), "a byte more");
	for context in [&b"data key 2"[..], b"", b"data key 1 "] {
		assert!(refuses(&wrapped, context), "{context:?}");
	}
	assert!(key.unwrap(&wrapped, CONTEXT).is_ok(), "it goes on");

	let other = Pkcs11Settings { key_label: "other".to_owned(), ..token.settings.clone() };
	let other = Pkcs11Key::generate(&other).expect("another key");
	assert_ne!(other.id(), key.id());
	assert!(matches!(other.unwrap(&wrapped, CONTEXT), Err(KekError::NotAuthentic)));
}

#[test]
fn a_key_ring_is_generated_stored_and_opened_again() {
	let token = Token::new("ring");
	let place = Place { column_family: "readings", key: b"zone 1, slot 2" };
	let (mut stored, mut sealed, mut value) = (Vec::new(), Vec::new(), Vec::new());
	{
		let key = token.generate();
		let ring = KeyRing::generate(&key, 1).expect("a ring");
		let keep = |bytes: &[u8]| {
			stored = bytes.to_vec();
			Ok::<_, std::convert::Infallible>(())
		};
		ring.start_session(&key, 1, keep).expect("a session");
		ring.cipher().seal_into(place, b"4 kWh", &mut sealed).expect("it seals");
	}
	let key = Pkcs11Key::open(&token.settings).expect("it opens");
	let ring = KeyRing::from_bytes(&stored, &key).expect("the ring");
	ring.cipher().open_into(place, &sealed, &mut value).expect("the value");
	assert_eq!(value, b"4 kWh");

	let other = Pkcs11Settings { key_label: "other".to_owned(), ..token.settings.clone() };
	let other = Pkcs11Key::generate(&other).expect("another key");
	let refused = KeyRing::from_bytes(&stored, &other).err();
	assert!(matches!(refused, Some(RingError::OtherKek { .. })), "{refused:?}");
}

#[test]
fn a_new_key_cannot_be_read_or_used_otherwise() {
	let token = Token::new("attributes");
	let key = token.generate();
	let session = token.session();
	let found = session.find_objects(&[Attribute::Label(b"store".to_vec())]).expect("objects");
	let [object] = found.as_slice() else { panic!("{found:?}") };
	let asked = [
		(AttributeType::Sensitive, Attribute::Sensitive(true)),
		(AttributeType::AlwaysSensitive, Attribute::AlwaysSensitive(true)),
		(AttributeType::Extractable, Attribute::Extractable(false)),
		(AttributeType::NeverExtractable, Attribute::NeverExtractable(true)),
		(AttributeType::Private, Attribute::Private(true)),
		(AttributeType::Modifiable, Attribute::Modifiable(false)),
		(AttributeType::Wrap, Attribute::Wrap(false)),
		(AttributeType::Unwrap, Attribute::Unwrap(false)),
		(AttributeType::Sign, Attribute::Sign(false)),
		(AttributeType::Derive, Attribute::Derive(false)),
	];
	for (kind, expected) in asked {
		let attributes = session.get_attributes(*object, &[kind]).expect("attributes");
		assert_eq!(attributes, [expected]);
	}
	let value = session.get_attributes(*object, &[AttributeType::Value]).expect("no failure");
	assert_eq!(value, [], "the key can be read");

	let error = Pkcs11Key::generate(&token.settings).expect_err("there is one");
	assert!(matches!(error, Pkcs11Error::KeyExists { .. }), "{error}");
	assert!(key.wrap(&secret(), CONTEXT).is_ok(), "the key is as it was");
}

#[test]
fn a_key_that_is_absent_double_or_unfit_is_refused() {
	let token = Token::new("keys");
	assert!(matches!(refusal(&token.settings), Pkcs11Error::KeyAbsent { .. }));
	token.add_key(&[]);
	Pkcs11Key::open(&token.settings).expect("one key");
	token.add_key(&[Attribute::Id(vec![8])]);
	assert!(matches!(refusal(&token.settings), Pkcs11Error::KeyAmbiguous { count: 2, .. }));

	let unfit = [
		(Attribute::Extractable(true), "CKA_EXTRACTABLE"),
		(Attribute::Sensitive(false), "CKA_SENSITIVE"),
		(Attribute::ValueLen(16.into()), "32 bytes"),
		(Attribute::Decrypt(false), "CKA_DECRYPT"),
		(Attribute::Id(Vec::new()), "CKA_ID"),
	];
	for (index, (change, part)) in unfit.into_iter().enumerate() {
		let key_label = format!("unfit {index}");
		token.add_key(&[change, Attribute::Label(key_label.clone().into_bytes())]);
		let settings = Pkcs11Settings { key_label, ..token.settings.clone() };
		let Pkcs11Error::KeyUnfit { reason, .. } = refusal(&settings) else { panic!("{part}") };
		assert!(reason.contains(part), "{reason}");
	}
}

#[test]
fn a_module_or_token_that_is_absent_or_double_is_refused() {
	let token = Token::new("double");
	token.generate();
	let with_module = |module: PathBuf| Pkcs11Settings { module, ..token.settings.clone() };
	for module in [token.folder.path().join("absent.so"), token.settings.pin_file.clone()] {
		let error = refusal(&with_module(module.clone()));
		assert!(matches!(error, Pkcs11Error::Module { .. }), "{error}");
		assert!(error.to_string().contains(&module.display().to_string()), "{error}");
	}
	let settings = Pkcs11Settings { token_label: "nowhere".to_owned(), ..token.settings.clone() };
	assert!(matches!(refusal(&settings), Pkcs11Error::TokenAbsent { .. }));
	let _another = Token::new("double");
	assert!(matches!(refusal(&token.settings), Pkcs11Error::TokenAmbiguous { count: 2, .. }));
}

#[test]
fn a_pin_file_that_is_wrong_is_refused_and_never_shown() {
	let token = Token::new("pin");
	let key = token.generate();
	assert_without_pin(&format!("{key:?} {:?}", token.settings));
	drop(key);
	let path = &token.settings.pin_file;
	write_pin(path, OTHER_PIN, 0o600);
	assert!(matches!(refusal(&token.settings), Pkcs11Error::PinRefused { .. }));
	for mode in [0o644, 0o640, 0o604, 0o620] {
		write_pin(path, PIN, mode);
		let error = refusal(&token.settings);
		let expected = |found| found == mode;
		assert!(
			matches!(error, Pkcs11Error::PinFile(PinFileError::OpenToOthers { mode, .. }) if expected(mode)),
			"{error}"
		);
	}
	write_pin(path, &format!("{PIN}\n{PIN}"), 0o600);
	let error = refusal(&token.settings);
	assert!(matches!(error, Pkcs11Error::PinFile(PinFileError::Malformed { .. })), "{error}");
	fs::remove_file(path).expect("a file");
	let error = refusal(&token.settings);
	assert!(matches!(error, Pkcs11Error::PinFile(PinFileError::Unreadable { .. })), "{error}");
	fs::create_dir(path).expect("a folder");
	let error = refusal(&token.settings);
	assert!(matches!(error, Pkcs11Error::PinFile(PinFileError::NotAFile { .. })), "{error}");
}

#[test]
fn a_lost_session_is_opened_again() {
	let token = Token::new("lost");
	let key = token.generate();
	let secret = secret();
	let wrapped = key.wrap(&secret, CONTEXT).expect("it wraps");
	token.lose_sessions();
	assert!(key.unwrap(&wrapped, CONTEXT).expect("it unwraps").matches(&secret));
	token.lose_sessions();
	key.wrap(&secret, CONTEXT).expect("it wraps");
	token.session().logout().expect("a logout of the whole process");
	assert!(key.unwrap(&wrapped, CONTEXT).expect("it unwraps").matches(&secret));

	// As long as the PIN is away it says so, and it goes on when it is back.
	token.lose_sessions();
	fs::remove_file(&token.settings.pin_file).expect("a file");
	for _attempt in 0..2 {
		let error = cause(key.wrap(&secret, CONTEXT).expect_err("no PIN"));
		assert!(matches!(error, Pkcs11Error::PinFile(PinFileError::Unreadable { .. })), "{error}");
	}
	write_pin(&token.settings.pin_file, PIN, 0o600);
	assert!(key.unwrap(&wrapped, CONTEXT).expect("it unwraps").matches(&secret));
}

#[test]
fn a_refused_pin_is_not_tried_again() {
	let token = Token::new("refused");
	let key = token.generate();
	token.lose_sessions();
	write_pin(&token.settings.pin_file, OTHER_PIN, 0o600);
	let error = cause(key.wrap(&secret(), CONTEXT).expect_err("the PIN is wrong"));
	assert!(matches!(error, Pkcs11Error::PinRefused { .. }), "{error}");
	write_pin(&token.settings.pin_file, PIN, 0o600);
	let error = cause(key.wrap(&secret(), CONTEXT).expect_err("it does not try"));
	assert!(matches!(error, Pkcs11Error::PinRefusedBefore { .. }), "{error}");
	assert_without_pin(&format!("{error} {error:?} {key:?}"));
	Pkcs11Key::open(&token.settings).expect("it opens").wrap(&secret(), CONTEXT).expect("it wraps");
}

#[test]
fn another_key_under_the_label_is_found_out_after_a_lost_session() {
	let token = Token::new("exchanged");
	token.add_key(&[]);
	let key = Pkcs11Key::open(&token.settings).expect("a key");
	{
		let session = token.session();
		let found = session.find_objects(&[Attribute::Label(b"store".to_vec())]).expect("objects");
		session.destroy_object(found[0]).expect("it is destroyed");
	}
	let error = cause(key.wrap(&secret(), CONTEXT).expect_err("no key"));
	assert!(matches!(error, Pkcs11Error::KeyAbsent { .. }), "{error}");
	token.add_key(&[Attribute::Id(vec![8])]);
	let error = cause(key.wrap(&secret(), CONTEXT).expect_err("another key"));
	assert!(matches!(error, Pkcs11Error::OtherKey { .. }), "{error}");
}

#[test]
fn threads_share_a_key() {
	let token = Token::new("threads");
	let key = token.generate();
	thread::scope(|scope| {
		for thread in 0_u8..4 {
			let key = &key;
			scope.spawn(move || {
				for _round in 0..20 {
					let secret = secret();
					let wrapped = key.wrap(&secret, &[thread]).expect("it wraps");
					assert!(key.unwrap(&wrapped, &[thread]).expect("it unwraps").matches(&secret));
				}
			});
		}
	});
}
