//! What a client asks, read from the body of its message.
//!
//! Which mistake gets which code is that of a server built on Hikyuu's published `NodeServer`:
//! what is no map, or has no `cmd`, lacks the command (3); a command that nobody handles is unknown
//! (4), also when it is one of the numbers of earlier versions; all else is 1.

use std::borrow::Cow;

use crate::{
    datetime,
    ktype::KType,
    msgpack::{Fault, Reader},
};

/// A question, with texts that lie in the message.
#[derive(Debug, PartialEq)]
pub enum Request<'a> {
    /// Bars of one type: those at or after a moment of each security.
    Market {
        /// Which bars.
        ktype: KType,
        /// Names of securities, and microseconds since 1970 UTC.
        since: Vec<(&'a str, i64)>,
    },
    /// Quotes of one security at or after a moment.
    Tick {
        /// Exchange, as the user typed it.
        market: &'a str,
        /// Code, as the user typed it.
        code: &'a str,
        /// Microseconds since 1970 UTC.
        since_us: i64,
    },
    /// Whether the server is there.
    Ping,
    /// Names of all securities.
    Symbols,
    /// How much the server keeps and did.
    Stats,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Code of the protocol.
    pub code: u8,
    /// For people.
    pub message: String,
}

/// Any failure that has no code of its own.
pub const FAILED: u8 = 1;
const MISSING_COMMAND: u8 = 3;
const UNKNOWN_COMMAND: u8 = 4;
/// Most characters of a client's text that are sent back to it.
const LONGEST_SHOWN: usize = 40;
/// Room that is made for a list before its members are read.
const FIRST_ROOM: usize = 8_192;

impl Refusal {
    /// A failure that has no code of its own.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into() }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::failed(match fault {
            Fault::Malformed(_) => format!("the request is not MessagePack: {fault}"),
            Fault::Type { .. } => fault.to_string(),
        })
    }
}

/// The values of a request, still as bytes; of a key that comes twice the last counts.
#[derive(Default)]
struct Fields<'a> {
    cmd: Option<&'a [u8]>,
    market: Option<&'a [u8]>,
    code: Option<&'a [u8]>,
    datetime: Option<&'a [u8]>,
    ktype: Option<&'a [u8]>,
    codes: Option<&'a [u8]>,
    dates: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// What is answered instead.
    pub fn read(message: &'a [u8]) -> Result<Self, Refusal> {
        let missing = Refusal { code: MISSING_COMMAND, message: "Missing command!".to_owned() };
        let fields = Fields::read(message)?.ok_or_else(|| missing.clone())?;
        let name = command(fields.cmd.ok_or(missing)?)?;
        match &*name {
            "market" => fields.into_market(),
            "tick" => fields.into_tick(),
            "ping" => Ok(Self::Ping),
            "symbols" => Ok(Self::Symbols),
            "stats" => Ok(Self::Stats),
            _ => Err(Refusal {
                code: UNKNOWN_COMMAND,
                message: format!(
                    "The server does not know how to process the message: {}",
                    shown(&name)
                ),
            }),
        }
    }
}

/// Name of a command; a number stands for its digits.
fn command(raw: &[u8]) -> Result<Cow<'_, str>, Fault> {
    let mut reader = Reader::new(raw);
    match reader.number()? {
        Some(number) => Ok(Cow::Owned(number.to_string())),
        None => reader.text().map(Cow::Borrowed),
    }
}

impl<'a> Fields<'a> {
    /// `None` for a value that is no map.
    fn read(message: &'a [u8]) -> Result<Option<Self>, Fault> {
        let mut reader = Reader::new(message);
        let pairs = reader.map()?;
        let mut fields = Self::default();
        for _ in 0..pairs.unwrap_or(0) {
            let (key, value) = (reader.key()?, reader.raw()?);
            let field = match key {
                b"cmd" => &mut fields.cmd,
                b"market" => &mut fields.market,
                b"code" => &mut fields.code,
                b"datetime" => &mut fields.datetime,
                b"ktype" => &mut fields.ktype,
                b"codes" => &mut fields.codes,
                b"dates" => &mut fields.dates,
                _ => continue,
            };
            *field = Some(value);
        }
        if !reader.is_empty() {
            return Err(Fault::Malformed("something follows it"));
        }
        Ok(pairs.map(|_| fields))
    }

