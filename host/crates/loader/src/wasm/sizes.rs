//! How much of what a component has there may be.

/// Core modules of one component: its own, and those that adapt it.
pub(super) const MAX_CORE_INSTANCES: u32 = 32;
/// Elements of one table; functions that can be called by address.
pub(super) const MAX_TABLE_ELEMENTS: usize = 65_536;
/// Memories of one component.
pub(super) const MAX_MEMORIES: u32 = 4;
/// Tables of one component.
pub(super) const MAX_TABLES: u32 = 16;
