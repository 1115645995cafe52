//! Perl's Net::POP3: it ends lines with LF, and nothing else changes.

use super::child::{program, run};
use super::mailbox::{PASSWORD, assert_same, server, with_lf};

/// Fetches all; the arguments are folder, port, password, certificate.
const SCRIPT: &str = r#"
use strict; use warnings; use Net::POP3;
my ($folder, $port, $password, $certificate) = @ARGV;
my $pop = Net::POP3->new("127.0.0.1:$port", Timeout => 30) or die "connect: $@";
$pop->capa() or die "capa";
my $count = $pop->login("ann", $password);
defined $count or die "login";
my $listed = $pop->list(); my $ids = $pop->uidl();
keys(%$listed) == $count and keys(%$ids) == $count or die "listings";
$pop->uidl(1) eq $ids->{1} or die "uidl 1";
for my $number (1 .. $count) {
    my $lines = $pop->get($number) or die "retr $number";
    open(my $out, ">:raw", "$folder/$number") or die;
    print $out @$lines;
    close $out;
}
my $top = $pop->top(1, 0) or die "top";
$pop->delete(1) or die "dele";
$pop->quit() or die "quit";
print $count + 0;
"#;

#[test]
fn net_pop3_fetches_all_and_deletes_one() {
    let (server, messages) = server();
    let folder = tempfile::tempdir().unwrap();
    let mut perl = program("perl", "perl", folder.path());
    perl.args(["-e", SCRIPT]).arg(folder.path());
    perl.arg(server.address().port().to_string());
    perl.arg(PASSWORD).arg(server.certificate());
    let count = String::from_utf8(run(perl).success()).unwrap();
    assert_eq!(count, messages.len().to_string());
    for (number, message) in (1..).zip(&messages) {
        let arrived = std::fs::read(folder.path().join(number.to_string())).unwrap();
        assert_same(message.name, &arrived, &with_lf(message));
    }
    assert!(server.wait_for_count("ann", messages.len() - 1));
}
