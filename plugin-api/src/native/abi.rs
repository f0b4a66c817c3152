//! Types that cross the boundary between host and native plugin.
//!
//! All of it is checked field by field when a library is loaded. A released version only grows at
//! the marked ends, by methods with a body, and by nothing else: so a library built before a method was
//! added has the beginning of what the host knows, and the other way round.

// what abi_stable's macros expand to
#![allow(
    unsafe_code,
    missing_docs,
    non_local_definitions,
    clippy::undocumented_unsafe_blocks,
    clippy::cast_possible_truncation
)]

use abi_stable::{
    StableAbi, declare_root_module_statics,
    library::RootModule,
    package_version_strings, sabi_trait,
    sabi_types::VersionStrings,
    std_types::{RArc, RBox, ROption, RResult, RSlice, RStr, RString, RVec},
};

use crate::{Batch, Delivery, ErrorKind, Level, PluginError, Role, RoleKind};

/// A [`PluginError`] on its way to the host.
#[repr(C)]
#[derive(Debug, StableAbi)]
pub struct AbiError {
    pub kind: AbiErrorKind,
    pub message: RString,
}

#[repr(u8)]
#[derive(Debug, Clone, Copy, StableAbi)]
pub enum AbiErrorKind {
    Config,
    BadData,
    Retry,
    Fatal,
    Panic,
}

impl From<PluginError> for AbiError {
    fn from(error: PluginError) -> Self {
        let kind = match error.kind {
            ErrorKind::Config => AbiErrorKind::Config,
            ErrorKind::BadData => AbiErrorKind::BadData,
            ErrorKind::Retry => AbiErrorKind::Retry,
            ErrorKind::Fatal => AbiErrorKind::Fatal,
            ErrorKind::Panic => AbiErrorKind::Panic,
        };
        Self { kind, message: error.message.into() }
    }
}

impl From<AbiError> for PluginError {
    fn from(error: AbiError) -> Self {
        let kind = match error.kind {
            AbiErrorKind::Config => ErrorKind::Config,
            AbiErrorKind::BadData => ErrorKind::BadData,
            AbiErrorKind::Retry => ErrorKind::Retry,
            AbiErrorKind::Fatal => ErrorKind::Fatal,
            AbiErrorKind::Panic => ErrorKind::Panic,
        };
        Self { kind, message: error.message.into() }
    }
}

#[repr(u8)]
#[derive(StableAbi)]
pub enum AbiPolled {
    Batch(Batch),
    Idle,
    End,
}

#[repr(u8)]
#[derive(Debug, Clone, Copy, StableAbi)]
pub enum AbiAck {
    Delivered,
    Held,
}

#[repr(u8)]
#[derive(Debug, Clone, Copy, StableAbi)]
pub enum AbiRoleKind {
    Source,
    Transform,
    Sink,
}

impl From<AbiRoleKind> for RoleKind {
    fn from(kind: AbiRoleKind) -> Self {
        match kind {
            AbiRoleKind::Source => Self::Source,
            AbiRoleKind::Transform => Self::Transform,
            AbiRoleKind::Sink => Self::Sink,
        }
    }
}

#[repr(u8)]
#[derive(Debug, Clone, Copy, StableAbi)]
pub enum AbiDelivery {
    Publisher,
    Service,
    Store,
}

#[repr(C)]
#[derive(Debug, StableAbi)]
pub struct AbiRole {
    pub kind: AbiRoleKind,
    /// JSON Schema.
    pub options_schema: RString,
    pub delivery: ROption<AbiDelivery>,
    pub ordered: bool,
    pub max_records: u32,
    pub max_wait_us: u64,
}

