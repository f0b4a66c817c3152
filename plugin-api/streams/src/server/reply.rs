//! Answers as Redis sends them (RESP, version 2), read within bounds.
//!
//! ```text
//! +OK\r\n   -ERR text\r\n   :12\r\n   $5\r\nhello\r\n   *2\r\n…two answers…   $-1\r\n (nothing)
//! ```
//!
//! Nothing is set aside for what is only announced: memory grows with what has come.

use std::io::{self, BufRead, Read as _};

use redis::{Value, parse_redis_value};

/// Most that an answer about the server, groups or ids takes in memory.
pub const MOST_TOLD: usize = 16 << 20;
/// Most that an answer with entries takes in memory; less in tests, which have to get there.
pub const MOST_ENTRIES: usize = if cfg!(test) { 8 << 20 } else { 256 << 20 };
/// Longest line: an error, a status or a length.
const MOST_LINE: usize = 64 << 10;
/// Lists within lists; those of streams and clusters have up to five.
const MOST_DEPTH: usize = 16;
/// What is set aside at once for a list.
const MOST_RESERVED: usize = 1 << 10;

/// Why there is no answer.
#[derive(Debug)]
pub enum Broken {
    /// The connection failed.
    Line(io::Error),
    /// It would take more memory than so many bytes.
    TooLarge(usize),
    /// No Redis answers so.
    Form(String),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Line(error)
    }
}

/// Reads one answer that may take so many bytes of memory.
///
/// # Errors
/// After any of them, what comes next cannot be told apart: the connection is of no use any more.
pub fn read(from: &mut impl BufRead, most: usize) -> Result<Value, Broken> {
    Reader { from, most, left: most }.value(MOST_DEPTH)
}

struct Reader<'a, R> {
    from: &'a mut R,
    most: usize,
    /// Bytes that the answer may still take.
    left: usize,
}

impl<R: BufRead> Reader<'_, R> {
    fn value(&mut self, depth: usize) -> Result<Value, Broken> {
        let line = self.line()?;
        self.take(size_of::<Value>() + line.len())?;
        let text = || String::from_utf8_lossy(&line[1..]).into_owned();
        match line.first() {
            Some(b'+') if line == b"+OK" => Ok(Value::Okay),
            Some(b'+') => Ok(Value::SimpleString(text())),
            Some(b'-') => refusal(&text()),
            Some(b':') => Ok(Value::Int(number(&line)?)),
            Some(b'$') => match length(&line)? {
                Some(length) => self.bulk(length),
                None => Ok(Value::Nil),
            },
            Some(b'*') => match length(&line)? {
                Some(count) => self.list(count, depth),
                None => Ok(Value::Nil),
            },
            _ => Err(Broken::Form(format!("{:?}", shown(&line)))),
        }
    }

    /// A line without its end.
    fn line(&mut self) -> Result<Vec<u8>, Broken> {
        let mut line = Vec::new();
        let most = u64::try_from(MOST_LINE).unwrap_or(u64::MAX);
        self.from.by_ref().take(most).read_until(b'\n', &mut line)?;
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
            return Ok(line);
        }
        if line.len() < MOST_LINE && !line.ends_with(b"\n") {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Err(Broken::Form(format!("a line that does not end: {:?}", shown(&line))))
    }

    fn bulk(&mut self, length: usize) -> Result<Value, Broken> {
        self.take(length)?;
        let mut bytes = Vec::new();
        // grows with what comes, at most to twice of it
        let wanted = u64::try_from(length).unwrap_or(u64::MAX);
        self.from.by_ref().take(wanted).read_to_end(&mut bytes)?;
        let mut end = [0; 2];
        self.from.read_exact(&mut end)?;
        if end != *b"\r\n" {
            return Err(Broken::Form(format!("a value of {length} bytes that does not end")));
        }
        Ok(Value::BulkString(bytes))
    }

    fn list(&mut self, count: usize, depth: usize) -> Result<Value, Broken> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| Broken::Form(format!("more than {MOST_DEPTH} lists in each other")))?;
        // before the first one is read: what is announced must have room
        if count > self.left / size_of::<Value>() {
            return Err(Broken::TooLarge(self.most));
        }
        let mut items = Vec::with_capacity(count.min(MOST_RESERVED));
        for _ in 0..count {
            items.push(self.value(depth)?);
        }
        Ok(Value::Array(items))
    }

    fn take(&mut self, bytes: usize) -> Result<(), Broken> {
        self.left = self.left.checked_sub(bytes).ok_or(Broken::TooLarge(self.most))?;
        Ok(())
    }
}

