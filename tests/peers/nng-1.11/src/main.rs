//! A peer of the quotation bus and of the query server, on NNG 1.11.
//!
//! ```text
//! nng-peer sub ADDRESS ROUNDS   each message as a line, until so many rounds have ended
//! nng-peer pub ADDRESS          publishes each line of stdin
//! nng-peer req ADDRESS          asks each line of stdin; each answer as a line
//! ```
//!
//! Messages are written as hexadecimal digits.

// a peer that cannot do as it is told must fail loudly
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{ffi::CString, fmt::Write as _, io::Write as _};

use anng::{
    Message,
    protocols::{pubsub0, reqrep0},
};

const TOPIC: &[u8] = b":spot:";
const END: &[u8] = b":spot:[end spot]";

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let address = CString::new(arguments[1].as_str()).unwrap();
    match arguments[0].as_str() {
        "sub" => subscribe(&address, arguments[2].parse().unwrap()).await,
        "pub" => publish(&address).await,
        "req" => ask(&address).await,
        other => panic!("{other} is neither sub, pub nor req"),
    }
}

async fn subscribe(address: &CString, mut rounds: usize) {
    let socket = pubsub0::Sub0::dial(address).await.unwrap();
    let mut context = socket.context();
    context.subscribe_to(TOPIC);
    while rounds > 0 {
        let message = context.next().await.unwrap();
        rounds -= usize::from(message.as_slice() == END);
        tell(message.as_slice());
    }
}

async fn publish(address: &CString) {
    let mut socket = pubsub0::Pub0::listen(address).await.unwrap();
    for line in std::io::stdin().lines() {
        socket.publish(message(&line.unwrap())).await.unwrap();
    }
}

async fn ask(address: &CString) {
    let socket = reqrep0::Req0::dial(address).await.unwrap();
    let mut context = socket.context();
    for line in std::io::stdin().lines() {
        let answer = context.request(message(&line.unwrap())).await.unwrap();
        tell(answer.await.unwrap().as_slice());
    }
}

fn message(digits: &str) -> Message {
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    let mut message = Message::with_capacity(bytes.len());
    message.write_all(&bytes).unwrap();
    message
}

fn tell(bytes: &[u8]) {
    let mut digits = String::new();
    bytes.iter().for_each(|byte| write!(digits, "{byte:02x}").unwrap());
    println!("{digits}");
}
