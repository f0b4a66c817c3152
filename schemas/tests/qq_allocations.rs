//! From the text of an answer to a list of quotes, memory is asked for by the list, not by the quote.
#![cfg(feature = "qq")]
#![allow(clippy::unwrap_used)]
// a counting allocator cannot be had otherwise
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use schemas::{
    encode::SpotListEncoder,
    qq::{Encoding, Quote, lines},
};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts what a thread asks for.
struct Counting;

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the rules of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the rules of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the rules of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A line with a name in GBK.
fn line(code: usize) -> Vec<u8> {
    let book = "~9.39~1145".repeat(10);
    let text = format!(
        "~{code}~9.40~9.26~9.28~771871~1~2{book}~~20260914161438~0.14~1.51~9.43~9.24\
         ~9.40/771871/722307374~771871~72231~0.23~6.11~~9.43~9.24\";\n"
    );
    [format!("v_sh{code}=\"1~").as_bytes(), b"\xc6\xd6\xb7\xa2\xd2\xf8\xd0\xd0", text.as_bytes()]
        .concat()
}

/// Allocations for a list of so many quotes, once the encoder knows the size of such a list.
fn allocations(quotes: usize) -> u64 {
    let answer: Vec<u8> = (0..quotes).flat_map(|index| line(600_000 + index)).collect();
    let (mut encoder, mut name) = (SpotListEncoder::new(quotes), String::new());
    let mut read = || {
        for line in lines(&answer) {
            let quote = Quote::parse_bytes(line, Encoding::Gbk, &mut name).unwrap();
            encoder.push(&quote.record("qq", 1, 0)).unwrap();
        }
        assert_eq!(encoder.len(), quotes);
        encoder.finish()
    };
    let first = read();
    let before = ALLOCATIONS.get();
    let second = read();
    assert_eq!(first, second);
    ALLOCATIONS.get() - before
}

#[test]
fn more_quotes_need_no_more_allocations() {
    let (few, many) = (allocations(10), allocations(800));
    assert!(few > 0, "the list itself");
    assert_eq!(few, many);
}
