//! What Hikyuu starts a data server with.

/// What `start_data_server` was called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// Where to answer, e.g. `tcp://0.0.0.0:9201`.
    pub addr: String,
    /// Threads that answer.
    pub work_num: usize,
    /// Whether quotes are stored.
    pub save_tick: bool,
    /// Whether the day's quotes are kept in memory for `tick` requests.
    pub buf_tick: bool,
    /// Folder for Parquet files; empty for ClickHouse.
    pub parquet_path: String,
}
