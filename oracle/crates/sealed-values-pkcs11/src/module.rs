//! The PKCS#11 libraries of this process.

use std::{
	collections::BTreeMap,
	path::{Path, PathBuf},
	sync::{Mutex, PoisonError},
};

use cryptoki::{
	context::{CInitializeArgs, CInitializeFlags, Pkcs11},
	error::{Error, RvError},
};

use crate::error::Pkcs11Error;

/// Kept for the life of the process: unloading an initialized library takes away what its threads
/// and exit handlers run.
static LOADED: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

/// The library at the path, loaded and initialized.
pub(crate) fn load(path: &Path) -> Result<Pkcs11, Pkcs11Error> {
	let failed = |source| Pkcs11Error::Module { path: path.to_owned(), source };
	let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
	let module = match loaded.get(path) {
		Some(module) => module.clone(),
		None => Pkcs11::new(path).map_err(failed)?,
	};
	match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
		Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
		Err(error) => return Err(failed(error)),
	}
	loaded.insert(path.to_owned(), module.clone());
	Ok(module)
}
