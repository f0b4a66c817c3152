//! What the host notes beside what came: outages, backfills, sources that disagree.

use rusqlite::params;

use crate::{
    Backfill, Day, Deviation, Ledger, LedgerError, Outage, Rules, day::MINUTE_US,
    securities::moment_text,
};

/// Deviations that are kept of a day; the host counts all of them.
const MOST_DEVIATIONS: i64 = 1_000;

impl Ledger {
    /// Notes a time in which the host did not run, was paused, or its source was silent, microseconds
    /// since 1970 UTC. Noted again with the same begin and reason, it takes the later end.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_outage(&mut self, from_us: i64, to_us: i64, why: &str) -> Result<(), LedgerError> {
        let put = "INSERT INTO outages VALUES (?1, ?2, ?3)
                   ON CONFLICT (from_us, why) DO UPDATE SET to_us = max(to_us, ?2)";
        let noted = self.db.execute(put, params![from_us, to_us.max(from_us), why]);
        noted.map(drop).map_err(self.fault())
    }

    /// Notes what a backfill of those days did.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_backfill(
        &mut self,
        first: Day,
        last: Day,
        backfill: &Backfill,
    ) -> Result<(), LedgerError> {
        let entry = serde_json::to_string(backfill).unwrap_or_default();
        let put = "INSERT INTO backfills VALUES (?1, ?2, ?3)";
        self.db.execute(put, params![first.0, last.0, entry]).map(drop).map_err(self.fault())
    }

    /// Notes that sources disagree about a security; the same text of a day again adds to its count.
    /// Of a day some thousand are kept.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_deviation(&mut self, deviation: &Deviation) -> Result<(), LedgerError> {
        let day = Day::of(deviation.at_us).0;
        let put = "INSERT INTO deviations SELECT ?1, ?2, ?3, ?4, ?5
                   WHERE (SELECT count(*) FROM deviations WHERE day = ?1) < ?6
                      OR EXISTS (SELECT 1 FROM deviations WHERE day = ?1 AND symbol = ?2 AND text = ?4)
                   ON CONFLICT (day, symbol, text)
                   DO UPDATE SET at_us = max(at_us, ?3), count = count + ?5";
        let count = i64::try_from(deviation.count).unwrap_or(i64::MAX);
        let Deviation { at_us, symbol, text, .. } = deviation;
        let noted = self.db.execute(put, params![day, symbol, at_us, text, count, MOST_DEVIATIONS]);
        noted.map(drop).map_err(self.fault())
    }

    /// Outages that touch the auction or the sessions of a day.
    pub(crate) fn outages(&self, day: Day, rules: &Rules) -> Result<Vec<Outage>, LedgerError> {
        let spans = || rules.auction.iter().chain(&rules.sessions);
        let moment = |minute: u16| day.start_us() + i64::from(minute) * MINUTE_US;
        let opens = spans().map(|it| it.from).min().map_or(day.start_us(), moment);
        let closes = spans().map(|it| it.to).max().map_or(opens, moment);
        let read = "SELECT from_us, to_us, why FROM outages WHERE to_us >= ?1 AND from_us < ?2
                    ORDER BY from_us, why";
        let mut statement = self.db.prepare(read).map_err(self.fault())?;
        let rows = statement.query_map([opens, closes], |row| {
            let (from_us, to_us): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(Outage { from: moment_text(from_us), to: moment_text(to_us), why: row.get(2)? })
        });
        rows.and_then(Iterator::collect).map_err(self.fault())
    }

    pub(crate) fn backfills(&self, day: Day) -> Result<Vec<Backfill>, LedgerError> {
        let read = "SELECT entry FROM backfills WHERE first <= ?1 AND last >= ?1 ORDER BY rowid";
        let mut statement = self.db.prepare(read).map_err(self.fault())?;
        let rows = statement.query_map([day.0], |row| row.get::<_, String>(0));
        let entries: Vec<String> = rows.and_then(Iterator::collect).map_err(self.fault())?;
        let entry = |text: String| {
            serde_json::from_str(&text).map_err(|error| LedgerError::Damaged {
                path: self.path.clone(),
                why: format!("the entry of a backfill: {error}"),
            })
        };
        entries.into_iter().map(entry).collect()
    }

    pub(crate) fn deviations(&self, day: Day) -> Result<Vec<Deviation>, LedgerError> {
        let read = "SELECT at_us, symbol, text, count FROM deviations WHERE day = ?1
                    ORDER BY symbol, at_us, text";
        let mut statement = self.db.prepare(read).map_err(self.fault())?;
        let rows = statement.query_map([day.0], |row| {
            let count = row.get::<_, i64>(3)?.unsigned_abs();
            Ok(Deviation { at_us: row.get(0)?, symbol: row.get(1)?, text: row.get(2)?, count })
        });
        rows.and_then(Iterator::collect).map_err(self.fault())
    }
}
