//! Reports uses that WASI itself denies: files in granted folders, and name look-ups.
//!
//! A path outside of all granted folders does not get here: the guest's own libc finds no preopened
//! folder for it.

use wasmtime::{
    StoreContextMut,
    component::{Linker, Resource},
};
use wasmtime_wasi::{
    filesystem::{Descriptor, WasiFilesystemView},
    p2::bindings::{
        filesystem::types::{DescriptorFlags, ErrorCode, HostDescriptor, OpenFlags, PathFlags},
        sockets::{
            ip_name_lookup::ResolveAddressStream,
            network::{ErrorCode as SocketError, Network},
        },
    },
};

use super::sandbox::Sandbox;

/// Interface names of wasmtime-wasi.
const FILES: &str = "wasi:filesystem/types@0.2.12";
const NAMES: &str = "wasi:sockets/ip-name-lookup@0.2.12";
const LOOK_UP: &str = "resolve-addresses";
const OPEN: &str = "[method]descriptor.open-at";

/// Folder, how links in the path are taken, path, what is made, what is asked for.
type Asked = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);

/// Wraps the opening of files and the look-up of names.
pub(super) fn report_denied(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance(FILES)?.func_wrap_async(
        OPEN,
        |mut store: StoreContextMut<'_, Sandbox>, asked: Asked| {
            Box::new(async move { Ok((open(store.data_mut(), asked).await?,)) })
        },
    )?;
    linker.instance(NAMES)?.func_wrap(LOOK_UP, look_up)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// A name that is looked up leaves the machine, whatever it is looked up for.
fn look_up(
    store: StoreContextMut<'_, Sandbox>,
    (_, name): (Resource<Network>, String),
) -> wasmtime::Result<(Result<Resource<ResolveAddressStream>, SocketError>,)> {
    let remedy = "plugins in a sandbox have HTTP, see grants.http";
    store.data().denied.note("names", &format!("the address of {name}"), remedy);
    Ok((Err(SocketError::AccessDenied),))
}

async fn open(
    sandbox: &mut Sandbox,
    (folder, links, path, making, asking): Asked,
) -> wasmtime::Result<Result<Resource<Descriptor>, ErrorCode>> {
    let mut files = sandbox.filesystem();
    let code = match files.open_at(folder, links, path.clone(), making, asking).await {
        Ok(opened) => return Ok(Ok(opened)),
        Err(error) => error.downcast()?,
    };
    if matches!(code, ErrorCode::NotPermitted | ErrorCode::Access | ErrorCode::ReadOnly) {
        let remedy = "see grants.dirs, where \"write\" is reading and writing";
        sandbox.denied.note("files", &format!("a file ({path})"), remedy);
    }
    Ok(Err(code))
}
