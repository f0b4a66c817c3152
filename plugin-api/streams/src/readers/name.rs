//! Names of readers: stream, group and client, each of which may hold any character.

/// A client of a group, or a group that has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub stream: String,
    pub group: String,
    pub client: Option<String>,
}

impl Name {
    /// Reads what [`text`](Self::text) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/').map(decoded);
        let (stream, group) = (parts.next()??, parts.next()??);
        let client = match parts.next() {
            Some(client) => Some(client?),
            None => None,
        };
        parts.next().is_none().then_some(Self { stream, group, client })
    }

    /// `STREAM/GROUP/CLIENT`, or `STREAM/GROUP`; what is no plain character is written as `%2F`.
    pub fn text(&self) -> String {
        let parts = [&self.stream, &self.group].into_iter().chain(&self.client);
        parts.map(|part| encoded(part)).collect::<Vec<_>>().join("/")
    }
}

fn encoded(part: &str) -> String {
    let mut text = String::new();
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.:{}".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn decoded(part: &str) -> Option<String> {
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
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_characters_are_read_back() {
        for (stream, group, client, text) in [
            ("spot_stream", "readers", Some("a"), "spot_stream/readers/a"),
            ("s:{0}", "g", None, "s:{0}/g"),
            ("a/b", "%", Some("交易 1"), "a%2Fb/%25/%E4%BA%A4%E6%98%93%201"),
            ("s", "g", Some(""), "s/g/"),
        ] {
            let (stream, group) = (stream.to_owned(), group.to_owned());
            let name = Name { stream, group, client: client.map(str::to_owned) };
            assert_eq!(name.text(), text);
            assert_eq!(Name::parse(text), Some(name));
        }
        for odd in ["", "s", "s/g/c/d", "s/%", "s/%2", "s/%zz", "s/%FF"] {
            assert_eq!(Name::parse(odd), None, "{odd}");
        }
    }
}
