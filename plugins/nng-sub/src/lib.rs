//! Source that reads what any collector publishes on Hikyuu's quotation bus: [`bus`] as a plugin.

use bus::NngSub;
use plugin_api::export_plugin;

export_plugin! {
    name: "nng-sub",
    description: "Reads what any collector publishes on Hikyuu's quotation bus",
    author: "dataserver developers",
    source: NngSub,
}
