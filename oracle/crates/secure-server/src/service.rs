//! The router as hyper calls it.

use std::{
	convert::Infallible,
	future::Future,
	pin::Pin,
	sync::{
		atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
		Arc,
	},
	task::{ready, Context, Poll},
};

use axum::{body::Body, routing::future::RouteFuture, Router};
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service as _;

use crate::identity::{PeerAddress, PeerIdentity};

/// What happens on one connection, to tell an idle one.
#[derive(Debug, Default)]
pub(crate) struct Activity {
	started: AtomicU64,
	in_progress: AtomicUsize,
}

impl Activity {
	/// Requests begun so far, or `None` while one is in progress.
	pub(crate) fn idle_since(&self) -> Option<u64> {
		(self.in_progress.load(Relaxed) == 0).then(|| self.started.load(Relaxed))
	}
}

/// One request in progress.
pub(crate) struct InProgress(Arc<Activity>);

impl Drop for InProgress {
	fn drop(&mut self) {
		self.0.in_progress.fetch_sub(1, Relaxed);
	}
}

/// One connection's view of the router.
pub(crate) struct ConnectionService {
	pub(crate) router: Router,
	pub(crate) address: PeerAddress,
	pub(crate) identity: Option<PeerIdentity>,
	pub(crate) activity: Arc<Activity>,
}

impl hyper::service::Service<Request<Incoming>> for ConnectionService {
	type Response = Response<CountedBody>;
	type Error = Infallible;
	type Future = Responding;

	fn call(&self, mut request: Request<Incoming>) -> Responding {
		request.extensions_mut().insert(self.address);
		if let Some(identity) = &self.identity {
			request.extensions_mut().insert(identity.clone());
		}
		self.activity.started.fetch_add(1, Relaxed);
		self.activity.in_progress.fetch_add(1, Relaxed);
		let in_progress = InProgress(self.activity.clone());
		let response = self.router.clone().call(request.map(Body::new));
		Responding { response, in_progress: Some(in_progress) }
	}
}

pin_project! {
	/// A response in the making.
	pub(crate) struct Responding {
		#[pin]
		response: RouteFuture<Infallible>,
		in_progress: Option<InProgress>,
	}
}

impl Future for Responding {
	type Output = Result<Response<CountedBody>, Infallible>;

	fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
		let this = self.project();
		let response = match ready!(this.response.poll(context)) {
			Ok(response) => response,
			Err(never) => match never {},
		};
		let in_progress = this.in_progress.take();
		Poll::Ready(Ok(response.map(|body| CountedBody { body, _in_progress: in_progress })))
	}
}

/// A response body; its request counts as in progress until it is dropped.
pub(crate) struct CountedBody {
	body: Body,
	_in_progress: Option<InProgress>,
}

impl HttpBody for CountedBody {
	type Data = Bytes;
	type Error = axum::Error;

	fn poll_frame(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
	) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
		Pin::new(&mut self.body).poll_frame(context)
	}

	fn is_end_stream(&self) -> bool {
		self.body.is_end_stream()
	}

	fn size_hint(&self) -> SizeHint {
		self.body.size_hint()
	}
}
