//! The book closes bars whose time is over, and gives those that are to be sent on.

use plugin_api::encode_bars;

use crate::{bar::Bar, book::Book, period::Slot, record::record};

/// A bar that is to be sent on.
#[derive(Debug, Clone, Copy)]
pub struct ChangedBar {
    pub security: usize,
    pub period: usize,
    pub bar: Bar,
}

impl Book {
    /// Closes what can change no more at that moment, and fills what was over before the newest quote.
    pub fn close_until(&mut self, at_us: i64) {
        if at_us >= self.next_due_us {
            let newest_us = self.newest_us();
            self.next_due_us = self.close_if(
                |slot| slot.due_us <= at_us,
                |slot| slot.due_us <= at_us && slot.end_us <= newest_us,
            );
        }
    }

    /// Closes the bars whose trading had ended when the newest quote was made, for a feed that goes
    /// on no more.
    pub fn close_ended(&mut self) {
        let newest_us = self.newest_us();
        let is_over = |slot: &Slot| slot.end_us <= newest_us;
        self.next_due_us = self.close_if(is_over, is_over);
    }

    fn close_if(
        &mut self,
        is_over: impl Fn(&Slot) -> bool,
        is_past: impl Fn(&Slot) -> bool,
    ) -> i64 {
        let mut next_due_us = i64::MAX;
        for index in 0..self.securities.len() {
            let (security, rules) = self.securities.of(index, &self.settings);
            let closed = &mut self.effects.closed;
            let mut due_us = security.row.close_if(|bar| is_over(&bar.slot), closed);
            if let Some(watch) = security.watch.filter(|watch| !watch.is_hole) {
                due_us = due_us.min(security.row.fill_all(&watch.fill, &rules, &is_past, closed));
            }
            next_due_us = next_due_us.min(due_us);
            for (period, bar) in self.effects.closed.drain(..) {
                self.made.push(ChangedBar { security: index, period, bar });
            }
        }
        next_due_us
    }

    /// Makes all open bars known once more.
    pub fn show_open(&mut self) {
        for (index, security) in self.securities.iter_mut().enumerate() {
            for (period, bar) in security.row.bars.iter_mut().enumerate() {
                if let Some(bar) = bar.as_mut().filter(|bar| !bar.is_closed) {
                    bar.is_dirty = true;
                    self.dirty.push((index, period));
                }
            }
        }
    }

    /// The bars that changed since the last call, as a list: complete ones first,
    /// then those that changed, as they are now; open ones only if `with_open`.
    pub fn drain(&mut self, with_open: bool) -> Option<Vec<u8>> {
        for (index, period) in self.dirty.drain(..) {
            let bar = self.securities[index].row.bars[period].as_mut();
            let Some(bar) = bar.filter(|bar| bar.is_dirty) else { continue };
            bar.is_dirty = false;
            if with_open || bar.is_closed {
                self.made.push(ChangedBar { security: index, period, bar: *bar });
            }
        }
        if self.made.is_empty() {
            return None;
        }
        self.origins.name(self.made.iter().map(|made| made.bar.origin));
        let (securities, settings, origins) = (&self.securities, &self.settings, &self.origins);
        let records = self.made.iter().map(|made| {
            let source = origins.text(made.bar.origin);
            record(&securities[made.security], settings, made.period, &made.bar, source)
        });
        let bytes = encode_bars(records);
        self.made.clear();
        Some(bytes)
    }
}
