//! A Redis Cluster on loopback.

use super::Redis;
use crate::waiting::comes_true;

/// Running nodes that share 16,384 slots.
pub struct RedisCluster {
    /// Every node, masters first as they were made.
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts a cluster of so many masters (at least 3), each with so many replicas.
    pub fn start(masters: usize, replicas: usize) -> Self {
        // a node that is gone is replaced after two seconds
        let settings = ["cluster-enabled yes", "cluster-node-timeout 2000"];
        let count = masters * (1 + replicas);
        let nodes: Vec<Redis> = (0..count).map(|_| Redis::start(&settings)).collect();
        let addresses: Vec<String> =
            nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        let replicas = replicas.to_string();
        let mut create = vec!["--cluster", "create"];
        create.extend(addresses.iter().map(String::as_str));
        create.extend(["--cluster-replicas", &replicas, "--cluster-yes"]);
        let printed = nodes[0].cli(&create);
        let cluster = Self { nodes };
        assert!(cluster.wait_until_whole(), "the cluster does not form:\n{printed}");
        cluster
    }

    /// Addresses of all nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// Masters that serve slots, as a node sees it; none when the node is down.
    pub fn masters(&self, seen_by: usize) -> Vec<u16> {
        let nodes = self.nodes[seen_by].cli(&["cluster", "nodes"]);
        let serving = nodes.lines().filter_map(|line| {
            // id, address, flags, …, from the ninth on slots
            let cells: Vec<&str> = line.split_whitespace().collect();
            let flags = cells.get(2)?;
            let is_serving = flags.contains("master") && !flags.contains("fail") && cells.len() > 8;
            let port = cells[1].split('@').next()?.rsplit(':').next()?.parse().ok();
            port.filter(|_| is_serving)
        });
        serving.collect()
    }

    /// Waits until every node says that all slots are served and knows all others; false when that
    /// does not happen.
    pub fn wait_until_whole(&self) -> bool {
        let count = format!("cluster_known_nodes:{}", self.nodes.len());
        let whole = ["cluster_state:ok", "cluster_slots_ok:16384", &count];
        comes_true(|| {
            self.nodes.iter().all(|node| {
                let info = node.cli(&["cluster", "info"]);
                whole.iter().all(|wanted| info.lines().any(|line| line.trim() == *wanted))
            })
        })
    }
}
