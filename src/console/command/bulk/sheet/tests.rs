//! What spreadsheets write, and what people get wrong: each mistake with its line, all together.

use proptest::prelude::*;

use super::*;

fn told(text: &[u8]) -> Vec<(u64, String)> {
    read(text).bad.into_iter().map(|bad| (bad.line, bad.what)).collect()
}

#[test]
fn a_sheet_is_read_as_spreadsheets_write_it() {
    let text = "\u{feff}Tenant, device ,NAME,email,telephone,groups,person,encoding\r\n\
        bank,laptop,\"Muster, Anna\",anna@example.com;a@example.org,+41 79 555 01 23,clients vip,,\r\n\
        \r\n\
        bank,\"Beat's \"\"big\"\"\r\nPC\",,,,,beat,compatible\r\n\
        bank,tablet,\"Muster, Anna\",anna@example.com;a@example.org,+41 79 555 01 23,clients vip,,\r\n";
    let sheet = read(text.as_bytes());
    assert_eq!(sheet.bad, []);
    let [anna, beat, tablet] = sheet.rows.as_slice() else { panic!("{sheet:?}") };
    assert_eq!((anna.line, anna.person.as_str(), anna.device.as_str()), (2, "muster-anna", "laptop"));
    let new = anna.new.as_ref().unwrap();
    assert_eq!(new.emails, ["anna@example.com", "a@example.org"]);
    assert_eq!((new.groups.len(), new.telephone.as_deref()), (2, Some("+41 79 555 01 23")));
    assert_eq!((beat.person.as_str(), beat.device.as_str()), ("beat", "Beat's \"big\" PC"));
    assert_eq!((beat.encoding, beat.new.is_none()), (Encoding::Compatible, true));
    assert_eq!((&tablet.person, &tablet.new), (&anna.person, &anna.new));
}

/// As spreadsheets write it where numbers have commas, and as they put it on the clipboard.
#[test]
fn semicolons_and_tabs_separate_too() {
    for text in [
        "tenant;name;email;device\nbank;Muster, Anna;\"anna@example.com;a@example.org\";laptop\n",
        "tenant\tname\temail\tdevice\nbank\tMuster, Anna\tanna@example.com;a@example.org\tlaptop\n",
    ] {
        let sheet = read(text.as_bytes());
        assert_eq!(sheet.bad, [], "{text}");
        let new = sheet.rows[0].new.as_ref().unwrap();
        assert_eq!((sheet.rows[0].device.as_str(), new.emails.len()), ("laptop", 2), "{text}");
    }
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let text = b"tenant,person,name,email,device,encoding\n\
        Bank,anna,,,laptop,\n\
        bank,,,,laptop,\n\
        bank,,Anna,anna,laptop,\n\
        bank,,\xff,a@example.com,laptop,\n\
        bank,anna,,,,\n\
        bank,anna,,,laptop,new\n\
        bank,anna,,,laptop\n\
        bank,beat,,,laptop,\n\
        bank,beat,,,laptop,\n\
        bank,,Cora,cora@example.com,laptop,\n\
        bank,,Cora,other@example.com,tablet,\n\
        bank,,Dora,,laptop,\n\
        bank,eve,,eve@example.com,laptop,\n";
    let told = told(text);
    let lines: Vec<u64> = told.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 10, 12, 13, 14], "{told:#?}");
    for (line, word) in [
        (2, "tenant"),
        (3, "whose"),
        (4, "e-mail"),
        (5, "UTF-8"),
        (6, "device is missing"),
        (7, "encoding"),
        (8, "5 cells"),
        (10, "line 9"),
        (12, "line 11"),
        (13, "email is missing"),
        (14, "name"),
    ] {
        let (_, what) = told.iter().find(|(at, _)| *at == line).unwrap();
        assert!(what.contains(word), "line {line}: {what}");
    }
    let good: Vec<u64> = read(text).rows.iter().map(|row| row.line).collect();
    assert_eq!(good, [9, 11]);
}

#[test]
fn a_heading_that_is_none_is_told() {
    for (text, word) in [
        ("", "empty"),
        ("tenant,device\n", "\"person\" or \"name\""),
        ("tenant,person,device,device\n", "twice"),
        ("tenant,person,device,password\n", "no column \"password\""),
        ("bank,anna,laptop\n", "no column \"bank\""),
    ] {
        let told = told(text.as_bytes());
        assert!(told.iter().any(|(line, what)| *line == 1 && what.contains(word)), "{text:?}: {told:?}");
    }
}

proptest! {
    /// Whatever bytes come: an answer, and no row that is not sound.
    #[test]
    fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..400), heading in any::<bool>()) {
        let mut text = if heading { b"tenant,person,name,email,device\n".to_vec() } else { vec![] };
        text.extend(bytes);
        let sheet = read(&text);
        for row in sheet.rows {
            prop_assert!(!row.device.is_empty() && row.line > 1);
            prop_assert!(row.add().is_none_or(|add| person::check(&add).is_ok()));
        }
    }
}
