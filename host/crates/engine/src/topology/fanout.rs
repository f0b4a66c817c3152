//! Gives every reader of a component its clone of each batch.

use std::{
    cell::Cell,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::gate::Gate;
use crate::{
    observer::Port,
    queue::{Delivery, Queue},
    telemetry::ComponentStatus,
};

/// The outputs of a source or transform. They can be replaced between two batches.
#[derive(Debug, Default)]
pub struct Fanout {
    outputs: Mutex<Outputs>,
    /// Where the observer looks on; none without one.
    port: Option<Arc<Port>>,
    /// Closed while the outputs are replaced.
    pub gate: Gate,
}

#[derive(Debug, Default)]
struct Outputs {
    outlets: Arc<[Outlet]>,
    closed: bool,
}

/// One output.
#[derive(Debug, Clone)]
pub struct Outlet {
    /// The reader.
    pub reader: Arc<ComponentStatus>,
    /// The queue before it.
    pub queue: Arc<Queue>,
}

impl Fanout {
    /// Outputs at whose port the observer looks on.
    pub fn observed_at(port: Option<Arc<Port>>) -> Self {
        Self { port, ..Self::default() }
    }

    /// Replaces the outputs. Returns those that were removed, each of which still counts as a
    /// [writer](Queue::remove_writer).
    pub fn set_outputs(&self, outlets: Vec<Outlet>) -> Vec<Outlet> {
        let mut outputs = self.lock();
        if outputs.closed {
            return Vec::new();
        }
        let outlets: Arc<[Outlet]> = outlets.into();
        for new in outlets.iter().filter(|new| !has_output(&outputs.outlets, &new.queue)) {
            new.queue.add_writer();
        }
        let before = std::mem::replace(&mut outputs.outlets, outlets);
        before.iter().filter(|old| !has_output(&outputs.outlets, &old.queue)).cloned().collect()
    }

    /// Passes a batch of that component to every reader; blocks while the queue of one that must
    /// not lose any is full.
    pub fn send(&self, status: &ComponentStatus, delivery: Delivery) {
        let _passage = self.gate.enter();
        if let Some(port) = &self.port {
            port.offer(&delivery.batch);
        }
        let outlets = Arc::clone(&self.lock().outlets);
        let metrics = &status.metrics;
        metrics.records_out.inc_by(u64::from(delivery.batch.records()));
        metrics.bytes_out.inc_by(delivery.batch.payload().len() as u64);
        let Some((last, others)) = outlets.split_last() else {
            delivery.receipt.ack();
            return;
        };
        for outlet in others {
            outlet.push(status, delivery.clone());
        }
        last.push(status, delivery);
    }

    /// Records that the observer did not see since the last call.
    pub fn take_unseen(&self) -> u64 {
        self.port.as_ref().map_or(0, |port| port.take_unreported())
    }

    /// Removes all outputs for good: a reader without another writer drains its queue and sees the
    /// end of input.
    pub fn close(&self) {
        let mut outputs = self.lock();
        outputs.closed = true;
        let outlets = std::mem::take(&mut outputs.outlets);
        outlets.iter().for_each(|outlet| outlet.queue.remove_writer());
    }

    fn lock(&self) -> MutexGuard<'_, Outputs> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_output(outputs: &[Outlet], queue: &Arc<Queue>) -> bool {
    outputs.iter().any(|it| Arc::ptr_eq(&it.queue, queue))
}

impl Outlet {
    fn push(&self, writer: &ComponentStatus, delivery: Delivery) {
        let was_blocked = Cell::new(false);
        let blocked = |waited: Duration| {
            was_blocked.set(true);
            writer.note_blocked(&self.reader.id, waited);
        };
        let dropped = self.queue.push(&writer.id, delivery, &blocked);
        if was_blocked.get() {
            writer.note_unblocked();
        }
        self.reader.note_dropped(self.queue.rule(), dropped);
    }
}

#[cfg(test)]
mod tests {
    use dataserver_config::{Buffer, RawBuffer};
    use plugin_api::{RoleKind, Round, testing::spot_batch};

    use super::*;
    use crate::{
        ack::Receipt,
        clock::{Clock, SystemClock},
        pause::PauseSwitch,
        queue::{ReadLimits, Recv},
        telemetry::Metrics,
    };

    fn status(id: &str) -> Arc<ComponentStatus> {
        let metrics = Arc::new(Metrics::default()).component(id, RoleKind::Sink, "null");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let pause = PauseSwitch::default();
        ComponentStatus::new(id, RoleKind::Sink, "null", metrics, &clock, pause)
    }

    #[test]
    fn four_readers_share_one_payload() {
        let buffer = Buffer::of(None, RawBuffer::default());
        let queues: Vec<_> = (0..4).map(|_| Arc::new(Queue::in_memory(buffer))).collect();
        let fanout = Fanout::default();
        let to = |queue: &Arc<Queue>| Outlet { reader: status("reader"), queue: Arc::clone(queue) };
        assert!(fanout.set_outputs(queues.iter().map(to).collect()).is_empty());
        let batch = spot_batch(5, Round::WHOLE);
        let payload = batch.payload().as_ptr();
        fanout.send(&status("source"), Delivery { batch, receipt: Receipt::none() });
        let limits =
            ReadLimits { max_records: 10, max_wait: Duration::ZERO, timeout: Duration::ZERO };
        for queue in queues {
            let Recv::Batches(taken) = queue.recv(limits) else { panic!("nothing came") };
            assert_eq!(taken[0].batch.payload().as_ptr(), payload);
        }
    }

    #[test]
    fn a_way_that_is_led_elsewhere_goes_on_for_those_who_stay() {
        let reader = status("reader");
        let buffer = Buffer::of(None, RawBuffer::default());
        let [stays, goes, comes] = [(); 3].map(|()| Outlet {
            reader: Arc::clone(&reader),
            queue: Queue::in_memory(buffer).into(),
        });
        let fanout = Fanout::default();
        fanout.set_outputs(vec![stays.clone(), goes.clone()]);
        let send = || {
            let batch = spot_batch(1, Round::WHOLE);
            fanout.send(&reader, Delivery { batch, receipt: Receipt::none() });
        };
        send();
        for old in fanout.set_outputs(vec![comes.clone(), stays.clone()]) {
            assert!(Arc::ptr_eq(&old.queue, &goes.queue));
            old.queue.remove_writer();
        }
        send();
        let waiting = [&stays, &goes, &comes].map(|it| it.queue.size().records);
        assert_eq!(waiting, [2, 1, 1]);
        fanout.close();
        fanout.close();
        let limits =
            ReadLimits { max_records: 10, max_wait: Duration::ZERO, timeout: Duration::ZERO };
        for outlet in [stays, goes, comes] {
            assert!(matches!(outlet.queue.recv(limits), Recv::Batches(_)));
            assert!(matches!(outlet.queue.recv(limits), Recv::Closed));
        }
    }

    #[test]
    fn a_writer_tells_whom_it_waits_for_while_it_waits() {
        let max_bytes = Some(spot_batch(1, Round::WHOLE).payload().len() as u64);
        let buffer = Buffer::of(None, RawBuffer { max_bytes, ..RawBuffer::default() });
        let slow = Outlet { reader: status("slow"), queue: Queue::in_memory(buffer).into() };
        let (fanout, writer) = (Arc::new(Fanout::default()), status("writer"));
        fanout.set_outputs(vec![slow.clone()]);
        let send = |fanout: &Fanout, writer: &ComponentStatus| {
            let batch = spot_batch(1, Round::WHOLE);
            fanout.send(writer, Delivery { batch, receipt: Receipt::none() });
        };
        send(&fanout, &writer);
        assert_eq!(writer.blocked_by(), None, "there was room");
        let waits = std::thread::spawn({
            let (fanout, writer) = (Arc::clone(&fanout), Arc::clone(&writer));
            move || send(&fanout, &writer)
        });
        while writer.blocked_by().is_none() {
            std::thread::yield_now();
        }
        assert_eq!(writer.blocked_by().as_deref(), Some("slow"));
        let limits =
            ReadLimits { max_records: 10, max_wait: Duration::ZERO, timeout: Duration::ZERO };
        let Recv::Batches(taken) = slow.queue.recv(limits) else { panic!("nothing came") };
        slow.queue.ack(&[], crate::queue::total_size(&taken));
        waits.join().unwrap();
        assert_eq!(writer.blocked_by(), None);
    }
}
