//! An address that can be posted to. What is said of a wrong one does not repeat it: it may be secret.

use std::net::Ipv6Addr;

/// Bytes of the longest address, and of the longest name of a host.
const MAX_ADDRESS: usize = 2_048;
const MAX_HOST: usize = 253;

/// What is wrong with an address, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub message: &'static str,
    /// The remedy.
    pub help: &'static str,
}

const fn wrong(message: &'static str, help: &'static str) -> Wrong {
    Wrong { message, help }
}

const NO_ADDRESS: Wrong = wrong(
    "`url` is no address that can be posted to",
    "copy the robot's whole address, which begins with https://",
);

/// Checks an address with scheme, host, a port perhaps, and the way behind them.
///
/// # Errors
/// What is wrong with it.
pub fn check(url: &str, may_name_user: bool) -> Result<(), Wrong> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let rest = rest.ok_or(NO_ADDRESS)?;
    if url.len() > MAX_ADDRESS || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(
            "`url` is longer than an address, or has blanks or other signs that none has",
            "copy the robot's whole address in one line; write other signs as %20",
        ));
    }
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = match place.rsplit_once('@') {
        Some((user, place)) if may_name_user && is_user(user) => place,
        Some(_) => {
            return Err(wrong(
                "`url` names a user before its host",
                "remove what stands before `@`; `kind = \"json\"` alone takes `user:password@`",
            ));
        }
        None => place,
    };
    let (host, port) = match place.rfind(']') {
        Some(end) => place.split_at(end + 1),
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    if !is_host(host) {
        return Err(wrong(
            "the host that `url` names is none",
            "write a name or an IP address behind `://`, IPv6 in brackets",
        ));
    }
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return Err(wrong(
            "the port that `url` names is none",
            "write a number from 1 to 65535 behind the host, or leave `:` out",
        ));
    }
    Ok(())
}

fn is_port(port: &str) -> bool {
    let is_number = port.bytes().all(|it| it.is_ascii_digit());
    is_number && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_user(user: &str) -> bool {
    !user.is_empty() && !user.contains('@')
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        let is_sign = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
        !label.is_empty() && label.len() <= 63 && label.bytes().all(is_sign)
    };
    host.len() <= MAX_HOST && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked_part_by_part() {
        for (url, may_name_user, said) in [
            ("https://open.feishu.cn/open-apis/bot/v2/hook/x", false, ""),
            ("http://127.0.0.1:8080?x=1", false, ""),
            ("https://[::1]:443/x", false, ""),
            ("https://host_1.lan./", false, ""),
            ("https://user:pass@host/x", true, ""),
            ("https://host/a@b", false, ""),
            ("", false, "no address"),
            ("open.feishu.cn/x", false, "no address"),
            ("ftp://host/x", false, "no address"),
            ("HTTPS://host/x", false, "no address"),
            ("https://host/a b", false, "blanks"),
            ("https://主机/", false, "blanks"),
            ("https://user:pass@host/x", false, "names a user"),
            ("https://@host/x", true, "names a user"),
            ("https:///x", false, "the host"),
            ("https://:443/x", false, "the host"),
            ("https://a..b/x", false, "the host"),
            ("https://host!/x", false, "the host"),
            ("https://[::g]/x", false, "the host"),
            ("https://[::1/x", false, "the host"),
            ("https://host:/x", false, "the port"),
            ("https://host:0/x", false, "the port"),
            ("https://host:65536/x", false, "the port"),
            ("https://host:+80/x", false, "the port"),
            ("https://host:80:80/x", false, "the port"),
            ("https://[::1]443/x", false, "the port"),
        ] {
            let told = check(url, may_name_user).err().map_or("", |wrong| wrong.message);
            assert!(told.contains(said) && told.is_empty() == said.is_empty(), "{url}: {told}");
        }
        let long = format!("https://host/{}", "x".repeat(MAX_ADDRESS));
        assert!(check(&long, false).is_err());
    }
}
