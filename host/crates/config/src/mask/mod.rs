//! Secrets that are written into the file itself.
//!
//! What is told about a file shows lines of it, also of files that are no TOML. Two looks find what
//! may be a password there: [`scan`] goes over the text as it is, whatever is wrong with it, and
//! [`values`] over the tree, where keys and values are decoded.

mod name;
mod scan;
mod shown;
mod text;
mod values;

pub use name::is_secret_name;
pub(super) use scan::find;
pub(super) use shown::shown;
pub(super) use text::{mask, mask_all};
pub use values::{Secrets, holds_secret};
pub(super) use values::{covered, spans, spoken};
