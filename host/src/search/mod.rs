//! Finds securities by code, name and pinyin initials.
//!
//! Names come from the quotes, and from the shipped list for what no quote has named yet.

mod initials;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use dataserver_engine::observer::{Key, Observer};

use self::initials::{Initials, folded};

/// Symbols and names of indices and A shares, a few months old at most; the qq source asks for them.
const SHIPPED: &str = include_str!("../../../config/universe.csv");
/// Longest question, letters.
const MAX_QUESTION: usize = 32;
/// Fewest letters that are left of what nothing begins with.
const MIN_LETTERS: usize = 2;
/// What exchanges put before a name: special treatment, days without dividend or rights, new ones.
const MARKS: [&str; 9] = ["*st", "s*st", "sst", "st", "xd", "xr", "dr", "n", "c"];

static SHIPPED_NAMES: LazyLock<HashMap<Key, &'static str>> = LazyLock::new(|| {
    let lines = SHIPPED.lines().filter(|line| !line.starts_with('#'));
    let named = lines.filter_map(|line| {
        let mut cells = line.split(',');
        Some((Key::parse(cells.next()?)?, cells.next()?))
    });
    named.collect()
});

/// The name of a security in the shipped list.
pub fn shipped_name(key: &Key) -> Option<&'static str> {
    SHIPPED_NAMES.get(key).copied()
}

/// Finds securities among those that were seen and those that are shipped.
#[derive(Debug, Default)]
pub struct Search {
    known: Mutex<Option<(u64, Arc<Vec<Security>>)>>,
}

/// How well a security fits; the first is best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Code,
    Name,
    CodeBegins,
    NameBegins,
    Initials,
    InitialsBegin,
    NameContains,
    InitialsContain,
    CodeContains,
}

/// A security with what it is found by.
#[derive(Debug)]
struct Security {
    key: Key,
    /// The name that is shown.
    name: String,
    /// `600000.sh`
    symbol: String,
    names: Vec<Name>,
}

/// A name, as it is compared.
#[derive(Debug)]
struct Name {
    /// Without marks.
    bare: String,
    whole: String,
    bare_initials: Initials,
    whole_initials: Initials,
}

impl Search {
    /// The securities that fit best, at most so many, with their names.
    pub fn find(&self, observer: &Observer, question: &str, most: usize) -> Vec<(Key, String)> {
        let question: String = folded(question).chars().take(MAX_QUESTION).collect();
        let securities = self.known(observer);
        let mut typed = question.as_str();
        loop {
            let found = matches(&securities, typed, most);
            let has_letters_alone = typed.bytes().all(|it| it.is_ascii_lowercase());
            if !found.is_empty() || typed.len() <= MIN_LETTERS || !has_letters_alone {
                return found;
            }
            // one letter too many, or a wrong one
            typed = &typed[..typed.len() - 1];
        }
    }

    /// All securities; made anew when there are other names than before.
    fn known(&self, observer: &Observer) -> Arc<Vec<Security>> {
        let revision = observer.names_revision();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((of, securities)) if *of == revision => Arc::clone(securities),
            _ => {
                let securities = Arc::new(all(&observer.names()));
                *known = Some((revision, Arc::clone(&securities)));
                securities
            }
        }
    }
}

/// The shipped securities and those that were seen, by key.
fn all(seen: &[(Key, Arc<str>)]) -> Vec<Security> {
    let mut names: BTreeMap<Key, Vec<&str>> = BTreeMap::new();
    for (key, name) in seen {
        names.insert(*key, if name.is_empty() { Vec::new() } else { vec![&**name] });
    }
    for (key, name) in &*SHIPPED_NAMES {
        let names = names.entry(*key).or_default();
        // that of the quote comes first; it may be cut, as `XD平安银` is
        if !names.contains(name) {
            names.push(name);
        }
    }
    names.into_iter().map(|(key, names)| Security::new(key, &names)).collect()
}

fn matches(securities: &[Security], typed: &str, most: usize) -> Vec<(Key, String)> {
    let initials = Initials::typed(typed);
    let fits = securities.iter().filter_map(|it| Some((it.fit(typed, initials.as_ref())?, it)));
    let mut found: Vec<_> = fits.collect();
    // those of one fit stay in the order of their codes
    found.sort_by_key(|(fit, _)| *fit);
    found.into_iter().take(most).map(|(_, it)| (it.key, it.name.clone())).collect()
}

impl Security {
    fn new(key: Key, names: &[&str]) -> Self {
        Self {
            key,
            name: names.first().copied().unwrap_or_default().to_owned(),
            symbol: key.as_str().to_ascii_lowercase(),
            names: names.iter().map(|name| Name::new(name)).collect(),
        }
    }

    fn fit(&self, typed: &str, initials: Option<&Initials>) -> Option<Fit> {
        if typed.is_empty() {
            return None;
        }
        let of_names = self.names.iter().filter_map(|name| name.fit(typed, initials));
        self.fit_of_code(typed).into_iter().chain(of_names).min()
    }

