"""Logs on with AUTH NTLM as Windows does, through gss-ntlmssp: with a MIC, and bound to the
channel if asked to. Arguments: port on loopback; tls or plain; right, wrong or none. User and
password come from NTLM_USER_FILE."""

import base64
import hashlib
import socket
import ssl
import sys

import gssapi
from gssapi.raw import ChannelBindings, inquire_sec_context_by_oid

NTLMSSP = gssapi.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")
# Who asks this is taken for somebody who can carry a MIC.
REQUIRE_MIC = gssapi.OID.from_int_seq("1.3.6.1.4.1.7165.655.1.2")


def main():
    port, how, binding = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    digest = b"?" * 32
    if how == "tls":
        connection = ssl._create_unverified_context().wrap_socket(connection)
        if binding == "right":
            digest = hashlib.sha256(connection.getpeercert(True)).digest()
    channel = None
    if binding != "none":
        channel = ChannelBindings(application_data=b"tls-server-end-point:" + digest)

    lines = connection.makefile("rwb")

    def say(text):
        lines.write(text + b"\r\n")
        lines.flush()
        return lines.readline()

    lines.readline()
    assert say(b"AUTH NTLM") == b"+ \r\n"
    server = gssapi.Name("pop@localhost", gssapi.NameType.hostbased_service)
    user = gssapi.Name("CORP\\ann", gssapi.NameType.user)
    credentials = gssapi.Credentials(name=user, usage="initiate", mechs=[NTLMSSP])
    context = gssapi.SecurityContext(
        name=server,
        creds=credentials,
        mech=NTLMSSP,
        usage="initiate",
        channel_bindings=channel,
        flags=gssapi.RequirementFlag.integrity,
    )
    challenge = say(base64.b64encode(context.step()))
    inquire_sec_context_by_oid(context, REQUIRE_MIC)
    answer = context.step(base64.b64decode(challenge.removeprefix(b"+ ")))
    flags = int.from_bytes(answer[60:64], "little")
    if flags & 0x60000000 == 0x60000000:
        print("128 bits, keys exchanged")
    if answer[72:88] != bytes(16) and b"\x06\x00\x04\x00\x02\x00\x00\x00" in answer:
        print("MIC sent")
    print(say(base64.b64encode(answer)).decode().strip())


main()
