//! A cluster of ClickHouse on loopback, with the ZooKeeper that its replicas agree by.

use std::{fs, net::TcpStream, path::Path};

use super::{ClickHouse, Server, server_port};

/// Where Debian's packages have them.
const JARS: &str = "/usr/share/java";
/// What ZooKeeper needs of them.
const NEEDED: [&str; 12] = [
    "zookeeper",
    "zookeeper-jute",
    "slf4j-api",
    "slf4j-simple",
    "netty-all",
    "metrics-core",
    "commons-cli",
    "commons-io",
    "snappy-java",
    "jackson-core",
    "jackson-databind",
    "jackson-annotations",
];
/// Name of the cluster.
const NAME: &str = "quotes";
const SHARDS: usize = 2;
const REPLICAS: usize = 2;

/// Two shards of two replicas each.
pub struct ClickHouseCluster {
    /// By shard and replica.
    pub servers: Vec<Vec<ClickHouse>>,
    _zookeeper: Server,
}

impl ClickHouseCluster {
    /// Whether this machine has what it takes.
    pub fn is_possible() -> bool {
        NEEDED.iter().all(|name| Path::new(JARS).join(format!("{name}.jar")).exists())
    }

    /// Starts one of that name: `quotes`.
    pub fn start() -> Self {
        let (zookeeper, port) = zookeeper();
        let ports: Vec<_> = (0..SHARDS * REPLICAS).map(|_| server_port()).collect();
        let replica =
            |port: &u16| format!("<replica><host>127.0.0.1</host><port>{port}</port></replica>");
        let shard = |ports: &[u16]| {
            let replicas: String = ports.iter().map(replica).collect();
            format!("<shard><internal_replication>true</internal_replication>{replicas}</shard>")
        };
        let shards: String = ports.chunks(REPLICAS).map(shard).collect();
        let server = |(at, tcp): (usize, &u16)| {
            let (shard, replica) = (at / REPLICAS + 1, at % REPLICAS + 1);
            let more = format!(
                "<zookeeper><node><host>127.0.0.1</host><port>{port}</port></node></zookeeper>
  <macros><shard>{shard}</shard><replica>{replica}</replica></macros>
  <distributed_ddl><path>/clickhouse/task_queue/ddl</path></distributed_ddl>
  <remote_servers><{NAME}>{shards}</{NAME}></remote_servers>"
            );
            ClickHouse::start_at(*tcp, &more).expect("the ports were free a moment ago")
        };
        let mut started = ports.iter().enumerate().map(server);
        let servers = (0..SHARDS).map(|_| started.by_ref().take(REPLICAS).collect()).collect();
        Self { servers, _zookeeper: zookeeper }
    }

    /// Addresses of all servers.
    pub fn urls(&self) -> Vec<String> {
        self.servers.iter().flatten().map(ClickHouse::http_url).collect()
    }
}

fn zookeeper() -> (Server, u16) {
    let port = server_port();
    let mut server = Server::new("/usr/bin/java");
    let folder = server.folder.path().display();
    let config = format!(
        "tickTime=500\ndataDir={folder}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\n\
         admin.enableServer=false\n"
    );
    fs::write(server.path("zoo.cfg"), config).unwrap();
    let jars = NEEDED.map(|name| format!("{JARS}/{name}.jar")).join(":");
    let main = "org.apache.zookeeper.server.ZooKeeperServerMain";
    server.arguments = ["-Xmx128m", "-cp", &jars, main, "zoo.cfg"].map(str::to_owned).into();
    assert!(server.launch(|_| TcpStream::connect(("127.0.0.1", port)).is_ok()), "{}", server.log());
    (server, port)
}
