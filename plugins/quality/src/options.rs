//! What the `quality` transform can be told.

use kit::Faults;
use plugin_api::{Duration, PluginError, options};

use crate::rule::Rule;

options! {
    /// What happens to a record that breaks a rule.
    pub enum Action {
        /// It is left out and counted.
        Drop,
        /// Its score is below 1.
        Mark,
        /// The rule is not looked at.
        Pass,
    }
}

options! {
    /// How far a price may be from the close of the day before, in percent of it; 0 for no limit.
    #[derive(Copy, PartialEq)]
    #[serde(default)]
    pub struct Bands {
        /// Main boards of Shanghai and Shenzhen, B shares, 0 to 99. Default 10.
        pub main: f64,
        /// Of those, securities with `ST` in their name, 0 to 99. Default: 5 in quotes until
        /// 2026-07-03, as `main` from 2026-07-06 on, when the exchanges raised it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub st: Option<f64>,
        /// STAR and ChiNext, 0 to 99. Default 20.
        pub growth: f64,
        /// Beijing, 0 to 99. Default 30.
        pub beijing: f64,
        /// Funds, 0 to 99; some have 10, some 20, and codes do not tell which. Default 20.
        pub fund: f64,
    }
}

impl Default for Bands {
    fn default() -> Self {
        Self { main: 10.0, st: None, growth: 20.0, beijing: 30.0, fund: 20.0 }
    }
}

/// Of main-board securities with `ST` in their name, until the exchanges raised it.
const ST_PERCENT: f64 = 5.0;
/// 2026-07-06, a Monday: first day of the rules that the exchanges changed. Lines of November 2022 show
/// 5 percent, lines of September 2026 show 10.
const ST_RAISED_DAY: i64 = 20_640;

impl Bands {
    /// The limit of main-board securities with `ST` in their name, in percent; the day counts from
    /// 1970.
    pub fn st_on(&self, day: i64) -> f64 {
        self.st.unwrap_or(if day < ST_RAISED_DAY { ST_PERCENT } else { self.main })
    }

    /// The narrowest limit there is, as a share of the close of the day before.
    pub fn narrowest(&self) -> f64 {
        let limits = self.all().into_iter().map(|(_, percent)| percent);
        limits.filter(|percent| *percent > 0.0).fold(99.0, f64::min) / 100.0
    }

