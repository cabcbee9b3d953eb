//! What is recorded of a person, and what is refused.

use super::*;

fn add(tenant: &str) -> Add {
    Add {
        tenant: TenantId::parse(tenant).unwrap(),
        name: "Anna Muster".to_owned(),
        id: None,
        emails: vec!["anna@example.com".to_owned()],
        telephone: Some("+41 79 555 01 23".to_owned()),
        groups: vec![],
        roles: vec![],
    }
}

#[test]
fn a_client_is_in_the_group_of_clients_and_has_no_role() {
    let anna = new_person(add("bank"), Time(0)).unwrap();
    assert_eq!(anna.id.as_str(), "anna-muster");
    assert!(anna.groups.contains("clients") && anna.roles.is_empty());
    assert!(new_person(Add { roles: vec![Role::Owner], ..add("bank") }, Time(0)).is_err());
    assert!(new_person(add("staff"), Time(0)).is_err());
}

#[test]
fn short_names_are_made_of_names() {
    assert_eq!(id_from("Zoë  O'Brien-Müller").unwrap().as_str(), "zoe-o-brien-muller");
    assert!(id_from("李小龙").is_none());
    assert!(id_from(&"x".repeat(200)).is_some());
}

#[test]
fn what_is_no_address_is_refused() {
    for bad in
        ["anna", "a@b", "a b@c.example", "a@b@c.example", "x@y.example\r\nBcc: z@y.example", "a@.example"]
    {
        assert!(new_person(Add { emails: vec![bad.to_owned()], ..add("bank") }, Time(0)).is_err(), "{bad}");
    }
}
