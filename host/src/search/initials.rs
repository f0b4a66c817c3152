//! The letters that the characters of a name are typed as.

use pinyin::ToPinyinMulti;

/// Letters and digits that one character may be typed as, a bit each.
type Keys = u64;

/// The initials of a name: 平安银行 is typed as `payh`, 长江电力 as `cjdl` or `zjdl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initials {
    keys: Box<[Keys]>,
}

impl Initials {
    /// The initials of a [`folded`] name; what is neither letter, digit nor Chinese has none.
    pub fn of(folded: &str) -> Self {
        Self { keys: folded.chars().filter_map(keys).collect() }
    }

    /// What is typed, when it is of letters and digits alone.
    pub fn typed(folded: &str) -> Option<Self> {
        let is_typed = !folded.is_empty() && folded.bytes().all(|it| it.is_ascii_alphanumeric());
        is_typed.then(|| Self::of(folded))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// Whether those typed are the first of these.
    pub fn begin_with(&self, typed: &Self) -> bool {
        self.are_at(0, typed)
    }

    /// Whether those typed are some of these, in a row.
    pub fn contain(&self, typed: &Self) -> bool {
        (0..self.keys.len()).any(|at| self.are_at(at, typed))
    }

    fn are_at(&self, at: usize, typed: &Self) -> bool {
        let here = self.keys.get(at..at + typed.keys.len()).unwrap_or_default();
        here.len() == typed.keys.len()
            && here.iter().zip(typed.keys.iter()).all(|(key, typed)| key & typed != 0)
    }
}

/// A text as it is compared: letters in lower case, those of full width as plain ones, no spaces.
pub fn folded(text: &str) -> String {
    let plain = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    };
    let letters = text.chars().map(plain).filter(|c| !c.is_whitespace());
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

fn keys(c: char) -> Option<Keys> {
    if let Some(key) = key(c) {
        return Some(key);
    }
    let spoken = c.to_pinyin_multi()?.into_iter();
    let initials = spoken.filter_map(|it| it.plain().chars().next().and_then(key));
    Some(initials.fold(0, |keys, key| keys | key)).filter(|keys| *keys != 0)
}

/// The bit of a letter or digit.
fn key(c: char) -> Option<Keys> {
    match c {
        'a'..='z' => Some(1 << (u32::from(c) - u32::from('a'))),
        '0'..='9' => Some(1 << (26 + u32::from(c) - u32::from('0'))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begins(name: &str, typed: &str) -> bool {
        Initials::of(&folded(name)).begin_with(&Initials::typed(typed).unwrap())
    }

    #[test]
    fn names_are_typed_by_their_initials_in_every_reading() {
        for (name, typed) in [
            ("平安银行", "payh"),
            ("平安银行", "pay"),
            // as it is read where it means to walk
            ("平安银行", "payx"),
            ("重庆啤酒", "cqpj"),
            ("长江电力", "cjdl"),
            ("长江电力", "zjdl"),
            ("厦门银行", "xmyh"),
            ("万 科Ａ", "wka"),
            ("TCL科技", "tclkj"),
            ("*ST国华", "stgh"),
            ("上证５０", "sz50"),
            ("三六零", "sll"),
        ] {
            assert!(begins(name, typed), "{name} {typed}");
        }
        for (name, typed) in [("平安银行", "pb"), ("平安银行", "payhx"), ("三六零", "36")]
        {
            assert!(!begins(name, typed), "{name} {typed}");
        }
    }

    #[test]
    fn initials_in_the_middle_are_found_too() {
        let name = Initials::of("平安银行");
        for (typed, expected) in [("ayh", true), ("yh", true), ("h", true), ("ph", false)] {
            assert_eq!(name.contain(&Initials::typed(typed).unwrap()), expected, "{typed}");
        }
        assert_eq!((Initials::typed("平安"), Initials::typed("")), (None, None));
        assert!(!Initials::of("").contain(&Initials::typed("a").unwrap()));
    }

    #[test]
    fn texts_are_compared_without_width_case_or_spaces() {
        assert_eq!(folded(" 万 科Ａ\u{3000}"), "万科a");
        assert_eq!(folded("ＳＴ　Ｂ＊"), "stb*");
    }
}
