//! Labels of the host's metrics.

use std::collections::BTreeSet;

use plugin_api::ErrorKind;
use prometheus_client::encoding::EncodeLabelSet;

/// The labels of a component, which all metrics in the table have.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Component {
    pub component: String,
    pub kind: String,
    pub plugin: String,
}

/// Values of labels that are known only at run time.
#[derive(Debug, Default)]
pub(super) struct DynamicLabels {
    pub reasons: BTreeSet<String>,
    pub blockers: BTreeSet<String>,
}

/// The labels of a metric in the table.
pub(super) trait LabelSet: Sized {
    /// All under which a component may be shown.
    fn all_of(component: &Component, dynamic: &DynamicLabels) -> Vec<Self>;
}

impl LabelSet for Component {
    fn all_of(component: &Component, _: &DynamicLabels) -> Vec<Self> {
        vec![component.clone()]
    }
}

macro_rules! labels_with {
    ($name:ident, $label:ident) => {
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(super) struct $name {
            component: String,
            kind: String,
            plugin: String,
            $label: String,
        }

        impl $name {
            pub fn of(component: &Component, $label: &str) -> Self {
                let Component { component, kind, plugin } = component.clone();
                Self { component, kind, plugin, $label: $label.to_owned() }
            }
        }
    };
}

labels_with!(WithReason, reason);
labels_with!(WithClass, class);
labels_with!(WithBlocker, by);

impl LabelSet for WithReason {
    fn all_of(component: &Component, dynamic: &DynamicLabels) -> Vec<Self> {
        dynamic.reasons.iter().map(|reason| Self::of(component, reason)).collect()
    }
}

impl LabelSet for WithClass {
    fn all_of(component: &Component, _: &DynamicLabels) -> Vec<Self> {
        let kinds = [ErrorKind::Retry, ErrorKind::BadData, ErrorKind::Fatal];
        kinds.into_iter().map(|kind| Self::of(component, kind.class())).collect()
    }
}

impl LabelSet for WithBlocker {
    fn all_of(component: &Component, dynamic: &DynamicLabels) -> Vec<Self> {
        dynamic.blockers.iter().map(|by| Self::of(component, by)).collect()
    }
}
