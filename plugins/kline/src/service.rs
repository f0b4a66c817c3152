//! The hosts of the service: asked in order, none believed before it has proved itself.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_api::{
    Context,
    schemas::{session::TradingCalendar, time::ExchangeTime},
    shown_address,
};

use crate::{
    answer::{self, Page, Security},
    client::Client,
    fault::Fault,
    pace::Pace,
    question::Question,
};

/// What must have rows on every trading day.
const PROOF: &str = "000001.SH";
/// Rows of it that are asked for; a day of minutes has 240.
const PROOF_ROWS: usize = 320;
/// Longest time without trading, days; the longest closure so far had 17.
const LONGEST_CLOSURE: i64 = 20;
/// Pause before hosts are asked again; each further one doubles it.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(8);

/// The service.
pub struct Service {
    client: Client,
    question: Question,
    hosts: Vec<Host>,
    /// Which host answered last.
    preferred: AtomicUsize,
    retries: u32,
    calendar: TradingCalendar,
    pace: Pace,
    context: Context,
}

/// One page of a security.
#[derive(Debug, Clone, Copy)]
pub struct PageOf<'a> {
    /// Whose.
    pub security: &'a Security,
    /// Last moment that is wanted, microseconds since 1970 UTC; `None`: the newest there is.
    pub end_us: Option<i64>,
    /// Rows that are asked for.
    pub rows: usize,
    /// Whether it may have ended before: no rows from two hosts are an answer then.
    pub may_be_empty: bool,
}

struct Host {
    url: String,
    proof: Mutex<Proof>,
    /// Proofs that failed.
    failures: AtomicU64,
}

#[derive(Default)]
struct Proof {
    is_given: bool,
    /// Why it failed last.
    fault: Option<Fault>,
}

impl Service {
    /// The service at those addresses; nothing is asked yet.
    pub fn new(
        client: Client,
        question: Question,
        urls: &[String],
        (retries, rate): (u32, u32),
        context: &Context,
    ) -> Self {
        let host = |url: &String| Host {
            url: url.trim_end_matches('/').to_owned(),
            proof: Mutex::default(),
            failures: AtomicU64::new(0),
        };
        Self {
            client,
            question,
            hosts: urls.iter().map(host).collect(),
            preferred: AtomicUsize::new(0),
            retries,
            calendar: TradingCalendar::shipped(),
            pace: Pace::new(rate, context.clone()),
            context: context.clone(),
        }
    }

    /// What every question has in common.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Which days are trading days.
    pub fn calendar(&self) -> &TradingCalendar {
        &self.calendar
    }

    /// When requests go out.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Whether any host gives what must be there, each asked once.
    ///
    /// # Errors
    /// Why none does, by host.
    pub fn prove(&self) -> Result<(), String> {
        let mut faults = Vec::new();
        for host in &self.hosts {
            match self.proof(host) {
                Ok(()) => return Ok(()),
                Err(fault) => faults.push(format!("{}: {}", shown_address(&host.url), fault.text)),
            }
        }
        Err(faults.join("; "))
    }

