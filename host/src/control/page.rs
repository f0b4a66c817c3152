//! `GET /`: the page, its style and its scripts, which are part of the program.
//!
//! They hold no data, so they are given without a token; what they show they ask for like everybody.
//! A browser keeps them and asks each time whether they are still the same, so that a new program
//! has its own page at once.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::refusal::refuse;

/// What the page may do: use its own files and ask its own host, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// What every file is given with.
const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-cache"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];
/// The file behind `/`.
const INDEX: &str = "index.html";
/// The file behind the address at which browsers look for a picture of their own accord.
const ICON: &str = "icon.svg";

/// Files of `host/page`, by their paths within it.
macro_rules! files {
    ($($path:literal)*) => {
        &[$(($path, include_bytes!(concat!("../../page/", $path)))),*]
    };
}

const FILES: &[(&str, &[u8])] = files! {
    "index.html" "icon.svg" "style.css" "graph.css" "views.css"
    "api.js" "banner.js" "csv.js" "dialog.js" "dom.js" "en.js" "format.js" "health.js" "i18n.js"
    "live.js" "login.js" "main.js" "prefs.js" "router.js" "table.js" "zh.js"
    "views/action.js" "views/book.js" "views/component.js" "views/days.js" "views/graph.js"
    "views/intraday.js" "views/layout.js" "views/letters.js" "views/pipeline.js"
    "views/quotes.js" "views/readers.js" "views/reload.js" "views/search.js" "views/session.js"
    "views/stores.js" "views/system.js"
};

/// A file as it is given.
#[derive(Debug)]
struct File {
    kind: &'static str,
    /// Another one as soon as a byte is another one.
    tag: HeaderValue,
    bytes: &'static [u8],
}

type Files = HashMap<&'static str, File>;

/// The routes.
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let files = FILES.iter().map(|(path, bytes)| (*path, File::new(path, bytes)));
    Router::new()
        .route("/", get(index))
        .route("/favicon.ico", get(icon))
        .route("/page/{*path}", get(file))
        .with_state(Arc::new(files.collect::<Files>()))
}

async fn index(State(files): State<Arc<Files>>, asked: HeaderMap) -> Response {
    answer(files.get(INDEX), &asked)
}

async fn icon(State(files): State<Arc<Files>>, asked: HeaderMap) -> Response {
    answer(files.get(ICON), &asked)
}

async fn file(
    State(files): State<Arc<Files>>,
    Path(path): Path<String>,
    asked: HeaderMap,
) -> Response {
    answer(files.get(path.as_str()), &asked)
}

fn answer(file: Option<&File>, asked: &HeaderMap) -> Response {
    let mut answer = match file {
        None => {
            let error = "the page has no such file".to_owned();
            refuse(StatusCode::NOT_FOUND, error)
        }
        Some(file) if file.is_known(asked) => {
            (StatusCode::NOT_MODIFIED, [(header::ETAG, file.tag.clone())]).into_response()
        }
        Some(file) => {
            let kind = HeaderValue::from_static(file.kind);
            let headers = [(header::CONTENT_TYPE, kind), (header::ETAG, file.tag.clone())];
            (headers, file.bytes).into_response()
        }
    };
    for (name, value) in HEADERS {
        answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}

impl File {
    fn new(path: &str, bytes: &'static [u8]) -> Self {
        let kind = match path.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        };
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let tag = format!("\"{:016x}\"", hasher.finish());
        // hexadecimal digits in quotes are a value
        let tag = HeaderValue::try_from(tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        Self { kind, tag, bytes }
    }

    /// Whether who asks has it already.
    fn is_known(&self, asked: &HeaderMap) -> bool {
        let tags = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|it| it.to_str().ok());
        let mut tags = tags.flat_map(|it| it.split(',')).map(str::trim);
        let own = self.tag.as_bytes();
        tags.any(|tag| tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == own)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path as FilePath};

    use super::*;

    /// Bytes of the whole page.
    const MAX_BYTES: usize = 150_000;

    fn texts() -> impl Iterator<Item = (&'static str, &'static str)> {
        FILES.iter().map(|(path, bytes)| (*path, std::str::from_utf8(bytes).unwrap()))
    }

    fn add(folder: &FilePath, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                add(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name);
            }
        }
    }

    #[test]
    fn every_file_of_the_page_is_in_the_program_and_all_of_them_are_small() {
        let mut found = BTreeSet::new();
        add(&FilePath::new(env!("CARGO_MANIFEST_DIR")).join("page"), "", &mut found);
        let named: BTreeSet<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(found, named);
        let sum: usize = FILES.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(sum < MAX_BYTES, "{sum} bytes");
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_takes_no_text_for_markup() {
        for (path, text) in texts() {
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for word in [
                "http://",
                "https://",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "srcdoc",
                " style=",
                "<style",
                "javascript:",
            ] {
                assert!(!text.contains(word), "{path}: {word}");
            }
            if path == INDEX {
                assert!(!text.contains("onclick") && !text.contains("onload"), "{path}");
                assert_eq!(text.matches("<script").count(), 1, "{path}");
            }
        }
    }

    #[test]
    fn every_file_that_another_one_names_is_there() {
        for (path, text) in texts() {
            let folder = FilePath::new(path).parent().unwrap();
            let named = text.split(" from '").skip(1).map(|it| it.split('\'').next().unwrap());
            for name in named {
                let name = folder.join(name);
                let flat = name.to_str().unwrap().replace("views/../", "").replace("./", "");
                assert!(FILES.iter().any(|(other, _)| *other == flat), "{path}: {flat}");
            }
            for name in text.split("=\"page/").skip(1).map(|it| it.split('"').next().unwrap()) {
                assert!(FILES.iter().any(|(other, _)| *other == name), "{path}: {name}");
            }
        }
    }

    #[test]
    fn a_file_that_is_known_is_not_sent_again() {
        let file = File::new("main.js", b"let x;");
        let tag = file.tag.to_str().unwrap().to_owned();
        for (shown, expected) in [
            (vec![], false),
            (vec![tag.clone()], true),
            (vec![format!("W/{tag}")], true),
            (vec![format!("\"other\", {tag}")], true),
            (vec!["\"other\"".to_owned(), tag.clone()], true),
            (vec!["\"other\"".to_owned()], false),
        ] {
            let mut asked = HeaderMap::new();
            for value in &shown {
                asked.append(header::IF_NONE_MATCH, value.parse().unwrap());
            }
            assert_eq!(file.is_known(&asked), expected, "{shown:?}");
            let code = answer(Some(&file), &asked).status();
            assert_eq!(code == StatusCode::NOT_MODIFIED, expected, "{shown:?}");
        }
        assert_ne!(file.tag, File::new("main.js", b"let y;").tag);
    }

    #[test]
    fn every_answer_forbids_what_the_page_does_not_need() {
        let files = [Some(File::new("style.css", b"")), None];
        for file in &files {
            let answer = answer(file.as_ref(), &HeaderMap::new());
            for (name, value) in HEADERS {
                assert_eq!(answer.headers()[name], value);
            }
        }
        assert!(!POLICY.contains("unsafe") && POLICY.contains("frame-ancestors 'none'"));
    }
}
