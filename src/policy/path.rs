//! Paths with one meaning, and the patterns that rules name them by.
//! Knows neither who asks nor what any rule says.
//!
//! The gate forwards a path byte for byte, so policy and backend see the same bytes; what must
//! not differ is what they take them to mean. A path that a backend could read in another way
//! than the rules do is therefore refused ([`Spelling`]), never repaired.

use std::fmt;

/// A path that can be read in one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canonical<'a>(&'a str);

/// Takes a raw path (without its query) that has one meaning.
///
/// Escapes are read once, their hex digits in either case; what they stand for is what patterns
/// are held against. Allocates nothing.
///
/// # Errors
/// What makes the path ambiguous.
pub fn canonical(path: &str) -> Result<Canonical<'_>, Spelling> {
    if !path.starts_with('/') {
        return Err(Spelling::NotAbsolute);
    }
    let mut before = b'/';
    let mut utf8 = Utf8::default();
    let mut at = 1;
    let bytes = path.as_bytes();
    while let Some(&raw) = bytes.get(at) {
        // Most bytes of most paths: nothing about them can be wrong.
        if PLAIN[usize::from(raw)] && utf8.have == 0 {
            before = raw;
            at += 1;
            continue;
        }
        let (byte, escaped, width) = match raw {
            b'%' => (unescape(bytes, at)?, true, 3),
            raw => (raw, false, 1),
        };
        at += width;
        judge_byte(byte, escaped, bytes, at)?;
        utf8.take(byte)?;
        if byte == b'/' {
            end_of_segment(before)?;
            if before == b'/' {
                return Err(Spelling::EmptySegment);
            }
        }
        before = byte;
    }
    utf8.finish()?;
    if before != b'/' {
        end_of_segment(before)?;
    }
    Ok(Canonical(path))
}

impl<'a> Canonical<'a> {
    /// The path as it came.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// What it means: its bytes with each escape read.
    pub(in crate::policy) fn meaning(self) -> impl Iterator<Item = u8> + 'a {
        let bytes = self.0.as_bytes();
        let mut at = 0;
        std::iter::from_fn(move || {
            let raw = *bytes.get(at)?;
            at += 1;
            if raw != b'%' {
                return Some(raw);
            }
            let escaped = unescape(bytes, at - 1).unwrap_or(raw);
            at += 2;
            Some(escaped)
        })
    }
}

/// Why a path has more than one meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// It does not begin with `/`.
    NotAbsolute,
    /// `//`.
    EmptySegment,
    /// `/./`, `/../`, or a name that ends with a dot or a space, which some systems drop.
    Dots,
    /// `\`, raw or escaped.
    Backslash,
    /// `;`, raw or escaped: some servers cut a segment there.
    Semicolon,
    /// An escaped `/`.
    EscapedSlash,
    /// An escaped letter, digit, `-`, `.`, `_` or `~`, which needs no escape.
    NeedlessEscape,
    /// `%` without two hex digits.
    BrokenEscape,
    /// An escaped `%` before two hex digits: read twice it would be another path.
    DoubleEscape,
    /// A control character, raw or escaped.
    Control,
    /// A raw character that no path may hold (RFC 3986 3.3).
    RawCharacter,
    /// Escapes that are no UTF-8.
    NotUtf8,
    /// A character that some systems take for a slash, a dot or a percent sign.
    Lookalike,
}

impl Spelling {
    /// For the log and for those who call an API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAbsolute => "the path does not begin with a slash",
            Self::EmptySegment => "the path holds an empty segment",
            Self::Dots => "a segment of the path is a dot segment or ends with a dot or a space",
            Self::Backslash => "the path holds a backslash",
            Self::Semicolon => "the path holds a semicolon",
            Self::EscapedSlash => "the path holds an escaped slash",
            Self::NeedlessEscape => "the path escapes a character that needs no escape",
            Self::BrokenEscape => "the path holds a percent sign without two hex digits",
            Self::DoubleEscape => "the path is escaped twice",
            Self::Control => "the path holds a control character",
            Self::RawCharacter => "the path holds a character that must be escaped",
            Self::NotUtf8 => "the escapes of the path are no UTF-8",
            Self::Lookalike => "the path holds a character that looks like a slash, a dot or a percent sign",
        }
    }
}

