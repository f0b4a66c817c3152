//! The servers of a cluster: which replica is of which shard.
//!
//! Rows go to a replica of their shard, not through a `Distributed` table, which would answer before
//! they are safe and forget their token. Replicas of a shard share what they remember of inserts, so
//! one that is repeated at another replica is recognised.

use crate::{
    access::Target,
    answer::Failure,
    ddl::literal,
    fault::{Class, Fault},
    http::Server,
    shard_key::ShardKey,
};

/// Servers that together have all rows, and where each row belongs.
pub struct Shards {
    /// By number of the shard, from 0; replicas of one are asked in turn.
    pub servers: Vec<Server>,
    /// None where there is one shard alone.
    pub key: Option<ShardKey>,
}

impl Shards {
    /// The servers of the options: all of one shard, unless they name a cluster.
    ///
    /// # Errors
    /// When a shard of the cluster has no replica that answers, or a server knows no such cluster.
    pub fn find(target: &Target) -> Result<Self, Fault> {
        let Some(cluster) = &target.cluster else {
            return Ok(Self { servers: vec![Server::new(target)], key: None });
        };
        let mut replicas_by_shard = Vec::<Vec<_>>::new();
        let mut weights = Vec::new();
        let mut last_away = None;
        for address in &target.addresses {
            let alone = Target { addresses: vec![address.clone()], ..target.clone() };
            let server = Server::new(&alone);
            match place(&server, cluster) {
                Ok((shard, found)) => {
                    weights = found;
                    replicas_by_shard.resize(weights.len(), Vec::new());
                    replicas_by_shard[shard].push(address.clone());
                }
                // the other replicas of its shard will do
                Err(fault) if fault.class == Class::Passing => last_away = Some(fault),
                Err(fault) => return Err(fault),
            }
        }
        if replicas_by_shard.is_empty()
            && let Some(fault) = last_away
        {
            return Err(fault);
        }
        if let Some(shard) = replicas_by_shard.iter().position(Vec::is_empty) {
            let away = last_away.map_or_else(String::new, |fault| format!("; {}", fault.text));
            let text = format!(
                "none of `url` is a replica of shard {} of cluster {cluster} that answers; name one \
                 or start it{away}",
                shard + 1
            );
            return Err(Fault { class: Class::Passing, text });
        }
        let of_shard = |addresses| Server::new(&Target { addresses, ..target.clone() });
        let servers = replicas_by_shard.into_iter().map(of_shard).collect();
        Ok(Self { servers, key: ShardKey::new(&weights) })
    }
}

/// Number of a server's shard, from 0, and the weights of all.
fn place(server: &Server, cluster: &str) -> Result<(usize, Vec<usize>), Fault> {
    let failed = |failure: Failure| Fault::of(server, failure);
    let question = format!(
        "SELECT toString(shard_num), toString(max(shard_weight)), toString(max(is_local)) \
         FROM system.clusters WHERE cluster = {} GROUP BY shard_num ORDER BY shard_num",
        literal(cluster)
    );
    let rows = server.rows(&question).map_err(failed)?;
    let number = |row: &Vec<String>, at: usize| row.get(at).and_then(|it| it.parse::<usize>().ok());
    let weights = rows.iter().map(|row| number(row, 1)).collect::<Option<Vec<_>>>();
    let own: Vec<_> = (0..rows.len()).filter(|at| number(&rows[*at], 2) == Some(1)).collect();
    match (weights, own.as_slice()) {
        (Some(weights), [own]) => Ok((*own, weights)),
        (_, own) => {
            let text = format!(
                "it belongs to {} shards of cluster {cluster} by its `remote_servers`, and must \
                 belong to one; correct `cluster`, `url` or its configuration",
                own.len()
            );
            Err(Fault::new(server, Class::Setup, &text))
        }
    }
}
