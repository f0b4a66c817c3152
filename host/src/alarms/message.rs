//! What people read of alarms, in Chinese.

use std::fmt::Write as _;

use dataserver_config::AlarmRule;
use plugin_api::{
    schemas::time::{ExchangeTime, SECOND_US},
    terminal,
};
use serde_json::{Value, json};

use super::book::Notice;

/// Bytes of the longest text: WeCom takes 2,048.
const MAX_BYTES: usize = 2_000;
/// Bytes of the longest line, and of what is known of one alarm.
const MAX_LINE: usize = 600;
const MAX_DETAIL: usize = 240;
/// Bytes of the longest name of a machine.
const MAX_NAME: usize = 64;

/// A text that is sent, and what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// For people. Robots that ask for a keyword find `dataserver` in each.
    pub text: String,
    /// For programs.
    pub alarms: Vec<Value>,
}

/// As many of the notices as fit into one message, at least one; `left_out` were given up before.
pub fn compose<'a>(
    machine: &str,
    notices: impl IntoIterator<Item = &'a Notice>,
    left_out: u64,
) -> Message {
    let mut message = Message { text: head(machine), alarms: Vec::new() };
    if left_out > 0 {
        // writing to a string cannot fail
        let _ = write!(message.text, "\n另有 {left_out} 条更早的消息没能送出，见日志");
    }
    for notice in notices {
        let line = cut(&line(notice), MAX_LINE);
        if !message.alarms.is_empty() && message.text.len() + 1 + line.len() > MAX_BYTES {
            break;
        }
        message.text += "\n";
        message.text += &line;
        message.alarms.push(object(notice));
    }
    message
}

/// What is sent to try a target.
pub fn test(machine: &str) -> Message {
    let text = format!("{}\n[测试] 收到这条消息，说明告警可以送达。", head(machine));
    Message { text, alarms: Vec::new() }
}

/// The name of this machine, as far as it is known.
pub fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    cut(&terminal::on_one_line(name.trim()), MAX_NAME)
}

fn head(machine: &str) -> String {
    format!("【dataserver】{machine}")
}

fn line(notice: &Notice) -> String {
    let (what, remedy) = words(notice.rule);
    let (component, since) = (&notice.component, moment(notice.since_us));
    if let Some(until_us) = notice.until_us {
        let until = moment(until_us);
        let lasted = lasted(until_us.saturating_sub(notice.since_us));
        return format!("[恢复] {component}：{what}，{since} 至 {until}，历时 {lasted}");
    }
    let detail = cut(&terminal::on_one_line(&notice.detail), MAX_DETAIL);
    let detail = if detail.is_empty() { detail } else { format!("{detail}。") };
    format!("[告警] {component}：{what}，自 {since} 起。{detail}{remedy}")
}

/// What is wrong, and what to do about it.
fn words(rule: AlarmRule) -> (&'static str, &'static str) {
    match rule {
        AlarmRule::SourceSilent => ("盘中没有行情", "请检查上游服务与网络。"),
        AlarmRule::ComponentFailed => ("组件出错", "请看日志中该组件的错误。"),
        AlarmRule::StoreAway => ("数据送不出去", "请检查目标服务与网络，恢复后自动补送。"),
        AlarmRule::SpoolAbove80 => {
            ("磁盘队列将满", "请恢复该组件，或调大 buffer.max_bytes；写满后上游会等待。")
        }
        AlarmRule::RecordsDropped => ("丢弃了数据", "原因见日志和指标 records_dropped_total。"),
        AlarmRule::DayIncomplete => ("当日数据不完整", "请补齐数据。"),
        AlarmRule::PluginDenied => {
            ("插件请求了未授权的资源", "见日志中的 denied；确有需要才写进 grants。")
        }
    }
}

fn object(notice: &Notice) -> Value {
    let Notice { rule, component, since_us, until_us, detail } = notice;
    let (component, day) = match component.split_once(' ') {
        Some((component, day)) => (component, Some(day)),
        None => (component.as_str(), None),
    };
    json!({
        "rule": rule.as_str(),
        "component": component,
        "day": day,
        "state": if until_us.is_some() { "over" } else { "begun" },
        "since_us": since_us,
        "until_us": until_us,
        "detail": cut(detail, MAX_DETAIL),
        "text": cut(&line(notice), MAX_LINE),
    })
}

/// `12-01 09:31:05`, on the exchange's clock.
fn moment(utc_us: i64) -> String {
    let time = ExchangeTime::from_utc_us(utc_us);
    let ((_, month, day), second) = (time.date(), time.of_day_us / SECOND_US);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{month:02}-{day:02} {hour:02}:{minute:02}:{:02}", second % 60)
}

