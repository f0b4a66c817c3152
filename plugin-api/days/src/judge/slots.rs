//! Which bars of a period a day should have.

use super::Question;
use crate::{day::MINUTES, facts::BarRows, rules::Span};

/// A bar that a day should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Its own time, minute of the day.
    pub label: u16,
    /// First minute whose trades it has.
    pub from: u16,
    /// First minute behind.
    pub to: u16,
    /// Which session it belongs to: a gap does not go from one to the next.
    pub session: usize,
    /// First minute in which it can be there.
    pub due: u16,
}

/// The bars that a day should have of a period; none of weeks and longer.
///
/// Up to half an hour they follow from the sessions. Longer ones are cut in several ways, so those count
/// that anybody had that day.
pub fn slots(question: &Question<'_>, period: &str, rows: &BarRows) -> Vec<Slot> {
    let sessions = &question.rules.sessions;
    let minutes = period.strip_suffix('m').and_then(|text| text.parse::<u16>().ok());
    let minutes = minutes.filter(|minutes| sessions.iter().all(|it| divides(*minutes, *it)));
    let slots = match minutes {
        Some(minutes) => {
            let bounds: Vec<_> = sessions.iter().copied().zip(0..).collect();
            let cut = |(span, session): &(Span, usize)| cut(*span, *session, minutes);
            let slots: Vec<_> = bounds.iter().flat_map(cut).collect();
            if is_named_by_start(sessions, rows) { by_start(slots) } else { slots }
        }
        None if period == "day" || period.ends_with('m') || period.ends_with('h') => {
            rows.keys().map(|label| observed(*label, period, question.rules.close())).collect()
        }
        None => Vec::new(),
    };
    widened(slots).into_iter().filter(|slot| slot.due <= question.until).collect()
}

/// Up to half an hour, and a session is made of whole ones.
fn divides(minutes: u16, session: Span) -> bool {
    (1..=30).contains(&minutes) && (session.to - session.from).is_multiple_of(minutes)
}

fn cut(span: Span, session: usize, minutes: u16) -> Vec<Slot> {
    let starts = (span.from..span.to).step_by(usize::from(minutes));
    let slot = |from: u16| {
        let to = from + minutes;
        Slot { label: to, from, to, session, due: to }
    };
    starts.map(slot).collect()
}

/// Bars bear the time at which they end, unless those of the day say otherwise: none at the end of any
/// session, and some at its start.
fn is_named_by_start(sessions: &[Span], rows: &BarRows) -> bool {
    let has = |minute: u16| rows.contains_key(&minute);
    !sessions.iter().any(|it| has(it.to)) && sessions.iter().any(|it| has(it.from))
}

fn by_start(slots: Vec<Slot>) -> Vec<Slot> {
    slots.into_iter().map(|slot| Slot { label: slot.from, ..slot }).collect()
}

fn observed(label: u16, period: &str, close: u16) -> Slot {
    let to = if period == "day" { MINUTES } else { label };
    Slot { label, from: 0, to, session: 0, due: if period == "day" { close } else { label } }
}

/// With the trades before the first session, in breaks and after the close, which belong to the bar
/// that is next to them.
fn widened(mut slots: Vec<Slot>) -> Vec<Slot> {
    if let Some(first) = slots.first_mut() {
        first.from = 0;
    }
    for at in 1..slots.len() {
        slots[at - 1].to = slots[at - 1].to.max(slots[at].from);
        if slots[at].from == 0 {
            slots[at].from = slots[at - 1].to;
        }
    }
    if let Some(last) = slots.last_mut() {
        last.to = MINUTES;
    }
    slots
}