    /// A page of a security from the first host that has one.
    ///
    /// Rows that cannot be read are in it only if every host has such.
    ///
    /// # Errors
    /// What the last host said; [`is_answer`](Fault::is_answer) when all have answered.
    pub fn page(&self, of: &PageOf<'_>) -> Result<Page, Fault> {
        let mut damaged: Option<Page> = None;
        let mut last = Fault::new("the host is stopping");
        let (mut empty, mut backoff) = (0, FIRST_BACKOFF);
        for round in 0..=self.retries {
            if round > 0 {
                self.context.count("kline_retries_total", 1);
                if !self.pace.wait(backoff.max(last.retry_after.unwrap_or_default())) {
                    return Err(last);
                }
                backoff = (2 * backoff).min(LONGEST_BACKOFF);
            }
            let preferred = self.preferred.load(Ordering::Relaxed);
            let mut have_all_answered = true;
            for place in (0..self.hosts.len()).map(|it| (preferred + it) % self.hosts.len()) {
                let host = &self.hosts[place];
                match self.proof(host).and_then(|()| self.ask(&host.url, of)) {
                    Ok(page) if !page.damaged.is_empty() => {
                        let is_better = |it: &Page| page.damaged.len() < it.damaged.len();
                        if damaged.as_ref().is_none_or(is_better) {
                            damaged = Some(page);
                        }
                    }
                    Ok(page) if !page.rows.is_empty() => {
                        self.preferred.store(place, Ordering::Relaxed);
                        return Ok(page);
                    }
                    Ok(page) => {
                        empty += 1;
                        if of.may_be_empty && empty >= self.hosts.len().min(2) {
                            return Ok(page);
                        }
                    }
                    Err(fault) => {
                        have_all_answered &= fault.is_answer;
                        let text = format!("{}: {}", shown_address(&host.url), fault.text);
                        last = Fault { text, ..fault };
                    }
                }
                if self.pace.is_stopping() {
                    return Err(last);
                }
            }
            if let Some(page) = damaged {
                return Ok(page);
            }
            if have_all_answered || empty > 1 {
                break;
            }
        }
        let nothing = || Fault::answered("no rows: the service does not know it, or not by then");
        Err(if empty > 0 { nothing() } else { last })
    }

    /// Asks a host once.
    fn ask(&self, url: &str, of: &PageOf<'_>) -> Result<Page, Fault> {
        if !self.pace.turn() {
            return Err(Fault::new("the host is stopping"));
        }
        self.context.count("kline_requests_total", 1);
        let path = self.question.path(&of.security.code, of.end_us, of.rows);
        let answer = self.client.get(&format!("{url}{path}"));
        let page = answer.and_then(|bytes| answer::read(&bytes, of.security, &self.question));
        if page.is_err() {
            self.context.count("kline_failures_total", 1);
        }
        page
    }

    /// Makes a host prove itself unless it has; others that need it wait for the outcome.
    fn proof(&self, host: &Host) -> Result<(), Fault> {
        let failures = host.failures.load(Ordering::Relaxed);
        let mut proof = host.proof.lock().unwrap_or_else(PoisonError::into_inner);
        if proof.is_given {
            return Ok(());
        }
        if let Some(fault) = proof.fault.as_ref()
            && failures != host.failures.load(Ordering::Relaxed)
        {
            return Err(fault.clone());
        }
        let security = Security::of(PROOF);
        let of =
            PageOf { security: &security, end_us: None, rows: PROOF_ROWS, may_be_empty: false };
        match self.ask(&host.url, &of).and_then(|page| self.is_proof(&page)) {
            Ok(()) => {
                proof.is_given = true;
                Ok(())
            }
            Err(fault) => {
                host.failures.fetch_add(1, Ordering::Relaxed);
                proof.fault = Some(fault.clone());
                Err(fault)
            }
        }
    }

    /// Whether a page of the index reaches the last trading day that is over.
    fn is_proof(&self, page: &Page) -> Result<(), Fault> {
        let today = ExchangeTime::from_utc_us(self.context.now_us()).day;
        let is_known = self.calendar.known_until().is_some_and(|last| today <= last);
        let trading = |day: &i64| self.calendar.is_trading_day(*day);
        let earliest = today - LONGEST_CLOSURE;
        let due = if is_known { (earliest..today).rev().find(trading) } else { None };
        let due = due.unwrap_or(earliest);
        match page.rows.last().map(|row| ExchangeTime::from_utc_us(row.time_us)) {
            Some(newest) if newest.day > today => Err(Fault::new(format!(
                "{PROOF} has a bar of {}, which is after today; set this machine's clock",
                date(newest)
            ))),
            Some(newest) if newest.day >= due => Ok(()),
            Some(newest) => Err(Fault::new(format!(
                "not believed: {PROOF}, which trades every day, ends with {} there",
                date(newest)
            ))),
            None => Err(Fault::new(format!(
                "not believed: it has no bar of {PROOF}, which trades every day"
            ))),
        }
    }
}

/// The date of a moment, as people write it.
pub fn date(moment: ExchangeTime) -> String {
    let (year, month, day) = moment.date();
    format!("{year:04}-{month:02}-{day:02}")
}
