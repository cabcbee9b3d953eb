//! Which file suits which device: recognised from what the browser says of itself, and changeable, since a
//! browser may say anything. Knows no page.

use crate::ca::Encoding;

/// Where a certificate is to be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Windows, with the browsers that use its store.
    Windows,
    /// macOS.
    Mac,
    /// iPhone and iPad.
    Ios,
    /// Chrome on Linux, which keeps a store of its own.
    Linux,
    /// Firefox on a computer, which keeps a store of its own.
    Firefox,
    /// Android.
    Android,
}

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A .p12 in this encoding.
    P12(Encoding),
    /// A configuration profile around a .p12 that Apple's readers open.
    Profile,
}

impl Platform {
    /// All of them, as a page lists them.
    pub const ALL: [Self; 6] =
        [Self::Windows, Self::Mac, Self::Ios, Self::Linux, Self::Firefox, Self::Android];

    /// In forms and in the trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Windows => "windows",
            Self::Mac => "mac",
            Self::Ios => "ios",
            Self::Linux => "linux",
            Self::Firefox => "firefox",
            Self::Android => "android",
        }
    }

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Windows => "Windows: Chrome, Edge",
            Self::Mac => "Mac: Safari, Chrome",
            Self::Ios => "iPhone or iPad",
            Self::Linux => "Linux: Chrome",
            Self::Firefox => "Firefox, on any computer",
            Self::Android => "Android: Chrome",
        }
    }

    /// Reads what [`Platform::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// From "Chrome on Linux". Firefox keeps certificates of its own on computers, so it goes before the
    /// system; on an iPhone or an Android it does not.
    #[must_use]
    pub fn recognised(browser: &str) -> Self {
        let says = |mark: &str| browser.contains(mark);
        if says("iPhone") || says("iPad") {
            Self::Ios
        } else if says("Android") {
            Self::Android
        } else if says("Firefox") {
            Self::Firefox
        } else if says("Mac") {
            Self::Mac
        } else if says("Linux") || says("ChromeOS") {
            Self::Linux
        } else {
            Self::Windows
        }
    }

    /// What opens there at the first try: Apple's readers often refuse the modern encoding, and so do those of
    /// Androids that are some years old.
    #[must_use]
    pub const fn form(self) -> Form {
        match self {
            Self::Windows | Self::Linux | Self::Firefox => Form::P12(Encoding::Modern),
            Self::Mac | Self::Android => Form::P12(Encoding::Compatible),
            Self::Ios => Form::Profile,
        }
    }
}

impl Form {
    /// What was asked for on the page; nothing, or anything else, is what suits the platform.
    #[must_use]
    pub fn asked(text: &str, platform: Platform) -> Self {
        match text {
            "profile" => Self::Profile,
            text => Encoding::parse(text).map_or_else(|| platform.form(), Self::P12),
        }
    }

    /// The encoding of its .p12.
    #[must_use]
    pub const fn encoding(self) -> Encoding {
        match self {
            Self::P12(encoding) => encoding,
            Self::Profile => Encoding::Compatible,
        }
    }

    /// In forms and in the trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P12(_) => "p12",
            Self::Profile => "mobileconfig",
        }
    }

    /// `Content-Type` of the file.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::P12(_) => "application/x-pkcs12",
            Self::Profile => "application/x-apple-aspen-config",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platform_is_what_the_browser_says() {
        for (browser, platform) in [
            ("Chrome on Windows", Platform::Windows),
            ("Edge on Windows", Platform::Windows),
            ("Safari on Mac", Platform::Mac),
            ("Firefox on Mac", Platform::Firefox),
            ("Firefox on iPhone", Platform::Ios),
            ("Safari on iPad", Platform::Ios),
            ("Chrome on Linux", Platform::Linux),
            ("Chrome on Android", Platform::Android),
            ("a browser", Platform::Windows),
        ] {
            assert_eq!(Platform::recognised(browser), platform, "{browser}");
        }
    }

    #[test]
    fn compatible_is_only_by_platform_or_request() {
        for platform in Platform::ALL {
            let compatible = platform.form().encoding() == Encoding::Compatible;
            assert_eq!(compatible, matches!(platform, Platform::Mac | Platform::Ios | Platform::Android));
            assert_eq!(Platform::parse(platform.as_str()), Some(platform));
            assert_eq!(Form::asked("compatible", platform), Form::P12(Encoding::Compatible));
            assert_eq!(Form::asked("modern", platform), Form::P12(Encoding::Modern));
            assert_eq!(Form::asked("profile", platform), Form::Profile);
            for text in ["", "auto", "rc2"] {
                assert_eq!(Form::asked(text, platform), platform.form());
            }
        }
    }
}
