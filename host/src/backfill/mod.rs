//! Fills gaps from sources of history, beside the pipeline that runs or without it.
//!
//! A [`request`] becomes a job of what is [missing]; a job runs ([`running`]) on what is on disk,
//! [asks](past) plugins and gives what they answer to the [stores](targets), behind what comes live.
//! A host has one job at a time in its [hub], which also begins jobs by itself, when ([`when`]) it is
//! due. Apart from all that, transforms that are to [join](joined) live records to those of the day
//! before get these at their start.

pub mod hub;
pub mod joined;
pub mod missing;
pub mod past;
pub mod request;
pub mod running;
pub mod stop;
pub mod targets;
mod when;
