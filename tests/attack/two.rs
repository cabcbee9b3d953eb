//! Two programs on one data folder: the second is refused, the first serves on.

use crate::support::gate::Gate;
use crate::support::program::Program;

/// S-15. By the control socket, which says it best; without it by the store itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_gate_on_the_same_data_is_refused() {
    let program = Program::instead_of(Gate::open().await).await;
    let refused = |says: &str| {
        let second = program.cli(&["serve"]);
        let told = String::from_utf8_lossy(&second.stderr).into_owned();
        assert!(!second.status.success() && told.contains(says), "no {says:?} in {told}");
    };
    refused("runs already");
    std::fs::remove_file(program.config.control_socket()).unwrap();
    refused("another process uses the store");
    // A command that would open the store itself is no way around it.
    let told = program.cli(&["tenant", "list"]);
    assert!(!told.status.success(), "{told:?}");
    let page = program.stranger("start").open("/").await;
    assert_eq!(page.status, 200, "the first serves on");
}
