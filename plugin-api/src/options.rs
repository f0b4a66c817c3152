//! Options of components: durations, sizes, and the schema that describes them.

use std::{borrow::Cow, fmt, ops::Deref, time};

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Declares the options of a plugin, or an enum among them.
///
/// Every field's doc comment becomes its help in `dataserver plugins show`. A field without
/// `#[serde(default)]` (or a default of the whole struct) must be given; unknown keys are errors.
#[macro_export]
macro_rules! options {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident $body:tt) => {
        #[derive(
            Debug, Clone,
            $crate::serde::Deserialize, $crate::serde::Serialize, $crate::schemars::JsonSchema
        )]
        #[serde(crate = "plugin_api::serde", deny_unknown_fields)]
        #[schemars(crate = "plugin_api::schemars")]
        $(#[$meta])*
        $visibility struct $name $body
    };
    ($(#[$meta:meta])* $visibility:vis enum $name:ident $body:tt) => {
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq,
            $crate::serde::Deserialize, $crate::serde::Serialize, $crate::schemars::JsonSchema
        )]
        #[serde(crate = "plugin_api::serde", rename_all = "snake_case")]
        #[schemars(crate = "plugin_api::schemars")]
        $(#[$meta])*
        $visibility enum $name $body
    };
}

/// JSON Schema of options, without references to other schemas.
pub fn options_schema<T: JsonSchema>() -> serde_json::Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// A length of time, written `250ms`, `3s`, `1m`, `2h`, `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Duration(pub time::Duration);

/// A number of bytes, written `512B`, `64KiB`, `1MiB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ByteSize(pub u64);

const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: [(&str, u64); 4] =
    [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];

/// Reads a length of time.
///
/// # Errors
/// A text that says what is allowed.
pub fn parse_duration(text: &str) -> Result<time::Duration, String> {
    with_unit(text, &DURATION_UNITS)
        .map(time::Duration::from_millis)
        .ok_or_else(|| format!("\"{text}\" is no duration; write e.g. 250ms, 3s, 1m, 2h or 1d"))
}

/// Reads a number of bytes.
///
/// # Errors
/// A text that says what is allowed.
pub fn parse_byte_size(text: &str) -> Result<u64, String> {
    with_unit(text, &SIZE_UNITS)
        .ok_or_else(|| format!("\"{text}\" is no size; write e.g. 512B, 64KiB, 1MiB or 2GiB"))
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (_, scale) = units.iter().find(|(unit, _)| *unit == &text[number.len()..])?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        write_with_unit(f, millis, &DURATION_UNITS, "ms")
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_with_unit(f, self.0, &SIZE_UNITS, "B")
    }
}

/// In the largest unit that loses nothing.
fn write_with_unit(
    f: &mut fmt::Formatter<'_>,
    value: u64,
    units: &[(&str, u64)],
    smallest: &str,
) -> fmt::Result {
    let fitting = units.iter().filter(|(_, scale)| value != 0 && value.is_multiple_of(*scale));
    let (unit, scale) = fitting.max_by_key(|(_, scale)| *scale).copied().unwrap_or((smallest, 1));
    write!(f, "{}{unit}", value / scale)
}

macro_rules! written_as_text {
    ($type:ident, $inner:ty, $parse:ident, $name:literal, $pattern:literal, $doc:literal) => {
        impl Deref for $type {
            type Target = $inner;

            fn deref(&self) -> &$inner {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                $parse(&text).map(Self).map_err(D::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $name, "pattern": $pattern, "description": $doc })
            }
        }
    };
}

written_as_text!(
    Duration,
    time::Duration,
    parse_duration,
    "duration",
    "^[0-9]+(ms|s|m|h|d)$",
    "a duration such as 250ms, 3s, 1m"
);
written_as_text!(
    ByteSize,
    u64,
    parse_byte_size,
    "size",
    "^[0-9]+(B|KiB|MiB|GiB)$",
    "a size such as 64KiB, 1MiB"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_what_they_write() {
        for text in ["0ms", "250ms", "3s", "1m", "90s", "2h", "1d"] {
            assert_eq!(Duration(parse_duration(text).unwrap()).to_string(), text);
        }
        for text in ["0B", "512B", "64KiB", "1MiB", "2GiB"] {
            assert_eq!(ByteSize(parse_byte_size(text).unwrap()).to_string(), text);
        }
    }

    #[test]
    fn a_number_without_its_unit_is_refused_with_examples() {
        for text in ["", "3", "s", "3 s", "-3s", "3x", "1.5s", "99999999999999999999d", "３s"] {
            assert!(parse_duration(text).unwrap_err().contains("250ms"), "{text}");
        }
        assert!(parse_byte_size("64MB").unwrap_err().contains("1MiB"));
    }
}
