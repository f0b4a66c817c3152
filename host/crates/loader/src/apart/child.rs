//! The child's side: confines itself before it reads anything.
#![allow(unsafe_code)]

use std::{fs, io};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use super::Bounds;

/// Address space beside its memory, bytes: runtimes of other languages set much of it aside, and use
/// little.
const RESERVED: u64 = 8 << 30;

/// Confines this process, which was started by that one and ends with it.
///
/// # Errors
/// When the system refuses it, or that process is gone.
pub fn confine(parent: Pid, bounds: &Bounds) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(parent) {
        return Err(io::Error::other("the process that started this one is gone"));
    }
    limit(Resource::Core, 0)?;
    limit(Resource::Cpu, bounds.processor.as_secs())?;
    limit(Resource::Fsize, bounds.output)?;
    limit(Resource::Data, bounds.memory)?;
    limit(Resource::As, bounds.memory.saturating_add(RESERVED))?;
    close_inherited()?;
    // a system without filters goes without: the group is ended in any case
    let _ = forbid_processes();
    Ok(())
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let most = getrlimit(resource).maximum.map_or(most, |allowed| allowed.min(most));
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

/// Closes what a library of the starting process left open for its children.
fn close_inherited() -> io::Result<()> {
    let listed = fs::read_dir("/proc/self/fd")?;
    let open: Vec<i32> =
        listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|it| *it > 2) {
        // SAFETY: this process has just started and opened nothing for itself that is still in
        // use. The one that the listing was read through is closed already, which does no harm.
        let _ = unsafe { libc::close(descriptor) };
    }
    Ok(())
}

/// Threads may be started, processes may not: they would outlive this one, or never stop coming.
fn forbid_processes() -> Result<(), seccompiler::Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let is_thread = u64::try_from(libc::CLONE_THREAD).unwrap_or_default();
    let is_process =
        SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(is_thread), 0)?;
    let started = [
        (libc::SYS_clone, vec![SeccompRule::new(vec![is_process])?]),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_fork, Vec::new()),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_vfork, Vec::new()),
    ];
    // its arguments lie in memory, where a filter cannot look: without it, `clone` is called
    let unseen = [(libc::SYS_clone3, Vec::new())];
    let enosys = u32::try_from(libc::ENOSYS).unwrap_or_default();
    let filters = [
        (started.into(), SeccompAction::KillProcess),
        (unseen.into(), SeccompAction::Errno(enosys)),
    ];
    for (rules, action) in filters {
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?;
        apply_filter(&BpfProgram::try_from(filter)?)?;
    }
    Ok(())
}
