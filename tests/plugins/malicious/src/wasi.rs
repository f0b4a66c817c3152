//! What the standard library does not offer of WASI.

use wasip2::{
    filesystem::types::{DescriptorFlags, PathFlags},
    filesystem::{preopens, types::OpenFlags},
    http::{
        outgoing_handler,
        types::{Fields, OutgoingRequest, Scheme},
    },
};

/// Asks for a page and gives its status.
pub fn http_get(url: &str) -> Result<String, String> {
    let rest = url.strip_prefix("http://").ok_or("only http:// is tried")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let request = OutgoingRequest::new(Fields::new());
    let refused = |()| "the request cannot be made".to_owned();
    request.set_scheme(Some(&Scheme::Http)).map_err(refused)?;
    request.set_authority(Some(authority)).map_err(refused)?;
    request.set_path_with_query(Some(&format!("/{path}"))).map_err(refused)?;
    let answer = outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"))?;
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(Ok(response))) => Ok(format!("status {}", response.status())),
        Some(Ok(Err(code))) => Err(format!("{code:?}")),
        other => Err(format!("{other:?}")),
    }
}

/// Makes a link to `target` in the first granted folder and reads what it leads to.
pub fn read_through_link(target: &str) -> Result<String, String> {
    let folders = preopens::get_directories();
    let (folder, name) = folders.first().ok_or("no folder is granted")?;
    folder.symlink_at(target, "link").map_err(|code| format!("{name}/link: {code:?}"))?;
    let file = folder
        .open_at(PathFlags::SYMLINK_FOLLOW, "link", OpenFlags::empty(), DescriptorFlags::READ)
        .map_err(|code| format!("open: {code:?}"))?;
    let (bytes, _) = file.read(64, 0).map_err(|code| format!("read: {code:?}"))?;
    Ok(format!("{} bytes", bytes.len()))
}