    fn into_market(self) -> Result<Request<'a>, Refusal> {
        let name = text("ktype", self.ktype)?;
        let ktype = KType::by_name(name).ok_or_else(|| {
            let (name, names) = (shown(name), KType::names());
            Refusal::failed(format!("ktype \"{name}\" is not known; use {names}"))
        })?;
        let mut codes = Reader::new(given("codes", self.codes)?);
        let mut dates = Reader::new(given("dates", self.dates)?);
        let (many, dated) = (of("codes", codes.array())?, of("dates", dates.array())?);
        if many != dated {
            return Err(Refusal::failed(format!("there are {many} codes but {dated} dates")));
        }
        let mut since = Vec::with_capacity(many.min(FIRST_ROOM));
        for _ in 0..many {
            let code = of("codes", codes.text())?;
            since.push((code, moment("dates", of("dates", dates.text())?)?));
        }
        Ok(Request::Market { ktype, since })
    }

    fn into_tick(self) -> Result<Request<'a>, Refusal> {
        Ok(Request::Tick {
            market: text("market", self.market)?,
            code: text("code", self.code)?,
            since_us: moment("datetime", text("datetime", self.datetime)?)?,
        })
    }
}

fn given<'a>(name: &str, field: Option<&'a [u8]>) -> Result<&'a [u8], Refusal> {
    field.ok_or_else(|| Refusal::failed(format!("{name} is missing")))
}

fn text<'a>(name: &str, field: Option<&'a [u8]>) -> Result<&'a str, Refusal> {
    of(name, Reader::new(given(name, field)?).text())
}

fn of<T>(name: &str, result: Result<T, Fault>) -> Result<T, Refusal> {
    result.map_err(|fault| Refusal::failed(format!("{name}: {fault}")))
}

fn moment(name: &str, text: &str) -> Result<i64, Refusal> {
    datetime::parse(text).ok_or_else(|| {
        let text = shown(text);
        Refusal::failed(format!(
            "{name}: \"{text}\" is no datetime; write e.g. 2026-11-20 09:31:00"
        ))
    })
}

