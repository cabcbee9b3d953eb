//! What CAs are, when they sign, with what they open.

use super::*;

fn nobody() -> Vec<GeneralSubtree<'static>> {
    let names = [GeneralName::DNSName("nobody.invalid"), GeneralName::RFC822Name("nobody.invalid")];
    names.map(|base| GeneralSubtree { base }).to_vec()
}

#[test]
fn cas_are_what_their_profiles_say() {
    let house = House::new();
    for issuer in &house.issuers {
        chain::check(issuer, house.world.now()).unwrap();
        for (der, path_length) in [(&issuer.der, 0), (&issuer.root_der, 1)] {
            let ca = chain::read(der).unwrap();
            let constraints = ca.basic_constraints().unwrap().unwrap();
            assert!(constraints.critical && constraints.value.ca);
            assert_eq!(constraints.value.path_len_constraint, Some(path_length));
            let usage = ca.key_usage().unwrap().unwrap().value;
            assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
            assert!(ca.extended_key_usage().unwrap().is_none());
            let limited = ca.name_constraints().unwrap().unwrap();
            assert!(limited.critical, "{}", issuer.id);
            if issuer.kind != IssuerKind::Server {
                assert_eq!(*limited.value.permitted_subtrees.as_ref().unwrap(), nobody());
                let shut = limited.value.excluded_subtrees.as_ref().unwrap();
                let shut: Vec<_> = shut.iter().map(|tree| tree.base.clone()).collect();
                let (v4, v6) = ([0; 8], [0; 32]);
                let all =
                    [GeneralName::DNSName(""), GeneralName::IPAddress(&v4), GeneralName::IPAddress(&v6)];
                assert_eq!(shut, all);
            }
        }
    }
    let server = chain::read(&house.issuers[2].root_der).unwrap();
    let permitted = server.name_constraints().unwrap().unwrap().value.permitted_subtrees.clone().unwrap();
    assert_eq!(permitted.len(), 1);
    assert_eq!(permitted[0].base, GeneralName::DNSName("localhost"));
}

#[test]
fn a_ca_that_is_not_in_force_issues_nothing_and_none_outlives_it() {
    let house = House::new();
    let until = house.issuers[0].not_after;
    house.clock.set(until.minus(Duration::from_secs(24 * 3600)));
    let issued = house.issue_to(NewKey::make().unwrap().prove().unwrap());
    assert_eq!(issued.certificate.not_after, until);
    assert!(issued.common_name.ends_with(&until.format("until %Y-%m")));
    house.clock.set(until);
    let error = house.refused(&house.grant("device"));
    assert!(matches!(error, IssueError::Ca(CaError::IssuerNotInForce { .. })), "{error}");
    house.clock.set(Time::from_secs(0));
    assert!(matches!(
        house.refused(&house.grant("device")),
        IssueError::Ca(CaError::IssuerNotInForce { .. })
    ));
}

#[test]
fn the_authority_opens_with_its_own_passphrase_keys_and_certificates_alone() {
    let house = House::new();
    let other = House::new();
    let wrong = open(&house.dir, &Secret::new("another"), &house.issuers, &house.world);
    assert!(matches!(wrong, Err(CaError::WrongPassphrase(_))));
    let empty = open(&house.dir, &Secret::new(""), &house.issuers, &house.world);
    assert!(matches!(empty, Err(CaError::NoPassphrase)));
    let foreign = open(&house.dir, &passphrase(), &other.issuers, &house.world);
    assert!(matches!(foreign, Err(CaError::OtherKey { .. })));

    let mut mixed = house.issuers.clone();
    mixed[0].root_der = other.issuers[0].root_der.clone();
    let mixed = open(&house.dir, &passphrase(), &mixed, &house.world);
    assert!(matches!(mixed, Err(CaError::Chain { source: chain::ChainFault::NotOfRoot, .. })));

    let mut leaf = house.issuers.clone();
    leaf[0].der = house.issue_to(NewKey::make().unwrap().prove().unwrap()).certificate.der;
    let leaf = open(&house.dir, &passphrase(), &leaf, &house.world);
    assert!(matches!(leaf, Err(CaError::Chain { source: chain::ChainFault::NotACa, .. })));

    std::fs::remove_file(house.dir.path().join("devices.key")).unwrap();
    assert!(matches!(
        open(&house.dir, &passphrase(), &house.issuers, &house.world),
        Err(CaError::File { .. })
    ));
    let mut retired = house.issuers.clone();
    retired[0].issues = false;
    let retired = open(&house.dir, &passphrase(), &retired, &house.world).unwrap();
    assert_eq!(retired.issuers().count(), 2);
}

#[test]
fn doors_get_their_own_names_and_only_servers_usage() {
    let house = House::new();
    let names = ["bank.localhost".to_owned(), "127.0.0.1".to_owned()];
    let server = house.authority.issue_server(&names, house.world.now()).unwrap();
    let ders = pem::parse_many(&server.chain_pem).unwrap();
    assert_eq!(ders.len(), 2);
    let leaf = chain::read(ders[0].contents()).unwrap();
    let expected = [GeneralName::DNSName("bank.localhost"), GeneralName::IPAddress(&[127, 0, 0, 1])];
    assert_eq!(alternative_names(&leaf), expected);
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && !usage.client_auth);
    assert!(!leaf.is_ca());
    assert_eq!(server.not_after, chain::validity(&leaf).1);
    assert!(server.key_pem.expose().starts_with("-----BEGIN PRIVATE KEY-----"));
    for bad in [
        "",
        "*.localhost",
        "Bank.localhost",
        "a b",
        "bank..localhost",
        "bank.localhost.",
        "-a",
        "ä.ch",
        "a\0b",
    ] {
        let refused = house.authority.issue_server(&[bad.to_owned()], house.world.now());
        assert!(matches!(refused, Err(CaError::BadName(_))), "{bad:?}");
    }
    assert!(house.authority.issue_server(&[], house.world.now()).is_err());
}

#[test]
fn revocation_lists_are_fetched_without_tls_and_without_a_path() {
    assert_eq!(url_base("http://start.localhost:8080/").unwrap(), "http://start.localhost:8080");
    for bad in
        ["", "https://a", "start.localhost", "http://", "http://a/b", "http://a?b", "ftp://a", "http://a b"]
    {
        assert!(url_base(bad).is_err(), "{bad}");
    }
}