/// An error of the server, in the words of the library, which alone can make one.
fn refusal(text: &str) -> Result<Value, Broken> {
    let line = format!("-{}\r\n", text.replace(['\r', '\n'], " "));
    parse_redis_value(line.as_bytes()).map_err(|error| Broken::Form(error.to_string()))
}

/// The length behind `$` or `*`; `None` for -1, which stands for nothing.
fn length(line: &[u8]) -> Result<Option<usize>, Broken> {
    match number(line)? {
        -1 => Ok(None),
        length => usize::try_from(length)
            .map(Some)
            .map_err(|_| Broken::Form(format!("a length of {length}"))),
    }
}

fn number(line: &[u8]) -> Result<i64, Broken> {
    let digits = std::str::from_utf8(&line[1..]).ok();
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| Broken::Form(format!("{:?} instead of a number", shown(line))))
}

/// The beginning of a line, for people.
fn shown(line: &[u8]) -> String {
    const SHOWN: usize = 60;
    String::from_utf8_lossy(&line[..line.len().min(SHOWN)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(bytes: &[u8]) -> Result<Value, Broken> {
        read(&mut &*bytes, MOST_TOLD)
    }

    #[test]
    fn every_kind_of_answer_is_understood() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        for (bytes, value) in [
            ("+OK\r\n", Value::Okay),
            ("+QUEUED\r\n", Value::SimpleString("QUEUED".to_owned())),
            (":-12\r\n", Value::Int(-12)),
            ("$5\r\na\r\nbc\r\n", bulk("a\r\nbc")),
            ("$0\r\n\r\n", bulk("")),
            ("$-1\r\n", Value::Nil),
            ("*-1\r\n", Value::Nil),
            ("*0\r\n", Value::Array(Vec::new())),
            ("*2\r\n*1\r\n:1\r\n$1\r\nx\r\n", {
                Value::Array(vec![Value::Array(vec![Value::Int(1)]), bulk("x")])
            }),
        ] {
            assert_eq!(reply(bytes.as_bytes()).unwrap(), value, "{bytes:?}");
        }
        let Ok(Value::ServerError(error)) = reply(b"-NOGROUP no such key\r\n") else { panic!() };
        assert_eq!((error.code(), error.details()), ("NOGROUP", Some("no such key")));
    }

    #[test]
    fn what_is_announced_and_has_no_room_is_refused_before_it_comes() {
        for bytes in ["$400000000000\r\n", "*400000000000\r\n", "*1\r\n*99999999\r\n"] {
            let refused = reply(bytes.as_bytes());
            assert!(matches!(refused, Err(Broken::TooLarge(MOST_TOLD))), "{bytes:?}: {refused:?}");
        }
    }

    #[test]
    fn many_small_values_are_bounded_together() {
        let many = format!("*3\r\n{}", "$7000000\r\n".to_owned() + &"x".repeat(7_000_000) + "\r\n");
        let three = many.replacen("*3\r\n", "", 1).repeat(3);
        let refused = reply(format!("*3\r\n{three}").as_bytes());
        assert!(matches!(refused, Err(Broken::TooLarge(_))));
    }

    #[test]
    fn lines_and_lists_without_an_end_are_refused() {
        let deep = "*1\r\n".repeat(1_000_000);
        let long = format!("+{}", "x".repeat(MOST_LINE));
        for bytes in [&deep, &long, "+a\n", "$1\r\nabc", ":1x\r\n", "$-2\r\n", "%1\r\n", "\r\n"] {
            let refused = reply(bytes.as_bytes());
            assert!(matches!(refused, Err(Broken::Form(_))), "{:?}", &bytes[..bytes.len().min(9)]);
        }
    }

    #[test]
    fn an_answer_that_is_cut_off_is_a_fault_of_the_line() {
        for bytes in ["", "+O", "$5\r\nab", "*2\r\n:1\r\n"] {
            assert!(matches!(reply(bytes.as_bytes()), Err(Broken::Line(_))), "{bytes:?}");
        }
    }
}