impl fmt::Display for Spelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A pattern of a rule: `*` stands for any part of one segment (alone in a segment: one whole
/// name), `**` for any number of segments. `/a/**` names `/a`, `/a/` and all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Pattern(pub(in crate::policy) Vec<Token>);

/// One step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Token {
    /// This byte.
    Byte(u8),
    /// One byte that is no slash.
    One,
    /// Any number of bytes that are no slash.
    Run,
    /// After a slash: any number of whole segments, each with its slash.
    Segments,
    /// The end, or a slash and whatever follows.
    Below,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    pub(in crate::policy) fn parse(text: &str) -> Result<Self, BadPattern> {
        if text.contains(['?', '[', ']', '{', '}']) {
            return Err(BadPattern::Unknown);
        }
        // An escape or a plain letter in place of each star leaves a path that must itself have one
        // meaning; characters outside ASCII may stand in a pattern as they are read.
        let plain: String = text.chars().filter(char::is_ascii).collect::<String>().replace('*', "x");
        canonical(&plain).map_err(BadPattern::Spelling)?;

        let text = percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
        let mut tokens = Vec::new();
        let mut segments = text.split(|byte| *byte == b'/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            match segment {
                b"**" if segments.peek().is_none() => tokens.push(Token::Below),
                b"**" => {
                    tokens.push(Token::Byte(b'/'));
                    tokens.push(Token::Segments);
                    // The slash before the next segment belongs to the token.
                    if let Some(next) = segments.next() {
                        if next == b"**" {
                            return Err(BadPattern::StarsInARow);
                        }
                        segment_tokens(next, &mut tokens)?;
                    }
                }
                segment => {
                    tokens.push(Token::Byte(b'/'));
                    segment_tokens(segment, &mut tokens)?;
                }
            }
        }
        Ok(Self(tokens))
    }
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum BadPattern {
    /// No request can have such a path.
    Spelling(Spelling),
    /// `**` beside other characters.
    StarsInAName,
    /// `**/**`.
    StarsInARow,
    /// Signs of other pattern languages.
    Unknown,
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spelling(spelling) => write!(f, "no request can match it: {spelling}"),
            Self::StarsInAName => f.write_str("** must be a whole segment, as in /files/**"),
            Self::StarsInARow => f.write_str("one ** after another says nothing more than one"),
            Self::Unknown => f.write_str("of patterns only * and ** are known"),
        }
    }
}

fn segment_tokens(segment: &[u8], tokens: &mut Vec<Token>) -> Result<(), BadPattern> {
    if segment.windows(2).any(|pair| pair == b"**") {
        return Err(BadPattern::StarsInAName);
    }
    if segment == b"*" {
        tokens.push(Token::One);
    }
    tokens.extend(segment.iter().map(|byte| if *byte == b'*' { Token::Run } else { Token::Byte(*byte) }));
    Ok(())
}

fn judge_byte(byte: u8, escaped: bool, bytes: &[u8], after: usize) -> Result<(), Spelling> {
    match byte {
        0..=0x1f | 0x7f => Err(Spelling::Control),
        b'\\' => Err(Spelling::Backslash),
        b';' => Err(Spelling::Semicolon),
        b'/' if escaped => Err(Spelling::EscapedSlash),
        b'%' if escaped && is_hex(bytes.get(after)) && is_hex(bytes.get(after + 1)) => {
            Err(Spelling::DoubleEscape)
        }
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' if escaped => {
            Err(Spelling::NeedlessEscape)
        }
        b' ' | b'"' | b'#' | b'<' | b'>' | b'?' | b'`' | b'{' | b'}' | 0x80.. if !escaped => {
            Err(Spelling::RawCharacter)
        }
        _ => Ok(()),
    }
}

/// A name that ends with a dot or a space is another name on some systems, or a dot segment.
const fn end_of_segment(last: u8) -> Result<(), Spelling> {
    if matches!(last, b'.' | b' ') { Err(Spelling::Dots) } else { Ok(()) }
}

fn unescape(bytes: &[u8], at: usize) -> Result<u8, Spelling> {
    let digit = |at: usize| {
        bytes
            .get(at)
            .and_then(|byte| char::from(*byte).to_digit(16))
            .and_then(|digit| u8::try_from(digit).ok())
    };
    match (digit(at + 1), digit(at + 2)) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(Spelling::BrokenEscape),
    }
}

fn is_hex(byte: Option<&u8>) -> bool {
    byte.is_some_and(u8::is_ascii_hexdigit)
}

/// Gathers the bytes of one character at a time.
#[derive(Default)]
struct Utf8 {
    bytes: [u8; 4],
    have: usize,
    want: usize,
}

impl Utf8 {
    fn take(&mut self, byte: u8) -> Result<(), Spelling> {
        if self.have == 0 {
            self.want = match byte {
                0..=0x7f => return Ok(()),
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return Err(Spelling::NotUtf8),
            };
        }
        if let Some(slot) = self.bytes.get_mut(self.have) {
            *slot = byte;
        }
        self.have += 1;
        if self.have < self.want {
            return Ok(());
        }
        let whole = self.bytes.get(..self.want).and_then(|bytes| std::str::from_utf8(bytes).ok());
        self.have = 0;
        match whole.and_then(|text| text.chars().next()) {
            None => Err(Spelling::NotUtf8),
            Some(character) if character.is_control() => Err(Spelling::Control),
            Some(character) if LOOKALIKES.contains(&character) => Err(Spelling::Lookalike),
            Some(_) => Ok(()),
        }
    }

    const fn finish(&self) -> Result<(), Spelling> {
        if self.have == 0 { Ok(()) } else { Err(Spelling::NotUtf8) }
    }
}

/// Bytes that stand for themselves wherever they stand; the slash and the dot are not among them.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x7f {
        plain[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
        byte += 1;
    }
    plain
};

/// What compatibility forms (NFKC) and the "best fit" tables of Windows turn into `.`, `/`, `\`,
/// `%`, `;` or nothing.
const LOOKALIKES: [char; 18] = [
    '\u{2024}', '\u{2025}', '\u{2026}', '\u{2044}', '\u{2215}', '\u{2216}', '\u{29f8}', '\u{fe52}',
    '\u{fe54}', '\u{fe68}', '\u{fe6a}', '\u{feff}', '\u{ff05}', '\u{ff0e}', '\u{ff0f}', '\u{ff1b}',
    '\u{ff3c}', '\u{200b}',
];

#[cfg(test)]
mod tests;
