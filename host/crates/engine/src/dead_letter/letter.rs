//! A dead letter: one line of JSON.

use base64::{Engine, prelude::BASE64_STANDARD};
use plugin_api::{Batch, Provenance, RecordKind, Round};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Metadata of the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// When it was set aside, RFC 3339 in UTC.
    pub time: String,
    /// By which component.
    pub component: String,
    /// Why.
    pub reason: String,
    /// What only a batch has.
    #[serde(flatten)]
    pub batch: Option<BatchHead>,
}

/// What is needed to make the batch again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchHead {
    /// `spot` or `bar`.
    #[serde(with = "kind")]
    pub kind: RecordKind,
    /// Number of records.
    pub records: u32,
    /// Id of the source component.
    pub source: String,
    /// See [`Provenance`].
    pub epoch: u64,
    /// See [`Provenance`].
    pub sequence: u64,
    /// See [`Provenance`].
    pub part: u64,
    /// When the host took the batch in, microseconds since 1970 UTC.
    pub received_at_us: i64,
    /// Whether the batch opens a round.
    pub first: bool,
    /// Whether the batch closes a round.
    pub last: bool,
}

/// A kind by its name.
mod kind {
    use plugin_api::RecordKind;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(kind: &RecordKind, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(kind.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<RecordKind, D::Error> {
        let name = String::deserialize(from)?;
        RecordKind::named(&name).ok_or_else(|| {
            let known = RecordKind::ALL.map(|kind| format!("`{}`", kind.as_str())).join(" or ");
            D::Error::custom(format!("unknown variant `{name}`, expected {known}"))
        })
    }
}

/// A letter as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Metadata of the data.
    #[serde(flatten)]
    pub head: Head,
    /// How the data is written.
    pub encoding: Encoding,
    /// The data.
    pub payload: String,
}

/// How data is written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// As it is.
    #[serde(rename = "utf-8")]
    Utf8,
    /// For bytes that are no text.
    #[serde(rename = "base64")]
    Base64,
}

impl Letter {
    /// A letter with data of any kind.
    pub fn new(head: Head, payload: &[u8]) -> Self {
        let (encoding, payload) = match std::str::from_utf8(payload) {
            Ok(text) => (Encoding::Utf8, text.to_owned()),
            Err(_) => (Encoding::Base64, BASE64_STANDARD.encode(payload)),
        };
        Self { head, encoding, payload }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// When it is none; the text says what is wrong.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| format!("not a letter: {error}"))
    }

    /// The line, with its end.
    pub fn to_line(&self) -> Vec<u8> {
        // texts and numbers cannot fail to serialize
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// The batch again.
    ///
    /// # Errors
    /// When the letter holds none, or a damaged one; the text says which.
    pub fn batch(&self) -> Result<Batch, String> {
        let Some(about) = &self.head.batch else {
            return Err("it holds no batch but what a plugin set aside".to_owned());
        };
        let bytes = match self.encoding {
            Encoding::Utf8 => self.payload.clone().into_bytes(),
            Encoding::Base64 => BASE64_STANDARD
                .decode(&self.payload)
                .map_err(|error| format!("its payload is no base64: {error}"))?,
        };
        let round = Round { first: about.first, last: about.last };
        let batch = Batch::from_untrusted(about.kind, bytes, round);
        let batch = batch.map_err(|error| format!("its payload is damaged: {error}"))?;
        if batch.records() != about.records {
            let (said, found) = (about.records, batch.records());
            return Err(format!("its payload is damaged: {found} records, not {said}"));
        }
        let mut provenance = Provenance::of_source(&about.source);
        provenance.received_at_us = about.received_at_us;
        let (epoch, sequence, part) = (about.epoch, about.sequence, about.part);
        Ok(batch.with_provenance(provenance).numbered(epoch, sequence, part))
    }

    /// The same for two letters of one batch, which a crash may leave; `None` when the source did
    /// not number its batches.
    pub fn identity(&self) -> Option<[u8; 32]> {
        let about = self.head.batch.as_ref().filter(|about| about.sequence > 0)?;
        let mut hash = Sha256::new();
        hash.update(&about.source);
        for number in [about.epoch, about.sequence, about.part] {
            hash.update(number.to_le_bytes());
        }
        hash.update(&self.payload);
        Some(hash.finalize().into())
    }
}

impl BatchHead {
    /// What is to be said of a batch.
    pub fn of(batch: &Batch) -> Self {
        let provenance = batch.provenance();
        Self {
            kind: batch.kind(),
            records: batch.records(),
            source: provenance.source().to_owned(),
            epoch: provenance.epoch,
            sequence: provenance.sequence,
            part: provenance.part,
            received_at_us: provenance.received_at_us,
            first: batch.round().first,
            last: batch.round().last,
        }
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::testing::{bar_batch, spot_batch};

    use super::*;

    fn letter(batch: &Batch) -> Letter {
        let head = Head {
            time: "2021-12-01T01:15:01Z".to_owned(),
            component: "lake".to_owned(),
            reason: "bad price".to_owned(),
            batch: Some(BatchHead::of(batch)),
        };
        Letter::new(head, batch.payload())
    }

    #[test]
    fn a_batch_comes_back_as_it_was() {
        let round = Round { first: true, last: false };
        for batch in [spot_batch(3, round), spot_batch(0, Round::MIDDLE), bar_batch()] {
            let mut provenance = Provenance::of_source("day");
            provenance.received_at_us = 7;
            let batch = batch.with_provenance(provenance).numbered(u64::MAX, 1 << 60, 5);
            let line = letter(&batch).to_line();
            let read = Letter::parse(&line).unwrap();
            assert_eq!(read, letter(&batch));
            let again = read.batch().unwrap();
            assert_eq!(again.payload()[..], batch.payload()[..]);
            assert_eq!((again.round(), again.kind()), (batch.round(), batch.kind()));
            let (was, is) = (batch.provenance(), again.provenance());
            assert_eq!((is.source(), is.received_at_us), ("day", 7));
            assert_eq!((is.epoch, is.sequence, is.part), (was.epoch, was.sequence, was.part));
        }
    }

    #[test]
    fn letters_that_hold_no_whole_batch_say_so() {
        let whole = letter(&spot_batch(3, Round::WHOLE));
        let mut fewer = whole.clone();
        fewer.head.batch.as_mut().unwrap().records = 2;
        let mut cut = whole.clone();
        cut.payload.truncate(cut.payload.len() / 8 * 4);
        let mut no_base64 = whole.clone();
        no_base64.payload.push('?');
        let row = Letter::new(Head { batch: None, ..whole.head.clone() }, b"600000,x");
        for (letter, text) in [
            (fewer, "3 records, not 2"),
            (cut, "damaged"),
            (no_base64, "no base64"),
            (row, "no batch"),
        ] {
            let error = Letter::parse(&letter.to_line()).unwrap().batch().unwrap_err();
            assert!(error.contains(text), "{error}");
        }
        assert!(Letter::parse(br#"{"time":"1970"#).unwrap_err().contains("not a letter"));
    }

    #[test]
    fn letters_of_one_batch_are_told_from_those_of_others() {
        let of = |sequence, part| {
            letter(&spot_batch(3, Round::WHOLE).numbered(1, sequence, part)).identity()
        };
        assert_eq!(of(5, 0), of(5, 0));
        assert!(of(5, 0) != of(6, 0) && of(5, 0) != of(5, 1));
        assert_eq!(of(0, 0), None);
    }
}
