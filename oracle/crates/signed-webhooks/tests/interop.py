"""Signs or verifies one request with http-message-signatures. Reads and writes JSON."""

import base64
import datetime
import json
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization import PublicFormat
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver
from http_message_signatures import algorithms


class Request:
    def __init__(self, given):
        self.method = given["method"]
        self.url = given["url"]
        self.headers = given["headers"]


class Keys(HTTPSignatureKeyResolver):
    def __init__(self, given):
        self.secret = base64.b64decode(given["secret"])
        self.ed25519 = given["algorithm"] == "ed25519"

    def resolve_public_key(self, key_id):
        if not self.ed25519:
            return self.secret
        key = Ed25519PrivateKey.from_private_bytes(self.secret).public_key()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def resolve_private_key(self, key_id):
        if not self.ed25519:
            return self.secret
        key = Ed25519PrivateKey.from_private_bytes(self.secret)
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


given = json.load(sys.stdin)
request = Request(given)
keys = Keys(given)
algorithm = algorithms.ED25519 if keys.ed25519 else algorithms.HMAC_SHA256
if sys.argv[1] == "verify":
    verifier = HTTPMessageVerifier(signature_algorithm=algorithm, key_resolver=keys)
    results = verifier.verify(request, max_age=datetime.timedelta(minutes=5))
    print(json.dumps([list(result.covered_components) for result in results]))
else:
    signer = HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=keys)
    signer.sign(
        request,
        key_id="key-1",
        label="webhook",
        use_existing_digest=True,
        covered_component_ids=("@method", "@target-uri", "content-digest", "content-type", "webhook-id"),
    )
    print(json.dumps(dict(request.headers)))
