//! `portcullis reload`: has the running gate read its files again, and says where that is not the file that was meant.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::failure::Failure;
use super::print::Printer;
use super::reach::{Reach, config_file};
use crate::config::Environment;
use crate::console::command::{Command, Output};

pub(super) async fn run(
    file: Option<&Path>,
    environment: &Environment,
    printer: Printer,
) -> Result<bool, Failure> {
    let meant = config_file(file, environment)?;
    let mut output = Reach::open(Some(&meant), environment)?.run(Command::Reload).await?;
    if let Some(read) = taken_out(&mut output)
        && std::fs::canonicalize(&meant).is_ok_and(|meant| meant != read)
    {
        let (read, meant) = (read.display(), meant.display());
        let but = format!(
            "what the gate read again is {read}, not {meant}: which file is its own is said when it starts, by \
             `portcullis serve --config {meant}`"
        );
        output.lines.push(format!("  But {but}."));
        match &mut output.json["heed"] {
            serde_json::Value::Array(heed) => heed.push(json!(but)),
            none => *none = json!([but]),
        }
    }
    printer.output(&output)
}

/// The file that the gate read.
fn taken_out(output: &mut Output) -> Option<PathBuf> {
    serde_json::from_value(output.json.as_object_mut()?.remove("file")?).ok()
}