    fn fit_of_code(&self, typed: &str) -> Option<Fit> {
        let (code, _) = self.symbol.rsplit_once('.').unwrap_or((&self.symbol, ""));
        if typed == code || typed == self.symbol || Key::parse(typed) == Some(self.key) {
            Some(Fit::Code)
        } else if self.symbol.starts_with(typed) {
            Some(Fit::CodeBegins)
        } else {
            code.contains(typed).then_some(Fit::CodeContains)
        }
    }
}

impl Name {
    fn new(name: &str) -> Self {
        let whole = folded(name);
        let is_of_mark = |it: &u8| it.is_ascii_alphabetic() || *it == b'*';
        let letters = whole.bytes().take_while(is_of_mark).count();
        let bare = if MARKS.contains(&&whole[..letters]) { &whole[letters..] } else { &whole };
        Self {
            bare_initials: Initials::of(bare),
            whole_initials: Initials::of(&whole),
            bare: bare.to_owned(),
            whole,
        }
    }

    fn fit(&self, typed: &str, initials: Option<&Initials>) -> Option<Fit> {
        let names = [self.bare.as_str(), self.whole.as_str()];
        if names.contains(&typed) {
            return Some(Fit::Name);
        }
        if names.iter().any(|name| name.starts_with(typed)) {
            return Some(Fit::NameBegins);
        }
        let both = [&self.bare_initials, &self.whole_initials];
        if let Some(typed) = initials
            && both.iter().any(|it| it.begin_with(typed))
        {
            let is_all = both.iter().any(|it| it.count() == typed.count());
            return Some(if is_all { Fit::Initials } else { Fit::InitialsBegin });
        }
        if self.whole.contains(typed) {
            return Some(Fit::NameContains);
        }
        let contained = initials.is_some_and(|typed| self.whole_initials.contain(typed));
        contained.then_some(Fit::InitialsContain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symbols that are found among the shipped ones, and some that were seen.
    fn found(typed: &str) -> Vec<String> {
        let seen = [("000001.SZ", "XD平安银"), ("900001.SH", "新来者"), ("900002.SH", "")];
        let seen = seen.map(|(symbol, name)| (Key::parse(symbol).unwrap(), Arc::from(name)));
        let found = matches(&all(&seen), &folded(typed), 20);
        found.into_iter().map(|(key, _)| key.to_string()).collect()
    }

    #[test]
    fn every_line_of_the_shipped_list_names_a_security() {
        assert!(SHIPPED_NAMES.len() > 5_400, "{}", SHIPPED_NAMES.len());
        assert_eq!(shipped_name(&Key::parse("000001.SZ").unwrap()), Some("平安银行"));
    }

    #[test]
    fn a_security_is_found_by_code_name_and_initials() {
        for (typed, first) in [
            ("000001", "000001.SH"),
            ("000001.sz", "000001.SZ"),
            ("SZ000001", "000001.SZ"),
            ("sh600000", "600000.SH"),
            ("60051", "600510.SH"),
            ("平安银行", "000001.SZ"),
            ("平安银", "000001.SZ"),
            ("XD平安", "000001.SZ"),
            ("payh", "000001.SZ"),
            ("PAYH", "000001.SZ"),
            ("ｐａｙｈ", "000001.SZ"),
            ("pfyh", "600000.SH"),
            ("新来者", "900001.SH"),
            ("900002", "900002.SH"),
        ] {
            assert_eq!(found(typed).first().map(String::as_str), Some(first), "{typed}");
        }
        assert!(found("xlz").contains(&"900001.SH".to_owned()), "新来者");
        assert!(found("平安").contains(&"601318.SH".to_owned()), "中国平安 holds it");
        assert!(found("cqpj").contains(&"600132.SH".to_owned()), "重庆啤酒");
        assert!(found("gzmt").contains(&"600519.SH".to_owned()), "贵州茅台");
        assert!(
            found("没有这个").is_empty() && found("").is_empty() && found("<script>").is_empty()
        );
        assert!(found("0").len() <= 20);
    }

    #[test]
    fn a_mark_before_a_name_is_no_part_of_it() {
        for (name, bare) in [
            ("*ST国华", "国华"),
            ("XD平安银", "平安银"),
            ("C华电", "华电"),
            ("TCL科技", "tcl科技"),
            ("ST", ""),
            ("国华", "国华"),
        ] {
            assert_eq!(Name::new(name).bare, bare, "{name}");
        }
    }

    #[test]
    fn a_letter_too_many_is_forgiven() {
        let (search, observer) = (Search::default(), Observer::start().unwrap());
        let keys = |typed: &str| -> Vec<String> {
            let found = search.find(&observer, typed, 20).into_iter();
            found.map(|(key, _)| key.to_string()).collect()
        };
        assert_eq!(keys("payhqqq")[0], "000001.SZ");
        assert!(keys("zzzzzz").len() <= 20);
        assert!(keys("600000x").is_empty(), "a code is no typing error");
    }
}
