//! What is to be filled: as somebody asks for it, and as a job.

use ::days::Day;
use dataserver_backfill::{Job, Series, plan};
use dataserver_config::{BackfillPrefer, BufferKind, Component, Pipeline, closest};
use plugin_api::{RecordKind, RoleKind, schemas::symbol::Symbol};

use super::missing::{self, Wanted};
use crate::{days::place::Place, record_json::exchange_time};

/// Bars that are asked for unless another period is named.
const USUAL_PERIOD: &str = "1m";
const DAY_SECONDS: u64 = 86_400;
/// The names of what may be asked for.
pub const PARAMETERS: [&str; 7] = ["from", "to", "symbols", "kind", "period", "source", "replace"];

/// What somebody asks for; days since 1970-01-01 on the exchange's calendar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// First day; `[backfill] within` before the last one, unless given.
    pub from: Option<i64>,
    /// Last day; today unless given.
    pub to: Option<i64>,
    /// Securities; all, unless given.
    pub symbols: Vec<String>,
    /// `spot` or `bar`; bars unless given.
    pub kind: Option<String>,
    /// Period of bars; `1m` unless given.
    pub period: Option<String>,
    /// A source of history; those of `[backfill] from`, unless given.
    pub source: Option<String>,
    /// Whether bars of history take the place of those that are there; as `[backfill] prefer` says,
    /// unless given.
    pub replace: Option<bool>,
}

impl Request {
    /// Reads a request of pairs of names and values, of which the same may come several times.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn of<'a>(
        one: impl Fn(&str) -> Option<&'a str>,
        symbols: Vec<&str>,
    ) -> Result<Self, String> {
        let day = |name: &str| {
            let day = one(name).map(|text| text.trim().parse::<Day>().map(|day| day.0)).transpose();
            day.map_err(|error| format!("{name}: {error}"))
        };
        let owned = |name: &str| one(name).map(str::to_owned);
        let replace = one("replace").map(|text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(format!("replace: \"{other}\" is neither true nor false")),
        });
        let symbol = |text: &str| {
            let symbol = Symbol::parse(text, None).map(|symbol| symbol.to_string());
            symbol
                .ok_or_else(|| format!("symbols: \"{text}\" is no security; write e.g. 600000.SH"))
        };
        Ok(Self {
            from: day("from")?,
            to: day("to")?,
            symbols: symbols.into_iter().map(symbol).collect::<Result<_, _>>()?,
            kind: owned("kind"),
            period: owned("period"),
            source: owned("source"),
            replace: replace.transpose()?,
        })
    }

    /// The same as pairs of names and values.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let days = [("from", self.from), ("to", self.to)];
        let days = days.into_iter().filter_map(|(name, day)| Some((name, Day(day?).to_string())));
        let texts = [("kind", &self.kind), ("period", &self.period), ("source", &self.source)];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?)));
        let symbols = (!self.symbols.is_empty()).then(|| ("symbols", self.symbols.join(",")));
        let replace = self.replace.map(|replace| ("replace", replace.to_string()));
        days.chain(texts).chain(symbols).chain(replace).collect()
    }

    /// The job that fills what is missing of that. Reads the ledger, so it may block.
    ///
    /// # Errors
    /// Why it cannot be done, and what to do about it.
    pub fn job(&self, pipeline: &Pipeline, now_us: i64) -> Result<Job, String> {
        let series = self.series()?;
        let (from, to) = self.days(pipeline, now_us)?;
        let sources = self.sources(pipeline)?;
        let stores = stores(pipeline, &sources)?;
        let replace = self.replaces(pipeline, &series)?;
        let wanted = Wanted { from, to, symbols: &self.symbols, series: &series, replace };
        let found = missing::missing(pipeline, &wanted, now_us)?;
        let epoch = u64::try_from(now_us).unwrap_or_default();
        let mut job = Job::new(name_at(now_us), epoch, series);
        job.days = (Day(from).to_string(), Day(to).to_string());
        job.symbols.clone_from(&self.symbols);
        job.asked = found.gaps.iter().map(|gap| gap.records).sum();
        (job.out_of_reach, job.replace) = (found.out_of_reach, replace);
        if !found.by_ledger && !replace {
            let ledger = Place::of(pipeline).ok().map(|place| place.id);
            job.read_first =
                stores.iter().filter(|id| Some(*id) != ledger.as_ref()).cloned().collect();
        }
        job.pieces = plan(&found.gaps);
        (job.sources, job.stores) = (sources, stores);
        Ok(job)
    }

    /// Whether what is there is asked for as well.
    fn replaces(&self, pipeline: &Pipeline, series: &Series) -> Result<bool, String> {
        match self.replace {
            Some(true) if !series.is_bars() => Err("replace: quotes that came live stay as they \
                                                    are; replace bars, or leave it out"
                .to_owned()),
            Some(replace) => Ok(replace),
            None => Ok(series.is_bars() && pipeline.backfill.prefer == BackfillPrefer::History),
        }
    }

    /// What is asked for, whoever lacks it.
    fn series(&self) -> Result<Series, String> {
        let kind = self.kind.as_deref().unwrap_or(RecordKind::Bar.as_str());
        match (RecordKind::named(kind), self.period.as_deref()) {
            (Some(RecordKind::Bar), period) => Ok(Series::bars(period.unwrap_or(USUAL_PERIOD))),
            (Some(RecordKind::Spot), None) => Ok(Series::spots()),
            (Some(RecordKind::Spot), Some(period)) => {
                Err(format!("period: quotes have none; leave \"{period}\" out"))
            }
            _ => Err(format!("kind: \"{kind}\" is none; write spot or bar")),
        }
    }

    fn days(&self, pipeline: &Pipeline, now_us: i64) -> Result<(i64, i64), String> {
        let today = Day::of(now_us).0;
        let back = pipeline.backfill.within.as_secs().div_ceil(DAY_SECONDS);
        let back = i64::try_from(back).unwrap_or(i64::MAX);
        let to = self.to.unwrap_or(today).min(today);
        let from = self.from.unwrap_or_else(|| to.saturating_sub(back));
        if from > to {
            let (from, to) = (Day(from).to_string(), Day(to).to_string());
            return Err(format!("from: {from} is after the last day {to}"));
        }
        Ok((from, to))
    }

    fn sources(&self, pipeline: &Pipeline) -> Result<Vec<String>, String> {
        let askable = || pipeline.history.iter().chain(&pipeline.components);
        let askable = || askable().filter(|it| it.kind != RoleKind::Transform);
        let Some(id) = &self.source else {
            return match pipeline.backfill.from.as_slice() {
                [] => Err("nobody can be asked: add [backfill] with from = [\"ID\"], the id of a \
                           source of history, or name one with --source ID"
                    .to_owned()),
                named => Ok(named.to_vec()),
            };
        };
        if askable().any(|it| it.id == *id) {
            return Ok(vec![id.clone()]);
        }
        let ids: Vec<_> = askable().map(|it| it.id.as_str()).collect();
        let text = format!("source: the pipeline has no `{id}` that could be asked");
        Err(match closest(id, ids.iter().copied()) {
            Some(meant) => format!("{text}; did you mean `{meant}`?"),
            None => format!("{text}; there are {}", ids.join(", ")),
        })
    }
}

