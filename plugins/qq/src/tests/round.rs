//! The round alone, with moments that are given to it.

use std::time::{Duration, Instant};

use crate::{
    client::Fault,
    round::{Pace, Round, Wanted},
};

const PACE: Pace = Pace {
    request_symbols: 2,
    timeout: Duration::from_secs(1),
    retries: 2,
    limit: Duration::from_secs(3),
};

fn symbols() -> Vec<String> {
    ["a", "b", "c"].map(str::to_owned).to_vec()
}

fn fault(retry_after: Option<Duration>) -> Fault {
    Fault { retry_after, ..Fault::new("broken") }
}

#[test]
fn only_what_failed_is_asked_again_with_growing_pauses() {
    let start = Instant::now();
    let after = |millis| start + Duration::from_millis(millis);
    let mut round = Round::new(7, 3, PACE, start);
    let asked = |round: &mut Round, at| {
        round.due_jobs(&symbols(), at).into_iter().map(|it| it.symbols).collect::<Vec<_>>()
    };
    assert_eq!(asked(&mut round, start), ["a,b", "c"]);
    round.answered(0, 0);
    round.done(1);
    round.failed(0, &fault(None), after(10));
    assert_eq!(round.next_event(), after(110));
    assert!(asked(&mut round, after(109)).is_empty());
    assert_eq!(asked(&mut round, after(110)), ["b"]);
    round.failed(0, &fault(None), after(120));
    assert!(asked(&mut round, after(319)).is_empty());
    assert_eq!(asked(&mut round, after(320)), ["b"]);
    assert!(!round.can_retry(0, after(330)), "all tries are used up");
    round.failed(0, &fault(None), after(330));
    assert!(round.is_done());
    let totals = &round.totals;
    assert_eq!((totals.requests, totals.failures, totals.retries), (4, 3, 2));
    assert_eq!((totals.unanswered, totals.reason.as_deref()), (1, Some("broken")));
}

#[test]
fn no_try_begins_after_the_time_of_the_round() {
    let start = Instant::now();
    let mut round = Round::new(1, 1, PACE, start);
    round.due_jobs(&symbols(), start);
    assert!(round.can_retry(0, start + Duration::from_millis(2_899)));
    assert!(!round.can_retry(0, start + Duration::from_millis(2_900)));
    // the service asks for more patience than there is
    round.failed(0, &fault(Some(Duration::from_secs(4))), start);
    assert!(round.is_done());
}

#[test]
fn answers_that_never_come_are_given_up_once() {
    let start = Instant::now();
    let mut round = Round::new(1, 3, PACE, start);
    round.due_jobs(&symbols(), start);
    round.done(1);
    assert!(!round.is_overdue(start + PACE.limit));
    assert!(round.is_overdue(start + PACE.limit + Duration::from_millis(500)));
    round.give_up_all();
    round.give_up_all();
    assert!(round.is_done() && !round.is_open(0) && !round.is_open(99));
    assert_eq!((round.totals.failures, round.totals.unanswered), (1, 2));
}

#[test]
fn lines_are_told_apart_in_any_order() {
    let mut round = Round::new(1, 3, Pace { request_symbols: 3, ..PACE }, Instant::now());
    let symbols = symbols();
    let wanted = |round: &mut Round, symbol: &[u8]| round.wanted(0, symbol, &symbols);
    assert_eq!(wanted(&mut round, b"b"), Wanted::Yes(1));
    round.answered(0, 1);
    assert_eq!(wanted(&mut round, b"b"), Wanted::Answered);
    assert_eq!(wanted(&mut round, b"a"), Wanted::Yes(0));
    assert_eq!(wanted(&mut round, b"c"), Wanted::Yes(2));
    assert_eq!(wanted(&mut round, b"d"), Wanted::Never);
    assert_eq!(round.open_symbols(0).collect::<Vec<_>>(), [0, 2]);
}
