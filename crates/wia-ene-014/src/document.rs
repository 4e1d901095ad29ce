//! A JSON document before it is a message: objects whose values keep their text, and the path to
//! where something is wrong.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Rejection, RejectionCode};

/// Where we are in the document; costs nothing until something is refused.
#[derive(Clone, Copy)]
pub(crate) enum Path<'a> {
	Root,
	Field(&'a Path<'a>, &'a str),
	Item(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
	pub(crate) const fn field(&'a self, name: &'a str) -> Path<'a> {
		Path::Field(self, name)
	}

	pub(crate) const fn item(&'a self, index: usize) -> Path<'a> {
		Path::Item(self, index)
	}

	pub(crate) fn reject(&self, code: RejectionCode, reason: impl fmt::Display) -> Rejection {
		Rejection::new(self, code, reason)
	}

	pub(crate) fn missing(&self) -> Rejection {
		self.reject(RejectionCode::MissingField, "missing")
	}
}

impl fmt::Display for Path<'_> {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Root => formatter.write_str("$"),
			Self::Field(Self::Root, name) => formatter.write_str(name),
			Self::Field(parent, name) => write!(formatter, "{parent}.{name}"),
			Self::Item(parent, index) => write!(formatter, "{parent}[{index}]"),
		}
	}
}

/// A JSON object whose values are not yet read, so that numbers keep their text.
pub(crate) struct Object<'a> {
	entries: Vec<(Cow<'a, str>, &'a RawValue)>,
	pub(crate) path: Path<'a>,
}

impl<'a> Object<'a> {
	pub(crate) fn read(raw: &'a RawValue, path: &Path<'a>) -> Result<Self, Rejection> {
		if !raw.get().starts_with('{') {
			return Err(path.reject(RejectionCode::WrongType, "not an object"));
		}
		serde_json::from_str::<Entries<'a>>(raw.get())
			.map(|entries| Self { entries: entries.0, path: *path })
			.map_err(|error| path.reject(RejectionCode::NotJson, error))
	}

	pub(crate) fn find(&self, name: &str) -> Option<&'a RawValue> {
		self.entries.iter().find(|(entry, _value)| entry == name).map(|(_name, value)| *value)
	}

	pub(crate) fn required(&self, name: &str) -> Result<&'a RawValue, Rejection> {
		self.find(name).ok_or_else(|| self.path.field(name).missing())
	}

	/// Refuses fields that are not in `names`, and those that occur twice.
	pub(crate) fn only(&self, names: &[&str]) -> Result<(), Rejection> {
		let mut seen = 0u32;
		for (name, _value) in &self.entries {
			let Some(position) = names.iter().position(|known| known == name) else {
				// The name comes from outside and ends in logs: short, and without control codes.
				let name: String = name.chars().take(40).flat_map(char::escape_default).collect();
				return Err(self
					.path
					.field(&name)
					.reject(RejectionCode::UnknownField, "the standard knows no such field"));
			};
			let bit = 1 << position;
			if seen & bit != 0 {
				return Err(self.path.field(name).reject(RejectionCode::DuplicateField, "twice"));
			}
			seen |= bit;
		}
		Ok(())
	}
}

/// The entries of an object in order, duplicates and all.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
	fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
		struct EntriesVisitor;

		impl<'de> Visitor<'de> for EntriesVisitor {
			type Value = Entries<'de>;

			fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
				formatter.write_str("an object")
			}

			fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
				let mut entries = Vec::with_capacity(9);
				while let Some(Text(name)) = map.next_key()? {
					entries.push((name, map.next_value()?));
				}
				Ok(Entries(entries))
			}
		}

		deserializer.deserialize_map(EntriesVisitor)
	}
}

/// A string that is borrowed from the document unless it contains escapes.
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
	fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
		struct TextVisitor;

		impl<'de> Visitor<'de> for TextVisitor {
			type Value = Text<'de>;

			fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
				formatter.write_str("a string")
			}

			fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
				Ok(Text(Cow::Borrowed(text)))
			}

			fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
				Ok(Text(Cow::Owned(text.into())))
			}
		}

		deserializer.deserialize_str(TextVisitor)
	}
}
