//! The tenant's colour, made readable on both themes, as a generated style sheet: the strict
//! content policy allows no inline style. Knows no tenant: only the colour.

/// A colour of the sRGB cube.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

/// The gate's own accent, where a tenant has none.
pub const OWN: Colour = Colour(0x1f, 0x4b, 0x73);

/// What stands behind the accent; the same as in `style.css`.
const LIGHT: [Colour; 2] = [Colour(0xf6, 0xf5, 0xf2), WHITE];
const DARK: [Colour; 2] = [Colour(0x14, 0x16, 0x19), Colour(0x1d, 0x20, 0x24)];
const WHITE: Colour = Colour(0xff, 0xff, 0xff);
const BLACK: Colour = Colour(0, 0, 0);

/// WCAG 2.2, 1.4.3: text of body size.
const CONTRAST_MIN: f64 = 4.5;

impl Colour {
    /// From `#rrggbb` or `rrggbb`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix('#').unwrap_or(text);
        let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        let plain = hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        plain.then(|| Some(Self(byte(0)?, byte(2)?, byte(4)?)))?
    }

    /// `rrggbb`
    #[must_use]
    pub fn hex(self) -> String {
        format!("{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }

    /// WCAG 2.2 contrast ratio, 1 to 21.
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// This colour on light pages: darkened until it reads on each of their surfaces.
    #[must_use]
    pub fn on_light(self) -> Self {
        self.towards(BLACK, &LIGHT)
    }

    /// This colour on dark pages: lightened until it reads on each of their surfaces.
    #[must_use]
    pub fn on_dark(self) -> Self {
        self.towards(WHITE, &DARK)
    }

    /// Black or white, whichever reads better on this colour.
    #[must_use]
    pub fn ink(self) -> Self {
        let dark = DARK[0];
        if self.contrast(WHITE) >= self.contrast(dark) { WHITE } else { dark }
    }

    fn towards(self, end: Self, behind: &[Self]) -> Self {
        (0..=100_u16)
            .map(|percent| self.mixed(end, percent))
            .find(|colour| behind.iter().all(|surface| colour.contrast(*surface) >= CONTRAST_MIN))
            .unwrap_or(end)
    }

    fn mixed(self, end: Self, percent: u16) -> Self {
        let mix = |from: u8, to: u8| {
            let mixed = (u16::from(from) * (100 - percent) + u16::from(to) * percent) / 100;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        Self(mix(self.0, end.0), mix(self.1, end.1), mix(self.2, end.2))
    }

    fn luminance(self) -> f64 {
        let linear = |byte: u8| {
            let c = f64::from(byte) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
}

/// The asset's name for a tenant's accent: `brand-14532d.css`. The colour is in the name, so
/// that the asset never changes and needs no tenant to be served.
#[must_use]
pub fn asset_name(accent: Option<&str>) -> String {
    format!("brand-{}.css", accent.and_then(Colour::parse).unwrap_or(OWN).hex())
}

/// The style sheet that [`asset_name`] names; `None` for any other name.
#[must_use]
pub fn sheet(name: &str) -> Option<String> {
    let colour = Colour::parse(name.strip_prefix("brand-")?.strip_suffix(".css")?)?;
    let rule =
        |accent: Colour| format!(":root{{--accent:#{};--on-accent:#{}}}", accent.hex(), accent.ink().hex());
    let (light, dark) = (rule(colour.on_light()), rule(colour.on_dark()));
    Some(format!("{light}\n@media (prefers-color-scheme:dark){{{dark}}}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accent_reads_on_every_surface() {
        for r in (0..=255).step_by(51) {
            for g in (0..=255).step_by(51) {
                for b in (0..=255).step_by(51) {
                    let colour = Colour(r, g, b);
                    for (accent, surfaces) in [(colour.on_light(), LIGHT), (colour.on_dark(), DARK)] {
                        for surface in surfaces {
                            assert!(accent.contrast(surface) >= CONTRAST_MIN, "{colour:?} on {surface:?}");
                        }
                        assert!(accent.contrast(accent.ink()) >= CONTRAST_MIN, "ink on {accent:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_good_accent_stays_as_it_is() {
        let green = Colour::parse("#14532d").unwrap();
        assert_eq!(green.on_light(), green);
        assert_ne!(green.on_dark(), green);
    }

    #[test]
    fn only_colours_make_sheets() {
        assert!(sheet("brand-14532d.css").is_some());
        for bad in ["brand-.css", "brand-}a{}.css", "brand-12345.css", "brand-+1+1+1.css", "style.css"] {
            assert_eq!(sheet(bad), None, "{bad}");
        }
        assert_eq!(asset_name(Some("red;}")), asset_name(None));
    }

    #[test]
    fn the_surfaces_are_those_of_the_style_sheet() {
        let css = include_str!("assets/style.css");
        for colour in LIGHT.into_iter().chain(DARK) {
            let hex = colour.hex();
            assert!(css.contains(&format!("#{hex}")) || (hex == "ffffff" && css.contains("#fff")), "{hex}");
        }
    }
}
