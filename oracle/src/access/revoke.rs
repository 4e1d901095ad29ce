//! Revoking a token before its time (RFC 7009).

use std::sync::PoisonError;

use oracle_access::{
	audit::{Outcome, Record},
	issue::EndpointError,
	token::{Revocation, TokenError},
	Action, Kind, Principal, Resource,
};

use super::{Denied, Gate};

/// What is written of a token that its own client revokes, in the place of a policy.
const OWN_TOKEN: &str = "revokes-own-token";

/// Why a token is not revoked.
#[derive(Debug)]
pub enum RevokeError {
	/// The request is wrong, the client is not known, or the token is another client's.
	Endpoint(EndpointError),
	/// The bearer may not revoke it, or the decision cannot be kept.
	Denied(Denied),
	/// The keys of the token's issuer are not there, so that nobody can tell whose token it is.
	Unavailable,
	/// The revocation cannot be kept.
	NotKept,
}

impl From<EndpointError> for RevokeError {
	fn from(error: EndpointError) -> Self {
		Self::Endpoint(error)
	}
}

impl From<Denied> for RevokeError {
	fn from(denied: Denied) -> Self {
		Self::Denied(denied)
	}
}

impl Gate {
	/// Answers `POST /oauth/revoke`: the `Authorization` header and the body, a form. A client, which
	/// authenticates as for a token, may revoke its own tokens; whoever may write [`Kind::Access`],
	/// such a client or the bearer of such a token, those of others. When this returns `Ok` the
	/// revocation is on disk and in force, or there was nothing to revoke: a token that is no token,
	/// has expired or was revoked is no error (section 2.2).
	///
	/// # Errors
	/// See [`RevokeError`].
	pub async fn revoke(
		&self,
		authorization: Option<String>,
		body: Vec<u8>,
		request_id: &str,
	) -> Result<(), RevokeError> {
		let (endpoint, header) = (self.endpoint.clone(), authorization.clone());
		let read = move || endpoint.revocation(header.as_deref(), &body);
		let asked =
			tokio::task::spawn_blocking(read).await.unwrap_or(Err(EndpointError::Server))?;
		let mut resource = Resource::new(Kind::Access, "token");
		let (asker, is_client) = match asked.client {
			Some(client) => (client, true),
			None => {
				let header = authorization.as_deref();
				(self.principal(header, Action::Write, &resource, request_id).await?, false)
			}
		};
		let token = match self.verifier.verify(&asked.token).await {
			Ok(token) => token,
			Err(TokenError::KeysUnavailable) => return Err(RevokeError::Unavailable),
			Err(_nothing_to_revoke) => return Ok(()),
		};
		resource.id = format!("token-{}", token.token_id);
		if (&token.issuer, &token.subject) == (&asker.issuer, &asker.subject) {
			self.keep(own_token(&asker, &resource, request_id)).await?;
		} else if !self.decide(&asker, Action::Write, &resource, None, request_id).await? {
			return Err(match is_client {
				true => EndpointError::UnauthorizedClient.into(),
				false => Denied::Policy.into(),
			});
		}
		self.keep_revocation(token).await
	}

	/// Puts a token onto the list and into its file.
	async fn keep_revocation(&self, token: Principal) -> Result<(), RevokeError> {
		let Principal { issuer, token_id, expires_at, .. } = token;
		let revocation = Revocation::Token { issuer, token_id, expires_at };
		let (file, list) = (self.revocation_file.clone(), self.revocations.clone());
		let now = self.clock.now_seconds();
		let keep = move || {
			file.lock().unwrap_or_else(PoisonError::into_inner).revoke(revocation, &list, now)
		};
		match tokio::task::spawn_blocking(keep).await {
			Ok(Ok(())) => Ok(()),
			Ok(Err(error)) => {
				tracing::error!(%error, "a token cannot be revoked for good");
				Err(RevokeError::NotKept)
			}
			Err(_panicked) => Err(RevokeError::NotKept),
		}
	}
}

fn own_token(asker: &Principal, resource: &Resource, request_id: &str) -> Record {
	Record {
		principal: asker.id(),
		action: Action::Write.name().to_owned(),
		resource: format!("{}/{}", resource.kind, resource.id),
		outcome: Outcome::Allow,
		policies: vec![OWN_TOKEN.to_owned()],
		consent: None,
		request_id: request_id.to_owned(),
	}
}
