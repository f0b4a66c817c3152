//! Text of the service is GBK; what people keep of it is often UTF-8.

use std::borrow::Cow;

use encoding_rs::GBK;

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As the service sends it.
    Gbk,
    /// As it is often kept.
    Utf8,
}

impl Encoding {
    /// Tells the encoding by a sample, which may end within a character.
    ///
    /// Two GBK characters can look like UTF-8 of Latin, Greek or Cyrillic letters; Chinese in
    /// UTF-8 has three bytes a character.
    pub fn of(sample: &[u8]) -> Self {
        let whole = match std::str::from_utf8(sample) {
            Ok(_) => sample,
            Err(error) if error.error_len().is_none() => &sample[..error.valid_up_to()],
            Err(_) => return Self::Gbk,
        };
        let count = |range: std::ops::RangeInclusive<u8>| {
            whole.iter().filter(|byte| range.contains(byte)).count()
        };
        if count(0xe0..=0xef) >= count(0xc2..=0xdf) { Self::Utf8 } else { Self::Gbk }
    }

    /// The text, borrowed where nothing has to change. What is no character becomes U+FFFD.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Gbk => GBK.decode_without_bom_handling(bytes).0,
            Self::Utf8 => String::from_utf8_lossy(bytes),
        }
    }
}

/// The text, in the encoding that it seems to have.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(plain) if bytes.is_ascii() => plain.into(),
        _ => Encoding::of(bytes).decode(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_are_told_apart() {
        for text in ["浦发银行", "五 粮 液", "万  科Ａ", "*ST美丽", "x~联通~y", "囧", "plain"]
        {
            let gbk = GBK.encode(text).0;
            assert_eq!(decode(&gbk), text);
            assert_eq!(decode(text.as_bytes()), text);
        }
        // valid as UTF-8, but of no language that is used here
        assert_eq!(decode(b"\xc4\xa3\xcc\xa8"), "模台");
    }

    #[test]
    fn a_sample_may_end_within_a_character() {
        let text = "浦发银行".as_bytes();
        for end in 0..=text.len() {
            assert_eq!(Encoding::of(&text[..end]), Encoding::Utf8);
        }
    }

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(decode(b"v_sh000001"), Cow::Borrowed(_)));
    }
}