impl From<Role> for AbiRole {
    fn from(role: Role) -> Self {
        let kind = match role.kind {
            RoleKind::Source => AbiRoleKind::Source,
            RoleKind::Transform => AbiRoleKind::Transform,
            RoleKind::Sink => AbiRoleKind::Sink,
        };
        let delivery = role.delivery.map(|delivery| match delivery {
            Delivery::Publisher => AbiDelivery::Publisher,
            Delivery::Service => AbiDelivery::Service,
            Delivery::Store => AbiDelivery::Store,
        });
        Self {
            kind,
            options_schema: role.options_schema.to_string().into(),
            delivery: delivery.into(),
            ordered: role.ordered,
            max_records: role.max_records,
            max_wait_us: u64::try_from(role.max_wait.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

#[repr(C)]
#[derive(Debug, StableAbi)]
pub struct AbiManifest {
    pub name: RString,
    pub version: RString,
    pub description: RString,
    pub author: RString,
    pub roles: RVec<AbiRole>,
}

/// The host's side of a [`Context`](crate::Context).
#[sabi_trait]
pub trait AbiHost: Send + Sync {
    fn log(&self, level: Level, message: RStr<'_>);
    fn dropped(&self, reason: RStr<'_>, records: u64);
    fn count(&self, metric: RStr<'_>, by: u64);
    fn gauge(&self, metric: RStr<'_>, value: f64);
    fn now_us(&self) -> i64;
    fn is_stopping(&self) -> bool;
    fn expect_records(&self, within_us: ROption<u64>);
    #[sabi(last_prefix_field)]
    fn dead_letter(&self, reason: RStr<'_>, payload: RSlice<'_, u8>);
    /// A [`Report`](crate::Report) as JSON; a host that was built before this was added takes none.
    fn report(&self, _report: RStr<'_>) {}
}

/// The host, lent for as long as the plugin keeps it.
pub type HostObject = AbiHost_TO<'static, RArc<()>>;

#[repr(C)]
#[derive(StableAbi)]
pub struct AbiContext {
    pub instance: RString,
    pub base_dir: RString,
    pub state_dir: RString,
    pub host: HostObject,
}

/// What an instance of a library tells that was built before it could tell of readers.
fn no_readers() -> RResult<RString, AbiError> {
    RResult::ROk(RString::from("null"))
}

fn no_reader_for(_: RStr<'_>) -> RResult<RString, AbiError> {
    RResult::RErr(PluginError::config("this plugin tells of no readers").into())
}

// What stands behind `last_prefix_field` was added later. Of a library that lacks it, the bodies here
// are called.

#[sabi_trait]
pub trait AbiSource {
    fn next(&mut self, wait_us: u64) -> RResult<AbiPolled, AbiError>;
    fn confirm(&mut self, batches: u64) -> RResult<(), AbiError>;
    fn export_state(&mut self) -> RResult<ROption<RVec<u8>>, AbiError>;
    fn import_state(&mut self, state: RSlice<'_, u8>) -> RResult<(), AbiError>;
    #[sabi(last_prefix_field)]
    fn close(&mut self) -> RResult<(), AbiError>;
    fn readers(&mut self) -> RResult<RString, AbiError> {
        no_readers()
    }
    fn act(&mut self, request: RStr<'_>) -> RResult<RString, AbiError> {
        no_reader_for(request)
    }
}

#[sabi_trait]
pub trait AbiTransform {
    fn apply(&mut self, batch: &Batch) -> RResult<RVec<Batch>, AbiError>;
    fn tick(&mut self) -> RResult<RVec<Batch>, AbiError>;
    fn export_state(&mut self) -> RResult<ROption<RVec<u8>>, AbiError>;
    fn import_state(&mut self, state: RSlice<'_, u8>) -> RResult<(), AbiError>;
    #[sabi(last_prefix_field)]
    fn close(&mut self) -> RResult<RVec<Batch>, AbiError>;
    fn readers(&mut self) -> RResult<RString, AbiError> {
        no_readers()
    }
    fn act(&mut self, request: RStr<'_>) -> RResult<RString, AbiError> {
        no_reader_for(request)
    }
}

#[sabi_trait]
pub trait AbiSink {
    fn write(&mut self, batches: RSlice<'_, Batch>) -> RResult<AbiAck, AbiError>;
    fn tick(&mut self) -> RResult<AbiAck, AbiError>;
    fn flush(&mut self) -> RResult<(), AbiError>;
    fn export_state(&mut self) -> RResult<ROption<RVec<u8>>, AbiError>;
    fn import_state(&mut self, state: RSlice<'_, u8>) -> RResult<(), AbiError>;
    #[sabi(last_prefix_field)]
    fn close(&mut self) -> RResult<(), AbiError>;
    fn readers(&mut self) -> RResult<RString, AbiError> {
        no_readers()
    }
    fn act(&mut self, request: RStr<'_>) -> RResult<RString, AbiError> {
        no_reader_for(request)
    }
}

pub type SourceObject = AbiSource_TO<'static, RBox<()>>;
pub type TransformObject = AbiTransform_TO<'static, RBox<()>>;
pub type SinkObject = AbiSink_TO<'static, RBox<()>>;

/// What a library offers. `options` are JSON.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModuleRef)))]
#[sabi(missing_field(panic))]
pub struct PluginModule {
    pub manifest: extern "C" fn() -> AbiManifest,
    pub open_source:
        extern "C" fn(options: RStr<'_>, context: AbiContext) -> RResult<SourceObject, AbiError>,
    pub open_transform:
        extern "C" fn(options: RStr<'_>, context: AbiContext) -> RResult<TransformObject, AbiError>,
    pub open_sink:
        extern "C" fn(options: RStr<'_>, context: AbiContext) -> RResult<SinkObject, AbiError>,
    pub check: extern "C" fn(
        role: AbiRoleKind,
        options: RStr<'_>,
        context: AbiContext,
    ) -> RResult<(), AbiError>,
    /// Request and answer are JSON.
    #[sabi(last_prefix_field)]
    pub command: extern "C" fn(
        role: AbiRoleKind,
        options: RStr<'_>,
        context: AbiContext,
        request: RStr<'_>,
    ) -> RResult<RString, AbiError>,
}

impl RootModule for PluginModuleRef {
    declare_root_module_statics! {PluginModuleRef}
    const BASE_NAME: &'static str = "dataserver_plugin";
    const NAME: &'static str = "dataserver_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}
