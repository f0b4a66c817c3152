//! Names what a file is that is neither a table as text nor Parquet.

use crate::utf16;

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    None,
    Gzip,
    Zstd,
}

/// First bytes, what they tell, and what can be done about it.
const KINDS: [(&[u8], &str, &str); 37] = [
    (b"PAR1", "Parquet", "name it .parquet, or leave `format` out"),
    (b"PK\x05\x06", "an empty ZIP archive", UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (.xls)", EXPORT),
    (b"\xfd7zXZ\0", "packed with xz", PACK),
    (b"\x04\x22\x4d\x18", "packed with lz4", PACK),
    (b"\x1f\x9d", "packed with compress", PACK),
    (b"\x1f\x8b", "packed with gzip once more", "unpack it once"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd once more", "unpack it once"),
    (b"\xff\x06\0\0sNaPpY", "packed with Snappy", PACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"SQLite format 3\0", "an SQLite database", EXPORT),
    (b"\x89HDF\r\n\x1a\n", "HDF5", EXPORT),
    (b"ARROW1\0", "an Arrow file (Feather)", EXPORT),
    (b"\xff\xff\xff\xff", "an Arrow stream", EXPORT),
    (b"Obj\x01", "Avro", EXPORT),
    (b"\x93NUMPY", "a NumPy array (.npy)", EXPORT),
    (b"\x80\x02", "a pickle of Python", EXPORT),
    (b"\x80\x03", "a pickle of Python", EXPORT),
    (b"\x80\x04", "a pickle of Python", EXPORT),
    (b"\x80\x05", "a pickle of Python", EXPORT),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file", EXPORT),
    (b"RDX2\n", "a file of R", EXPORT),
    (b"RDX3\n", "a file of R", EXPORT),
    (b"RDA2\n", "a file of R", EXPORT),
    (b"RDA3\n", "a file of R", EXPORT),
    (b"CDF\x01", "NetCDF", EXPORT),
    (b"CDF\x02", "NetCDF", EXPORT),
    (b"%PDF-", "a PDF document", EXPORT),
    (b"{\\rtf", "a document (RTF)", EXPORT),
    (b"\x89PNG\r\n", "a picture", OTHER),
    (b"\xff\xd8\xff", "a picture", OTHER),
    (b"GIF87a", "a picture", OTHER),
    (b"GIF89a", "a picture", OTHER),
    (b"\x7fELF", "a program", OTHER),
    (b"\xff\xfe\0\0", "text in UTF-32", "save it as UTF-8"),
    (b"\0\0\xfe\xff", "text in UTF-32", "save it as UTF-8"),
];

/// First letters that tell something only when binary data follows them.
const LETTERS: [(&[u8], &str, &str); 3] = [
    (b"PARE", "encrypted Parquet", "write it without encryption"),
    (b"ORC", "ORC", EXPORT),
    (b"FEA1", "Feather", EXPORT),
];

const BINARY: &str = "binary data";
const EXPORT: &str = "export it as CSV or Parquet";
const PACK: &str = "unpack it, or pack it with gzip or zstd";
const UNPACK: &str = "unpack it";
const OTHER: &str = "name another file";

/// Control characters that stand in text.
const IN_TEXT: &[u8] = b"\t\x0b\x0c\x1a\x1b";

impl Packing {
    /// Told by the first bytes.
    pub fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// What a file is that is no text of a table, and what to do about it; `None` for what is text.
pub fn named(head: &[u8], packing: Packing) -> Option<String> {
    let (what, remedy) = kind(head)?;
    let within = match packing {
        Packing::None => "",
        Packing::Gzip => "within gzip ",
        Packing::Zstd => "within zstd ",
    };
    Some(format!("is {within}{what}, not a table as text; {remedy}"))
}

/// What a file is that is no Parquet although it is called so; `None` where that cannot be told.
pub fn instead_of_parquet(head: &[u8]) -> Option<String> {
    let (what, remedy) = match Packing::of(head) {
        Packing::Gzip => ("packed with gzip", "unpack it"),
        Packing::Zstd => ("packed with zstd", "unpack it"),
        Packing::None if head.is_empty() => ("empty", "write it anew"),
        Packing::None => match kind(head) {
            Some((BINARY, _)) => return None,
            None => ("text", "leave `format` out, or set it to csv"),
            Some(known) => known,
        },
    };
    Some(format!("is {what}, not Parquet; {remedy}"))
}

fn kind(head: &[u8]) -> Option<(&'static str, &'static str)> {
    if head.starts_with(b"PK\x03\x04") {
        return Some(archive(head));
    }
    let known = KINDS.iter().find(|(start, ..)| head.starts_with(start));
    if let Some((_, what, remedy)) = known {
        return Some((*what, *remedy));
    }
    if head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY") {
        return Some(("packed with bzip2", PACK));
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some(("a tar archive", UNPACK));
    }
    if head.get(8..12) == Some(b"DUCK") {
        return Some(("a DuckDB database", EXPORT));
    }
    if utf16::order(head).is_some() {
        return markup(&utf16::decoded(head));
    }
    if !is_binary(head) {
        return markup(head);
    }
    let known = LETTERS.iter().find(|(start, ..)| head.starts_with(start));
    Some(known.map_or((BINARY, EXPORT), |(_, what, remedy)| (*what, *remedy)))
}

/// A ZIP archive by the name of its first member.
fn archive(head: &[u8]) -> (&'static str, &'static str) {
    let start = &head[..head.len().min(1_024)];
    let has = |name: &[u8]| start.windows(name.len()).any(|part| part == name);
    if has(b"[Content_Types].xml") || has(b"xl/") || has(b"docProps/") || has(b"_rels/") {
        return ("an Excel workbook (.xlsx)", EXPORT);
    }
    if has(b".npy") {
        return ("NumPy arrays (.npz)", EXPORT);
    }
    ("a ZIP archive", UNPACK)
}

/// HTML, XML and JSON, which are text but no table.
fn markup(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let starts = |with: &str| {
        text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    match text.first() {
        Some(b'<') if starts("<?xml") => Some(("XML", EXPORT)),
        Some(b'<') if !is_header(text, b'>') => Some(("HTML", EXPORT)),
        Some(b'{') => Some(("JSON", EXPORT)),
        Some(b'[') if !is_header(text, b']') => Some(("JSON", EXPORT)),
        _ => None,
    }
}

/// Whether the first line is a header with each name in brackets: `<TICKER>,<CLOSE>` of Stooq and
/// MetaStock, `[code],[close]` of SQL Server.
fn is_header(text: &[u8], close: u8) -> bool {
    let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let is_name = |cell: &[u8]| match cell.trim_ascii() {
        [open, name @ .., end] => {
            *open == text[0] && *end == close && !name.contains(open) && !name.contains(end)
        }
        _ => false,
    };
    let mut cells = line.split(|byte| matches!(byte, b',' | b';' | b'\t')).map(is_name);
    cells.next() == Some(true) && cells.next() == Some(true) && cells.all(|it| it)
}

/// Whether the first line holds what no text does.
pub fn is_binary(head: &[u8]) -> bool {
    let line = head.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    line.iter().any(|byte| (*byte < b' ' && !IN_TEXT.contains(byte)) || *byte == 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_name_csv_by_mistake_is_called_by_its_name() {
        let mut tar = vec![b'a'; 257];
        tar.extend(b"ustar\x0000");
        for (head, what) in [
            (&b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0[Content_Types].xml"[..], "an Excel workbook"),
            (b"PK\x03\x04\x14\0\0\0\x08\0day.csv", "a ZIP archive"),
            (b"PK\x03\x04\x14\0\0\0\x08\0close.npy", "NumPy arrays"),
            (b"SQLite format 3\0\x10\0", "an SQLite database"),
            (b"\x89HDF\r\n\x1a\n\0", "HDF5"),
            (b"<!DOCTYPE html><html>", "HTML"),
            (b"\xef\xbb\xbf\r\n<html xmlns=\"\">", "HTML"),
            (b"<a,b>,<c", "HTML"),
            (b"\xff\xfe<\0h\0t\0m\0l\0>\0", "HTML"),
            (b"\0<\0h\0t\0m\0l\0>", "HTML"),
            (b"<?xml version=\"1.0\"?>", "XML"),
            (b"{\"symbol\": \"600000.SH\"}", "JSON"),
            (b"[\n {\"symbol\"", "JSON"),
            (b"[[1],[2]]", "JSON"),
            (b"BZh91AY&SY", "bzip2"),
            (b"ORC\x03\0", "is ORC"),
            (&tar, "a tar archive"),
            (b"\0\x01\x02\x03", "binary data"),
            (b"name\x01\x02,x\n", "binary data"),
        ] {
            let named = named(head, Packing::None).unwrap_or_default();
            assert!(named.contains(what), "{named}");
            assert!(!named.chars().any(char::is_control), "{named:?}");
        }
    }

    #[test]
    fn tables_are_not_taken_for_anything_else() {
        let gbk = encoding_rs::GBK.encode("代码,时间,现价\n").0;
        for head in [
            &b""[..],
            b"symbol,time,close\n",
            b"\xef\xbb\xbfsymbol,time\n",
            b"v_sh600000=\"1~",
            b"\xff\xfes\0y\0",
            "代码,时间\n".as_bytes(),
            &gbk,
            b"symbol,time\n600000.SH,\0\0\0\0",
            b"RDATE,PARENT\n",
            b"ORC,x\n",
            b"<TICKER>,<DATE>,<CLOSE>\r\n600000,20211201,9.4\r\n",
            b"<DATE>\t<TIME>\n",
            b"\xef\xbb\xbf[code],[time]\n",
        ] {
            assert_eq!(named(head, Packing::None), None, "{head:?}");
        }
    }
}
