//! Values of JSON that should be numbers, texts or lists, and what they count for when they are not.

use std::{borrow::Cow, fmt};

use plugin_api::{
    serde::{
        Deserialize, Deserializer,
        de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
    },
    serde_json,
};

use crate::tick::{ABSENT, MALFORMED, Number, Side};

/// Methods of a visitor for numbers and texts.
macro_rules! numbers_and_text {
    ($value:ty, |$this:ident| $body:expr) => {
        fn visit_u64<E: Error>(self, _: u64) -> Result<$value, E> {
            let $this = self;
            $body
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<$value, E> {
            let $this = self;
            $body
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<$value, E> {
            let $this = self;
            $body
        }

        fn visit_str<E: Error>(self, _: &str) -> Result<$value, E> {
            let $this = self;
            $body
        }
    };
}

/// Methods of a visitor for everything that is neither a list nor an object.
macro_rules! scalars {
    ($value:ty, |$this:ident| $body:expr) => {
        fn visit_unit<E: Error>(self) -> Result<$value, E> {
            let $this = self;
            $body
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<$value, E> {
            let $this = self;
            $body
        }

        numbers_and_text!($value, |$this| $body);
    };
}
pub(crate) use {numbers_and_text, scalars};

/// A number, also one that was written as text.
pub struct Lenient(pub Number);

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor).map(Self)
    }
}

struct NumberVisitor;

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Number, E> {
        Ok(value)
    }

    #[allow(clippy::cast_precision_loss)] // sums of a day stay below 2^53
    fn visit_u64<E: Error>(self, value: u64) -> Result<Number, E> {
        Ok(value as f64)
    }

    #[allow(clippy::cast_precision_loss)]
    fn visit_i64<E: Error>(self, value: i64) -> Result<Number, E> {
        Ok(value as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        let is_plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'));
        Ok(text.parse().ok().filter(|_| is_plain).unwrap_or(MALFORMED))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Number, E> {
        Ok(MALFORMED)
    }

    fn visit_unit<E: Error>(self) -> Result<Number, E> {
        Ok(ABSENT)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Number, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(MALFORMED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Number, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(MALFORMED)
    }
}

/// A time as text; empty for anything else.
pub struct LenientText(pub Cow<'static, str>);

impl<'de> Deserialize<'de> for LenientText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(match value {
            serde_json::Value::String(text) => Cow::Owned(text),
            serde_json::Value::Number(number) => Cow::Owned(number.to_string()),
            _ => Cow::Borrowed(""),
        }))
    }
}

/// A list of numbers, or nothing.
pub struct LenientSide(pub Side);

impl<'de> Deserialize<'de> for LenientSide {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SideVisitor).map(Self)
    }
}

struct SideVisitor;

impl SideVisitor {
    fn malformed() -> Side {
        let mut side = Side::default();
        side.push(MALFORMED);
        side
    }
}

impl<'de> Visitor<'de> for SideVisitor {
    type Value = Side;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers")
    }

    fn visit_unit<E: Error>(self) -> Result<Side, E> {
        Ok(Side::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Side, A::Error> {
        let mut side = Side::default();
        while let Some(Lenient(value)) = list.next_element()? {
            // a level that is not there is no level
            side.push(if value.is_nan() { MALFORMED } else { value });
        }
        Ok(side)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Side, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::malformed())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Side, E> {
        Ok(Self::malformed())
    }

    numbers_and_text!(Side, |_it| Ok(Self::malformed()));
}
