//! Finds the columns of a file by the names that the options give.

use std::{collections::BTreeMap, path::Path};

use strsim::jaro_winkler;

use crate::{
    config::Columns,
    reader::{clean, excerpt, shown},
    settings::Settings,
};

/// The columns of a file, in order.
#[derive(Debug)]
pub struct Header<'a> {
    pub file: &'a Path,
    pub names: &'a [String],
    /// Whether each column holds a list in every cell.
    pub lists: &'a [bool],
}

/// Where each field of a quote stands in its file: numbers of columns, from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    pub code: usize,
    pub market: Option<usize>,
    pub time: usize,
    pub date: Option<usize>,
    pub recv_time: Option<usize>,
    pub name: Option<usize>,
    pub source: Option<usize>,
    pub quality_score: Option<usize>,
    pub pre_close: Option<usize>,
    pub open: Option<usize>,
    pub high: Option<usize>,
    pub low: Option<usize>,
    pub close: Option<usize>,
    pub volume: Option<usize>,
    pub amount: Option<usize>,
    pub bid: LevelColumns,
    pub bid_volume: LevelColumns,
    pub ask: LevelColumns,
    pub ask_volume: LevelColumns,
}

/// Where one side of the book stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LevelColumns {
    /// A column a level, best first.
    Columns(Vec<usize>),
    /// One column, of lists or of the best level alone.
    List(usize),
}

impl Default for LevelColumns {
    fn default() -> Self {
        Self::Columns(Vec::new())
    }
}

impl Layout {
    /// Finds what the options name, or the project's own names when they name nothing.
    ///
    /// # Errors
    /// A text with the file, every name that it lacks, and what it has.
    pub fn find(header: &Header<'_>, settings: &Settings) -> Result<Self, String> {
        let search = Search { header, settings, missing: Vec::new() };
        let layout = match &settings.columns {
            Some(columns) => search.by_map(columns),
            None => search.by_own_names(),
        }?;
        header.refuse_repeated(&layout.all())?;
        Ok(layout)
    }

    /// The columns that times are made of.
    pub fn of_time(&self) -> Vec<usize> {
        self.date.into_iter().chain([self.time]).collect()
    }

    /// Every column that is read.
    pub fn all(&self) -> Vec<usize> {
        let single = [
            self.market,
            self.date,
            self.recv_time,
            self.name,
            self.source,
            self.quality_score,
            self.pre_close,
            self.open,
            self.high,
            self.low,
            self.close,
            self.volume,
            self.amount,
        ];
        let mut all: Vec<usize> =
            single.into_iter().flatten().chain([self.code, self.time]).collect();
        for levels in [&self.bid, &self.bid_volume, &self.ask, &self.ask_volume] {
            match levels {
                LevelColumns::Columns(columns) => all.extend(columns),
                LevelColumns::List(column) => all.push(*column),
            }
        }
        all
    }
}

impl Header<'_> {
    /// Number of the column of that name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|column| column.trim() == name.trim())
    }

    /// What to say of a column that is not there; `key` is the option that names it.
    pub fn lacks(&self, name: &str, key: &str) -> String {
        let mut text = format!("{} has no column \"{}\"", shown(self.file), clean(name));
        if !key.is_empty() {
            text.push_str(&format!(" ({key})"));
        }
        text.push_str(&format!("; it has {}", self.listed()));
        let wanted = name.to_ascii_lowercase();
        let likeness = |column: &String| jaro_winkler(&wanted, &column.to_ascii_lowercase());
        let closest = self.names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        if let Some(closest) = closest.filter(|column| likeness(column) > 0.7) {
            text.push_str(&format!("; did you mean \"{}\"?", excerpt(closest.trim())));
        }
        if let [only] = self.names
            && let Some(separator) = only.chars().find(|char| matches!(char, ';' | '\t' | '|'))
        {
            let separator = if separator == '\t' { "tabs".into() } else { separator.to_string() };
            text.push_str(&format!("; its cells stand between {separator}, not between commas"));
        }
        text
    }

    /// Refuses a name that several columns have when one of them is read.
    ///
    /// # Errors
    /// A text with the file, the name and the places.
    pub fn refuse_repeated(&self, used: &[usize]) -> Result<(), String> {
        let places_of = |name: &str| -> Vec<String> {
            let same = self.names.iter().enumerate().filter(|(_, other)| other.trim() == name);
            same.map(|(place, _)| (place + 1).to_string()).collect()
        };
        let mut repeated = BTreeMap::new();
        for name in used.iter().filter_map(|column| self.names.get(*column)) {
            let places = places_of(name.trim());
            if places.len() > 1 {
                repeated.insert(name.trim(), places);
            }
        }
        let faults: Vec<_> = repeated
            .into_iter()
            .map(|(name, places)| {
                format!(
                    "{} has column \"{}\" {} times, as columns {}; rename or remove the others",
                    shown(self.file),
                    excerpt(name),
                    places.len(),
                    places.join(", ")
                )
            })
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
    }

    fn listed(&self) -> String {
        const MOST_NAMES: usize = 100;
        let names: Vec<_> =
            self.names.iter().take(MOST_NAMES).map(|name| excerpt(name.trim())).collect();
        let more = self.names.len().saturating_sub(MOST_NAMES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        names.join(", ") + &more
    }
}

