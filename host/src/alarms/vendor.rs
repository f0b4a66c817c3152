//! What each kind of target is sent, and what its answers mean.
//!
//! As the vendors' documents have it in 2025. Errors come within answers of status 200, too.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use dataserver_config::{AlarmKind, AlarmTarget};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::message::Message;

/// Pause where a vendor takes no more messages for now. DingTalk then takes none for ten minutes.
const BUSY: Duration = Duration::from_secs(60);
const BLOCKED: Duration = Duration::from_secs(600);
/// Letters of an answer that are shown.
const MAX_SHOWN: usize = 200;

/// A request to a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is added to the address.
    pub query: Vec<(&'static str, String)>,
    /// What is posted.
    pub body: Value,
}

/// What a target makes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It took it; what it answered.
    Delivered(String),
    /// It did not, and may later; after this pause, if it needs one.
    Later(String, Option<Duration>),
    /// It never will; why, and what to do about it.
    Refused(String),
}

/// The request that brings a message to a target.
pub fn request(target: &AlarmTarget, message: &Message, now_us: i64) -> Request {
    let text = message.text.as_str();
    let secret = target.secret.as_ref().map(|secret| secret.0.as_str());
    let (mut query, mut body) = (Vec::new(), json!({}));
    match target.kind {
        AlarmKind::Feishu => {
            body = json!({ "msg_type": "text", "content": { "text": text } });
            if let Some(secret) = secret {
                let timestamp = (now_us / 1_000_000).to_string();
                // the text is the key here, and what is signed is empty
                body["sign"] = signature(&format!("{timestamp}\n{secret}"), "").into();
                body["timestamp"] = timestamp.into();
            }
        }
        AlarmKind::DingTalk => {
            body = json!({ "msgtype": "text", "text": { "content": text } });
            if let Some(secret) = secret {
                let timestamp = (now_us / 1_000).to_string();
                let sign = signature(secret, &format!("{timestamp}\n{secret}"));
                query = vec![("timestamp", timestamp), ("sign", sign)];
            }
        }
        AlarmKind::WeCom => body = json!({ "msgtype": "text", "text": { "content": text } }),
        AlarmKind::Json => {
            body["time_us"] = now_us.into();
            body["text"] = text.into();
            body["alarms"] = message.alarms.clone().into();
        }
    }
    Request { query, body }
}

/// HMAC-SHA256 in Base64.
fn signature(key: &str, text: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("an HMAC takes keys of every length");
    mac.update(text.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes().as_slice())
}

/// What an answer means.
pub fn verdict(kind: AlarmKind, status: u16, body: &str) -> Verdict {
    let is_fine = (200..300).contains(&status);
    let json = serde_json::from_str::<Value>(body).unwrap_or_default();
    let (code, text) = match kind {
        AlarmKind::Json => (None, None),
        AlarmKind::DingTalk | AlarmKind::WeCom => {
            (json["errcode"].as_i64(), json["errmsg"].as_str())
        }
        // the second pair is that of robots of the first version
        AlarmKind::Feishu => (
            json["code"].as_i64().or(json["StatusCode"].as_i64()),
            json["msg"].as_str().or(json["StatusMessage"].as_str()),
        ),
    };
    let text: String = text.unwrap_or_default().chars().take(MAX_SHOWN).collect();
    match code {
        Some(0) if is_fine => Verdict::Delivered(format!("code 0 {text}").trim_end().to_owned()),
        Some(code) => refusal(kind, code, &text),
        None if is_fine && kind == AlarmKind::Json => {
            Verdict::Delivered(format!("status {status}"))
        }
        None if status == 429 => Verdict::Later("too many messages".to_owned(), Some(BUSY)),
        None if status >= 500 => Verdict::Later(format!("status {status}"), None),
        None if (300..400).contains(&status) => Verdict::Refused(format!(
            "status {status}: it leads elsewhere; write the address that it leads to"
        )),
        None => Verdict::Refused(format!(
            "status {status}, and not what {} answers; is `url` the robot's whole address?",
            kind.as_str()
        )),
    }
}

