//! Which sources a bar was made of.
//!
//! A bar carries the id of the source of its quotes; of several, all of them in alphabetical order,
//! as `qmt+qq`. A bar keeps them as a set of numbers, which costs two bytes and no text.

/// Sources that are told apart; further ones are called [`OTHERS`] together.
const MOST: usize = 15;
/// Name of all sources behind the fifteenth.
const OTHERS: &str = "others";
/// Stands between two names.
const JOINT: &str = "+";

/// The sources of a quote or a bar: a bit each; none while it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin(pub u16);

impl Origin {
    /// Both of them.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, place: usize) -> bool {
        self.0 & 1 << place != 0
    }
}

/// Names of the sources that were seen, and what bars of several of them say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origins {
    /// By their bit.
    names: Vec<Box<str>>,
    /// Names of sets of several, since the last [`name`](Self::name).
    joined: Vec<(Origin, String)>,
}

impl Origins {
    /// The sources of an earlier run, by their bits.
    pub fn restored(mut names: Vec<Box<str>>) -> Self {
        names.truncate(MOST);
        Self { names, joined: Vec::new() }
    }

    /// By their bit.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The source of that id.
    pub fn of(&mut self, id: &str) -> Origin {
        if id.is_empty() {
            return Origin::default();
        }
        let known = self.names.iter().position(|name| **name == *id);
        let place = known.unwrap_or_else(|| {
            if self.names.len() < MOST && id != OTHERS {
                self.names.push(id.into());
                self.names.len() - 1
            } else {
                MOST
            }
        });
        Origin(1 << place)
    }

    /// The sources that a bar names.
    pub fn of_bar(&mut self, text: &str) -> Origin {
        let ids = text.split(JOINT);
        ids.fold(Origin::default(), |origin, id| origin.with(self.of(id)))
    }

    /// Puts names together for those of several sources.
    pub fn name(&mut self, origins: impl Iterator<Item = Origin>) {
        self.joined.clear();
        for origin in origins.filter(|it| it.0.count_ones() > 1) {
            if self.joined.iter().all(|(known, _)| *known != origin) {
                let names = self.names.iter().map(|name| &**name).chain([OTHERS]);
                let places = (0..self.names.len()).chain([MOST]);
                let names = names.zip(places).filter(|(_, place)| origin.has(*place));
                let mut names: Vec<_> = names.map(|(name, _)| name).collect();
                names.sort_unstable();
                self.joined.push((origin, names.join(JOINT)));
            }
        }
    }

    /// What a bar of those sources says; those of several need [`name`](Self::name) before.
    pub fn text(&self, origin: Origin) -> &str {
        if origin.0.count_ones() > 1 {
            let joined = self.joined.iter().find(|(known, _)| *known == origin);
            return joined.map(|(_, text)| &text[..]).unwrap_or_default();
        }
        match (0..=MOST).find(|place| origin.has(*place)) {
            Some(MOST) => OTHERS,
            Some(place) => self.names.get(place).map(|name| &**name).unwrap_or_default(),
            None => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_is_named_and_several_are_joined() {
        let mut origins = Origins::default();
        let (none, qq, qmt) = (origins.of(""), origins.of("qq"), origins.of("qmt"));
        assert_eq!((qq, origins.of("qq").with(none)), (Origin(1), qq));
        let both = qq.with(qmt);
        origins.name([none, qq, both, both].into_iter());
        let texts = [none, qq, qmt, both].map(|it| origins.text(it));
        assert_eq!(texts, ["", "qq", "qmt", "qmt+qq"]);
        assert_eq!(origins.joined.len(), 1);
    }

    #[test]
    fn a_bar_of_several_sources_is_of_each() {
        let mut origins = Origins::default();
        let (both, qq) = (origins.of_bar("qmt+qq"), origins.of("qq"));
        assert_eq!((both.with(qq), origins.names().len()), (both, 2));
        assert_eq!(origins.of_bar(""), Origin::default());
        assert_eq!(origins.of("others"), Origin(1 << MOST));
    }

    #[test]
    fn there_is_room_for_fifteen_names() {
        let mut origins = Origins::default();
        let all: Vec<_> = (10..30).map(|number| origins.of(&format!("s{number}"))).collect();
        assert_eq!((origins.text(all[14]), origins.text(all[15])), ("s24", "others"));
        let all = all.into_iter().fold(Origin::default(), Origin::with);
        origins.name([all].into_iter());
        assert!(origins.text(all).starts_with("others+s10+s11") && all == Origin(u16::MAX));
    }
}
