//! Figures in words: medians, spreads, the sections of `RESULTS.md` that a run writes anew.

use std::path::Path;

use super::Failure;

/// The value below which this share of `sorted` lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index of a list that fits in memory"
    )]
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// Median, least and most.
pub(crate) fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (quantile(&sorted, 0.5), quantile(&sorted, 0.0), quantile(&sorted, 1.0))
}

/// `0.84 (0.80..0.91)`.
pub(crate) fn words(values: &[f64], digits: usize) -> String {
    let (median, least, most) = spread(values);
    format!("{median:.digits$} ({least:.digits$}..{most:.digits$})")
}

/// What else the machine did, as the kernel averages it.
pub(crate) fn busy() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(1).collect()
}

/// Writes a section of `RESULTS.md` anew, between its two marks; the prose around it is ours.
///
/// # Errors
/// Where the file or its marks are missing.
pub(crate) fn publish(section: &str, text: &str) -> Result<(), Failure> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
    let old = std::fs::read_to_string(&file)?;
    let (from, to) = (format!("<!-- {section}: measured -->\n"), format!("<!-- {section}: end -->"));
    let (before, rest) = old.split_once(&from).ok_or("RESULTS.md has lost a mark")?;
    let (_, after) = rest.split_once(&to).ok_or("RESULTS.md has lost a mark")?;
    std::fs::write(&file, format!("{before}{from}{}\n{to}{after}", text.trim_end()))?;
    Ok(())
}
