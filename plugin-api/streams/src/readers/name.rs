//! Names of readers: stream, group and client, of which the last two may be any bytes.

/// A client of a group, or a group that has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub stream: String,
    pub group: Vec<u8>,
    pub client: Option<Vec<u8>>,
}

impl Name {
    /// Reads what [`text`](Self::text) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/').map(decoded);
        let stream = String::from_utf8(parts.next()??).ok()?;
        let group = parts.next()??;
        let client = match parts.next() {
            Some(client) => Some(client?),
            None => None,
        };
        parts.next().is_none().then_some(Self { stream, group, client })
    }

    /// `STREAM/GROUP/CLIENT`, or `STREAM/GROUP`; what is no plain character is written as `%2F`.
    pub fn text(&self) -> String {
        let parts = [self.stream.as_bytes(), &self.group].into_iter();
        let parts = parts.chain(self.client.as_deref());
        parts.map(encoded).collect::<Vec<_>>().join("/")
    }
}

fn encoded(part: &[u8]) -> String {
    let mut text = String::new();
    for &byte in part {
        if byte.is_ascii_alphanumeric() || b"-_.:{}".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::new(), part.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |digit: u8| char::from(digit).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from((high << 4) | low).ok()?
            }
            plain => plain,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_characters_are_read_back() {
        let trade = Some("交易 1".as_bytes());
        let name = |stream: &str, group: &[u8], client: Option<&[u8]>| Name {
            stream: stream.to_owned(),
            group: group.to_owned(),
            client: client.map(<[u8]>::to_owned),
        };
        for (name, text) in [
            (name("spot_stream", b"readers", Some(b"a")), "spot_stream/readers/a"),
            (name("s:{0}", b"g", None), "s:{0}/g"),
            (name("a/b", b"%", trade), "a%2Fb/%25/%E4%BA%A4%E6%98%93%201"),
            (name("s", b"g", Some(b"")), "s/g/"),
            (name("s", b"g\xff", Some(b"caf\xe9\0")), "s/g%FF/caf%E9%00"),
        ] {
            assert_eq!(name.text(), text);
            assert_eq!(Name::parse(text), Some(name));
        }
        for odd in ["", "s", "s/g/c/d", "s/%", "s/%2", "s/%zz", "%FF/g"] {
            assert_eq!(Name::parse(odd), None, "{odd}");
        }
    }
}
