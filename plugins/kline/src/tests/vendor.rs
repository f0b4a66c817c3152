//! A stand-in for the service: real HTTP over loopback, rows of its own for every trading day, cut as
//! the service cuts them, or whatever a test wants it to say.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use plugin_api::{
    schemas::{
        session::TradingCalendar,
        time::{ExchangeTime, parse_date},
    },
    serde_json::{Value, json},
};

/// What is asked for, as it stands in the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// `fqkline/get`, `newfqkline/get` or `kline/mkline`.
    pub path: String,
    /// As `sh600000`.
    pub code: String,
    /// `day`, `m5`.
    pub period: String,
    /// Last day or minute; "" for the newest.
    pub end: String,
    /// Rows.
    pub count: usize,
    /// `qfq`, `hfq`, or "".
    pub adjust: String,
}

/// What comes back.
pub enum Reply {
    /// Status 200 with that body.
    Body(String),
    /// All of an answer, after which the connection ends.
    Whole(Vec<u8>),
    /// The beginning of an answer, then a byte now and then.
    Trickle(String),
    /// Nothing, ever.
    Silence,
}

type Says = dyn Fn(u32, &Question) -> Reply + Send + Sync;

/// The stand-in.
pub struct Vendor {
    /// Its address.
    pub url: String,
    asked: Arc<Mutex<Vec<Question>>>,
}

impl Vendor {
    /// One that says to the nth question, counted from 1, what that function makes of it.
    pub fn saying(says: impl Fn(u32, &Question) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let says: Arc<Says> = Arc::new(says);
        let all = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (all, says) = (Arc::clone(&all), Arc::clone(&says));
                thread::spawn(move || serve(stream, &all, &*says));
            }
        });
        Self { url, asked }
    }

    /// One that keeps to what is known of the service, on that day.
    pub fn keeping(today: &'static str) -> Self {
        Self::saying(move |_, question| Reply::Body(market(question, today)))
    }

    /// One whose index is in order, and which says what a function makes of all else.
    pub fn besides_index(says: impl Fn(u32, &Question) -> Reply + Send + Sync + 'static) -> Self {
        Self::saying(move |number, question| match question.code.as_str() {
            "sh000001" => Reply::Body(market(question, "2026-09-20")),
            _ => says(number, question),
        })
    }

    /// Questions so far, but for those about the index.
    pub fn asked(&self) -> Vec<Question> {
        let all = self.asked.lock().unwrap();
        all.iter().filter(|question| question.code != "sh000001").cloned().collect()
    }

    /// Questions about the index.
    pub fn proofs(&self) -> usize {
        let all = self.asked.lock().unwrap();
        all.iter().filter(|question| question.code == "sh000001").count()
    }
}

fn serve(mut stream: TcpStream, asked: &Mutex<Vec<Question>>, says: &Says) {
    loop {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_exact(&mut byte).is_err() {
                return;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let question = question(head.split(' ').nth(1).unwrap());
        let number = {
            let mut asked = asked.lock().unwrap();
            asked.push(question.clone());
            u32::try_from(asked.len()).unwrap()
        };
        let with_head =
            |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        match says(number, &question) {
            Reply::Body(body) => stream.write_all(with_head(&body).as_bytes()).unwrap(),
            Reply::Whole(bytes) => {
                let _ = stream.write_all(&bytes);
                return;
            }
            Reply::Trickle(body) => {
                for byte in with_head(&body).bytes() {
                    if stream.write_all(&[byte]).is_err() {
                        return;
                    }
                    thread::park_timeout(Duration::from_millis(20));
                }
            }
            Reply::Silence => thread::park(),
        }
    }
}

fn question(target: &str) -> Question {
    let (path, query) = target.split_once("?param=").unwrap_or((target, ""));
    let path = path.trim_start_matches("/appstock/app/").to_owned();
    let mut parts = query.split(',').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    let (code, period, first, second) = (next(), next(), next(), next());
    if path == "kline/mkline" {
        let count = second.parse().unwrap();
        return Question { path, code, period, end: first, count, adjust: String::new() };
    }
    let (count, adjust) = (next().parse().unwrap_or_default(), next());
    Question { path, code, period, end: second, count, adjust }
}

/// Trading days up to that date, newest first, as `2026-09-18`.
pub fn days_until(end: &str) -> impl Iterator<Item = String> {
    let midnight = ExchangeTime::from_civil(parse_date(end).unwrap(), (0, 0, 0, 0)).unwrap();
    let calendar = TradingCalendar::shipped();
    let last = ExchangeTime::from_utc_us(midnight).day;
    (0..=last).rev().filter(move |day| calendar.is_trading_day(*day)).map(|day| {
        let (year, month, day) = ExchangeTime { day, of_day_us: 0 }.date();
        format!("{year:04}-{month:02}-{day:02}")
    })
}

/// When a security was listed.
pub fn listed(code: &str) -> &'static str {
    match code {
        "sh688001" => "2026-09-01",
        "sz000333" => "2013-09-18",
        _ => "1999-11-10",
    }
}

