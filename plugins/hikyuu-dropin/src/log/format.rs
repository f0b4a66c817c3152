//! Lines as Hikyuu writes them: `2026-11-24 09:31:02.123 [HKU-I] - text key=value (dataserver)`.

use std::fmt;

use dataserver::engine::clock::{Clock, SystemClock};
use jiff::{Timestamp, tz::TimeZone};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// Hikyuu's form, local time.
pub struct Hikyuu;

impl<S, N> FormatEvent<S, N> for Hikyuu
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let now = Timestamp::from_microsecond(SystemClock.now_us()).map_err(|_| fmt::Error)?;
        let time = now.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S.%3f").to_string();
        write!(line, "{time} [HKU-{}] - ", letter(*event.metadata().level()))?;
        context.field_format().format_fields(line.by_ref(), event)?;
        writeln!(line, " (dataserver)")
    }
}

/// spdlog's, which Hikyuu logs with.
fn letter(level: Level) -> char {
    match level {
        Level::TRACE => 'T',
        Level::DEBUG => 'D',
        Level::INFO => 'I',
        Level::WARN => 'W',
        Level::ERROR => 'E',
    }
}