struct Search<'a> {
    header: &'a Header<'a>,
    settings: &'a Settings,
    missing: Vec<String>,
}

impl Search<'_> {
    fn by_map(mut self, map: &Columns) -> Result<Layout, String> {
        let layout = Layout {
            code: self.named("code", Some(&map.code)).unwrap_or_default(),
            market: self.named("market", map.market.as_ref()),
            time: self.named("time", Some(&map.time)).unwrap_or_default(),
            date: self.named("date", map.date.as_ref()),
            recv_time: self.named("recv_time", map.recv_time.as_ref()),
            name: self.named("name", map.name.as_ref()),
            source: None,
            quality_score: None,
            pre_close: self.named("pre_close", map.pre_close.as_ref()),
            open: self.named("open", map.open.as_ref()),
            high: self.named("high", map.high.as_ref()),
            low: self.named("low", map.low.as_ref()),
            close: self.named("close", map.close.as_ref()),
            volume: self.named("volume", map.volume.as_ref()),
            amount: self.named("amount", map.amount.as_ref()),
            bid: self.named_levels("bid", map.bid.as_ref()),
            bid_volume: self.named_levels("bid_volume", map.bid_volume.as_ref()),
            ask: self.named_levels("ask", map.ask.as_ref()),
            ask_volume: self.named_levels("ask_volume", map.ask_volume.as_ref()),
        };
        if self.missing.is_empty() { Ok(layout) } else { Err(self.missing.join("\n")) }
    }

    fn by_own_names(self) -> Result<Layout, String> {
        let at = |name: &str| self.header.position(name);
        let needed = |name: &str| {
            at(name).ok_or_else(|| {
                let lacks = self.header.lacks(name, "");
                format!("{lacks}; name its columns in a table `columns`")
            })
        };
        let code = match at("symbol").or_else(|| at("code")) {
            Some(column) => column,
            None => needed("symbol")?,
        };
        Ok(Layout {
            code,
            market: at("market"),
            time: needed("time")?,
            date: at("date"),
            recv_time: at("recv_time"),
            name: at("name"),
            source: at("source"),
            quality_score: at("quality_score"),
            pre_close: at("pre_close"),
            open: at("open"),
            high: at("high"),
            low: at("low"),
            close: Some(needed("close")?),
            volume: at("volume"),
            amount: at("amount"),
            bid: self.own_levels("bid"),
            bid_volume: self.own_levels("bid_volume"),
            ask: self.own_levels("ask"),
            ask_volume: self.own_levels("ask_volume"),
        })
    }

    fn named(&mut self, key: &str, name: Option<&String>) -> Option<usize> {
        let name = name?;
        let column = self.header.position(name);
        if column.is_none() {
            self.missing.push(self.header.lacks(name, &format!("columns.{key}")));
        }
        column
    }

    fn named_levels(&mut self, key: &str, name: Option<&String>) -> LevelColumns {
        let Some(name) = name else { return LevelColumns::default() };
        if name.contains("{n}") {
            let (first, columns) = self.numbered(name);
            if columns.is_empty() {
                let lacks = self.header.lacks(&level_name(name, first), &format!("columns.{key}"));
                self.missing.push(lacks);
            }
            return LevelColumns::Columns(columns);
        }
        self.named(key, Some(name)).map_or_else(LevelColumns::default, LevelColumns::List)
    }

    fn own_levels(&self, name: &str) -> LevelColumns {
        let numbered = self.numbered(&format!("{name}{{n}}")).1;
        match self.header.position(name) {
            Some(column) if self.is_list(column) || numbered.is_empty() => {
                LevelColumns::List(column)
            }
            _ => LevelColumns::Columns(numbered),
        }
    }

    /// Number of the first level, and the columns from there on as long as they are numbered in a
    /// row.
    fn numbered(&self, template: &str) -> (u32, Vec<usize>) {
        let at = |level| self.header.position(&level_name(template, level));
        let first = self.settings.first_level.unwrap_or(u32::from(at(0).is_none()));
        (first, (first..).map_while(at).take(self.settings.levels).collect())
    }

    fn is_list(&self, column: usize) -> bool {
        self.header.lists.get(column).copied().unwrap_or(false)
    }
}

