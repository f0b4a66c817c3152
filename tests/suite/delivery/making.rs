//! How a fault begins and ends, and what shows that it was one.
//!
//! A fault that changed nothing proves nothing. So each is looked for where it should show: a server
//! that was killed had lived, a full disk refuses a write, a stalled network held something back.

use std::time::{Duration, Instant};

use harness::{Random, kernel};

use super::{
    MOMENT,
    fault::{Fault, Server, Which},
    pipeline::PASSWORD,
    world::World,
};

/// How long something is waited for without which the fault is none.
const PATIENCE: Duration = Duration::from_secs(5);
/// Seconds by which clocks jump.
const HOUR: i64 = 3_600;

impl Fault {
    /// Makes it; false when there is nothing that it could befall.
    pub fn begin(self, world: &mut World, random: &mut Random) -> bool {
        world.note(&format!("{self} begins"));
        match self {
            Self::Kill(server) => {
                assert!(world.pid(server).and_then(kernel::state).is_some(), "{server} is down");
                world.signal(server, "KILL");
                world.pid(server).is_none()
            }
            Self::Freeze(server) => {
                world.signal(server, "STOP");
                wait(|| world.pid(server).and_then(kernel::state) == Some('T'))
            }
            Self::FillMemory => {
                world.tell_redis(&["config", "set", "maxmemory", "1"]);
                world.keys.cli(&["set", "probe", "x"]).contains("OOM")
            }
            Self::Demote => {
                // nobody listens there
                world.tell_redis(&["replicaof", "127.0.0.1", "1"]);
                world.keys.cli(&["set", "probe", "x"]).contains("READONLY")
            }
            Self::Cut(server) => {
                wait(|| world.network(server).is_used()) && world.network(server).cut() > 0
            }
            Self::Stall(server) => {
                world.network(server).stall();
                true
            }
            Self::Refuse(server) => {
                world.network(server).refuse();
                true
            }
            Self::LoseAnswers(server) => {
                world.network(server).lose_answers();
                true
            }
            Self::ChangePassword => begin_change_password(world),
            Self::FailOver => world.keys.kill_master(),
            Self::FillDisk => {
                let leave = random.between(0, 100_000);
                world.fill_disk(leave);
                let more = usize::try_from(leave).unwrap() + 2 * 4_096;
                world.disk.as_ref().is_some_and(|disk| !disk.has_room(more))
            }
            Self::JumpClock(which) => {
                world.site(which).clock.put(random.pick(&[-HOUR, HOUR]));
                true
            }
            Self::KillHost(which)
            | Self::TearSpools(which)
            | Self::DamageSpools(which)
            | Self::FreezeHost(which)
            | Self::RestartHost(which)
            | Self::KillChild(which)
            | Self::FillFileTable(which) => self.begin_at_host(which, world, random),
        }
    }

    fn begin_at_host(self, which: Which, world: &mut World, random: &mut Random) -> bool {
        if !world.site(which).is_running() {
            return false;
        }
        match self {
            Self::KillHost(_) => world.stop_host(which, "KILL") == -1,
            Self::RestartHost(_) => {
                let code = world.stop_host(which, "TERM");
                let journal = world.journal();
                // a call that a store does not answer is left behind, and its batches wait on disk;
                // what a full disk does not take, its source has to send again
                let is_left = journal.contains("did not end in time and was left behind");
                let is_full = journal.contains("No space left on device");
                assert!(code == 0 || code == 1 && (is_left || is_full), "{code}: {journal}");
                assert!(is_full || !journal.contains("records were not delivered"), "{journal}");
                true
            }
            Self::TearSpools(_) => {
                world.stop_host(which, "KILL");
                world.tear_spools(which, random)
            }
            Self::DamageSpools(_) => {
                world.stop_host(which, "KILL");
                world.damage_spools(which, random)
            }
            Self::FreezeHost(_) => {
                world.site(which).signal("STOP");
                let pid = world.site(which).pid();
                wait(|| pid.and_then(kernel::state) == Some('T'))
            }
            Self::KillChild(_) => {
                world.stop_host(which, "TERM");
                world.start_host(which);
                world.kill_child(which)
            }
            // before, it says that it cannot work, and ends
            _ => world.site(which).runs_pipeline() && world.fill_file_table(which),
        }
    }

    /// Whether it has shown by now; some do only when something meets them.
    pub fn has_shown(self, world: &World) -> bool {
        match self {
            Self::Stall(server) | Self::LoseAnswers(server) => {
                world.network(server).disturbed() > 0
            }
            Self::JumpClock(which) => world.clock(which).answers() > 0,
            Self::FailOver => world.keys.is_taken_over(),
            _ => true,
        }
    }

    /// Takes it back.
    pub fn end(self, world: &mut World) {
        match self {
            Self::Kill(server) => world.restart(server),
            Self::Freeze(server) => world.signal(server, "CONT"),
            Self::FillMemory => world.tell_redis(&["config", "set", "maxmemory", "0"]),
            Self::Demote => world.tell_redis(&["replicaof", "no", "one"]),
            Self::Cut(_) | Self::KillChild(_) => {}
            Self::Stall(server) | Self::Refuse(server) => world.network(server).forward(),
            Self::LoseAnswers(server) => {
                world.network(server).cut();
                world.network(server).forward();
            }
            Self::FreezeHost(which) => world.site(which).signal("CONT"),
            Self::KillHost(which)
            | Self::RestartHost(which)
            | Self::TearSpools(which)
            | Self::DamageSpools(which) => world.start_host(which),
            Self::FillFileTable(which) => world.free_file_table(which),
            Self::JumpClock(which) => world.site(which).clock.put(0),
            Self::ChangePassword => {
                world.clickhouse.change_password(PASSWORD);
                world.restart(Server::ClickHouse);
                assert_eq!(world.clickhouse.lets_writer_in(PASSWORD), Some(true));
            }
            Self::FailOver => world.keys.restore(),
            Self::FillDisk => world.free_disk(),
        }
        world.note(&format!("{self} is over"));
    }
}

/// Only once it has worked: before, a password that is refused counts as mistyped.
fn begin_change_password(world: &mut World) -> bool {
    if !world.has_filled_tables() {
        return false;
    }
    world.clickhouse.change_password("another");
    world.restart(Server::ClickHouse);
    world.clickhouse.lets_writer_in(PASSWORD) == Some(false)
}

/// Waits for something; false when it does not come.
pub fn wait(mut is_there: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if is_there() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::park_timeout(MOMENT);
    }
}
