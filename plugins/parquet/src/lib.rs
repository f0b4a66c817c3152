//! Sink that keeps records in a folder of Parquet files, and source that reads them back: [`lake`] as a
//! plugin.

use lake::{LakeSource, Parquet};
use plugin_api::export_plugin;

export_plugin! {
    name: "parquet",
    description: "Keeps records in a folder of Parquet files, partitioned by kind and date, and reads them back",
    author: "dataserver developers",
    source: LakeSource,
    sink: Parquet,
}
