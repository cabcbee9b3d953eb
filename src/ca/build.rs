//! From a profile to the fields of a certificate. Knows no keys; what is in a certificate is
//! said by its profile and by the one who asks for it, nothing by this file.

use std::net::IpAddr;

use der::asn1::{Ia5StringRef, ObjectIdentifier};
use der::{Choice, Encode as _, Sequence};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, SanType, SerialNumber,
};
use x509_parser::extensions::GeneralName;
use x509_parser::time::ASN1Time;

use super::profile::{ExtendedKeyUsage, KeyUsage, NameKind, Profile};
use super::{CaError, serial};
use crate::domain::Time;
use crate::world::World;

/// The fields that every certificate of a profile shares.
pub(super) fn params(
    profile: &Profile,
    (not_before, not_after): (Time, Time),
    world: &World,
) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from(serial::draw(world).to_vec()));
    set_validity(&mut params, not_before, not_after)?;
    params.distinguished_name = DistinguishedName::new();
    params.is_ca = match profile.path_length() {
        Some(length) => IsCa::Ca(BasicConstraints::Constrained(length)),
        None => IsCa::ExplicitNoCa,
    };
    params.key_usages = profile.key_usage().iter().map(|usage| key_usage(*usage)).collect();
    params.extended_key_usages =
        profile.extended_key_usage().iter().map(|usage| extended_key_usage(*usage)).collect();
    params.use_authority_key_identifier_extension = true;
    if profile.is_not_checked() {
        // NULL.
        params.custom_extensions.push(CustomExtension::from_oid_content(OCSP_NO_CHECK, vec![5, 0]));
    }
    Ok(params)
}

/// Where OCSP is asked: the authority information access of RFC 5280 4.2.2.1.
pub(super) fn ocsp_address(url: &str) -> Result<CustomExtension, CaError> {
    let access = Ia5StringRef::new(url).map(|url| Access { method: AD_OCSP, location: Location::Uri(url) });
    let der = access.and_then(|access| vec![access].to_der());
    let der = der.map_err(|_| CaError::BadCrlUrl(url.chars().take(80).collect()))?;
    Ok(CustomExtension::from_oid_content(AUTHORITY_INFO_ACCESS, der))
}

/// `AccessDescription`.
#[derive(Sequence)]
struct Access<'a> {
    method: ObjectIdentifier,
    location: Location<'a>,
}

/// The kind of `GeneralName` that is an address.
#[derive(Choice)]
enum Location<'a> {
    #[asn1(context_specific = "6", tag_mode = "IMPLICIT", type = "IA5String")]
    Uri(Ia5StringRef<'a>),
}

/// Common name and organization, as UTF-8. The common name comes first, since that is what people
/// look for where a tool prints the whole.
pub(super) fn name(common: impl Into<String>, organization: impl Into<String>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common.into());
    name.push(DnType::OrganizationName, organization.into());
    name
}

/// A host name or an address, as the subject alternative name has it.
pub(super) fn host(name: &str) -> Result<SanType, CaError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let bad = || CaError::BadName(name.chars().take(80).collect());
    if !is_host_name(name) {
        return Err(bad());
    }
    Ok(SanType::DnsName(name.try_into().map_err(|_| bad())?))
}

/// What a root that is constrained to `names` may sign: these and what stands below them, and no
/// other host or address. Nothing given: no constraint.
pub(super) fn constraints(names: &[String]) -> Result<Option<NameConstraints>, CaError> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut permitted = Vec::new();
    for name in names {
        permitted.push(match host(name)? {
            SanType::IpAddress(address) => GeneralSubtree::IpAddress(whole(address)),
            _ => GeneralSubtree::DnsName(name.clone()),
        });
    }
    let addresses = permitted.iter().any(|tree| matches!(tree, GeneralSubtree::IpAddress(_)));
    let hosts = permitted.iter().any(|tree| matches!(tree, GeneralSubtree::DnsName(_)));
    // A kind of name that no subtree mentions is free (RFC 5280 4.2.1.10), so the other kinds are shut.
    let mut excluded = Vec::new();
    if !addresses {
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])));
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])));
    }
    if !hosts {
        excluded.push(GeneralSubtree::DnsName(String::new()));
    }
    Ok(Some(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded }))
}

