//! Which topics are subscribed, and what their levels mean.

use std::{fmt, str::FromStr};

use mqtt_v5::mqttbytes::{matches, valid_filter};

/// The placeholder whose level must agree with the `meterId` of the message.
const DEVICE_ID: &str = "{deviceId}";

/// A topic filter in which a level may be a placeholder such as `{region}` instead of `+`.
///
/// `energy-cloud/{region}/{deviceType}/{deviceId}/readings` subscribes to
/// `energy-cloud/+/+/+/readings`. The placeholder `{deviceId}` has a meaning of its own: what a
/// message's topic has at that level must be the message's `meterId`. The other names are for the
/// reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPattern {
	text: String,
	filter: String,
	device_level: Option<usize>,
}

impl TopicPattern {
	/// The MQTT topic filter to subscribe to.
	pub fn filter(&self) -> &str {
		&self.filter
	}

	/// Whether the topic is one of those subscribed to with this pattern.
	pub fn matches(&self, topic: &str) -> bool {
		matches(topic, &self.filter)
	}

	/// What the topic has at the level of `{deviceId}`. `None` when the topic does not match the
	/// pattern or the pattern has no such level.
	pub fn device_id<'topic>(&self, topic: &'topic str) -> Option<&'topic str> {
		let level = self.device_level?;
		self.matches(topic).then(|| topic.split('/').nth(level))?
	}
}

impl fmt::Display for TopicPattern {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		formatter.write_str(&self.text)
	}
}

impl FromStr for TopicPattern {
	type Err = TopicPatternError;

	fn from_str(text: &str) -> Result<Self, Self::Err> {
		if text.starts_with('$') {
			return Err(TopicPatternError::Reserved);
		}
		if text.contains('\0') || text.len() > usize::from(u16::MAX) {
			return Err(TopicPatternError::NotAFilter);
		}
		let mut device_level = None;
		let mut levels = Vec::new();
		for (index, level) in text.split('/').enumerate() {
			if !level.contains(['{', '}']) {
				levels.push(level);
				continue;
			}
			let name = level.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
			if !name.is_some_and(|name| {
				!name.is_empty() && name.chars().all(|each| each.is_ascii_alphanumeric())
			}) {
				return Err(TopicPatternError::NotAPlaceholder(level.to_owned()));
			}
			if level == DEVICE_ID && device_level.replace(index).is_some() {
				return Err(TopicPatternError::DeviceIdTwice);
			}
			levels.push("+");
		}
		let filter = levels.join("/");
		if !valid_filter(&filter) {
			return Err(TopicPatternError::NotAFilter);
		}
		Ok(Self { text: text.to_owned(), filter, device_level })
	}
}

/// Why a text is no topic pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicPatternError {
	/// Topics that begin with `$` belong to the broker; a shared subscription is asked for by its
	/// group alone.
	#[error("begins with `$`, which belongs to the broker; set the shared group instead")]
	Reserved,
	/// Empty, too long, or with a wildcard where MQTT allows none.
	#[error("is not an MQTT topic filter")]
	NotAFilter,
	/// A level with a brace that is not one `{name}` and nothing else.
	#[error("has the level `{0}`, which is not one `{{name}}` of letters and digits")]
	NotAPlaceholder(String),
	/// Two levels cannot both be the device.
	#[error("has `{{deviceId}}` twice")]
	DeviceIdTwice,
}

#[cfg(test)]
mod tests {
	use super::*;

	fn pattern(text: &str) -> TopicPattern {
		text.parse().unwrap()
	}

	#[test]
	fn placeholders_become_wildcards() {
		let pattern = pattern("energy-cloud/{region}/{deviceType}/{deviceId}/readings");
		assert_eq!(pattern.filter(), "energy-cloud/+/+/+/readings");
		assert_eq!(pattern.to_string(), "energy-cloud/{region}/{deviceType}/{deviceId}/readings");
	}

	#[test]
	fn device_id_is_read_at_its_level() {
		let with_device = pattern("energy-cloud/{region}/{deviceId}/#");
		assert_eq!(with_device.device_id("energy-cloud/seoul/KR-1/a/b"), Some("KR-1"));
		assert_eq!(with_device.device_id("energy-cloud/seoul/KR-1"), Some("KR-1"));
		assert_eq!(with_device.device_id("energy-cloud/seoul//a"), Some(""));
		assert_eq!(with_device.device_id("other/seoul/KR-1/a"), None);
		assert_eq!(pattern("energy-cloud/+/KR-1/#").device_id("energy-cloud/x/KR-1/a"), None);
	}

	#[test]
	fn wrong_patterns_are_refused() {
		for (text, error) in [
			("", TopicPatternError::NotAFilter),
			("a/#/b", TopicPatternError::NotAFilter),
			("a/b+", TopicPatternError::NotAFilter),
			("a/\0", TopicPatternError::NotAFilter),
			("$share/group/a", TopicPatternError::Reserved),
			("$SYS/#", TopicPatternError::Reserved),
			("a/{deviceId}/{deviceId}", TopicPatternError::DeviceIdTwice),
			("a/x{deviceId}", TopicPatternError::NotAPlaceholder("x{deviceId}".into())),
			("a/{}", TopicPatternError::NotAPlaceholder("{}".into())),
			("a/{b}{c}", TopicPatternError::NotAPlaceholder("{b}{c}".into())),
		] {
			assert_eq!(text.parse::<TopicPattern>(), Err(error), "{text:?}");
		}
	}
}