    fn all(&self) -> [(&'static str, f64); 5] {
        [
            ("main", self.main),
            ("st", self.st.unwrap_or(ST_PERCENT)),
            ("growth", self.growth),
            ("beijing", self.beijing),
            ("fund", self.fund),
        ]
    }
}

options! {
    /// Options of the `quality` transform: for each rule what happens to a record that breaks it,
    /// `drop`, `mark` or `pass`, and what the rules measure with. Dropped by default is only what
    /// cannot be a quote of any security, and zeroes after the close.
    #[serde(default)]
    pub struct Options {
        /// Exchange, code and a readable time are there, and at least one price. Default `drop`.
        pub fields: Action,
        /// Every price is a finite number, 0 or from 0.0005 to 10 million. Default `drop`.
        pub price: Action,
        /// Volume, amount and book sizes are finite numbers, not negative; at most 10^14 shares and
        /// 10^16 CNY. Default `drop`.
        pub volume: Action,
        /// The high is not below the low. Default `drop`.
        pub high_low: Action,
        /// After 15:05 volume and amount do not fall below what the day had, as they do in QMT's
        /// last records; a store would keep them as the day's. Default `drop`.
        pub reset: Action,
        /// Open and close lie within low and high, where these are given. Default `mark`.
        pub range: Action,
        /// Prices lie within the day's limits. Looked at neither for indices and bonds nor where
        /// the name tells that there are none: `N…`, `C…`, `退`. Default `mark`.
        pub price_limit: Action,
        /// The previous close fits the day. It does not when all prices agree with each other and
        /// lie beyond the limits together: an ex-right day whose source did not adjust it, or a
        /// first day. Names with XD, XR or DR are taken for explained. Default `mark`.
        pub pre_close: Action,
        /// Volume and amount never fall within a day, by a lot or 1 CNY and more. Not looked at
        /// where they do not fit each other. Default `mark`.
        pub falling: Action,
        /// The time of a security never goes back. Default `mark`.
        pub time_back: Action,
        /// The time is at most a minute ahead of the receipt. Default `mark`.
        pub future: Action,
        /// In the session, the time is at most `stale_after` of trading time before the receipt.
        /// Default `mark`.
        pub stale: Action,
        /// There is a last price once something traded, a last price or a book in continuous
        /// trading, and a volume once the price moved. A bar has no price of 0. Default `mark`.
        pub zero: Action,
        /// The amount is that of the volume at the day's prices, within a factor of 10: off by 100
        /// is a unit mixed up. Not looked at for indices and bonds. Default `mark`.
        pub amount: Action,
        /// In continuous trading, the best bid is not above the best ask. Default `mark`.
        pub crossed: Action,
        /// In continuous trading, bids fall and asks rise from level to level, and no level is
        /// behind an empty one. Default `mark`.
        pub levels: Action,
        /// In continuous trading, a security that has traded has a book, unless it is an index or
        /// a bond. Default `mark`.
        pub empty_book: Action,
        /// How old a quote may be when it is received, in trading time: the lunch break does not
        /// count. At least 1s, 0s for never. Securities that trade rarely are minutes apart at the
        /// exchange itself. Default 5m.
        pub stale_after: Duration,
        /// The limits of the day.
        pub bands: Bands,
        /// Whether records that break no rule get a score of 1 instead of none, which costs a copy
        /// of every batch. Default false.
        pub score_clean: bool,
    }
}

impl Default for Options {
    fn default() -> Self {
        use Action::{Drop, Mark};
        Self {
            fields: Drop,
            price: Drop,
            volume: Drop,
            high_low: Drop,
            reset: Drop,
            range: Mark,
            price_limit: Mark,
            pre_close: Mark,
            falling: Mark,
            time_back: Mark,
            future: Mark,
            stale: Mark,
            zero: Mark,
            amount: Mark,
            crossed: Mark,
            levels: Mark,
            empty_book: Mark,
            stale_after: Duration(std::time::Duration::from_secs(300)),
            bands: Bands::default(),
            score_clean: false,
        }
    }
}

impl Options {
    /// Checks what the schema cannot.
    ///
    /// # Errors
    /// `Config` that names every value out of range.
    pub fn check(&self) -> Result<(), PluginError> {
        let mut faults = Faults::default();
        for (name, percent) in self.bands.all() {
            let ask = "give a percentage from";
            faults.within(&format!("bands.{name}"), percent, 0.0..=99.0, ask);
        }
        let stale_after = self.stale_after.as_millis();
        if (1..1_000).contains(&stale_after) {
            faults.push(format!(
                "stale_after is {}; give 1s or more, or 0s to switch the rule off",
                self.stale_after
            ));
        }
        faults.check()
    }

    /// What happens to a record that breaks the rule.
    pub fn action(&self, rule: Rule) -> Action {
        match rule {
            Rule::Fields => self.fields,
            Rule::Price => self.price,
            Rule::Volume => self.volume,
            Rule::HighLow => self.high_low,
            Rule::Reset => self.reset,
            Rule::Range => self.range,
            Rule::PriceLimit => self.price_limit,
            Rule::PreClose => self.pre_close,
            Rule::Falling => self.falling,
            Rule::TimeBack => self.time_back,
            Rule::Future => self.future,
            Rule::Stale => self.stale,
            Rule::Zero => self.zero,
            Rule::Amount => self.amount,
            Rule::Crossed => self.crossed,
            Rule::Levels => self.levels,
            Rule::EmptyBook => self.empty_book,
        }
    }
}
