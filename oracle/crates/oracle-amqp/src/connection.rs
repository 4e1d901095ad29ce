//! A connection to the broker with one consumer.

use std::{future::poll_fn, io, pin::Pin, time::Duration};

use async_rs::{util::RuntimeParts, Runtime, Tokio};
use futures_core::Stream;
use lapin::{
	auth::AuthProvider,
	message::Delivery,
	options::{
		BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions,
		QueueDeclareOptions,
	},
	tcp::AsyncTcpStream,
	types::{AMQPValue, FieldTable, LongString, ShortString},
	uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
	Channel, ConnectionProperties, Consumer,
};
use oracle_source::{read_password, ConfigurationError};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::{
	configuration::{Identity, Settings},
	transport::{Connector, Network},
};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
	#[error("{0}")]
	Broker(#[from] lapin::Error),
	#[error("{0}")]
	Files(#[from] ConfigurationError),
	#[error("the password cannot be read: {0}")]
	Password(io::Error),
	#[error("the broker does not answer within {0:?}")]
	Silent(Duration),
	#[error("the broker has ended the consumer")]
	Cancelled,
	#[error("the connection is closed")]
	Closed,
}

/// The name and the password, wiped when it is dropped.
struct Password {
	username: String,
	password: Zeroizing<String>,
}

impl AuthProvider for Password {
	fn mechanism(&self) -> ShortString {
		"PLAIN".into()
	}

	fn auth_starter(&self) -> Result<LongString, String> {
		Ok(format!("\0{}\0{}", self.username, self.password.as_str()).into())
	}
}

/// The certificate says who this is.
struct External;

impl AuthProvider for External {}

/// A connection whose consumer the broker has confirmed.
pub(crate) struct Connection {
	connection: lapin::Connection,
	channel: Channel,
	consumer: Consumer,
	patience: Duration,
}

impl Connection {
	/// Connects, declares what is asked for, and begins to consume.
	pub(crate) async fn open(settings: &Settings) -> Result<Self, Lost> {
		let connector = Connector::new(settings)?;
		let properties =
			ConnectionProperties::default().with_connection_name(settings.consumer_name[..].into());
		let properties = match &settings.identity {
			Identity::Certificate => properties.with_auth_provider(External),
			Identity::Password { username, password_file } => {
				let password = read_password(password_file).map_err(Lost::Password)?;
				let username = username.clone();
				properties.with_auth_provider(Password { username, password })
			}
		};
		let tokio = Tokio::current();
		let runtime = Runtime::new(RuntimeParts::new(tokio.clone(), Network(tokio)));
		let patience = settings.connect_timeout;
		let connect = async move |_: AMQPUri, _: Runtime<_>| {
			let opened = timeout(patience, connector.clone().open()).await;
			let transport =
				opened.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))?;
			Ok(AsyncTcpStream::Plain(transport))
		};
		let connection =
			lapin::Connection::connector(uri(settings), runtime, connect, properties).await?;
		let channel = connection.create_channel().await?;
		channel.basic_qos(settings.prefetch_messages, BasicQosOptions::default()).await?;
		declare(settings, &channel).await?;
		let consumer = channel
			.basic_consume(
				settings.queue[..].into(),
				// The broker gives it one that nobody else has.
				"".into(),
				BasicConsumeOptions::default(),
				FieldTable::default(),
			)
			.await?;
		tracing::info!(
			host = settings.broker.host,
			port = settings.broker.port,
			queue = settings.queue,
			"consuming"
		);
		Ok(Self { connection, channel, consumer, patience })
	}

	/// The next message. May be dropped at any time and called again.
	pub(crate) async fn next(&mut self) -> Result<Delivery, Lost> {
		let consumer = &mut self.consumer;
		match poll_fn(|context| Pin::new(&mut *consumer).poll_next(context)).await {
			Some(delivery) => Ok(delivery?),
			None => Err(Lost::Cancelled),
		}
	}

	/// Acknowledges this message and all before it.
	pub(crate) async fn acknowledge(&self, delivery_tag: u64) -> Result<(), Lost> {
		let sent = self.channel.basic_ack(delivery_tag, BasicAckOptions { multiple: true });
		Ok(timeout(self.patience, sent).await.map_err(|_| Lost::Silent(self.patience))??)
	}

	/// For as long as nothing is asked of the connection.
	pub(crate) fn check(&self) -> Result<(), Lost> {
		match self.connection.status().connected() && self.channel.status().connected() {
			true => Ok(()),
			false => Err(Lost::Closed),
		}
	}

	/// Says goodbye. What is not acknowledged goes back to the queue.
	pub(crate) async fn close(self) -> Result<(), Lost> {
		Ok(self.connection.close(200, "stopped".into()).await?)
	}
}

/// The user is told by the [`AuthProvider`], so that it is in no text.
fn uri(settings: &Settings) -> AMQPUri {
	AMQPUri {
		scheme: AMQPScheme::AMQP,
		authority: AMQPAuthority {
			userinfo: AMQPUserInfo { username: String::new(), password: String::new() },
			host: settings.broker.host.clone(),
			port: settings.broker.port,
		},
		vhost: settings.virtual_host.clone(),
		query: AMQPQueryString {
			heartbeat: Some(settings.heartbeat_seconds),
			..AMQPQueryString::default()
		},
	}
}

async fn declare(settings: &Settings, channel: &Channel) -> Result<(), Lost> {
	let Some(queue_type) = settings.declare else { return Ok(()) };
	let mut arguments = FieldTable::default();
	arguments.insert("x-queue-type".into(), AMQPValue::LongString(queue_type.name().into()));
	let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
	channel.queue_declare(settings.queue[..].into(), options, arguments).await?;
	for binding in &settings.bindings {
		channel
			.queue_bind(
				settings.queue[..].into(),
				binding.exchange[..].into(),
				binding.routing_key[..].into(),
				QueueBindOptions::default(),
				FieldTable::default(),
			)
			.await?;
	}
	Ok(())
}
