//! What a component is doing, and what of it is told.

use super::*;
use crate::{clock::ManualClock, telemetry::Metrics};

/// A source, and the metrics of its host.
pub(super) fn status() -> (Arc<ComponentStatus>, Arc<Metrics>) {
    let (metrics, clock) = (Arc::new(Metrics::default()), Arc::new(ManualClock::default()));
    (made(&metrics, clock), metrics)
}

fn made(metrics: &Arc<Metrics>, clock: Arc<ManualClock>) -> Arc<ComponentStatus> {
    let of_component = metrics.component("day", RoleKind::Source, "qq");
    let clock: Arc<dyn Clock> = clock;
    let pause = PauseSwitch::default();
    ComponentStatus::new("day", RoleKind::Source, "qq", of_component, &clock, pause)
}

#[test]
fn a_state_tells_since_when_it_is_and_a_pause_covers_what_was_going_wrong() {
    let (metrics, clock) = (Arc::new(Metrics::default()), Arc::new(ManualClock::default()));
    clock.set_us(5);
    let status = made(&metrics, Arc::clone(&clock));
    assert_eq!(status.state_since(), (State::Starting, 5));
    let worker = status.join();
    clock.set_us(6);
    worker.set_state(State::Running);
    clock.set_us(7);
    worker.set_state(State::Running);
    assert_eq!(status.state_since(), (State::Running, 6), "it runs on");
    worker.set_state(State::Retrying);
    status.pause_switch().set(true);
    clock.set_us(8);
    status.note_paused();
    assert_eq!(status.state_since(), (State::Paused, 8));
    assert!(metrics.encode().contains(
        "dataserver_component_paused{component=\"day\",kind=\"source\",plugin=\"qq\"} 1"
    ));
    status.note_disk(Some("full"));
    assert_eq!(status.state(), State::Degraded, "a pause mends no disk");
    status.note_disk(None);
    worker.set_state(State::Stuck);
    assert_eq!(status.state(), State::Stuck, "nor a plugin that does not come back");
    worker.set_state(State::Retrying);
    status.pause_switch().set(false);
    status.note_paused();
    assert_eq!(status.state(), State::Retrying);
    status.pause_switch().set(true);
    worker.retire();
    assert_eq!(status.state(), State::Ended);
}

#[test]
fn a_call_that_returns_late_ends_the_state_that_it_caused() {
    let (status, _) = status();
    let worker = status.join();
    worker.set_state(State::Running);
    assert_eq!(status.in_call(), Duration::ZERO);
    let call = worker.enter("write");
    assert!(status.in_call() > Duration::ZERO);
    assert_eq!(status.find_stuck(Duration::ZERO).map(|(call, _)| call), Some("write"));
    assert_eq!(status.find_stuck(Duration::ZERO), None, "told once");
    assert_eq!(status.state_since().0, State::Stuck);
    drop(call);
    assert_eq!(status.state_since().0, State::Running);
}

#[test]
fn an_error_has_a_time_and_is_counted_by_its_class() {
    let (metrics, clock) = (Arc::new(Metrics::default()), Arc::new(ManualClock::default()));
    let status = made(&metrics, Arc::clone(&clock));
    assert_eq!((status.last_error(), status.last_error_us()), (None, None));
    clock.set_us(9);
    status.note_error(&PluginError::retry("away"));
    assert!(status.last_error().unwrap().contains("away"));
    assert_eq!(status.last_error_us(), Some(9));
    status.note_error(&PluginError::fatal("broken"));
    status.note_dropped("latest", 3);
    status.note_dropped("latest", 4);
    let errors: Vec<_> = status.metrics.errors_by().into_iter().collect();
    assert_eq!(errors, [("fatal", 1), ("retryable", 1)]);
    let dropped: Vec<_> = status.metrics.dropped_by().into_iter().collect();
    assert_eq!(dropped, [("latest".to_owned(), 7)]);
    assert_eq!((status.errors(), status.dropped()), (2, 7));
}

#[test]
fn work_of_its_threads_tells_in_its_rates() {
    let (status, _) = status();
    let (worker, start) = (status.join(), Instant::now());
    worker.note_thread();
    status.sample(start);
    status.metrics.records_in.inc_by(100);
    let thread = cpu::this_thread().unwrap();
    let before = cpu::ticks(thread).unwrap();
    while cpu::ticks(thread).unwrap() < before + 3 {}
    status.sample(start + Duration::from_millis(100));
    status.sample(start + Duration::from_secs(1));
    let rates = status.rates();
    assert!((rates.records_in - 100.0).abs() < 1e-6 && rates.cpu > 0.02, "{rates:?}");
    worker.retire();
    status.sample(start + Duration::from_secs(2));
    assert!(status.rates().cpu > 0.01, "what an ended thread did still counts");
}