/// The answer of the service, within its known limits: 2,000 rows, 640 of adjusted days beyond 800, 320
/// minutes of the last two days.
pub fn market(question: &Question, today: &str) -> String {
    let Question { code, period, count, adjust, .. } = question;
    if *count > 2_000 {
        return json!({ "code": 0, "msg": "param error", "data": [] }).to_string();
    }
    if code == "sh999999" {
        return answer(code, "day", &[]);
    }
    if period != "day" {
        return answer(code, period, &minutes(question, today));
    }
    let is_index = code == "sh000001";
    let count = if !adjust.is_empty() && *count > 800 { 640 } else { *count };
    let end = if question.end.is_empty() { today } else { question.end.as_str().min(today) };
    let days = days_until(end).take_while(|day| day.as_str() >= listed(code)).take(count);
    let has_turnover = question.path == "newfqkline/get";
    let mut rows: Vec<_> = days.map(|day| row(&day, has_turnover)).collect();
    rows.reverse();
    let key = if is_index { "day".to_owned() } else { format!("{adjust}day") };
    answer(code, &key, &rows)
}

/// A row of a day: its price is the day of the month.
fn row(label: &str, has_turnover: bool) -> Value {
    let day: f64 = label[8..10].parse().unwrap();
    let (price, high) = (format!("{day:.3}"), format!("{:.3}", day + 0.5));
    let mut row = json!([label, price, high, high, price, "1000.000"]);
    if has_turnover {
        let turnover = format!("{:.2}", day * 1_000.0 * 100.0 / 10_000.0);
        let more = [json!({}), json!("0.80"), json!(turnover), json!("0.00"), json!("0.00")];
        row.as_array_mut().unwrap().extend(more);
    }
    row
}

/// Bars of five minutes, of the last two days, of which an end is minded.
fn minutes(question: &Question, today: &str) -> Vec<Value> {
    let days: Vec<_> = days_until(today).take(2).collect();
    let mut rows = Vec::new();
    for day in days.iter().rev() {
        let ends = (1..=24).map(|bar| 9 * 60 + 30 + 5 * bar);
        for end in ends.chain((1..=24).map(|bar| 13 * 60 + 5 * bar)) {
            let label = format!("{}{:02}{:02}", day.replace('-', ""), end / 60, end % 60);
            rows.push(json!([label, "10.00", "10.10", "10.20", "9.90", "500.00", {}, "0.40"]));
        }
    }
    let is_wanted =
        |row: &Value| question.end.is_empty() || row[0].as_str().unwrap() <= &*question.end;
    let mut rows: Vec<_> = rows.into_iter().filter(is_wanted).collect();
    rows.split_off(rows.len().saturating_sub(question.count.min(320)))
}

/// An answer with those rows, as the service writes it.
pub fn answer(code: &str, key: &str, rows: &[Value]) -> String {
    let quote = json!({ (code): [], "market": ["2026-09-20 12:43:40|SH_close"] });
    let of_security = json!({ (key): rows, "qt": quote, "prec": "", "version": "16" });
    json!({ "code": 0, "msg": "", "data": { (code): of_security } }).to_string()
}
