//! The host as a native plugin sees it: its services behind the boundary.

use std::{sync::Arc, time::Duration};

use abi_stable::{
    sabi_trait::TD_Opaque,
    std_types::{RArc, ROption, RSlice, RStr},
};
use plugin_api::{
    Context, HostServices, Level,
    native::{AbiContext, AbiHost, AbiHost_TO},
};

use crate::reports;

/// A context for a plugin behind the boundary.
pub fn abi_context(context: Context) -> AbiContext {
    AbiContext {
        instance: context.instance().into(),
        base_dir: context.base_dir().to_string_lossy().as_ref().into(),
        state_dir: context.state_path().to_string_lossy().as_ref().into(),
        host: AbiHost_TO::from_ptr(RArc::new(Lent(context.host())), TD_Opaque),
    }
}

/// The host's services, as its calls reach them.
struct Lent(Arc<dyn HostServices>);

impl AbiHost for Lent {
    fn log(&self, level: Level, message: RStr<'_>) {
        self.0.log(level, message.as_str());
    }

    fn dropped(&self, reason: RStr<'_>, records: u64) {
        self.0.dropped(reason.as_str(), records);
    }

    fn count(&self, metric: RStr<'_>, by: u64) {
        self.0.count(metric.as_str(), by);
    }

    fn gauge(&self, metric: RStr<'_>, value: f64) {
        self.0.gauge(metric.as_str(), value);
    }

    fn now_us(&self) -> i64 {
        self.0.now_us()
    }

    fn is_stopping(&self) -> bool {
        self.0.is_stopping()
    }

    fn expect_records(&self, within_us: ROption<u64>) {
        self.0.expect_records(within_us.into_option().map(Duration::from_micros));
    }

    fn dead_letter(&self, reason: RStr<'_>, payload: RSlice<'_, u8>) {
        self.0.dead_letter(reason.as_str(), payload.as_slice());
    }

    fn report(&self, report: RStr<'_>) {
        if let Some(report) = reports::read(report.as_str()) {
            self.0.report(&report);
        }
    }
}