fn level_name(template: &str, level: u32) -> String {
    template.replace("{n}", &level.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(names: &[&str], settings: &Settings) -> Result<Layout, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Layout::find(&Header { file: Path::new("day.csv"), names: &names, lists: &[] }, settings)
    }

    fn mapped(columns: Columns) -> Settings {
        Settings { levels: 10, columns: Some(columns), ..Settings::default() }
    }

    fn minimal() -> Columns {
        Columns { code: "Code".into(), time: "Time".into(), ..Columns::default() }
    }

    #[test]
    fn levels_start_where_the_file_starts_them() {
        let names = ["Code", " Time", "B0", "B1", "B2", "A1", "A2", "A4"];
        let columns = Columns { bid: Some("B{n}".into()), ask: Some("A{n}".into()), ..minimal() };
        let mut settings = mapped(columns);
        let layout = find(&names, &settings).unwrap();
        assert_eq!(layout.bid, LevelColumns::Columns(vec![2, 3, 4]));
        assert_eq!(layout.ask, LevelColumns::Columns(vec![5, 6]), "a hole ends the book");
        settings.levels = 1;
        settings.first_level = Some(1);
        assert_eq!(find(&names, &settings).unwrap().bid, LevelColumns::Columns(vec![3]));
    }

    #[test]
    fn every_missing_column_is_named_with_the_closest_there_is() {
        let columns =
            Columns { close: Some("LastPx".into()), bid: Some("BidPrice{n}".into()), ..minimal() };
        let error = find(&["Code", "Time", "LastPrice"], &mapped(columns)).unwrap_err();
        assert_eq!(
            error,
            "day.csv has no column \"LastPx\" (columns.close); it has Code, Time, LastPrice; \
             did you mean \"LastPrice\"?\n\
             day.csv has no column \"BidPrice1\" (columns.bid); it has Code, Time, LastPrice; \
             did you mean \"LastPrice\"?"
        );
    }

    #[test]
    fn a_name_that_is_there_twice_is_no_name() {
        let names = ["symbol", "time", "close", "name", "close ", "x", "x"];
        assert_eq!(
            find(&names, &Settings::default()).unwrap_err(),
            "day.csv has column \"close\" 2 times, as columns 3, 5; rename or remove the others"
        );
        let names = ["symbol", "time", "close", "x", "x"];
        assert!(find(&names, &Settings::default()).is_ok(), "nobody reads those");
    }

    #[test]
    fn names_of_a_damaged_file_do_no_harm_to_a_terminal() {
        let name = "\u{1b}[31m".to_owned() + &"x".repeat(1_000);
        let names: Vec<&str> = std::iter::repeat_n(name.as_str(), 5_000).collect();
        let error = find(&names, &Settings::default()).unwrap_err();
        assert!(error.len() < 10_000 && !error.contains('\u{1b}'), "{error}");
        let error = find(&["symbol;time;close"], &Settings::default()).unwrap_err();
        assert!(error.contains("its cells stand between ;, not between commas"), "{error}");
    }

    #[test]
    fn a_file_of_another_vendor_needs_a_map() {
        let error = find(&["SecurityID", "DateTime"], &Settings::default()).unwrap_err();
        assert_eq!(
            error,
            "day.csv has no column \"symbol\"; it has SecurityID, DateTime; name its columns in a \
             table `columns`"
        );
    }
}