/// What an error code of a vendor means.
fn refusal(kind: AlarmKind, code: i64, text: &str) -> Verdict {
    use AlarmKind::{DingTalk, Feishu, WeCom};
    let shown = |remedy: &str| format!("code {code} {text}; {remedy}");
    let remedy = match (kind, code) {
        (DingTalk, 130_101 | 410_100 | 90_030) => {
            let limit = "it takes 20 messages a minute, and now none for ten minutes";
            return Verdict::Later(shown(limit), Some(BLOCKED));
        }
        (WeCom, 45_009 | 45_033) => {
            return Verdict::Later(shown("it takes 20 messages a minute"), Some(BUSY));
        }
        (Feishu, 11_232 | 99_991_400) => {
            return Verdict::Later(shown("it takes 100 messages a minute"), Some(BUSY));
        }
        (Feishu, 9_499) if text.to_ascii_lowercase().contains("too many") => {
            return Verdict::Later(shown("it takes 100 messages a minute"), Some(BUSY));
        }
        (DingTalk | WeCom, -1) => return Verdict::Later(shown("it is busy"), None),
        (DingTalk, 310_000) => {
            "its security settings refuse the message: give the robot's `secret`, set this \
             machine's clock, or let the keyword `dataserver` or this machine's address through"
        }
        (DingTalk, 300_001 | 400_101) => "it knows no such token; copy the robot's address anew",
        (DingTalk, 400_102) => "the robot is switched off; switch it on in the group",
        (DingTalk, 400_013) => "the group is gone; make a robot in another one",
        (WeCom, 93_000) => "it knows no such robot; copy its address anew",
        (Feishu, 19_001) => "it knows no such robot; copy its address anew",
        (Feishu, 19_007) => "the robot is switched off; switch it on in the group",
        (Feishu, 19_021) => "give the robot's `secret`, and set this machine's clock",
        (Feishu, 19_022) => "let this machine's address through in the robot's settings",
        (Feishu, 19_024) => "let the keyword `dataserver` through in the robot's settings",
        _ => "look the code up in the vendor's documents",
    };
    Verdict::Refused(shown(remedy))
}

#[cfg(test)]
mod tests {
    use dataserver_config::Secret;

    use super::*;

    const NOW_US: i64 = 1_599_360_473_123_456;

    fn target(kind: AlarmKind, secret: Option<&str>) -> AlarmTarget {
        let secret = secret.map(|secret| Secret(secret.to_owned()));
        AlarmTarget { kind, url: Secret("https://h/x".to_owned()), secret }
    }

    fn message() -> Message {
        Message {
            text: "【dataserver】m\n[告警]".to_owned(), alarms: vec![json!({ "rule": "x" })]
        }
    }

    #[test]
    fn messages_are_signed_as_each_vendor_asks_for() {
        // both computed with Python's hmac for these times and the secret `this is secret`
        let feishu =
            request(&target(AlarmKind::Feishu, Some("this is secret")), &message(), NOW_US);
        assert_eq!(feishu.body["timestamp"], "1599360473");
        assert_eq!(feishu.body["sign"], "/eYKrXQBzTjUZJ3s6NX16VxGbTwmK7AEs8/FnvC1CSw=");
        assert_eq!(feishu.body["content"]["text"], message().text);
        assert!(feishu.query.is_empty());
        let dingtalk =
            request(&target(AlarmKind::DingTalk, Some("this is secret")), &message(), NOW_US);
        let sign = "0eVlIU0GooHVuIBX6FZ86JNxxfy4qwhOlP5JU2uHmq4=".to_owned();
        assert_eq!(dingtalk.query, [("timestamp", "1599360473123".to_owned()), ("sign", sign)]);
        assert_eq!(dingtalk.body["text"]["content"], message().text);
        assert!(!format!("{feishu:?}{dingtalk:?}").contains("this is secret"));
    }

