//! Which node has a key, in a cluster or alone.

use std::collections::HashMap;

use redis::{ConnectionInfo, Value, cmd};

use super::{Fault, Node, Target, array, int, text};

const SLOTS: u16 = 16_384;

/// Connections to all servers that are needed, made when they are.
pub struct Servers {
    target: Target,
    /// Last slot of a range and who serves it, by first slot; empty without a cluster.
    ranges: Vec<(u16, u16, String)>,
    nodes: HashMap<String, Node>,
    /// The node that has every key, without a cluster.
    only: String,
}

impl Servers {
    /// Connects to the first server that answers, and learns from it where the slots are.
    ///
    /// # Errors
    /// That of the last server, when none answers.
    pub fn connect(target: &Target) -> Result<Self, Fault> {
        let mut last = None;
        for info in target.seeds() {
            let address = info.addr().to_string();
            let known = target.connect(info).and_then(|mut node| {
                let ranges =
                    if target.is_cluster { slot_ranges(&mut node, info)? } else { Vec::new() };
                Ok((node, ranges))
            });
            match known {
                Ok((node, ranges)) => {
                    return Ok(Self {
                        target: target.clone(),
                        ranges,
                        nodes: HashMap::from([(address.clone(), node)]),
                        only: address,
                    });
                }
                Err(fault) => last = Some(fault),
            }
        }
        Err(last.unwrap_or_else(|| Fault::away(target.name(), "no address")))
    }

    /// Address of the node that has the key; equal for keys on one node.
    pub fn address_of(&self, key: &str) -> Result<String, Fault> {
        if !self.target.is_cluster {
            return Ok(self.only.clone());
        }
        let slot = slot_of(key.as_bytes());
        let range = self.ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&slot));
        range.map(|(.., address)| address.clone()).ok_or_else(|| {
            Fault::away(self.target.name(), format!("no node serves slot {slot}")).about(key)
        })
    }

    /// The node at an address, connected.
    pub fn at(&mut self, address: &str) -> Result<&mut Node, Fault> {
        if !self.nodes.contains_key(address) {
            let info = self.info_of(address)?;
            let node = self.target.connect(&info)?;
            self.nodes.insert(address.to_owned(), node);
        }
        self.nodes.get_mut(address).ok_or_else(|| Fault::away(address, "not connected"))
    }

    /// The node that has the key, connected.
    pub fn of(&mut self, key: &str) -> Result<&mut Node, Fault> {
        let address = self.address_of(key)?;
        self.at(&address)
    }

    fn info_of(&self, address: &str) -> Result<ConnectionInfo, Fault> {
        let mut seeds = self.target.seeds().iter();
        if let Some(seed) = seeds.find(|seed| seed.addr().to_string() == address) {
            return Ok(seed.clone());
        }
        let parts =
            address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = parts.ok_or_else(|| Fault::strange(address, "a node without a port"))?;
        Ok(self.target.sibling(host, port))
    }
}

/// Asks which node serves which slots.
fn slot_ranges(node: &mut Node, asked: &ConnectionInfo) -> Result<Vec<(u16, u16, String)>, Fault> {
    let answer = node.ask(cmd("CLUSTER").arg("SLOTS"))?;
    let asked_host = asked.addr().to_string();
    let asked_host = asked_host.rsplit_once(':').map_or("", |(host, _)| host);
    let ranges = array(answer).and_then(|ranges| {
        ranges.into_iter().map(|range| slot_range(range, asked_host)).collect::<Option<Vec<_>>>()
    });
    ranges.ok_or_else(|| Fault::strange(node.name(), "no list of slots"))
}

/// First slot, last slot, master, replicas; the master is host, port and more.
fn slot_range(value: Value, asked_host: &str) -> Option<(u16, u16, String)> {
    let mut parts = array(value)?.into_iter();
    let first = u16::try_from(int(&parts.next()?)?).ok()?;
    let last = u16::try_from(int(&parts.next()?)?).ok()?;
    let master = array(parts.next()?)?;
    let port = int(master.get(1)?)?;
    // a node that does not know its own address leaves it out
    let host = text(master.first()?).filter(|host| !host.is_empty() && host != "?");
    Some((first, last, format!("{}:{port}", host.as_deref().unwrap_or(asked_host))))
}

/// The slot of a key: CRC16 (XMODEM) of it, or of what stands in its first braces.
fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    let crc = tag.unwrap_or(key).iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
        })
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_slots_that_redis_gives_them() {
        // as CLUSTER KEYSLOT answers
        for (key, slot) in [
            ("123456789", 12_739),
            ("foo", 12_182),
            ("spot_stream:{0}", 13_907),
            ("{0}", 13_907),
            ("a{}b", 13_694),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
        assert_eq!(slot_of(b"spot_stream:{1}:dead"), slot_of(b"minute_bar_stream:{1}"));
    }
}