/// Shuts whole kinds of names out, so that a stolen key of a client CA makes no certificate that a
/// program takes for a host's or a mailbox's.
///
/// Two locks where one alone does not hold everywhere: an empty excluded subtree is every name to
/// most, and no name to Java; a permitted subtree that no name lies in shuts the rest out for all (RFC
/// 5280 4.2.1.10). URIs stay free: most programs cannot compare them, and refuse what they cannot.
pub(super) fn without(kinds: &[NameKind]) -> Option<NameConstraints> {
    let (mut permitted_subtrees, mut excluded_subtrees) = (Vec::new(), Vec::new());
    for kind in kinds {
        match kind {
            NameKind::Dns => {
                permitted_subtrees.push(GeneralSubtree::DnsName(NO_HOST.to_owned()));
                excluded_subtrees.push(GeneralSubtree::DnsName(String::new()));
            }
            NameKind::Ip => {
                excluded_subtrees.push(GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])));
                excluded_subtrees.push(GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])));
            }
            // An empty excluded one is refused as no mailbox by some.
            NameKind::Email => permitted_subtrees.push(GeneralSubtree::Rfc822Name(NO_HOST.to_owned())),
        }
    }
    (!kinds.is_empty()).then_some(NameConstraints { permitted_subtrees, excluded_subtrees })
}

/// Whether a certificate's constraints are those of [`without`].
pub(super) fn is_without(
    kinds: &[NameKind],
    found: Option<&x509_parser::extensions::NameConstraints<'_>>,
) -> bool {
    let (mut permitted, mut excluded) = (Vec::new(), Vec::new());
    for kind in kinds {
        match kind {
            NameKind::Dns => {
                permitted.push(GeneralName::DNSName(NO_HOST));
                excluded.push(GeneralName::DNSName(""));
            }
            NameKind::Ip => {
                excluded.extend([GeneralName::IPAddress(&[0; 8]), GeneralName::IPAddress(&[0; 32])]);
            }
            NameKind::Email => permitted.push(GeneralName::RFC822Name(NO_HOST)),
        }
    }
    let Some(found) = found else { return kinds.is_empty() };
    let bases = |trees: &Option<Vec<x509_parser::extensions::GeneralSubtree<'_>>>,
                 expected: &[GeneralName<'_>]| {
        let trees = trees.as_deref().unwrap_or_default();
        trees.len() == expected.len() && trees.iter().zip(expected).all(|(tree, name)| tree.base == *name)
    };
    bases(&found.permitted_subtrees, &permitted) && bases(&found.excluded_subtrees, &excluded)
}

/// Writes the bounds, in whole seconds.
pub(super) fn set_validity(
    params: &mut CertificateParams,
    not_before: Time,
    not_after: Time,
) -> Result<(), CaError> {
    params.not_before = moment(not_before)?.to_datetime();
    params.not_after = moment(not_after)?.to_datetime();
    Ok(())
}

/// A moment as ASN.1 has it.
pub(super) fn moment(time: Time) -> Result<ASN1Time, CaError> {
    ASN1Time::from_timestamp(time.secs())
        .map_err(|_| CaError::Crypto("wrote a date: check the machine's clock"))
}

fn whole(address: IpAddr) -> CidrSubnet {
    match address {
        IpAddr::V4(v4) => CidrSubnet::V4(v4.octets(), [0xff; 4]),
        IpAddr::V6(v6) => CidrSubnet::V6(v6.octets(), [0xff; 16]),
    }
}

/// Lower-case letters, digits and hyphens between dots (RFC 1123 2.1); no wildcard, no trailing dot.
fn is_host_name(name: &str) -> bool {
    name.len() <= HOST_BYTES_MAX
        && name.split('.').all(|label| {
            (1..=LABEL_BYTES_MAX).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        })
}

const fn key_usage(usage: KeyUsage) -> KeyUsagePurpose {
    match usage {
        KeyUsage::DigitalSignature => KeyUsagePurpose::DigitalSignature,
        KeyUsage::KeyCertSign => KeyUsagePurpose::KeyCertSign,
        KeyUsage::CrlSign => KeyUsagePurpose::CrlSign,
    }
}

const fn extended_key_usage(usage: ExtendedKeyUsage) -> ExtendedKeyUsagePurpose {
    match usage {
        ExtendedKeyUsage::ClientAuth => ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsage::ServerAuth => ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsage::OcspSigning => ExtendedKeyUsagePurpose::OcspSigning,
    }
}

/// Nobody can own a name below `invalid` (RFC 6761 6.4).
pub(super) const NO_HOST: &str = "nobody.invalid";

/// RFC 1035 2.3.4.
const HOST_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// id-pe-authorityInfoAccess (RFC 5280 4.2.2.1).
const AUTHORITY_INFO_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];

/// id-ad-ocsp.
const AD_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");

/// id-pkix-ocsp-nocheck (RFC 6960 4.2.2.2.1).
const OCSP_NO_CHECK: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 5];
