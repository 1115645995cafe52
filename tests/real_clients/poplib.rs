//! Python's poplib: it hands lines over without their ends, and nothing else changes. Its limit
//! for a line (2048 octets) has to be lifted for the corpus.

use super::child::{program, run};
use super::mailbox::{PASSWORD, assert_same, server};

/// Fetches all, with TOP and RETR, over STLS; the folder is the first argument.
const SCRIPT: &str = r#"
import poplib, ssl, sys
folder, port, tls_port, password, certificate = sys.argv[1:]
poplib._MAXLINE = 1 << 20
context = ssl.create_default_context(cafile=certificate)
box = poplib.POP3("127.0.0.1", int(port), timeout=30)
assert "STLS" in box.capa()
box.stls(context=context)
assert "STLS" not in box.capa()
box.user("ann")
box.pass_(password)
count, _size = box.stat()
listed = box.list()[1]
ids = box.uidl()[1]
assert len(listed) == len(ids) == count
assert box.uidl(1).split()[2] == ids[0].split()[1]
assert box.list(1).split()[1:] == listed[0].split()
for number in range(1, count + 1):
    for name, lines in (("retr", box.retr(number)[1]), ("top", box.top(number, 1)[1])):
        with open(f"{folder}/{name}-{number}", "wb") as out:
            out.write(b"".join(line + b"\r\n" for line in lines))
box.noop()
box.dele(1)
box.rset()
box.dele(2)
box.quit()

other = poplib.POP3_SSL("127.0.0.1", int(tls_port), timeout=30, context=context)
other.user("ann")
other.pass_(password)
assert other.stat()[0] == count - 1
other.quit()
print(count)
"#;

#[test]
fn poplib_fetches_all_and_deletes_one() {
    let (server, messages) = server();
    let folder = tempfile::tempdir().unwrap();
    let mut python = program("python3", "python3", folder.path());
    python.args(["-c", SCRIPT]).arg(folder.path());
    python.arg(server.address().port().to_string());
    python.arg(server.tls_address().port().to_string());
    python.arg(PASSWORD).arg(server.certificate());
    let count = String::from_utf8(run(python).success()).unwrap();
    assert_eq!(count.trim(), messages.len().to_string());
    for (number, message) in (1..).zip(&messages) {
        let arrived = |kind| std::fs::read(folder.path().join(format!("{kind}-{number}"))).unwrap();
        let form = message.form();
        assert_same(message.name, &arrived("retr"), &form.exact());
        let body = form.exact()[form.header_octets()..].to_vec();
        let first = body
            .iter()
            .position(|octet| *octet == b'\n')
            .map_or(0, |end| end + 1);
        let top = &form.exact()[..form.header_octets() + first];
        assert_same(message.name, &arrived("top"), top);
    }
    assert!(server.wait_for_count("ann", messages.len() - 1));
}
