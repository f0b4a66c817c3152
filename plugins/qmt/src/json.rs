//! Payloads of xtquant as JSON, in every shape that was seen.
//!
//! ```text
//! {code: tick}            subscribe_whole_quote, get_full_tick
//! {code: [tick, …]}       subscribe_quote
//! {code: {stime: tick}}   market data that was posted again
//! {"data": any of these}  within an envelope
//! ```

use std::{borrow::Cow, fmt};

use plugin_api::{
    Symbol,
    serde::{
        Deserialize, Deserializer,
        de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
    },
    serde_json,
};

use crate::{
    lenient::{Lenient, LenientSide, LenientText, numbers_and_text, scalars},
    tick::{Coded, MALFORMED, Tick},
};

/// The ticks of a payload, in its order.
///
/// # Errors
/// A text for people when the bytes are no JSON.
pub fn ticks(text: &[u8]) -> Result<Vec<Coded<'static>>, String> {
    read(text).or_else(|error| match without_not_a_number(text) {
        Some(strict) => read(&strict),
        None => Err(error),
    })
}

fn read(text: &[u8]) -> Result<Vec<Coded<'static>>, String> {
    let mut out = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = Payload(&mut out).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    read.map(|()| out).map_err(|error| format!("it is no JSON: {error}"))
}

/// Python writes `NaN` and `Infinity`, which JSON does not have: the first stands for nothing, the
/// other for no number. `None` when there is neither.
fn without_not_a_number(text: &[u8]) -> Option<Vec<u8>> {
    let words: [(&[u8], &[u8]); 3] =
        [(b"NaN", b"null"), (b"-Infinity", b"\"\""), (b"Infinity", b"\"\"")];
    let mut strict = Vec::with_capacity(text.len());
    let (mut at, mut in_string, mut found) = (0, false, false);
    while at < text.len() {
        if let (false, Some((word, instead))) =
            (in_string, words.iter().find(|(word, _)| text[at..].starts_with(word)))
        {
            strict.extend(*instead);
            at += word.len();
            found = true;
            continue;
        }
        let byte = text[at];
        if in_string && byte == b'\\' {
            strict.extend(text.get(at..at + 2).unwrap_or(&text[at..]));
            at += 2;
            continue;
        }
        in_string ^= byte == b'"';
        strict.push(byte);
        at += 1;
    }
    found.then_some(strict)
}

/// A payload, an envelope around one, or a list of them.
struct Payload<'v>(&'v mut Vec<Coded<'static>>);

impl<'de> DeserializeSeed<'de> for Payload<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Payload<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ticks by code")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            if key == "data" {
                map.next_value_seed(Payload(self.0))?;
            } else {
                let is_known = Symbol::parse(&key, None).is_some();
                map.next_value_seed(Ticks { code: &key, is_known, out: self.0 })?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Payload(self.0))?.is_some() {}
        Ok(())
    }

    scalars!((), |_self| Ok(()));
}

/// What stands under one code.
struct Ticks<'v, 'c> {
    code: &'c str,
    /// The code is a security's; what is no tick under any other key is passed over.
    is_known: bool,
    out: &'v mut Vec<Coded<'static>>,
}

impl Ticks<'_, '_> {
    fn push(&mut self, tick: Tick<'static>) {
        self.out.push(Coded { code: Cow::Owned(self.code.to_owned()), tick });
    }

    fn inner(&mut self) -> Ticks<'_, '_> {
        Ticks { code: self.code, is_known: self.is_known, out: self.out }
    }
}

impl<'de> DeserializeSeed<'de> for Ticks<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Ticks<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tick, a list of ticks, or ticks by time")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut tick = Tick::default();
        let (mut has_stime, mut fields, mut nested) = (false, 0_usize, 0_usize);
        while let Some(Text(key)) = map.next_key()? {
            fields += 1;
            match key.as_ref() {
                "time" => tick.time = map.next_value::<Lenient>()?.0,
                "stime" | "timetag" => {
                    let LenientText(text) = map.next_value()?;
                    // the date of `timetag` can be stale, that of `stime` is not
                    if key == "stime" || !has_stime {
                        tick.time_text = text;
                    }
                    has_stime |= key == "stime";
                }
                "lastPrice" => tick.last = map.next_value::<Lenient>()?.0,
                "open" => tick.open = map.next_value::<Lenient>()?.0,
                "high" => tick.high = map.next_value::<Lenient>()?.0,
                "low" => tick.low = map.next_value::<Lenient>()?.0,
                "lastClose" => tick.pre_close = map.next_value::<Lenient>()?.0,
                "amount" => tick.amount = map.next_value::<Lenient>()?.0,
                "volume" => tick.volume = map.next_value::<Lenient>()?.0,
                "pvolume" => tick.pvolume = map.next_value::<Lenient>()?.0,
                "openInt" => tick.phase = map.next_value::<Lenient>()?.0,
                "askPrice" => tick.book[0] = map.next_value::<LenientSide>()?.0,
                "bidPrice" => tick.book[1] = map.next_value::<LenientSide>()?.0,
                "askVol" => tick.book[2] = map.next_value::<LenientSide>()?.0,
                "bidVol" => tick.book[3] = map.next_value::<LenientSide>()?.0,
                "preClose" | "suspendFlag" | "openInterest" => {
                    tick.is_bar = true;
                    map.next_value::<IgnoredAny>()?;
                }
                key if key.starts_with(|it: char| it.is_ascii_digit()) => {
                    map.next_value_seed(self.inner())?;
                    (fields, nested) = (fields - 1, nested + 1);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if fields > 0 || nested == 0 {
            self.push(tick);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self.inner())?.is_some() {}
        Ok(())
    }

    scalars!((), |this| {
        let mut this = this;
        if this.is_known {
            this.push(Tick { last: MALFORMED, ..Tick::default() });
        }
        Ok(())
    });
}

/// A key, borrowed where it has no escapes.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Key;
        impl<'de> Visitor<'de> for Key {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Key)
    }
}
