//! Prometheus' text format (0.0.4), written. Knows no metric.

use std::fmt::{Display, Write as _};

/// A page of metrics.
#[derive(Debug, Default)]
pub struct Text(String);

/// What kind of metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// Name and value of each label.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Text {
    /// Begins a metric; its samples follow. `portcullis_` comes before the name.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to memory cannot fail.
        let _ = writeln!(self.0, "# HELP portcullis_{name} {help}\n# TYPE portcullis_{name} {kind}");
    }

    /// One value.
    pub fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        let _ = write!(self.0, "portcullis_{name}");
        for (n, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"", if n == 0 { '{' } else { ',' });
            for c in text.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A metric of one value.
    pub fn one(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// All that was written.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_a_line() {
        let mut text = Text::default();
        text.family("x_total", Kind::Counter, "X.");
        text.sample("x_total", &[("a", "q\"\\\n"), ("b", "")], 3);
        text.one("y", Kind::Gauge, "Y.", 0.5);
        let wanted = "# HELP portcullis_x_total X.\n# TYPE portcullis_x_total counter\n\
                      portcullis_x_total{a=\"q\\\"\\\\\\n\",b=\"\"} 3\n\
                      # HELP portcullis_y Y.\n# TYPE portcullis_y gauge\nportcullis_y 0.5\n";
        assert_eq!(text.into_string(), wanted);
    }
}
