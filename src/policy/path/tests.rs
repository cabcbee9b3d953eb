//! What a path means, and what is refused because it means more than one thing.

use proptest::prelude::*;

use super::*;

#[test]
fn a_path_with_two_meanings_is_refused() {
    for (path, why) in [
        ("", Spelling::NotAbsolute),
        ("*", Spelling::NotAbsolute),
        ("admin", Spelling::NotAbsolute),
        ("//", Spelling::EmptySegment),
        ("//admin", Spelling::EmptySegment),
        ("/a//b", Spelling::EmptySegment),
        ("/.", Spelling::Dots),
        ("/./admin", Spelling::Dots),
        ("/x/../admin", Spelling::Dots),
        ("/..", Spelling::Dots),
        ("/admin.", Spelling::Dots),
        ("/admin./x", Spelling::Dots),
        ("/admin%20", Spelling::Dots),
        ("/admin%20/x", Spelling::Dots),
        ("/...", Spelling::Dots),
        ("/%2e%2e/admin", Spelling::NeedlessEscape),
        ("/%2E/admin", Spelling::NeedlessEscape),
        ("/.%2e/admin", Spelling::NeedlessEscape),
        ("/%61dmin", Spelling::NeedlessEscape),
        ("/a%7e", Spelling::NeedlessEscape),
        ("/x%2fadmin", Spelling::EscapedSlash),
        ("/x%2Fadmin", Spelling::EscapedSlash),
        ("/x%5cadmin", Spelling::Backslash),
        ("/x\\admin", Spelling::Backslash),
        ("/x;y/admin", Spelling::Semicolon),
        ("/admin;x", Spelling::Semicolon),
        ("/admin%3bx", Spelling::Semicolon),
        ("/admin%00", Spelling::Control),
        ("/admin%0d%0aX:", Spelling::Control),
        ("/admin%7f", Spelling::Control),
        ("/admin\t", Spelling::Control),
        ("/admin\0", Spelling::Control),
        ("/admin%c2%85", Spelling::Control),
        ("/%252e%252e/admin", Spelling::DoubleEscape),
        ("/%2561dmin", Spelling::DoubleEscape),
        ("/a%", Spelling::BrokenEscape),
        ("/a%2", Spelling::BrokenEscape),
        ("/a%zz", Spelling::BrokenEscape),
        ("/a%u002e", Spelling::BrokenEscape),
        ("/%c0%ae%c0%ae/admin", Spelling::NotUtf8),
        ("/%c0%af", Spelling::NotUtf8),
        ("/%e0%80%af", Spelling::NotUtf8),
        ("/%ed%a0%80", Spelling::NotUtf8),
        ("/caf%e9", Spelling::NotUtf8),
        ("/caf%c3", Spelling::NotUtf8),
        ("/%c3/x", Spelling::NotUtf8),
        ("/x%ef%bc%8fadmin", Spelling::Lookalike),
        ("/%ef%bc%8e%ef%bc%8e/admin", Spelling::Lookalike),
        ("/%e2%80%a5/admin", Spelling::Lookalike),
        ("/admin#x", Spelling::RawCharacter),
        ("/admin?x", Spelling::RawCharacter),
        ("/a b", Spelling::RawCharacter),
        ("/café", Spelling::RawCharacter),
    ] {
        assert_eq!(canonical(path), Err(why), "{path:?}");
    }
}

#[test]
fn an_ordinary_path_is_taken() {
    for path in [
        "/",
        "/a",
        "/a/",
        "/a.b",
        "/.portcullis/jwks.json",
        "/.well-known/x",
        "/a%20b",
        "/caf%C3%A9",
        "/caf%c3%a9",
        "/100%25",
        "/a@b:c,d+e=f&g!h$(i)'j*",
        "/~anna",
        "/a%40b",
        "/C%23.pdf",
        "/..a",
        "/%E2%82%AC",
    ] {
        assert!(canonical(path).is_ok(), "{path}: {:?}", canonical(path));
    }
    let read = canonical("/caf%c3%a9%20x").unwrap().meaning().collect::<Vec<u8>>();
    assert_eq!(read, "/café x".as_bytes());
}

#[test]
fn a_bad_pattern_is_refused() {
    for bad in
        ["", "a", "/a**", "/**a", "/**/**", "/a//b", "/../a", "/a?", "/[ab]", "/{a,b}", "/a%2fb", "/a;b"]
    {
        assert!(Pattern::parse(bad).is_err(), "{bad}");
    }
    for good in ["/", "/**", "/a/*/b", "/a/**/b", "/*.css", "/café/**", "/caf%C3%A9"] {
        assert!(Pattern::parse(good).is_ok(), "{good}");
    }
    assert_eq!(Pattern::parse("/café"), Pattern::parse("/caf%c3%a9"));
}

/// What a backend may do with a path before it looks at it.
fn another_reading(path: &str) -> Vec<u8> {
    let once = percent_encoding::percent_decode_str(path).collect::<Vec<u8>>();
    let twice = percent_encoding::percent_decode(&once).collect::<Vec<u8>>();
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for segment in twice.split(|byte| matches!(byte, b'/' | b'\\')) {
        let cut = segment.split(|byte| matches!(byte, b';' | 0)).next().unwrap_or_default();
        match cut {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            name => segments.push(name.to_vec()),
        }
    }
    segments.join(&b'/')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn whatever_is_taken_reads_the_same_elsewhere(
        path in "(/|\\.|%2[eEfF5]|%5[cC]|%6[1-9]|;|\\\\|%00|%25|%c0%ae|[a-z%]|%[0-9a-f]{2}){0,12}"
    ) {
        let path = format!("/{path}");
        if let Ok(taken) = canonical(&path) {
            let ours = taken.meaning().collect::<Vec<u8>>();
            let trimmed = ours.strip_prefix(b"/").unwrap_or(&ours);
            let trimmed = trimmed.strip_suffix(b"/").unwrap_or(trimmed);
            prop_assert_eq!(trimmed, another_reading(&path));
        }
    }

    #[test]
    fn no_text_makes_it_panic(path in "\\PC{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = canonical(&path);
        let _ = canonical(&String::from_utf8_lossy(&bytes));
        let _ = Pattern::parse(&path);
    }
}
