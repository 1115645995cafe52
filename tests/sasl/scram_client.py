"""Logs on with SCRAM-SHA-256 or -PLUS over TLS, with Python's standard library alone, and prints
what the server said last. Arguments: host, port, CA file, mechanism, user, password, and what is
said of channel binding: n, y, tls-server-end-point, tls-unique, or wrong."""

import base64
import hashlib
import hmac
import os
import poplib
import ssl
import sys

host, port, ca_file, mechanism, user, password, binding = sys.argv[1:]


def encode(octets):
    return base64.b64encode(octets).decode()


def digest(key, octets):
    return hmac.digest(key, octets, "sha256")


context = ssl.create_default_context(cafile=ca_file)
if binding == "tls-unique":
    context.maximum_version = ssl.TLSVersion.TLSv1_2
pop3 = poplib.POP3_SSL(host, int(port), context=context)

if binding in ("n", "y"):
    header, bound = binding + ",,", b""
elif binding == "tls-unique":
    header, bound = "p=tls-unique,,", pop3.sock.get_channel_binding("tls-unique")
else:
    certificate = pop3.sock.getpeercert(binary_form=True)
    header, bound = "p=tls-server-end-point,,", hashlib.sha256(certificate).digest()
    if binding == "wrong":
        bound = hashlib.sha256(b"another certificate").digest()

try:
    bare = "n=" + user.replace("=", "=3D").replace(",", "=2C") + ",r=" + encode(os.urandom(18))
    challenge = pop3._shortcmd("AUTH " + mechanism + " " + encode((header + bare).encode()))
    server_first = base64.b64decode(challenge[2:]).decode()
    nonce, salt, iterations = [part[2:] for part in server_first.split(",")]
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), base64.b64decode(salt), int(iterations)
    )
    client_key = digest(salted, b"Client Key")
    last = "c=" + encode(header.encode() + bound) + ",r=" + nonce
    message = (bare + "," + server_first + "," + last).encode()
    signature = digest(hashlib.sha256(client_key).digest(), message)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    answer = pop3._shortcmd(encode((last + ",p=" + encode(proof)).encode()))
    verifier = base64.b64decode(answer[2:]).decode()
    expected = "v=" + encode(digest(digest(salted, b"Server Key"), message))
    if verifier != expected:
        sys.exit("the server does not know the password: " + verifier)
    print(pop3._shortcmd("").decode())
except poplib.error_proto as refused:
    print(refused.args[0].decode())
