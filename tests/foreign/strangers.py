"""What Python's cryptography and PyJWT make of our files: `strangers.py VERB FILE...`.

Prints JSON, or ends with a traceback where it refuses. The import password is in the environment, as P.
"""

import json
import os
import sys
from datetime import datetime, timezone
from unittest import mock

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import ocsp as _ocsp
from cryptography.x509 import verification


def read(path):
    with open(path, "rb") as file:
        return file.read()


def pem(path):
    return x509.load_pem_x509_certificate(read(path))


def der(certificate):
    return certificate.public_bytes(serialization.Encoding.DER).hex()


def open_p12(path):
    """The certificates of a .p12, once its key was seen to be the leaf's by a signature."""
    opened = pkcs12.load_pkcs12(read(path), os.environ["P"].encode())
    leaf = opened.cert.certificate
    signature = opened.key.sign(b"a text", ec.ECDSA(hashes.SHA256()))
    leaf.public_key().verify(signature, b"a text", ec.ECDSA(hashes.SHA256()))
    return {
        "name": opened.cert.friendly_name.decode(),
        "chain": [der(leaf)] + [der(more.certificate) for more in opened.additional_certs],
    }


def verify_client(root, issuing, leaf):
    """The URI of a client certificate, once its chain was verified by the rules of the web's PKI."""
    builder = verification.PolicyBuilder().store(verification.Store([pem(root)])).time(datetime.now(timezone.utc))
    verified = builder.build_client_verifier().verify(pem(leaf), [pem(issuing)])
    return {"names": [name.value for name in verified.subjects], "length": len(verified.chain)}


def verify_server(root, issuing, leaf, name):
    builder = verification.PolicyBuilder().store(verification.Store([pem(root)])).time(datetime.now(timezone.utc))
    return {"length": len(builder.build_server_verifier(x509.DNSName(name)).verify(pem(leaf), [pem(issuing)]))}


def revoked(crl, issuing, leaf):
    """Whether a list that its issuer signed revokes a certificate, and why."""
    listed = x509.load_der_x509_crl(read(crl))
    issuer = pem(issuing)
    if not listed.is_signature_valid(issuer.public_key()) or listed.issuer != issuer.subject:
        raise ValueError("this list is another issuer's")
    if not listed.last_update_utc <= datetime.now(timezone.utc) < listed.next_update_utc:
        raise ValueError("this list is out of date")
    entry = listed.get_revoked_certificate_by_serial_number(pem(leaf).serial_number)
    reason = entry and entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    return {"revoked": entry is not None, "reason": reason, "entries": len(listed)}


def verify_jwt(token, keys, issuer, audience, now):
    """The claims of a token, by the key of the set that it names; it may be signed by ES256 alone."""
    token = read(token).decode()
    named = jwt.get_unverified_header(token)["kid"]
    key = jwt.PyJWKSet.from_json(read(keys).decode())[named]
    required = {"require": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "cnf"]}
    with mock.patch("jwt.api_jwt.datetime") as clock:
        clock.now.return_value = datetime.fromtimestamp(int(now), timezone.utc)
        return jwt.decode(token, key, algorithms=["ES256"], issuer=issuer, audience=audience, options=required)


def ocsp(answer, issuing, leaf):
    """What an answer of OCSP says, once the certificate in it was seen to be the issuer's and to have signed it."""
    read_answer = _ocsp.load_der_ocsp_response(read(answer))
    issuer, signer = pem(issuing), read_answer.certificates[0]
    signer.verify_directly_issued_by(issuer)
    signer.public_key().verify(
        read_answer.signature, read_answer.tbs_response_bytes, ec.ECDSA(read_answer.signature_hash_algorithm)
    )
    if read_answer.serial_number != pem(leaf).serial_number:
        raise ValueError("this answer is about another certificate")
    reason = read_answer.revocation_reason
    return {"status": read_answer.certificate_status.name, "reason": reason and reason.value}


VERBS = {
    "ocsp": ocsp,
    "p12": open_p12,
    "client": verify_client,
    "server": verify_server,
    "revoked": revoked,
    "jwt": verify_jwt,
}

print(json.dumps(VERBS[sys.argv[1]](*sys.argv[2:])))
