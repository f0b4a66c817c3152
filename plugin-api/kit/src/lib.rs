//! What several plugins share: pieces of options and their checks, and a bound on log lines.
//!
//! A piece stands here once two plugins need it and `plugin-api` need not promise it to authors:
//! this crate is no part of the SDK and may change with every release.
//!
//! | module | for |
//! |---|---|
//! | [`Faults`] | all faults of a table of options as one error |
//! | [`Texts`] | an option that is one text or a list |
//! | [`mod@file`] | files that options name |
//! | [`count`] | sizes and durations as numbers |
//! | [`Throttle`] | lines that a peer can bring about as often as it likes |
//! | [`Daily`] | work that is done once a day |
//! | [`history`] | reading a store back, and bars of the past |
//! | [`hours`] | trading hours, with feature `session` |
//! | [`endpoints`] | addresses and certificates, with feature `sp` |
//! | `testing` | waiting, and tests in a process of their own, with feature `testing` |

pub mod count;
mod daily;
#[cfg(feature = "sp")]
pub mod endpoints;
mod faults;
pub mod file;
pub mod history;
#[cfg(feature = "session")]
pub mod hours;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod texts;
mod throttle;

pub use daily::Daily;
pub use faults::Faults;
pub use texts::Texts;
pub use throttle::Throttle;
