//! Names as text, without an allocation for each.

use std::sync::OnceLock;

use encoding_rs::GBK;

use super::{Encoding, line::is_second};

const FIRST_LEAD: u8 = 0x81;
const FIRST_SECOND: u8 = 0x40;
const SECONDS: usize = 191;
const CHARACTERS: usize = 126 * SECONDS;

/// Writes a name into `text` and gives it back. What is no character becomes U+FFFD.
pub fn text<'a>(name: &[u8], encoding: Encoding, text: &'a mut String) -> &'a str {
    text.clear();
    if encoding == Encoding::Utf8 || !push_gbk(name, text) {
        text.clear();
        text.push_str(&encoding.decode(name));
    }
    text
}

/// Writes a name of ASCII and two-byte characters; false when there is anything else in it.
fn push_gbk(name: &[u8], text: &mut String) -> bool {
    let table = table();
    let mut rest = name;
    loop {
        match rest {
            [] => return true,
            [plain @ 0..=0x7f, more @ ..] => {
                text.push(char::from(*plain));
                rest = more;
            }
            [lead @ 0x81..=0xfe, second, more @ ..] if is_second(*second) => {
                let place = usize::from(lead - FIRST_LEAD) * SECONDS;
                let code = table[place + usize::from(second - FIRST_SECOND)];
                match char::from_u32(code.into()) {
                    Some(character) if code != 0 => text.push(character),
                    _ => return false,
                }
                rest = more;
            }
            _ => return false,
        }
    }
}

/// The characters of two bytes; 0 where there is none, or none of the basic plane.
fn table() -> &'static [u16] {
    static TABLE: OnceLock<Vec<u16>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = vec![0; CHARACTERS];
        for (place, code) in table.iter_mut().enumerate() {
            let bytes = [place / SECONDS + 0x81, place % SECONDS + 0x40]
                .map(|byte| u8::try_from(byte).unwrap_or(0));
            let decoded = GBK.decode_without_bom_handling_and_without_replacement(&bytes);
            let mut characters = decoded.iter().flat_map(|text| text.chars());
            if let (Some(character), None) = (characters.next(), characters.next()) {
                *code = u16::try_from(u32::from(character)).unwrap_or(0);
            }
        }
        table
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_are_what_the_library_reads(name in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut scratch = "left over".to_owned();
            for encoding in [Encoding::Gbk, Encoding::Utf8] {
                let expected = encoding.decode(&name).into_owned();
                prop_assert_eq!(text(&name, encoding, &mut scratch), expected);
            }
        }
    }

    #[test]
    fn every_character_of_two_bytes_is_what_the_library_reads() {
        let mut scratch = String::new();
        for bytes in (0x81..=0xfe).flat_map(|lead| (0x40..=0xfe).map(move |it| [lead, it])) {
            assert_eq!(text(&bytes, Encoding::Gbk, &mut scratch), Encoding::Gbk.decode(&bytes));
        }
    }
}
