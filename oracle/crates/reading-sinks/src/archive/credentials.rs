//! The keys for S3, out of files.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use object_store::{aws::AwsCredential, CredentialProvider, Error, Result};
use oracle_source::read_password;

/// An access key whose secret is read for every request, so that a renewed one counts at once.
#[derive(Debug)]
pub(super) struct AccessKey {
	pub(super) id: String,
	pub(super) secret_file: PathBuf,
}

#[async_trait]
impl CredentialProvider for AccessKey {
	type Credential = AwsCredential;

	async fn get_credential(&self) -> Result<Arc<AwsCredential>> {
		let secret = read_password(&self.secret_file).map_err(|error| {
			let file = self.secret_file.display().to_string();
			Error::Unauthenticated { path: file, source: Box::new(error) }
		})?;
		Ok(Arc::new(AwsCredential {
			key_id: self.id.clone(),
			secret_key: secret.as_str().to_owned(),
			token: None,
		}))
	}
}