    #[test]
    fn without_a_secret_nothing_is_signed() {
        for kind in [AlarmKind::Feishu, AlarmKind::DingTalk, AlarmKind::WeCom] {
            let Request { query, body } = request(&target(kind, None), &message(), NOW_US);
            assert!(query.is_empty() && body["sign"].is_null(), "{body}");
            assert!(body.to_string().contains("[告警]"), "{body}");
        }
        let plain = request(&target(AlarmKind::Json, None), &message(), NOW_US).body;
        assert_eq!(plain["time_us"], NOW_US);
        assert_eq!(plain["alarms"][0]["rule"], "x");
    }

    #[test]
    fn errors_within_good_answers_are_errors_with_a_remedy() {
        use AlarmKind::{DingTalk, Feishu, Json, WeCom};
        // kind, status, body, whether it is tried again, what is said
        let cases = [
            (DingTalk, 200, r#"{"errcode":310000,"errmsg":"sign not match"}"#, false, "`secret`"),
            (DingTalk, 200, r#"{"errcode":300001,"errmsg":"token is not exist"}"#, false, "anew"),
            (DingTalk, 200, r#"{"errcode":130101,"errmsg":"send too fast"}"#, true, "20 messages"),
            (DingTalk, 200, r#"{"errcode":7,"errmsg":"new"}"#, false, "code 7 new"),
            (WeCom, 200, r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#, false, "anew"),
            (WeCom, 200, r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, true, "45009"),
            (WeCom, 200, r#"{"errcode":-1,"errmsg":"system busy"}"#, true, "busy"),
            (Feishu, 200, r#"{"code":19021,"msg":"sign match fail"}"#, false, "clock"),
            (Feishu, 400, r#"{"code":19001,"msg":"param invalid"}"#, false, "anew"),
            (Feishu, 200, r#"{"code":19024,"msg":"Key Words Not Found"}"#, false, "keyword"),
            (Feishu, 200, r#"{"code":9499,"msg":"Bad Request"}"#, false, "9499"),
            (Feishu, 200, r#"{"code":9499,"msg":"too many request"}"#, true, "100 messages"),
            (Feishu, 500, r#"{"code":0,"msg":"success"}"#, false, "code 0"),
            (Feishu, 502, "<html>bad gateway</html>", true, "status 502"),
            (Feishu, 200, "<html>log in first</html>", false, "whole address"),
            (WeCom, 404, "", false, "whole address"),
            (WeCom, 429, "", true, "too many"),
            (Json, 500, "{}", true, "status 500"),
            (Json, 401, "{}", false, "status 401"),
        ];
        for (kind, status, body, is_tried_again, said) in cases {
            let (text, again) = match verdict(kind, status, body) {
                Verdict::Later(text, _) => (text, true),
                Verdict::Refused(text) => (text, false),
                Verdict::Delivered(text) => panic!("{body} counts as delivered: {text}"),
            };
            assert!(text.contains(said) && again == is_tried_again, "{body}: {text}");
        }
    }

    #[test]
    fn good_answers_are_those_without_an_error() {
        let cases = [
            (AlarmKind::DingTalk, 200, r#"{"errcode":0,"errmsg":"ok"}"#, "code 0 ok"),
            (AlarmKind::WeCom, 200, r#"{"errcode":0,"errmsg":"ok"}"#, "code 0 ok"),
            (AlarmKind::Feishu, 200, r#"{"code":0,"msg":"success"}"#, "code 0 success"),
            (
                AlarmKind::Feishu,
                200,
                r#"{"StatusCode":0,"StatusMessage":"success"}"#,
                "code 0 success",
            ),
            (AlarmKind::Json, 204, "", "status 204"),
        ];
        for (kind, status, body, said) in cases {
            assert_eq!(verdict(kind, status, body), Verdict::Delivered(said.to_owned()));
        }
    }
}
