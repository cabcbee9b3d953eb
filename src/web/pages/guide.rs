//! How a certificate is installed, platform by platform: numbered steps, each with a drawing. Knows nobody's
//! certificate. The drawings are ours and simple, so that they need not follow each maker's next version.

use crate::web::platform::Platform;

/// The steps on one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guide {
    /// In order.
    pub steps: Vec<Step>,
    /// The steps were written without such a device at hand.
    pub untried: bool,
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// In words.
    pub text: &'static str,
    /// As a drawing.
    pub picture: Picture,
}

/// A drawing, from few shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// A file with its name's ending.
    File(&'static str),
    /// A window that asks one thing.
    Window {
        /// In its bar.
        title: &'static str,
        /// What it asks.
        ask: &'static str,
        /// What is to be chosen or typed; dots are a password.
        answer: &'static str,
        /// The button to press.
        button: &'static str,
    },
    /// A list in which one line is chosen.
    List {
        /// Above it.
        title: &'static str,
        /// The lines.
        rows: [&'static str; 3],
        /// Which one.
        chosen: usize,
    },
    /// The browser, closed and opened again.
    Again,
}

/// The steps for a platform: `windows`, `mac`, `ios`, `linux`, `firefox` or `android`. `profile` says that the
/// file is a configuration profile.
#[must_use]
pub fn guide(platform: &str, profile: bool) -> Guide {
    let mut steps = match platform {
        "mac" if profile => PROFILE_ON_MAC.to_vec(),
        "ios" if !profile => P12_ON_IOS.to_vec(),
        "mac" => MAC.to_vec(),
        "ios" => IOS.to_vec(),
        "linux" => LINUX.to_vec(),
        "firefox" => FIREFOX.to_vec(),
        "android" => ANDROID.to_vec(),
        _ => WINDOWS.to_vec(),
    };
    steps.push(if matches!(platform, "ios" | "android") { AGAIN_ON_PHONE } else { AGAIN });
    steps.push(CHOOSE);
    Guide { steps, untried: matches!(platform, "mac" | "ios") }
}

/// The steps for a .p12 on every platform: its name, they, and whether it is the one meant. Without the last step:
/// where to go then stands on the page, which is not where one comes back to.
#[must_use]
pub fn guides(meant: Platform) -> Vec<(&'static str, Guide, bool)> {
    let of = |platform: Platform| {
        let mut guide = guide(platform.as_str(), false);
        guide.steps.pop();
        (platform.name(), guide, platform == meant)
    };
    Platform::ALL.map(of).to_vec()
}

const WINDOWS: [Step; 4] = [
    step("Save the file, then open it with a double click.", Picture::File(".p12")),
    step(
        "A window opens: the Certificate Import Wizard. Keep “Current User” and press Next, then Next again.",
        window("Certificate Import Wizard", "Store Location", "Current User", "Next"),
    ),
    step(
        "Type or paste the import password. Press Next.",
        window("Certificate Import Wizard", "Password", DOTS, "Next"),
    ),
    step(
        "Leave everything else as it is: Next, then Finish.",
        window("Certificate Import Wizard", "Certificate store", "Automatically", "Finish"),
    ),
];

const MAC: [Step; 3] = [
    step("Save the file, then open it with a double click.", Picture::File(".p12")),
    step(
        "Keychain Access opens. Choose the keychain “login” and press Add.",
        window("Add Certificates", "Keychain", "login", "Add"),
    ),
    step(
        "Type or paste the import password. Press OK.",
        window("Keychain Access", "Password for the file", DOTS, "OK"),
    ),
];

const IOS: [Step; 4] = [
    step(
        "Use Safari for this page. It says that the website is trying to download a configuration profile: tap Allow.",
        window("Safari", "Download a configuration profile?", "This website", "Allow"),
    ),
    step(
        "Open Settings. Near the top, tap “Profile Downloaded”.",
        Picture::List { title: "Settings", rows: ["Your name", "Profile Downloaded", "Wi-Fi"], chosen: 1 },
    ),
    step(
        "Tap Install, at the top right, and type the passcode of your iPhone or iPad.",
        window("Install Profile", "Passcode", DOTS, "Install"),
    ),
    step(
        "It asks for the password of the certificate: that is the import password. Type it, tap Next, then Install.",
        window("Enter Password", "Password for the certificate", DOTS, "Next"),
    ),
];

const P12_ON_IOS: [Step; 3] = [
    step("Save the file to Files and tap it there.", Picture::File(".p12")),
    step(
        "Open Settings. Near the top, tap “Profile Downloaded”, then Install.",
        Picture::List { title: "Settings", rows: ["Your name", "Profile Downloaded", "Wi-Fi"], chosen: 1 },
    ),
    step(
        "Type your passcode, then the import password. Tap Next, then Install.",
        window("Enter Password", "Password for the certificate", DOTS, "Next"),
    ),
];

const PROFILE_ON_MAC: [Step; 3] = [
    step("Save the file, then open it with a double click.", Picture::File(".mobileconfig")),
    step(
        "Open System Settings and search for “Profiles”. Open the one that was downloaded and press Install.",
        Picture::List {
            title: "Profiles",
            rows: ["Downloaded", "Certificate for your device", ""],
            chosen: 1,
        },
    ),
    step(
        "Type or paste the import password. Press Install.",
        window("Install Profile", "Password for the certificate", DOTS, "Install"),
    ),
];

const LINUX: [Step; 4] = [
    step("Save the file.", Picture::File(".p12")),
    step(
        "In the browser open Settings, Privacy and security, Security, Manage certificates.",
        Picture::List {
            title: "Security",
            rows: ["Use secure DNS", "Manage certificates", "Advanced protection"],
            chosen: 1,
        },
    ),
    step(
        "Under “Your certificates” press Import and choose the file.",
        window("Your certificates", "File", "laptop.p12", "Import"),
    ),
    step(
        "Type or paste the import password. Press OK.",
        window("Certificate password", "Password", DOTS, "OK"),
    ),
];

const FIREFOX: [Step; 4] = [
    step("Save the file.", Picture::File(".p12")),
    step(
        "In Firefox open Settings, Privacy & Security. Near the end press View Certificates.",
        Picture::List {
            title: "Privacy & Security",
            rows: ["Permissions", "View Certificates", "Security Devices"],
            chosen: 1,
        },
    ),
    step(
        "Under “Your Certificates” press Import and choose the file.",
        window("Certificate Manager", "Your Certificates", "laptop.p12", "Import"),
    ),
    step(
        "Type or paste the import password. Press Sign in or OK.",
        window("Firefox", "Password", DOTS, "OK"),
    ),
];

const ANDROID: [Step; 3] = [
    step("Save the file. Open it from your downloads.", Picture::File(".p12")),
    step("Type the import password. Tap OK.", window("Extract certificate", "Password", DOTS, "OK")),
    step(
        "Asked what the certificate is for, choose “VPN and app user certificate”. Keep the name, tap OK.",
        Picture::List {
            title: "Certificate type",
            rows: ["VPN and app user certificate", "Wi-Fi certificate", "CA certificate"],
            chosen: 0,
        },
    ),
];

const AGAIN: Step = step(
    "Close every window of the browser, so that it is gone from the screen. Then open it again.",
    Picture::Again,
);

const AGAIN_ON_PHONE: Step =
    step("Swipe the browser away, so that it is closed. Then open it again.", Picture::Again);

const CHOOSE: Step = step(
    "Come back to this address. Asked for a certificate, choose the one with the later date. Sign in as always.",
    Picture::List {
        title: "Select a certificate", rows: ["…, until 2026", "…, until 2028", ""], chosen: 1
    },
);

const DOTS: &str = "••••• ••••• •••••";

const fn step(text: &'static str, picture: Picture) -> Step {
    Step { text, picture }
}

const fn window(
    title: &'static str,
    ask: &'static str,
    answer: &'static str,
    button: &'static str,
) -> Picture {
    Picture::Window { title, ask, answer, button }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guide_ends_with_the_browser_closed_and_opened() {
        for platform in ["windows", "mac", "ios", "linux", "firefox", "android", "else"] {
            for profile in [false, true] {
                let guide = guide(platform, profile);
                assert!(guide.steps.len() >= 5, "{platform}");
                assert_eq!(guide.steps[guide.steps.len() - 2].picture, Picture::Again);
                assert_eq!(guide.untried, platform == "mac" || platform == "ios");
            }
        }
    }
}
