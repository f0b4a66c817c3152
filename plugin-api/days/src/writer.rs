//! Who counts: takes records into the memory and writes them in one transaction with the mark.

use std::path::Path;

use rusqlite::{OptionalExtension as _, TransactionBehavior, params};
use schemas::session::TradingCalendar;

use crate::{
    ClosedBar, Counted, Day, Ledger, LedgerError, Mark, Quote, Rules, SetAside,
    bits::Bits,
    file,
    lock::Lock,
    record::is_future,
    tally::{AllNames, Tally, TallyError},
};

/// Securities that are told apart; the three exchanges list about ten thousand, bonds and funds too.
const MOST_SECURITIES: usize = 65_536;
/// A host that was heard of so long ago was not there in between, microseconds.
const AWAY_US: i64 = 60 * 1_000_000;

/// A ledger that is counted in; nobody else counts in it meanwhile.
#[derive(Debug)]
pub struct Writer {
    pub(crate) ledger: Ledger,
    _lock: Lock,
    set_aside: Option<SetAside>,
    pub(crate) rules: Rules,
    calendar: TradingCalendar,
    universe: Option<Bits>,
    pub(crate) names: AllNames,
    pub(crate) tally: Tally,
    mark: Mark,
    seen_us: i64,
    symbol: String,
}

/// What is kept beside the days.
struct Progress {
    mark: Mark,
    seen_us: i64,
    rules: String,
}

impl Writer {
    pub(crate) fn open(path: &Path, holder: &str, rules: &Rules) -> Result<Self, LedgerError> {
        if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(LedgerError::io(folder))?;
        }
        let lock = Lock::take(path, holder)?;
        let (db, set_aside) = file::open(path)?;
        let ledger = Ledger { path: path.to_owned(), db };
        let names = AllNames::read(&ledger.db).map_err(ledger.fault())?;
        let progress = ledger.progress()?;
        let text = serde_json::to_string(rules).unwrap_or_default();
        if progress.as_ref().is_none_or(|it| it.rules != text) {
            ledger.change_rules(&text)?;
        }
        let progress =
            progress.unwrap_or(Progress { mark: Mark::default(), seen_us: 0, rules: text });
        Ok(Self {
            _lock: lock,
            set_aside,
            calendar: rules.calendar(),
            rules: rules.clone(),
            universe: None,
            names,
            tally: Tally::default(),
            mark: progress.mark,
            seen_us: progress.seen_us,
            symbol: String::new(),
            ledger,
        })
    }

    /// The damaged file that was set aside when this one was opened.
    pub fn set_aside(&self) -> Option<&SetAside> {
        self.set_aside.as_ref()
    }

    /// The ledger as everybody reads it: what was committed.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The same, to note something in it.
    pub fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// What was committed of what was offered.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// The calendar that it goes by.
    pub fn calendar(&self) -> &TradingCalendar {
        &self.calendar
    }

    /// Names the securities that are expected from today on, as `600000.SH`.
    pub fn expect(&mut self, symbols: impl IntoIterator<Item = impl AsRef<str>>) {
        let ids = symbols.into_iter().map(|symbol| self.names.securities.id(symbol.as_ref()));
        self.universe = Some(ids.collect());
    }

    /// Notes the time in which no host counted, up to now; what is missing in it has its reason then.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn resume(&mut self, now_us: i64) -> Result<(), LedgerError> {
        if self.seen_us > 0 && now_us - self.seen_us > AWAY_US {
            self.ledger.note_outage(self.seen_us, now_us, "the host did not run")?;
        }
        Ok(())
    }

    /// Counts a quote.
    ///
    /// # Errors
    /// When what was counted before cannot be read; this writer is of no more use then.
    pub fn count_quote(&mut self, quote: &Quote<'_>, now_us: i64) -> Result<Counted, LedgerError> {
        let place = quote.place();
        if let Some(refused) = self.refused(place.moment_us, now_us) {
            return Ok(refused);
        }
        let Some(security) = self.security(quote.symbol) else { return Ok(Counted::Odd) };
        let source = self.names.sources.id(quote.source);
        let added = self.tally.add_quote(&self.ledger.db, quote, place, security, source);
        added.map(|()| Counted::Yes).map_err(|error| self.tally_fault(error))
    }

    /// Counts a bar that changes no more; one that comes again takes the place of the one before.
    ///
    /// # Errors
    /// As [`count_quote`](Self::count_quote).
    pub fn count_bar(&mut self, bar: &ClosedBar<'_>, now_us: i64) -> Result<Counted, LedgerError> {
        // a bar of weeks or more bears a day that has not come
        if let Some(refused) = self.refused(bar.time_us, now_us) {
            return Ok(refused);
        }
        let Some(security) = self.security(bar.symbol) else { return Ok(Counted::Odd) };
        let (periods, sources) = (&mut self.names.periods, &mut self.names.sources);
        let ids = (security, periods.id(bar.period), sources.id(bar.source));
        let added = self.tally.add_bar(&self.ledger.db, bar, ids);
        added.map(|()| Counted::Yes).map_err(|error| self.tally_fault(error))
    }

    /// Counts a round of the market that ended at that moment.
    ///
    /// # Errors
    /// As [`count_quote`](Self::count_quote).
    pub fn count_round(&mut self, at_us: i64, now_us: i64) -> Result<(), LedgerError> {
        if self.refused(at_us, now_us).is_some() {
            return Ok(());
        }
        let added = self.tally.add_round(&self.ledger.db, at_us);
        added.map_err(|error| self.tally_fault(error))
    }

    /// Whether so much waits in the memory that it should be committed.
    pub fn is_full(&self) -> bool {
        self.tally.is_full()
    }

    /// Writes all that was counted, with the mark of what that was. Holds wholly or not at all; after
    /// an error it can be tried again.
    ///
    /// # Errors
    /// `Busy` when the disk is full.
    pub fn commit(&mut self, mark: Mark, now_us: i64) -> Result<(), LedgerError> {
        let fault = self.ledger.fault();
        let Self { ledger, names, tally, rules, universe, .. } = self;
        let immediate = TransactionBehavior::Immediate;
        let transaction = ledger.db.transaction_with_behavior(immediate).map_err(&fault)?;
        names.write(&transaction).map_err(&fault)?;
        let written = tally.write(&transaction, rules, universe.as_ref(), now_us);
        written.map_err(|error| error.into_fault(&ledger.path))?;
        let next = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        transaction
            .execute(
                "UPDATE progress SET delivery = ?1, next = ?2, seen_us = ?3",
                params![next(mark.delivery), next(mark.next), now_us],
            )
            .map_err(&fault)?;
        transaction.commit().map_err(&fault)?;
        self.tally.written();
        self.names.written();
        (self.mark, self.seen_us) = (mark, now_us);
        Ok(())
    }

    /// Whether nothing that was counted waits for a commit.
    pub fn is_committed(&self) -> bool {
        self.tally.is_empty()
    }

    /// Damage of the file that was met since the last call, for the log.
    pub fn take_damage(&mut self) -> Vec<String> {
        std::mem::take(&mut self.tally.told)
    }

    fn refused(&self, moment_us: i64, now_us: i64) -> Option<Counted> {
        if is_future(moment_us, now_us) {
            return Some(Counted::Future);
        }
        let is_traded = self.calendar.is_trading_day(Day::of(moment_us).0);
        (!is_traded).then_some(Counted::NoTradingDay)
    }

    /// The number of a security; `None` for what is none.
    fn security(&mut self, symbol: schemas::symbol::Symbol<'_>) -> Option<u32> {
        use std::fmt::Write as _;
        self.symbol.clear();
        write!(self.symbol, "{symbol}").ok()?;
        let names = &mut self.names.securities;
        if let Some(id) = names.find(&self.symbol) {
            return Some(id);
        }
        let is_code = symbol.code.len() == 6 && symbol.code.bytes().all(|it| it.is_ascii_digit());
        let is_market = ["SH", "SZ", "BJ"].contains(&symbol.market);
        (is_code && is_market && names.len() < MOST_SECURITIES).then(|| names.id(&self.symbol))
    }

    fn tally_fault(&self, error: TallyError) -> LedgerError {
        error.into_fault(&self.ledger.path)
    }
}

