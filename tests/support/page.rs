//! A page of the gate as a person reads it: words, digits, forms. Finds what stands in our own
//! templates and is no parser of HTML.

use http::StatusCode;

use super::wire::Answer;

/// A page that was loaded.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    /// Where the browser ended up.
    pub(crate) path: String,
    pub(crate) html: String,
    pub(crate) answer: Answer,
}

/// A form of a page.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) action: String,
    /// Its hidden fields.
    pub(crate) hidden: Vec<(String, String)>,
    /// Values of its buttons, by name.
    pub(crate) buttons: Vec<(String, String)>,
}

impl Page {
    pub(crate) fn of(path: &str, answer: Answer) -> Self {
        Self { status: answer.status, path: path.to_owned(), html: answer.text(), answer }
    }

    /// What the first heading says.
    pub(crate) fn title(&self) -> String {
        self.between("<h1", "</h1>").split_once('>').map(|(_, text)| words(text)).unwrap_or_default()
    }

    /// The page's words, one blank between them.
    pub(crate) fn words(&self) -> String {
        words(&self.html)
    }

    /// Whether a sentence stands on the page.
    pub(crate) fn says(&self, sentence: &str) -> bool {
        self.words().contains(sentence)
    }

    #[track_caller]
    pub(crate) fn must_say(&self, sentence: &str) -> &Self {
        assert!(
            self.says(sentence),
            "{sentence:?} is not on {} {}: {}",
            self.status,
            self.path,
            self.words()
        );
        self
    }

    /// The six digits in large type.
    #[track_caller]
    pub(crate) fn digits(&self) -> String {
        let text = self.between("class=\"digits\"", "</p>");
        let digits: String =
            text.split_once('>').map_or("", |(_, text)| text).chars().filter(char::is_ascii_digit).collect();
        assert_eq!(digits.len(), 6, "no six digits on {}: {}", self.path, self.words());
        digits
    }

    /// What the page's square says, read as a camera would.
    pub(crate) fn square(&self) -> String {
        let svg = self.between("id=\"square\"", "</svg>");
        let part = |from: &str, to: &str| svg.split_once(from).unwrap().1.split_once(to).unwrap().0;
        let side: usize = part("viewBox=\"0 0 ", " ").parse().unwrap();
        let mut dark = vec![false; side * side];
        for run in part("<path d=\"", "\"").split('M').skip(1) {
            let (at, rest) = run.split_once('h').unwrap();
            let (x, y) = at.split_once(' ').unwrap();
            let (x, y, long): (usize, usize, usize) =
                (x.parse().unwrap(), y.parse().unwrap(), rest.split_once('v').unwrap().0.parse().unwrap());
            dark[y * side + x..][..long].fill(true);
        }
        let scaled = side * 4;
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(scaled, scaled, |x, y| {
            if dark[y / 4 * side + x / 4] { 0 } else { 255 }
        });
        image.detect_grids().first().expect("a square").decode().expect("a square that can be read").1
    }

    /// The two words of a pairing.
    pub(crate) fn pair_words(&self) -> Vec<String> {
        let text = self.between("class=\"pairwords\"", "</p>");
        words(text.split_once('>').map_or("", |(_, text)| text)).split(' ').map(str::to_owned).collect()
    }

    /// The link that pairs a phone.
    pub(crate) fn pairing_link(&self) -> String {
        let anchor = self.between("<a href=\"", "\" id=\"link\"");
        unescaped(anchor.rsplit("<a href=\"").next().unwrap())
    }

    /// The recovery codes that the page shows.
    pub(crate) fn recovery_codes(&self) -> Vec<String> {
        let list = self.between("id=\"codes\">", "</ol>");
        list.split("<li>").skip(1).map(|one| words(one.split("</li>").next().unwrap())).collect()
    }

    /// Where the page waits for events.
    pub(crate) fn events(&self) -> String {
        unescaped(self.between("data-wait=\"", "\""))
    }

    /// The form whose action ends so.
    #[track_caller]
    pub(crate) fn form(&self, action_end: &str) -> Form {
        let found = self.forms().into_iter().find(|form| form.action.ends_with(action_end));
        found.unwrap_or_else(|| {
            panic!("no form {action_end} on {} {}: {}", self.status, self.path, self.words())
        })
    }

    pub(crate) fn forms(&self) -> Vec<Form> {
        let pieces = self.html.split("<form ").skip(1);
        pieces
            .map(|piece| {
                let (head, rest) = piece.split_once('>').unwrap();
                let inner = rest.split("</form>").next().unwrap();
                let fields = |tag: &str, hidden: bool| {
                    let tags = inner.split(tag).skip(1).map(|tag| tag.split('>').next().unwrap());
                    let tags = tags.filter(|tag| !hidden || tag.contains("type=\"hidden\""));
                    tags.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?))).collect()
                };
                Form {
                    action: attribute(head, "action").unwrap_or_default(),
                    hidden: fields("<input ", true),
                    buttons: fields("<button ", false),
                }
            })
            .collect()
    }

    fn between(&self, from: &str, to: &str) -> &str {
        let rest = self.html.split_once(from).map_or("", |(_, rest)| rest);
        rest.split_once(to).map_or("", |(text, _)| text)
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = format!(" {tag}");
    let rest = tag.split_once(&format!(" {name}=\""))?.1.to_owned();
    Some(unescaped(rest.split('"').next()?))
}

/// Text without tags, one blank between words.
pub(crate) fn words(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    unescaped(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unescaped(text: &str) -> String {
    [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&"), ("&amp;", "&")]
        .into_iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}
