//! What goes wrong, how it begins and how it ends.

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
    KillHost,
    /// So it is, and every spool's last segment loses a random number of bytes at its end.
    TearSpools,
    /// The host is stopped with SIGSTOP, and goes on later.
    FreezeHost,
    /// The host is asked to end with SIGTERM, and started again.
    RestartHost,
    /// The disk with spools, checkpoints and lake has no room.
    FillDisk,
}

/// What one fault at a time can befall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Server(Server),
    Network(Server),
    Host,
    Disk,
}

impl Fault {
    /// All of them; those of the host more than once, because they are what the rest is for.
    pub const ALL: [Self; 21] = [
        Self::Kill(Server::ClickHouse),
        Self::Kill(Server::Redis),
        Self::Freeze(Server::ClickHouse),
        Self::Freeze(Server::Redis),
        Self::FillMemory,
        Self::Demote,
        Self::Cut(Server::ClickHouse),
        Self::Cut(Server::Redis),
        Self::Stall(Server::ClickHouse),
        Self::Stall(Server::Redis),
        Self::Refuse(Server::ClickHouse),
        Self::Refuse(Server::Redis),
        Self::LoseAnswers(Server::ClickHouse),
        Self::LoseAnswers(Server::Redis),
        Self::KillHost,
        Self::KillHost,
        Self::TearSpools,
        Self::TearSpools,
        Self::RestartHost,
        Self::FreezeHost,
        Self::FillDisk,
    ];

    /// What it befalls.
    pub fn place(self) -> Place {
        match self {
            Self::Kill(server) | Self::Freeze(server) => Place::Server(server),
            Self::FillMemory | Self::Demote => Place::Server(Server::Redis),
            Self::Cut(server)
            | Self::Stall(server)
            | Self::Refuse(server)
            | Self::LoseAnswers(server) => Place::Network(server),
            Self::KillHost | Self::TearSpools | Self::FreezeHost | Self::RestartHost => Place::Host,
            Self::FillDisk => Place::Disk,
        }
    }

    /// Whether it can be made here: a small disk can only be mounted by root.
    pub fn is_possible(self, world: &World) -> bool {
        self != Self::FillDisk || world.disk.is_some()
    }

    /// How long it lasts.
    pub fn length(self, random: &mut Random) -> Duration {
        let most = match self {
            Self::Cut(_) => 0,
            Self::KillHost | Self::TearSpools | Self::FreezeHost | Self::RestartHost => 500,
            _ => 2_000,
        };
        Duration::from_millis(random.between(0, most))
    }

    /// Makes it.
    pub fn begin(self, world: &mut World, random: &mut Random) {
        world.note(&format!("{self} begins"));
        match self {
            Self::Kill(server) => world.signal(server, "KILL"),
            Self::Freeze(server) => world.signal(server, "STOP"),
            Self::FillMemory => world.tell_redis(&["config", "set", "maxmemory", "1"]),
            // nobody listens there
            Self::Demote => world.tell_redis(&["replicaof", "127.0.0.1", "1"]),
            Self::Cut(server) => world.network(server).cut(),
            Self::Stall(server) => world.network(server).stall(),
            Self::Refuse(server) => world.network(server).refuse(),
            Self::LoseAnswers(server) => world.network(server).lose_answers(),
            Self::KillHost => world.stop_host("KILL"),
            Self::FreezeHost => world.signal_host("STOP"),
            Self::RestartHost => world.stop_host("TERM"),
            Self::TearSpools => {
                world.stop_host("KILL");
                world.tear_spools(random);
            }
            Self::FillDisk => world.fill_disk(random.between(0, 100_000)),
        }
    }

    /// Takes it back.
    pub fn end(self, world: &mut World) {
        match self {
            Self::Kill(server) => world.restart(server),
            Self::Freeze(server) => world.signal(server, "CONT"),
            Self::FillMemory => world.tell_redis(&["config", "set", "maxmemory", "0"]),
            Self::Demote => world.tell_redis(&["replicaof", "no", "one"]),
            Self::Cut(_) => {}
            Self::Stall(server) | Self::Refuse(server) => world.network(server).forward(),
            Self::LoseAnswers(server) => {
                world.network(server).cut();
                world.network(server).forward();
            }
            Self::FreezeHost => world.signal_host("CONT"),
            Self::KillHost | Self::RestartHost | Self::TearSpools => world.start_host(),
            Self::FillDisk => world.free_disk(),
        }
        world.note(&format!("{self} is over"));
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
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
            Self::KillHost => write!(f, "host killed with SIGKILL, started again"),
            Self::TearSpools => write!(f, "host killed and ends of spools torn off"),
            Self::FreezeHost => write!(f, "host frozen with SIGSTOP"),
            Self::RestartHost => write!(f, "host ended with SIGTERM, started again"),
            Self::FillDisk => write!(f, "disk full"),
        }
    }
}
