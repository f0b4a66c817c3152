//! Redis of a run: one server behind a network of its own, or a cluster.

use harness::{Proxy, Redis, RedisCluster};

/// Where streams are kept.
pub enum Keys {
    /// One server, and what lies between it and the hosts.
    One(Redis, Proxy),
    /// Three masters with a replica each, and which of the nodes is down.
    Cluster(RedisCluster, Option<usize>),
}

impl Keys {
    /// Starts one or the other.
    pub fn start(is_cluster: bool) -> Self {
        if is_cluster {
            return Self::Cluster(RedisCluster::start(3, 1), None);
        }
        let server = Redis::start(&[]);
        let network = Proxy::start(server.port());
        Self::One(server, network)
    }

    /// Options of a host that say where it is.
    pub fn options(&self) -> String {
        match self {
            Self::One(_, network) => format!("url = \"redis://127.0.0.1:{}\"\n", network.port()),
            Self::Cluster(cluster, _) => format!("url = {:?}\n", cluster.urls()),
        }
    }

    /// Options of a sink, which in a cluster is to lose nothing when a master does not come back.
    pub fn sink_options(&self) -> String {
        let wait = if self.is_cluster() { "wait = 1\n" } else { "" };
        self.options() + wait
    }

    /// Whether keys are spread over several servers.
    pub fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(..))
    }

    /// A port that a reader can begin with.
    pub fn port(&self) -> u16 {
        match self {
            Self::One(server, _) => server.port(),
            Self::Cluster(cluster, down) => cluster.nodes[usize::from(*down == Some(0))].port(),
        }
    }

    /// The answer to a command, of whoever has the key.
    pub fn cli(&self, command: &[&str]) -> String {
        match self {
            Self::One(server, _) => server.cli(command),
            Self::Cluster(cluster, down) => {
                let node = &cluster.nodes[usize::from(*down == Some(0))];
                node.cli(&[&["-c"], command].concat())
            }
        }
    }

    /// The server, where there is one.
    pub fn one(&mut self) -> &mut Redis {
        match self {
            Self::One(server, _) => server,
            Self::Cluster(..) => panic!("this is a cluster"),
        }
    }

    /// What lies before the server, where there is one.
    pub fn network(&self) -> &Proxy {
        match self {
            Self::One(_, network) => network,
            Self::Cluster(..) => panic!("a cluster has no network of its own"),
        }
    }

    /// Kills a master that has keys; false when none has.
    pub fn kill_master(&mut self) -> bool {
        let Self::Cluster(cluster, down) = self else { return false };
        let masters = cluster.masters(0);
        let has_keys = |node: &Redis| {
            masters.contains(&node.port())
                && node.cli(&["dbsize"]).parse().is_ok_and(|keys: u64| keys > 0)
        };
        let Some(master) = cluster.nodes.iter().position(has_keys) else { return false };
        cluster.nodes[master].signal("KILL");
        *down = Some(master);
        true
    }

    /// Whether another node has taken over from the one that was killed.
    pub fn is_taken_over(&self) -> bool {
        let Self::Cluster(cluster, Some(down)) = self else { return false };
        let masters = cluster.masters(usize::from(*down == 0));
        masters.len() == 3 && !masters.contains(&cluster.nodes[*down].port())
    }

    /// Starts the node again that was killed, which is a replica then.
    pub fn restore(&mut self) {
        let Self::Cluster(cluster, down) = self else { return };
        if let Some(node) = down.take() {
            cluster.nodes[node].restart();
            assert!(cluster.wait_until_whole(), "the cluster does not become whole again");
        }
    }
}