/// `4 分 5 秒`
fn lasted(us: i64) -> String {
    let seconds = us.max(0) / SECOND_US;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} 秒"),
        (0, _) => format!("{minutes} 分 {} 秒", seconds % 60),
        _ => format!("{hours} 小时 {minutes} 分"),
    }
}

/// The beginning of a text, in at most so many bytes.
fn cut(text: &str, max_bytes: usize) -> String {
    const MORE: &str = "…";
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(max_bytes.saturating_sub(MORE.len()));
    format!("{}{MORE}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2021-12-01 09:31:05 in Shanghai.
    const SINCE_US: i64 = 1_638_322_265_000_000;

    fn notice(rule: AlarmRule, until_us: Option<i64>, detail: &str) -> Notice {
        let (component, detail) = ("lake".to_owned(), detail.to_owned());
        Notice { rule, component, since_us: SINCE_US, until_us, detail }
    }

    #[test]
    fn a_message_says_what_is_wrong_since_when_and_what_to_do() {
        let notices = [
            notice(AlarmRule::StoreAway, Some(SINCE_US + 245 * SECOND_US), "gone"),
            notice(AlarmRule::ComponentFailed, None, "已停止：disk\nfull"),
            notice(AlarmRule::SourceSilent, None, ""),
        ];
        let message = compose("quant01", &notices, 3);
        let expected = "【dataserver】quant01\n\
            另有 3 条更早的消息没能送出，见日志\n\
            [恢复] lake：数据送不出去，12-01 09:31:05 至 12-01 09:35:10，历时 4 分 5 秒\n\
            [告警] lake：组件出错，自 12-01 09:31:05 起。已停止：disk\\nfull。请看日志中该组件的错误。\n\
            [告警] lake：盘中没有行情，自 12-01 09:31:05 起。请检查上游服务与网络。";
        assert_eq!(message.text, expected);
        let states = message.alarms.iter().map(|it| it["state"].as_str().unwrap());
        assert_eq!(states.collect::<Vec<_>>(), ["over", "begun", "begun"]);
        assert_eq!(message.alarms[0]["rule"], "store_away");
        assert_eq!(
            (&message.alarms[0]["component"], &message.alarms[0]["day"]),
            (&json!("lake"), &Value::Null)
        );
        assert!(test("quant01").text.starts_with("【dataserver】quant01\n[测试]"));
    }

    #[test]
    fn a_day_stands_behind_its_ledger_for_people_and_beside_it_for_programs() {
        let detail = "应有 2 只证券".to_owned();
        let component = "ledger 2026-01-05".to_owned();
        let rule = AlarmRule::DayIncomplete;
        let notice = Notice { rule, component, since_us: SINCE_US, until_us: None, detail };
        let message = compose("quant01", [&notice], 0);
        let line = "[告警] ledger 2026-01-05：当日数据不完整，自 12-01 09:31:05 起。应有 2 只证券。请补齐数据。";
        assert!(message.text.ends_with(line), "{}", message.text);
        let [alarm] = message.alarms.as_slice() else { panic!("{:?}", message.alarms) };
        assert_eq!((&alarm["component"], &alarm["day"]), (&json!("ledger"), &json!("2026-01-05")));
    }

    #[test]
    fn times_that_something_lasted_are_short() {
        let texts = [0, 59, 60, 3_599, 3_600, 90_061].map(|second| lasted(second * SECOND_US));
        let expected = ["0 秒", "59 秒", "1 分 0 秒", "59 分 59 秒", "1 小时 0 分", "25 小时 1 分"];
        assert_eq!(texts, expected);
        assert_eq!(lasted(-5), "0 秒", "the clock was put back");
    }

    #[test]
    fn no_message_is_longer_than_robots_take_and_none_is_empty() {
        let long = notice(AlarmRule::StoreAway, None, &"行情".repeat(10_000));
        let many = vec![long; 50];
        let message = compose(&"主".repeat(21), &many, u64::MAX);
        assert!(message.text.len() <= MAX_BYTES, "{}", message.text.len());
        assert!(message.alarms.len() > 1 && message.text.contains('…'));
        let alone = compose("m", &many[..1], 0);
        assert_eq!(alone.alarms.len(), 1);
        for text in ["", "a", "行情", "行情行情"] {
            assert!(cut(text, 6).len() <= 6, "{text}");
        }
        assert_eq!((cut("行情", 6), cut("行情行", 6)), ("行情".to_owned(), "行…".to_owned()));
    }
}