impl TallyError {
    fn into_fault(self, path: &Path) -> LedgerError {
        match self {
            Self::Sql(error) => LedgerError::sql(path)(error),
            Self::Value(why) => LedgerError::Damaged { path: path.to_owned(), why },
        }
    }
}

impl Ledger {
    fn progress(&self) -> Result<Option<Progress>, LedgerError> {
        let read = "SELECT delivery, next, seen_us, rules FROM progress";
        let progress = self.db.query_row(read, [], |row| {
            let number = |at| row.get::<_, i64>(at).map(i64::unsigned_abs);
            let mark = Mark { delivery: number(0)?, next: number(1)? };
            Ok(Progress { mark, seen_us: row.get(2)?, rules: row.get(3)? })
        });
        progress.optional().map_err(self.fault())
    }

    /// What is expected of days.
    pub(crate) fn rules(&self) -> Result<Rules, LedgerError> {
        let progress = self.progress()?;
        Ok(progress.and_then(|it| serde_json::from_str(&it.rules).ok()).unwrap_or_default())
    }

    /// Days that were judged by other rules are to be judged again.
    fn change_rules(&self, rules: &str) -> Result<(), LedgerError> {
        let transaction = self.db.unchecked_transaction().map_err(self.fault())?;
        transaction
            .execute(
                "INSERT INTO progress VALUES (1, 0, 0, 0, ?1) ON CONFLICT (only) DO UPDATE SET rules = ?1",
                [rules],
            )
            .and_then(|_| transaction.execute("UPDATE days SET verdict = NULL", []))
            .map_err(self.fault())?;
        transaction.commit().map_err(self.fault())
    }
}
