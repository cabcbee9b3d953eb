//! Requests, their bodies and their fields (RFC 9113 8). What has no meaning reaches no backend.

use super::Want::{Answer, Connection, Malformed, Stream};
use super::*;

pub(super) fn cases(made: &Made<'_>) -> Vec<Case> {
    [bodies(made), names(made), pseudo(made), connect(made)].into_iter().flatten().collect()
}

fn bodies(made: &Made<'_>) -> Vec<Case> {
    let broken = &[PROTOCOL_ERROR];
    let bad = |length: &str, pieces: &[&[u8]], end: bool| {
        let mut fields = made.0.fields("POST", "/bad");
        fields.push(field("content-length", length));
        let mut bytes = headers(1, &fields, pieces.is_empty() && end);
        for (n, piece) in pieces.iter().enumerate() {
            bytes.extend(data(1, piece, end && n + 1 == pieces.len()));
        }
        bytes
    };
    let trailers =
        |fields: &[Field], end| [made.post(1), data(1, b"x", false), headers(1, fields, end)].concat();
    let bad_post = headers(1, &made.0.fields("POST", "/bad"), false);
    let bad_trailers =
        |fields: &[Field], end| [bad_post.clone(), data(1, b"x", false), headers(1, fields, end)].concat();
    vec![
        case("8.1", "headers alone", made.get(1), Answer(1, 200)),
        case("8.1", "headers and body", [made.post(1), data(1, b"x", true)].concat(), Answer(1, 200)),
        case("8.1", "headers, body and trailers", trailers(&[field("x-a", "b")], true), Answer(1, 200)),
        case("8.1", "trailers that are no end", bad_trailers(&[field("x-a", "b")], false), Stream(1, broken)),
        case(
            "8.1",
            "headers twice, at once",
            [bad_post.clone(), bad_post.clone()].concat(),
            Stream(1, broken),
        ),
        case(
            "8.1",
            "trailers with a pseudo-header",
            trailers(&[field(":path", "/x")], true),
            Stream(1, broken),
        )
        .here(Answer(1, 200), "hyper throws it away before anybody can see it"),
        case("8.1", "trailers in upper case", bad_trailers(&[field("X-A", "b")], true), Stream(1, broken))
            .here(Connection(broken), HARSHER),
        case("8.1.1", "a body longer than its length", bad("1", &[b"22"], true), Stream(1, broken)),
        case("8.1.1", "a body shorter than its length", bad("3", &[b"22"], true), Stream(1, broken)),
        case("8.1.1", "bodies in pieces, longer", bad("3", &[b"22", b"22"], true), Stream(1, broken)),
        case("8.1.1", "bodies in pieces, shorter", bad("5", &[b"22", b"22"], true), Stream(1, broken)),
        case("8.1.1", "a length, and no body", bad("5", &[], true), Stream(1, broken)),
        case("8.1.1", "a length that is no number", bad("five", &[b"22222"], true), Malformed(1)),
        case(
            "8.1.1",
            "a length that trailers end before",
            {
                let mut fields = made.0.fields("POST", "/bad");
                fields.push(field("content-length", "5"));
                [headers(1, &fields, false), data(1, b"x", false), headers(1, &[field("x-a", "b")], true)]
                    .concat()
            },
            Stream(1, broken),
        ),
    ]
}

fn names(made: &Made<'_>) -> Vec<Case> {
    let bad = |section, what, name: &[u8], value: &[u8]| {
        case(section, what, headers(1, &[made.bad(), vec![field(name, value)]].concat(), true), Malformed(1))
    };
    let harsh = |section, what, name, value| {
        bad(section, what, name, value).here(Connection(&[PROTOCOL_ERROR]), HARSHER)
    };
    let good = |section, what, name: &str, value: &str| {
        let fields = [made.0.fields("GET", "/v"), vec![field(name, value)]].concat();
        case(section, what, headers(1, &fields, true), Answer(1, 200))
    };
    let mut crumbs = made.0.fields("GET", "/v");
    crumbs.push(field("cookie", "a=b"));
    vec![
        harsh("8.2", "upper case", b"X-A", b"b"),
        harsh("8.2", "upper case within", b"x-Abc", b"b"),
        harsh("8.2.1", "no name", b"", b"b"),
        harsh("8.2.1", "a blank in a name", b"x a", b"b"),
        harsh("8.2.1", "a colon in a name", b"x:a", b"b"),
        harsh("8.2.1", "a control character in a name", b"x\x01a", b"b"),
        harsh("8.2.1", "DEL in a name", b"x\x7fa", b"b"),
        harsh("8.2.1", "a high byte in a name", b"x\xe9", b"b"),
        harsh("8.2.1", "NUL in a value", b"x-a", b"b\0c"),
        harsh("8.2.1", "LF in a value", b"x-a", b"b\nc"),
        harsh("8.2.1", "CR in a value", b"x-a", b"b\rc"),
        bad("8.2.1", "a blank before a value", b"x-a", b" b"),
        bad("8.2.1", "a blank behind a value", b"x-a", b"b "),
        bad("8.2.1", "a tab before a value", b"x-a", b"\tb"),
        good("8.2.1", "no value", "x-a", ""),
        good("8.2.1", "a blank within a value", "x-a", "b c\td"),
        bad("8.2.2", "connection", b"connection", b"close"),
        bad("8.2.2", "keep-alive", b"keep-alive", b"5"),
        bad("8.2.2", "proxy-connection", b"proxy-connection", b"close"),
        bad("8.2.2", "transfer-encoding", b"transfer-encoding", b"chunked"),
        bad("8.2.2", "upgrade", b"upgrade", b"websocket"),
        bad("8.2.2", "te: gzip", b"te", b"gzip"),
        bad("8.2.2", "te: trailers, gzip", b"te", b"trailers, gzip"),
        good("8.2.2", "te: trailers", "te", "trailers"),
        case("8.2.3", "a cookie in crumbs", headers(1, &crumbs, true), Answer(1, 200)),
    ]
}

