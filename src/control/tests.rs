//! The control socket: whom it hears, and that a living one is not taken over.

use super::server::{Listener, admits};

#[test]
fn only_the_servers_own_user_and_root_are_heard() {
    assert!(admits(1000, 1000) && admits(0, 1000) && admits(0, 0));
    assert!(!admits(1000, 0) && !admits(1001, 1000));
}

#[tokio::test]
async fn a_socket_that_answers_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("control.sock");
    let first = Listener::bind(&file).await.unwrap();
    assert!(matches!(Listener::bind(&file).await, Err(super::ListenError::Taken(_))));
    drop(first);
    assert!(!file.exists());
    drop(std::os::unix::net::UnixListener::bind(&file).unwrap());
    Listener::bind(&file).await.unwrap();
}
