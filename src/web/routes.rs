//! The table of a room's routes, asked before anything else of a request: what is not in the table is not
//! answered, so that a test over the tables is a test over all there is. Knows no room.

use crate::domain::Reason;

/// Method and path of each route; `*` stands for one segment that is not empty.
pub type Routes = &'static [(&'static str, &'static str)];

/// The method by which the table answers this request: HEAD as GET, without the body.
///
/// # Errors
/// [`Reason::MethodNotAllowed`] where it holds the path with another method, [`Reason::NotFound`] where not.
pub fn listed(routes: Routes, method: &str, path: &str) -> Result<&'static str, Reason> {
    let method = if method == "HEAD" { "GET" } else { method };
    let mut known = false;
    for (listed, route) in routes {
        if fits(route, path) {
            if *listed == method {
                return Ok(listed);
            }
            known = true;
        }
    }
    Err(if known { Reason::MethodNotAllowed } else { Reason::NotFound })
}

/// The route that a path is of, whatever the method: what a log may say where a segment is a secret.
#[must_use]
pub fn of(routes: Routes, path: &str) -> Option<&'static str> {
    routes.iter().map(|(_, route)| *route).find(|route| fits(route, path))
}

fn fits(route: &str, path: &str) -> bool {
    let (mut route, mut path) = (route.split('/'), path.split('/'));
    loop {
        match (route.next(), path.next()) {
            (None, None) => return true,
            (Some("*"), Some(segment)) if !segment.is_empty() => {}
            (Some(wanted), Some(segment)) if wanted == segment => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_listed_with_its_own_methods_alone() {
        const TABLE: Routes = &[("GET", "/a/"), ("GET", "/b/*/c"), ("POST", "/b/*/c")];
        for (method, path) in [("GET", "/a/"), ("GET", "/b/x/c"), ("POST", "/b/x/c")] {
            assert_eq!(listed(TABLE, method, path), Ok(method), "{method} {path}");
        }
        assert_eq!(listed(TABLE, "HEAD", "/a/"), Ok("GET"));
        for (method, path) in [("POST", "/a/"), ("DELETE", "/b/x/c"), ("get", "/a/")] {
            assert_eq!(listed(TABLE, method, path), Err(Reason::MethodNotAllowed), "{method} {path}");
        }
        for path in ["/a", "/a/b", "//a/", "/b//c", "/b/x/y/c", "/b/x/c/", "", "/"] {
            assert_eq!(listed(TABLE, "GET", path), Err(Reason::NotFound), "{path}");
        }
    }
}
