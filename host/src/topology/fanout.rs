//! Gives every reader of a component its clone of each batch.

use std::{sync::Arc, time::Duration};

use crate::{
    queue::{Delivery, Queue},
    telemetry::ComponentStatus,
};

/// The way out of a source or transform.
#[derive(Debug)]
pub struct Fanout {
    /// Of the component that writes.
    status: Arc<ComponentStatus>,
    outlets: Vec<Outlet>,
}

#[derive(Debug)]
struct Outlet {
    reader: Arc<ComponentStatus>,
    queue: Arc<Queue>,
}

impl Fanout {
    /// A way out of that component that leads nowhere yet.
    pub fn new(status: Arc<ComponentStatus>) -> Self {
        Self { status, outlets: Vec::new() }
    }

    /// Adds a reader.
    pub fn add(&mut self, reader: Arc<ComponentStatus>, queue: Arc<Queue>) {
        queue.add_writer();
        self.outlets.push(Outlet { reader, queue });
    }

    /// Passes a batch to every reader; waits while one that must not lose any is full.
    pub fn send(&self, delivery: Delivery) {
        let metrics = &self.status.metrics;
        metrics.records_out.inc_by(u64::from(delivery.batch.records()));
        metrics.bytes_out.inc_by(delivery.batch.payload().len() as u64);
        let Some((last, others)) = self.outlets.split_last() else {
            delivery.receipt.settle();
            return;
        };
        for outlet in others {
            self.push(outlet, delivery.clone());
        }
        self.push(last, delivery);
    }

    fn push(&self, outlet: &Outlet, delivery: Delivery) {
        let blocked = |waited: Duration| {
            self.status.metrics.blocked(&outlet.reader.id, waited.as_secs_f64());
        };
        let dropped = outlet.queue.push(&self.status.id, delivery, &blocked);
        outlet.reader.note_dropped(outlet.queue.rule(), dropped);
    }
}

impl Drop for Fanout {
    /// A reader whose last writer goes gets what is left, and then the end.
    fn drop(&mut self) {
        self.outlets.iter().for_each(|outlet| outlet.queue.remove_writer());
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{RoleKind, Round, testing::spot_batch};

    use super::*;
    use crate::{
        ack::Receipt,
        config::{Buffer, BufferAsWritten},
        queue::{Appetite, Taken},
        telemetry::Metrics,
    };

    #[test]
    fn four_readers_share_one_payload() {
        let metrics = Arc::new(Metrics::default());
        let status = |id: &str| {
            let of_component = metrics.component(id, RoleKind::Sink, "null");
            ComponentStatus::new(id, RoleKind::Sink, "null", of_component)
        };
        let buffer = Buffer::of(None, BufferAsWritten::default());
        let queues: Vec<_> = (0..4).map(|_| Arc::new(Queue::in_memory(buffer))).collect();
        let mut fanout = Fanout::new(status("source"));
        for queue in &queues {
            fanout.add(status("reader"), Arc::clone(queue));
        }
        let batch = spot_batch(5, Round::WHOLE);
        let payload = batch.payload().as_ptr();
        fanout.send(Delivery { batch, receipt: Receipt::none() });
        let appetite =
            Appetite { max_records: 10, max_wait: Duration::ZERO, timeout: Duration::ZERO };
        for queue in queues {
            let Taken::Batches(taken) = queue.take(appetite) else { panic!("nothing came") };
            assert_eq!(taken[0].batch.payload().as_ptr(), payload);
        }
    }
}
