//! What goes wrong; [`making`](super::making) has how it begins and ends.

use std::{fmt, time::Duration};

use harness::Random;

use super::world::World;

/// A server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// ClickHouse.
    ClickHouse,
    /// Redis.
    Redis,
}

/// One of the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// The one that plays the recorded days.
    First,
    /// The one that reads from Redis what the first one wrote there.
    Second,
}

/// Something that goes wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The server is killed with SIGKILL, and started again later.
    Kill(Server),
    /// The server is stopped with SIGSTOP, and goes on later.
    Freeze(Server),
    /// Redis says that its memory is full.
    FillMemory,
    /// Redis says that it is a replica and takes no writes.
    Demote,
    /// All connections to the server are closed.
    Cut(Server),
    /// Connections to the server carry nothing, and stay open.
    Stall(Server),
    /// Connections to the server are closed, and new ones refused.
    Refuse(Server),
    /// The server gets what is sent, and its answers are lost; then the connections are closed.
    LoseAnswers(Server),
    /// The host is killed with SIGKILL, and started again later.
    KillHost(Which),
    /// So it is, and every spool's last segment loses a random number of bytes at its end.
    TearSpools(Which),
    /// The host is stopped with SIGSTOP, and goes on later.
    FreezeHost(Which),
    /// The host is asked to end with SIGTERM, and started again.
    RestartHost(Which),
    /// The disk with spools, checkpoints and lake has no room.
    FillDisk,
    /// The host is killed, and bytes in the middle of a segment of each spool are flipped or zeroed.
    DamageSpools(Which),
    /// The host is started again, and a process that it has started is killed.
    KillChild(Which),
    /// The host can open no file and no connection more than it has.
    FillFileTable(Which),
    /// The time of day jumps by an hour, and back.
    JumpClock(Which),
    /// ClickHouse comes back with another password, and then with the right one.
    ChangePassword,
    /// A master of a Redis cluster is killed, another node takes over, and it comes back.
    FailOver,
}

/// What one fault at a time can befall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Server(Server),
    Network(Server),
    Host(Which),
    Clock(Which),
    Disk,
}

impl Fault {
    /// All of them; those of the hosts more than once, because they are what the rest is for.
    pub const ALL: [Self; 41] = [
        Self::Kill(Server::ClickHouse),
        Self::Kill(Server::Redis),
        Self::Freeze(Server::ClickHouse),
        Self::Freeze(Server::Redis),
        Self::Cut(Server::ClickHouse),
        Self::Cut(Server::Redis),
        Self::Stall(Server::ClickHouse),
        Self::Stall(Server::Redis),
        Self::Refuse(Server::ClickHouse),
        Self::Refuse(Server::Redis),
        Self::LoseAnswers(Server::ClickHouse),
        Self::LoseAnswers(Server::Redis),
        Self::FillMemory,
        Self::Demote,
        Self::KillHost(Which::First),
        Self::KillHost(Which::Second),
        Self::KillHost(Which::First),
        Self::KillHost(Which::Second),
        Self::TearSpools(Which::First),
        Self::TearSpools(Which::Second),
        Self::TearSpools(Which::First),
        Self::TearSpools(Which::Second),
        Self::FreezeHost(Which::First),
        Self::FreezeHost(Which::Second),
        Self::RestartHost(Which::First),
        Self::RestartHost(Which::Second),
        Self::FillDisk,
        Self::DamageSpools(Which::First),
        Self::DamageSpools(Which::First),
        Self::DamageSpools(Which::Second),
        Self::KillChild(Which::First),
        Self::KillChild(Which::Second),
        Self::FillFileTable(Which::First),
        Self::FillFileTable(Which::Second),
        Self::JumpClock(Which::First),
        Self::JumpClock(Which::Second),
        Self::ChangePassword,
        Self::FailOver,
        Self::FailOver,
        Self::FailOver,
        Self::FailOver,
    ];

    /// What it befalls.
    pub fn place(self) -> Place {
        match self {
            Self::Kill(server) | Self::Freeze(server) => Place::Server(server),
            Self::ChangePassword => Place::Server(Server::ClickHouse),
            Self::FillMemory | Self::Demote | Self::FailOver => Place::Server(Server::Redis),
            Self::Cut(server)
            | Self::Stall(server)
            | Self::Refuse(server)
            | Self::LoseAnswers(server) => Place::Network(server),
            Self::KillHost(which)
            | Self::TearSpools(which)
            | Self::FreezeHost(which)
            | Self::RestartHost(which)
            | Self::DamageSpools(which)
            | Self::KillChild(which)
            | Self::FillFileTable(which) => Place::Host(which),
            Self::JumpClock(which) => Place::Clock(which),
            Self::FillDisk => Place::Disk,
        }
    }

    /// Whether it can be made: a small disk can only be mounted by root, and what a spool has lost
    /// is only recognised in the batches that it was lost in.
    pub fn is_possible(self, world: &World) -> bool {
        if let Self::TearSpools(which) | Self::DamageSpools(which) = self
            && !world.repeats_batches(which)
        {
            return false;
        }
        match self.place() {
            Place::Host(which) | Place::Clock(which) => world.has(which),
            Place::Disk => world.disk.is_some(),
            // a cluster has one fault of its own
            Place::Server(Server::Redis) => world.keys.is_cluster() == (self == Self::FailOver),
            Place::Network(Server::Redis) => !world.keys.is_cluster(),
            Place::Server(_) | Place::Network(_) => true,
        }
    }

    /// How long it lasts, unless that is not long enough to show.
    pub fn length(self, random: &mut Random) -> Duration {
        let most = match self.place() {
            _ if matches!(self, Self::Cut(_)) => 0,
            _ if matches!(self, Self::FillFileTable(_)) => 2_000,
            Place::Host(_) => 500,
            _ => 2_000,
        };
        Duration::from_millis(random.between(0, most))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(server) => write!(f, "{server} killed with SIGKILL, started again"),
            Self::Freeze(server) => write!(f, "{server} frozen with SIGSTOP"),
            Self::FillMemory => write!(f, "memory of Redis full"),
            Self::Demote => write!(f, "Redis a replica that takes no writes"),
            Self::Cut(server) => write!(f, "connections to {server} cut"),
            Self::Stall(server) => write!(f, "connections to {server} stalled"),
            Self::Refuse(server) => write!(f, "connections to {server} refused"),
            Self::LoseAnswers(server) => write!(f, "answers of {server} lost"),
            Self::KillHost(which) => {
                write!(f, "{which} host killed with SIGKILL, started again")
            }
            Self::TearSpools(which) => write!(f, "{which} host killed, ends of its spools lost"),
            Self::FreezeHost(which) => write!(f, "{which} host frozen with SIGSTOP"),
            Self::RestartHost(which) => write!(f, "{which} host ended with SIGTERM, started again"),
            Self::FillDisk => write!(f, "disk full"),
            Self::DamageSpools(which) => {
                write!(f, "{which} host killed, its spools damaged within")
            }
            Self::KillChild(which) => write!(f, "process started by the {which} host killed"),
            Self::FillFileTable(which) => write!(f, "file table of the {which} host full"),
            Self::JumpClock(which) => write!(f, "clock of the {which} host an hour off"),
            Self::ChangePassword => write!(f, "ClickHouse started with another password, and back"),
            Self::FailOver => write!(f, "master of a Redis cluster killed, replica promoted"),
        }
    }
}