/// The stores that are filled: those of `[backfill] to` without who is asked, and who keeps the
/// ledger, which would not know otherwise.
fn stores(pipeline: &Pipeline, sources: &[String]) -> Result<Vec<String>, String> {
    let mut stores = pipeline.backfill.to.clone();
    if let Ok(ledger) = Place::of(pipeline)
        && !stores.contains(&ledger.id)
        && is_lasting(pipeline, &ledger.id)
    {
        stores.push(ledger.id);
    }
    stores.retain(|id| !sources.contains(id));
    if stores.is_empty() {
        return Err("there is no store to fill: no sink has a buffer on disk, by which it would \
                    know what comes twice; give one buffer.type = \"disk\""
            .to_owned());
    }
    Ok(stores)
}

fn is_lasting(pipeline: &Pipeline, id: &str) -> bool {
    let is = |it: &Component| it.id == id && it.buffer.kind == BufferKind::Disk;
    pipeline.components.iter().any(is)
}

/// `2026-01-05_16-00-00.123456`: names of jobs are in their order.
fn name_at(now_us: i64) -> String {
    exchange_time(now_us).replace(' ', "_").replace(':', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let request = Request {
            from: "2026-01-05".parse::<Day>().ok().map(|day| day.0),
            symbols: vec!["600000.SH".to_owned(), "000001.SZ".to_owned()],
            period: Some("5m".to_owned()),
            replace: Some(true),
            ..Request::default()
        };
        let pairs = request.pairs();
        assert!(pairs.iter().all(|(name, _)| PARAMETERS.contains(name)), "{pairs:?}");
        let one = |name: &str| pairs.iter().find(|it| it.0 == name).map(|it| it.1.as_str());
        let symbols = one("symbols").unwrap_or_default().split(',').collect();
        assert_eq!(Request::of(one, symbols), Ok(request.clone()));
        assert_eq!(request.series(), Ok(Series::bars("5m")));
        assert!(Request::default().pairs().is_empty());
        assert_eq!(Request::default().series(), Ok(Series::bars("1m")));
    }

    #[test]
    fn what_cannot_be_asked_for_is_named() {
        let faulty = [
            ("from", "soon", "from: \"soon\" is no day"),
            ("to", "2026-13-01", "to: \"2026-13-01\" is no day"),
            ("replace", "all", "neither true nor false"),
        ];
        for (name, value, expected) in faulty {
            let error = Request::of(|it| (it == name).then_some(value), Vec::new()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Request::of(|_| None, vec!["600000"]).unwrap_err().contains("600000"));
        let kind = |kind: &str, period: Option<&str>| Request {
            kind: Some(kind.to_owned()),
            period: period.map(str::to_owned),
            ..Request::default()
        };
        assert!(kind("tick", None).series().unwrap_err().contains("spot or bar"));
        assert!(kind("spot", Some("1m")).series().unwrap_err().contains("quotes have none"));
        assert_eq!(kind("spot", None).series(), Ok(Series::spots()));
    }

    #[test]
    fn jobs_are_named_for_the_moment_in_shanghai() {
        assert_eq!(name_at(1_767_596_400_000_000), "2026-01-05_15-00-00");
    }
}