fn pseudo(made: &Made<'_>) -> Vec<Case> {
    let bad = |what, change: &dyn Fn(&mut Vec<Field>)| {
        let mut fields = made.bad();
        change(&mut fields);
        case("8.3", what, headers(1, &fields, true), Malformed(1))
    };
    let place = |name: &str| {
        [":method", ":scheme", ":authority", ":path"].iter().position(|one| *one == name).unwrap()
    };
    let set = |what, name: &'static str, value: &'static str| {
        bad(what, &move |fields: &mut Vec<Field>| fields[place(name)].1 = value.into())
    };
    let without = |what, name: &'static str| bad(what, &move |fields| drop(fields.remove(place(name))));
    let twice = |what, name: &'static str| {
        bad(what, &move |fields: &mut Vec<Field>| {
            let again = fields[place(name)].clone();
            fields.insert(1, again);
        })
    };
    let late = |what, name: &'static str| {
        bad(what, &move |fields: &mut Vec<Field>| {
            let moved = fields.remove(place(name));
            fields.push(moved);
        })
    };
    let more = |what, name: &'static str, value: &'static str| {
        bad(what, &move |fields: &mut Vec<Field>| fields.insert(0, field(name, value)))
    };
    vec![
        more("a pseudo-header of no known name", ":evil", "1").here(Connection(&[PROTOCOL_ERROR]), HARSHER),
        more("a pseudo-header of answers", ":status", "200"),
        more("a pseudo-header of no name", ":", "1").here(Connection(&[PROTOCOL_ERROR]), HARSHER),
        late(":method behind a header", ":method"),
        late(":scheme behind a header", ":scheme"),
        late(":authority behind a header", ":authority"),
        late(":path behind a header", ":path"),
        without("no :method", ":method"),
        without("no :scheme", ":scheme"),
        without("no :path", ":path"),
        without("no :authority, no host", ":authority"),
        twice(":method twice", ":method"),
        twice(":scheme twice", ":scheme"),
        twice(":authority twice", ":authority"),
        twice(":path twice", ":path"),
        set("no :path in it", ":path", ""),
        set("a :path of *", ":path", "*"),
        set("a :path without a slash", ":path", "bad"),
        set("a :path of blanks", ":path", "/bad /x"),
        set("a :method of none", ":method", "").here(Connection(&[PROTOCOL_ERROR]), HARSHER),
        set("a :method of two words", ":method", "GET /x").here(Connection(&[PROTOCOL_ERROR]), HARSHER),
        set("an :authority of none", ":authority", ""),
        set("an :authority with a user", ":authority", "anna@bank.localhost"),
        bad("a host that is not the :authority", &|fields| fields.push(field("host", "evil.example"))),
    ]
}

fn connect(made: &Made<'_>) -> Vec<Case> {
    let host = &made.0.host;
    let with =
        |section, what, fields: Vec<Field>| case(section, what, headers(1, &fields, false), Malformed(1));
    let websocket =
        |method: &str| [vec![field(":protocol", "websocket")], made.0.fields(method, "/bad")].concat();
    let mut elsewhere = made.0.fields("CONNECT", "/bad");
    elsewhere.insert(0, field(":protocol", "connect-udp"));
    vec![
        with(
            "8.5",
            "CONNECT to a place",
            vec![field(":method", "CONNECT"), field(":authority", "127.0.0.1:22")],
        ),
        with("8.5", "CONNECT to ourselves", vec![field(":method", "CONNECT"), field(":authority", host)]),
        with("8.5", "CONNECT to nowhere", vec![field(":method", "CONNECT")]),
        with("8.5", "CONNECT with a :scheme and a :path", made.0.fields("CONNECT", "/bad")),
        with("RFC 8441 4", "GET with a :protocol", websocket("GET")),
        with("RFC 8441 4", "a :protocol of no known name", elsewhere),
    ]
}
