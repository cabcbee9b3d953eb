//! The rules that come with the gate: the files of `policies/`, compiled in.
//! Knows their names and texts; what they say is in the files.

/// A file of rules and the cases that test it.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// File name, for messages.
    pub file: &'static str,
    /// The rules.
    pub rules: &'static str,
    /// Their tests.
    pub cases: &'static str,
}

/// Three locks for the clients of a tenant.
pub const PORTAL: Shipped = Shipped {
    file: "policies/portal.toml",
    rules: include_str!("../../policies/portal.toml"),
    cases: include_str!("../../policies/portal.test.toml"),
};

/// Three locks and a role for the desk.
pub const CONSOLE: Shipped = Shipped {
    file: "policies/console.toml",
    rules: include_str!("../../policies/console.toml"),
    cases: include_str!("../../policies/console.test.toml"),
};

/// Two locks and a role for the desk of the demo.
pub const DEMO_CONSOLE: Shipped = Shipped {
    file: "policies/demo-console.toml",
    rules: include_str!("../../policies/demo-console.toml"),
    cases: include_str!("../../policies/demo-console.test.toml"),
};

/// All of them.
pub const ALL: [Shipped; 3] = [PORTAL, CONSOLE, DEMO_CONSOLE];