/// As much of a client's text as goes into an answer to it.
fn shown(text: &str) -> String {
    text.chars().take(LONGEST_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::msgpack::Writer;

    /// A request of texts.
    fn map(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.map(u8::try_from(pairs.len()).unwrap());
        for (key, value) in pairs {
            writer.text(key.as_bytes());
            writer.text(value.as_bytes());
        }
        writer.finish()
    }

    fn code(message: &[u8]) -> u8 {
        Request::read(message).map_or_else(|refusal| refusal.code, |_| 0)
    }

    #[test]
    fn questions_are_read_as_the_client_writes_them() {
        let market = b"\x84\xa3cmd\xa6market\xa5codes\x92\xa8SH600000\xa8SZ000001\
                       \xa5dates\x92\xb32011-12-06 00:00:00\xb31400-01-01 00:00:00\xa5ktype\xa3DAY";
        let Ok(Request::Market { ktype, since }) = Request::read(market) else { panic!() };
        assert_eq!(ktype, KType::by_name("DAY").unwrap());
        assert_eq!(since[0], ("SH600000", datetime::parse("2011-12-06").unwrap()));
        assert_eq!(since[1], ("SZ000001", datetime::parse("1400-01-01").unwrap()));
        let tick = map(&[
            ("cmd", "tick"),
            ("code", "600000"),
            ("datetime", "2026-11-20 09:31:2.1234560"),
            ("market", "sh"),
        ]);
        let since_us = datetime::parse("2026-11-20 09:31:02.123456").unwrap();
        assert_eq!(
            Request::read(&tick),
            Ok(Request::Tick { market: "sh", code: "600000", since_us })
        );
        // an empty list of stocks is sent as nil
        let empty = b"\x84\xa3cmd\xa6market\xa5codes\xc0\xa5dates\xc0\xa5ktype\xa3DAY";
        assert!(
            matches!(Request::read(empty), Ok(Request::Market { since, .. }) if since.is_empty())
        );
    }

    #[test]
    fn every_mistake_has_the_code_that_the_original_gives_it() {
        let cases: [(&[u8], u8); 26] = [
            (b"", 1),
            (b"\xc1", 1),
            (b"\x80", 3),
            (b"\x90", 3),
            (b"\xa1x", 3),
            (b"\x05", 3),
            (b"\xc0", 3),
            (b"\xc3", 3),
            (b"\x81\xa1x\x01", 3),
            (b"\x81\xa3cmd", 1),
            (b"\x81\xa3cmd\xa4ping\x00", 1),
            (b"\x81\x01\xa4ping", 1),
            (b"\x82\xa3cmd\xa4ping\xa1x\x81\x01\x02", 1),
            (b"\x81\xa3cmd\xa4Ping", 4),
            (b"\x81\xa3cmd\xa5 ping", 4),
            (b"\x81\xa3cmd\x05", 4),
            (b"\x81\xa3cmd\xcb\x40\x17\x99\x99\x99\x99\x99\x9a", 4),
            (b"\x81\xa3cmd\xc0", 1),
            (b"\x81\xa3cmd\xc2", 1),
            (b"\x81\xa3cmd\x90", 1),
            (b"\x81\xa3cmd\x80", 1),
            (b"\x81\xa3cmd\xc4\x04ping", 1),
            (b"\x81\xa3cmd\xa1\xff", 1),
            (b"\x82\xa3cmd\xa4ping\xa1x\xd4\x01\x02", 0),
            (b"\x82\xa3cmd\xa4ping\xa3cmd\xa4nope", 4),
            (b"\x82\xa3cmd\xa4nope\xa3cmd\xa4ping", 0),
        ];
        for (message, expected) in cases {
            assert_eq!(code(message), expected, "{}", message.escape_ascii());
        }
        let number = Request::read(b"\x81\xa3cmd\xcb\x40\x17\x99\x99\x99\x99\x99\x9a").unwrap_err();
        assert!(number.message.ends_with(": 5"), "{}", number.message);
        let mut bomb = b"\x82\xa3cmd\xa4ping\xa1x".to_vec();
        bomb.extend([0x91; 200_000]);
        assert_eq!(code(&bomb), 1);
    }

    #[test]
    fn a_field_that_is_missing_or_wrong_is_named() {
        let cases: [(Vec<u8>, &str); 7] = [
            (map(&[("cmd", "tick")]), "market is missing"),
            (map(&[("cmd", "tick"), ("market", "SH"), ("code", "1")]), "datetime is missing"),
            (
                map(&[("cmd", "tick"), ("market", "SH"), ("code", "1"), ("datetime", "soon")]),
                "datetime: \"soon\" is no datetime",
            ),
            (map(&[("cmd", "market"), ("ktype", "MIN7")]), "ktype \"MIN7\" is not known; use MIN,"),
            (map(&[("cmd", "market"), ("ktype", "MIN")]), "codes is missing"),
            (
                map(&[("cmd", "market"), ("ktype", "MIN"), ("codes", "x"), ("dates", "x")]),
                "codes: type must be array, but is string",
            ),
            (
                b"\x84\xa3cmd\xa6market\xa5ktype\xa3MIN\xa5codes\x91\xa1x\xa5dates\xc0".to_vec(),
                "there are 1 codes but 0 dates",
            ),
        ];
        for (message, expected) in cases {
            let refusal = Request::read(&message).unwrap_err();
            assert_eq!(refusal.code, 1);
            assert!(refusal.message.contains(expected), "{} / {expected}", refusal.message);
        }
    }

    #[test]
    fn what_a_client_sent_comes_back_cut() {
        let long = "x".repeat(1 << 20);
        for message in [
            map(&[("cmd", &long)]),
            map(&[("cmd", "market"), ("ktype", &long)]),
            map(&[("cmd", "tick"), ("market", "SH"), ("code", "1"), ("datetime", &long)]),
        ] {
            let refusal = Request::read(&message).unwrap_err();
            assert!(refusal.message.len() < 300, "{} bytes", refusal.message.len());
        }
    }

    proptest! {
        #[test]
        fn any_message_is_survived(mut message in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Request::read(&message);
            message.splice(0..0, *b"\x8f\xa3cmd\xa6market");
            let _ = Request::read(&message);
        }
    }
}
