//! What the terminal shows: lines for people, JSON for programs. Knows no command.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::failure::Failure;
use crate::config::secrets;
use crate::console::command::Output;
use crate::console::command::output::File;

/// Prints one way or the other.
#[derive(Clone, Copy)]
pub(super) struct Printer {
    pub(super) json: bool,
}

impl Printer {
    /// Prints an answer; whether all was well.
    pub(super) fn output(self, output: &Output) -> Result<bool, Failure> {
        if self.json {
            self.line(&format!("{:#}", output.json))?;
        } else {
            for line in &output.lines {
                self.line(line)?;
            }
        }
        Ok(output.well)
    }

    /// Prints why not: for people on the error stream, for programs where they read.
    pub(super) fn failure(self, failure: &Failure) {
        if self.json {
            let error = match failure {
                Failure::Command(error) => {
                    json!({ "kind": error.kind, "what": error.what, "next": error.next })
                }
                other => json!({ "kind": "failed", "what": other.to_string() }),
            };
            let _ = self.line(&format!("{:#}", json!({ "error": error })));
        } else {
            let _ = writeln!(std::io::stderr(), "portcullis: {failure}");
        }
    }

    /// One line on the output. Where the reader has gone, there is nothing more to say.
    pub(super) fn line(self, line: &str) -> Result<(), Failure> {
        match writeln!(std::io::stdout(), "{line}") {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::written("the output")(error))
            }
            _ => Ok(()),
        }
    }

    /// A line for people alone.
    pub(super) fn say(self, line: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { self.line(line) }
    }
}

/// Writes a file of an answer, mode 0600, never over another. Without `to` under its own name in
/// this folder.
pub(super) fn write_file(file: &File, to: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = to.map_or_else(|| PathBuf::from(&file.name), Path::to_owned);
    let bytes = file.bytes().ok_or_else(|| {
        Failure::Other(
            "the answer's file is broken: start the server again and repeat the command".to_owned(),
        )
    })?;
    match secrets::write_new(&path, &bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Failure::Usage(format!(
            "{} exists already: move it away, or name another with --out FILE",
            path.display()
        ))),
        other => other.map(|()| path.clone()).map_err(Failure::written(path)),
    }
}

/// A QR code for a terminal: two rows of squares in each line, dark on light whatever the colours
/// of the terminal are.
pub(super) fn qr(text: &str) -> Vec<String> {
    use qrcode::render::unicode::Dense1x2;
    let Ok(code) = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::L) else {
        return Vec::new();
    };
    let image = code.render::<Dense1x2>().quiet_zone(true).build();
    // Black on white by escape, since a scanner wants the dark squares dark.
    image.lines().map(|line| format!("\u{1b}[30;107m{line}\u{1b}[0m")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_code_is_square_and_closed_in() {
        let lines = qr("https://phone.localhost:8443/");
        assert!(lines.len() > 10);
        assert!(lines.iter().all(|line| line.ends_with("\u{1b}[0m")));
    }

    #[test]
    fn a_file_is_written_for_its_owner_alone_and_never_over_another() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("anna.p12");
        let file = File { name: "x".to_owned(), base64: "AQID".to_owned() };
        write_file(&file, Some(&to)).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), [1, 2, 3]);
        assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(write_file(&file, Some(&to)), Err(Failure::Usage(_))));
    }
}
